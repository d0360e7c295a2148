import { anySignal } from '../abort.js';
import { FilerError, isFailure, messageOf } from '../errors.js';
import { isRefused, type ReceivedChange } from '../change/change.js';
import { formatDot, joinPositions, positionDistance, type Origin, type Position } from '../clock/vector.js';
import type { Version } from '../clock/version.js';
import type { Member } from '../cluster/member.js';
import type { ApplyResult, ChangeLog } from '../log/change-log.js';
import type { Logger } from '../logger.js';
import { backoffMs, isAbort, type BackoffLimits } from '../loop.js';
import type { TimeSource } from '../time.js';
import { DigestComparison, type DigestComparisonLimits, type DigestVerdict } from './digest-comparison.js';
import type { Caller, ChangesPage, FilerInfo, FilerState, Peer } from './peer.js';

/*
 * Following one peer.
 *
 *              ┌───────────────────── any failure: back off ─────────────────────┐
 *              ▼                                                                 │
 *   connecting ──► info, checked ──► following ──► page ──► apply ──► next page ─┤
 *              │                        ▲                     │                  │
 *              │                        └── stalled ◄─────────┘ the store fails  │
 *              │                            (same page again)                    │
 *              ├──► bootstrapping  the peer itself is not ready                  │
 *              ├──► refused        another cluster, a copy of this store         │
 *              └──► down           it does not answer ───────────────────────────┘
 *
 * While one page is applied, the next is fetched already. A failed page throws both away and asks again from what the
 * store has.
 */

export const subscriptionStates = ['connecting', 'bootstrapping', 'following', 'retrying', 'stalled', 'down', 'refused', 'shared'] as const;
export type SubscriptionState = (typeof subscriptionStates)[number];

export interface SubscriptionLimits extends BackoffLimits, DigestComparisonLimits {
  readonly pageChanges: number;
  readonly pageBytes: number;
  readonly peerPollMs: number;
  readonly peerStartingMs: number;
  readonly peerSilentMs: number;
}

export interface SubscriptionHooks {
  /** Whose changes to ask this peer for: its own, and those it relays. */
  origins(subscription: Subscription): readonly Origin[];
  caller(): Caller;
  /**
   * The peer has said who it is: throws if it must not be followed; may start a bootstrap or a rejoin, which stops this
   * subscription.
   */
  met(subscription: Subscription, info: FilerInfo, signal: AbortSignal): Promise<void>;
  /** State, head or contact have changed. */
  changed(subscription: Subscription): void;
  /** The peer's log no longer reaches back to what is here: take its snapshot. Resolves when that is done. */
  trimmed(subscription: Subscription, signal: AbortSignal): Promise<void>;
  /** The peer says that this filer's own origin is closed. */
  closed(subscription: Subscription, signal: AbortSignal): Promise<void>;
}

/** How far one filer is behind or ahead of another. */
export interface Lag {
  readonly events: number;
  /** Age of the oldest missing change, 0 if none is missing, null if unknown. */
  readonly seconds: number | null;
  /** Estimated from the size of the changes seen so far. */
  readonly bytes: number;
}

/** What one poll brought; no page if it was ended to ask for other origins. */
interface Poll {
  readonly page: ChangesPage | null;
  readonly changes: readonly ReceivedChange[];
  readonly origins: readonly Origin[];
}

export class Subscription {
  state: SubscriptionState = 'connecting';
  error: FilerError | null = null;
  /** What the peer last said of itself; null before the first answer. */
  peerState: FilerState | null = null;
  /** The last position the peer told. */
  head: Position = new Map();
  /** Monotonic milliseconds of the last answer; null before the first. */
  lastContact: number | null = null;
  /** How far the peer's clock was ahead of ours when it last said the time, seconds. */
  skewSeconds = 0;
  /** Changes applied per second, smoothed. */
  rate = 0;
  receivedBytes = 0;
  appliedChanges = 0;
  /** How often it began anew after a failure, and how often a page could not be written. */
  retries = 0;
  stalls = 0;
  receivedChanges = 0;
  /** Version of the first change of the page being applied: the oldest one missing. */
  #oldest: Version | null = null;
  /** Since when the head is known to be ahead, microseconds. */
  #behindSince: number | null = null;
  #controller = new AbortController();
  /** Ends the poll that waits, to ask for other origins. */
  #poll: AbortController | null = null;
  #run: Promise<void> | null = null;
  #failures = 0;
  #isLooking = false;
  readonly #digests: DigestComparison;
  #saidDifferent = false;
  /** When the peer last said who it is, monotonic milliseconds. */
  #metAt = 0;

