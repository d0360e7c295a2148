import { expect } from 'chai';
import { freePort, startCluster, type Cluster, type ClusterFiler } from '../support/cluster.js';
import { expectSame } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

describe('Filers and masters that start in any order', function () {
  this.timeout(180_000);
  let cluster: Cluster;

  afterEach(() => cluster?.close());

  async function startAtOnce(count: number): Promise<ClusterFiler[]> {
    const filers = await Promise.all(Array.from({ length: count }, () => cluster.addFiler({ ready: false })));
    await Promise.all(filers.map((filer) => filer.ready()));
    return filers;
  }

  /** Each writes at once, and all have everything. */
  async function expectTogether(filers: readonly ClusterFiler[], top: string): Promise<void> {
    await Promise.all(filers.map((filer, number) => filer.put(`${top}/${number}`, filer.name)));
    const tree = await expectSame(cluster, filers);
    expect([...tree.keys()]).to.include.members(filers.map((_, number) => `${top}/${number}`));
  }

  it('two fresh ones at the same moment are both ready and follow each other', async () => {
    cluster = await startCluster({ filers: 0 });
    await expectTogether(await startAtOnce(2), '/two');
  });

  it('three fresh ones at the same moment, after one that holds data, are all filled from it', async () => {
    cluster = await startCluster({ filers: 1 });
    const [first] = cluster.filers;
    for (let number = 0; number < 50; number += 1) await first.put(`/data/${number}`, String(number));
    const fresh = await startAtOnce(3);
    for (const filer of fresh) expect(await filer.get('/data/49')).to.equal('49');
    await expectTogether([first, ...fresh], '/four');
  });

  it('filers whose master comes last serve alone, say so once, and find each other', async () => {
    cluster = await startCluster({ filers: 0 });
    await cluster.master.stop();
    const [first, second] = await startAtOnce(2);
    await first.put('/early/first', 'without a master');
    expect(await second.get('/early/first')).to.equal(null);
    await cluster.master.start();
    const found = async () => (await second.get('/early/first')) !== null;
    await waitFor(found, { what: 'the second to hear of the first', timeoutMs: 30_000 });
    // What a snapshot brings shows before all of it is there.
    await second.ready();
    await expectTogether([first, second], '/late');
    for (const filer of [first, second]) expect(filer.log().match(/ is absent: /g), filer.log()).to.have.length(1);
  });

  it('filers go on with each other while their master is gone, and when it is back', async () => {
    cluster = await startCluster({ filers: 2 });
    const [a, b] = cluster.filers;
    await expectTogether([a, b], '/before');
    await cluster.master.kill();
    await Promise.all([a, b].map((filer) => filer.started.waitForLine(/is absent/, 20_000)));
    await expectTogether([a, b], '/without');
    await cluster.master.start();
    await Promise.all([a, b].map((filer) => filer.started.waitForLine(/is back/, 30_000)));
    await expectTogether([a, b, await cluster.addFiler()], '/after');
  });

  it('filers that restart while every master is gone find each other by the list they kept', async () => {
    cluster = await startCluster({ filers: 2, masters: 2 });
    const [a, b] = cluster.filers;
    await expectTogether([a, b], '/before');
    for (const master of cluster.masters) await master.kill();
    await a.kill();
    await a.start();
    await expectTogether([a, b], '/a-again');
    await Promise.all([a.stop(), b.stop()]);
    await Promise.all([a.start(), b.start()]);
    await expectTogether([a, b], '/both-again');
    for (const filer of [a, b]) expect(filer.log().match(/ is absent: /g), filer.log()).to.have.length(2);
  });

  it('a filer started with masters that do not exist serves, and says so once', async () => {
    cluster = await startCluster({ filers: 0, masters: 0 });
    const alone = await cluster.addFiler({ masters: [`127.0.0.1:${await freePort()}`] });
    await alone.put('/alone', 'works');
    expect(await alone.get('/alone')).to.equal('works');
    const since = performance.now();
    // A line that must not come has no condition to wait for: long enough for several attempts.
    await waitFor(() => performance.now() - since > 4000, { what: 'further attempts' });
    expect(alone.log().match(/ is absent: /g), alone.log()).to.have.length(1);
  });
});
