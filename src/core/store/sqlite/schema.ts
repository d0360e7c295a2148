import { FilerError } from '../../errors.js';
import { limits } from '../../config/limits.js';
import type { Area } from '../store.js';
import type { Connection } from './connection.js';

/*
 * Tables. Rows are keyed (bucket, directory, name): a listing is one range, a bucket is one range, a snapshot walks the key. What is
 * long stands last in a row, so that sizes and hashes are read without it. NULL says what can be told from the rest:
 *
 *   author    the origin          vector   {author: version} alone
 *   hash      a tombstone         origin, seq   no dot
 */

/** Says whose file it is: "kelp". */
const applicationId = 0x6b656c70;

export const areaTables: Record<Area, string> = { tree: 'entries', staging: 'staging', remembered: 'remembered' };

const rowTable = (name: string) => `
  CREATE TABLE ${name} (
    bucket INTEGER NOT NULL, directory TEXT NOT NULL, name TEXT NOT NULL,
    version INTEGER NOT NULL, author TEXT, origin TEXT, seq INTEGER, vector TEXT, hash TEXT, h INTEGER NOT NULL, is_directory INTEGER NOT NULL,
    bytes INTEGER NOT NULL, entry TEXT,
    PRIMARY KEY (bucket, directory, name)
  ) STRICT, WITHOUT ROWID;`;

const attribute = (name: string) => `(entry ->> '$.attributes.${name}')`;
const isWhole = (name: string) =>
  `(json_type(entry, '$.attributes.${name}') IN ('integer', 'text') AND length(${attribute(name)}) BETWEEN 1 AND 10 AND ${attribute(name)} NOT GLOB '*[^0-9]*')`;

/** The column, and what stands in it for the rows that are there already. */
function addExpiry(table: string): string {
  return `
  ALTER TABLE ${table} ADD COLUMN expires INTEGER;
  UPDATE ${table} SET expires = (${attribute('crtime')} + ${attribute('ttlSec')}) * 1000000
    + CASE WHEN ${isWhole('crtimeNs')} AND ${attribute('crtimeNs')} + 0 < 1000000000 THEN ${attribute('crtimeNs')} / 1000 ELSE 0 END
  WHERE hash IS NOT NULL AND is_directory = 0 AND instr(entry, '"ttlSec":') > 0 AND ${isWhole('ttlSec')} AND ${isWhole('crtime')}
    AND ${attribute('ttlSec')} + 0 BETWEEN 1 AND ${2 ** 31 - 1} AND ${attribute('crtime')} + 0 BETWEEN 1 AND ${Math.floor(2 ** 52 / 1e6)};`;
}

const tables = `
  ${Object.values(areaTables).map(rowTable).join('')}
  CREATE TABLE directories (parent TEXT NOT NULL, name TEXT NOT NULL, children INTEGER NOT NULL, PRIMARY KEY (parent, name)) STRICT, WITHOUT ROWID;
  CREATE TABLE log (
    idx INTEGER PRIMARY KEY, origin TEXT NOT NULL, seq INTEGER NOT NULL, version INTEGER NOT NULL, hash TEXT NOT NULL, applied TEXT NOT NULL,
    bytes INTEGER NOT NULL, text TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX log_dot ON log (origin, seq);
  CREATE INDEX log_version ON log (version);
  CREATE TABLE positions (
    origin TEXT PRIMARY KEY, seq INTEGER NOT NULL, hash TEXT NOT NULL, version INTEGER NOT NULL,
    first INTEGER NOT NULL, first_hash TEXT NOT NULL, first_version INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE buckets (bucket INTEGER PRIMARY KEY, sum INTEGER NOT NULL) STRICT;
  CREATE TABLE conflicts (id INTEGER PRIMARY KEY, path TEXT NOT NULL, key TEXT NOT NULL, bytes INTEGER NOT NULL, text TEXT NOT NULL) STRICT;
  CREATE UNIQUE INDEX conflicts_path ON conflicts (path, key);
  CREATE TABLE quarantine (origin TEXT NOT NULL, seq INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (origin, seq)) STRICT, WITHOUT ROWID;
  CREATE TABLE kv (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;`;

