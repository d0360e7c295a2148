import { pathToFileURL } from 'node:url';
import sqlite3 from 'sqlite3';
import { FilerError, messageOf, type FailureCode } from '../../errors.js';

/** What a parameter may be. Never a BigInt: the driver would bind it as NULL. */
export type Parameter = string | number | null | Buffer;

const codes: Record<string, FailureCode> = { SQLITE_FULL: 'STORE_FULL', SQLITE_BUSY: 'STORE_LOCKED' };

const cures: Record<string, string> = {
  SQLITE_FULL: 'the disk of the store is full; free some space',
  SQLITE_BUSY: 'the file of the store is held by another process; stop that process',
  SQLITE_CORRUPT: 'the file of the store is damaged; start with an empty folder, the peers have the rest',
  SQLITE_NOTADB: 'the file of the store is not a database; name another folder',
  SQLITE_CANTOPEN: 'the file of the store cannot be opened; check the folder and its rights',
  SQLITE_READONLY: 'the file of the store cannot be written; check its rights',
};

/** Any error of the driver, as a failure that a caller may act on. */
function storeFailure(error: unknown, file?: string): FilerError {
  const code = String((error as { code?: unknown }).code);
  const said = file === undefined ? messageOf(error) : `${messageOf(error)}, ${file}`;
  return new FilerError(codes[code] ?? 'STORE_FAILED', code in cures ? `${cures[code]} (${said})` : `the store failed: ${said}`, {}, { cause: error });
}

type Done<T> = (error: Error | null, value?: T) => void;

/**
 * One SQLite connection: statements are prepared once and run one after another, so that it never blocks more than one thread of the
 * pool. The next one is handed over before anybody hears of the one before, so that the thread works while JavaScript does. Every failure is a
 * FilerError: STORE_FULL, STORE_LOCKED (another process works on the file) or STORE_FAILED.
 */
export class Connection {
  readonly #statements = new Map<string, sqlite3.Statement>();
  readonly #waiting: (() => void)[] = [];
  #isBusy = false;

  private constructor(private readonly database: sqlite3.Database) {}

  /** Makes the file if it is missing and `access` is `create`; `alone` reads it without its write-ahead log, while nobody writes. */
  static async open(file: string, access: 'create' | 'read' | 'alone', busyMs: number): Promise<Connection> {
    const mode =
      access === 'create' ? sqlite3.OPEN_READWRITE | sqlite3.OPEN_CREATE : access === 'read' ? sqlite3.OPEN_READONLY : sqlite3.OPEN_READONLY | sqlite3.OPEN_URI;
    const name = access === 'alone' ? `${pathToFileURL(file).href}?immutable=1` : file;
    const database = await new Promise<sqlite3.Database>((resolve, reject) => {
      const opened = new sqlite3.Database(name, mode, (error) => (error ? reject(storeFailure(error, file)) : resolve(opened)));
    });
    database.configure('busyTimeout', busyMs);
    return new Connection(database);
  }

  /** Runs one statement and takes all its rows. `?1`, `?2`, … are the parameters; each of them must occur. */
  all<T>(sql: string, ...parameters: Parameter[]): Promise<T[]> {
    return this.#inTurn<T[]>((done) => this.#prepare(sql, done, (statement) => statement.all<T>(parameters, done)));
  }

  /** `all` for a statement that gives exactly one row. */
  async one<T>(sql: string, ...parameters: Parameter[]): Promise<T> {
    const rows = await this.all<T>(sql, ...parameters);
    return rows[0] as T;
  }

  /** Runs one statement that gives no rows. */
  run(sql: string, ...parameters: Parameter[]): Promise<void> {
    return this.#inTurn<void>((done) => this.#prepare(sql, done, (statement) => statement.run(parameters, (error: Error | null) => done(error))));
  }

  /** Runs a script: any number of statements without parameters, up to the first that fails. */
  script(sql: string): Promise<void> {
    return this.#inTurn<void>((done) => this.database.exec(sql, done));
  }

  /** Waits for the statements under way. */
  close(): Promise<void> {
    return this.#inTurn<void>((done) => {
      for (const statement of this.#statements.values()) statement.finalize();
      this.#statements.clear();
      this.database.close(done);
    });
  }

  #prepare(sql: string, done: Done<never>, use: (statement: sqlite3.Statement) => void): void {
    const known = this.#statements.get(sql);
    if (known) return use(known);
    // One that could not be prepared, say while the file was locked, is tried anew the next time.
    const statement: sqlite3.Statement = this.database.prepare(sql, (error: Error | null) => {
      if (error) return done(error);
      this.#statements.set(sql, statement);
      use(statement);
    });
  }

  #inTurn<T>(start: (done: Done<T>) => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const done: Done<T> = (error, value) => {
        this.#next();
        if (error) reject(storeFailure(error));
        else resolve(value as T);
      };
      const task = () => {
        try {
          start(done);
        } catch (error) {
          done(error as Error);
        }
      };
      if (this.#isBusy) this.#waiting.push(task);
      else {
        this.#isBusy = true;
        task();
      }
    });
  }

  #next(): void {
    const task = this.#waiting.shift();
    if (task) task();
    else this.#isBusy = false;
  }
}
