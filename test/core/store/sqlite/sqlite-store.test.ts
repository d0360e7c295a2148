import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ledgerLimits } from '../../../../src/core/store/ledger.js';
import { openStore, openStoreReadOnly } from '../../../../src/core/store/open-store.js';
import { createBatchView } from '../../../../src/core/store/sqlite/batch.js';
import { Connection } from '../../../../src/core/store/sqlite/connection.js';
import { configureWriter, schemaVersion } from '../../../../src/core/store/sqlite/schema.js';
import { runTransaction } from '../../../../src/core/store/sqlite/sqlite-transaction.js';
import type { Store } from '../../../../src/core/store/store.js';
import { realTime } from '../../../../src/core/time.js';
import { alpha, beta, originOf, path, recordOf, rowOf, runsOf } from '../../../support/store-values.js';
import { tempDir } from '../../../support/temp-dir.js';

const open = (directory: string): Promise<Store> => openStore({ directory, time: realTime });
const failureOf = (promise: Promise<unknown>): Promise<Error & { code?: string }> =>
  promise.then(
    () => expect.fail('it did not fail'),
    (error: Error) => error,
  );
const treeOf = async (store: Store): Promise<string[]> => (await store.scan('tree', null, 100, 1e9)).map((row) => row.path);

describe('SqliteStore', () => {
  let directory: string;

  beforeEach(async () => {
    directory = join(await tempDir(), 'deep', 'store');
  });

  it('makes a folder and files that only their owner may read', async () => {
    const store = await open(directory);
    await store.transaction((tx) => tx.write({ kv: new Map([['a', '1']]) }));
    const modes = await Promise.all(
      ['.', ...(await readdir(directory))].map(async (name) => [name, ((await stat(join(directory, name))).mode & 0o777).toString(8)]),
    );
    expect(Object.fromEntries(modes)).to.deep.equal({
      '.': '700',
      'filer.db': '600',
      'filer.db-shm': '600',
      'filer.db-wal': '600',
      'filer.word': '600',
      'lock.db': '600',
    });
    await store.close();
    expect(await readdir(directory)).to.have.members(['filer.db', 'filer.word', 'lock.db']);
  });

  it('brings a store of the first format up to date, with everything in it', async () => {
    const store = await open(directory);
    const values = [
      '60',
      60,
      2 ** 31 - 1,
      2 ** 31,
      0,
      1,
      '007',
      '',
      ' 60',
      '60s',
      6e9,
      1e10,
      1.5,
      -1,
      true,
      null,
      [],
      {},
      4503599627,
      4503599628,
      '12345678901',
    ];
    const entries = values.flatMap((value) => [
      { crtime: '1000', ttlSec: value },
      { crtime: value, ttlSec: 60 },
      { crtime: 1000, crtimeNs: value, ttlSec: 60 },
    ]);
    const lasting = entries.map((attributes, i) =>
      rowOf(`/ttl/${i}`, { entry: JSON.stringify({ attributes: { ...attributes }, isDirectory: false, name: `${i}` }) }),
    );
    const directoryRow = rowOf('/dir', { isDirectory: true, entry: lasting[0].entry });
    const noAttributes = rowOf('/none', { entry: '{"isDirectory":false,"name":"\\"ttlSec\\":","other":{"ttlSec":60}}' });
    const [known, unknown] = [runsOf(1), []].map((runs) => originOf(alpha, { seq: 3, runs }));
    await store.transaction((tx) =>
      tx.write({ rows: { tree: [rowOf('/a'), directoryRow, noAttributes, ...lasting], staging: lasting }, origins: [known, originOf(beta)] }),
    );
    const due = await store.expired({ now: 2 ** 53, limit: 1000 });
    expect(due).to.have.length.above(10);
    await store.close();
    const dropped = ['entries', 'staging', 'remembered'].map((table) => `ALTER TABLE ${table} DROP COLUMN expires`).join(';');
    await script(
      directory,
      `DROP INDEX entries_tombstones; DROP INDEX entries_expires; ${dropped}; ALTER TABLE positions DROP COLUMN runs; PRAGMA user_version = 1`,
    );
    expect(await failureOf(openStoreReadOnly(directory))).to.include({ code: 'STORE_FAILED' });
    const upgraded = await open(directory);
    expect(await treeOf(upgraded)).to.include('/a');
    expect(await upgraded.expired({ now: 2 ** 53, limit: 1000 })).to.deep.equal(due);
    expect((await upgraded.load()).origins, 'where runs began nobody knows').to.have.deep.members([unknown, originOf(beta)]);
    await upgraded.close();
    const connection = await Connection.open(join(directory, 'filer.db'), 'read', 0);
    expect(await connection.all('SELECT user_version FROM pragma_user_version')).to.deep.equal([{ user_version: schemaVersion }]);
    expect(await connection.all("SELECT name FROM sqlite_schema WHERE name = 'entries_tombstones'")).to.have.length(1);
    await connection.close();
  });

  it('writes with synchronous=FULL into a write-ahead log', async () => {
    await (await open(directory)).close();
    const connection = await Connection.open(join(directory, 'filer.db'), 'create', 0);
    await connection.script('PRAGMA synchronous = OFF');
    await configureWriter(connection);
    expect(await connection.all('PRAGMA synchronous')).to.deep.equal([{ synchronous: 2 }]);
    expect(await connection.all('PRAGMA journal_mode')).to.deep.equal([{ journal_mode: 'wal' }]);
    await connection.close();
  });

  it('refuses the store of a newer kelp', async () => {
    await (await open(directory)).close();
    await script(directory, `PRAGMA user_version = ${schemaVersion + 1}`);
    expect(await failureOf(open(directory))).to.include({
      code: 'STORE_TOO_NEW',
      message: `the store has format ${schemaVersion + 1}, this kelp knows ${schemaVersion}; start it with a newer kelp`,
    });
    expect(await failureOf(openStoreReadOnly(directory))).to.have.property('code', 'STORE_TOO_NEW');
  });

  it('refuses what is not its file, and leaves it alone', async () => {
    await mkdir(directory, { recursive: true });
    await script(directory, 'CREATE TABLE theirs (x)');
    expect(await failureOf(open(directory))).to.have.property('code', 'STORE_FAILED');
    const garbage = join(directory, '..', 'garbage');
    await mkdir(garbage);
    await writeFile(join(garbage, 'filer.db'), 'not a database, but long enough to look into'.repeat(100));
    const failure = await failureOf(open(garbage));
    expect(failure).to.have.property('code', 'STORE_FAILED');
    expect(failure.message).to.contain('is not a database');
    const file = join(directory, '..', 'file');
    await writeFile(file, '');
    expect(await failureOf(open(file))).to.have.property('code', 'STORE_FAILED');
  });

  it('is held by one process, is read beside it, and keeps only what was committed when that is killed', async () => {
    const holder = spawn(process.execPath, ['--import', 'tsx', fileURLToPath(new URL('../../../support/store-holder.ts', import.meta.url)), directory], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await once(holder.stdout, 'data');
      const failure = await failureOf(open(directory));
      expect(failure).to.include({
        code: 'STORE_LOCKED',
        exit: 5,
        message: `the store in ${directory} is held by another process; stop that process or name another folder`,
      });
      const reader = await openStoreReadOnly(directory);
      expect([reader.verdict, await treeOf(reader)]).to.deep.equal(['same', ['/kept']]);
      await reader.close();
    } finally {
      holder.kill('SIGKILL');
    }
    await once(holder, 'exit');
    const store = await open(directory);
    expect([store.verdict, await treeOf(store)]).to.deep.equal(['same', ['/kept']]);
    await store.close();
  });

  it('is held against a second opener in the same process too', async () => {
    const store = await open(directory);
    expect(await failureOf(open(directory))).to.have.property('code', 'STORE_LOCKED');
    // The failed attempt must not have loosened the lock.
    expect(await failureOf(open(directory))).to.have.property('code', 'STORE_LOCKED');
    await store.transaction((tx) => tx.write({ kv: new Map([['a', '1']]) }));
    await store.close();
    await (await open(directory)).close();
  });

  it('is only read when it is opened for that', async () => {
    expect(await failureOf(openStoreReadOnly(directory))).to.have.property('code', 'STORE_FAILED');
    const store = await open(directory);
    await store.transaction((tx) => tx.write({ rows: { tree: [rowOf('/a')] }, meta: new Map([['storeId', 'x']]) }));
    const reader = await openStoreReadOnly(directory);
    expect((await reader.load()).meta).to.deep.equal(new Map([['storeId', 'x']]));
    expect(await failureOf(reader.transaction(async () => {}))).to.be.instanceOf(TypeError);
    await reader.close();
    await store.close();
    const later = await openStoreReadOnly(directory);
    expect(await treeOf(later)).to.deep.equal(['/a']);
    await later.close();
    const again = await open(directory);
    expect(again.verdict).to.equal('same');
    await again.close();
  });

  it('says when the disk is full, and works on when there is room again', async () => {
    await (await open(directory)).close();
    const connection = await Connection.open(join(directory, 'filer.db'), 'create', 0);
    await connection.script(createBatchView);
    const write = (at: string, bytes: number) =>
      runTransaction(connection, ledgerLimits, (tx) => tx.write({ rows: { tree: [rowOf(at, { entry: 'x'.repeat(bytes) })] } }));
    await write('/a', 10);
    const [{ pages }] = await connection.all<{ pages: number }>('SELECT page_count AS pages FROM pragma_page_count');
    await connection.script(`PRAGMA max_page_count = ${pages + 5}`);
    expect(await failureOf(write('/b', 1_000_000))).to.include({ code: 'STORE_FULL', status: 507 });
    await write('/c', 10);
    await connection.script(`PRAGMA max_page_count = ${pages + 1000}`);
    await write('/b', 1_000_000);
    expect(await connection.all('SELECT name FROM entries ORDER BY name')).to.deep.equal([{ name: 'a' }, { name: 'b' }, { name: 'c' }]);
    await connection.close();
  });

  it('refuses writes in a transaction that has ended', async () => {
    const store = await open(directory);
    const late = await store.transaction(async (tx) => tx);
    expect(await failureOf(late.write({ kv: new Map([['a', '1']]) }))).to.be.instanceOf(TypeError);
    expect(await store.getKv('a')).to.equal(null);
    await store.close();
  });

  it('reads no more of great contents than a page may hold', async () => {
    const store = await open(directory);
    const mebibyte = 'x'.repeat(1024 * 1024);
    await store.transaction(async (tx) => {
      const numbers = Array.from({ length: 12 }, (_, i) => i + 1);
      await tx.write({ rows: { tree: numbers.map((i) => rowOf(`/d/${i}`, { entry: mebibyte })) }, log: numbers.map((i) => recordOf(i, { text: mebibyte })) });
    });
    const bytesMax = 4 * 1024 * 1024;
    expect(await store.scan('tree', null, 1000, bytesMax)).to.have.length(4);
    expect((await store.list(path('/d'), { after: '', limit: 1000, bytesMax })).names).to.have.length(4);
    expect(await store.readLog({ after: 0, limit: 1000, bytesMax })).to.have.length(4);
    await store.close();
  });
});

async function script(directory: string, sql: string): Promise<void> {
  const connection = await Connection.open(join(directory, 'filer.db'), 'create', 0);
  await connection.script(sql);
  await connection.close();
}