  constructor(
    public member: Member,
    readonly peer: Peer,
    private readonly log: ChangeLog,
    private readonly options: { time: TimeSource; logger: Logger; limits: SubscriptionLimits; hooks: SubscriptionHooks },
  ) {
    this.#digests = new DigestComparison(log, options.time, options.limits);
  }

  get origin(): Origin {
    return this.member.origin;
  }

  start(): void {
    this.#run ??= this.#loop(this.#controller.signal);
  }

  /** Ends the loop; resolves when the step in flight has ended. */
  async stop(): Promise<void> {
    this.#controller.abort(new FilerError('STOPPING', 'no longer followed'));
    await this.#run;
  }

  /** Asks again with the origins that are wanted now, unless a page is on its way. */
  reassign(): void {
    this.#poll?.abort(reassigned);
  }

  behind(): Lag {
    const { time, limits } = this.options;
    const events = positionDistance(this.head, this.log.position);
    const mean = this.receivedChanges === 0 ? 0 : this.receivedBytes / this.receivedChanges;
    const silent = this.lastContact === null || time.monotonic() - this.lastContact > limits.peerSilentMs;
    if (silent || this.state === 'down') return { events, seconds: null, bytes: Math.round(events * mean) };
    if (events === 0) return { events, seconds: 0, bytes: 0 };
    const since = Math.min(this.#oldest ?? Infinity, this.#behindSince ?? time.micros());
    return { events, seconds: Math.max(0, (time.micros() - since) / 1e6), bytes: Math.round(events * mean) };
  }

  /** The peer has asked this filer, and said where it is and its digest there. */
  hearAsking(position: Position, digest: string): void {
    this.#digests.hear(position, digest);
    this.#tellDifference();
  }

  /** How the trees compare. */
  digestVerdict(): DigestVerdict {
    return this.state === 'following' ? this.#digests.verdict() : 'unknown';
  }

  async #loop(signal: AbortSignal): Promise<void> {
    const { time, limits, logger, hooks } = this.options;
    while (!signal.aborted) {
      try {
        if (this.state !== 'connecting' && this.#failures === 0) this.#become('connecting', null);
        await this.#meet(signal);
        await this.#follow(signal);
      } catch (error) {
        if (isAbort(error, signal) || signal.aborted) return;
        this.#failures += 1;
        this.retries += 1;
        this.#become(stateAfter(error, this.#failures), error);
        if (!isFailure(error)) logger.error(error instanceof Error ? (error.stack ?? error.message) : String(error));
        const isOwnClosed = isFailure(error, 'ORIGIN_CLOSED') && error.fields.origin === this.log.identity.origin;
        if (isOwnClosed || isFailure(error, 'LOG_TRIMMED')) {
          try {
            if (isOwnClosed) await hooks.closed(this, signal);
            else {
              await hooks.trimmed(this, signal);
              continue;
            }
          } catch (failure) {
            if (signal.aborted) return;
            this.#become('retrying', failure);
          }
        }
        const waitMs = backoffMs(this.#failures, limits, () => time.random());
        // One that is about to be ready is no dead host: filers that start together should meet within a second.
        await time.sleep(isFailure(error, 'BOOTSTRAPPING') ? Math.min(waitMs, limits.peerStartingMs) : waitMs, signal).catch(() => {});
      }
    }
  }

  /** Asks the peer who it is, what time it has and how far it is; checks that it may be followed. */
  async #meet(signal: AbortSignal): Promise<void> {
    const { time, hooks } = this.options;
    const asked = time.micros();
    const info = await this.peer.info(signal);
    const answered = time.micros();
    // Another filer at the address tells nothing of the one that is followed, nor that it is alive.
    if (info.origin === this.origin) {
      this.peerState = info.state;
      this.skewSeconds = (info.time - (asked + answered) / 2) / 1e6;
      this.#metAt = time.monotonic();
      // Not joined with what it had before: a peer that has given up a branch has less.
      this.head = info.position;
      this.#digests.forget();
      this.#heard(info.position, info.quarantined.length > 0 ? '' : info.digest);
    }
    await hooks.met(this, info, signal);
    signal.throwIfAborted();
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { time, limits } = this.options;
    // Does not wait: its answer shows that the peer serves us, and without news a held poll would take its whole time to say so.
    let asked = this.#fetch(this.log.position, signal, 0);
    for (;;) {
      const { page, changes, origins } = await asked;
      signal.throwIfAborted();
      if (page === null) {
        asked = this.#fetch(this.log.position, signal);
        continue;
      }
      this.#failures = 0;
      this.#heard(page.head, page.digest);
      if (this.state !== 'following') this.#become('following', null);
      if (page.texts.length === 0) {
        // An idle stream says nothing of clocks, and a peer may have become another one behind the same address.
        if (time.monotonic() - this.#metAt > limits.peerPollMs) await this.#meet(signal);
        asked = this.#fetch(this.log.position, signal);
        continue;
      }
      this.receivedBytes += page.bytes;
      this.receivedChanges += page.texts.length;
      // More to come: fetch it while this is written. Else ask when it is written, so that the question says so to the peer.
      const isBehind = origins.some((origin) => (page.head.get(origin) ?? 0) > (page.position.get(origin) ?? 0));
      const next = isBehind ? this.#fetch(joinPositions(this.log.position, page.position), signal) : null;
      // It is awaited when this page is applied; a failure until then is not unhandled.
      next?.catch(() => {});
      await this.#apply(changes, signal);
      asked = next ?? this.#fetch(this.log.position, signal);
    }
  }

  /** Applies a page; while the store fails, tries the same page again. */
  async #apply(changes: readonly ReceivedChange[], signal: AbortSignal): Promise<void> {
    const { time, limits } = this.options;
    this.#oldest = changes[0]?.version || null;
    const started = time.monotonic();
    for (let failures = 1; ; failures++) {
      try {
        this.#tellQuarantined(changes, await this.log.apply(changes, this.origin));
        break;
      } catch (error) {
        if (!isFailure(error, 'STORE_FULL', 'STORE_FAILED', 'QUARANTINE_FULL')) throw error;
        this.stalls += 1;
        this.#become('stalled', error);
        this.#look(signal);
        await time.sleep(
          backoffMs(failures, limits, () => time.random()),
          signal,
        );
      }
    }
    this.#oldest = null;
    this.appliedChanges += changes.length;
    const seconds = Math.max(1e-3, (time.monotonic() - started) / 1000);
    this.rate = this.rate * 0.8 + (changes.length / seconds) * 0.2;
    if (this.state === 'stalled') this.#become('following', null);
    this.#tellDifference();
    this.options.hooks.changed(this);
  }

  /** Asks how far the peer is by now, while it is not asked for more: its lag must be seen. Nothing waits for the answer. */
  #look(signal: AbortSignal): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    const answered = (info: FilerInfo) => {
      if (info.origin === this.origin) this.#heard(info.position, info.quarantined.length > 0 ? '' : info.digest);
    };
    const failed = (error: unknown) => {
      // No answer tells nothing; it will be said when it is asked for more.
      if (!isFailure(error)) this.options.logger.error(error instanceof Error ? (error.stack ?? error.message) : String(error));
    };
    void this.peer
      .info(signal)
      .then(answered)
      .catch(failed)
      .finally(() => (this.#isLooking = false));
  }

  #tellQuarantined(changes: readonly ReceivedChange[], { outcomes }: ApplyResult): void {
    const refused = changes.flatMap((change, i) => (outcomes[i] === 'quarantined' && isRefused(change) ? [change] : []));
    const waiting = outcomes.filter((outcome) => outcome === 'quarantined').length - refused.length;
    const [first] = refused;
    const { logger } = this.options;
    const told = `${this.peer.address} (${this.origin}): see kelp filer.quarantine; `;
    if (first) logger.error(`${told}refused and quarantined: ${refused.length}, the first is ${formatDot(first)} (${first.refusal.error})`);
    if (waiting > 0) logger.warn(`${told}waiting for quarantined changes: ${waiting}`);
  }

