import { bucketOf } from '../../change/digest.js';
import type { Row } from '../../change/row.js';
import type { Origin } from '../../clock/vector.js';
import type { Version } from '../../clock/version.js';
import { childPath, nameOf, parentOf, root, type FullPath } from '../../entry/path.js';
import type { Area, DirectorySum, ExpiredQuery, ExpiringFile, ListOptions, ListPage, OriginState, RowReader } from '../store.js';
import type { Connection, Parameter } from './connection.js';
import { decodeRow, keyOf, rowColumns, type RawRow } from './row-codec.js';
import { sumOfHashes } from './recount.js';
import { areaTables } from './schema.js';

// CROSS JOIN, so that SQLite looks the keys up in the table and never the other way round.
const findRows = (table: string) => `
  SELECT ${rowColumns} FROM jsonb_each(?1) AS j CROSS JOIN ${table} AS e
  ON e.bucket = j.value ->> 0 AND e.directory = j.value ->> 1 AND e.name = j.value ->> 2`;

// What is shown at a path: its row and its count, by its place in the list.
const findWithCounts = `
  SELECT j.key AS place, coalesce(d.children, 0) AS children, ${rowColumns} FROM jsonb_each(?1) AS j
  LEFT JOIN entries AS e ON e.bucket = j.value ->> 0 AND e.directory = j.value ->> 1 AND e.name = j.value ->> 2
  LEFT JOIN directories AS d ON d.parent = j.value ->> 1 AND d.name = j.value ->> 2
  WHERE e.directory IS NOT NULL OR d.children IS NOT NULL`;

const findCounts = `
  SELECT d.parent, d.name, d.children FROM jsonb_each(?1) AS j CROSS JOIN directories AS d ON d.parent = j.value ->> 0 AND d.name = j.value ->> 1`;

// How many rows fit is found from the sizes alone, so that a page of great entries does not read a thousand of them.
const scanRows = (table: string) => `
  SELECT ${rowColumns} FROM ${table} AS e WHERE (bucket, directory, name) > (?1, ?2, ?3) ORDER BY bucket, directory, name
  LIMIT min(?4, max(1, (
    SELECT count(*) FROM (
      SELECT sum(bytes) OVER (ORDER BY bucket, directory, name ROWS UNBOUNDED PRECEDING) AS total FROM (
        SELECT bucket, directory, name, bytes FROM ${table} WHERE (bucket, directory, name) > (?1, ?2, ?3) ORDER BY bucket, directory, name LIMIT ?4))
    WHERE total <= ?5)))`;

export const originObjects = `
  json_group_array(json_object('origin', origin, 'seq', seq, 'hash', hash, 'version', version, 'first', first, 'firstHash', first_hash, 'firstVersion', first_version, 'runs', json(runs)))`;

// A page in one text: handed over row by row, it would take twice as long.
const scanPage = (table: string) => `
  SELECT (SELECT ${originObjects} FROM positions) AS origins,
    json_group_array(json_array(directory, name, version, author, origin, seq, vector, hash, h, isDirectory, entry)) AS rows
  FROM (${scanRows(table)})`;

// Two ranges in step: live rows, and directories that show something. One more than asked for tells whether there is more.
const listNames = `
  WITH names(name) AS MATERIALIZED (
    SELECT name FROM entries WHERE bucket = ?1 AND directory = ?2 AND name >= ?3 AND name < ?4 AND hash IS NOT NULL
    UNION SELECT name FROM directories WHERE parent = ?2 AND name >= ?3 AND name < ?4
    ORDER BY name LIMIT ?5 + 1
  ), sized(name, place, total) AS MATERIALIZED (
    SELECT n.name, row_number() OVER w, sum(coalesce(e.bytes, 0)) OVER w
    FROM names AS n LEFT JOIN entries AS e ON e.bucket = ?1 AND e.directory = ?2 AND e.name = n.name
    WINDOW w AS (ORDER BY n.name ROWS UNBOUNDED PRECEDING)
  )
  SELECT s.name AS shown, coalesce(d.children, 0) AS children, (SELECT count(*) FROM names) AS found, ${rowColumns}
  FROM sized AS s
  LEFT JOIN entries AS e ON e.bucket = ?1 AND e.directory = ?2 AND e.name = s.name AND e.hash IS NOT NULL
  LEFT JOIN directories AS d ON d.parent = ?2 AND d.name = s.name
  WHERE s.place <= ?5 AND (s.place = 1 OR s.total <= ?6)
  ORDER BY s.name`;

