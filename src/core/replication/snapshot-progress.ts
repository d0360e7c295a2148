import { FilerError } from '../errors.js';
import { isRefused, type ReceivedChange } from '../change/change.js';
import type { ReceiveChange } from '../change/refused.js';
import { chainHash } from '../change/digest.js';
import { formatDot, joinPositions, positionFromJson, positionToJson, type Origin, type Position, type Seq } from '../clock/vector.js';
import type { Version } from '../clock/version.js';
import type { FullPath } from '../entry/path.js';
import { originAt, originStart } from '../log/log-state.js';
import { runsWith } from '../log/runs.js';
import type { Area, OriginState } from '../store/store.js';
import type { FilerInfo, SnapshotPage } from './peer.js';

/* How far a snapshot has been taken: what is written with every page, so that a crash costs at most one. */

/** How far one origin is in what was taken. */
export type Reached = Pick<OriginState, 'seq' | 'hash' | 'version' | 'runs'>;

/** Kept in meta `bootstrap`. */
export interface SnapshotProgress {
  readonly source: Origin;
  readonly address: string;
  /** The source's feed epoch; another one means another tree. */
  readonly epoch: string;
  readonly area: Extract<Area, 'tree' | 'staging'>;
  /** The last row taken; null = none yet. */
  readonly after: FullPath | null;
  /** True when all pages are here and only the tail is missing. */
  readonly allPages: boolean;
  /** Where the rows and the tail stand so far: from the first page's position on. */
  readonly reached: ReadonlyMap<Origin, Reached>;
  /** The last page's position, which includes those of all before it. */
  readonly goal: Position;
  /** Origin to chain hash at `goal`. */
  readonly goalHashes: ReadonlyMap<Origin, string>;
  readonly floor: Version;
  /** Changes that are covered and in no row, as text, in the order of coming: the source's, and those of the tail that are refused here or wait. */
  readonly quarantined: readonly string[];
  /** Rows taken so far, for people who watch. */
  readonly rows: number;
  /** Rows the source had when it began. */
  readonly expected: number;
}

export function formatSnapshotProgress(progress: SnapshotProgress): string {
  const { reached, goal, goalHashes } = progress;
  return JSON.stringify({ ...progress, reached: Object.fromEntries(reached), goal: positionToJson(goal), goalHashes: Object.fromEntries(goalHashes) });
}

export function parseSnapshotProgress(text: string): SnapshotProgress {
  const raw = JSON.parse(text) as Omit<SnapshotProgress, 'reached' | 'goal' | 'goalHashes'> & {
    reached: Record<Origin, Reached>;
    goal: unknown;
    goalHashes?: Record<Origin, string>;
  };
  return {
    ...raw,
    reached: new Map(Object.entries(raw.reached).map(([origin, reached]) => [origin, { ...reached, runs: reached.runs ?? [] }])),
    goal: positionFromJson(raw.goal, 'goal'),
    // A store of an older kelp has none of these two, nor runs.
    goalHashes: new Map(Object.entries(raw.goalHashes ?? {})),
    quarantined: raw.quarantined ?? [],
  };
}

/** What there is once `page`, of the source `info`, is written too. */
export function withPage(before: SnapshotProgress | null, page: SnapshotPage, info: FilerInfo, area: SnapshotProgress['area']): SnapshotProgress {
  return {
    source: info.origin,
    address: info.address,
    epoch: page.epoch,
    area,
    after: page.next ?? before?.after ?? null,
    allPages: page.next === null,
    reached: before?.reached ?? reachedAt(page),
    goal: joinPositions(before?.goal ?? page.position, page.position),
    goalHashes: page.hashes,
    floor: Math.max(before?.floor ?? 0, page.floor),
    quarantined: before?.quarantined ?? page.quarantined,
    rows: (before?.rows ?? 0) + page.rows.length,
    expected: before?.expected ?? info.counts.entries + info.counts.tombstones,
  };
}

/**
 * Where a page goes beyond the pages before it: there the source must still have what those were read at. A store that was copied or put
 * back so that nothing showed it answers under the same origin and feed epoch, and has another tree.
 * @throws FilerError OFFSET_UNKNOWN if the page cannot be of a later moment of the same history
 */
