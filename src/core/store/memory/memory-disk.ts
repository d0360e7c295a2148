import type { Row } from '../../change/row.js';
import { bucketCount, bucketOf } from '../../change/digest.js';
import type { Origin } from '../../clock/vector.js';
import type { Version } from '../../clock/version.js';
import { expiryOfRow } from '../../entry/expiry.js';
import { compareBytes, nameOf, parentOf, type FullPath } from '../../entry/path.js';
import type { LedgerLine } from '../ledger.js';
import {
  storeMeta,
  type Area,
  type ConflictRecord,
  type ExpiringFile,
  type FeedIndex,
  type LogRecord,
  type OriginState,
  type QuarantineRecord,
} from '../store.js';

/** Where a path stands in key order; kept, so that sorting hashes and cuts nothing. */
interface Key {
  readonly bucket: number;
  readonly directory: FullPath;
  readonly name: string;
  readonly path: FullPath;
}

const keyOf = (path: FullPath): Key => {
  const directory = parentOf(path);
  return { bucket: bucketOf(directory), directory, name: nameOf(path), path };
};

const versionOf = ({ version, author, entry }: Row) => ({ version, author, bytes: Buffer.byteLength(entry ?? '') });

/** By when they expire, then by author and key. */
export const compareExpiry = (a: ExpiringFile, b: ExpiringFile): number =>
  a.expires - b.expires || compareBytes(a.author, b.author) || compareKeys(keyOf(a.path), keyOf(b.path));

const compareKeys = (a: Key, b: Key): number => a.bucket - b.bucket || compareBytes(a.directory, b.directory) || compareBytes(a.name, b.name);

/** Rows by path, and in key order: (bucket of the directory, directory, name). The order is made when it is first asked for. */
export class RowTable {
  #rows = new Map<FullPath, Row>();
  /** When those that do expire. */
  #expiries = new Map<FullPath, Version>();
  #ordered: Key[] | null = null;

  get(path: FullPath): Row | undefined {
    return this.#rows.get(path);
  }

  set(row: Row): void {
    if (this.#ordered && !this.#rows.has(row.path)) {
      const key = keyOf(row.path);
      this.#ordered.splice(this.#placeAfter(key), 0, key);
    }
    this.#rows.set(row.path, row);
    const expires = expiryOfRow(row);
    if (expires === null) this.#expiries.delete(row.path);
    else this.#expiries.set(row.path, expires);
  }

