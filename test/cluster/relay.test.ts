import { expect } from 'chai';
import { startCluster, type Cluster } from '../support/cluster.js';
import { MasterView } from '../support/master-view.js';
import { expectSame, fill } from '../support/trees.js';

describe('A filer that cannot reach the author of a change', function () {
  this.timeout(180_000);
  let cluster: Cluster;
  let view: MasterView;

  before(async () => {
    cluster = await startCluster({ filers: 2 });
    view = await MasterView.of(cluster.master.address);
  });

  after(async () => {
    await cluster?.close();
    await view?.close();
  });

  it('has it from another filer after the author has died, and each change once', async () => {
    const [a, b] = cluster.filers;
    const c = await cluster.addFiler({ masters: [view.address] });
    await a.put('/first', 'all three know each other');
    const { origin } = await a.store();
    await cluster.converged();
    const [toA, toB] = [await view.to(a), await view.to(b)];
    toA.cut();
    toB.cut();

    await fill(a, '/relayed', 2000, 500);
    await cluster.converged([a, b], 60_000);
    await a.kill();
    toB.bytes.received = 0;
    toB.heal();
    const tree = await expectSame(cluster, [b, c]);
    expect([...tree.keys()].filter((path) => path.startsWith('/relayed/')).length).to.equal(2020);

    const received = toB.bytes.received;
    const changes = await b.expect(200, 'GET', `/.filer/v1/changes?origins=${origin}&position=${origin}:1&limit=10000&maxBytes=${16 * 1024 * 1024}`);
    expect((JSON.parse(changes.text) as unknown[]).length).to.equal(2021);
    // All that came through the wire, headers and polls too.
    expect(received).to.be.at.least(changes.text.length);
    expect(received / changes.text.length).to.be.below(1.2);
  });
});
