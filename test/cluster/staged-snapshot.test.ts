import { expect } from 'chai';
import { startCluster, type Cluster } from '../support/cluster.js';
import { MasterView } from '../support/master-view.js';
import { expectSame, fill } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

describe('A filer with work of its own behind a log that starts later', function () {
  this.timeout(240_000);
  let cluster: Cluster;
  let view: MasterView;

  before(async () => {
    cluster = await startCluster({ filers: 1 });
    view = await MasterView.of(cluster.master.address);
  });

  after(async () => {
    await cluster?.close();
    await view?.close();
  });

  it('stages a snapshot, serves reads and writes meanwhile, and loses nothing', async () => {
    const [owner] = cluster.filers;
    const behind = await cluster.addFiler({ masters: [view.address] });
    await owner.put('/shared/one', 'of the owner');
    await behind.put('/shared/two', 'of the one behind');
    await owner.put('/shared/deleted', 'seen by both');
    await cluster.converged();

    const toOwner = await view.to(owner);
    toOwner.cut();
    await fill(owner, '/many', 6000);
    await owner.remove('/shared/deleted');
    await owner.put('/shared/one', 'of the owner, later');
    // What it writes alone while the owner is away.
    await behind.put('/alone/three', 'never seen by the others');
    await behind.stop();
    // It takes a snapshot, so its own log has nothing of before.
    const source = await cluster.addFiler();
    await cluster.converged([owner, source], 60_000);
    await owner.kill();
    (await view.to(source)).bytesPerSecond = 1_000_000;

    await behind.start({ ready: false });
    await behind.started.waitForLine(/takes a snapshot of/, 60_000);
    let written = 0;
    let readBefore = 0;
    const staging = async (): Promise<boolean> => {
      const read = await behind.get('/shared/one');
      if (read === 'of the owner') readBefore += 1;
      await behind.put(`/meanwhile/${written}`, String(written));
      await source.put(`/at-the-source/${written}`, String(written));
      written += 1;
      return read === 'of the owner, later';
    };
    await waitFor(staging, { what: 'the snapshot to be merged', timeoutMs: 60_000 });
    expect(readBefore, 'reads of the old tree while the new one came').to.be.above(3);

    await owner.start();
    const tree = await expectSame(cluster, [owner, behind, source], 90_000);
    const paths = [...tree.keys()];
    expect(paths.filter((path) => path.startsWith('/many/') && path.includes('file-')).length).to.equal(6000);
    expect(paths.filter((path) => path.startsWith('/meanwhile/')).length).to.equal(written);
    expect(paths.filter((path) => path.startsWith('/at-the-source/')).length).to.equal(written);
    expect(paths).to.include.members(['/shared/two', '/alone/three']);
    expect(paths).not.to.include('/shared/deleted');
    expect(await behind.get('/shared/one')).to.equal('of the owner, later');
  });
});
