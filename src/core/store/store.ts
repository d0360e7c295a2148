import type { Applied } from '../change/change.js';
import { withApplied } from '../change/codec.js';
import { pageBetween } from '../change/page.js';
import type { Row } from '../change/row.js';
import type { Dot, Origin, Position, Seq } from '../clock/vector.js';
import type { Version } from '../clock/version.js';
import type { FullPath } from '../entry/path.js';

/*
 * The one seam between kelp and databases. An adapter keeps rows, log, positions and a few small values, and changes
 * them in transactions. It holds no policy: no conflict rule, no path rule, no retries. It is finished when
 * test/contract/store.contract.ts passes.
 *
 *   areas of rows    tree (what the filer shows), staging (a snapshot being taken), remembered (all rows of before, during a rejoin)
 *   counts           per directory: how many names it shows; derived, so that implied directories cost nothing to find
 *   log              the feed: one record a change, in the order of applying; `index` is dense per feed epoch, from 1
 *   positions        per origin: how far, the hash there, and where the log begins
 *   buckets          the 256 digest sums
 *   quarantine       changes that are in the log and not in the tree, because they could not be applied
 *   meta, kv         small values by name
 */

/** Place in this store's feed; 0 = before the first record. */
export type FeedIndex = number;

export type Area = 'tree' | 'staging' | 'remembered';

/** Where a run begins (log/runs.ts). */
export interface Run {
  readonly seq: Seq;
  /** Chain hash of the change at `seq`. */
  readonly hash: string;
}

/** One origin as this store knows it. */
export interface OriginState {
  readonly origin: Origin;
  /** Every change up to here is in the store; 0 = known, nothing applied. */
  readonly seq: Seq;
  /** Chain hash of the change at `seq`; the chain's start if seq is 0. */
  readonly hash: string;
  /** Version of the change at `seq`; 0 if seq is 0. */
  readonly version: Version;
  /** The first seq whose change is still in the log; seq + 1 if none is. */
  readonly first: Seq;
  /** Chain hash and version just before `first`: what a reader at first - 1 must have. */
  readonly firstHash: string;
  readonly firstVersion: Version;
  /** Its last runs up to `seq`, the oldest first: every one from the first of these on. */
  readonly runs: readonly Run[];
}

export interface LogRecord {
  readonly index: FeedIndex;
  readonly origin: Origin;
  readonly seq: Seq;
  readonly version: Version;
  readonly hash: string;
  readonly applied: Applied;
  /** The change as codec.ts writes it, without `applied`. */
  readonly text: string;
}

/** A file with a time to live (entry/expiry.ts). */
export interface ExpiringFile {
  readonly path: FullPath;
  /** Microseconds since 1970. */
  readonly expires: Version;
  readonly version: Version;
  readonly author: Origin;
  /** Bytes of its entry. */
  readonly bytes: number;
}

export interface ExpiredQuery {
  /** Files that expire now or before. */
  readonly now: Version;
  /** Files after this one; null = from the start. */
  readonly after?: ExpiringFile | null;
  /** Only files below this directory, at any depth. */
  readonly below?: FullPath;
  /** No files of these authors. */
  readonly notBy?: ReadonlySet<Origin>;
  readonly limit: number;
}

/** A page of the log as one text. */
export interface LogPage {
  /** What stands inside the brackets of a page (change/page.ts): each change as the feed sends it, with `applied`. */
  readonly bytes: Buffer;
  readonly count: number;
  /** Index of the last record; 0 if there is none. */
  readonly last: FeedIndex;
  /** The greatest seq of each origin in it. */
  readonly seqs: Position;
}

/** Records as the page that `readLogPage` gives. */
export function logPageOf(records: readonly LogRecord[]): LogPage {
  return {
    bytes: Buffer.from(records.map((record) => withApplied(record.text, record.applied)).join(pageBetween)),
    count: records.length,
    last: records.at(-1)?.index ?? 0,
    // Of one origin, seqs rise with indexes.
    seqs: new Map(records.map(({ origin, seq }) => [origin, seq])),
  };
}

/** What a log holds. */
export interface LogSpan {
  /** Index of the first record left; head + 1 if there is none. */
  readonly first: FeedIndex;
  readonly changes: number;
  /** Bytes of text. */
  readonly bytes: number;
}

