import { FilerError, isFailure, messageOf } from '../errors.js';
import { pathsOf, type ReceivedChange } from '../change/change.js';
import { receiveChange, type ReceiveChange } from '../change/refused.js';
import { digestOf } from '../change/digest.js';
import type { ChangeSteps } from '../change/earlier-sums.js';
import { Clock } from '../clock/clock.js';
import { positionCovers, type Origin, type Position } from '../clock/vector.js';
import type { FullPath } from '../entry/path.js';
import type { Logger } from '../logger.js';
import type { TimeSource } from '../time.js';
import type { Identity } from '../store/identity.js';
import type { LogRecord, Store } from '../store/store.js';
import type { Accounting } from './accounting.js';
import { readClosed } from './closed.js';
import { Draft, type DraftLimits, type Outcome } from './draft.js';
import { clockMeta, hasWholeTree, originStart, positionOf, stateOf, type LogState } from './log-state.js';
import { RecentRecords } from './recent-records.js';
import { RecentSteps } from './recent-steps.js';
import { Turns, type TurnsLimits } from './turns.js';
import { Waiters } from './waiters.js';

/*
 * The door: the only way into a store.
 *
 *   local write ─► commit(decision) ─┐  groups of local decisions
 *                                    ├─► one transaction at a time ─► wake ─► held long-polls
 *   peer's page ─► apply(changes) ───┤  one page                            no payload
 *   rejoin, merge, subtree ─► alone ─┘  one job
 *
 * Decisions that arrive together share a transaction, and decide in order of arrival over one draft, so each sees what
 * the ones before it did. Local groups, jobs of clients and what replication brings take turns (turns.ts), so none starves. The state in memory changes, and
 * readers wake, only after the transaction is durable.
 */

/** One local write: `decide` looks at the loaded paths and issues changes, or throws and fails alone. */
export interface Decision<T> {
  /** Paths to load; everything above them is loaded along. */
  readonly paths: readonly FullPath[];
  /** Bytes it will write, about; bounds the group. */
  readonly bytes: number;
  /** Best throws before its first change: else the whole group decides again without it. */
  decide(draft: Draft): T;
}

/** What happened to a page of a peer's changes. */
export interface ApplyResult {
  readonly outcomes: readonly Outcome[];
}

interface Job {
  /** Local decisions may share a transaction; others run alone. */
  readonly shared: Decision<unknown> | null;
  readonly bytes: number;
  run(draft: Draft): Promise<unknown>;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

export interface ChangeLogLimits extends TurnsLimits, DraftLimits {
  readonly clockSkewMs: number;
  readonly waitersMax: number;
  readonly waitersForPeers: number;
}

export interface ChangeLogOptions {
  readonly store: Store;
  readonly time: TimeSource;
  readonly limits: ChangeLogLimits;
  readonly logger: Logger;
  /** Decides which of the peers' changes are refused; left out, the rules of this program do. */
  readonly receive?: ReceiveChange;
  /** Left out, all that there is. */
  readonly accounting?: Accounting;
}

/** Totals since the start, for metrics. */
export interface ChangeLogTotals {
  commits: number;
  decisions: number;
  localChanges: number;
  appliedChanges: number;
  duplicateChanges: number;
  /** Put aside instead of applied; what is released later is not counted again. */
  quarantinedChanges: number;
  /** States that were overruled and went to the ledger. */
  conflicts: number;
}

export class ChangeLog {
  readonly waiters: Waiters;
  readonly clock: Clock;
  /** Reads what peers have sent. */
  readonly receive: ReceiveChange;
  /** The end of the log. */
  readonly recent: RecentRecords;
  readonly #steps: RecentSteps;
  readonly totals: ChangeLogTotals = { commits: 0, decisions: 0, localChanges: 0, appliedChanges: 0, duplicateChanges: 0, quarantinedChanges: 0, conflicts: 0 };
  /** Told how many local decisions have shared a transaction, when it is durable. */
  grouped: (decisions: number) => void = () => {};
  readonly #turns: Turns<Job>;
  #running: Promise<void> | null = null;
  /** True after a transaction that had done its work failed: it may have been written all the same. */
  #isUnsure = false;
  #closed = false;
  #digest: string | null = null;
  #position: Position | null = null;

