import { expect } from 'chai';
import { startCluster, type Cluster, type ClusterFiler } from '../support/cluster.js';
import { MasterView } from '../support/master-view.js';
import { expectSame, fill } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

describe('A fresh filer that joins filers with 20,000 entries', function () {
  this.timeout(240_000);
  const entries = 20_000;
  let cluster: Cluster;
  let [a, b]: ClusterFiler[] = [];
  const views: MasterView[] = [];

  before(async () => {
    cluster = await startCluster({ filers: 2 });
    [a, b] = cluster.filers;
    await Promise.all([fill(a, '/a', entries / 2), fill(b, '/b', entries / 2)]);
    await cluster.converged([a, b], 120_000);
  });

  after(async () => {
    await cluster?.close();
    await Promise.all(views.map((view) => view.close()));
  });

  /** A filer whose ways to the others are slow enough to be watched. */
  async function slowFiler(sources: readonly ClusterFiler[]): Promise<ClusterFiler> {
    const view = await MasterView.of(cluster.master.address);
    views.push(view);
    for (const source of sources) (await view.to(source)).bytesPerSecond = 3_000_000;
    return cluster.addFiler({ masters: [view.address], ready: false });
  }

  const taken = async (filer: ClusterFiler): Promise<number> => (await filer.store()).counts.entries;
  const wait = (filer: ClusterFiler, share: number) =>
    waitFor(async () => (await taken(filer)) >= share * entries, { what: `${filer.name} to have ${share} of the entries`, timeoutMs: 60_000, everyMs: 5 });

  /** Pages of the snapshot that a filer has answered. */
  async function pagesGiven(filer: ClusterFiler): Promise<number> {
    const { text } = await filer.expect(200, 'GET', '/metrics');
    const lines = text.split('\n').filter((line) => line.startsWith('kelp_requests_total') && line.includes('snapshot') && line.includes('200'));
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  }

  it('goes on at its last page after a kill -9, and is not ready before the end', async () => {
    const before = (await pagesGiven(a)) + (await pagesGiven(b));
    const c = await slowFiler([a, b]);
    await wait(c, 0.6);
    expect(await c.request('GET', '/readyz')).to.have.property('status', 503);
    await c.kill();
    await c.start({ ready: false });
    const at = await waitFor(() => taken(c), { what: 'the filer to answer again' });
    expect(at).to.be.within(0.6 * entries, entries - 1);
    const early = await c.request('GET', '/readyz');
    expect(early.status).to.equal(503);
    expect(JSON.parse(early.text)).to.include({ code: 'BOOTSTRAPPING', ready: false });
    expect((await c.request('PUT', '/too-early', { body: 'x' })).status).to.equal(503);
    await c.ready(60_000);
    expect(c.log()).to.match(/goes on with the snapshot .* after \d+ entries/);
    // Said once the two have been compared, which is after it is ready.
    await c.started.waitForLine(/snapshot taken: \d+ entries, digest [0-9a-f]{16} equals the source's/, 60_000);
    await expectSame(cluster, [a, b, c]);
    const pages = (await pagesGiven(a)) + (await pagesGiven(b)) - before;
    // Full pages, and an empty one that says so.
    const needed = Math.ceil((await taken(c)) / 1000) + 1;
    expect(pages).to.be.within(needed, needed + 1);
  });

  it('takes another source when the one it has is gone for good', async () => {
    const sources = cluster.filers.slice();
    const d = await slowFiler(sources);
    await wait(d, 0.4);
    const [, address] = (await d.started.waitForLine(/takes a snapshot of (\S+):/)) as unknown as string[];
    const view = views.at(-1) as MasterView;
    const ways = await Promise.all(sources.map(async (source) => ({ source, way: await view.to(source) })));
    const gone = ways.find(({ way }) => way.address === address)?.source;
    if (!gone) throw new Error(`${address} is none of the sources`);
    await gone.kill();
    for (const { way } of ways) way.bytesPerSecond = Infinity;
    await d.ready(90_000);
    expect(d.log()).to.include('throws away the snapshot');
    await expectSame(
      cluster,
      cluster.filers.filter(({ running }) => running),
    );
  });
});
