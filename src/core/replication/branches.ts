import { chainStart } from '../change/digest.js';
import type { Origin, Position, Seq } from '../clock/vector.js';
import { FilerError } from '../errors.js';
import type { ChangeLog } from '../log/change-log.js';
import { originAt, positionOf, type LogState } from '../log/log-state.js';
import { compareRuns } from '../log/runs.js';
import type { OriginState, Run, StoreReader } from '../store/store.js';
import { knowsHash, type HashAt } from './meeting.js';
import type { FilerInfo, Peer } from './peer.js';
import type { SnapshotProgress } from './snapshot-progress.js';

/*
 * Where the logs of two filers part (DESIGN §6), told by chain hashes and runs. What a store does about it is in parting.ts.
 *
 * The owner of an origin always gives up its branch; between two others, the one whose hash after the common seq is smaller: both come to
 * the same answer without a word.
 */

/** What of an origin's log a peer has, as far as hashes tell. */
export interface Overlap {
  /** The last seq up to which both have the same changes, as far as both still know; else 0. */
  readonly common: Seq;
  /** The first seq from which on the peer has others, or none; what lies between the two is unknown. */
  readonly foreign: Seq;
}

/** Where two filers' logs of one origin part. */
export interface Branch extends Overlap {
  readonly origin: Origin;
  /** The chain hash at `common`; null where neither of the two knows it. */
  readonly hash: string | null;
}

/** A place where two logs have other changes. */
interface Difference {
  readonly seq: Seq;
  /** Hashes there; '' = not known. */
  readonly here: string;
  readonly there: string;
}

type Store = Pick<StoreReader, 'findRecord'>;

/** The hashes of a store's log, by place. */
export function hashesOf(store: Store): HashAt {
  return async (origin, seq) => (await store.findRecord({ origin, seq }))?.hash ?? null;
}

/** What this store knows of the hashes at a position; null where it knows none. */
export async function hashesAt(state: LogState, store: Store, position: Position): Promise<Map<Origin, string | null>> {
  const hashes = new Map<Origin, string | null>();
  for (const [origin, seq] of position) hashes.set(origin, await knowsHash(state, origin, seq, hashesOf(store)));
  return hashes;
}

/**
 * Compares this store's history with that of a peer that has just said who it is. Resolves with the first origin whose logs part, and
 * whether it is this store that gives up its branch; null if none shows.
 * @throws FilerError as the peer answers
 */
export async function findBranch(
  info: FilerInfo,
  peer: Peer,
  log: ChangeLog,
  store: Store,
  signal: AbortSignal,
): Promise<(Branch & { readonly isOurs: boolean }) | null> {
  const { state } = log;
  const own = state.identity.origin;
  const end = state.origins.get(own)?.seq ?? 0;
  const isAhead = (info.position.get(own) ?? 0) > end;
  let mine = end;
  for await (const { origin, common, foreign, parted } of comparisons(info, peer, state, store, signal)) {
    if (parted !== null) {
      const hash = await hashAtCommon(origin, common, peer, state, store, signal);
      return { origin, common, foreign, hash, isOurs: origin === own || (origin !== info.origin && parted.here < parted.there) };
    }
    if (origin === own) mine = common;
  }
  // A store that went back: what it would write next, others have already, and it is something else. What it has written since may be so too.
  if (!isAhead) return null;
  return { origin: own, common: mine, foreign: end + 1, hash: await hashAtCommon(own, mine, peer, state, store, signal), isOurs: true };
}

/** The chain hash where two logs are still one: this store's log may begin after that, and the peer's reach back to it. */
async function hashAtCommon(origin: Origin, common: Seq, peer: Peer, state: LogState, store: Store, signal: AbortSignal): Promise<string | null> {
  if (common === 0) return chainStart;
  const here = await knowsHash(state, origin, common, hashesOf(store));
  return here ?? (await peer.hashes(new Map([[origin, common]]), signal)).get(origin) ?? null;
}

/**
 * How much of this store's history a peer has that has just said who it is, by origin. What a log no longer reaches back to cannot be
 * compared: the peer may have it, or another branch.
 * @throws FilerError as the peer answers
 */
export async function overlapWith(info: FilerInfo, peer: Peer, state: LogState, store: Store, signal: AbortSignal): Promise<Map<Origin, Overlap>> {
  const overlap = new Map([...info.position].map(([origin, seq]): [Origin, Overlap] => [origin, { common: seq, foreign: seq + 1 }]));
  for await (const { origin, common, foreign } of comparisons(info, peer, state, store, signal)) overlap.set(origin, { common, foreign });
  return overlap;
}

/**
 * On which branch of every origin's log a filer is that has just said who it is.
 * @throws FilerError as the peer answers
 */
export async function marksOf(info: FilerInfo, peer: Peer, signal: AbortSignal): Promise<Map<Origin, OriginState>> {
  const marks = new Map<Origin, OriginState>();
  const ends = new Map([...info.position].filter(([, seq]) => seq > 0));
  if (ends.size === 0) return marks;
  const runs = await peer.runs(ends, signal);
  for (const [origin, seq] of ends) {
    const hash = info.hashes.get(origin);
    if (hash !== undefined) marks.set(origin, originAt({ origin, seq, hash, version: 0, runs: runs.get(origin) ?? [] }));
  }
  return marks;
}

/**
 * The origins in whose logs a filer that has just said who it is parts from what `marks` say of them.
 * @throws FilerError as the peer answers
 */