  private constructor(
    private readonly options: ChangeLogOptions,
    private state_: LogState,
    /** Small values as they stood when the store was opened: what was under way then. */
    readonly openedMeta: ReadonlyMap<string, string>,
  ) {
    this.#turns = new Turns(options.limits);
    this.receive = options.receive ?? receiveChange;
    this.waiters = new Waiters(options.time, options.limits);
    this.clock = new Clock(options.time, options.limits.clockSkewMs * 1000);
    this.recent = new RecentRecords(state_, options.limits.recentBytes);
    this.#steps = new RecentSteps(options.limits.recentSteps);
    this.clock.advance(state_.identity.floor);
    this.clock.advance(Number(openedMeta.get(clockMeta) ?? 0));
    for (const origin of state_.origins.values()) {
      if (origin.origin === state_.identity.origin || state_.identity.former.includes(origin.origin)) this.clock.advance(origin.version);
      else this.clock.observe(origin.version);
    }
  }

  /**
   * Opens the log of a store: gives a new store its identity, and one that was copied or restored a new origin, in one
   * transaction each.
   * @throws FilerError STORE_FAILED and whatever the store throws
   */
  static async open(options: ChangeLogOptions): Promise<ChangeLog> {
    const { store, time } = options;
    const contents = await store.load();
    const log = new ChangeLog(options, stateOf(contents, await readClosed(store), time.randomHex(8)), contents.meta);
    if (log.identity.storeId === '') {
      await log.alone(async (draft) => {
        const origin = time.randomHex(8);
        draft.setIdentity({ storeId: time.randomHex(8), origin, lineage: origin, epoch: time.randomHex(4), phase: 'fresh' });
        draft.know(draft.identity.origin);
        draft.setMeta('restored', null);
        await draft.flush();
      });
    } else if (contents.meta.has('restored')) {
      await log.alone((draft) => renew(draft, time, true));
      const { origin, former } = log.identity;
      options.logger.warn(
        `this store was restored or copied: it goes on under the new origin ${origin} instead of ${former.at(-1)}, as after kelp filer.store.id --regenerate`,
      );
    }
    return log;
  }

  /** The state after the last commit. */
  get state(): LogState {
    return this.state_;
  }

  get identity(): Identity {
    return this.state_.identity;
  }

