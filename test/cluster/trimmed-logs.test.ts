import { expect } from 'chai';
import { startCluster, type Cluster, type ClusterFiler } from '../support/cluster.js';
import { MasterView } from '../support/master-view.js';
import { expectSame, fill } from '../support/trees.js';

interface Log {
  readonly bytes: number;
  readonly bytesMax: number;
  readonly heldBy: readonly { readonly origin: string }[];
  readonly peers: readonly { readonly origin: string; readonly missing: { readonly events: number }; readonly budgetSeconds: number | null }[];
}

const logOf = (filer: ClusterFiler) => filer.json<Log>('/.filer/v1/log');

describe('Filers with logs of at most 30,000 bytes, and deletions that are kept for a second', function () {
  this.timeout(240_000);
  let cluster: Cluster;
  /** What a and b see of each other. */
  let [ofA, ofB]: MasterView[] = [];
  let [a, b]: ClusterFiler[] = [];

  before(async () => {
    cluster = await startCluster({ filers: 0, filerArgs: ['--log.maxBytes=30000', '--tombstone.retention=1s'] });
    [ofA, ofB] = [await MasterView.of(cluster.master.address), await MasterView.of(cluster.master.address)];
    a = await cluster.addFiler({ masters: [ofA.address] });
    b = await cluster.addFiler({ masters: [ofB.address] });
    await a.put('/shared/deleted at a', 'x');
    await b.put('/shared/both', 'before');
    await cluster.converged();
  });

  after(async () => {
    await cluster?.close();
    await ofA?.close();
    await ofB?.close();
  });

  it('both recover by a snapshot when each is behind the log of the other', async () => {
    const ways = [await ofA.to(b), await ofB.to(a)];
    for (const way of ways) way.cut();
    await Promise.all([fill(a, '/of-a', 200), fill(b, '/of-b', 200)]);
    await a.remove('/shared/deleted at a');
    await a.put('/shared/both', 'written at a');
    await b.put('/shared/both', 'written at b, later');
    for (const filer of [a, b]) {
      await filer.until('the log to be trimmed', async () => (await logOf(filer)).bytes <= 30_000);
      // The feed from its beginning is gone, and says so.
      const gone = await filer.request('GET', '/.filer/v1/changes?offset=-1');
      expect({ status: gone.status, code: (JSON.parse(gone.text) as { code: string }).code }).to.deep.equal({ status: 410, code: 'LOG_TRIMMED' });
    }
    const [other] = (await logOf(a)).peers;
    expect(other).to.deep.include({ origin: (await b.store()).origin, budgetSeconds: 0 });
    expect(other.missing.events).to.be.at.least(200);
    for (const way of ways) way.heal();
    const tree = await expectSame(cluster, [a, b], 90_000);
    expect([...tree.keys()].filter((path) => path.includes('/file-')).length).to.equal(400);
    expect([...tree.keys()]).not.to.include('/shared/deleted at a');
    expect(await a.get('/shared/both')).to.equal('written at b, later');
  });

  it('drop tombstones once everybody has seen them, and a new filer has nothing of what was deleted', async () => {
    await a.remove('/of-a', { recursive: true });
    const without = async (filer: ClusterFiler) => (await filer.store()).counts.tombstones === 0;
    for (const filer of [a, b]) await filer.until('its tombstones to be dropped', () => without(filer), 60_000);
    expect((await b.store())['floor']).to.be.above(0);
    const late = await cluster.addFiler();
    const tree = await expectSame(cluster, [a, b, late], 60_000);
    expect([...tree.keys()].filter((path) => path.startsWith('/of-a'))).to.deep.equal([]);
  });

  it('keep tombstones for one that is away; once it is closed they go, and it comes back without reviving anything', async () => {
    const c = cluster.filers.at(-1) as ClusterFiler;
    await a.put('/shared/old', 'deleted while c is away');
    await cluster.converged();
    const { origin } = await c.store();
    for (const filer of [a, b]) await filer.stop();
    await c.put('/own/unsent', 'nobody has seen this');
    await c.kill();
    for (const filer of [a, b]) await filer.start({ ready: false });
    for (const filer of [a, b])
      await filer.until('writes to be taken', async () => (await filer.request('PUT', '/shared/probe', { body: 'x' })).status === 201, 60_000);
    await a.remove('/shared/old');
    await b.until('the deletion', async () => (await b.get('/shared/old')) === null);
    await a.until('c to hold the tombstone', async () =>
      (await a.json<{ tombstones: Log }>('/.filer/v1/log')).tombstones.heldBy.some((one) => one.origin === origin),
    );
    expect((await a.store()).counts.tombstones).to.equal(1);

    await a.expect(200, 'PUT', `/.filer/v1/closed/${origin}`);
    for (const filer of [a, b]) await filer.until('the tombstone to go', async () => (await filer.store()).counts.tombstones === 0, 60_000);

    await c.start({ ready: false });
    await c.started.waitForLine(/rejoined: \d+ of its own entries written again/, 60_000);
    await c.ready(60_000);
    const tree = await expectSame(cluster, [a, b, c], 60_000);
    expect((await c.store()).origin).not.to.equal(origin);
    expect([...tree.keys()]).not.to.include('/shared/old');
    expect(await a.get('/own/unsent')).to.equal('nobody has seen this');
  });
});
