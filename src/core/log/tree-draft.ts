import { addToSum, takeFromSum } from '../change/digest.js';
import { isLive, type Row } from '../change/row.js';
import type { Dot, Origin } from '../clock/vector.js';
import { parentOf, root, type FullPath } from '../entry/path.js';
import type { Counts, RowReader, WriteBatch } from '../store/store.js';
import type { Accounting } from './accounting.js';
import { closedBy, type ClosedOrigins } from './closed.js';
import type { LogState } from './log-state.js';
import type { Shown, View } from './view.js';

type TreeCounts = Pick<Counts, 'entries' | 'directories' | 'tombstones'>;

/**
 * The tree as one transaction sees and changes it: the rows it has loaded, and what follows from a row's change: digest sums, counts of
 * children and of rows, which origins are closed.
 */
export class TreeDraft implements View {
  readonly #rows = new Map<FullPath, Row | null>();
  readonly #children = new Map<FullPath, number>();
  readonly #dirtyRows = new Set<FullPath>();
  readonly #dirtyChildren = new Set<FullPath>();
  readonly #buckets: number[];
  readonly #dirtyBuckets = new Set<number>();
  /** Directories that showed nothing when they were loaded. */
  readonly #bare = new Set<FullPath>();
  readonly #tombstonesBefore: number;
  #counts: { -readonly [K in keyof TreeCounts]: number };
  #closed: ClosedOrigins;

  constructor(
    private readonly reader: RowReader,
    base: Pick<LogState, 'buckets' | 'counts' | 'closed'>,
    private readonly accounting: Pick<Accounting, 'bucketOf'>,
  ) {
    const { entries, directories, tombstones } = base.counts;
    this.#buckets = [...base.buckets];
    this.#counts = { entries, directories, tombstones };
    this.#tombstonesBefore = tombstones;
    this.#closed = base.closed;
  }

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
    const { rows, children } = await this.reader.findWithChildren(wanted);
    for (const path of wanted) {
      this.#rows.set(path, null);
      this.#children.set(path, children.get(path) ?? 0);
    }
    for (const row of rows) this.#rows.set(row.path, row);
  }

  /**
   * As `load`, for paths of which many are new: what lies below a directory that shows nothing is known to be absent, as long as there are no
   * tombstones. Looks at the directories first, which are few.
   */
  async loadNew(paths: readonly FullPath[]): Promise<void> {
    if (this.#tombstonesBefore === 0) {
      const above = [...new Set(paths.map(parentOf))].filter((path) => !this.#rows.has(path));
      await this.load(above);
      for (const path of above) if (this.children(path) === 0) this.#bare.add(path);
      for (const path of paths) {
        if (this.#rows.has(path) || !this.#bare.has(parentOf(path))) continue;
        this.#rows.set(path, null);
        this.#children.set(path, 0);
        // So is what lies below it.
        this.#bare.add(path);
      }
    }
    await this.load(paths);
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

  get buckets(): readonly number[] {
    return this.#buckets;
  }

  get counts(): TreeCounts {
    return this.#counts;
  }

  get closed(): ClosedOrigins {
    return this.#closed;
  }

  /** Rows waiting to be written. */
  get pending(): number {
    return this.#dirtyRows.size;
  }

  /** Replaces a row, null drops it. The path must be loaded. */
  set(path: FullPath, next: Row | null): void {
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

  /** Says that every row is gone from the store: sums and counts start anew. Nothing may be pending. */
  clear(): void {
    this.#buckets.fill(0);
    for (let bucket = 0; bucket < this.#buckets.length; bucket++) this.#dirtyBuckets.add(bucket);
    this.#counts = { entries: 0, directories: 0, tombstones: 0 };
    this.#closed = new Map();
  }

  /** Says that rows of `origin` beyond `seq` have lost their dots. */
  undot({ origin, seq }: Dot): void {
    this.#closed = new Map([...this.#closed].map(([closed, dot]) => [closed, dot?.origin === origin && dot.seq > seq ? null : dot]));
  }

  /** What has changed since this was last asked for. */
  takeDirty(): Required<Pick<WriteBatch, 'rows' | 'removed' | 'children' | 'buckets'>> {
    const rows: Row[] = [];
    const removed: FullPath[] = [];
    for (const path of this.#dirtyRows) {
      const row = this.row(path);
      if (row === null) removed.push(path);
      else rows.push(row);
    }
    const children = new Map([...this.#dirtyChildren].map((path) => [path, this.children(path)]));
    const buckets = new Map([...this.#dirtyBuckets].map((bucket) => [bucket, this.#buckets[bucket] as number]));
    this.#dirtyRows.clear();
    this.#dirtyChildren.clear();
    this.#dirtyBuckets.clear();
    return { rows: { tree: rows }, removed: { tree: removed }, children, buckets };
  }

  /** Forgets the rows it has loaded; nothing may be pending. */
  evict(): void {
    this.#rows.clear();
    this.#children.clear();
    this.#bare.clear();
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
}