  /** How far this store is, zeros included. */
  get position(): Position {
    return (this.#position ??= positionOf(this.state_.origins));
  }

  /** Digest of the whole tree, kept up to date by every commit. */
  get digest(): string {
    return (this.#digest ??= digestOf(this.state_.buckets));
  }

  /** The digest at `state` as others may compare it; '' = not now. */
  digestToTell(state: LogState = this.state_): string {
    return hasWholeTree(state) ? (state === this.state_ ? this.digest : digestOf(state.buckets)) : '';
  }

  /** The digest as it was, or would have been, at a position; null if this store lacks some of that or has gone too far beyond it. */
  digestAt(position: Position): string | null {
    if (!positionCovers(this.position, position)) return null;
    if (positionCovers(position, this.position)) return this.digest;
    const sums = this.#steps.sumsAt(position, this.position, this.state_.buckets);
    return sums && digestOf(sums);
  }

  get queued(): number {
    return this.#turns.waiting;
  }

  /**
   * Makes one local write. Resolves when it is durable.
   * @throws FilerError what `decide` throws; OVERLOADED, STOPPING; STORE_FULL, STORE_FAILED: then nothing was written
   */
  commit<T>(decision: Decision<T>): Promise<T> {
    const { bytes } = decision;
    return this.#enqueue<T>({ shared: decision, bytes, run: async (draft) => decision.decide(draft) }, (job) => this.#turns.addLocal(job));
  }

  /**
   * Applies one page of changes that the filer `from` sent (null = a file), in order, in one transaction with the position in it.
   * A change that is refused is put aside (DESIGN: A change that cannot be applied).
   * @throws FilerError ORIGIN_DIVERGED, PARAMETER_INVALID (a gap), QUARANTINE_FULL, STORE_FULL, STORE_FAILED: then nothing was applied;
   * ORIGIN_CLOSED: the page was applied up to the first change that a closed origin sent of itself
   */
  async apply(changes: readonly ReceivedChange[], from: Origin | null = null): Promise<ApplyResult> {
    const { outcomes, refused } = await this.alone(async (draft) => {
      await draft.load(changes.flatMap(pathsOf));
      const done: Outcome[] = [];
      for (const change of changes) {
        // Looked at for every change: the entry that closes the origin may stand in this page.
        if (change.origin === from && draft.closed.has(change.origin)) break;
        done.push(draft.apply(change));
      }
      await draft.flush();
      return { outcomes: done, refused: done.length < changes.length };
    });
    for (const outcome of outcomes) {
      if (outcome === 'duplicate') this.totals.duplicateChanges += 1;
      else if (outcome === 'quarantined') this.totals.quarantinedChanges += 1;
      else this.totals.appliedChanges += 1;
    }
    if (refused) throw new FilerError('ORIGIN_CLOSED', `origin ${from} is closed; what it writes on is taken from others only`, { origin: from });
    return { outcomes };
  }

  /** Runs a job in a transaction of its own; it must flush what it wants written. Nothing else is written meanwhile. */
  alone<T>(run: (draft: Draft) => Promise<T>): Promise<T> {
    return this.#enqueue<T>({ shared: null, bytes: 0, run }, (job) => this.#turns.add(job));
  }

  /** As `alone`, for what somebody outside asked for: only so many of those may wait. @throws FilerError OVERLOADED */
  aloneForClient<T>(run: (draft: Draft) => Promise<T>): Promise<T> {
    return this.#enqueue<T>({ shared: null, bytes: 0, run }, (job) => this.#turns.addForClient(job));
  }

  /** Waits until this store has everything in `position`. Resolves false after `ms`. */
  async waitFor(position: Position, ms: number, signal: AbortSignal): Promise<boolean> {
    const due = this.options.time.monotonic() + ms;
    while (!positionCovers(this.position, position)) {
      const left = due - this.options.time.monotonic();
      if (left <= 0) return false;
      await this.waiters.wait(left, signal, false);
    }
    return true;
  }

  /** Refuses new writes, and resolves when those that wait are through. The store stays open. */
  async close(): Promise<void> {
    this.#closed = true;
    while (this.#running) await this.#running;
    this.waiters.wake();
  }

  #enqueue<T>(job: Pick<Job, 'shared' | 'bytes' | 'run'>, add: (job: Job) => void): Promise<T> {
    if (this.#closed) return Promise.reject(new FilerError('STOPPING', 'this filer is stopping; use another one'));
    return new Promise<T>((resolve, reject) => {
      const { shared, bytes, run } = job;
      add({ shared, bytes, run, resolve: resolve as (value: unknown) => void, reject });
      // A microtask later, so that what arrives together is grouped.
      this.#running ??= Promise.resolve().then(() => this.#drain());
    });
  }

  async #drain(): Promise<void> {
    for (let group = this.#turns.take(); group.length > 0; group = this.#turns.take()) await this.#transact(group);
    // In the same turn as the last look at the queues: a job that comes later must find that nobody drains.
    this.#running = null;
  }

  /** What is written from now on begins a run once more: whether the last one was begun is not known. */
  async #reload(): Promise<void> {
    const { store, time } = this.options;
    this.#become(stateOf(await store.load(), await readClosed(store), time.randomHex(8)), null, null);
  }

  async #transact(group: Job[]): Promise<void> {
    const settle: (() => void)[] = [];
    let isWorkDone = false;
    try {
      if (this.#isUnsure) await this.#reload();
      const { next, appended, steps, noted } = await this.options.store.transaction(async (tx) => {
        const draft = new Draft(tx, this.state_, this.clock, this.options.time.micros(), this.options.limits, this.options.accounting);
        if (group[0]?.shared === null) {
          const [job] = group as [Job];
          const value = await job.run(draft);
          settle.push(() => job.resolve(value));
          if (draft.pending > 0) throw new TypeError('a job of its own must flush');
        } else {
          await draft.load(group.flatMap((job) => job.shared?.paths ?? []));
          for (const job of group) settle.push(this.#decide(job, draft));
          await draft.flush();
        }
        isWorkDone = true;
        return { next: draft.result(), appended: draft.appended, steps: draft.steps.changes, noted: draft.noted };
      });
      this.totals.commits += 1;
      this.totals.decisions += group.length;
      this.totals.conflicts += noted;
      if (group[0]?.shared !== null) this.grouped(group.length);
      this.totals.localChanges += (next.origins.get(next.identity.origin)?.seq ?? 0) - (this.state_.origins.get(next.identity.origin)?.seq ?? 0);
      this.#become(next, appended, steps);
      for (const done of settle) done();
      // After the commit, not inside it: a reader that looks too early finds nothing and sleeps again.
      this.waiters.wake();
    } catch (error) {
      if (error instanceof HalfDone) {
        error.job.reject(error.cause);
        this.#turns.putBack(group.filter((job) => job !== error.job));
        return;
      }
      this.#isUnsure ||= isWorkDone;
      const failure =
        error instanceof FilerError || group[0]?.shared === null
          ? error
          : new FilerError('STORE_FAILED', `the store failed: ${messageOf(error)}`, {}, { cause: error });
      if (!isFailure(error)) this.options.logger.error(error instanceof Error ? (error.stack ?? error.message) : String(error));
      for (const job of group) job.reject(failure);
    }
  }

  #decide(job: Job, draft: Draft): () => void {
    const before = draft.pending;
    try {
      const value = job.shared?.decide(draft);
      return () => job.resolve(value);
    } catch (error) {
      if (draft.pending > before) throw new HalfDone(job, error);
      return () => job.reject(error);
    }
  }

  #become(state: LogState, appended: readonly LogRecord[] | null, steps: readonly ChangeSteps[] | null): void {
    this.state_ = state;
    this.recent.follow(state, appended);
    this.#steps.follow(steps);
    this.#digest = null;
    this.#position = null;
    this.#isUnsure = false;
  }
}

/** A decision that failed after its first change: the draft is of no use any more, and the others decide again without it. */
class HalfDone extends Error {
  constructor(
    readonly job: Job,
    cause: unknown,
  ) {
    super('a decision failed half-way', { cause });
  }
}

/**
 * Goes on under a new origin, since reuse of the old one could be unsafe. A store that was restored or copied becomes
 * read-only until it has rejoined, unless it has never met another.
 */
export async function renew(draft: Draft, time: Pick<TimeSource, 'randomHex'>, restored: boolean): Promise<void> {
  const { origin, former, lineage, phase } = draft.identity;
  const all: readonly Origin[] = [...former, origin];
  const hasMet = [...draft.origins.keys()].some((known) => !all.includes(known));
  const fresh = time.randomHex(8);
  if (restored && phase === 'bootstrapping') await draft.empty(time.randomHex(4));
  const next = !restored ? phase : phase === 'bootstrapping' ? 'fresh' : phase === 'ready' && hasMet ? 'restored' : phase;
  if (restored) draft.setMeta('bootstrap', null);
  if (restored && next === 'rejoining') {
    await draft.empty(time.randomHex(4));
    // The tree is gone again, so what was remembered must wait for another snapshot.
    draft.setMeta('rejoinTaken', null);
  }
  // What it holds is of an older time, and what it writes on that, nobody of its old lineage expects. Restored, it writes nothing, and looks for those.
  draft.setIdentity({ origin: fresh, former: all, lineage: next === 'restored' ? lineage : fresh, epoch: time.randomHex(4), phase: next });
  draft.setOrigin(originStart(fresh));
  draft.setMeta('restored', null);
  await draft.flush();
}
