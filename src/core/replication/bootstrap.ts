import { FilerError, isFailure } from '../errors.js';
import { isRefused, pathsOf, rowsOf, type Change, type ReceivedChange } from '../change/change.js';
import type { ReceiveChange } from '../change/refused.js';
import { compareStates, isLive, joinRows, type Row } from '../change/row.js';
import { emptyPosition, formatDot, positionCovers, positionIncludes, type Dot, type Position } from '../clock/vector.js';
import type { FullPath } from '../entry/path.js';
import type { ChangeLog } from '../log/change-log.js';
import type { Draft } from '../log/draft.js';
import { originStart } from '../log/log-state.js';
import { HeldPaths } from '../log/quarantine.js';
import { releaseQuarantined } from '../log/release.js';
import type { Logger } from '../logger.js';
import type { Area, StoreReader } from '../store/store.js';
import type { TimeSource } from '../time.js';
import { compareWithSnapshot } from './branches.js';
import type { Caller, FilerInfo, Peer, SnapshotPage } from './peer.js';
import {
  checkAside,
  checkHistory,
  follows,
  formatSnapshotProgress,
  movedSince,
  parseSnapshotProgress,
  reachedStates,
  withPage,
  type SnapshotProgress,
} from './snapshot-progress.js';

/*
 * Taking a peer's snapshot.
 *
 *   pages ──► rows, as they are ──► tail: the peer's feed from the ──► end
 *             (resumes at the       first page's position up to
 *              last page)           every page's position
 *
 * Pages are read at different moments, so they fit together only at a position that covers them all: until then nothing
 * is claimed. A store with an empty position takes the rows straight into its tree, serves nobody, and has its position
 * set at the end. Any other store takes them into the staging area, serves its old tree meanwhile, and merges everything in
 * one transaction. How far it got stands in the store, so a crash costs at most one page.
 */

export interface BootstrapLimits {
  readonly snapshotRows: number;
  readonly pageChanges: number;
  readonly pageBytes: number;
  readonly draftRows: number;
  readonly draftBytes: number;
}

export interface BootstrapOptions {
  readonly log: ChangeLog;
  readonly store: Pick<StoreReader, 'findRecord'>;
  readonly time: Pick<TimeSource, 'randomHex'>;
  readonly logger: Logger;
  readonly limits: BootstrapLimits;
  readonly caller: () => Caller;
}

export class Bootstrap {
  /** What is being taken now; null if nothing. */
  progress: SnapshotProgress | null = null;

  constructor(private readonly options: BootstrapOptions) {}

  /** Reads the progress of an earlier run from the store. */
  resume(text: string | undefined): void {
    this.progress = text === undefined ? null : parseSnapshotProgress(text);
  }