const findTombstones = `
  SELECT ${rowColumns} FROM entries AS e INDEXED BY entries_tombstones
  WHERE hash IS NULL AND version < ?1 AND (version, bucket, directory, name) > (?2, ?3, ?4, ?5) ORDER BY version, bucket, directory, name LIMIT ?6`;

const findExpired = `
  SELECT e.directory, e.name, e.version, coalesce(e.author, e.origin) AS author, e.expires, e.bytes FROM entries AS e INDEXED BY entries_expires
  WHERE expires <= ?1 AND expires >= ?2 AND (expires, coalesce(author, origin), bucket, directory, name) > (?2, ?3, ?4, ?5, ?6)
  AND coalesce(author, origin) NOT IN (SELECT value FROM json_each(?7))
  AND (?8 IS NULL OR directory = ?8 OR substr(directory, 1, length(?8) + 1) = ?8 || '/' OR ?8 = '/')
  ORDER BY expires, coalesce(author, origin), bucket, directory, name LIMIT ?9`;

const findUndotted = `
  SELECT ${rowColumns} FROM entries AS e WHERE (bucket, directory, name) > (?1, ?2, ?3) AND origin IS NULL ORDER BY bucket, directory, name LIMIT ?4`;

const sumDirectories = `
  SELECT directory, count(*) AS entries, ${sumOfHashes} AS sum FROM entries
  WHERE bucket = ?1 AND directory > ?2 AND hash IS NOT NULL GROUP BY directory ORDER BY directory LIMIT ?3`;

/** Above every text, because SQLite puts blobs after texts. */
const aboveAllText = Buffer.from([0]);

/** The least text above everything that starts with `prefix`, in byte order; null if there is none. */
export function afterPrefix(prefix: string): string | null {
  const points = [...prefix];
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    const point = last.codePointAt(0) as number;
    // The code points after U+D7FF are halves of pairs and no characters.
    if (point < 0x10ffff) return points.join('') + String.fromCodePoint(point === 0xd7ff ? 0xe000 : point + 1);
  }
  return null;
}

/** Reads of rows over one connection. */
export class RowQueries implements RowReader {
  constructor(protected readonly connection: Connection) {}

  /** Runs one statement; a transaction writes what waits before. */
  protected ask<T>(sql: string, ...parameters: Parameter[]): Promise<T[]> {
    return this.connection.all<T>(sql, ...parameters);
  }

  async find(area: Area, paths: readonly FullPath[]): Promise<Row[]> {
    if (paths.length === 0) return [];
    const keys = JSON.stringify([...new Set(paths)].map(keyOf));
    return (await this.ask<RawRow>(findRows(areaTables[area]), keys)).map(decodeRow);
  }

  async findWithChildren(paths: readonly FullPath[]): Promise<{ rows: Row[]; children: Map<FullPath, number> }> {
    const rows: Row[] = [];
    const children = new Map<FullPath, number>();
    const unique = [...new Set(paths)];
    if (unique.length === 0) return { rows, children };
    for (const raw of await this.ask<Partial<RawRow> & { place: number; children: number }>(findWithCounts, JSON.stringify(unique.map(keyOf)))) {
      if (raw.children > 0) children.set(unique[raw.place] as FullPath, raw.children);
      if (raw.directory != null) rows.push(decodeRow(raw as RawRow));
    }
    return { rows, children };
  }

  async children(paths: readonly FullPath[]): Promise<Map<FullPath, number>> {
    if (paths.length === 0) return new Map();
    const keys = JSON.stringify(paths.map((path) => [parentOf(path), nameOf(path)]));
    const rows = await this.ask<{ parent: FullPath; name: string; children: number }>(findCounts, keys);
    return new Map(rows.map(({ parent, name, children }) => [name === '' ? root : childPath(parent, name), children]));
  }

