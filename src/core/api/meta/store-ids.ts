import { positionToJson, type Origin, type Seq } from '../../clock/vector.js';
import { FilerError } from '../../errors.js';
import { HttpClient } from '../../http/client.js';
import type { FilerState } from '../../replication/peer.js';
import type { Signer } from '../../security/signer.js';
import { MetaClient } from './client.js';

/** The ids of a store, as JSON. */
export interface StoreIds {
  readonly storeId: string;
  readonly origin: Origin;
  /** Origins it wrote under before, oldest first. */
  readonly former: readonly Origin[];
  readonly clusterId: string | null;
  /** Whose tombstones it has seen (docs/protocol.md, Lineages); null = the filer takes a snapshot, or does not say. */
  readonly lineage: string | null;
  /** First part of every offset of its feed. */
  readonly epoch: string;
  /** Where it stands in joining its cluster; null = the filer does not say. */
  readonly phase: 'fresh' | 'ready' | 'bootstrapping' | 'restored' | 'rejoining' | null;
  readonly engine: string;
  readonly kind: 'embedded' | 'shared';
  readonly position: Readonly<Record<Origin, Seq>>;
}

const phases: Record<FilerState, StoreIds['phase']> = {
  starting: 'fresh',
  readonly: 'restored',
  bootstrapping: 'bootstrapping',
  rejoining: 'rejoining',
  ready: 'ready',
  refused: null,
};

/** The ids of the store of a filer that runs. @throws FilerError PEER_UNREACHABLE */
export async function askStoreIds(address: string, signal: AbortSignal, signer?: Signer): Promise<StoreIds> {
  return withClient(address, signer, async (client) => {
    const { storeId, origin, former, clusterId, lineage, head, state, engine, kind, position } = await client.info(signal);
    // Only a store that is ready tells its lineage: its filer is about to join others.
    const phase = state === 'starting' && lineage !== null ? 'ready' : phases[state];
    return { storeId, origin, former, clusterId, lineage, epoch: head.slice(0, 8), phase, engine, kind, position: positionToJson(position) };
  });
}

/**
 * Lets a filer add up its digest anew from its rows; null if that gives what it has kept.
 * @throws FilerError PEER_UNREACHABLE
 */
export async function findDigestProblem(address: string, signal: AbortSignal, signer?: Signer): Promise<string | null> {
  return withClient(address, signer, async (client) => {
    const { digest, entries, recomputed } = await client.digest(true, signal);
    if (!recomputed)
      throw new FilerError('PEER_UNREACHABLE', `${address} does not say what its rows add up to; is it a filer of this version?`, { peer: address });
    if (recomputed.entries !== entries) return `the number of entries is kept as ${entries}, counted it is ${recomputed.entries}`;
    return recomputed.digest === digest ? null : `the digest is kept as ${digest}, the rows add up to ${recomputed.digest}`;
  });
}

async function withClient<T>(address: string, signer: Signer | undefined, ask: (client: MetaClient) => Promise<T>): Promise<T> {
  const http = new HttpClient({ connections: 1, signer });
  try {
    return await ask(new MetaClient(http, address));
  } finally {
    await http.close();
  }
}
