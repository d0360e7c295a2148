import { isRefused, pathsOf, type ReceivedChange } from '../change/change.js';
import { receiveChange } from '../change/refused.js';
import { emptyPosition, formatDot, positionCovers, positionDistance, type Position } from '../clock/vector.js';
import type { Version } from '../clock/version.js';
import { isReserved, type FullPath } from '../entry/path.js';
import { FilerError, isFailure, messageOf } from '../errors.js';
import type { Logger } from '../logger.js';
import { backoffMs, isAbort, type BackoffLimits } from '../loop.js';
import type { TimeSource } from '../time.js';
import { Choice, isPassing, type ClusterSide } from './cluster-side.js';
import { heldBy, Lease, type LeaseLimits } from './lease.js';
import { formatLinkState, linkName, overlapping, parseLinkState, type LinkSpec, type LinkState } from './link.js';
import { post, type PostLimits } from './posting.js';
import { Progress, type DirectionState, type DirectionStatus } from './progress.js';
import { mapChange, mapRow, type Mapped, type Scope } from './scope.js';
import type { SyncFeedPage, SyncFeedRequest, SyncFiler, SyncSnapshotPage } from './sync-filer.js';

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

export interface DirectionLimits extends BackoffLimits, LeaseLimits, PostLimits {
  readonly pageChanges: number;
  readonly pageBytes: number;
  readonly snapshotRows: number;
  readonly peerPollMs: number;
  readonly peerSilentMs: number;
  /** How often a checkpoint moves while nothing is in scope. */
  readonly syncIdleMs: number;
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
  readonly time: TimeSource;
  readonly logger: Logger;
  readonly limits: DirectionLimits;
  /** Every change as it is received, for --debug. */
  readonly received?: (text: string) => void;
}

export class Direction {
  readonly #progress: Progress;
  readonly #from: Choice;
  readonly #to: Choice;
  /** Everything up to here is in the target; null until it follows. */
  position: Position | null = null;
  /** True while somebody else runs the link. */
  isHeld = false;
  #since: Version | null;
  #savedAt = 0;

  constructor(private readonly options: DirectionOptions) {
    const { source, target, time, limits, start } = options;
    this.#progress = new Progress(`${source.name} to ${target.name}`, time, limits.peerSilentMs);
    this.#from = new Choice(source);
    this.#to = new Choice(target);
    this.#since = start.since;
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
        this.#failed(error, isFailure(error, 'STORE_FULL', 'STORE_FAILED', 'OVERLOADED', 'RATE_LIMITED') ? 'stalled' : 'retrying');
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

  /** Works with one filer of the target until one of the two fails. */
  async #session(signal: AbortSignal): Promise<void> {
    const { source, target, scope, time, limits, me } = this.options;
    const to = this.#to.filer;
    this.position = null;
    this.#progress.target = to.address;
    await target.meet(to, signal);
    await this.#ask((filer) => source.meet(filer, signal), signal);
    const spec: LinkSpec = { source: source.id, target: target.id, scope };
    const link = linkName(spec);
    this.#progress.link = link;
    const lease = new Lease(link, me, limits, time);
    await this.#waitForLease(lease, to, link, signal);
    const ended = new AbortController();
    const kept = lease.keep(to, ended.signal);
    try {
      let state = await this.#startOf(to, spec, link, signal);
      for (;;) {
        if (state.phase !== 'feed') state = await this.#copy(to, link, state, signal);
        state = await this.#follow(to, link, state, signal);
      }
    } finally {
      ended.abort(new FilerError('STOPPING', 'the link has ended'));
      await kept;
      if (signal.aborted) await lease.release(to, new AbortController().signal).catch(() => {});
    }
  }

  async #waitForLease(lease: Lease, to: SyncFiler, link: string, signal: AbortSignal): Promise<void> {
    const { time, limits } = this.options;
    for (;;) {
      const holder = await lease.take(to, signal);
      this.isHeld = holder !== null;
      if (holder === null) return;
      this.#failed(heldBy(link, holder, to.address), 'waiting');
      await time.sleep(limits.leaseRenewMs, signal);
    }
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
    if (this.#since !== null) return { spec, phase: 'feed', position: emptyPosition, after: null };
    if (own) return parseLinkState(own.value);
    return { spec, phase: start.initial === 'copy' ? 'copy' : 'feed', position: emptyPosition, after: null };
  }

