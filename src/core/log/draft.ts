import { FilerError } from '../errors.js';
import { canonicalJson } from '../change/canonical.js';
import { isRefused, pathsOf, rowsOf, type Applied, type Change, type ReceivedChange } from '../change/change.js';
import { encodeChange } from '../change/codec.js';
import type { ImportedChange } from '../change/imported.js';
import { addToSum, chainHash, chainStart, contentHash, takeFromSum } from '../change/digest.js';
import { isLive, joinRows, type Row } from '../change/row.js';
import type { Clock } from '../clock/clock.js';
import { mergeVectors, type Dot, type Origin, type Position, type Vector } from '../clock/vector.js';
import type { Version } from '../clock/version.js';
import { withoutEmpty, type Entry } from '../entry/entry.js';
import { ancestorsOf, parentOf, root, type FullPath } from '../entry/path.js';
import { identityToMeta, type Identity } from '../store/identity.js';
import type { ConflictRecord, Counts, FeedIndex, ListOptions, ListPage, LogRecord, OriginState, StoreTransaction } from '../store/store.js';
import { fullAccounting, type Accounting } from './accounting.js';
import { closedBy, type ClosedOrigins } from './closed.js';
import { QuarantineDraft, type QuarantineLimits, type QuarantineMap } from './quarantine.js';
import { DraftSteps } from './recent-steps.js';

/** Everything small a change log knows of its store: what `load` read, and every commit since. Immutable. */
export interface LogState {
  readonly identity: Identity;
  readonly origins: ReadonlyMap<Origin, OriginState>;
  readonly buckets: readonly number[];
  readonly counts: Counts;
  readonly head: FeedIndex;
  readonly first: FeedIndex;
  readonly quarantine: QuarantineMap;
  readonly closed: ClosedOrigins;
  /** Whom this store gave up a branch to: some of its rows have no dot until it is level with that filer; null = all rows have one. */
  readonly partedFrom: Origin | null;
}

export interface DraftLimits extends QuarantineLimits {
  /** Text of the last changes kept in memory, bytes. */
  readonly recentBytes: number;
  /** What the last changes did to rows, kept in memory to compare digests, in steps. */
  readonly recentSteps: number;
}

/** One change to be made here. `entry` is the whole new entry; its name is set from the path. */
export type Mutation =
  | { readonly kind: 'put'; readonly path: FullPath; readonly entry: Entry }
  | { readonly kind: 'delete'; readonly path: FullPath }
  | { readonly kind: 'rename'; readonly from: FullPath; readonly to: FullPath; readonly entry: Entry };

/** Meta key of `LogState.partedFrom`. */
export const partedMeta = 'partedFrom';

/** Meta key of the clock, where it was ahead of the wall clock. */
export const clockMeta = 'clock';

/** How the tree shows a path (DESIGN: the tree is a view). */
export type Shown = 'absent' | 'file' | 'directory';

/** What decisions may look at: rows and view of the paths that were loaded. */
export interface View {
  row(path: FullPath): Row | null;
  shown(path: FullPath): Shown;
  /** How many names a directory shows. */
  children(path: FullPath): number;
}

/** What became of a peer's change. */
export type Outcome = Applied | 'duplicate';

export function originStart(origin: Origin): OriginState {
  return { origin, seq: 0, hash: chainStart, version: 0, first: 1, firstHash: chainStart, firstVersion: 0 };
}

export function positionOf(origins: ReadonlyMap<Origin, OriginState>): Position {
  return new Map([...origins.values()].map(({ origin, seq }) => [origin, seq]));
}

/**
 * The workspace of one transaction: rows as they are and as they will be, and everything that follows from a row's
 * change (digest sums, counts of children, log, position). Load the paths a step touches, make the step, flush.
 * Long transactions flush now and then and drop what they hold.
 */