/** What makes a store of version n one of version n + 1, from n = 1 on; a new store takes all of them on top of `tables`. */
const migrations: readonly string[] = [
  // Tombstones by age, for collecting them.
  'CREATE INDEX entries_tombstones ON entries (version) WHERE hash IS NULL;',
  // When a file expires, as entry/expiry.ts has it; NULL = never. The author stands in the index, so that those of others are passed quickly.
  `${Object.values(areaTables).map(addExpiry).join('')}
  CREATE INDEX entries_expires ON entries (expires, coalesce(author, origin)) WHERE expires IS NOT NULL;`,
  // Where runs begin; of what is there already nobody knows.
  "ALTER TABLE positions ADD COLUMN runs TEXT NOT NULL DEFAULT '[]';",
];

/** Raised with every change of the tables; a store with a greater one was written by a newer kelp. */
export const schemaVersion = migrations.length + 1;

/** What the adapter keeps for itself in the table `notes`. */
export type NoteName = 'inode' | 'birth' | 'word' | 'wordNext' | 'head' | 'conflictBytes';

export async function readNotes(connection: Connection): Promise<Map<NoteName, string>> {
  const rows = await connection.all<{ name: NoteName; value: string }>('SELECT name, value FROM notes');
  return new Map(rows.map(({ name, value }) => [name, value]));
}

export async function writeNotes(connection: Connection, notes: Partial<Record<NoteName, string>>): Promise<void> {
  await connection.run('INSERT OR REPLACE INTO notes SELECT key, value FROM json_each(?1)', JSON.stringify(notes));
}

/** Refuses a file of another program or of a newer kelp. Tells which version the tables have; 0 = there are none yet. */
export async function checkSchema(connection: Connection): Promise<number> {
  const { application, version } = await connection.one<{ application: number; version: number }>(
    'SELECT application_id AS application, user_version AS version FROM pragma_application_id, pragma_user_version',
  );
  if (application === applicationId) {
    if (version > schemaVersion)
      throw new FilerError('STORE_TOO_NEW', `the store has format ${version}, this kelp knows ${schemaVersion}; start it with a newer kelp`, { version });
    return version;
  }
  const { tables: found } = await connection.one<{ tables: number }>('SELECT count(*) AS tables FROM sqlite_schema');
  if (found > 0 || application !== 0) throw new FilerError('STORE_FAILED', 'filer.db is the file of another program; name another folder');
  return 0;
}

/** Makes the tables, or brings those of an older version up to date: all of it, or nothing if the process dies here. */
export async function upgrade(connection: Connection, from: number): Promise<void> {
  if (from === schemaVersion) return;
  const steps = from === 0 ? [tables, ...migrations] : migrations.slice(from - 1);
  await connection.script(`BEGIN IMMEDIATE; ${steps.join('\n')} PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${schemaVersion}; COMMIT;`);
}

/** Settings of the one connection that writes. Commits are durable when they return: WAL with synchronous=FULL, read back. */
export async function configureWriter(connection: Connection, cacheBytes: number = limits.storeCacheBytes): Promise<void> {
  await connection.script(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA cache_size = ${-cacheBytes / 1024};
    PRAGMA wal_autocheckpoint = ${limits.storeWalPages};`);
  const { journal } = await connection.one<{ journal: string }>('SELECT journal_mode AS journal FROM pragma_journal_mode');
  const { synchronous } = await connection.one<{ synchronous: number }>('SELECT synchronous FROM pragma_synchronous');
  const full = 2;
  if (journal !== 'wal' || synchronous !== full)
    throw new FilerError(
      'STORE_FAILED',
      `SQLite does not write durably here (journal_mode ${journal}, synchronous ${synchronous}); name a folder on a local disk`,
    );
}

export async function configureReader(connection: Connection): Promise<void> {
  await connection.script(`PRAGMA query_only = ON; PRAGMA cache_size = ${-limits.storeReadCacheBytes / 1024};`);
}
