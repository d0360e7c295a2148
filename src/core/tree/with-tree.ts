import { TreeClient } from '../api/filer/client.js';
import { HttpClient } from '../http/client.js';
import type { Signer } from '../security/signer.js';

export interface TreeAccess {
  /** host:port */
  readonly address: string;
  readonly signer?: Signer;
  /** Requests in flight; 1 if absent. */
  readonly inFlight?: number;
}

/** Works on the tree of one filer, over connections that are closed when `work` has ended. */
export async function withTree<T>({ address, signer, inFlight = 1 }: TreeAccess, work: (tree: TreeClient) => Promise<T>): Promise<T> {
  const http = new HttpClient({ connections: inFlight, signer });
  try {
    return await work(new TreeClient(http, address));
  } finally {
    await http.close();
  }
}
