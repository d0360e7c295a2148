import type { Row } from '../../change/row.js';
import { childPath, compareBytes, nameOf, type FullPath } from '../../entry/path.js';
import type { Area, FeedIndex, Listed, ListOptions, ListPage, LogRecord } from '../store.js';
import type { MemoryContent, RowTable } from './memory-disk.js';

/* The reads that a store and its transactions answer alike, over whatever each of them sees. */

/** Takes items while there is room: at most `limit`, at most `bytesMax` bytes, but one whatever its size. */
export function takePage<T>(items: Iterable<T>, limit: number, bytesMax: number, bytesOf: (item: T) => number): T[] {
  const page: T[] = [];
  let bytes = 0;
  if (limit <= 0) return page;
  for (const item of items) {
    bytes += bytesOf(item);
    if (bytes > bytesMax && page.length > 0) break;
    page.push(item);
    if (page.length >= limit) break;
  }
  return page;
}

export const textBytes = (records: readonly LogRecord[]): number => records.reduce((sum, record) => sum + Buffer.byteLength(record.text), 0);

export const rowBytes = (row: Row): number => (row.entry === null ? 0 : Buffer.byteLength(row.entry));

/** What reads need to know of rows and counts; a transaction answers with its own writes on top. */
export interface RowView {
  row(area: Area, path: FullPath): Row | undefined;
  /** The whole area. */
  table(area: Area): RowTable;
  count(directory: FullPath): number;
  /** Directories with a count that stand in `directory`. */
  countedIn(directory: FullPath): Iterable<FullPath>;
}

export function findRows(view: RowView, area: Area, paths: readonly FullPath[]): Row[] {
  return [...new Set(paths)].flatMap((path) => view.row(area, path) ?? []);
}

export function countsOf(view: RowView, paths: readonly FullPath[]): Map<FullPath, number> {
  const counts = new Map<FullPath, number>();
  for (const path of paths) {
    const count = view.count(path);
    if (count > 0) counts.set(path, count);
  }
  return counts;
}

export function listNames(view: RowView, directory: FullPath, options: ListOptions): ListPage {
  const { after, inclusive = false, prefix = '', limit, bytesMax } = options;
  const rows = new Map<string, Row | null>();
  for (const path of view.countedIn(directory)) rows.set(nameOf(path), null);
  for (const row of view.table('tree').liveIn(directory)) rows.set(nameOf(row.path), row);
  const left: Listed[] = [...rows]
    .filter(([name]) => name !== '' && name.startsWith(prefix) && compareBytes(name, after) >= (inclusive ? 0 : 1))
    .sort(([a], [b]) => compareBytes(a, b))
    .map(([name, row]) => ({ name, row, children: view.count(childPath(directory, name)) }));
  const names = takePage(left, limit, bytesMax, ({ row }) => (row === null ? 0 : rowBytes(row)));
  return { names, more: names.length < left.length };
}

export function viewOf({ areas, children }: MemoryContent): RowView {
  return {
    row: (area, path) => areas[area].get(path),
    table: (area) => areas[area],
    count: (directory) => children.counts.get(directory) ?? 0,
    countedIn: (directory) => children.in(directory),
  };
}

/** Place in `log` of the first record above `index`. */
export function firstAfter(log: readonly LogRecord[], index: FeedIndex): number {
  let low = 0;
  let high = log.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((log[middle] as LogRecord).index > index) high = middle;
    else low = middle + 1;
  }
  return low;
}