  /**
   * Takes the whole snapshot of `peer`, going on where an earlier run stopped if it was from the same source. At the
   * end the store is at a position that covers every page, and its feed epoch is new.
   * @throws FilerError OFFSET_UNKNOWN or LOG_TRIMMED if the source has changed under it: throw it away with `abandon`
   */
  async take(peer: Peer, info: FilerInfo, area: 'tree' | 'staging', signal: AbortSignal): Promise<void> {
    const { log, logger } = this.options;
    if (this.progress && (this.progress.source !== info.origin || this.progress.area !== area)) await this.abandon();
    if (this.progress) logger.info(`goes on with the snapshot of ${peer.address} after ${this.progress.rows} entries`);
    else logger.info(`takes a snapshot of ${peer.address}: ${info.counts.entries} entries`);
    await this.#takePages(peer, info, area, signal);
    await this.#takeTail(peer, signal);
    if (area === 'tree') await log.alone((draft) => this.#finishInPlace(draft, info.lineage));
    else while (!(await this.#mergeIfOne(peer, signal)));
    this.progress = null;
    await this.#compare(peer, signal);
  }

  /** Throws away what was taken so far: the staging area, or the tree of a store that has no position yet. */
  async abandon(): Promise<void> {
    const { log, time, logger } = this.options;
    const { progress } = this;
    if (progress === null) return;
    logger.warn(`throws away the snapshot of ${progress.address} (${progress.rows} entries) and starts again`);
    await log.alone(async (draft) => {
      if (progress.area === 'staging') await draft.tx.clear('staging');
      else {
        const own = draft.identity.origin;
        await draft.empty(time.randomHex(4));
        draft.setOrigin(originStart(own));
      }
      draft.setMeta('bootstrap', null);
      await draft.flush();
    });
    this.progress = null;
  }

  async #takePages(peer: Peer, info: FilerInfo, area: 'tree' | 'staging', signal: AbortSignal): Promise<void> {
    const { limits, log, caller } = this.options;
    if (this.progress?.allPages) return;
    const ask = (after: FullPath | null) => peer.snapshot(after, limits.snapshotRows, caller(), signal);
    let page = await ask(this.progress?.after ?? null);
    for (;;) {
      await this.#checkSource(page, peer, info, signal);
      const current = page;
      const progress = withPage(this.progress, page, info, area);
      await log.alone(async (draft) => {
        if (area === 'tree') {
          await draft.load(current.rows.map((row) => row.path));
          for (const row of current.rows) draft.setRow(row.path, joinRows(draft.row(row.path), row));
        } else await draft.tx.write({ rows: { staging: current.rows } });
        draft.setMeta('bootstrap', formatSnapshotProgress(progress));
        await draft.flush();
      });
      this.progress = progress;
      if (page.next === null) return;
      // Asked for only now: of two pages under way a crash would lose both.
      page = await ask(page.next);
    }
  }

  /** The first page too: a store may have been wiped since it said who it is, and then holds none of what it was chosen for. */
  async #checkSource(page: SnapshotPage, peer: Peer, info: FilerInfo, signal: AbortSignal): Promise<void> {
    const { progress } = this;
    const isSame = progress ? page.epoch === progress.epoch : info.head.startsWith(page.epoch);
    if (!isSame) throw new FilerError('OFFSET_UNKNOWN', `${info.address} has another tree than when the snapshot began`);
    if (progress === null) return;
    checkAside(progress, page, this.options.log.receive, info.address);
    const moved = movedSince(progress, page, info.address);
    if (moved.size > 0) checkHistory(progress, await peer.hashes(moved, signal), info.address);
  }

  /** Follows the source's feed from the first page's position until it covers every page's. */
  async #takeTail(peer: Peer, signal: AbortSignal): Promise<void> {
    const { limits, log, caller } = this.options;
    for (;;) {
      const { progress } = this;
      if (progress === null) throw new TypeError('no snapshot is being taken');
      const at: Position = new Map([...progress.reached].map(([origin, { seq }]) => [origin, seq]));
      // This filer's own changes are in its tree already, however many of them the source took over between two pages.
      const origins = [...progress.goal.keys()].filter((origin) => origin !== log.identity.origin);
      if (origins.every((origin) => (at.get(origin) ?? 0) >= (progress.goal.get(origin) ?? 0))) return;
      const page = await peer.changes({ origins, position: at, limit: limits.pageChanges, bytesMax: limits.pageBytes, waitMs: 0 }, caller(), signal);
      if (page.texts.length === 0) throw new FilerError('OFFSET_UNKNOWN', `${peer.address} does not have the changes its own snapshot was read at`);
      const changes = page.texts.map((text, i) => log.receive(text, `changes[${i}]`));
      const reached = new Map(progress.reached);
      const { fresh, aside } = partTail(
        log.receive,
        progress.quarantined,
        changes.filter((change) => follows(progress, reached, change)),
      );
      const next = { ...progress, reached, quarantined: [...progress.quarantined, ...aside] };
      await log.alone(async (draft) => {
        if (progress.area === 'tree') {
          await draft.load(fresh.flatMap(pathsOf));
          for (const change of fresh) draft.join(change);
        } else await stage(draft, fresh);
        draft.setMeta('bootstrap', formatSnapshotProgress(next));
        await draft.flush();
      });
      this.progress = next;
    }
  }