  delete(path: FullPath): void {
    this.#expiries.delete(path);
    if (this.#rows.delete(path) && this.#ordered) this.#ordered.splice(this.#placeAfter(keyOf(path)) - 1, 1);
  }

  clear(): void {
    this.#rows.clear();
    this.#expiries.clear();
    this.#ordered = null;
  }

  values(): Iterable<Row> {
    return this.#rows.values();
  }

  /** Rows after the key of `after`, in key order; null = all. */
  *after(after: FullPath | null): Iterable<Row> {
    const keys = this.#order();
    for (let i = after === null ? 0 : this.#placeAfter(keyOf(after)); i < keys.length; i++) yield this.#rowAt(i);
  }

  /** Files that expire now or before, in the order of compareExpiry. */
  expiring(now: Version): ExpiringFile[] {
    const due = [...this.#expiries].filter(([, expires]) => expires <= now);
    return due.map(([path, expires]) => ({ path, expires, ...versionOf(this.#rows.get(path) as Row) })).sort(compareExpiry);
  }

  /** Rows of one bucket, in key order. */
  *inBucket(bucket: number): Iterable<Row> {
    const keys = this.#order();
    for (let i = 0; i < keys.length; i++) if (keys[i]?.bucket === bucket) yield this.#rowAt(i);
  }

  /** Live rows directly in `directory`, in byte order. */
  *liveIn(directory: FullPath): Iterable<Row> {
    const keys = this.#order();
    for (let i = this.#placeAfter({ bucket: bucketOf(directory), directory, name: '', path: directory }); keys[i]?.directory === directory; i++) {
      const row = this.#rowAt(i);
      if (row.entry !== null) yield row;
    }
  }

  clone(): RowTable {
    const copy = new RowTable();
    copy.#rows = new Map(this.#rows);
    copy.#expiries = new Map(this.#expiries);
    copy.#ordered = this.#ordered && [...this.#ordered];
    return copy;
  }

  #rowAt(place: number): Row {
    return this.#rows.get((this.#order()[place] as Key).path) as Row;
  }

  #order(): Key[] {
    return (this.#ordered ??= [...this.#rows.keys()].map(keyOf).sort(compareKeys));
  }

  #placeAfter(key: Key): number {
    const keys = this.#order();
    let low = 0;
    let high = keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareKeys(keys[middle] as Key, key) > 0) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/** How many names each directory shows, and which directories with such a count stand in a directory. */
export class ChildCounts {
  readonly counts = new Map<FullPath, number>();
  readonly #names = new Map<FullPath, Set<FullPath>>();

  set(path: FullPath, count: number): void {
    const parent = parentOf(path);
    if (count > 0) {
      this.counts.set(path, count);
      const names = this.#names.get(parent);
      if (names) names.add(path);
      else this.#names.set(parent, new Set([path]));
    } else if (this.counts.delete(path)) this.#names.get(parent)?.delete(path);
  }

  clear(): void {
    this.counts.clear();
    this.#names.clear();
  }

  in(directory: FullPath): Iterable<FullPath> {
    return this.#names.get(directory) ?? [];
  }

  clone(): ChildCounts {
    const copy = new ChildCounts();
    for (const [path, count] of this.counts) copy.set(path, count);
    return copy;
  }
}

export const dotKey = (origin: Origin, seq: number): string => `${origin}:${seq}`;

/** What survives a crash. */
export class MemoryContent {
  areas: Record<Area, RowTable> = { tree: new RowTable(), staging: new RowTable(), remembered: new RowTable() };
  children = new ChildCounts();
  /** In index order. */
  log: LogRecord[] = [];
  dots = new Map<string, FeedIndex>();
  head: FeedIndex = 0;
  origins = new Map<Origin, OriginState>();
  buckets = new Array<number>(bucketCount).fill(0);
  /** By the key of ledgerLine, oldest first. */
  conflicts = new Map<string, { record: ConflictRecord; line: LedgerLine }>();
  conflictBytes = 0;
  /** By dot as text. */
  quarantine = new Map<string, QuarantineRecord>();
  meta = new Map<string, string>();
  kv = new Map<string, string>();

  clone(): MemoryContent {
    const copy = new MemoryContent();
    copy.areas = { tree: this.areas.tree.clone(), staging: this.areas.staging.clone(), remembered: this.areas.remembered.clone() };
    copy.children = this.children.clone();
    copy.log = [...this.log];
    copy.dots = new Map(this.dots);
    copy.head = this.head;
    copy.origins = new Map(this.origins);
    copy.buckets = [...this.buckets];
    copy.conflicts = new Map(this.conflicts);
    copy.conflictBytes = this.conflictBytes;
    copy.quarantine = new Map(this.quarantine);
    copy.meta = new Map(this.meta);
    copy.kv = new Map(this.kv);
    return copy;
  }
}

/**
 * The file of a MemoryStore: what is left when the store object is dropped, as in a crash. One store at a time has it open; opening it
 * again takes it from the store before, whose transactions then fail, as those of a dead process do.
 */
export class MemoryDisk {
  content = new MemoryContent();
  /** True: the next open finds a copy. */
  restored = false;
  /** Who has it open. */
  owner: object | null = null;

  /** A copy, as by `cp` or from a backup; it knows that it is one. */
  clone(): MemoryDisk {
    const copy = new MemoryDisk();
    copy.content = this.content.clone();
    copy.restored = true;
    return copy;
  }

  /** Puts the content of `backup` back in place of this one's, as restoring a file does. */
  restore(backup: MemoryDisk): void {
    this.content = backup.content.clone();
    this.restored = true;
    this.owner = null;
  }

  /** Loses everything. */
  wipe(): void {
    this.content = new MemoryContent();
    this.restored = false;
    this.owner = null;
  }

  /** Opens it for `owner`: notes a copy in the meta, where it stays until the core drops it. */
  open(owner: object): 'created' | 'same' | 'restored' {
    this.owner = owner;
    const { meta } = this.content;
    if (meta.size > 0 && this.restored) meta.set(storeMeta.restored, '1');
    this.restored = false;
    return meta.size === 0 ? 'created' : meta.has(storeMeta.restored) ? 'restored' : 'same';
  }
}
