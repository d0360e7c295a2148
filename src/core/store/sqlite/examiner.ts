import type { Row } from '../../change/row.js';
import type { BucketCursor, StoreExaminer } from '../store.js';
import type { Connection } from './connection.js';
import { sumOfHashes } from './recount.js';
import { decodeRow, rowColumns, type RawRow } from './row-codec.js';

const compareSum = `
  SELECT coalesce((SELECT sum FROM buckets WHERE bucket = ?1), 0) AS kept, coalesce(${sumOfHashes}, 0) AS counted, count(*) AS rows
  FROM entries WHERE bucket = ?1`;

// Answered from the index of tombstones alone.
const compareTombstones = `
  SELECT coalesce((SELECT value ->> '$.tombstones' FROM meta WHERE name = 'counts'), 0) AS kept,
    (SELECT count(*) FROM entries WHERE hash IS NULL) AS counted`;

// How many rows fit is found from the sizes alone, as in a scan; by bucket and key as they are kept, so that a row out of its place cannot lead in circles.
const range = 'bucket = ?1 AND (directory, name) > (?2, ?3) ORDER BY directory, name';
const readRows = `
  SELECT ${rowColumns} FROM entries AS e WHERE ${range}
  LIMIT min(?4, max(1, (
    SELECT count(*) FROM (
      SELECT sum(bytes) OVER (ORDER BY directory, name ROWS UNBOUNDED PRECEDING) AS total FROM (
        SELECT directory, name, bytes FROM entries WHERE ${range} LIMIT ?4))
    WHERE total <= ?5)))`;

/** What a scrub reads, over a connection of its own. One statement is one moment: no read is held open over several. */
export class Examiner implements StoreExaminer {
  constructor(private readonly connection: Connection) {}

  bucket(bucket: number): Promise<{ kept: number; counted: number; rows: number }> {
    return this.connection.one(compareSum, bucket);
  }

  tombstones(): Promise<{ kept: number; counted: number }> {
    return this.connection.one(compareTombstones);
  }

  async rows(bucket: number, after: BucketCursor | null, limit: number, bytesMax: number): Promise<{ rows: Row[]; next: BucketCursor | null }> {
    const [directory, name] = after ?? beforeAll;
    const found = await this.connection.all<RawRow>(readRows, bucket, directory, name, limit, bytesMax);
    const last = found.at(-1);
    return { rows: found.map(decodeRow), next: last ? [last.directory, last.name] : null };
  }

  close(): Promise<void> {
    return this.connection.close();
  }
}

// Rows of the root directory have '/' as their directory; the root's own row has an empty name.
const beforeAll: BucketCursor = ['', ''];
