import { nameOf, parentOf, type FullPath } from '../../entry/path.js';
import { FilerError, messageOf } from '../../errors.js';
import type { LedgerLimits } from '../ledger.js';
import type { Area, LogSpan, StoreTransaction, WriteBatch } from '../store.js';
import { addConflicts } from './conflict-queries.js';
import type { Connection } from './connection.js';
import { appendLog, clearLog } from './log-queries.js';
import { dropRows, encodeRows, fields, keyOf, putRows } from './row-codec.js';
import { RowQueries } from './row-queries.js';
import { areaTables } from './schema.js';

const areas = Object.keys(areaTables) as Area[];

const putCounts = `INSERT OR REPLACE INTO directories SELECT ${fields(3)} FROM json_each(?1)`;
const dropCounts = 'DELETE FROM directories WHERE (parent, name) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?1))';
const putOrigins = `INSERT OR REPLACE INTO positions SELECT ${fields(7)} FROM json_each(?1)`;
const putBuckets = `INSERT OR REPLACE INTO buckets SELECT ${fields(2)} FROM json_each(?1)`;
const putPairs = (table: string) => `INSERT OR REPLACE INTO ${table} SELECT ${fields(2)} FROM json_each(?1)`;
const dropPairs = (table: string) => `DELETE FROM ${table} WHERE name IN (SELECT value FROM json_each(?1))`;

/**
 * One transaction on the writing connection: one statement per table and batch, none for what is empty. It begins with the first
 * write, so that one that only reads costs no more than its reads; until then nobody else writes either.
 */
export class SqliteTransaction extends RowQueries implements StoreTransaction {
  #state: 'reading' | 'writing' | 'ended' = 'reading';

  constructor(
    connection: Connection,
    private readonly ledger: LedgerLimits,
  ) {
    super(connection);
  }

  async write(batch: WriteBatch): Promise<void> {
    await this.#begin();
    const { connection } = this;
    const put = async (sql: string, values: readonly unknown[]) => {
      if (values.length > 0) await connection.run(sql, JSON.stringify(values));
    };
    for (const area of areas) {
      await put(dropRows(areaTables[area]), (batch.removed?.[area] ?? []).map(keyOf));
      const rows = batch.rows?.[area] ?? [];
      if (rows.length > 0) await connection.run(putRows(areaTables[area]), ...encodeRows(rows));
    }
    const counts = [...(batch.children ?? [])].map(([path, count]) => [parentOf(path), nameOf(path), count] as [FullPath, string, number]);
    await put(
      dropCounts,
      counts.filter(([, , count]) => count === 0),
    );
    await put(
      putCounts,
      counts.filter(([, , count]) => count > 0),
    );
    if (batch.log && batch.log.length > 0) await appendLog(connection, batch.log);
    await put(
      putOrigins,
      (batch.origins ?? []).map((o) => [o.origin, o.seq, o.hash, o.version, o.first, o.firstHash, o.firstVersion]),
    );
    await put(putBuckets, [...(batch.buckets ?? [])]);
    if (batch.conflicts && batch.conflicts.length > 0) await addConflicts(connection, batch.conflicts, this.ledger);
    for (const table of ['meta', 'kv'] as const) {
      const pairs = [...(batch[table] ?? [])];
      await put(
        dropPairs(table),
        pairs.filter(([, value]) => value === null).map(([name]) => name),
      );
      await put(
        putPairs(table),
        pairs.filter(([, value]) => value !== null),
      );
    }
  }

  async clear(area: Area): Promise<void> {
    await this.#begin();
    await this.connection.run(`DELETE FROM ${areaTables[area]}`);
    if (area === 'tree') await this.connection.run('DELETE FROM directories');
  }

  async clearLog(origins: readonly string[] | null): Promise<LogSpan> {
    await this.#begin();
    return clearLog(this.connection, origins);
  }

  async clearOrigins(): Promise<void> {
    await this.#begin();
    await this.connection.run('DELETE FROM positions');
  }

  async commit(): Promise<void> {
    if (this.#state === 'writing') await this.connection.run('COMMIT');
    this.#state = 'ended';
  }

  /** Leaves the connection ready for the next transaction. */
  async rollback(): Promise<void> {
    const wasWriting = this.#state === 'writing';
    this.#state = 'ended';
    if (!wasWriting) return;
    try {
      await this.connection.run('ROLLBACK');
    } catch (error) {
      // When the disk is full SQLite has rolled back by itself.
      if (!messageOf(error).includes('no transaction is active')) throw error;
    }
  }

  async #begin(): Promise<void> {
    if (this.#state === 'ended') throw new TypeError('the transaction has ended; nothing more can be written in it');
    if (this.#state === 'writing') return;
    // Set before, so that a BEGIN that failed is rolled back like anything else.
    this.#state = 'writing';
    await this.connection.run('BEGIN IMMEDIATE');
  }
}

/** Runs `work` on `connection` in one transaction; what it rejects with is what this rejects with. */
export async function runTransaction<T>(connection: Connection, ledger: LedgerLimits, work: (tx: SqliteTransaction) => Promise<T>): Promise<T> {
  const tx = new SqliteTransaction(connection, ledger);
  try {
    const result = await work(tx);
    await tx.commit();
    return result;
  } catch (error) {
    await tx.rollback().catch((cause: unknown) => {
      throw new FilerError('STORE_FAILED', `${messageOf(error)}, and it could not be rolled back: ${messageOf(cause)}`, {}, { cause: error });
    });
    throw error;
  }
}
