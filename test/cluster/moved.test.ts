import { expect } from 'chai';
import { startCluster, type Cluster, type ClusterFiler } from '../support/cluster.js';
import { expectSame } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

interface Peers {
  readonly peers: readonly { readonly origin: string; readonly address: string; readonly state: string }[];
}

describe('A filer that is killed and started on another port', function () {
  this.timeout(120_000);
  let cluster: Cluster;
  let [a, b]: ClusterFiler[] = [];

  before(async () => {
    cluster = await startCluster({ filers: 2 });
    [a, b] = cluster.filers;
    await a.put('/one', '1');
    await b.put('/two', '2');
    await cluster.converged();
  });

  after(() => cluster?.close());

  it('keeps its origin, and its peers follow it there within seconds', async () => {
    for (let round = 0; round < 3; round += 1) {
      const { origin, storeId, instance } = await b.store();
      await b.kill();
      await b.start({ port: 'other' });
      const moved = await b.store();
      expect(moved).to.include({ origin, storeId, address: b.address });
      expect(moved.instance).not.to.equal(instance);
      const followed = async () => {
        const { peers } = await a.json<Peers>('/.filer/v1/peers');
        return peers.some((peer) => peer.origin === origin && peer.address === b.address && peer.state === 'following');
      };
      await waitFor(followed, { what: 'the peer to follow the new address', timeoutMs: 10_000 });
      await b.put('/two', `from port ${b.port}`);
    }
    await expectSame(cluster, [a, b]);
    expect(await a.get('/two')).to.equal(`from port ${b.port}`);
    expect(b.log()).not.to.match(/--regenerate|ORIGIN_IN_USE/);
  });

  it('is one member of the list, not several', async () => {
    const { peers } = await a.json<Peers>('/.filer/v1/peers');
    expect(peers.map(({ address }) => address)).to.deep.equal([b.address]);
  });
});