/** What a trim has taken from the front of a log. */
export interface TrimmedLog {
  /** Of each origin that had records there, the last one. */
  readonly last: readonly Pick<LogRecord, 'origin' | 'seq' | 'hash' | 'version'>[];
  readonly changes: number;
  /** Bytes of text. */
  readonly bytes: number;
  /** Index of the first record left; head + 1 if there is none. */
  readonly first: FeedIndex;
}

export const conflictTypes = ['update/update', 'update/delete', 'file/directory', 'rename/rename', 'child-of-deleted'] as const;
export type ConflictType = (typeof conflictTypes)[number];

/** One row of the conflict ledger: a state that was overruled by a concurrent one. */
export interface ConflictRecord {
  readonly path: FullPath;
  readonly type: ConflictType;
  /** What stands. */
  readonly winner: { readonly dot: Dot | null; readonly version: Version; readonly author: Origin; readonly deleted: boolean };
  /** What was overruled, whole. */
  readonly loser: Row;
  /** When this store saw it, microseconds since 1970. */
  readonly seenAt: Version;
  /** The origin of the filer that saw it. */
  readonly seenBy: Origin;
}

export interface ConflictQuery {
  /** Only what happened at this path. */
  readonly path?: FullPath;
  /** Only the record with this id. */
  readonly id?: string;
  readonly limit: number;
  readonly bytesMax: number;
}

/** A change that could not be applied, or that waits for one. It is covered by the position; its effect is not in the tree. */
export interface QuarantineRecord {
  readonly dot: Dot;
  /** Rises in the order of coming, which is the order of trying again. */
  readonly place: number;
  /** 0 if it names none that is valid. */
  readonly version: Version;
  /** Those it names that could be read: later changes of them and below them wait with it. */
  readonly paths: readonly FullPath[];
  /** As it stands in the log. */
  readonly text: string;
  /** Why it was refused; null if it is good and only waits. */
  readonly refusal: { readonly code: string; readonly error: string } | null;
  /** The refused change it waits for; null if it was refused itself. */
  readonly waitsFor: Dot | null;
  /** When this store put it aside, microseconds since 1970. */
  readonly since: Version;
  /** How often it was tried again. */
  readonly attempts: number;
}

/** Totals over the tree area and the log. */
export interface Counts {
  /** Live rows. */
  readonly entries: number;
  /** Live rows that are directories. */
  readonly directories: number;
  readonly tombstones: number;
  /** Records in the log. */
  readonly changes: number;
  /** Bytes of text in the log. */
  readonly bytes: number;
}

/**
 * What one transaction writes, as values. Written in the order of the fields; `removed` before `rows`. Everything is absolute
 * (no increments), so writing a batch twice is the same as writing it once.
 */
export interface WriteBatch {
  /** Rows to write, by area; a later row of one path replaces an earlier one. */
  rows?: Partial<Record<Area, readonly Row[]>>;
  /** Rows to drop, by area. */
  removed?: Partial<Record<Area, readonly FullPath[]>>;
  /** Directory to how many names it shows; 0 drops the count. */
  children?: ReadonlyMap<FullPath, number>;
  /** Records to append; indexes follow the last one's. */
  log?: readonly LogRecord[];
  origins?: readonly OriginState[];
  /** Bucket to sum. */
  buckets?: ReadonlyMap<number, number>;
  conflicts?: readonly ConflictRecord[];
  /** Dot as text to what waits under it; null drops it. */
  quarantine?: ReadonlyMap<string, QuarantineRecord | null>;
  /** Name to text; null drops it. */
  meta?: ReadonlyMap<string, string | null>;
  kv?: ReadonlyMap<string, string | null>;
}

/** A name in a listing: a live row, or a directory that is shown because something live lies below it, or both. */
export interface Listed {
  readonly name: string;
  readonly row: Row | null;
  /** How many names it shows itself. */
  readonly children: number;
}

export interface ListOptions {
  /** Names after this one in byte order; '' = from the start. */
  readonly after: string;
  /** True: `after` itself counts too. */
  readonly inclusive?: boolean;
  /** Only names that start with this. */
  readonly prefix?: string;
  readonly limit: number;
  /** Stops before this many bytes of entries; at least one name is returned if any is left. */
  readonly bytesMax: number;
}