  async scan(area: Area, after: FullPath | null, limit: number, bytesMax: number): Promise<Row[]> {
    return (await this.#scan(area, after, limit, bytesMax)).rows;
  }

  async list(directory: FullPath, options: ListOptions): Promise<ListPage> {
    const { after, inclusive = false, prefix = '', limit, bytesMax } = options;
    // Names hold no NUL, so the least name after `after` is `after` with one; '' is the root itself and no name.
    const start = inclusive && after !== '' ? after : `${after}\0`;
    const from = Buffer.compare(Buffer.from(prefix), Buffer.from(start)) > 0 ? prefix : start;
    const rows = await this.ask<RawRow & { shown: string; children: number; found: number }>(
      listNames,
      bucketOf(directory),
      directory,
      from,
      afterPrefix(prefix) ?? aboveAllText,
      limit,
      bytesMax,
    );
    const names = rows.map((raw) => ({ name: raw.shown, row: raw.directory === null ? null : decodeRow(raw), children: raw.children }));
    return { names, more: names.length < (rows[0]?.found ?? 0) };
  }

  async tombstones(before: Version, after: Row | null, limit: number): Promise<Row[]> {
    const start = after === null ? ([-1, -1, '', ''] as const) : ([after.version, ...keyOf(after.path)] as const);
    return (await this.ask<RawRow>(findTombstones, before, ...start, limit)).map(decodeRow);
  }

  async expired({ now, after = null, below, notBy = new Set(), limit }: ExpiredQuery): Promise<ExpiringFile[]> {
    const start = after === null ? ([-1, '', -1, '', ''] as const) : ([after.expires, after.author, ...keyOf(after.path)] as const);
    const found = await this.ask<Pick<RawRow, 'directory' | 'name' | 'version'> & { author: Origin; expires: Version; bytes: number }>(
      findExpired,
      now,
      ...start,
      JSON.stringify([...notBy]),
      below ?? null,
      limit,
    );
    return found.map(({ directory, name, ...file }) => ({ path: childPath(directory, name), ...file }));
  }

  async undotted(after: FullPath | null, limit: number): Promise<Row[]> {
    return (await this.ask<RawRow>(findUndotted, ...startOf(after), limit)).map(decodeRow);
  }

  async scanWithOrigins(after: FullPath | null, limit: number, bytesMax: number): Promise<{ rows: Row[]; origins: OriginState[] }> {
    const { rows, origins } = await this.#scan('tree', after, limit, bytesMax);
    return { rows, origins: JSON.parse(origins) as OriginState[] };
  }

  directorySums(bucket: number, after: FullPath | null, limit: number): Promise<DirectorySum[]> {
    return this.ask<DirectorySum>(sumDirectories, bucket, after ?? '', limit);
  }

  async #scan(area: Area, after: FullPath | null, limit: number, bytesMax: number): Promise<{ rows: Row[]; origins: string }> {
    const [page] = await this.ask<{ origins: string; rows: string }>(scanPage(areaTables[area]), ...startOf(after), limit, bytesMax);
    const { origins, rows } = page as { origins: string; rows: string };
    return { origins, rows: (JSON.parse(rows) as RawTuple[]).map(decodeTuple) };
  }
}

type RawTuple = readonly [
  directory: FullPath,
  name: string,
  version: number,
  author: string | null,
  origin: string | null,
  seq: number | null,
  vector: string | null,
  hash: string | null,
  h: number,
  isDirectory: number,
  entry: string | null,
];

function decodeTuple([directory, name, version, author, origin, seq, vector, hash, h, isDirectory, entry]: RawTuple): Row {
  return decodeRow({ directory, name, version, author, origin, seq, vector, hash, h, isDirectory, entry });
}

const startOf = (after: FullPath | null) => (after === null ? ([-1, '', ''] as const) : keyOf(after));
