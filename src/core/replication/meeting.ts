import { FilerError } from '../errors.js';
import { isEmptyPosition, type Origin, type Position, type Seq } from '../clock/vector.js';
import type { Version } from '../clock/version.js';
import type { LogState } from '../log/draft.js';
import type { Caller, FilerInfo } from './peer.js';

/* What two filers may do with each other when they meet. Pure: from what each knows of the other. */

/** One side of a meeting. */
export interface Side {
  readonly origin: Origin;
  readonly former: readonly Origin[];
  /** Origins it knows, zeros included. */
  readonly knows: Position;
  readonly floor: Version;
}

export function sideOf(state: LogState): Side {
  const knows = new Map([...state.origins.values()].map(({ origin, seq }) => [origin, seq]));
  return { origin: state.identity.origin, former: state.identity.former, knows, floor: state.identity.floor };
}

export function sideOfInfo(info: FilerInfo): Side {
  return { origin: info.origin, former: info.former, knows: info.position, floor: info.floor };
}

export function sideOfCaller(caller: Caller): Side {
  return { origin: caller.origin, former: caller.former, knows: new Map([...caller.have].map(([origin, { seq }]) => [origin, seq])), floor: 0 };
}

/** True if a store knows no origin but its own, former ones included. */
function isLone(side: Side): boolean {
  for (const origin of side.knows.keys()) if (origin !== side.origin && !side.former.includes(origin)) return false;
  return true;
}

/**
 * What `me` must do before it follows `other` (DESIGN: Rejoin). A store that has worked alone rejoins before it mixes
 * with others that have not heard of it: they may have dropped tombstones its changes would pass by.
 * - follow: nothing stands in the way
 * - bootstrap: `me` holds nothing, `other` holds something
 * - rejoin: `me` has worked alone
 */
export function verdict(me: Side, other: Side, iAsk: boolean): 'follow' | 'bootstrap' | 'rejoin' {
  if (!isLone(me) || other.knows.has(me.origin)) return 'follow';
  if (isEmptyPosition(me.knows)) return isEmptyPosition(other.knows) ? 'follow' : 'bootstrap';
  if (!isLone(other)) return 'rejoin';
  return iAsk && (me.floor > 0 || other.floor > 0) ? 'rejoin' : 'follow';
}

/**
 * Checks that a filer is who it was taken for, before anything is sent to it or applied from it.
 * @throws FilerError CLUSTER_MISMATCH, ORIGIN_IN_USE, PEER_UNREACHABLE (somebody else is at the address), TOPOLOGY_MIXED
 */
export function checkPeer(
  info: FilerInfo,
  expected: { readonly origin: Origin; readonly storeId: string },
  mine: { origin: Origin; clusterId: string | null; kind: string; instance: string },
): void {
  if (info.origin !== expected.origin)
    throw new FilerError('PEER_UNREACHABLE', `${info.address} is now filer ${info.origin}, not ${expected.origin}; waiting for the member list to catch up`);
  if (info.storeId !== expected.storeId) {
    throw new FilerError(
      'PEER_UNREACHABLE',
      `${info.address} is filer ${info.origin} with store ${info.storeId}, not ${expected.storeId}; waiting for the member list to catch up`,
    );
  }
  if (info.origin === mine.origin && info.instance !== mine.instance)
    throw new FilerError('ORIGIN_IN_USE', `${info.address} writes under the same origin ${info.origin}; stop one of the two`);
  if (mine.clusterId !== null && info.clusterId !== null && info.clusterId !== mine.clusterId) {
    throw new FilerError(
      'CLUSTER_MISMATCH',
      `${info.address} belongs to cluster ${info.clusterId}, this filer to ${mine.clusterId}; point both at one master, or use filer.sync`,
    );
  }
  if (info.kind !== mine.kind)
    throw new FilerError(
      'TOPOLOGY_MIXED',
      `${info.address} has a ${info.kind} store, this filer an ${mine.kind} one; a cluster is either all embedded or one shared store`,
    );
}

/** The chain hash of a change in the local log; null if it is not there. */
export type HashAt = (origin: Origin, seq: Seq) => Promise<string | null>;

/** The hash this store knows at a place of an origin's log; null where it knows none: before the log begins, or beyond its end. */
export async function knowsHash(state: Pick<LogState, 'origins'>, origin: Origin, seq: Seq, hashAt: HashAt): Promise<string | null> {
  const known = state.origins.get(origin);
  if (!known || seq > known.seq || seq < known.first - 1) return null;
  if (seq === known.seq) return known.hash;
  if (seq === known.first - 1) return known.firstHash;
  return hashAt(origin, seq);
}

/**
 * The first origin under which two logs were written, as far as both sides know a hash at the same place; null if
 * none shows. Where the other side is ahead nothing can be told from what it has at its end.
 */
export async function findDivergence(theirs: Caller['have'], state: LogState, hashAt: HashAt): Promise<Origin | null> {
  for (const [origin, { seq, hash }] of theirs) {
    if (seq === 0) continue;
    const here = await knowsHash(state, origin, seq, hashAt);
    if (here !== null && here !== hash) return origin;
  }
  return null;
}
