import { FilerError } from '../errors.js';
import { rowsOf, type Applied, type Change, type ReceivedChange } from '../change/change.js';
import type { ImportedChange } from '../change/imported.js';
import type { Row } from '../change/row.js';
import type { Clock } from '../clock/clock.js';
import type { Dot, Origin } from '../clock/vector.js';
import type { Version } from '../clock/version.js';
import type { FullPath } from '../entry/path.js';
import { identityToMeta, type Identity } from '../store/identity.js';
import type { ConflictRecord, Counts, FeedIndex, ListOptions, ListPage, LogRecord, OriginState, StoreTransaction } from '../store/store.js';
import { fullAccounting, type Accounting } from './accounting.js';
import type { ClosedOrigins } from './closed.js';
import { Joins } from './joins.js';
import { LogDraft, mustFollow } from './log-draft.js';
import type { Doubt } from './doubt.js';
import { clockMeta, countsMeta, doubtsMeta, originStart, partedMeta, type LogState } from './log-state.js';
import { adoptedChange, issuedChange, pathReplacedBy, replacedBy, type Maker, type Mutation, type Replaced } from './own-change.js';
import { QuarantineDraft, type QuarantineLimits } from './quarantine.js';
import { DraftSteps } from './recent-steps.js';
import { TreeDraft } from './tree-draft.js';
import type { Shown, View } from './view.js';

export interface DraftLimits extends QuarantineLimits {
  /** Text of the last changes kept in memory, bytes. */
  readonly recentBytes: number;
  /** What the last changes did to rows, kept in memory to compare digests, in steps. */
  readonly recentSteps: number;
}

/** What became of a peer's change. */
export type Outcome = Applied | 'duplicate';

/**
 * The workspace of one transaction: tree, log, quarantine, ledger and identity as they are and as they will be. Load the paths a step
 * touches, make the step, flush. Long transactions flush now and then and drop what they hold.
 */
export class Draft implements View {
  readonly #tree: TreeDraft;
  readonly #log: LogDraft;
  readonly #joins: Joins;
  #meta = new Map<string, string | null>();
  #identity: Identity;
  #partedFrom: Origin | null;
  #doubts: readonly Doubt[];
  readonly #opened: LogState['opened'];
  /** What is put aside. */
  readonly quarantine: QuarantineDraft;
  /** What its changes do to rows. */
  readonly steps: DraftSteps;

  constructor(
    readonly tx: StoreTransaction,
    base: LogState,
    readonly clock: Clock,
    /** The wall clock when the transaction began. */
    readonly now: Version,
    limits: DraftLimits,
    private readonly accounting: Accounting = fullAccounting,
  ) {
    this.#tree = new TreeDraft(tx, base, accounting);
    this.#log = new LogDraft(tx, base, clock, limits.recentBytes);
    this.#identity = base.identity;
    this.#partedFrom = base.partedFrom;
    this.#doubts = base.doubts;
    this.#opened = base.opened;
    this.quarantine = new QuarantineDraft(base.quarantine, limits);
    this.steps = new DraftSteps(limits.recentSteps);
    const { quarantine, steps } = this;
    this.#joins = new Joins({ tree: this.#tree, quarantine, steps, accounting, now, by: () => this.#identity.origin });
  }

  /** Makes rows and counts of `paths` and of everything above them known. */
  load(paths: Iterable<FullPath>): Promise<void> {
    return this.#tree.load(paths);
  }

  /** As `load`, for paths of which many are new. Nothing it has loaded may have been forgotten since. */
  loadNew(paths: readonly FullPath[]): Promise<void> {
    return this.#tree.loadNew(paths);
  }

  row(path: FullPath): Row | null {
    return this.#tree.row(path);
  }

  children(path: FullPath): number {
    return this.#tree.children(path);
  }

  shown(path: FullPath): Shown {
    return this.#tree.shown(path);
  }

  /** One page of a directory as the transaction sees it; flush first. */
  list(directory: FullPath, options: ListOptions): Promise<ListPage> {
    return this.tx.list(directory, options);
  }

  get identity(): Identity {
    return this.#identity;
  }

  get origins(): ReadonlyMap<Origin, OriginState> {
    return this.#log.origins;
  }

  get closed(): ClosedOrigins {
    return this.#tree.closed;
  }

  get partedFrom(): Origin | null {
    return this.#partedFrom;
  }

  get doubts(): readonly Doubt[] {
    return this.#doubts;
  }

  /** Index of the first record of the log. */
  get first(): FeedIndex {
    return this.#log.first;
  }

  /** Rows and records waiting to be flushed. */
  get pending(): number {
    return this.#tree.pending + this.#log.pending;
  }

