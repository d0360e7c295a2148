import { isIPv4 } from 'node:net';
import { FilerError } from '../errors.js';

/**
 * Whether a process may listen at `bind`: only its own machine reaches loopback; everything else is open to the network and must be
 * asked for. Returns the warning to log at every start, or null. `line` is the command line as it was typed.
 * @throws FilerError USAGE with the line to type
 */
export function checkBind(bind: string, insecure: boolean, line: string): string | null {
  if (isLoopback(bind)) return null;
  if (!insecure) {
    throw new FilerError(
      'USAGE',
      `listening at ${bind} lets everybody who reaches it read and change everything; if that network may, type: ${line} --insecure`,
    );
  }
  return `listening at ${bind} with --insecure: everybody who reaches it can read and change everything`;
}

function isLoopback(host: string): boolean {
  return (isIPv4(host) && host.startsWith('127.')) || host === '::1' || host.toLowerCase() === 'localhost';
}