  async #finishInPlace(draft: Draft, lineage: string | null): Promise<void> {
    const progress = this.progress as SnapshotProgress;
    const { receive } = this.options.log;
    mustHaveOwn(draft, progress);
    for (const state of reachedStates(progress)) if (state.origin !== draft.identity.origin) draft.setOrigin(state);
    await settle(draft, receive, progress.quarantined, emptyPosition);
    const { phase, floor } = draft.identity;
    draft.setIdentity({
      epoch: this.options.time.randomHex(4),
      lineage: lineage ?? draft.identity.lineage,
      floor: Math.max(floor, progress.floor),
      phase: phase === 'bootstrapping' ? 'ready' : phase,
    });
    // With the position: a store that crashed in between would take another snapshot over this one, and be emptied if that fails.
    if (phase === 'rejoining') draft.setMeta('rejoinTaken', '');
    draft.setMeta('bootstrap', null);
    await draft.flush();
  }

  /** Merges unless this store's history was not compared where it is now: others are followed meanwhile, and may have another branch. */
  async #mergeIfOne(peer: Peer, signal: AbortSignal): Promise<boolean> {
    const { log, store } = this.options;
    const progress = this.progress as SnapshotProgress;
    const { reached } = progress;
    const compared = await compareWithSnapshot(reached, peer, log, store, signal);
    return log.alone(async (draft) => {
      // Beyond what the snapshot has, nothing more can part.
      const isOne = [...reached].every(([origin, { seq }]) => {
        const was = compared.get(origin) ?? 0;
        const is = draft.origins.get(origin)?.seq ?? 0;
        return is === was || (is > was && was >= seq);
      });
      if (isOne) {
        mustHaveOwn(draft, progress);
        await this.#merge(draft);
      }
      return isOne;
    });
  }

  /** Joins the staged copy into the tree, all in the draft's one transaction (DESIGN: Snapshot). */
  async #merge(draft: Draft): Promise<void> {
    const progress = this.progress as SnapshotProgress;
    const { draftRows, draftBytes } = this.options.limits;
    const { receive } = this.options.log;
    const own: Position = new Map([...draft.origins.values()].map(({ origin, seq }) => [origin, seq]));
    const theirs: Position = new Map([...progress.reached].map(([origin, { seq }]) => [origin, seq]));
    const aside = new Set(progress.quarantined.map((text) => formatDot(receive(text))));
    const isSeenThere = (dot: Dot) => positionIncludes(theirs, dot) && !aside.has(formatDot(dot));
    for await (const rows of scanArea(draft, 'staging', draftRows, draftBytes)) {
      await draft.load(rows.map((row) => row.path));
      for (const row of rows) {
        const mine = draft.row(row.path);
        const order = mine === null ? 1 : compareStates(row, mine);
        // Gone here although this store has seen the change that made it: it was overruled since. What is quarantined here it has not seen.
        if (order > 0 && !isLive(mine) && row.dot !== null && positionIncludes(own, row.dot) && !draft.quarantine.has(row.dot)) continue;
        // Gone there likewise: what overruled it was forgotten, and an older deletion has come to its path since.
        if (order < 0 && isLive(mine) && !isLive(row) && mine.dot !== null && isSeenThere(mine.dot)) draft.setRow(row.path, row);
        else draft.joinRow(row);
      }
      await draft.flush({ evict: true });
    }
    for await (const rows of scanArea(draft, 'tree', draftRows, draftBytes)) {
      const candidates = rows.filter((row) => isLive(row) && row.dot !== null && isSeenThere(row.dot)).map((row) => row.path);
      const staged = new Set((await draft.tx.find('staging', candidates)).map((row) => row.path));
      const dropped = candidates.filter((path) => !staged.has(path));
      await draft.load(dropped);
      for (const path of dropped) draft.setRow(path, null);
      await draft.flush({ evict: true });
    }
    // The source has applied these: what they bring came with the rows.
    for (const { dot } of [...draft.quarantine.records.values()]) if (isSeenThere(dot)) draft.quarantine.drop(dot);
    await settle(draft, receive, progress.quarantined, own);
    await releaseQuarantined(draft, receive, () => false);
    const jumped = reachedStates(progress).filter((state) => state.origin !== draft.identity.origin && state.seq > (own.get(state.origin) ?? 0));
    await draft.jump(jumped);
    for (const origin of theirs.keys()) draft.know(origin);
    draft.setIdentity({ epoch: this.options.time.randomHex(4), floor: Math.max(draft.identity.floor, progress.floor) });
    await draft.tx.clear('staging');
    draft.setMeta('bootstrap', null);
    await draft.flush();
  }

  /** Says whether count and digest agree, as far as both stand still at one position. */
  async #compare(peer: Peer, signal: AbortSignal): Promise<void> {
    const { log, logger } = this.options;
    const { entries } = log.state.counts;
    const info = await peer.info(signal).catch((error: unknown) => {
      if (isFailure(error)) return null;
      throw error;
    });
    const same = info !== null && positionCovers(info.position, log.position) && positionCovers(log.position, info.position);
    if (!same) logger.info(`snapshot taken: ${entries} entries; the source has moved on, the digests are compared while following`);
    else if (info.digest === log.digest && info.counts.entries === entries)
      logger.info(`snapshot taken: ${entries} entries, digest ${log.digest} equals the source's`);
    else logger.error(`snapshot taken, but the digests differ: ${log.digest} here, ${info.digest} at ${peer.address}`);
  }
}

