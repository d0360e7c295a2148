import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { bucketCount } from '../../change/digest.js';
import type { Row } from '../../change/row.js';
import type { Dot, Position } from '../../clock/vector.js';
import type { Version } from '../../clock/version.js';
import { limits } from '../../config/limits.js';
import type { FullPath } from '../../entry/path.js';
import { makeDirectoryDurably } from '../../durable-file.js';
import { FilerError, isFailure, messageOf } from '../../errors.js';
import type { TimeSource } from '../../time.js';
import { ledgerLimits, type LedgerLimits } from '../ledger.js';
import type {
  Area,
  ConflictQuery,
  ConflictRecord,
  Counts,
  DirectorySum,
  ExpiredQuery,
  ExpiringFile,
  FeedIndex,
  FileVerdict,
  ListOptions,
  ListPage,
  LogPage,
  LogQuery,
  LogRecord,
  OriginState,
  Store,
  StoreContents,
  StoreExaminer,
  StoreTransaction,
} from '../store.js';
import { createBatchView } from './batch.js';
import { readConflicts } from './conflict-queries.js';
import { Connection } from './connection.js';
import { Examiner } from './examiner.js';
import { FileIdentity } from './file-identity.js';
import { cutAt, findRecord, indexAfterBytes, indexBefore, readHead, readLog, readLogPage } from './log-queries.js';
import { readQuarantine } from './quarantine-queries.js';
import { recount } from './recount.js';
import { originObjects, RowQueries } from './row-queries.js';
import { checkSchema, configureReader, configureWriter, schemaVersion, upgrade } from './schema.js';
import { runTransaction } from './sqlite-transaction.js';
import { putAsideStrayLog } from './stray-log.js';

const filesOf = (directory: string) => ({ database: join(directory, 'filer.db'), lock: join(directory, 'lock.db'), word: join(directory, 'filer.word') });

/** Connections and what they are for. A store that is only read has no writer and no lock. */
interface Connections {
  readonly writer: { readonly connection: Connection; readonly lock: Connection; readonly identity: FileIdentity } | null;
  /** A few rows by key; kept apart, so that they do not wait behind long reads. */
  readonly points: Connection;
  readonly scans: Connection;
}

/**
 * A store in one SQLite file. One connection writes, two read; each works off the main thread, one statement at a time. Commits are on
 * the disk when they return.
 */
export class SqliteStore implements Store {
  readonly engine = 'sqlite';
  readonly kind = 'embedded';
  readonly #points: RowQueries;
  readonly #scans: RowQueries;
  #busy = false;

  private constructor(
    private readonly file: string,
    readonly verdict: FileVerdict,
    private readonly connections: Connections,
    private readonly ledger: LedgerLimits,
  ) {
    this.#points = new RowQueries(connections.points);
    this.#scans = new RowQueries(connections.scans);
  }

  /**
   * Opens the store in `directory`, or makes it. It is this process's alone until it is closed or the process ends, however it ends.
   * @throws FilerError STORE_LOCKED, STORE_TOO_NEW, STORE_FULL, STORE_FAILED
   */
  static async open(
    directory: string,
    time: Pick<TimeSource, 'randomHex'>,
    ledger: LedgerLimits = ledgerLimits,
    cacheBytes: number = limits.storeCacheBytes,
  ): Promise<SqliteStore> {
    const files = filesOf(directory);
    return closingOnFailure(async (opened) => {
      await makeDirectoryDurably(directory);
      const lock = opened(await takeLock(files.lock, directory));
      await putAsideStrayLog(files.database);
      const connection = opened(await openOwn(files.database, limits.storeBusyMs));
      await configureWriter(connection, cacheBytes);
      await upgrade(connection, await checkSchema(connection));
      await connection.script(createBatchView);
      const identity = new FileIdentity(files, time);
      const verdict = await identity.check(connection);
      const points = opened(await openReader(files.database));
      const scans = opened(await openReader(files.database));
      return new SqliteStore(files.database, verdict, { writer: { connection, lock, identity }, points, scans }, ledger);
    });
  }

