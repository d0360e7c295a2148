import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { isFailure } from '../../src/core/errors.js';
import { readStoreIds, regenerate } from '../../src/core/offline-store.js';
import { realTime } from '../../src/core/time.js';
import { Processes } from '../support/processes.js';
import { tempDir } from '../support/temp-dir.js';
import { waitFor } from '../support/wait-for.js';

const codeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => null,
    (error: unknown) => (isFailure(error) ? error.code : error),
  );

describe('offline store', () => {
  const processes = new Processes();
  after(() => processes.stopAll());

  it('tells its ids, those its filer tells, also while that runs', async () => {
    const dir = await tempDir();
    const filer = await processes.filer({ dir });
    await processes.send(filer, 'PUT', '/a', 'x');
    const { storeId, origin, clusterId, former } = filer.filer.log.identity;
    const ids = await readStoreIds(dir);
    expect(ids).to.include({ storeId, origin, clusterId, phase: 'ready', engine: 'sqlite', kind: 'embedded' });
    expect(ids.former).to.deep.equal(former);
    expect(ids.position).to.deep.equal({ [origin]: 1 });
  });

  it('goes on under a new origin at once if it has never met another', async () => {
    const dir = await tempDir();
    const filer = await processes.filer({ dir });
    await processes.send(filer, 'PUT', '/a', 'x');
    await processes.stop(filer);
    const { before, after } = await regenerate(dir, realTime);
    expect(after).to.include({ storeId: before.storeId, phase: 'ready' });
    expect(after.former).to.deep.equal([before.origin]);
    expect(after.epoch).not.to.equal(before.epoch);
    const again = await processes.filer({ dir });
    expect(again.filer.log.identity.origin).to.equal(after.origin);
    expect((await processes.send(again, 'GET', '/a')).text()).to.equal('x');
  });

  it('must rejoin first if it has met others', async () => {
    const master = await processes.master();
    const masters = [master.address];
    const dir = await tempDir();
    const filer = await processes.filer({ dir, masters });
    const other = await processes.filer({ masters });
    await waitFor(() => filer.filer.log.position.has(other.filer.log.identity.origin), { what: 'the filers to meet' });
    await processes.send(filer, 'PUT', '/a', 'x');
    await processes.stop(filer);
    expect((await regenerate(dir, realTime)).after.phase).to.equal('restored');
  });

  it('is left alone while a filer runs on it, and not made where there is none', async () => {
    const dir = await tempDir();
    const filer = await processes.filer({ dir });
    expect(await codeOf(regenerate(dir, realTime))).to.equal('STORE_LOCKED');
    expect(filer.filer.log.identity.origin).to.equal((await readStoreIds(dir)).origin);
    const parent = await tempDir();
    for (const directory of [parent, join(parent, 'nothing')]) expect(await codeOf(regenerate(directory, realTime))).to.equal('STORE_FAILED');
    expect(await readdir(parent)).to.deep.equal([]);
  });
});
