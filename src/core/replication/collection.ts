import { positionIncludes, type Dot, type Origin, type Position } from '../clock/vector.js';
import type { Version } from '../clock/version.js';
import { isLive, type Row } from '../change/row.js';
import type { ChangeLog } from '../log/change-log.js';
import type { ClosedOrigins } from '../log/closed.js';
import type { Draft } from '../log/draft.js';
import type { LogState } from '../log/log-state.js';
import type { StoreReader } from '../store/store.js';
import type { TimeSource } from '../time.js';
import type { Reports } from './reports.js';

/*
 * Dropping tombstones (DESIGN: Tombstones). A tombstone may go when everybody who may still write has seen it, and what they had
 * seen then is here: nothing that it deletes can come from anybody any more. Age alone drops nothing.
 */

export interface CollectionLimits {
  readonly tombstoneRetentionMs: number;
  /** Tombstones that are looked at together, and leave in one transaction. */
  readonly collectRows: number;
}

/** True if a closed origin need not report any more: everybody else who may write has seen that it is closed. */
function isClosedForAll(origin: Origin, own: Origin, origins: Iterable<Origin>, closed: ClosedOrigins, reports: Pick<Reports, 'settled'>): boolean {
  const dot = closed.get(origin);
  if (!dot) return false;
  for (const other of origins) {
    if (other === own || closed.has(other)) continue;
    const seen = reports.settled(other);
    if (seen === null || !positionIncludes(seen, dot)) return false;
  }
  return true;
}

/** The origins whose reports decide here. */
export function reporters({ identity, origins, closed }: Pick<LogState, 'identity' | 'origins' | 'closed'>, reports: Pick<Reports, 'settled'>): Origin[] {
  const own = identity.origin;
  return [...origins.keys()].filter((origin) => origin !== own && !isClosedForAll(origin, own, origins.keys(), closed, reports));
}

export class Collection {
  /** Tombstones dropped since the start. */
  dropped = 0;

  constructor(
    private readonly log: ChangeLog,
    private readonly store: Pick<StoreReader, 'tombstones'>,
    private readonly time: Pick<TimeSource, 'micros'>,
    private readonly limits: CollectionLimits,
    private readonly reports: Pick<Reports, 'settled'>,
    /** False while a snapshot is being staged: what it brings has not met these tombstones yet. */
    private readonly mayCollect: () => boolean,
    /** What each link of filer.sync that is waited for has seen; null = it has not told. */
    private readonly linksSeen: () => readonly (Position | null)[] = () => [],
  ) {}

  /** Of what some have seen, null = nobody knows: which of them keep tombstones here that are old enough to go, judged by the first of those. */
  async holding(seen: readonly (Position | null)[]): Promise<boolean[]> {
    const due = await this.store.tombstones(this.#retainedSince(), null, this.limits.collectRows);
    return seen.map((position) => due.some(({ dot }) => position === null || !isSeen(dot, [position])));
  }

  /** Drops what may go. Tells how many. */
  async collect(signal: AbortSignal): Promise<number> {
    const { limits, store, log } = this;
    const before = this.dropped;
    let after: Row | null = null;
    for (;;) {
      signal.throwIfAborted();
      const seen = this.#seen(log.state);
      if (seen === null) break;
      const rows: Row[] = await store.tombstones(this.#retainedSince(), after, limits.collectRows);
      if (rows.length === 0) break;
      after = rows.at(-1) as Row;
      const droppable = rows.filter(({ dot }) => isSeen(dot, seen));
      if (droppable.length > 0) this.dropped += await log.alone((draft) => this.#drop(draft, droppable));
    }
    return this.dropped - before;
  }

  /** What was deleted before may go. */
  #retainedSince(): Version {
    return this.time.micros() - this.limits.tombstoneRetentionMs * 1000;
  }

  /** What everybody whose report decides has seen; null if one is missing, or if this store may not drop anything now. */
  #seen(state: Pick<LogState, 'identity' | 'origins' | 'closed' | 'partedFrom'>): readonly Position[] | null {
    if (state.identity.phase !== 'ready' || state.partedFrom !== null || !this.mayCollect()) return null;
    const seen = [...reporters(state, this.reports).map((origin) => this.reports.settled(origin)), ...this.linksSeen()];
    return seen.every((position) => position !== null) ? seen : null;
  }

  /** In a transaction of its own, judged by what is so in it: an origin may have become known meanwhile. */
  async #drop(draft: Draft, candidates: readonly Row[]): Promise<number> {
    const seen = this.#seen(draft);
    if (seen === null) return 0;
    await draft.load(candidates.map((row) => row.path));
    let { floor } = draft.identity;
    let dropped = 0;
    for (const { path } of candidates) {
      const row = draft.row(path);
      // Whatever stands there by now is judged as it is.
      if (row === null || isLive(row) || !isSeen(row.dot, seen)) continue;
      draft.setRow(path, null);
      floor = Math.max(floor, row.version);
      dropped += 1;
    }
    if (dropped > 0) draft.setIdentity({ floor });
    await draft.flush();
    return dropped;
  }
}

function isSeen(dot: Dot | null, seen: readonly Position[]): boolean {
  return dot !== null && seen.every((position) => positionIncludes(position, dot));
}