  // ---- copying

  /** Takes the source's rows, page by page; resolves with where the feed begins. */
  async #copy(to: SyncFiler, link: string, begun: LinkState, signal: AbortSignal): Promise<LinkState> {
    const { limits, source, scope, logger } = this.options;
    this.#become('copying');
    let state = begun;
    for (;;) {
      const { after } = state;
      const { filer, page } = await this.#askFrom((one) => one.snapshot(after, limits.snapshotRows, null, signal), signal);
      if (after === null) state = { ...state, position: page.position };
      else if (!positionCovers(page.position, state.position)) {
        this.#from.next();
        throw new FilerError('POSITION_BEHIND', `${filer.address} has not yet what the copy began with`);
      }
      const rows = state.phase === 'again' ? page.rows.filter((row) => row.entry !== null) : page.rows;
      const mapped = [...rows.flatMap((row) => this.#mapped(row.path, () => mapRow(scope, row, source.id))), ...this.#aside(page)];
      this.#progress.received += page.rows.length;
      state = page.next === null ? { ...state, phase: 'feed', after: null } : { ...state, after: page.next };
      await this.#post(to, link, mapped, state, signal);
      if (page.next !== null) continue;
      // The last rows may all have been out of scope.
      await to.setCheckpoint(link, formatLinkState(state), signal);
      logger.info(`${this.#progress.name}: copied, following from here`);
      return state;
    }
  }

  /** Changes that are in the source's position and in none of its rows: they may be good here. */
  #aside(page: SyncSnapshotPage): Mapped[] {
    return page.quarantined.flatMap((text) => this.#mapReceived(receiveChange(text)));
  }

  // ---- following

  /** Follows the feed until it fails; resolves with a copy to take if the source's log no longer reaches back. */
  async #follow(to: SyncFiler, link: string, begun: LinkState, signal: AbortSignal): Promise<LinkState> {
    const { limits, logger } = this.options;
    let state = begun;
    const since = this.#since ?? undefined;
    try {
      let asked = this.#fetch(await this.#firstRequest(state, signal), signal);
      for (;;) {
        const page = await asked;
        state = { ...state, position: page.position };
        const next = page.upToDate ? null : this.#fetch({ position: page.position, since, waitMs: 0 }, signal);
        // It is awaited when this page is posted; a failure until then is not unhandled.
        next?.catch(() => {});
        await this.#take(to, link, page, state, signal);
        this.#since = null;
        this.position = page.position;
        this.#become('following');
        asked = next ?? this.#fetch({ position: page.position, since, waitMs: limits.peerPollMs }, signal);
      }
    } catch (error) {
      if (!isFailure(error, 'LINK_EXPIRED')) throw error;
      this.#failed(error, 'copying');
      logger.warn(`${this.#progress.name}: ${error.message}`);
      this.#since = null;
      return { ...begun, phase: 'again', position: emptyPosition, after: null };
    }
  }

  async #firstRequest(state: LinkState, signal: AbortSignal): Promise<Pick<SyncFeedRequest, 'offset' | 'position' | 'since' | 'waitMs'>> {
    if (this.#since !== null) return { since: this.#since, waitMs: 0 };
    if (state.position.size > 0) return { position: state.position, waitMs: 0 };
    // Without a copy it begins with the oldest change that is left.
    return { offset: (await this.#ask((filer) => filer.info(signal), signal)).first, waitMs: 0 };
  }

  async #fetch(request: Pick<SyncFeedRequest, 'offset' | 'position' | 'since' | 'waitMs'>, signal: AbortSignal): Promise<SyncFeedPage> {
    const { limits, time } = this.options;
    const waitMs = Math.round(request.waitMs * (0.8 + 0.2 * time.random()));
    const asked = { ...request, waitMs, limit: limits.pageChanges, bytesMax: limits.pageBytes };
    return this.#ask((filer) => filer.feed(asked, signal), signal);
  }

  async #take(to: SyncFiler, link: string, page: SyncFeedPage, state: LinkState, signal: AbortSignal): Promise<void> {
    const { time, limits } = this.options;
    const mapped: Mapped[] = [];
    let isOutside = false;
    for (const text of page.texts) {
      this.options.received?.(text);
      const change = receiveChange(text);
      isOutside ||= !pathsOf(change).every(isReserved);
      mapped.push(...this.#mapReceived(change));
    }
    this.#progress.received += page.texts.length;
    const behind = positionDistance(page.head, page.position);
    const oldest = mapped.find((one) => one.kind === 'change')?.version ?? null;
    this.#progress.heard(behind, oldest);
    const isPosted = await this.#post(to, link, mapped, state, signal);
    // Not for kelp's own entries: else two idle clusters would tell each other of their checkpoints for ever.
    if (!isPosted && isOutside && time.monotonic() - this.#savedAt >= limits.syncIdleMs) {
      await to.setCheckpoint(link, formatLinkState(state), signal);
      this.#savedAt = time.monotonic();
    }
    this.#progress.heard(behind, behind === 0 ? null : oldest);
  }

  #mapReceived(change: ReceivedChange): Mapped[] {
    const { scope, source } = this.options;
    if (isRefused(change)) {
      this.#putAside(formatDot(change), new FilerError('BODY_INVALID', change.refusal.error));
      return [];
    }
    return this.#mapped(formatDot(change), () => mapChange(scope, change, source.id));
  }

