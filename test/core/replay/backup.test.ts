import { join } from 'node:path';
import { expect } from 'chai';
import type { Entry } from '../../../src/core/entry/entry.js';
import { isReserved } from '../../../src/core/entry/path.js';
import type { FilerProcess } from '../../../src/core/filer-process.js';
import { silentLogger } from '../../../src/core/logger.js';
import { parseBackupScope, withBackup, type BackupFlags, type BackupOptions } from '../../../src/core/replay/backup.js';
import { openStoreReadOnly } from '../../../src/core/store/open-store.js';
import { realTime } from '../../../src/core/time.js';
import { failureOf } from '../../support/open-log.js';
import { Processes } from '../../support/processes.js';
import { tempDir } from '../../support/temp-dir.js';
import { waitFor } from '../../support/wait-for.js';

const never = new AbortController().signal;

describe('a backup into a folder', function () {
  this.timeout(60_000);
  const processes = new Processes();
  let source: FilerProcess;
  let directory: string;

  before(async () => {
    const master = await processes.master();
    source = await processes.filer({ masters: [master.address], limits: { logBytesMax: 60_000, tombstoneRetentionMs: 0, upkeepMs: 50 } });
  });
  beforeEach(async () => {
    directory = join(await tempDir(), 'copy');
  });
  after(() => processes.stopAll());

  const put = (path: string, content: string) => processes.send(source, 'PUT', path, content);
  const remove = (path: string) => processes.send(source, 'DELETE', `${path}?recursive=true`);
  const options = (flags: Partial<BackupFlags>): BackupOptions => {
    const scope = parseBackupScope({ filerDir: '/', includePrefixes: '', excludePrefixes: '', ...flags });
    return { scope, addresses: [source.address], directory, restart: false, time: realTime, logger: silentLogger };
  };
  const back = (flags: Partial<BackupFlags> = {}, more: Partial<BackupOptions> = {}): Promise<boolean> =>
    withBackup({ ...options(flags), ...more }, never, (sync) => sync.runUntilEqual(30_000, 50, never));
  /** The files in the folder, by path. */
  const files = async (): Promise<Record<string, string>> => {
    const store = await openStoreReadOnly(directory);
    try {
      const rows = (await store.scan('tree', null, 10_000, 1e9)).filter((row) => row.entry !== null && !row.isDirectory && !isReserved(row.path));
      return Object.fromEntries(
        rows.map((row) => [row.path, Buffer.from((JSON.parse(row.entry as string) as Entry).content ?? '', 'base64').toString()]).sort(),
      );
    } finally {
      await store.close();
    }
  };
  const changesIn = async (): Promise<number> => {
    const store = await openStoreReadOnly(directory);
    try {
      return (await store.load()).head;
    } finally {
      await store.close();
    }
  };

  it('copies all entries, goes on with the changes, and writes nothing where there are none', async () => {
    await put('/one/a', '1');
    await put('/one/b', '1');
    await put('/two/c', '1');
    expect(await back()).to.equal(true);
    expect(await files()).to.deep.equal({ '/one/a': '1', '/one/b': '1', '/two/c': '1' });
    await put('/one/a', '2');
    await remove('/one/b');
    await processes.send(source, 'POST', '/moved?mv.from=/two/c');
    expect(await back()).to.equal(true);
    expect(await files()).to.deep.equal({ '/moved': '1', '/one/a': '2' });
    const before = await changesIn();
    expect(await back()).to.equal(true);
    expect(await changesIn()).to.equal(before);
  });

  it('opens as a filer of its own, under a new origin', async () => {
    await put('/kept/file', 'content');
    expect(await back()).to.equal(true);
    const filer = await processes.filer({ dir: directory });
    expect((await processes.send(filer, 'GET', '/kept/file')).text()).to.equal('content');
    expect(filer.filer.log.identity.origin).to.not.equal(source.filer.log.identity.origin);
    await processes.send(filer, 'PUT', '/kept/file', 'written on');
    expect(await failureOf(() => back())).to.have.property('code', 'STORE_LOCKED');
    await processes.stop(filer);
  });

  it('takes only what it is told to, the deepest directory says', async () => {
    for (const path of ['/in/a', '/in/tmp/b', '/in/tmp/kept/c', '/out/d']) await put(path, '1');
    const flags = { includePrefixes: '/in,/in/tmp/kept', excludePrefixes: '/in/tmp' };
    expect(await back(flags)).to.equal(true);
    expect(Object.keys(await files())).to.deep.equal(['/in/a', '/in/tmp/kept/c']);
    expect((await failureOf(() => back())).message).to.include(
      'holds a backup of the whole tree with --includePrefixes=/in,/in/tmp/kept --excludePrefixes=/in/tmp',
    );
    expect(await back({ filerDir: '/in' }, { restart: true })).to.equal(true);
    expect(Object.keys(await files())).to.deep.equal(['/in/a', '/in/tmp/b', '/in/tmp/kept/c']);
    expect(await back({ filerDir: '/out' }, { restart: true })).to.equal(true);
    expect(Object.keys(await files())).to.deep.equal(['/out/d']);
  });

  it('copies again when the log no longer reaches back, and what was deleted and forgotten meanwhile goes', async () => {
    for (let i = 0; i < 20; i++) await put(`/trim/gone${i}`, '1');
    await put('/trim/stays', '1');
    await put('/trim/comes-back', 'old');
    expect(await back({ filerDir: '/trim' })).to.equal(true);
    await remove('/trim/comes-back');
    for (let i = 0; i < 20; i++) await remove(`/trim/gone${i}`);
    for (let i = 0; i < 60; i++) await put('/filler', 'x'.repeat(1500));
    const { log } = source.filer;
    await waitFor(() => log.state.counts.tombstones === 0, { what: 'the tombstones to be dropped', timeoutMs: 30_000 });
    await put('/trim/comes-back', 'new');
    await put('/trim/new', '1');
    expect(await back({ filerDir: '/trim' })).to.equal(true);
    expect(await files()).to.deep.equal({ '/trim/comes-back': 'new', '/trim/new': '1', '/trim/stays': '1' });
    await put('/trim/gone3', 'again');
    expect(await back({ filerDir: '/trim' })).to.equal(true);
    expect((await files())['/trim/gone3']).to.equal('again');
  });

  it('drops nothing because a filer has less than the copy', async () => {
    const master = await processes.master();
    const first = await processes.filer({ masters: [master.address] });
    await processes.send(first, 'PUT', '/only/here', '1');
    expect(await back({}, { addresses: [first.address] })).to.equal(true);
    await processes.stop(first);
    // Another store in its place, of the same cluster.
    const second = await processes.filer({ masters: [master.address], port: Number(first.address.split(':')[1]) });
    await processes.send(second, 'PUT', '/later', '1');
    await withBackup({ ...options({}), addresses: [second.address], restart: true }, never, async (sync) => {
      const stop = new AbortController();
      const running = sync.run(stop.signal);
      const says = () => /has not yet what the copy that is there has; .* begin in another folder/.test(sync.status().directions[0]?.lastError?.error ?? '');
      await waitFor(says, { what: 'the backup to say that the filer has less', timeoutMs: 30_000 });
      stop.abort(new Error('the test ends it'));
      await running;
    });
    expect(await files()).to.deep.equal({ '/only/here': '1' });
  });

  it('refuses a folder that holds something else, and one of another cluster', async () => {
    const filer = await processes.filer({ dir: directory });
    await processes.send(filer, 'PUT', '/own', '1');
    await processes.stop(filer);
    expect((await failureOf(() => back({}, { restart: true }))).message).to.include('holds a store that is no backup');
    directory = join(await tempDir(), 'copy');
    expect(await back()).to.equal(true);
    const other = await processes.filer();
    expect((await failureOf(() => back({}, { addresses: [other.address] }))).message).to.match(
      /holds a backup of cluster [0-9a-f]{16}, and 127.0.0.1:\d+ belongs to/,
    );
  });

  it('refuses directories that nothing comes from', () => {
    expect(() => parseBackupScope({ filerDir: '/.filer', includePrefixes: '', excludePrefixes: '' })).to.throw(/--filerDir: \/\.filer holds kelp's own/);
    expect(() => parseBackupScope({ filerDir: '/', includePrefixes: '/a,b', excludePrefixes: '' })).to.throw(/--includePrefixes: /);
  });
});
