import { FilerError, messageOf } from '../../errors.js';
import type { LedgerLimits } from '../ledger.js';
import type { Area, FeedIndex, LogSpan, StoreTransaction, TrimmedLog, WriteBatch } from '../store.js';
import { encodeBatch, putBatch } from './batch.js';
import { addConflicts } from './conflict-queries.js';
import type { Connection, Parameter } from './connection.js';
import { clearLog, cutLog, trimLog } from './log-queries.js';
import { writeQuarantine } from './quarantine-queries.js';
import { RowQueries } from './row-queries.js';
import { areaTables } from './schema.js';

/**
 * One transaction on the writing connection. What is written waits, encoded, until something has to follow it: a last write that
 * nothing came before is one statement, and that is the whole transaction. Until then nobody else writes either.
 */
export class SqliteTransaction extends RowQueries implements StoreTransaction {
  #state: 'reading' | 'writing' | 'ended' = 'reading';
  #waiting: Parameter[] | null = null;

  constructor(
    connection: Connection,
    private readonly ledger: LedgerLimits,
  ) {
    super(connection);
  }

  async write(batch: WriteBatch, more = false): Promise<void> {
    this.#mustBeOpen();
    if (this.#waiting) await this.#settle();
    this.#waiting = encodeBatch(batch);
    if (more) await this.#settle();
    // Both are rare: they cost statements of their own, so that the one above stays short.
    if (batch.conflicts && batch.conflicts.length > 0) {
      await this.#settle();
      await addConflicts(this.connection, batch.conflicts, this.ledger);
    }
    if (batch.quarantine && batch.quarantine.size > 0) {
      await this.#settle();
      await writeQuarantine(this.connection, batch.quarantine);
    }
  }

  protected override async ask<T>(sql: string, ...parameters: Parameter[]): Promise<T[]> {
    if (this.#waiting) await this.#settle();
    return super.ask<T>(sql, ...parameters);
  }

  async clear(area: Area): Promise<void> {
    await this.#settle();
    await this.connection.run(`DELETE FROM ${areaTables[area]}`);
    if (area === 'tree') await this.connection.run('DELETE FROM directories');
  }

  async clearLog(origins: readonly string[] | null): Promise<LogSpan> {
    await this.#settle();
    return clearLog(this.connection, origins);
  }

  async trimLog(through: FeedIndex): Promise<TrimmedLog> {
    await this.#settle();
    return trimLog(this.connection, through);
  }

  async cutLog(origin: string, seq: number): Promise<LogSpan> {
    await this.#settle();
    return cutLog(this.connection, origin, seq);
  }

  async undot(origin: string, seq: number): Promise<number> {
    await this.#settle();
    const { rows } = await this.connection.one<{ rows: number }>('SELECT count(*) AS rows FROM entries WHERE origin = ?1 AND seq > ?2', origin, seq);
    if (rows > 0)
      await this.connection.run('UPDATE entries SET author = coalesce(author, origin), origin = NULL, seq = NULL WHERE origin = ?1 AND seq > ?2', origin, seq);
    return rows;
  }

  async clearOrigins(): Promise<void> {
    await this.#settle();
    await this.connection.run('DELETE FROM positions');
  }

  async commit(): Promise<void> {
    this.#mustBeOpen();
    if (this.#waiting) await this.#putWaiting();
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

  /** Begins, unless that is done, and writes what waits. */
  async #settle(): Promise<void> {
    this.#mustBeOpen();
    if (this.#state === 'reading') {
      // Set before, so that a BEGIN that failed is rolled back like anything else.
      this.#state = 'writing';
      await this.connection.run('BEGIN IMMEDIATE');
    }
    if (this.#waiting) await this.#putWaiting();
  }

  async #putWaiting(): Promise<void> {
    const parameters = this.#waiting as Parameter[];
    this.#waiting = null;
    await this.connection.run(putBatch, ...parameters);
  }

  #mustBeOpen(): void {
    if (this.#state === 'ended') throw new TypeError('the transaction has ended; nothing more can be written in it');
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