export async function partedFrom(info: FilerInfo, peer: Peer, marks: ReadonlyMap<Origin, OriginState>, signal: AbortSignal): Promise<Origin[]> {
  const parted: Origin[] = [];
  for await (const one of comparisons(info, peer, { origins: marks }, noLog, signal)) if (one.parted !== null) parted.push(one.origin);
  return parted;
}

const noLog: Store = { findRecord: () => Promise.resolve(null) };

/**
 * Every origin whose logs part, or of which nothing tells: neither hashes at one place nor runs. Then nothing is known to be common. Runs tell
 * exactly where logs part, hashes only as far as both logs reach back.
 */
async function* comparisons(
  info: FilerInfo,
  peer: Peer,
  state: Pick<LogState, 'origins'>,
  store: Store,
  signal: AbortSignal,
): AsyncGenerator<Omit<Branch, 'hash'> & { readonly parted: Difference | null }> {
  const ends = new Map<Origin, Seq>();
  for (const [origin, theirs] of info.position) {
    const end = Math.min(theirs, state.origins.get(origin)?.seq ?? 0);
    if (end > 0) ends.set(origin, end);
  }
  // Where the peer is at the end itself it has said the hash already.
  const unsaid = new Map([...ends].filter(([origin, end]) => info.position.get(origin) !== end));
  const asked = unsaid.size === 0 ? new Map<Origin, string | null>() : await peer.hashes(unsaid, signal);
  const unequal = new Map<Origin, { seq: Seq; here: string | null; there: string | null }>();
  for (const [origin, seq] of ends) {
    const here = await knowsHash(state, origin, seq, hashesOf(store));
    const there = (unsaid.has(origin) ? asked.get(origin) : info.hashes.get(origin)) ?? null;
    if (here === null || here !== there) unequal.set(origin, { seq, here, there });
  }
  const runs =
    unequal.size === 0 ? new Map<Origin, readonly Run[]>() : await peer.runs(new Map([...unequal].map(([origin, { seq }]) => [origin, seq])), signal);
  for (const [origin, { seq, here, there }] of unequal) {
    const compared = compareRuns(state.origins.get(origin)?.runs ?? [], runs.get(origin) ?? [], seq);
    const isBranch = compared !== null && compared !== 'same';
    const areKnown = here !== null && there !== null;
    // Where the runs known begin after the logs have parted, hashes may still tell where that was.
    if (isBranch && (compared.common === compared.seq - 1 || !areKnown)) yield { origin, common: compared.common, foreign: compared.seq, parted: compared };
    else if (areKnown) {
      const { common, parted } = await whereTheyPart(origin, { seq, here, there }, peer, state, store, signal);
      yield { origin, common, foreign: parted.seq, parted };
    } else if (compared === null) yield { origin, common: 0, foreign: (info.position.get(origin) ?? 0) + 1, parted: null };
  }
}

/**
 * Compares this store's history with that of a peer at the place up to which its snapshot was taken. Resolves with where this store was
 * when they were found to be one.
 * @throws FilerError ORIGIN_DIVERGED; and as the peer answers
 */
export async function compareWithSnapshot(
  reached: SnapshotProgress['reached'],
  peer: Peer,
  log: ChangeLog,
  store: Store,
  signal: AbortSignal,
): Promise<Position> {
  const { state } = log;
  const shared = [...reached].map(([origin, { seq }]): [Origin, Seq] => [origin, Math.min(seq, state.origins.get(origin)?.seq ?? 0)]);
  const ends = new Map(shared.filter(([, seq]) => seq > 0));
  const unsaid = new Map([...ends].filter(([origin, seq]) => reached.get(origin)?.seq !== seq));
  const asked = unsaid.size === 0 ? new Map<Origin, string | null>() : await peer.hashes(unsaid, signal);
  for (const [origin, seq] of ends) {
    const here = await knowsHash(state, origin, seq, hashesOf(store));
    const there = (unsaid.has(origin) ? asked.get(origin) : reached.get(origin)?.hash) ?? null;
    const compared = compareRuns(state.origins.get(origin)?.runs ?? [], reached.get(origin)?.runs ?? [], seq);
    if ((here !== null && there !== null && here !== there) || (compared !== null && compared !== 'same')) {
      throw new FilerError(
        'ORIGIN_DIVERGED',
        `the snapshot of ${peer.address} has other changes under origin ${origin} than this store has by now; one of the two filers gives up its own`,
        { origin },
      );
    }
  }
  return positionOf(state.origins);
}

/** Halves the part of the log that both know until the first difference is found. */
async function whereTheyPart(
  origin: Origin,
  end: Difference,
  peer: Peer,
  state: Pick<LogState, 'origins'>,
  store: Store,
  signal: AbortSignal,
): Promise<{ common: Seq; parted: Difference }> {
  let parted = end;
  // Just before what this store knows.
  let before = (state.origins.get(origin)?.first ?? 1) - 2;
  let common = 0;
  while (parted.seq - before > 1) {
    const seq = before + Math.ceil((parted.seq - before) / 2);
    const here = await knowsHash(state, origin, seq, hashesOf(store));
    const there = (await peer.hashes(new Map([[origin, seq]]), signal)).get(origin) ?? null;
    if (here !== null && there !== null && here !== there) parted = { seq, here, there };
    else {
      before = seq;
      // Unknown to one of the two: it cannot be called common.
      common = here !== null && here === there ? seq : 0;
    }
  }
  return { common, parted };
}
