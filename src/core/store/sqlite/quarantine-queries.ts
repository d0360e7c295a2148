import { parseDot } from '../../clock/vector.js';
import type { QuarantineRecord, WriteBatch } from '../store.js';
import type { Connection } from './connection.js';

const put = 'INSERT OR REPLACE INTO quarantine SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1)';
const drop = 'DELETE FROM quarantine WHERE (origin, seq) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?1))';

/** Writes what a batch says of the quarantine, in the transaction under way. */
export async function writeQuarantine(connection: Connection, changes: NonNullable<WriteBatch['quarantine']>): Promise<void> {
  const rows = [...changes].map(([dot, record]) => ({ ...parseDot(dot), record }));
  const kept = rows.filter(({ record }) => record !== null);
  const dropped = rows.filter(({ record }) => record === null);
  if (dropped.length > 0) await connection.run(drop, JSON.stringify(dropped.map(({ origin, seq }) => [origin, seq])));
  if (kept.length > 0) await connection.run(put, JSON.stringify(kept.map(({ origin, seq, record }) => [origin, seq, JSON.stringify(record)])));
}

/** All of it, in the order of coming. */
export async function readQuarantine(connection: Connection): Promise<QuarantineRecord[]> {
  const rows = await connection.all<{ text: string }>("SELECT text FROM quarantine ORDER BY CAST(text ->> '$.place' AS INTEGER)");
  return rows.map(({ text }) => JSON.parse(text) as QuarantineRecord);
}
