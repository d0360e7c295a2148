import { FilerError } from '../errors.js';
import { isEmptyPosition, type Origin, type Position, type Seq } from '../clock/vector.js';
import type { Version } from '../clock/version.js';
import type { LogState } from '../log/log-state.js';
import { runAt } from '../log/runs.js';
import type { OriginState } from '../store/store.js';
import type { Caller, FilerInfo } from './peer.js';

/* What two filers may do with each other when they meet. Pure: from what each knows of the other. */

/** One side of a meeting. */
export interface Side {
  readonly origin: Origin;
  readonly former: readonly Origin[];
  /** Null while it takes a snapshot, and with it a lineage. */
  readonly lineage: string | null;
  /** Origins it knows, zeros included. */
  readonly knows: Position;
  readonly floor: Version;
  /** True while it holds rows of a branch that it has given up: they are in no position. */
  readonly isParted: boolean;
}

export function sideOf({ identity, origins, partedFrom }: Pick<LogState, 'identity' | 'origins' | 'partedFrom'>): Side {
  const { origin, former, phase, floor } = identity;
  const knows = new Map([...origins.values()].map((known) => [known.origin, known.seq]));
  return { origin, former, lineage: phase === 'ready' ? identity.lineage : null, knows, floor, isParted: partedFrom !== null };
}

export function sideOfInfo(info: FilerInfo): Side {
  return { origin: info.origin, former: info.former, lineage: info.lineage, knows: info.position, floor: info.floor, isParted: info.digest === '' };
}

/** Without what a caller does not tell: its floor, and whether it has given up a branch. Then it does not ask one of another lineage. */
export function sideOfCaller(caller: Caller): Side {
  const { origin, former, lineage } = caller;
  return { origin, former, lineage, knows: new Map([...caller.have].map(([known, { seq }]) => [known, seq])), floor: 0, isParted: false };
}

/** How many origins a store knows besides its own, former ones included; 0 = it has always been alone. */
function othersKnown(side: Side, but?: Origin): number {
  return [...side.knows.keys()].filter((origin) => origin !== side.origin && origin !== but && !side.former.includes(origin)).length;
}

function holdsNothing(side: Side): boolean {
  return isEmptyPosition(side.knows) && side.floor === 0 && !side.isParted;
}

/** True if no store of this side's lineage can have dropped a tombstone, nor will drop one before it hears of `other`. */
function isClean(side: Side, other: Side): boolean {
  return holdsNothing(side) || (othersKnown(side, other.origin) === 0 && side.floor === 0);
}

/** True if two sides may become one lineage as they are. */
export function mayMerge(me: Side, other: Side): boolean {
  return !me.isParted && !other.isParted && isClean(me, other) && isClean(other, me);
}

/**
 * What `me` must do before it follows `other` (DESIGN: Rejoin). Stores of one lineage follow each other. Between two lineages the
 * tombstones of either may be gone, and what they deleted would come back with the other's changes: so one side gives up its own.
 * Both sides, knowing the same of each other, come to the same answer.
 * - follow: nothing stands in the way
 * - introduce: `other` must know `me` before `me` takes over its lineage
 * - adopt: `me` takes over the lineage of `other`, and stays as it is
 * - bootstrap: `me` holds nothing, and takes a snapshot of `other`
 * - rejoin: both hold something; the side that knows fewer others gives way, so that a newcomer never moves a cluster. Before that, one
 *   that has given up a branch: it can serve no snapshot. Of two that know as many, the copy of the other one: it remembers what it has
 *   deleted as long as the origin it was copied from is open, while the original may have forgotten
 * - wait: `other` has to do one of these first
 */
export function verdict(me: Side, other: Side): 'follow' | 'introduce' | 'adopt' | 'bootstrap' | 'rejoin' | 'wait' {
  if (me.lineage === null || other.lineage === null || me.lineage === other.lineage) return 'follow';
  if (me.isParted !== other.isParted) return me.isParted ? 'rejoin' : 'wait';
  const isEmptyHere = holdsNothing(me);
  if (isEmptyHere !== holdsNothing(other)) return isEmptyHere ? 'bootstrap' : 'wait';
  const isFirst = me.lineage < other.lineage;
  if (mayMerge(me, other)) return isFirst ? 'wait' : other.knows.has(me.origin) ? 'adopt' : 'introduce';
  const [mine, theirs] = [othersKnown(me), othersKnown(other)];
  if (mine !== theirs) return mine > theirs ? 'wait' : 'rejoin';
  const isCopy = me.former.includes(other.origin);
  if (isCopy !== other.former.includes(me.origin)) return isCopy ? 'rejoin' : 'wait';
  return isFirst ? 'wait' : 'rejoin';
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
  // First: whose place a filer of another cluster has taken, no member list will tell.
  if (mine.clusterId !== null && info.clusterId !== null && info.clusterId !== mine.clusterId) {
    throw new FilerError(
      'CLUSTER_MISMATCH',
      `${info.address} belongs to cluster ${info.clusterId}, this filer to ${mine.clusterId}; point both at one master, or use filer.sync`,
    );
  }
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
 * The first origin under which two logs were written, as far as both sides know a hash at the same place or the run it lies in; null if
 * none shows. Where the other side is ahead nothing can be told from what it has at its end.
 */
export async function findDivergence(theirs: Caller['have'], state: Pick<LogState, 'origins'>, hashAt: HashAt): Promise<Origin | null> {
  for (const [origin, { seq, hash, run }] of theirs) {
    if (seq === 0) continue;
    const here = await knowsHash(state, origin, seq, hashAt);
    if (here !== null ? here !== hash : isOtherRun(state.origins.get(origin), seq, run)) return origin;
  }
  return null;
}

/** True if what this store has at `seq` lies in another run. */
function isOtherRun(known: OriginState | undefined, seq: Seq, run: string): boolean {
  if (known === undefined || known.seq < seq || run === '') return false;
  const here = runAt(known.runs, seq);
  return here !== null && here.hash !== run;
}
