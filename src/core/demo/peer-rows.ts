import { limits } from '../config/limits.js';
import type { TimeSource } from '../time.js';
import { isFailure } from '../errors.js';
import type { DemoCluster } from './demo-cluster.js';

/** What one filer says of one peer; null where it cannot be told. */
export interface PeerRow {
  readonly filer: string;
  readonly address: string;
  readonly peer: string | null;
  readonly state: string;
  /** Changes the filer has not applied yet, and the age of the oldest in seconds. */
  readonly behind: number | null;
  readonly lagSeconds: number | null;
  /** Changes applied a second. */
  readonly rate: number | null;
  readonly digest: string | null;
}

/** Calls `show` with who follows whom, a few times a second until `signal` aborts. */
export async function watchPeers(cluster: DemoCluster, time: TimeSource, signal: AbortSignal, show: (rows: PeerRow[]) => void): Promise<void> {
  while (!signal.aborted) {
    try {
      show(await peerRows(cluster, signal));
      await time.sleep(limits.demoDrawMs, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}

async function peerRows(cluster: DemoCluster, signal: AbortSignal): Promise<PeerRow[]> {
  const rows = cluster.filers.map(async ({ name, address, status, meta }): Promise<PeerRow[]> => {
    const unknown = { filer: name, address, peer: null, behind: null, lagSeconds: null, rate: null, digest: null };
    if (status === 'killed') return [{ ...unknown, state: status }];
    try {
      const { peers } = await meta.peers(signal);
      return peers.map(({ origin, state, behind, rate, digest }) => ({
        filer: name,
        address,
        peer: cluster.nameOf(origin),
        state,
        behind: behind.events,
        lagSeconds: behind.seconds,
        rate,
        digest,
      }));
    } catch (error) {
      if (!isFailure(error)) throw error;
      return [{ ...unknown, state: status === 'starting' ? status : 'no answer' }];
    }
  });
  return (await Promise.all(rows)).flat();
}
