import { isIPv4 } from 'node:net';
import { FilerError } from '../errors.js';

export interface Bind {
  /** Address to listen at. */
  readonly bind: string;
  /** `--insecure` was given. */
  readonly insecure: boolean;
  /** `--secretFile` was given: peers and operators must sign. */
  readonly signed: boolean;
  /** What strangers reach there though it is signed: a master has nothing but its list. */
  readonly serves: 'tree' | 'list';
  /** The command line as it was typed. */
  readonly line: string;
}

/**
 * Whether a process may listen there: only its own machine reaches loopback; everything else is open to the network, and needs a
 * secret or must be asked for. Returns the warning to log at every start, or null.
 * @throws FilerError USAGE with the line to type
 */
export function checkBind({ bind, insecure, signed, serves, line }: Bind): string | null {
  if (isLoopback(bind)) return null;
  if (signed) {
    return serves === 'tree'
      ? `listening at ${bind}: replication is signed, but the tree API has neither tokens nor TLS yet: everybody who reaches it can read and change every file`
      : `listening at ${bind}: requests are signed, but there is no TLS yet: everybody on the way can read them`;
  }
  if (!insecure) {
    throw new FilerError(
      'USAGE',
      `listening at ${bind} lets everybody who reaches it read and change everything; type: ${line} --secretFile=FILE, or --insecure if that network may`,
    );
  }
  return `listening at ${bind} with --insecure: everybody who reaches it can read and change everything`;
}

function isLoopback(host: string): boolean {
  return (isIPv4(host) && host.startsWith('127.')) || host === '::1' || host.toLowerCase() === 'localhost';
}
