import { bucketOf } from '../../change/digest.js';
import type { Row } from '../../change/row.js';
import type { Vector } from '../../clock/vector.js';
import { expiryOfRow } from '../../entry/expiry.js';
import { childPath, nameOf, parentOf, root, type FullPath } from '../../entry/path.js';

/** Columns of a row as decodeRow wants them; `e` is the table. */
export const rowColumns = 'e.directory, e.name, e.version, e.author, e.origin, e.seq, e.vector, e.hash, e.h, e.is_directory AS isDirectory, e.entry';

export interface RawRow {
  directory: FullPath;
  name: string;
  version: number;
  author: string | null;
  origin: string | null;
  seq: number | null;
  vector: string | null;
  hash: string | null;
  h: number;
  isDirectory: number;
  entry: string | null;
}

export function decodeRow(raw: RawRow): Row {
  const { directory, name, version, origin, seq, entry } = raw;
  const author = (raw.author ?? origin) as string;
  return {
    path: name === '' ? root : childPath(directory, name),
    entry,
    isDirectory: raw.isDirectory === 1,
    version,
    author,
    vector: raw.vector === null ? { [author]: version } : (JSON.parse(raw.vector) as Vector),
    dot: origin === null || seq === null ? null : { origin, seq },
    contentHash: raw.hash ?? '',
    h: raw.h,
  };
}

export type RowKey = readonly [bucket: number, directory: FullPath, name: string];

export function keyOf(path: FullPath): RowKey {
  const directory = parentOf(path);
  return [bucketOf(directory), directory, nameOf(path)];
}

/**
 * Long texts of a set, side by side in one blob: SQLite cuts them out by place. Inside the JSON parameter they would be escaped,
 * parsed and copied once more each.
 */
export class TextBlob {
  readonly #texts: string[] = [];
  #bytes = 0;

  /** Where the text stands: [first byte, bytes]; [null, null] for null. */
  add(text: string | null): readonly [offset: number, bytes: number] | readonly [null, null] {
    if (text === null) return [null, null];
    const bytes = Buffer.byteLength(text);
    const offset = this.#bytes + 1;
    this.#texts.push(text);
    this.#bytes += bytes;
    return [offset, bytes];
  }

  toBuffer(): Buffer {
    return Buffer.from(this.#texts.join(''));
  }
}

/** True if the vector says no more than that the state is its author's change. */
function isPlain(vector: Vector, author: string, version: number): boolean {
  for (const key in vector) if (key !== author) return false;
  return vector[author] === version;
}

/** A set of rows as parameters. */
export function encodeRows(rows: readonly Row[]): [json: string, blob: Buffer] {
  const blob = new TextBlob();
  const values = rows.map((row) => {
    const { version, author, dot, vector } = row;
    return [
      ...keyOf(row.path),
      version,
      author === dot?.origin ? null : author,
      dot?.origin ?? null,
      dot?.seq ?? null,
      isPlain(vector, author, version) ? null : JSON.stringify(vector),
      row.entry === null ? null : row.contentHash,
      row.h,
      row.isDirectory ? 1 : 0,
      ...blob.add(row.entry),
      expiryOfRow(row),
    ];
  });
  return [JSON.stringify(values), blob.toBuffer()];
}

/** `value ->> 0, value ->> 1, …`: the fields of one element of a JSON array. */
export const fields = (count: number): string => Array.from({ length: count }, (_, i) => `value ->> ${i}`).join(', ');

/** Writes a set of rows as encodeRows gives them. jsonb_each, because a JSON text would be parsed again for each field. */
export const putRows = (table: string, json: string, blob: string): string =>
  `INSERT OR REPLACE INTO ${table} SELECT ${fields(11)}, coalesce(value ->> 12, 0), CAST(substr(${blob}, value ->> 11, value ->> 12) AS TEXT), value ->> 13 FROM jsonb_each(${json})`;

/** Drops a set of rows by their keys. */
export const dropRows = (table: string, json: string): string =>
  `DELETE FROM ${table} WHERE (bucket, directory, name) IN (SELECT value ->> 0, value ->> 1, value ->> 2 FROM jsonb_each(${json}))`;
