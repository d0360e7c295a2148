import { join } from 'node:path';
import { expect } from 'chai';
import { startCluster, type Cluster, type ClusterFiler } from '../support/cluster.js';
import { runKelp, startKelp, type Started } from '../support/run-kelp.js';
import { fill, treeOf } from '../support/trees.js';

/* A cluster of two filers, and `kelp filer.meta.backup` of it, all of them processes. */

const untilMs = 90_000;

describe('filer.meta.backup of a cluster', function () {
  this.timeout(240_000);
  let cluster: Cluster;
  let directory: string;
  let backup: Started | null = null;

  before(async () => {
    cluster = await startCluster({ filers: 2 });
    directory = join(cluster.directory, 'copy');
  });
  after(async () => {
    await backup?.kill('SIGKILL');
    await cluster?.close();
  });

  const args = (...more: string[]) => ['filer.meta.backup', `--filer=${cluster.filers[0]?.address}`, `--store=${directory}`, ...more];
  const start = () => (backup = startKelp(args('--json')));

  it('goes on after kill -9 through writes, in the copy and after it, and at another filer of the cluster', async () => {
    const [first, second] = cluster.filers as [ClusterFiler, ClusterFiler];
    await fill(first, '/before', 1500);
    for (let round = 0; round < 3; round += 1) {
      const running = start();
      const writes = Promise.all([fill(first, `/round-${round}`, 150), fill(second, `/other-${round}`, 150)]);
      // In the first round while it copies, if it is seen to, later while it follows.
      await running.waitForLine(round === 0 ? /"received":[1-9]/ : /"state":"following"/, untilMs);
      await running.kill('SIGKILL');
      await writes;
      await second.remove(`/other-${Math.max(0, round - 1)}`, { recursive: true });
      await first.move(`/round-${round}/01`, `/moved-${round}`);
    }
    const running = start();
    await running.waitForLine(/"state":"following"/, untilMs);
    await first.kill();
    await second.put('/after/first-was-lost', 'second');
    await running.waitForLine(new RegExp(`"source":"${second.address}"`), untilMs);
    await first.start();
    expect((await running.kill('SIGINT')).code).to.equal(130);
    const { code, stdout, stderr } = await runKelp(args('--once', `--timeout=${untilMs / 1000}s`), { timeoutMs: untilMs + 30_000 });
    expect(code, `${stdout}${stderr}${cluster.logs()}`).to.equal(0);
  });

  it('opens as a filer with the same tree, under an origin of its own', async () => {
    const [first] = cluster.filers as [ClusterFiler];
    const members = cluster.filers.slice();
    const copy = await cluster.addFiler({ directory, masters: [] });
    expect(await treeOf(copy)).to.deep.equal(await treeOf(first));
    expect(await copy.get('/after/first-was-lost')).to.equal('second');
    const [{ origin }, { position }] = [await copy.store(), await first.store()];
    expect(position).to.not.have.property(origin);
    expect(members.map(({ running }) => running)).to.deep.equal([true, true]);
    await copy.put('/own', 'written on');
    expect(await copy.get('/own')).to.equal('written on');
  });
});
