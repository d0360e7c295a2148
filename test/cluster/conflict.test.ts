import { expect } from 'chai';
import type { ConflictReport } from '../../src/core/api/meta/reports.js';
import { startCluster, type Cluster, type ClusterFiler } from '../support/cluster.js';
import { MasterView } from '../support/master-view.js';
import { runKelp } from '../support/run-kelp.js';
import { expectSame } from '../support/trees.js';

/** Three filers, each with a view of its own; `args` are further flags of each. */
async function startThree(views: MasterView[], args: readonly (readonly string[])[] = []): Promise<Cluster> {
  const cluster = await startCluster({ filers: 0 });
  for (let number = 0; number < 3; number += 1) {
    const view = await MasterView.of(cluster.master.address);
    views.push(view);
    await cluster.addFiler({ masters: [view.address], args: args[number] });
  }
  return cluster;
}

/** The first filer on one side, the two others on the other. */
async function partition({ filers }: Cluster, views: readonly MasterView[], what: 'cut' | 'heal'): Promise<void> {
  for (const other of [1, 2]) {
    (await views[0].to(filers[other]))[what]();
    (await views[other].to(filers[0]))[what]();
  }
}

describe('Two filers written to while they are cut off from each other', function () {
  this.timeout(180_000);
  let cluster: Cluster;
  const views: MasterView[] = [];

  before(async () => {
    cluster = await startThree(views);
    const [a] = cluster.filers;
    await a.put('/same', 'base');
    await a.put('/deleted-or-updated', 'base');
    await a.put('/tree/old', 'base');
    await cluster.converged();
    await partition(cluster, views, 'cut');
    await write();
    await partition(cluster, views, 'heal');
  });

  after(async () => {
    await cluster?.close();
    await Promise.all(views.map((view) => view.close()));
  });

  async function write(): Promise<void> {
    const [a, b] = cluster.filers;
    await a.put('/same', 'from a, first');
    await b.put('/same', 'from b, last');
    await a.put('/deleted-or-updated', 'updated on a');
    await b.remove('/deleted-or-updated');
    await a.put('/tree/new', 'below a deleted directory');
    await b.remove('/tree', { recursive: true });
  }

  const ledger = async (filer: ClusterFiler, path: string): Promise<ConflictReport[]> =>
    (await filer.json<{ conflicts: ConflictReport[] }>(`/.filer/v1/conflicts?path=${encodeURIComponent(path)}`)).conflicts;
  const contentOf = ({ loser }: ConflictReport): string => Buffer.from(String(loser.entry?.content ?? ''), 'base64').toString();

  it('agree on one winner', async () => {
    const tree = await expectSame(cluster, cluster.filers);
    for (const filer of cluster.filers) expect(await filer.get('/same')).to.equal('from b, last');
    expect(tree.has('/same')).to.equal(true);
  });

  it('keep what lost, with its content, in the ledger of each', async () => {
    for (const filer of cluster.filers) {
      const found = await ledger(filer, '/same');
      expect(found.map((conflict) => ({ type: conflict.type, content: contentOf(conflict) }))).to.deep.equal([
        { type: 'update/update', content: 'from a, first' },
      ]);
    }
  });

  it('let the later of an update and a delete stand, and keep the update', async () => {
    for (const filer of cluster.filers) {
      expect(await filer.get('/deleted-or-updated')).to.equal(null);
      const found = await ledger(filer, '/deleted-or-updated');
      expect(found.map((conflict) => ({ type: conflict.type, content: contentOf(conflict), deleted: conflict.winner.deleted }))).to.deep.equal([
        { type: 'update/delete', content: 'updated on a', deleted: true },
      ]);
    }
  });

  it('list a file made below a directory that was deleted elsewhere, from the root down', async () => {
    for (const filer of cluster.filers) {
      expect(await filer.tree()).to.deep.equal(['/same', '/tree/', '/tree/new']);
      expect(await filer.get('/tree/new')).to.equal('below a deleted directory');
      const found = [...(await ledger(filer, '/tree')), ...(await ledger(filer, '/tree/new'))];
      expect(found.map(({ type }) => type)).to.include('child-of-deleted');
    }
  });
});

describe('Conflict ledgers', function () {
  this.timeout(180_000);
  let cluster: Cluster;
  const views: MasterView[] = [];

  before(async () => {
    // Of two rows with two thousand bytes each one alone fits; the third filer keeps as much as is usual.
    cluster = await startThree(views, [['--conflict.retention=1ms'], ['--conflict.maxBytes=5000'], []]);
  });

  after(async () => {
    await cluster?.close();
    await Promise.all(views.map((view) => view.close()));
  });

  it('hold no more than --conflict.retention and --conflict.maxBytes say; what makes room is counted', async () => {
    const [a, b, c] = cluster.filers as [ClusterFiler, ClusterFiler, ClusterFiler];
    for (const path of ['/first', '/second']) {
      await partition(cluster, views, 'cut');
      await a.put(path, 'a'.repeat(2000));
      await b.put(path, 'b'.repeat(2000));
      await partition(cluster, views, 'heal');
      await expectSame(cluster, cluster.filers);
      expect(await a.get(path)).to.match(/^b+$/);
    }
    const pathsIn = async (filer: ClusterFiler) => {
      const { stdout } = await runKelp(['filer.conflicts', `--filer=${filer.address}`, '--json']);
      return (JSON.parse(stdout) as { conflicts: ConflictReport[] }).conflicts.map(({ path }) => path);
    };
    const droppedAt = (filer: ClusterFiler) => filer.metric('kelp_conflicts_dropped_total');
    expect(await Promise.all([a, b, c].map(pathsIn))).to.deep.equal([['/second'], ['/second'], ['/second', '/first']]);
    expect(await Promise.all([a, b, c].map(droppedAt))).to.deep.equal([1, 1, 0]);
  });
});