export function movedSince({ goal, goalHashes }: SnapshotProgress, page: SnapshotPage, address: string): Position {
  const moved = new Map<Origin, Seq>();
  for (const [origin, seq] of goal) {
    const now = page.position.get(origin) ?? 0;
    if (now < seq || (now === seq && !isSameHash(goalHashes, page.hashes, origin))) throw otherHistory(address, origin);
    if (now > seq && seq > 0) moved.set(origin, seq);
  }
  return moved;
}

/**
 * What the source had applied when the first page was read, it never puts aside later. A copy of it, which runs unnoticed, may have it aside still:
 * its rows would lack what the position of the first page covers.
 * @throws FilerError OFFSET_UNKNOWN if this page is of such a store
 */
export function checkAside({ reached, quarantined }: SnapshotProgress, { aside }: SnapshotPage, receive: ReceiveChange, address: string): void {
  const covered = aside.filter(({ origin, seq }) => (reached.get(origin)?.seq ?? 0) >= seq);
  if (covered.length === 0) return;
  const known = new Set(quarantined.map((text) => formatDot(receive(text))));
  const other = covered.find((dot) => !known.has(formatDot(dot)));
  if (other) throw otherHistory(address, other.origin);
}

/** @throws FilerError OFFSET_UNKNOWN if the source has other changes at the last page's position than when that was read, or does not know any more */
export function checkHistory({ goalHashes }: SnapshotProgress, hashes: ReadonlyMap<Origin, string | null>, address: string): void {
  for (const [origin, hash] of hashes) {
    const was = goalHashes.get(origin);
    if (was !== undefined && was !== hash) throw otherHistory(address, origin);
  }
}

function isSameHash(a: ReadonlyMap<Origin, string>, b: ReadonlyMap<Origin, string>, origin: Origin): boolean {
  const [before, now] = [a.get(origin), b.get(origin)];
  return before === undefined || now === undefined || before === now;
}

function otherHistory(address: string, origin: Origin): FilerError {
  return new FilerError('OFFSET_UNKNOWN', `${address} has other changes under origin ${origin} than the pages before were read at`, { origin });
}

function reachedAt(page: SnapshotPage): SnapshotProgress['reached'] {
  return new Map(
    [...page.position].map(([origin, seq]) => [
      origin,
      { seq, hash: page.hashes.get(origin) ?? originStart(origin).hash, version: page.versions.get(origin) ?? 0, runs: page.runs.get(origin) ?? [] },
    ]),
  );
}

/** What the store knows of each origin once the snapshot is whole. */
export function reachedStates(progress: SnapshotProgress): OriginState[] {
  return [...progress.reached].map(([origin, reached]) => originAt({ origin, ...reached }));
}

/**
 * Moves `reached` past a change if it is the next one of its origin; false for one that is included already.
 * @throws FilerError ORIGIN_DIVERGED if it does not follow from the first page, or does not lead to the last one
 */
export function follows({ goal, goalHashes }: Pick<SnapshotProgress, 'goal' | 'goalHashes'>, reached: Map<Origin, Reached>, change: ReceivedChange): boolean {
  const at = reached.get(change.origin) ?? originStart(change.origin);
  if (change.seq <= at.seq) return false;
  const link = isRefused(change) ? change.link : change;
  if (change.seq !== at.seq + 1 || (link !== null && chainHash(at.hash, link) !== change.hash)) {
    throw new FilerError('ORIGIN_DIVERGED', `origin ${change.origin}: change ${change.seq} does not follow from the snapshot at ${at.seq}`, {
      origin: change.origin,
      seq: at.seq,
    });
  }
  const atGoal = change.seq === goal.get(change.origin) ? goalHashes.get(change.origin) : undefined;
  if (atGoal !== undefined && atGoal !== change.hash) {
    throw new FilerError('ORIGIN_DIVERGED', `origin ${change.origin}: change ${change.seq} is another one than the snapshot was read at`, {
      origin: change.origin,
      seq: at.seq,
    });
  }
  reached.set(change.origin, { seq: change.seq, hash: change.hash, version: change.version || at.version, runs: runsWith(at.runs, change) });
  return true;
}
