import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { freePort, startCluster, type Cluster, type ClusterFiler } from '../support/cluster.js';
import { MasterView } from '../support/master-view.js';
import { expectSame, fill } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

describe('A store that must rejoin', function () {
  this.timeout(240_000);
  let cluster: Cluster;
  let [a, b]: ClusterFiler[] = [];
  let nobody: string;
  const views: MasterView[] = [];

  before(async () => {
    cluster = await startCluster({ filers: 2 });
    [a, b] = cluster.filers;
    await a.put('/base/one', 'from before');
    await b.put('/base/two', 'from before');
    await cluster.converged();
    nobody = `127.0.0.1:${await freePort()}`;
  });

  afterEach(async () => {
    // The next one finds the first two, and nobody else.
    for (const filer of cluster.filers.splice(2)) if (filer.running) await filer.stop();
    for (const filer of [a, b]) if (!filer.running) await filer.start();
  });

  after(async () => {
    await cluster?.close();
    await Promise.all(views.map((view) => view.close()));
  });

  it('since it was restored: says so, is read-only until somebody can serve, then has back what it lost', async () => {
    const c = await cluster.addFiler();
    await c.put('/restored/kept', 'in the backup');
    await cluster.converged();
    await c.stop();
    const backup = join(cluster.directory, 'backup');
    await cp(c.directory, backup, { recursive: true, preserveTimestamps: true });
    await c.start();
    const before = await c.store();
    await c.put('/restored/lost', 'after the backup');
    await c.put('/restored/kept', 'overwritten after the backup');
    await cluster.converged();
    await c.stop();
    await rm(c.directory, { recursive: true });
    await cp(backup, c.directory, { recursive: true, preserveTimestamps: true });

    for (const other of [a, b]) await other.stop();
    await c.start({ ready: false });
    const line = await c.started.waitForLine(/.*filer\.store\.id --regenerate.*/, 20_000);
    expect(line[0]).to.match(/restored|copied/);
    await waitFor(async () => (await c.store()).state === 'readonly', { what: 'the restored store to be read-only' });
    const write = await c.request('PUT', '/restored/new', { body: 'x' });
    expect(write.status).to.equal(503);
    expect(JSON.parse(write.text)).to.include({ code: 'BOOTSTRAPPING' });
    expect(await c.get('/restored/kept')).to.equal('in the backup');
    expect((await c.request('GET', '/readyz')).status).to.equal(503);

    for (const other of [a, b]) await other.start({ ready: false });
    await Promise.all([a, b, c].map((filer) => filer.ready(60_000)));
    const after = await c.store();
    expect(after.origin).not.to.equal(before.origin);
    expect(after.storeId).to.equal(before.storeId);
    await c.put('/restored/again', 'under its new origin');
    await expectSame(cluster, [a, b, c]);
    for (const filer of [a, b, c]) {
      expect(await filer.get('/restored/lost')).to.equal('after the backup');
      expect(await filer.get('/restored/kept')).to.equal('overwritten after the backup');
      expect(await filer.get('/restored/again')).to.equal('under its new origin');
    }
  });

  it('since its folder was copied: the copy takes ids of its own and both go on', async () => {
    const c = await cluster.addFiler();
    await c.put('/copied/one', 'in both folders');
    await cluster.converged();
    await c.stop();
    const directory = join(cluster.directory, 'twin');
    await cp(c.directory, directory, { recursive: true, preserveTimestamps: true });
    await c.start();
    const original = await c.store();
    const twin = await cluster.addFiler({ directory });
    expect(twin.log()).to.include('filer.store.id --regenerate');
    const other = await twin.store();
    expect(other.origin).not.to.equal(original.origin);
    expect(other.storeId).not.to.equal(original.storeId);
    expect(await c.store()).to.include({ origin: original.origin, storeId: original.storeId });
    await Promise.all([c.put('/copied/two', 'by the original'), twin.put('/copied/three', 'by the twin')]);
    const tree = await expectSame(cluster, [a, b, c, twin]);
    expect([...tree.keys()]).to.include.members(['/copied/one', '/copied/two', '/copied/three']);
  });

  it('since it has worked alone: its own work survives as new changes', async () => {
    await a.put('/both/mine-is-later', 'of the cluster');
    const loner = await cluster.addFiler({ masters: [nobody] });
    await loner.put('/alone/one', 'alone');
    await loner.put('/both/mine-is-later', 'of the loner');
    await loner.put('/both/theirs-is-later', 'of the loner');
    const { origin, position } = await loner.store();
    expect(Object.keys(position)).to.deep.equal([origin]);
    await loner.stop();
    await b.put('/both/theirs-is-later', 'of the cluster');
    await cluster.converged([a, b]);

    const joined = await cluster.addFiler({ directory: loner.directory });
    // Ready once as a filer on its own; what counts is that it has met the others.
    await waitFor(async () => (await joined.store()).origin !== origin, { what: 'the loner to rejoin', timeoutMs: 30_000 });
    await joined.ready(60_000);
    await expectSame(cluster, [a, b, joined]);
    for (const filer of [a, b, joined]) {
      expect(await filer.get('/alone/one')).to.equal('alone');
      expect(await filer.get('/both/mine-is-later')).to.equal('of the loner');
      expect(await filer.get('/both/theirs-is-later')).to.equal('of the cluster');
      expect((await filer.store()).position, 'the log it wrote alone is nobody’s').not.to.have.property(origin);
    }
  });

  it('goes on with that after a kill -9 in the middle', async () => {
    await fill(a, '/many', 4000);
    const loner = await cluster.addFiler({ masters: [nobody] });
    await fill(loner, '/of-the-loner', 200);
    await loner.stop();
    await cluster.converged([a, b], 60_000);

    const view = await MasterView.of(cluster.master.address);
    views.push(view);
    for (const source of [a, b]) (await view.to(source)).bytesPerSecond = 1_000_000;
    const joined = await cluster.addFiler({ directory: loner.directory, masters: [view.address], ready: false });
    for (const atLeast of [1, 2000]) {
      const isInTheMiddle = async () => {
        const { state, counts } = await joined.store();
        return state === 'rejoining' && counts.entries >= atLeast;
      };
      await waitFor(isInTheMiddle, { what: `the rejoin to have ${atLeast} entries`, timeoutMs: 60_000, everyMs: 5 });
      await joined.kill();
      await joined.start({ ready: false });
    }
    await joined.ready(60_000);
    const tree = await expectSame(cluster, [a, b, joined]);
    const paths = [...tree.keys()].filter((path) => path.includes('/file-'));
    expect(paths.filter((path) => path.startsWith('/of-the-loner/')).length).to.equal(200);
    expect(paths.filter((path) => path.startsWith('/many/')).length).to.equal(4000);
  });
});