  /**
   * Opens the store in `directory` beside the process that has it, to read it as it is. Nothing is locked, marked or written.
   * @throws FilerError STORE_TOO_NEW, STORE_FAILED
   */
  static async openToRead(directory: string): Promise<SqliteStore> {
    const { database } = filesOf(directory);
    return closingOnFailure(async (opened) => {
      const points = opened(await openReader(database));
      const scans = opened(await openReader(database));
      const version = await checkSchema(points);
      if (version === 0) throw new FilerError('STORE_FAILED', `there is no store in ${directory}; name the folder of a filer`);
      if (version < schemaVersion)
        throw new FilerError('STORE_FAILED', `the store in ${directory} has format ${version}, this kelp reads ${schemaVersion}; start kelp filer on it once`);
      return new SqliteStore(database, 'same', { writer: null, points, scans }, ledgerLimits);
    });
  }

  /**
   * What the database finds wrong with its own file, beside the process that has it; empty = nothing. Reads all of it.
   * @throws FilerError STORE_FAILED if it cannot be read at all
   */
  static async checkFile(directory: string): Promise<string[]> {
    const connection = await openReader(filesOf(directory).database);
    try {
      const found = await connection.all<{ integrity_check: string }>('PRAGMA integrity_check');
      return found.map((row) => row.integrity_check).filter((text) => text !== 'ok');
    } finally {
      await connection.close();
    }
  }

  async load(): Promise<StoreContents> {
    const { scans } = this.connections;
    const { origins } = await scans.one<{ origins: string }>(`SELECT ${originObjects} AS origins FROM positions`);
    const buckets = new Array<number>(bucketCount).fill(0);
    for (const { bucket, sum } of await scans.all<{ bucket: number; sum: number }>('SELECT bucket, sum FROM buckets')) buckets[bucket] = sum;
    const meta = await scans.all<{ name: string; value: string }>('SELECT name, value FROM meta');
    const span = await scans.one<{ head: number; first: number }>(readHead);
    const quarantine = await readQuarantine(scans);
    return { origins: JSON.parse(origins) as OriginState[], buckets, ...span, quarantine, meta: new Map(meta.map(({ name, value }) => [name, value])) };
  }

  find(area: Area, paths: readonly FullPath[]): Promise<Row[]> {
    return this.#points.find(area, paths);
  }

  findWithChildren(paths: readonly FullPath[]): Promise<{ rows: Row[]; children: Map<FullPath, number> }> {
    return this.#points.findWithChildren(paths);
  }

  children(paths: readonly FullPath[]): Promise<Map<FullPath, number>> {
    return this.#points.children(paths);
  }

  scan(area: Area, after: FullPath | null, limit: number, bytesMax: number): Promise<Row[]> {
    return this.#scans.scan(area, after, limit, bytesMax);
  }

  list(directory: FullPath, options: ListOptions): Promise<ListPage> {
    return this.#scans.list(directory, options);
  }

  scanWithOrigins(after: FullPath | null, limit: number, bytesMax: number): Promise<{ rows: Row[]; origins: OriginState[] }> {
    return this.#scans.scanWithOrigins(after, limit, bytesMax);
  }

  directorySums(bucket: number, after: FullPath | null, limit: number): Promise<DirectorySum[]> {
    return this.#scans.directorySums(bucket, after, limit);
  }

  readLog(query: LogQuery): Promise<LogRecord[]> {
    return readLog(this.connections.scans, query);
  }

  readLogPage(query: LogQuery): Promise<LogPage> {
    return readLogPage(this.connections.scans, query);
  }

  findRecord(dot: Dot): Promise<Omit<LogRecord, 'text'> | null> {
    return findRecord(this.connections.points, dot);
  }

  cutAt(position: Position): Promise<{ last: FeedIndex; next: FeedIndex | null }> {
    return cutAt(this.connections.points, position);
  }

  indexBefore(since: Version): Promise<FeedIndex> {
    return indexBefore(this.connections.scans, since);
  }

  indexAfterBytes(bytes: number, limit: number): Promise<FeedIndex> {
    return indexAfterBytes(this.connections.scans, bytes, limit);
  }

