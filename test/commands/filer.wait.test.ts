import { expect } from 'chai';
import type { WaitResult } from '../../src/core/api/meta/cluster-wait.js';
import { freePort, startCluster, type Cluster, type ClusterFiler } from '../support/cluster.js';
import { runKelp } from '../support/run-kelp.js';

describe('kelp filer.wait', function () {
  this.timeout(90_000);
  let cluster: Cluster;
  let master: string;
  let [a, b, c]: ClusterFiler[] = [];

  before(async () => {
    cluster = await startCluster({ filers: 3 });
    [a, b, c] = cluster.filers;
    master = `--master=${cluster.master.address}`;
  });
  after(() => cluster?.close());

  const wait = (...args: string[]) => runKelp(['filer.wait', ...args], { timeoutMs: 60_000 });
  const jsonOf = async (...args: string[]): Promise<WaitResult> => JSON.parse((await wait('--json', ...args)).stdout) as WaitResult;

  it('exits 0 when all filers hold the same, in time with what was just written', async () => {
    for (let n = 0; n < 40; n += 1) await a.put(`/d/f${n}`, 'x');
    const { code, stdout, stderr } = await wait(master);
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
    expect(stdout).to.match(/^3 filers, [\d.]+ s\n$/);
    const digests = await Promise.all(cluster.filers.map((filer) => filer.digest()));
    expect(new Set(digests).size).to.equal(1);
  });

  it('ends under constant writes', async () => {
    let writing = true;
    const writers = cluster.filers.map(async (filer, i) => {
      for (let n = 0; writing; n += 1) await filer.put(`/busy/${i}-${n % 50}`, String(n));
    });
    try {
      expect((await wait(master)).code).to.equal(0);
    } finally {
      writing = false;
      await Promise.all(writers);
    }
  });

  it('waits for the filers named, for a position, and for readiness', async () => {
    const position = await b.put('/d/position', 'x');
    const both = `--filer=${a.address},${c.address}`;
    const { done, filers, waiting } = await jsonOf(both, `--position=${position}`);
    expect({ done, filers, waiting }).to.deep.equal({ done: true, filers: [a.address, c.address], waiting: [] });
    expect([await a.get('/d/position'), await c.get('/d/position')]).to.deep.equal(['x', 'x']);
    expect((await wait(both, '--for=ready')).code).to.equal(0);
  });

  it('exits 1 when the time is over, naming the filers waited for and why', async () => {
    const { origin } = await a.store();
    const { code, stdout, stderr } = await wait(`--filer=${a.address}`, `--position=${origin}:999999`, '--timeout=300ms');
    expect({ code, stdout }).to.deep.equal({ code: 1, stdout: '' });
    expect(stderr).to.match(
      new RegExp(`^kelp filer.wait: not so after [\\d.]+ s; waiting for\n {2}${a.address}: lacks \\d+ changes, up to ${origin}:999999\n$`),
    );
  });

  it('waits for a filer that hangs as long as it counts as up', async () => {
    c.pause();
    try {
      const { done, waiting } = await jsonOf(master, '--timeout=2s');
      expect(done).to.equal(false);
      expect(waiting.map(({ filer }) => filer)).to.deep.equal([c.address]);
      expect(waiting[0]?.why).to.contain('no answer within');
    } finally {
      c.resume();
    }
    expect((await wait(master)).code).to.equal(0);
  });

  it('exits 3 when nobody can be reached, 2 for a position that is none', async () => {
    const nobody = `127.0.0.1:${await freePort()}`;
    const silent = await wait(`--master=${nobody}`, '--timeout=500ms');
    expect(silent.code).to.equal(3);
    expect(silent.stderr).to.contain('no master answers');
    expect((await wait(`--filer=${nobody}`, '--timeout=500ms')).code).to.equal(3);
    const bad = await wait(master, '--position=x');
    expect(bad.code).to.equal(2);
    expect(bad.stderr).to.contain('--position: ');
  });
});