  #mapped(what: string | FullPath, map: () => Mapped): Mapped[] {
    try {
      const mapped = map();
      if (mapped.kind === 'none') return [];
      if (mapped.kind === 'withheld' || mapped.isCut) this.#progress.withheld += 1;
      return [mapped];
    } catch (error) {
      if (!isFailure(error)) throw error;
      this.#putAside(what, error);
      return [];
    }
  }

  /** A change that the target cannot have: said, counted, and left out, so that the others go on. */
  #putAside(what: string, error: FilerError): void {
    this.#progress.failed += 1;
    this.#progress.lastError = { code: error.code, error: `${what}: ${error.message}` };
    this.options.logger.error(`${this.#progress.name}: ${what} is left out: ${error.message}`);
  }

  // ---- the two filers

  /** True if the checkpoint was written with the changes. */
  async #post(to: SyncFiler, link: string, mapped: readonly Mapped[], state: LinkState, signal: AbortSignal): Promise<boolean> {
    const { limits, time, bytesPerSecond } = this.options;
    const progress = this.#progress;
    const started = time.monotonic();
    let bytes = 0;
    const isPosted = await post(to, { link, value: formatLinkState(state) }, mapped, limits, {
      signal,
      sending: (changes) => (progress.inFlight = changes),
      sent: (result, changes, size) => {
        progress.inFlight = 0;
        progress.done(result, changes, size, time.monotonic() - started);
        bytes += size;
      },
      refused: (what, error) => this.#putAside(what, error),
    }).finally(() => (progress.inFlight = 0));
    if (isPosted) this.#savedAt = time.monotonic();
    if (bytesPerSecond !== null) await time.sleep(Math.max(0, (bytes * 1000) / bytesPerSecond - (time.monotonic() - started)), signal);
    return isPosted;
  }

  async #ask<T>(question: (filer: SyncFiler) => Promise<T>, signal: AbortSignal): Promise<T> {
    return (await this.#askFrom(question, signal)).page;
  }

  /**
   * Asks one filer of the source; the next one if it fails.
   * @throws FilerError LINK_EXPIRED if no filer's log reaches back any more; what no other filer could do better
   */
  async #askFrom<T>(question: (filer: SyncFiler) => Promise<T>, signal: AbortSignal): Promise<{ filer: SyncFiler; page: T }> {
    const { time, limits, source } = this.options;
    const trimmed = new Set<string>();
    for (let failures = 1; ; failures += 1) {
      const { filer } = this.#from;
      this.#progress.source = filer.address;
      try {
        const page = await question(filer);
        if (failures > 1) await source.meet(filer, signal);
        return { filer, page };
      } catch (error) {
        signal.throwIfAborted();
        const isTrimmed = isFailure(error, 'LOG_TRIMMED');
        if (!isTrimmed && !isPassing(error)) throw error;
        if (isTrimmed) trimmed.add(filer.address);
        this.#from.next();
        if (isTrimmed && (trimmed.size >= source.filers.length || failures > source.filers.length))
          throw new FilerError(
            'LINK_EXPIRED',
            `the log of ${source.name} no longer reaches back to this link's checkpoint; it is copied again, and nothing is deleted`,
          );
        if (isTrimmed) continue;
        this.#failed(error, 'retrying');
        await time.sleep(
          backoffMs(failures, limits, () => time.random()),
          signal,
        );
      }
    }
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