/**
 * Passes if this store has all of its own changes that a snapshot's rows may be of. Else they would stand beyond its own log, and its next
 * change would be another one under a dot that is taken.
 * @throws FilerError OFFSET_UNKNOWN
 */
function mustHaveOwn({ identity: { origin }, origins }: Draft, { reached, goal, address }: SnapshotProgress): void {
  const there = Math.max(reached.get(origin)?.seq ?? 0, goal.get(origin) ?? 0);
  if (there > (origins.get(origin)?.seq ?? 0))
    throw new FilerError('OFFSET_UNKNOWN', `${address} has changes of this filer that it lacks itself: it was put back to an older state`);
}

/** Parts what is joined at once from what is refused, or touches what a refused change holds: that waits until the snapshot is whole. */
function partTail(receive: ReceiveChange, quarantined: readonly string[], changes: readonly ReceivedChange[]): { fresh: Change[]; aside: string[] } {
  const held = new HeldPaths();
  const hold = (change: ReceivedChange) => held.add({ dot: change, paths: pathsOf(change), waitsFor: null });
  for (const text of quarantined) hold(receive(text));
  const fresh: Change[] = [];
  const aside: string[] = [];
  for (const change of changes) {
    if (!isRefused(change) && held.holder(pathsOf(change)) === null) fresh.push(change);
    else {
      hold(change);
      aside.push(change.text);
    }
  }
  return { fresh, aside };
}

/** Joins what a snapshot carried beside its rows, or quarantines it here, but for what `own` covers. */
async function settle(draft: Draft, receive: ReceiveChange, texts: readonly string[], own: Position): Promise<void> {
  const changes = texts.map((text) => receive(text)).filter((change) => change.origin !== draft.identity.origin && !positionIncludes(own, change));
  await draft.load(changes.flatMap(pathsOf));
  for (const change of changes) draft.joinOrQuarantine(change);
}

/** Joins changes into the staging area. */
async function stage(draft: Draft, changes: readonly Change[]): Promise<void> {
  const rows = new Map((await draft.tx.find('staging', changes.flatMap(pathsOf))).map((row) => [row.path, row]));
  for (const change of changes) for (const row of rowsOf(change)) rows.set(row.path, joinRows(rows.get(row.path) ?? null, row));
  await draft.tx.write({ rows: { staging: [...rows.values()] } });
}

/** The rows of an area, page by page, as the transaction sees them. */
export async function* scanArea(draft: Draft, area: Area, limit: number, bytesMax: number): AsyncGenerator<Row[]> {
  let after: FullPath | null = null;
  for (;;) {
    const rows: Row[] = await draft.tx.scan(area, after, limit, bytesMax);
    if (rows.length === 0) return;
    after = (rows.at(-1) as Row).path;
    yield rows;
  }
}
