import { anySignal } from '../abort.js';
import { compareKeys } from '../change/digest.js';
import type { Row } from '../change/row.js';
import { emptyPosition, positionCovers, positionDistance, positionsEqual, type Origin, type Position } from '../clock/vector.js';
import type { Version } from '../clock/version.js';
import { isReserved, type FullPath } from '../entry/path.js';
import { FilerError, isFailure, messageOf } from '../errors.js';
import type { Logger } from '../logger.js';
import { backoffMs, isAbort } from '../loop.js';
import type { TimeSource } from '../time.js';
import { Choice, isPassing, type ClusterSide } from './cluster-side.js';
import { heldBy, Lease, mustBeLast, type LeaseLimits } from './lease.js';
import { aboutLink, linkName, overlapping, parseLinkState, type LinkSpec, type LinkState } from './link.js';
import { LinkWriter, type WriterLimits } from './link-writer.js';
import { Progress, type DirectionState, type DirectionStatus } from './progress.js';
import { RefusedPaths, type RefusedLimits } from './refused-paths.js';
import { deletionOf, isInScope, type Scope } from './scope.js';
import { SourceReader, type FeedPlace, type ReaderLimits } from './source-reader.js';
import type { SyncFeedPage, SyncFiler, SyncSnapshotPage } from './sync-filer.js';
import { forecast, mapAll, refuseDeletes, type Forecast, type MaxDelete, type SurveyOptions } from './survey.js';

/*
 * One direction of a sync.
 *
 *   connecting ──► waiting for the lease ──► checkpoint ──► copying ──► following ──► page ──► post ──► …
 *        ▲                                      │ feed ────────────────────▲                     │
 *        │                                                                                       │
 *        ├── the target fails: back off, another filer of it, from the checkpoint that it has ◄──┤
 *        │   the source fails: another filer of it, from the same position                       │
 *        └── its log no longer reaches back: a copy again, which deletes nothing ◄───────────────┘
 *
 * A filer that has a checkpoint has everything up to it, since both were written together. So after the target has failed, only what the
 * next filer says counts, not what this process remembers.
 */

export interface DirectionLimits extends ReaderLimits, LeaseLimits, WriterLimits, RefusedLimits {
  readonly peerPollMs: number;
  /** How often the source is told how far the link is. */
  readonly linkReportMs: number;
  readonly peerSilentMs: number;
  /** How long it waits for filers of the source that may still have the log it needs. */
  readonly linkSourceAwayMs: number;
}

/** Where a link that has no checkpoint begins; `since` beats the checkpoint, microseconds since 1970. */
export interface DirectionStart {
  readonly initial: 'copy' | 'none';
  readonly since: Version | null;
}

export interface DirectionOptions {
  readonly source: ClusterSide;
  readonly target: ClusterSide;
  readonly scope: Scope;
  readonly start: DirectionStart;
  /** Who runs this, for the lease. */
  readonly me: { readonly runner: string; readonly who: string };
  /** Bytes a second; null = as fast as it goes. */
  readonly bytesPerSecond: number | null;
  /** How much one run may delete of what is there when it starts; null = anything. */
  readonly maxDelete: MaxDelete | null;
  readonly time: TimeSource;
  readonly logger: Logger;
  readonly limits: DirectionLimits;
  /** Of a target that holds nothing but what this link brings: its live rows after one, in the order of a snapshot. What the source no longer has goes then. */
  readonly mirror?: (after: FullPath | null, limit: number) => Promise<readonly Row[]>;
  /** Every change as it is received, for --debug. */
  readonly received?: (text: string) => void;
}

export class Direction {
  readonly #progress: Progress;
  readonly #reader: SourceReader;
  readonly #to: Choice;
  /** Everything up to here is in the target; null until it follows. */
  position: Position | null = null;
  /** True while somebody else runs the link. */
  isHeld = false;
  /** How far the link is for its source: what it may forget. */
  acknowledged: () => Position | null = () => null;
  #since: Version | null;
  /** Since when no filer of the source has had what a copy began with, monotonic; null = one had when it was last asked. */
  #behindAt: number | null = null;
  /** False once this run has looked at what it would delete. */
  #mustLook: boolean;
  /** How far a link that somebody else runs was seen to be: its checkpoint then, and the position up to which nothing more is in scope. */
  #seen: { readonly from: Position; readonly upto: Position } | null = null;

