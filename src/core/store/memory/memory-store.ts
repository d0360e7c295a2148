import { addToSum, bucketCount, bucketOf } from '../../change/digest.js';
import { isLive, type Row } from '../../change/row.js';
import type { Dot, Position } from '../../clock/vector.js';
import type { Version } from '../../clock/version.js';
import { ancestorsOf, childPath, compareBytes, isWithin, nameOf, parentOf, root, type FullPath } from '../../entry/path.js';
import { FilerError } from '../../errors.js';
import { ledgerLimits, type LedgerLimits } from '../ledger.js';
import {
  logPageOf,
  type Area,
  type ConflictQuery,
  type ConflictRecord,
  type Counts,
  type DirectorySum,
  type ExpiredQuery,
  type ExpiringFile,
  type FeedIndex,
  type FileVerdict,
  type ListOptions,
  type ListPage,
  type LogPage,
  type LogQuery,
  type LogRecord,
  type OriginState,
  type Store,
  type StoreContents,
  type StoreExaminer,
  type StoreTransaction,
} from '../store.js';
import { compareExpiry, dotKey, MemoryDisk, type MemoryContent } from './memory-disk.js';
import { MemoryTransaction } from './memory-transaction.js';
import { countsOf, findRows, firstAfter, listNames, rowBytes, takePage, textBytes, viewOf, type RowView } from './row-view.js';

export { MemoryDisk } from './memory-disk.js';

/** Called right before and right after a transaction is applied; what they throw is what the transaction rejects with. */
export interface MemoryFaults {
  /** Throwing here: nothing was written. */
  beforeCommit?(): void;
  /** Throwing here: everything was written, and the caller does not know. */
  afterCommit?(): void;
}

/**
 * A store without a file: the reference for the contract, and what the simulation runs on. Everything resolves without timers. The
 * content is on a `MemoryDisk`, so that a crash is dropping the store and opening another one over the same disk.
 */
export class MemoryStore implements Store {
  readonly engine = 'memory';
  readonly kind = 'embedded';
  readonly verdict: FileVerdict;
  #busy = false;

  constructor(
    readonly disk: MemoryDisk = new MemoryDisk(),
    /** May be changed at any time. */
    readonly faults: MemoryFaults = {},
    private readonly ledger: LedgerLimits = ledgerLimits,
  ) {
    this.verdict = disk.open(this);
  }

  async load(): Promise<StoreContents> {
    const { origins, buckets, head, log, quarantine, meta } = this.#content();
    return {
      origins: [...origins.values()],
      buckets: [...buckets],
      head,
      first: log[0]?.index ?? head + 1,
      quarantine: [...quarantine.values()].sort((a, b) => a.place - b.place),
      meta: new Map(meta),
    };
  }

