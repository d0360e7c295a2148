import { cp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { StoreIds } from '../../src/core/api/meta/store-ids.js';
import type { Finding } from '../../src/core/offline-store-check.js';
import { freePort, startCluster, type Cluster, type ClusterFiler } from '../support/cluster.js';
import { runKelp } from '../support/run-kelp.js';
import { damage } from '../support/damage.js';

describe('kelp filer.store.id', function () {
  this.timeout(60_000);
  let cluster: Cluster;
  let [a, b]: ClusterFiler[] = [];

  before(async () => {
    cluster = await startCluster({ filers: 2 });
    [a, b] = cluster.filers;
    for (let n = 0; n < 20; n += 1) await (n % 2 ? a : b).put(`/d${n % 3}/f${n}`, `content ${n}`);
    await a.remove('/d0', { recursive: true });
    await cluster.converged();
  });
  after(() => cluster?.close());

  const storeId = (...args: string[]) => runKelp(['filer.store.id', ...args]);
  const idsOf = async (...args: string[]): Promise<StoreIds> => JSON.parse((await storeId('--json', ...args)).stdout) as StoreIds;

  it('prints the store id alone, of a filer or a folder', async () => {
    const expected = { code: 0, signal: null, stdout: `${(await a.store()).storeId}\n`, stderr: '' };
    expect(await storeId(`--filer=${a.address}`)).to.deep.equal(expected);
    expect(await storeId(`--store=${a.directory}`)).to.deep.equal(expected);
  });

  it('prints all ids under --json, the same of a running filer and of its folder', async () => {
    const { origin, storeId, clusterId, position } = await a.store();
    const asked = await idsOf(`--filer=${a.address}`);
    expect(asked).to.include({ origin, storeId, clusterId, phase: 'ready', engine: 'sqlite', kind: 'embedded' });
    expect(asked.position).to.deep.equal(position);
    expect(asked.former).to.deep.equal([]);
    expect(await idsOf(`--store=${a.directory}`)).to.deep.equal(asked);
  });

  it('finds nothing wrong in a sound store, running or not, also while it is written to', async () => {
    let busy = true;
    const writing = (async () => {
      for (let n = 0; busy; n += 1) {
        await a.put(`/busy/f${n % 50}`, String(n));
        // Some rest, as between users' writes: sums are compared between two of them.
        if (n % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 300));
      }
    })();
    const checks = await Promise.all([storeId(`--store=${a.directory}`, '--check'), storeId(`--filer=${a.address}`, '--check')]);
    busy = false;
    await writing;
    for (const { code, stdout, stderr } of checks) {
      expect({ code, stdout }).to.deep.equal({ code: 0, stdout: '' });
      expect(stderr).to.equal('checking …\nall of it fits together\n');
    }
  });

  it('does not renew the origin of a store that is in use, or of none', async () => {
    const locked = await storeId(`--store=${a.directory}`, '--regenerate');
    expect(locked.code).to.equal(5);
    expect(locked.stderr).to.match(/is held by another process; stop that process/);
    expect((await storeId(`--store=${join(cluster.directory, 'nothing')}`, '--regenerate')).code).to.equal(5);
    expect(await readdir(cluster.directory)).not.to.contain('nothing');
    const unnamed = await storeId('--regenerate');
    expect(unnamed.code).to.equal(2);
    expect(unnamed.stderr).to.contain('name it with --store');
  });

  it('renews the origin of a stopped filer, which then rejoins with all it had', async () => {
    const tree = await b.tree();
    const before = await b.store();
    await b.stop();
    const { code, stdout, stderr } = await storeId(`--store=${b.directory}`, '--regenerate');
    expect(code).to.equal(0);
    const [, old, fresh] = /^([0-9a-f]{16}) → ([0-9a-f]{16})\n$/.exec(stdout) ?? [];
    expect(old).to.equal(before.origin);
    expect(stderr).to.equal('it rejoins the others when its filer starts\n');
    const ids = await idsOf(`--store=${b.directory}`);
    expect(ids).to.include({ origin: fresh, phase: 'restored', storeId: before.storeId });
    expect(ids.former).to.deep.equal([old]);
    await b.start();
    await cluster.converged();
    expect(await b.tree()).to.deep.equal(tree);
    expect((await b.store()).origin).not.to.equal(old);
  });

  it('says what does not fit in a damaged store, as text or JSON, and exits 1', async () => {
    const directory = join(cluster.directory, 'damaged');
    await a.stop();
    await cp(a.directory, directory, { recursive: true });
    await a.start();
    expect((await storeId(`--store=${directory}`, '--check')).code).to.equal(0);
    await damage['a row lost'].inflict(join(directory, 'filer.db'));
    const { code, stdout, stderr } = await storeId(`--store=${directory}`, '--check');
    expect(code).to.equal(1);
    expect(stdout).to.match(/^sums\tbucket \d+ of the digest is kept as \d+, its rows add up to \d+$/m);
    expect(stderr).to.match(/^\d+ things do not fit$/m);
    const asJson = await storeId(`--store=${directory}`, '--check', '--json');
    expect(asJson.code).to.equal(1);
    const { findings } = JSON.parse(asJson.stdout) as { findings: Finding[] };
    expect(findings.map(({ part, problem }) => `${part}\t${problem}\n`).join('')).to.equal(stdout);
  });

  it('exits 5 where there is no usable store, and 3 where no filer is', async () => {
    for (const flag of [[], ['--check'], ['--json']]) expect((await storeId(`--store=${cluster.directory}`, ...flag)).code).to.equal(5);
    const { code, stderr } = await storeId(`--filer=127.0.0.1:${await freePort()}`);
    expect(code).to.equal(3);
    expect(stderr).to.match(/cannot reach .* \(connection refused\)/);
    expect((await storeId('--filer=localhost:1', '--store=.')).code).to.equal(2);
  });
});
