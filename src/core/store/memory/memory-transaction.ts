import type { Row } from '../../change/row.js';
import type { Origin, Seq } from '../../clock/vector.js';
import { parentOf, type FullPath } from '../../entry/path.js';
import { FilerError } from '../../errors.js';
import { ledgerLine, oldestKept, type LedgerLimits } from '../ledger.js';
import {
  storeMeta,
  type Area,
  type ConflictRecord,
  type FeedIndex,
  type ListOptions,
  type ListPage,
  type LogRecord,
  type LogSpan,
  type StoreTransaction,
  type TrimmedLog,
  type WriteBatch,
} from '../store.js';
import { dotKey, RowTable, type MemoryContent } from './memory-disk.js';
import { countsOf, findRows, firstAfter, listNames, rowBytes, takePage, textBytes, viewOf, type RowView } from './row-view.js';

const areaNames = ['tree', 'staging', 'remembered'] as const;

/** Writes wait in `#steps` for the end; what reads may ask for is in the overlay besides. */
export class MemoryTransaction implements StoreTransaction {
  readonly #steps: ((content: MemoryContent, ledger: LedgerLimits) => void)[] = [];
  readonly #base: RowView;
  /** Null = dropped. */
  readonly #rows: Record<Area, Map<FullPath, Row | null>> = { tree: new Map(), staging: new Map(), remembered: new Map() };
  readonly #cleared = new Set<Area>();
  readonly #merged: Partial<Record<Area, RowTable>> = {};
  readonly #counts = new Map<FullPath, number>();
  /** What the last clearLog left; null = the log as it was. */
  #kept: readonly LogRecord[] | null = null;
  /** Records written since. */
  #appended: LogRecord[] = [];
  #dots = new Map<string, FeedIndex>();
  #head: FeedIndex;

  constructor(private readonly content: MemoryContent) {
    this.#base = viewOf(content);
    this.#head = content.head;
  }