/** One page of a directory. */
export interface ListPage {
  readonly names: readonly Listed[];
  /** True if more names follow. */
  readonly more: boolean;
}

export interface LogQuery {
  /** Records after this index, in feed order. */
  readonly after: FeedIndex;
  /** Records up to this index; default the head. */
  readonly upto?: FeedIndex;
  /** Only changes of these origins; default all. */
  readonly origins?: ReadonlySet<Origin>;
  /** Only changes this position does not include. */
  readonly beyond?: Position;
  readonly limit: number;
  /** Stops before this many bytes of text; at least one record is returned. */
  readonly bytesMax: number;
}

/** What the live rows directly in one directory add up to. */
export interface DirectorySum {
  readonly directory: FullPath;
  readonly entries: number;
  /** Of their digests, modulo 2^48. */
  readonly sum: number;
}

/** Reads of rows. In a transaction they see what the transaction has written. */
export interface RowReader {
  /** The rows that exist among `paths`, in any order. */
  find(area: Area, paths: readonly FullPath[]): Promise<Row[]>;
  /** How many names each of these directories shows; those at 0 are left out. */
  children(paths: readonly FullPath[]): Promise<Map<FullPath, number>>;
  /** `find` in the tree and `children` at once: what is shown at these paths. */
  findWithChildren(paths: readonly FullPath[]): Promise<{ rows: Row[]; children: Map<FullPath, number> }>;
  /**
   * Rows after `after` (null = from the start) in key order: (bucket of the directory, directory, name) by bytes.
   * Stops at `limit` rows or before `bytesMax` bytes of entries; at least one row if any is left.
   */
  scan(area: Area, after: FullPath | null, limit: number, bytesMax: number): Promise<Row[]>;
  /** The names a directory of the tree shows, in byte order; kelp's own entries too. */
  list(directory: FullPath, options: ListOptions): Promise<ListPage>;
}

export interface StoreReader extends RowReader {
  /** `scan` of the tree together with all origins, read at one moment. */
  scanWithOrigins(after: FullPath | null, limit: number, bytesMax: number): Promise<{ rows: Row[]; origins: OriginState[] }>;
  /** The directories of one bucket that hold live rows, added up from the rows, after `after` (null = from the start) in byte order. */
  directorySums(bucket: number, after: FullPath | null, limit: number): Promise<DirectorySum[]>;
  readLog(query: LogQuery): Promise<LogRecord[]>;
  /** As `readLog`, as one text for readers that do not look into it. A limit that `bytesMax` has room for makes it faster. */
  readLogPage(query: LogQuery): Promise<LogPage>;
  /** The record of one change, without its text; null if it is not in the log. */
  findRecord(dot: Dot): Promise<Omit<LogRecord, 'text'> | null>;
  /**
   * Where a position cuts the log: the greatest index of a record that stands at a seq of it, 0 if none does, and the smallest of one that follows
   * such a seq, null if none does.
   */
  cutAt(position: Position): Promise<{ last: FeedIndex; next: FeedIndex | null }>;
  /** Index just before the first record with a version at or above `since`; the head if there is none. */
  indexBefore(since: Version): Promise<FeedIndex>;
  /** Index of the last record of the shortest front part of the log that holds `bytes` of text, or of its first `limit` records if those hold less; 0 if the log is empty. */
  indexAfterBytes(bytes: number, limit: number): Promise<FeedIndex>;
  /** Tombstones of the tree with versions below `before`, the oldest first, after `after` (null = from the start). */
  tombstones(before: Version, after: Row | null, limit: number): Promise<Row[]>;
  /** Live files of the tree that have expired, by when they did, hidden ones too. What is kept to find them is derived: it is in no digest and no row. */
  expired(query: ExpiredQuery): Promise<ExpiringFile[]>;
  /** Newest first. Stops before `bytesMax` bytes; at least one record is returned if there is any. `id` is that of ledger.ts. */
  readConflicts(options: ConflictQuery): Promise<ConflictRecord[]>;
  getKv(key: string): Promise<string | null>;
  /** How many values there are. */
  countKv(): Promise<number>;
  /** Digest sums and counts added up anew from the rows: what the kept ones must equal. */
  recount(): Promise<{ buckets: number[]; counts: Counts; children: Map<FullPath, number> }>;
  /** Opens the way of a scrub into the tree. */
  examine(): Promise<StoreExaminer>;
}