  constructor(private readonly options: DirectionOptions) {
    const { source, target, time, limits, start } = options;
    this.#progress = new Progress(`${source.name} to ${target.name}`, time, limits.peerSilentMs);
    this.#reader = new SourceReader(source, time, limits, {
      asking: (address) => (this.#progress.source = address),
      failed: (error) => this.#failed(error, 'retrying'),
    });
    this.#to = new Choice(target);
    this.#since = start.since;
    this.#mustLook = options.maxDelete !== null;
  }

  status(): DirectionStatus {
    return this.#progress.status();
  }

  /**
   * Runs until `signal` aborts.
   * @throws FilerError what no waiting would cure: USAGE for maps that overlap, CLUSTER_MISMATCH, SIGNATURE_INVALID, BODY_INVALID
   */
  async run(signal: AbortSignal): Promise<void> {
    const { time, limits } = this.options;
    for (let failures = 0; !signal.aborted;) {
      const posted = this.#progress.posted;
      try {
        await this.#session(signal);
      } catch (error) {
        if (isAbort(error, signal) || signal.aborted) break;
        if (!isPassing(error)) throw error;
        this.#to.next();
        failures = this.#progress.posted > posted ? 1 : failures + 1;
        this.#failed(error, isFailure(error, 'STORE_FULL', 'STORE_FAILED', 'OVERLOADED', 'RATE_LIMITED', 'QUARANTINE_FULL') ? 'stalled' : 'retrying');
        await time
          .sleep(
            backoffMs(failures, limits, () => time.random()),
            signal,
          )
          .catch(() => {});
      }
    }
    this.#become('stopped');
  }

  /** Tells what this direction would write now, and writes nothing. @throws FilerError USAGE as `run` does; what a filer answers */
  async forecast(signal: AbortSignal): Promise<Forecast> {
    const { source, target } = this.options;
    await target.meetAny(signal);
    const to = this.#to.filer;
    await this.#reader.ask((filer) => source.meet(filer, signal), signal);
    const { spec, link } = this.#name();
    const { name } = this.status();
    return { name, link, ...(await forecast(this.#survey(to, await this.#startOf(to, spec, link, signal)), signal)) };
  }

  /** Works with one filer of the target until one of the two fails. */
  async #session(signal: AbortSignal): Promise<void> {
    const { source, target, time, limits, me } = this.options;
    const to = this.#to.filer;
    this.position = null;
    this.acknowledged = () => null;
    this.#progress.target = to.address;
    // Asked for before the checkpoint: what is read there is that origin's, or nothing will be written.
    const { origin } = await target.meet(to, signal);
    await this.#reader.ask((filer) => source.meet(filer, signal), signal);
    const { spec, link } = this.#name();
    const lease = new Lease(link, origin, me, limits, time);
    await this.#waitForLease(lease, to, spec, signal);
    this.position = null;
    const ended = new AbortController();
    const session = anySignal(signal, ended.signal);
    const kept = lease.keep(to, session.signal).catch((error: unknown) => ended.abort(error));
    try {
      await this.#write(to, origin, spec, session.signal);
    } catch (error) {
      throw ended.signal.aborted && !signal.aborted ? ended.signal.reason : error;
    } finally {
      ended.abort(new FilerError('STOPPING', 'the link has ended'));
      await kept;
      session.release();
      if (signal.aborted) await lease.release(to, new AbortController().signal).catch(() => {});
    }
  }

  async #write(to: SyncFiler, origin: Origin, spec: LinkSpec, signal: AbortSignal): Promise<never> {
    const { maxDelete } = this.options;
    const link = linkName(spec);
    let state = await this.#startOf(to, spec, link, signal);
    if (this.#mustLook && maxDelete !== null) await refuseDeletes(this.#survey(to, state), maxDelete, signal);
    this.#mustLook = false;
    // Before anything is read: from now on the source keeps what this link has not had.
    await this.#reader.ask((filer) => filer.announceLink(link, aboutLink(spec), signal), signal);
    const writer = this.#writerFor(to, origin, link, state);
    if (state.phase === 'feed' && state.position.size > 0) writer.acknowledged = state.position;
    this.acknowledged = () => writer.acknowledged;
    for (;;) {
      if (state.phase !== 'feed') state = await this.#copy(writer, state, signal);
      state = await this.#follow(writer, state, to, signal);
    }
  }

  #name(): { readonly spec: LinkSpec; readonly link: string } {
    const { source, target, scope } = this.options;
    const spec = { source: source.id, target: target.id, scope };
    const link = linkName(spec);
    this.#progress.link = link;
    return { spec, link };
  }

  #survey(to: SyncFiler, state: LinkState): SurveyOptions {
    const { source, scope, limits } = this.options;
    return { name: this.#progress.name, reader: this.#reader, to, state, since: this.#since, scope, source: source.id, limits };
  }

  async #waitForLease(lease: Lease, to: SyncFiler, spec: LinkSpec, signal: AbortSignal): Promise<void> {
    const { time, limits } = this.options;
    const link = linkName(spec);
    for (;;) {
      const holder = await lease.take(to, signal);
      this.isHeld = holder !== null;
      if (holder === null) return;
      this.#failed(heldBy(link, holder, to.address), 'waiting');
      await this.#watch(to, link, signal);
      await time.sleep(limits.leaseRenewMs, signal);
    }
  }

  /** Looks how far the target is while somebody else writes to it: up to the checkpoint, and on from there as long as nothing is in scope. */
  async #watch(to: SyncFiler, link: string, signal: AbortSignal): Promise<void> {
    const { scope, source } = this.options;
    const found = (await to.checkpoints(signal)).find((one) => one.link === link);
    const state = found && parseLinkState(found.value);
    this.position = null;
    if (state?.phase !== 'feed') return;
    this.#progress.quarantined = state.refused.length;
    const from = state.position;
    let upto = this.#seen && positionsEqual(this.#seen.from, from) ? this.#seen.upto : from;
    this.#seen = null;
    try {
      for (;;) {
        const page = await this.#reader.feed(await this.#reader.begin(upto, null, signal), signal);
        if (mapAll(scope, source.id, page.texts, []).changes.length > 0) break;
        upto = page.position;
        if (page.upToDate) break;
      }
    } catch (error) {
      // This filer has not yet the checkpoint that the log has been trimmed by; or the one who runs the link will copy again.
      if (!isFailure(error, 'LINK_EXPIRED')) throw error;
      return;
    }
    this.#seen = { from, upto };
    this.position = upto;
  }

  /** Where the link goes on, as the target says. @throws FilerError USAGE if another link writes to the same place */
  async #startOf(to: SyncFiler, spec: LinkSpec, link: string, signal: AbortSignal): Promise<LinkState> {
    const { start } = this.options;
    const found = await to.checkpoints(signal);
    const others = found.filter((one) => one.link !== link).flatMap(({ value }) => specOf(value));
    const other = overlapping(spec, others);
    if (other !== null) {
      const { from, to: there } = other.scope;
      throw new FilerError(
        'USAGE',
        `link ${linkName(other)} puts ${from} of the same cluster at ${there}: two maps onto one place would undo each other; choose other paths, or forget it with filer.sync.checkpoints --reset=${linkName(other)}`,
      );
    }
    const own = found.find((one) => one.link === link);
    const known = own && parseLinkState(own.value);
    const begun = { spec, position: emptyPosition, after: null, refused: known?.refused ?? [] } as const;
    if (this.#since !== null) return { ...begun, phase: 'feed' };
    return known ?? { ...begun, phase: start.initial === 'copy' ? 'copy' : 'feed' };
  }

  #writerFor(to: SyncFiler, origin: Origin, link: string, { refused: begun }: LinkState): LinkWriter {
    const { source, scope, bytesPerSecond, time, logger, limits } = this.options;
    const refused = new RefusedPaths(begun, limits, time);
    this.#progress.quarantined = refused.size;
    return new LinkWriter({ to, origin, link, source: source.id, scope, refused, progress: this.#progress, bytesPerSecond, time, logger, limits });
  }

  // ---- copying

  /** Takes the source's rows, page by page; resolves with where the feed begins. */
  async #copy(writer: LinkWriter, begun: LinkState, signal: AbortSignal): Promise<LinkState> {
    const { limits, logger, mirror, time } = this.options;
    this.#become('copying');
    let state = begun;
    for (;;) {
      const { after } = state;
      const { filer, page } = await this.#reader.askFrom((one) => one.snapshot(after, limits.snapshotRows, null, signal), signal);
      if (!positionCovers(page.position, state.position)) {
        this.#reader.next();
        this.#behindAt ??= time.monotonic();
        if (mirror || time.monotonic() - this.#behindAt < limits.peerSilentMs)
          throw new FilerError(
            'POSITION_BEHIND',
            `${filer.address} has not yet what the copy ${after === null ? 'that is there has' : 'began with'}${mirror ? '; if its store is another one now, begin in another folder' : ''}`,
          );
        // Its store may be another one, which never will.
        logger.warn(`${this.#progress.name}: nobody has what the copy began with; it begins anew`);
        state = { ...state, position: emptyPosition, after: null };
        continue;
      }
      this.#behindAt = null;
      const isAgain = state.phase === 'again';
      if (isAgain && mirror) await this.#dropForgotten(writer, page, state, signal);
      if (after === null) state = { ...state, position: page.position };
      const rows = isAgain && !mirror ? page.rows.filter((row) => row.entry !== null) : page.rows;
      // Changes that are in the source's position and in none of its rows: they may be good here.
      const aside = writer.receive(page.quarantined);
      const mapped = [...writer.receiveRows(rows), ...aside.mapped];
      this.#progress.received += page.rows.length;
      state = page.next === null ? { ...state, phase: 'feed', after: null } : { ...state, after: page.next };
      await writer.write({ mapped, isOutside: false }, state, signal);
      if (page.next !== null) continue;
      // The last rows may all have been out of scope.
      await writer.save(state, signal);
      logger.info(`${this.#progress.name}: copied, following from here`);
      return state;
    }
  }

  /** Deletes what a mirror holds where the source has nothing, not even a tombstone: within what the page covers. */
  async #dropForgotten(writer: LinkWriter, page: SyncSnapshotPage, state: LinkState, signal: AbortSignal): Promise<void> {
    const { mirror, scope, source, limits } = this.options;
    const there = new Set(page.rows.flatMap(({ path }) => (isInScope(scope, path) ? [path] : [])));
    for (let { after } = state; mirror !== undefined;) {
      const rows: readonly Row[] = await mirror(after, limits.snapshotRows);
      const within = rows.filter(({ path }) => page.next === null || compareKeys(path, page.next) <= 0);
      const mapped = within.flatMap((row) => (row.entry === null || isReserved(row.path) || there.has(row.path) ? [] : [deletionOf(row, source.id)]));
      if (mapped.length > 0) await writer.write({ mapped, isOutside: false }, state, signal);
      if (rows.length === 0 || within.length < rows.length) return;
      after = (rows.at(-1) as Row).path;
    }
  }

  // ---- following

  /** Follows the feed until it fails; resolves with a copy to take if the source's log no longer reaches back. */
  async #follow(writer: LinkWriter, begun: LinkState, to: SyncFiler, signal: AbortSignal): Promise<LinkState> {
    const { limits, logger, mirror } = this.options;
    let state = begun;
    const since = this.#since ?? undefined;
    // A mirror loses nothing when it copies again.
    const read = (place: FeedPlace) => this.#reader.feed(place, signal, mirror ? 0 : limits.linkSourceAwayMs);
    try {
      let asked = read(await this.#reader.begin(state.position, this.#since, signal));
      for (;;) {
        const page = await asked;
        state = { ...state, position: page.position };
        const next = page.upToDate ? null : read({ position: page.position, since, waitMs: 0 });
        // It is awaited when this page is posted; a failure until then is not unhandled.
        next?.catch(() => {});
        await this.#take(writer, page, state, signal);
        this.#since = null;
        this.#become('following');
        await writer.retry(this.#reader, state, signal);
        // Not before: whoever sees that all is here ends the run, and what waited may go at once.
        this.position = page.position;
        asked = next ?? read({ position: page.position, since, waitMs: limits.peerPollMs });
      }
    } catch (error) {
      if (!isFailure(error, 'LINK_EXPIRED')) throw error;
      await mustBeLast(to, this.#name().link, state.position, signal);
      this.#failed(error, 'copying');
      logger.warn(`${this.#progress.name}: ${error.message}${mirror ? '' : ', and nothing is deleted'}`);
      this.#since = null;
      return { ...begun, phase: 'again', position: mirror ? begun.position : emptyPosition, after: null };
    }
  }

  async #take(writer: LinkWriter, page: SyncFeedPage, state: LinkState, signal: AbortSignal): Promise<void> {
    for (const text of page.texts) this.options.received?.(text);
    const received = writer.receive(page.texts);
    this.#progress.received += page.texts.length;
    const behind = positionDistance(page.head, page.position);
    const oldest = received.mapped.find((one) => one.kind === 'change')?.version ?? null;
    this.#progress.heard(behind, oldest);
    await writer.write(received, state, signal);
    this.#progress.heard(behind, behind === 0 ? null : oldest);
  }

  #become(state: DirectionState): void {
    this.#progress.state = state;
  }

  #failed(error: unknown, state: DirectionState): void {
    const { logger } = this.options;
    const progress = this.#progress;
    const said = { code: isFailure(error) ? error.code : 'INTERNAL', error: messageOf(error) };
    if (progress.state !== state || progress.lastError?.code !== said.code) logger.warn(`${progress.name}: ${said.error}`);
    if (state !== 'waiting') progress.retries += 1;
    progress.lastError = said;
    this.#become(state);
  }
}

/** The link that a checkpoint is of; none if it cannot be read. */
function specOf(value: string): LinkSpec[] {
  try {
    return [parseLinkState(value).spec];
  } catch {
    return [];
  }
}