  /** Records this transaction has appended; null if they are too much to keep, or if it did more to the log than that. */
  get appended(): readonly LogRecord[] | null {
    return this.#log.appended;
  }

  /** Conflicts written to the ledger so far. */
  get noted(): number {
    return this.#joins.noted;
  }

  /**
   * Makes one change of this origin: entry or tombstone, log record, position, digest. Its paths must be loaded.
   * @throws FilerError BOOTSTRAPPING if the store joins the others: a write that was let in before may come to its turn after that has begun
   */
  issue(mutation: Mutation): Dot {
    this.mustIssue();
    return this.reissue(mutation);
  }

  /** Passes if this store may write changes of its own. @throws FilerError BOOTSTRAPPING if it joins the others */
  mustIssue(): void {
    const { phase } = this.#identity;
    if ((phase !== 'ready' && phase !== 'fresh') || this.#partedFrom !== null)
      throw new FilerError('BOOTSTRAPPING', 'this filer has just begun to join the others; write to another one, or wait for /readyz');
  }

  /** As `issue`, without a look at the phase: for what this store writes again after it has joined the others. `outside` is a state outside the tree that the change replaces too. */
  reissue(mutation: Mutation, outside: Replaced | null = null): Dot {
    const replaced = replacedBy(mutation, (path) => this.row(path), outside);
    const { oldRow, targetRow } = replaced;
    const version = this.clock.issue(Math.max(oldRow?.version ?? 0, targetRow?.version ?? 0, outside?.version ?? 0));
    const maker = this.#maker();
    const change = issuedChange(mutation, replaced, version, maker);
    this.steps.begin();
    for (const row of rowsOf(change, this.accounting.entryDigest)) {
      this.steps.meet(this.row(row.path), row);
      this.setRow(row.path, row);
    }
    this.steps.end(change);
    this.#log.append(change, maker.own, 'won');
    return { origin: change.origin, seq: change.seq };
  }

  /**
   * Makes one change of this origin that keeps version, author and vectors of an imported one, and joins it. Its paths must be loaded.
   * @throws FilerError QUARANTINE_FULL
   */
  adopt(imported: ImportedChange): Applied {
    const maker = this.#maker();
    const change = adoptedChange(imported, this.row(pathReplacedBy(imported)), maker);
    this.clock.observe(change.version);
    return this.#joinAndAppend(change, maker.own);
  }

  #maker(): Maker {
    const { storeId, origin } = this.#identity;
    const own = this.#log.origin(origin);
    const isFirst = own.seq === (origin === this.#opened.origin ? this.#opened.seq : 0);
    return { storeId, own, run: isFirst ? this.#opened.run : '' };
  }

  /**
   * Keeps the clock over a restart where it is ahead of the wall clock: an imported change is this origin's last one, but its version may be
   * lower than others that were issued before.
   */
  keepClock(): void {
    if (this.clock.last > this.now) this.setMeta(clockMeta, String(this.clock.last));
  }

  /**
   * Joins one change of another origin into the store. Its paths must be loaded. One that is refused, or touches what a refused one holds,
   * goes to the quarantine: into the log and under the position, but not into the tree.
   * @throws FilerError ORIGIN_DIVERGED if its hash does not follow from what is here; PARAMETER_INVALID if it leaves a gap; QUARANTINE_FULL
   */
  apply(change: ReceivedChange): Outcome {
    const known = this.#log.origin(change.origin);
    // seq ≤ position is a duplicate: dropping it makes a second delivery harmless.
    if (change.seq <= known.seq || change.origin === this.#identity.origin) return 'duplicate';
    mustFollow(change, known);
    this.clock.observe(change.version);
    return this.#joinAndAppend(change, known);
  }

  #joinAndAppend(change: ReceivedChange, before: OriginState): Applied {
    this.steps.begin();
    const applied = this.joinOrQuarantine(change);
    this.steps.end(change);
    // It has not done what it will have done once it is released.
    if (applied === 'quarantined') this.steps.lose();
    this.#log.append(change, before, applied);
    return applied;
  }

  /** Joins a change if it is good and nothing holds its paths, else puts it aside; without log and position. @throws FilerError QUARANTINE_FULL */
  joinOrQuarantine(change: ReceivedChange): Applied {
    return this.#joins.joinOrQuarantine(change);
  }

  /** Joins the states a change brings, path by path, without log and position: for a snapshot's tail. */
  join(change: Change): Applied {
    return this.#joins.join(change);
  }

  /** Joins one state; what it overrules goes to the ledger. Returns true if it stands. The path must be loaded. */
  joinRow(incoming: Row): boolean {
    return this.#joins.joinRow(incoming, false);
  }

  /** Replaces a row as it is, null drops it: for snapshots. The path must be loaded. */
  setRow(path: FullPath, row: Row | null): void {
    this.#joins.setRow(path, row);
  }

  /** Puts a state that lost into the ledger. */
  note(conflict: ConflictRecord | null): void {
    if (conflict) this.#joins.note(conflict);
  }

  setIdentity(change: Partial<Identity>): void {
    this.#identity = { ...this.#identity, ...change };
    for (const [name, text] of identityToMeta(this.#identity)) this.#meta.set(name, text);
    this.clock.advance(this.#identity.floor);
  }

  setMeta(name: string, text: string | null): void {
    this.#meta.set(name, text);
  }

  setOrigin(state: OriginState): void {
    this.#log.set(state);
  }

  /** Makes an origin known, at 0. */
  know(origin: Origin): void {
    if (!this.origins.has(origin)) this.setOrigin(originStart(origin));
  }

  /** Says that rows without dots wait until this store is level with `origin`, and which of them the others may have had. */
  setPartedFrom(origin: Origin, doubt: Doubt | null): void {
    this.#setParted(origin, doubt === null ? this.#doubts : [...this.#doubts, doubt]);
  }

  /** Says that every row has a dot. */
  clearParted(): void {
    this.#setParted(null, []);
  }

  #setParted(origin: Origin | null, doubts: readonly Doubt[]): void {
    this.#partedFrom = origin;
    this.#doubts = doubts;
    this.setMeta(partedMeta, origin);
    this.setMeta(doubtsMeta, doubts.length === 0 ? null : JSON.stringify(doubts));
  }

  /** Empties tree, log and positions, and renews the feed epoch; identity and own work kept elsewhere stay. */
  async empty(epoch: string): Promise<void> {
    await this.flush({ evict: true });
    await this.tx.clear('tree');
    await this.#log.clear();
    this.#tree.clear();
    this.quarantine.clear();
    this.steps.lose();
    this.#setCounts();
    this.setIdentity({ epoch });
    // The rows of a branch that was given up are gone with all others: nothing is left to be written again from here.
    this.clearParted();
  }

  /** Drops the log of origins that a snapshot has moved ahead: `first` becomes seq + 1. */
  async jump(origins: readonly OriginState[]): Promise<void> {
    await this.flush({ evict: true });
    this.steps.lose();
    await this.#log.jump(origins);
    this.#setCounts();
  }

  /** Drops the front of the log, up to and including `through` (DESIGN: Retention). */
  async trim(through: FeedIndex): Promise<void> {
    await this.flush();
    await this.#log.trim(through);
    this.#setCounts();
  }

  /**
   * Gives up what one origin wrote after `to`: the records leave the log, and the rows they made lose their dots (DESIGN: Parted
   * histories). The caller renews the feed epoch. Tells how many rows.
   */
  async giveUp(to: OriginState): Promise<number> {
    await this.flush({ evict: true });
    this.steps.lose();
    await this.#log.giveUp(to);
    const rows = await this.tx.undot(to.origin, to.seq);
    this.#tree.undot(to);
    for (const { dot } of [...this.quarantine.records.values()]) if (dot.origin === to.origin && dot.seq > to.seq) this.quarantine.drop(dot);
    this.#setCounts();
    return rows;
  }

  /**
   * Writes what has gathered. With `evict` the draft forgets its rows, so that a long transaction stays small. With `more` another flush
   * follows, and while this one is written the draft may go on with what is loaded.
   */
  async flush({ evict = false, more = false } = {}): Promise<void> {
    if (this.pending > 0) this.#setCounts();
    const meta = this.#meta;
    this.#meta = new Map();
    const [conflicts, quarantine] = [this.#joins.takeConflicts(), this.quarantine.takeDirty()];
    await this.tx.write({ ...this.#tree.takeDirty(), ...this.#log.takeDirty(), conflicts, quarantine, meta }, more);
    if (evict) this.#tree.evict();
  }

  get #counts(): Counts {
    const { entries, directories, tombstones } = this.#tree.counts;
    const { changes, bytes } = this.#log.counts;
    return { entries, directories, tombstones, changes, bytes };
  }

  #setCounts(): void {
    this.setMeta(countsMeta, JSON.stringify(this.#counts));
  }

  /** The state after the transaction; call when everything is flushed. */
  result(): LogState {
    return {
      identity: this.#identity,
      origins: this.#log.origins,
      buckets: this.#tree.buckets,
      counts: this.#counts,
      head: this.#log.head,
      first: this.#log.first,
      quarantine: this.quarantine.records,
      closed: this.#tree.closed,
      partedFrom: this.#partedFrom,
      doubts: this.#doubts,
      opened: this.#opened,
    };
  }
}
