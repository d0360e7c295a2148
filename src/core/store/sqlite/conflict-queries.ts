import { ledgerLine, oldestKept, type LedgerLimits } from '../ledger.js';
import { storeMeta, type ConflictQuery, type ConflictRecord } from '../store.js';
import type { Connection } from './connection.js';
import { readNotes, writeNotes } from './schema.js';

const insert = `
  INSERT INTO conflicts (path, key, bytes, text) SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?1) WHERE true
  ON CONFLICT (path, key) DO NOTHING RETURNING bytes`;

const dropBeyond = `
  DELETE FROM conflicts WHERE id IN (
    SELECT id FROM (
      SELECT id, row_number() OVER (PARTITION BY path ORDER BY id DESC) AS place FROM conflicts WHERE path IN (SELECT value FROM json_each(?1)))
    WHERE place > ?2) RETURNING bytes`;

// Ids rise with time, so only what has to go is looked at.
const dropOld = `
  DELETE FROM conflicts WHERE id < (SELECT id FROM conflicts WHERE CAST(text ->> '$.seenAt' AS INTEGER) >= ?1 ORDER BY id LIMIT 1) RETURNING bytes`;

// A thousand at a time: the sizes of the whole ledger need not be summed to find the few that have to go.
const dropOldest = `
  DELETE FROM conflicts WHERE id IN (
    SELECT id FROM (
      SELECT id, sum(bytes) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) - bytes AS before FROM (SELECT id, bytes FROM conflicts ORDER BY id LIMIT 1000))
    WHERE before < ?1) RETURNING bytes`;

const countDropped = `
  INSERT INTO meta VALUES ('${storeMeta.conflictsDropped}', ?1) ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(value AS INTEGER) + CAST(excluded.value AS INTEGER) AS TEXT)`;

/** Adds to the ledger, in the transaction under way, and makes room for what is too much. */
export async function addConflicts(connection: Connection, records: readonly ConflictRecord[], ledger: LedgerLimits): Promise<void> {
  const { perPath, bytesMax } = ledger;
  const lines = records.map((record) => ({ path: record.path, ...ledgerLine(record) }));
  let total = Number((await readNotes(connection)).get('conflictBytes') ?? 0);
  let dropped = 0;
  const bytesOf = async (sql: string, ...parameters: (string | number)[]) => {
    const rows = await connection.all<{ bytes: number }>(sql, ...parameters);
    return { rows: rows.length, bytes: rows.reduce((sum, { bytes }) => sum + bytes, 0) };
  };
  const take = (gone: { rows: number; bytes: number }) => {
    total -= gone.bytes;
    dropped += gone.rows;
    return gone.rows > 0;
  };
  total += (await bytesOf(insert, JSON.stringify(lines.map(({ path, key, bytes, text }) => [path, key, bytes, text])))).bytes;
  take(await bytesOf(dropOld, oldestKept(records, ledger)));
  take(await bytesOf(dropBeyond, JSON.stringify([...new Set(lines.map((line) => line.path))]), perPath));
  while (total > bytesMax && take(await bytesOf(dropOldest, total - bytesMax)));
  await writeNotes(connection, { conflictBytes: String(total) });
  if (dropped > 0) await connection.run(countDropped, String(dropped));
}

// As with rows: how many fit is found from the sizes alone.
const readNewest = (where: string) => `
  SELECT text FROM conflicts ${where} ORDER BY id DESC
  LIMIT min(?1, max(1, (
    SELECT count(*) FROM (
      SELECT sum(bytes) OVER (ORDER BY id DESC ROWS UNBOUNDED PRECEDING) AS total FROM (SELECT id, bytes FROM conflicts ${where} ORDER BY id DESC LIMIT ?1))
    WHERE total <= ?2)))`;

export async function readConflicts(connection: Connection, { path, id, limit, bytesMax }: ConflictQuery): Promise<ConflictRecord[]> {
  const where = id !== undefined ? 'WHERE key = ?3' : path !== undefined ? 'WHERE path = ?3' : '';
  const asked = id ?? path;
  const rows = await connection.all<{ text: string }>(readNewest(where), limit, bytesMax, ...(asked === undefined ? [] : [asked]));
  const records = rows.map(({ text }) => JSON.parse(text) as ConflictRecord);
  return records.filter((record) => path === undefined || record.path === path);
}