  tombstones(before: Version, after: Row | null, limit: number): Promise<Row[]> {
    return this.#scans.tombstones(before, after, limit);
  }

  expired(query: ExpiredQuery): Promise<ExpiringFile[]> {
    return this.#scans.expired(query);
  }

  readConflicts(options: ConflictQuery): Promise<ConflictRecord[]> {
    return readConflicts(this.connections.scans, options);
  }

  async getKv(key: string): Promise<string | null> {
    const [row] = await this.connections.points.all<{ value: string }>('SELECT value FROM kv WHERE name = ?1', key);
    return row?.value ?? null;
  }

  async countKv(): Promise<number> {
    return (await this.connections.points.one<{ count: number }>('SELECT count(*) AS count FROM kv')).count;
  }

  async recount(): Promise<{ buckets: number[]; counts: Counts; children: Map<FullPath, number> }> {
    // A connection of its own: a read transaction on a shared one would show the others' readers an old state.
    const connection = await openReader(this.file);
    try {
      return await recount(connection);
    } finally {
      await connection.close();
    }
  }

  async examine(): Promise<StoreExaminer> {
    return new Examiner(await openReader(this.file));
  }

  async transaction<T>(work: (tx: StoreTransaction) => Promise<T>): Promise<T> {
    const { writer } = this.connections;
    if (!writer) throw new TypeError('the store is open for reading only');
    if (this.#busy) throw new TypeError('a transaction is under way; run one at a time');
    this.#busy = true;
    try {
      return await runTransaction(writer.connection, this.ledger, work);
    } finally {
      this.#busy = false;
    }
  }

  async close(): Promise<void> {
    const { writer, points, scans } = this.connections;
    // A disk that is full must not keep a filer from stopping; without a new word the one of the open stands.
    await writer?.identity.renew(writer.connection).catch(() => {});
    // The writer after the readers, so that SQLite tidies up its log; the lock last, so that the next one finds it done.
    await closeAll([writer?.lock, writer?.connection, points, scans]);
  }
}

/** Closes in reverse order, all of them even if one fails. */
async function closeAll(connections: readonly (Connection | undefined)[]): Promise<void> {
  let failure: unknown;
  for (const connection of [...connections].reverse()) await connection?.close().catch((error: unknown) => (failure ??= error));
  if (failure) throw failure;
}

/** Runs `open`; if it fails, what it has opened so far is closed, and what the file system said becomes a failure of the store. */
async function closingOnFailure<T>(open: (opened: (connection: Connection) => Connection) => Promise<T>): Promise<T> {
  const connections: Connection[] = [];
  try {
    return await open((connection) => {
      connections.push(connection);
      return connection;
    });
  } catch (error) {
    await closeAll(connections);
    const { syscall, code } = error as NodeJS.ErrnoException;
    if (syscall === undefined) throw error;
    throw new FilerError(
      code === 'ENOSPC' ? 'STORE_FULL' : 'STORE_FAILED',
      `the folder of the store cannot be used (${messageOf(error)}); name another one`,
      {},
      { cause: error },
    );
  }
}

async function openOwn(file: string, busyMs: number): Promise<Connection> {
  const connection = await Connection.open(file, 'create', busyMs);
  // By name, before anything is in it. Opening and closing the file here would drop SQLite's locks on it.
  await chmod(file, 0o600);
  return connection;
}

async function openReader(file: string): Promise<Connection> {
  const connection = await Connection.open(file, 'read', limits.storeBusyMs);
  await configureReader(connection);
  return connection;
}

/** An exclusive transaction that stays open: the system gives the lock back when the process ends, even by kill -9. */
async function takeLock(file: string, directory: string): Promise<Connection> {
  const connection = await openOwn(file, 0);
  try {
    // Nothing is ever written, so there is nothing to roll back: no journal beside it.
    await connection.script('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE;');
    return connection;
  } catch (error) {
    await connection.close();
    if (!isFailure(error, 'STORE_LOCKED')) throw error;
    throw new FilerError(
      'STORE_LOCKED',
      `the store in ${directory} is held by another process; stop that process or name another folder`,
      { directory },
      { cause: error },
    );
  }
}
