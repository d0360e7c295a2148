import { expect } from 'chai';
import type { ClusterSample } from '../../src/core/api/meta/cluster-view.js';
import { startCluster, type Cluster } from '../support/cluster.js';
import { runKelp } from '../support/run-kelp.js';

describe('kelp filer.peers', function () {
  this.timeout(120_000);
  let cluster: Cluster;

  before(async () => {
    cluster = await startCluster({ filers: 2 });
    await cluster.filers[0].put('/one', '1');
    await cluster.converged();
  });

  after(() => cluster?.close());

  async function look(): Promise<{ code: number | null; sample: ClusterSample; ms: number }> {
    const started = performance.now();
    const { code, stdout, stderr } = await runKelp(['filer.peers', `--master=${cluster.master.address}`, '--json'], { timeoutMs: 30_000 });
    if (stdout === '') throw new Error(stderr);
    return { code, sample: JSON.parse(stdout) as ClusterSample, ms: performance.now() - started };
  }

  it('shows no lag for idle filers, an unknown one within 2 s for a stopped process, and none again later', async () => {
    const [a, b] = cluster.filers;
    const idle = await look();
    expect(idle.code).to.equal(0);
    expect(idle.sample.pairs.map(({ lagSeconds }) => lagSeconds)).to.deep.equal([0, 0]);

    b.pause();
    const stuck = await look();
    expect(stuck.code).to.equal(1);
    const lag = new Map(stuck.sample.pairs.map((pair) => [pair.peer, pair.lagSeconds]));
    expect(lag.get(b.address), 'what is known of a process that stands still').to.equal(null);
    // What the command itself needs to start is in both.
    expect(stuck.ms - idle.ms).to.be.below(2000);

    b.resume();
    await b.ready();
    await a.put('/two', '2');
    await cluster.converged();
    expect((await look()).code).to.equal(0);
  });
});
