import { joinPath, parsePath } from '../entry/path.js';
import { HttpClient } from '../http/client.js';
import type { Signer } from '../security/signer.js';
import { TreeClient } from './filer/client.js';
import { MasterClient } from './master/client.js';

/** Whom to ask for names, and for how long. */
export interface NameQuestion {
  /** host:port of a master or of a filer. */
  readonly address: string;
  readonly signer?: Signer;
  /** Ends the question: who types waits. */
  readonly signal: AbortSignal;
}

/** Addresses of the filers of no group that a master knows as up. @throws FilerError PEER_UNREACHABLE */
export async function knownFilers({ address, signer, signal }: NameQuestion): Promise<string[]> {
  return asking(signer, async (http) =>
    (await new MasterClient(http, address).list('', signal)).members.filter(({ state }) => state === 'up').map((member) => member.address),
  );
}

/**
 * Paths in a directory of a filer whose names begin with `prefix`, at most one page; those of directories end in a slash.
 * @throws FilerError PEER_UNREACHABLE, ENTRY_NOT_FOUND, PATH_INVALID
 */
export async function knownPaths({ address, signer, signal }: NameQuestion, directory: string, prefix: string): Promise<string[]> {
  const parent = parsePath(directory);
  const namePattern = `${prefix.replace(/[\\*?[]/g, '\\$&')}*`;
  const { Entries } = await asking(signer, (http) => new TreeClient(http, address).list(parent, { namePattern, signal }));
  // The top bit of Go's file mode.
  return Entries.map(({ FullPath, Mode }) => joinPath(parent, FullPath.slice(FullPath.lastIndexOf('/') + 1)) + (Mode >= 0x80000000 ? '/' : ''));
}

async function asking<T>(signer: Signer | undefined, ask: (http: HttpClient) => Promise<T>): Promise<T> {
  const http = new HttpClient({ connections: 1, signer });
  try {
    return await ask(http);
  } finally {
    await http.close();
  }
}