  async find(area: Area, paths: readonly FullPath[]): Promise<Row[]> {
    return findRows(this.#view, area, paths);
  }

  async children(paths: readonly FullPath[]): Promise<Map<FullPath, number>> {
    return countsOf(this.#view, paths);
  }

  async findWithChildren(paths: readonly FullPath[]): Promise<{ rows: Row[]; children: Map<FullPath, number> }> {
    return { rows: findRows(this.#view, 'tree', paths), children: countsOf(this.#view, paths) };
  }

  async scan(area: Area, after: FullPath | null, limit: number, bytesMax: number): Promise<Row[]> {
    return takePage(this.#view.table(area).after(after), limit, bytesMax, rowBytes);
  }

  async list(directory: FullPath, options: ListOptions): Promise<ListPage> {
    return listNames(this.#view, directory, options);
  }

  async write(batch: WriteBatch): Promise<void> {
    for (const record of batch.log ?? []) this.#note(record);
    for (const area of areaNames) {
      const rows = this.#rows[area];
      for (const path of batch.removed?.[area] ?? []) rows.set(path, null);
      for (const row of batch.rows?.[area] ?? []) rows.set(row.path, row);
      if (batch.removed?.[area] || batch.rows?.[area]) delete this.#merged[area];
    }
    for (const [path, count] of batch.children ?? []) this.#counts.set(path, count);
    this.#steps.push((content, ledger) => applyBatch(content, batch, ledger));
  }

  async clear(area: Area): Promise<void> {
    this.#rows[area].clear();
    this.#cleared.add(area);
    delete this.#merged[area];
    if (area === 'tree') this.#counts.clear();
    this.#steps.push((content) => {
      content.areas[area].clear();
      if (area === 'tree') content.children.clear();
    });
  }

  async clearLog(origins: readonly Origin[] | null): Promise<LogSpan> {
    const dropped = origins && new Set(origins);
    return this.#keep(dropped === null ? [] : this.#log().filter((record) => !dropped.has(record.origin)));
  }

  async cutLog(origin: Origin, seq: Seq): Promise<LogSpan> {
    return this.#keep(this.#log().filter((record) => record.origin !== origin || record.seq <= seq));
  }

  async trimLog(through: FeedIndex): Promise<TrimmedLog> {
    const gone = this.#log().filter((record) => record.index <= through);
    const { first } = this.#keep(this.#log().filter((record) => record.index > through));
    const last = new Map(gone.map(({ origin, seq, hash, version }) => [origin, { origin, seq, hash, version }]));
    return { last: [...last.values()], changes: gone.length, bytes: textBytes(gone), first };
  }

  async undot(origin: Origin, seq: Seq): Promise<number> {
    const rows = [...this.#view.table('tree').values()].filter(({ dot }) => dot?.origin === origin && dot.seq > seq);
    await this.write({ rows: { tree: rows.map((row) => ({ ...row, dot: null })) } });
    return rows.length;
  }

  async undotted(after: FullPath | null, limit: number): Promise<Row[]> {
    return [...this.#view.table('tree').after(after)].filter(({ dot }) => dot === null).slice(0, limit);
  }

  /** The log as this transaction sees it, in index order. */
  #log(): LogRecord[] {
    return [...(this.#kept ?? this.content.log), ...this.#appended];
  }

  /** Drops every record but these. */
  #keep(kept: readonly LogRecord[]): LogSpan {
    const dots = new Map(kept.map((record) => [dotKey(record.origin, record.seq), record.index]));
    this.#kept = kept;
    this.#appended = [];
    this.#dots = new Map(dots);
    this.#steps.push((content) => {
      content.log = [...kept];
      content.dots = dots;
    });
    return { first: kept[0]?.index ?? this.#head + 1, changes: kept.length, bytes: textBytes(kept) };
  }

  async clearOrigins(): Promise<void> {
    this.#steps.push((content) => content.origins.clear());
  }

  /** Everything at once; nothing in here waits or fails. */
  apply(content: MemoryContent, ledger: LedgerLimits): void {
    for (const step of this.#steps) step(content, ledger);
  }

  /** One change stands in the log once, whatever index it is given. */
  #note(record: LogRecord): void {
    const { origin, seq, index } = record;
    const key = dotKey(origin, seq);
    const known = this.#dots.get(key) ?? (this.#kept ? undefined : this.content.dots.get(key));
    if (known !== undefined && known !== index)
      throw new FilerError('STORE_FAILED', `the change ${key} is in the log already, at ${known}; it cannot stand at ${index} too`);
    if (known === undefined) this.#appended.push(record);
    this.#dots.set(key, index);
    this.#head = Math.max(this.#head, index);
  }

  readonly #view: RowView = {
    row: (area, path) => {
      const own = this.#rows[area].get(path);
      return own === undefined && !this.#cleared.has(area) ? this.#base.row(area, path) : (own ?? undefined);
    },
    table: (area) => {
      if (this.#rows[area].size === 0 && !this.#cleared.has(area)) return this.#base.table(area);
      return (this.#merged[area] ??= this.#merge(area));
    },
    count: (directory) => this.#counts.get(directory) ?? (this.#cleared.has('tree') ? 0 : this.#base.count(directory)),
    countedIn: (directory) => {
      const paths = new Set(this.#cleared.has('tree') ? [] : this.#base.countedIn(directory));
      for (const path of this.#counts.keys()) if (parentOf(path) === directory) paths.add(path);
      return [...paths].filter((path) => this.#view.count(path) > 0);
    },
  };

  #merge(area: Area): RowTable {
    const table = this.#cleared.has(area) ? new RowTable() : this.#base.table(area).clone();
    for (const [path, row] of this.#rows[area]) {
      if (row === null) table.delete(path);
      else table.set(row);
    }
    return table;
  }
}

function applyBatch(content: MemoryContent, batch: WriteBatch, ledger: LedgerLimits): void {
  for (const area of areaNames) {
    for (const path of batch.removed?.[area] ?? []) content.areas[area].delete(path);
    for (const row of batch.rows?.[area] ?? []) content.areas[area].set(row);
  }
  for (const [path, count] of batch.children ?? []) content.children.set(path, count);
  for (const record of batch.log ?? []) appendRecord(content, record);
  for (const state of batch.origins ?? []) content.origins.set(state.origin, state);
  for (const [bucket, sum] of batch.buckets ?? []) content.buckets[bucket] = sum;
  if (batch.conflicts && batch.conflicts.length > 0) addConflicts(content, batch.conflicts, ledger);
  for (const [dot, record] of batch.quarantine ?? []) {
    if (record === null) content.quarantine.delete(dot);
    else content.quarantine.set(dot, record);
  }
  for (const [map, values] of [
    [content.meta, batch.meta],
    [content.kv, batch.kv],
  ] as const) {
    for (const [key, value] of values ?? []) {
      if (value === null) map.delete(key);
      else map.set(key, value);
    }
  }
}

function appendRecord(content: MemoryContent, record: LogRecord): void {
  const { log, dots } = content;
  dots.set(dotKey(record.origin, record.seq), record.index);
  if (record.index > content.head) log.push(record);
  else {
    const place = firstAfter(log, record.index - 1);
    log.splice(place, log[place]?.index === record.index ? 1 : 0, record);
  }
  content.head = Math.max(content.head, record.index);
}

function addConflicts(content: MemoryContent, records: readonly ConflictRecord[], ledger: LedgerLimits): void {
  const { perPath, bytesMax } = ledger;
  const { conflicts, meta } = content;
  let dropped = 0;
  const drop = (key: string): void => {
    content.conflictBytes -= conflicts.get(key)?.line.bytes ?? 0;
    conflicts.delete(key);
    dropped += 1;
  };
  for (const record of records) {
    const line = ledgerLine(record);
    if (conflicts.has(line.key)) continue;
    conflicts.set(line.key, { record, line });
    content.conflictBytes += line.bytes;
  }
  const since = oldestKept(records, ledger);
  for (const [key, { record }] of conflicts) {
    if (record.seenAt >= since) break;
    drop(key);
  }
  for (const path of new Set(records.map((record) => record.path))) {
    const keys = [...conflicts].filter(([, { record }]) => record.path === path).map(([key]) => key);
    keys.slice(0, Math.max(0, keys.length - perPath)).forEach(drop);
  }
  for (const key of conflicts.keys()) {
    if (content.conflictBytes <= bytesMax) break;
    drop(key);
  }
  if (dropped > 0) meta.set(storeMeta.conflictsDropped, String(Number(meta.get(storeMeta.conflictsDropped) ?? 0) + dropped));
}
