import { expect } from 'chai';
import { startCluster, type Cluster, type ClusterFiler } from '../support/cluster.js';
import { expectSame } from '../support/trees.js';

describe('A cluster of three filers', function () {
  this.timeout(120_000);
  let cluster: Cluster;
  let [a, b, c]: ClusterFiler[] = [];

  before(async () => {
    cluster = await startCluster({ filers: 3 });
    [a, b, c] = cluster.filers;
  });

  after(() => cluster?.close());

  it('shows a write on any filer on all of them', async () => {
    await Promise.all([a.put('/docs/from-a.txt', 'a'), b.put('/docs/from-b.txt', 'b'), c.put('/notes/ü and ß/from-c.txt', 'c')]);
    const tree = await expectSame(cluster, [a, b, c]);
    expect([...tree.keys()].sort()).to.deep.equal(['/docs', '/docs/from-a.txt', '/docs/from-b.txt', '/notes', '/notes/ü and ß', '/notes/ü and ß/from-c.txt']);
    expect(await a.get('/notes/ü and ß/from-c.txt')).to.equal('c');
  });

  it('answers a read that names a position with what was written there', async () => {
    const position = await a.put('/docs/from-b.txt', 'overwritten on a');
    const read = await c.expect(200, 'GET', '/docs/from-b.txt', { headers: { 'Filer-Min-Position': position } });
    expect(read.text).to.equal('overwritten on a');
  });

  it('moves a directory and deletes a subtree everywhere', async () => {
    for (let number = 0; number < 20; number += 1) await b.put(`/old/sub-${number % 3}/${number}`, String(number));
    await cluster.converged();
    await c.move('/old', '/new/place');
    await a.remove('/notes', { recursive: true });
    const tree = await expectSame(cluster, [a, b, c]);
    const paths = [...tree.keys()];
    expect(paths.filter((path) => path.startsWith('/new/place/')).length).to.equal(23);
    expect(paths.filter((path) => path.startsWith('/old') || path.startsWith('/notes'))).to.be.empty;
    expect(await a.get('/new/place/sub-1/19')).to.equal('19');
  });

  it('knows a filer again that was killed and comes back on another port', async () => {
    const { origin, storeId } = await b.store();
    await b.put('/docs/last-words.txt', 'acknowledged, then killed');
    await b.kill();
    await a.put('/docs/meanwhile.txt', 'written while b is gone');
    await b.start({ port: 'other' });
    expect(await b.store()).to.include({ origin, storeId });
    expect(b.log()).not.to.include('--regenerate');
    await b.put('/docs/again.txt', 'b from its new port');
    const tree = await expectSame(cluster, [a, b, c]);
    expect([...tree.keys()]).to.include.members(['/docs/last-words.txt', '/docs/meanwhile.txt', '/docs/again.txt']);
  });

  it('fills one that joins late', async () => {
    const late = await cluster.addFiler();
    await late.put('/docs/from-late.txt', 'late');
    const tree = await expectSame(cluster, [a, b, c, late]);
    expect(tree.has('/docs/from-late.txt')).to.equal(true);
  });
});