/** Where the next page of a bucket starts: as the store keeps it, which need not be what a path says once the store is damaged. */
export type BucketCursor = readonly [directory: string, name: string];

/**
 * Reads for a scrub, on a way of their own, so that they keep nobody waiting. Each answer is of one moment, and short, so that the
 * store can tidy up between two. Who opened it closes it.
 */
export interface StoreExaminer {
  /** A digest sum as it is kept, what the rows of the bucket add up to, and their number, tombstones included. */
  bucket(bucket: number): Promise<{ kept: number; counted: number; rows: number }>;
  /** The number of tombstones as it is kept, and counted. They are in no digest. */
  tombstones(): Promise<{ kept: number; counted: number }>;
  /** Rows of one bucket in key order, bounded as `scan` is; `next` is null at its end. */
  rows(bucket: number, after: BucketCursor | null, limit: number, bytesMax: number): Promise<{ rows: Row[]; next: BucketCursor | null }>;
  close(): Promise<void>;
}

export interface StoreTransaction extends RowReader {
  /** `more`: another batch follows, so this one need not wait for the commit; meanwhile rows that it does not write may be read. */
  write(batch: WriteBatch, more?: boolean): Promise<void>;
  /** Drops every row of an area (of the tree: the counts of children too; sums, log and positions stay). */
  clear(area: Area): Promise<void>;
  /** Drops the records of these origins from the log, null = the whole log; tells what is left. */
  clearLog(origins: readonly Origin[] | null): Promise<LogSpan>;
  /** Drops the records up to and including `through` from the log. */
  trimLog(through: FeedIndex): Promise<TrimmedLog>;
  /** Drops the records of `origin` beyond `seq` from the log; tells what is left. */
  cutLog(origin: Origin, seq: Seq): Promise<LogSpan>;
  /** Takes the dot off every row of the tree whose dot is one of `origin` beyond `seq`; tells how many. */
  undot(origin: Origin, seq: Seq): Promise<number>;
  /** Rows of the tree without a dot, after `after` (null = from the start) in key order. */
  undotted(after: FullPath | null, limit: number): Promise<Row[]>;
  /** Drops every origin. */
  clearOrigins(): Promise<void>;
}

/** Everything small, read once at open. */
export interface StoreContents {
  readonly origins: OriginState[];
  /** 256 sums. */
  readonly buckets: number[];
  /** Index of the last record ever appended. */
  readonly head: FeedIndex;
  /** Index of the first record left; head + 1 if the log is empty. */
  readonly first: FeedIndex;
  /** In order of `place`. */
  readonly quarantine: QuarantineRecord[];
  readonly meta: Map<string, string>;
}

/**
 * How an opened store compares with the one that was last open here: created = nothing was ever written to its meta; restored =
 * it is a copy, or went back to an older state. A store stays `restored`, open after open, until a transaction drops the meta key.
 */
export type FileVerdict = 'created' | 'same' | 'restored';

/** Meta keys that a store writes itself. */
export const storeMeta = {
  /** '1' from the open that found the store copied or restored until the core drops it. */
  restored: 'restored',
  /** How many records of the conflict ledger had to make room. */
  conflictsDropped: 'conflictsDropped',
} as const;

export interface Store extends StoreReader {
  /** `sqlite`, `memory`. */
  readonly engine: string;
  /** Only embedded stores apply what peers send. */
  readonly kind: 'embedded' | 'shared';
  readonly verdict: FileVerdict;
  /** Reads everything small: before the first transaction, and after one that failed when its work was done. */
  load(): Promise<StoreContents>;
  /**
   * Runs `work` in one transaction: all of its writes are durable when this resolves, and none is there when it
   * rejects. The caller runs one at a time.
   * @throws FilerError STORE_FULL, STORE_FAILED
   */
  transaction<T>(work: (tx: StoreTransaction) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}