  async find(area: Area, paths: readonly FullPath[]): Promise<Row[]> {
    return findRows(this.#view(), area, paths);
  }

  async children(paths: readonly FullPath[]): Promise<Map<FullPath, number>> {
    return countsOf(this.#view(), paths);
  }

  async findWithChildren(paths: readonly FullPath[]): Promise<{ rows: Row[]; children: Map<FullPath, number> }> {
    return { rows: findRows(this.#view(), 'tree', paths), children: countsOf(this.#view(), paths) };
  }

  async scan(area: Area, after: FullPath | null, limit: number, bytesMax: number): Promise<Row[]> {
    return takePage(this.#content().areas[area].after(after), limit, bytesMax, rowBytes);
  }

  async list(directory: FullPath, options: ListOptions): Promise<ListPage> {
    return listNames(this.#view(), directory, options);
  }

  async scanWithOrigins(after: FullPath | null, limit: number, bytesMax: number): Promise<{ rows: Row[]; origins: OriginState[] }> {
    const { areas, origins } = this.#content();
    return { rows: takePage(areas.tree.after(after), limit, bytesMax, rowBytes), origins: [...origins.values()] };
  }

  async directorySums(bucket: number, after: FullPath | null, limit: number): Promise<DirectorySum[]> {
    const sums = new Map<FullPath, DirectorySum>();
    for (const row of this.#content().areas.tree.inBucket(bucket)) {
      const directory = parentOf(row.path);
      if (!isLive(row) || (after !== null && compareBytes(directory, after) <= 0)) continue;
      const { entries, sum } = sums.get(directory) ?? { entries: 0, sum: 0 };
      sums.set(directory, { directory, entries: entries + 1, sum: addToSum(sum, row.h) });
    }
    return [...sums.values()].sort((a, b) => compareBytes(a.directory, b.directory)).slice(0, limit);
  }

  async readLog(query: LogQuery): Promise<LogRecord[]> {
    const { after, upto = Infinity, origins, beyond, limit, bytesMax } = query;
    const { log } = this.#content();
    function* matching(): Iterable<LogRecord> {
      for (let i = firstAfter(log, after); i < log.length; i++) {
        const record = log[i] as LogRecord;
        if (record.index > upto) return;
        if (origins && !origins.has(record.origin)) continue;
        if (beyond && record.seq <= (beyond.get(record.origin) ?? 0)) continue;
        yield record;
      }
    }
    return takePage(matching(), limit, bytesMax, (record) => Buffer.byteLength(record.text));
  }

  async readLogPage(query: LogQuery): Promise<LogPage> {
    return logPageOf(await this.readLog(query));
  }

  async findRecord(dot: Dot): Promise<Omit<LogRecord, 'text'> | null> {
    const { dots, log } = this.#content();
    const index = dots.get(dotKey(dot.origin, dot.seq));
    if (index === undefined) return null;
    const { text: _text, ...record } = log[firstAfter(log, index - 1)] as LogRecord;
    return record;
  }

  async cutAt(position: Position): Promise<{ last: FeedIndex; next: FeedIndex | null }> {
    const { dots } = this.#content();
    const at = [...position].map(([origin, seq]) => dots.get(dotKey(origin, seq)) ?? 0);
    const after = [...position].map(([origin, seq]) => dots.get(dotKey(origin, seq + 1))).filter((index) => index !== undefined);
    return { last: Math.max(0, ...at), next: after.length === 0 ? null : Math.min(...after) };
  }

  async indexBefore(since: Version): Promise<FeedIndex> {
    const { log, head } = this.#content();
    const first = log.find((record) => record.version >= since);
    return first ? first.index - 1 : head;
  }

  async indexAfterBytes(bytes: number, limit: number): Promise<FeedIndex> {
    const { log } = this.#content();
    let total = 0;
    for (const { index, text } of log.slice(0, limit)) if ((total += Buffer.byteLength(text)) >= bytes) return index;
    return log[Math.min(limit, log.length) - 1]?.index ?? 0;
  }

  async tombstones(before: Version, after: Row | null, limit: number): Promise<Row[]> {
    const { tree } = this.#content().areas;
    const later = after === null ? null : new Set(tree.after(after.path));
    const isAfter = (row: Row) => after === null || row.version > after.version || (row.version === after.version && later?.has(row));
    return [...tree.after(null)]
      .filter((row) => !isLive(row) && row.version < before && isAfter(row))
      .sort((a, b) => a.version - b.version)
      .slice(0, limit);
  }

  async expired({ now, after = null, below, notBy, limit }: ExpiredQuery): Promise<ExpiringFile[]> {
    const due = this.#content()
      .areas.tree.expiring(now)
      .filter((file) => !notBy?.has(file.author) && (below === undefined || isWithin(parentOf(file.path), below)));
    return due.filter((file) => after === null || compareExpiry(file, after) > 0).slice(0, limit);
  }

  async readConflicts({ path, id, limit, bytesMax }: ConflictQuery): Promise<ConflictRecord[]> {
    const newestFirst = [...this.#content().conflicts.values()]
      .reverse()
      .filter(({ record, line }) => record.path === (path ?? record.path) && line.key === (id ?? line.key));
    return takePage(newestFirst, limit, bytesMax, ({ line }) => line.bytes).map(({ record }) => record);
  }

  async getKv(key: string): Promise<string | null> {
    return this.#content().kv.get(key) ?? null;
  }

  async countKv(): Promise<number> {
    return this.#content().kv.size;
  }

  async recount(): Promise<{ buckets: number[]; counts: Counts; children: Map<FullPath, number> }> {
    const { areas, log } = this.#content();
    const buckets = new Array<number>(bucketCount).fill(0);
    const counts = { entries: 0, directories: 0, tombstones: 0, changes: log.length, bytes: textBytes(log) };
    const shown = new Set<FullPath>();
    for (const row of areas.tree.values()) {
      if (!isLive(row)) {
        counts.tombstones += 1;
        continue;
      }
      counts.entries += 1;
      if (row.isDirectory) counts.directories += 1;
      const bucket = bucketOf(parentOf(row.path));
      buckets[bucket] = addToSum(buckets[bucket] as number, row.h);
      if (row.path !== root) for (const path of [row.path, ...ancestorsOf(row.path)]) shown.add(path);
    }
    const children = new Map<FullPath, number>();
    for (const path of shown) children.set(parentOf(path), (children.get(parentOf(path)) ?? 0) + 1);
    return { buckets, counts, children };
  }

  async examine(): Promise<StoreExaminer> {
    return {
      bucket: async (bucket) => {
        const rows = [...this.#content().areas.tree.inBucket(bucket)];
        return { kept: this.#content().buckets[bucket] ?? 0, counted: rows.reduce((sum, row) => addToSum(sum, row.h), 0), rows: rows.length };
      },
      tombstones: async () => {
        const counts = JSON.parse(this.#content().meta.get('counts') ?? '{}') as Partial<Counts>;
        const counted = [...this.#content().areas.tree.values()].filter((row) => !isLive(row)).length;
        return { kept: counts.tombstones ?? 0, counted };
      },
      rows: async (bucket, after, limit, bytesMax) => {
        const all = [...this.#content().areas.tree.inBucket(bucket)];
        const from = after === null ? 0 : all.findIndex((row) => row.path === (after[1] === '' ? root : childPath(after[0] as FullPath, after[1]))) + 1;
        const rows = takePage(all.slice(from), limit, bytesMax, rowBytes);
        const last = rows.at(-1);
        return { rows, next: last ? [parentOf(last.path), nameOf(last.path)] : null };
      },
      close: async () => {},
    };
  }

  async transaction<T>(work: (tx: StoreTransaction) => Promise<T>): Promise<T> {
    if (this.#busy) throw new TypeError('a transaction is under way; run one at a time');
    this.#busy = true;
    try {
      const tx = new MemoryTransaction(this.#content());
      const result = await work(tx);
      // Asked again: the store may have crashed while the work went on.
      const content = this.#content();
      this.faults.beforeCommit?.();
      tx.apply(content, this.ledger);
      this.faults.afterCommit?.();
      return result;
    } finally {
      this.#busy = false;
    }
  }

  async close(): Promise<void> {
    if (this.disk.owner === this) this.disk.owner = null;
  }

  #content(): MemoryContent {
    if (this.disk.owner !== this) throw new FilerError('STORE_FAILED', 'the store is closed; open it again');
    return this.disk.content;
  }

  #view(): RowView {
    return viewOf(this.#content());
  }
}