  /** One poll, read and checked: in catch-up that happens while the page before it is written. */
  async #fetch(position: Position, signal: AbortSignal, waitMsMax = this.options.limits.peerPollMs): Promise<Poll> {
    const { limits, time, hooks } = this.options;
    const origins = hooks.origins(this);
    const poll = new AbortController();
    const ended = anySignal(signal, poll.signal);
    this.#poll = poll;
    try {
      // Jitter: polls that began together should not all come back together.
      const waitMs = Math.round(waitMsMax * (0.8 + 0.2 * time.random()));
      const request = { origins, position, limit: limits.pageChanges, bytesMax: limits.pageBytes, waitMs };
      const page = await this.peer.changes(request, hooks.caller(), ended.signal);
      const changes = page.texts.map((text, i) => this.log.receive(text, `changes[${i}]`)).filter((change) => origins.includes(change.origin));
      return { page, changes, origins };
    } catch (error) {
      if (poll.signal.aborted && !signal.aborted) return { page: null, changes: [], origins };
      throw error;
    } finally {
      ended.release();
      if (this.#poll === poll) this.#poll = null;
    }
  }

  #heard(head: Position, digest: string): void {
    const { time, hooks } = this.options;
    this.lastContact = time.monotonic();
    this.head = joinPositions(this.head, head);
    this.#digests.hear(head, digest);
    const isBehind = positionDistance(this.head, this.log.position) > 0;
    this.#behindSince = isBehind ? (this.#behindSince ?? time.micros()) : null;
    this.#tellDifference();
    hooks.changed(this);
  }

  #tellDifference(): void {
    const verdict = this.digestVerdict();
    if (verdict === 'different' && !this.#saidDifferent)
      this.options.logger.error(
        `${this.peer.address} (${this.origin}) has another digest at the same position: run kelp filer.store.id --check on both stores`,
      );
    if (verdict !== 'unknown') this.#saidDifferent = verdict === 'different';
  }

  #become(state: SubscriptionState, error: unknown): void {
    const { logger, hooks } = this.options;
    const failure = error === null ? null : error instanceof FilerError ? error : new FilerError('INTERNAL', messageOf(error), {}, { cause: error });
    if (state !== this.state || failure?.code !== this.error?.code) {
      const why = failure ? `: ${failure.message}` : '';
      const line = `${this.peer.address} (${this.origin}) ${state}${why}`;
      if (state === 'stalled' || state === 'refused') logger.error(line);
      else if (failure) logger.warn(line);
      else logger.info(line);
    }
    this.state = state;
    this.error = failure;
    hooks.changed(this);
  }
}

const reassigned = new FilerError('STOPPING', 'asking for other origins');

function stateAfter(error: unknown, failures: number): SubscriptionState {
  if (isFailure(error, 'PEER_UNREACHABLE', 'STOPPING', 'TIMED_OUT')) return failures > 2 ? 'down' : 'retrying';
  if (isFailure(error, 'BOOTSTRAPPING', 'LOG_TRIMMED')) return 'bootstrapping';
  if (isFailure(error, 'CLUSTER_MISMATCH', 'ORIGIN_IN_USE', 'TOPOLOGY_MIXED', 'ORIGIN_CLOSED', 'SIGNATURE_INVALID', 'HOST_REFUSED')) return 'refused';
  if (isFailure(error, 'BODY_INVALID', 'STORE_FULL', 'STORE_FAILED')) return 'stalled';
  return 'retrying';
}