export class Draft implements View {
  readonly #rows = new Map<FullPath, Row | null>();
  readonly #children = new Map<FullPath, number>();
  readonly #dirtyRows = new Set<FullPath>();
  readonly #dirtyChildren = new Set<FullPath>();
  readonly #buckets: number[];
  readonly #dirtyBuckets = new Set<number>();
  readonly #origins: Map<Origin, OriginState>;
  readonly #dirtyOrigins = new Set<Origin>();
  #log: LogRecord[] = [];
  /** What was appended and flushed so far; null = too much to keep, or the log was not only appended to. */
  #appended: LogRecord[] | null = [];
  #appendedBytes = 0;
  #conflicts: ConflictRecord[] = [];
  /** Conflicts written to the ledger so far. */
  noted = 0;
  #meta = new Map<string, string | null>();
  #counts: { -readonly [K in keyof Counts]: number };
  #identity: Identity;
  #head: FeedIndex;
  #first: FeedIndex;
  #closed: ClosedOrigins;
  #partedFrom: Origin | null;
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
    private readonly limits: DraftLimits,
    private readonly accounting: Accounting = fullAccounting,
  ) {
    this.#buckets = [...base.buckets];
    this.#origins = new Map(base.origins);
    this.#counts = { ...base.counts };
    this.#identity = base.identity;
    this.#head = base.head;
    this.#first = base.first;
    this.quarantine = new QuarantineDraft(base.quarantine, limits);
    this.steps = new DraftSteps(limits.recentSteps);
    this.#closed = base.closed;
    this.#partedFrom = base.partedFrom;
  }

  // ---- reading

  /** Makes rows and counts of `paths` and of everything above them known. */
  async load(paths: Iterable<FullPath>): Promise<void> {
    const missing = new Set<FullPath>();
    for (const path of paths) {
      for (let at = path; !this.#rows.has(at) && !missing.has(at); at = parentOf(at)) {
        missing.add(at);
        if (at === root) break;
      }
    }
    if (missing.size === 0) return;
    const wanted = [...missing];
    const { rows, children } = await this.tx.findWithChildren(wanted);
    for (const path of wanted) {
      this.#rows.set(path, null);
      this.#children.set(path, children.get(path) ?? 0);
    }
    for (const row of rows) this.#rows.set(row.path, row);
  }

  row(path: FullPath): Row | null {
    const row = this.#rows.get(path);
    if (row === undefined) throw new TypeError(`${path} was not loaded`);
    return row;
  }

  children(path: FullPath): number {
    const count = this.#children.get(path);
    if (count === undefined) throw new TypeError(`${path} was not loaded`);
    return count;
  }

  shown(path: FullPath): Shown {
    if (path === root) return 'directory';
    const row = this.row(path);
    if (this.children(path) > 0 || (isLive(row) && row.isDirectory)) return 'directory';
    return isLive(row) ? 'file' : 'absent';
  }

  /** One page of a directory as the transaction sees it; flush first. */
  list(directory: FullPath, options: ListOptions): Promise<ListPage> {
    return this.tx.list(directory, options);
  }

  get identity(): Identity {
    return this.#identity;
  }

  get origins(): ReadonlyMap<Origin, OriginState> {
    return this.#origins;
  }

  get closed(): ClosedOrigins {
    return this.#closed;
  }

  get partedFrom(): Origin | null {
    return this.#partedFrom;
  }

  /** Index of the first record of the log. */
  get first(): FeedIndex {
    return this.#first;
  }

  /** Rows and records waiting to be flushed. */
  get pending(): number {
    return this.#dirtyRows.size + this.#log.length;
  }

  // ---- changing

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

  /** As `issue`, without a look at the phase: for what this store writes again after it has joined the others. `replaced` is a state outside the tree that the change replaces too. */
  reissue(mutation: Mutation, replaced: Pick<Row, 'version' | 'vector'> | null = null): Dot {
    const oldPath = mutation.kind === 'rename' ? mutation.from : mutation.path;
    const newPath = mutation.kind === 'rename' ? mutation.to : mutation.kind === 'put' ? mutation.path : null;
    const oldRow = this.row(oldPath);
    const targetRow = newPath === null || newPath === oldPath ? oldRow : this.row(newPath);
    const version = this.clock.issue(Math.max(oldRow?.version ?? 0, targetRow?.version ?? 0, replaced?.version ?? 0));
    const author = this.#identity.origin;
    const own = this.#origins.get(author) ?? originStart(author);
    const seq = own.seq + 1;
    const isRename = mutation.kind === 'rename';
    const newEntry = mutation.kind === 'delete' ? null : canonicalJson(withoutEmpty({ ...mutation.entry, name: nameFrom(newPath as FullPath) }));
    const content = newEntry === null ? '' : contentHash(newEntry);
    const mark: Vector = { [author]: version };
    const stands = isLive(oldRow) || isRename || mutation.kind === 'delete';
    const change: { -readonly [K in keyof Change]: Change[K] } = {
      origin: author,
      seq,
      version,
      author,
      oldPath: stands ? oldPath : null,
      newPath,
      newEntry,
      isDirectory: mutation.kind === 'delete' ? false : mutation.entry.isDirectory,
      contentHash: content,
      vector: mergeVectors(mergeVectors(targetRow?.vector ?? {}, replaced?.vector ?? {}), mark),
      oldVector: isRename ? mergeVectors(oldRow?.vector ?? {}, mark) : null,
      clusters: [],
      hash: '',
      text: '',
    };
    change.hash = chainHash(own.hash, change);
    const oldEntry = isLive(oldRow) ? (JSON.parse(oldRow.entry) as Entry) : null;
    change.text = encodeChange(change, { oldEntry, deleteChunks: stands && !isRename, signatures: [this.#identity.storeId] });
    this.steps.begin();
    for (const row of rowsOf(change, this.accounting.entryDigest)) {
      this.steps.meet(this.row(row.path), row);
      this.#setRow(row.path, row);
    }
    this.steps.end(change);
    this.#append(change, own, 'won');
    return { origin: author, seq };
  }

  /**
   * Makes one change of this origin that keeps version, author and vectors of an imported one, and joins it. Its paths must be loaded.
   * @throws FilerError QUARANTINE_FULL
   */
  adopt(imported: ImportedChange): Applied {
    const { version, author, oldPath, newPath, newEntry, isDirectory, vector, oldVector, clusters } = imported;
    const { origin } = this.#identity;
    const own = this.#origins.get(origin) ?? originStart(origin);
    const before = this.row((oldVector === null ? (newPath ?? oldPath) : oldPath) as FullPath);
    const stands = isLive(before);
    const change: { -readonly [K in keyof Change]: Change[K] } = {
      origin,
      seq: own.seq + 1,
      version,
      author,
      // A create may find something here, and an update nothing.
      oldPath: newPath === null || oldVector !== null ? oldPath : stands ? newPath : null,
      newPath,
      newEntry,
      isDirectory,
      contentHash: newEntry === null ? '' : contentHash(newEntry),
      vector,
      oldVector,
      clusters,
      hash: '',
      text: '',
    };
    change.hash = chainHash(own.hash, change);
    const oldEntry = stands ? (JSON.parse(before.entry) as Entry) : imported.oldEntry;
    change.text = encodeChange(change, { oldEntry, deleteChunks: stands && oldVector === null, signatures: [this.#identity.storeId] });
    this.clock.observe(version);
    return this.#joinAndAppend(change, own);
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
    const known = this.#origins.get(change.origin) ?? originStart(change.origin);
    // seq ≤ position is a duplicate: dropping it makes a second delivery harmless.
    if (change.seq <= known.seq || change.origin === this.#identity.origin) return 'duplicate';
    if (change.seq > known.seq + 1) {
      throw new FilerError('PARAMETER_INVALID', `origin ${change.origin}: seq ${change.seq} does not follow ${known.seq}; ask again from ${known.seq}`, {
        origin: change.origin,
        seq: known.seq,
      });
    }
    const link = isRefused(change) ? change.link : change;
    if (link !== null && chainHash(known.hash, link) !== change.hash) {
      throw new FilerError(
        'ORIGIN_DIVERGED',
        `origin ${change.origin}: change ${change.seq} does not follow from what is here at ${known.seq}; two logs were written under one origin`,
        {
          origin: change.origin,
          seq: known.seq,
        },
      );
    }
    this.clock.observe(change.version);
    return this.#joinAndAppend(change, known);
  }

  #joinAndAppend(change: ReceivedChange, before: OriginState): Applied {
    this.steps.begin();
    const applied = this.joinOrQuarantine(change);
    this.steps.end(change);
    // It has not done what it will have done once it is released.
    if (applied === 'quarantined') this.steps.lose();
    this.#append(change, before, applied);
    return applied;
  }

  /** Joins a change if it is good and nothing holds its paths, else puts it aside; without log and position. @throws FilerError QUARANTINE_FULL */
  joinOrQuarantine(change: ReceivedChange): Applied {
    if (isRefused(change)) this.quarantine.add(change, null, this.now);
    else {
      const waitsFor = this.quarantine.records.size === 0 ? null : this.quarantine.holder(pathsOf(change));
      if (waitsFor === null) return this.join(change);
      this.quarantine.add(change, waitsFor, this.now);
    }
    return 'quarantined';
  }

  /** Joins the states a change brings, path by path, without log and position: for a snapshot's tail. */
  join(change: Change): Applied {
    const incoming = rowsOf(change, this.accounting.entryDigest);
    let won = 0;
    const isRename = incoming.length === 2;
    for (const row of incoming) if (this.joinRow(row, isRename)) won += 1;
    return won === incoming.length ? 'won' : won === 0 ? 'lost' : 'partly';
  }

  /** Joins one state; what it overrules goes to the ledger. Returns true if it stands. The path must be loaded. */
  joinRow(incoming: Row, isRename = false): boolean {
    const local = this.row(incoming.path);
    const by = this.#identity.origin;
    this.steps.meet(local, incoming);
    const conflict = this.accounting.overruled(local, incoming, isRename, this.now, by);
    if (conflict) this.#conflicts.push(conflict);
    const joined = joinRows(local, incoming);
    if (joined !== local) this.#setRow(incoming.path, joined);
    const won = joined.version === incoming.version && joined.author === incoming.author && joined.contentHash === incoming.contentHash;
    if (won && joined !== local) {
      const below = isLive(joined)
        ? this.accounting.childOfDeleted(
            joined,
            ancestorsOf(joined.path).map((path) => this.row(path)),
            this.now,
            by,
          )
        : this.children(joined.path) > 0
          ? this.accounting.deletedAboveLive(joined, local, this.now, by)
          : null;
      if (below) this.#conflicts.push(below);
    }
    return won;
  }

  /** Replaces a row as it is, null drops it: for snapshots. The path must be loaded. */
  setRow(path: FullPath, row: Row | null): void {
    this.#setRow(path, row);
  }

  /** Puts a state that lost into the ledger. */
  note(conflict: ConflictRecord | null): void {
    if (conflict) this.#conflicts.push(conflict);
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
    // Moved by no record of this transaction: from the records before it nothing can be told of where it was.
    if (state.seq !== (this.#origins.get(state.origin)?.seq ?? 0)) this.#appended = null;
    this.#origins.set(state.origin, state);
    this.#dirtyOrigins.add(state.origin);
    this.clock.observe(state.version);
  }

  /** Makes an origin known, at 0. */
  know(origin: Origin): void {
    if (!this.#origins.has(origin)) this.setOrigin(originStart(origin));
  }

  /** Empties tree, log and positions, and renews the feed epoch; identity and own work kept elsewhere stay. */
  async empty(epoch: string): Promise<void> {
    await this.flush({ evict: true });
    await this.tx.clear('tree');
    await this.tx.clearLog(null);
    this.#appended = null;
    this.steps.lose();
    await this.tx.clearOrigins();
    this.#origins.clear();
    this.quarantine.clear();
    this.#buckets.fill(0);
    for (let bucket = 0; bucket < this.#buckets.length; bucket++) this.#dirtyBuckets.add(bucket);
    this.#counts = { entries: 0, directories: 0, tombstones: 0, changes: 0, bytes: 0 };
    this.setMeta('counts', JSON.stringify(this.#counts));
    this.#first = this.#head + 1;
    this.#closed = new Map();
    this.setIdentity({ epoch });
  }

  /** Drops the log of origins that a snapshot has moved ahead: `first` becomes seq + 1. */
  async jump(origins: readonly OriginState[]): Promise<void> {
    await this.flush({ evict: true });
    this.#appended = null;
    this.steps.lose();
    const left = await this.tx.clearLog(origins.map(({ origin }) => origin));
    for (const state of origins) this.setOrigin({ ...state, first: state.seq + 1, firstHash: state.hash, firstVersion: state.version });
    this.#countLog(left.changes, left.bytes, left.first);
  }

  /** Drops the front of the log, up to and including `through` (DESIGN: Retention). */
  async trim(through: FeedIndex): Promise<void> {
    await this.flush();
    const { last, changes, bytes, first } = await this.tx.trimLog(through);
    for (const { origin, seq, hash, version } of last) {
      const state = this.#origins.get(origin) ?? originStart(origin);
      this.setOrigin({ ...state, first: seq + 1, firstHash: hash, firstVersion: version });
    }
    this.#countLog(this.#counts.changes - changes, this.#counts.bytes - bytes, first);
  }

  /**
   * Gives up what one origin wrote after `to`: the records leave the log, and the rows they made lose their dots (DESIGN: Parted
   * histories). The caller renews the feed epoch. Tells how many rows.
   */
  async giveUp(to: OriginState): Promise<number> {
    await this.flush({ evict: true });
    this.#appended = null;
    this.steps.lose();
    const left = await this.tx.cutLog(to.origin, to.seq);
    const rows = await this.tx.undot(to.origin, to.seq);
    for (const { dot } of [...this.quarantine.records.values()]) if (dot.origin === to.origin && dot.seq > to.seq) this.quarantine.drop(dot);
    this.#closed = new Map([...this.#closed].map(([origin, dot]) => [origin, dot?.origin === to.origin && dot.seq > to.seq ? null : dot]));
    this.setOrigin(to);
    this.#countLog(left.changes, left.bytes, left.first);
    return rows;
  }

  /** Says that rows without dots wait until this store is level with `origin`; null = none is left. */
  setPartedFrom(origin: Origin | null): void {
    this.#partedFrom = origin;
    this.setMeta(partedMeta, origin);
  }

  #countLog(changes: number, bytes: number, first: FeedIndex): void {
    this.#counts.changes = changes;
    this.#counts.bytes = bytes;
    this.#first = first;
    this.setMeta('counts', JSON.stringify(this.#counts));
  }

  #append(change: ReceivedChange, before: OriginState, applied: Applied): void {
    this.#head += 1;
    this.#log.push({ index: this.#head, origin: change.origin, seq: change.seq, version: change.version, hash: change.hash, applied, text: change.text });
    const { origin, first, firstHash, firstVersion } = before;
    const version = change.version || before.version;
    this.#origins.set(origin, { origin, seq: change.seq, hash: change.hash, version, first, firstHash, firstVersion });
    this.#dirtyOrigins.add(change.origin);
    this.#counts.changes += 1;
    this.#counts.bytes += Buffer.byteLength(change.text);
  }

  #setRow(path: FullPath, next: Row | null): void {
    this.steps.move();
    const previous = this.row(path);
    const wasShown = this.#shows(path, previous);
    const bucket = this.accounting.bucketOf(parentOf(path));
    if (bucket !== null) {
      let sum = this.#buckets[bucket] as number;
      if (isLive(previous)) sum = takeFromSum(sum, previous.h);
      if (isLive(next)) sum = addToSum(sum, next.h);
      this.#buckets[bucket] = sum;
      this.#dirtyBuckets.add(bucket);
    }
    this.#count(previous, -1);
    this.#count(next, 1);
    this.#rows.set(path, next);
    this.#dirtyRows.add(path);
    const closes = closedBy(path);
    if (closes !== null) this.#close(closes, next);
    const isShown = this.#shows(path, next);
    if (wasShown !== isShown) this.#bump(parentOf(path), isShown ? 1 : -1);
  }

  #close(origin: Origin, row: Row | null): void {
    const closed = new Map(this.#closed);
    if (isLive(row)) closed.set(origin, row.dot);
    else closed.delete(origin);
    this.#closed = closed;
  }

  #count(row: Row | null, by: 1 | -1): void {
    if (row === null) return;
    if (!isLive(row)) this.#counts.tombstones += by;
    else {
      this.#counts.entries += by;
      if (row.isDirectory) this.#counts.directories += by;
    }
  }

  #shows(path: FullPath, row: Row | null): boolean {
    return isLive(row) || this.children(path) > 0;
  }

  /** A directory shows one name more or less; if it appears or vanishes by that, so does a name in its own parent. */
  #bump(directory: FullPath, by: 1 | -1): void {
    const before = this.children(directory);
    const after = before + by;
    this.#children.set(directory, after);
    this.#dirtyChildren.add(directory);
    if (directory !== root && (before === 0 || after === 0) && !isLive(this.row(directory))) this.#bump(parentOf(directory), by);
  }

  // ---- writing

  /** Writes what has gathered. With `evict` the draft forgets its rows, so that a long transaction stays small. */
  async flush(options: { evict: boolean } = { evict: false }): Promise<void> {
    const rows: Row[] = [];
    const removed: FullPath[] = [];
    for (const path of this.#dirtyRows) {
      const row = this.row(path);
      if (row === null) removed.push(path);
      else rows.push(row);
    }
    if (rows.length + removed.length + this.#log.length > 0) this.#meta.set('counts', JSON.stringify(this.#counts));
    await this.tx.write({
      rows: { tree: rows },
      removed: { tree: removed },
      children: new Map([...this.#dirtyChildren].map((path) => [path, this.children(path)])),
      log: this.#log,
      origins: [...this.#dirtyOrigins].map((origin) => this.#origins.get(origin) as OriginState),
      buckets: new Map([...this.#dirtyBuckets].map((bucket) => [bucket, this.#buckets[bucket] as number])),
      conflicts: this.#conflicts,
      quarantine: this.quarantine.takeDirty(),
      meta: this.#meta,
    });
    this.#dirtyRows.clear();
    this.#dirtyChildren.clear();
    this.#dirtyOrigins.clear();
    this.#dirtyBuckets.clear();
    this.#keepAppended();
    this.#log = [];
    this.noted += this.#conflicts.length;
    this.#conflicts = [];
    this.#meta = new Map();
    if (options.evict) {
      this.#rows.clear();
      this.#children.clear();
    }
  }

  #keepAppended(): void {
    this.#appendedBytes = this.#log.reduce((bytes, { text }) => bytes + text.length, this.#appendedBytes);
    if (this.#appendedBytes > this.limits.recentBytes) this.#appended = null;
    this.#appended?.push(...this.#log);
  }

  /** Records this transaction has appended; null if they are too much to keep, or if it did more to the log than that. */
  get appended(): readonly LogRecord[] | null {
    return this.#appended;
  }

  /** The state after the transaction; call when everything is flushed. */
  result(): LogState {
    return {
      identity: this.#identity,
      origins: this.#origins,
      buckets: this.#buckets,
      counts: this.#counts,
      head: this.#head,
      first: this.#first,
      quarantine: this.quarantine.records,
      closed: this.#closed,
      partedFrom: this.#partedFrom,
    };
  }
}

function nameFrom(path: FullPath): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
