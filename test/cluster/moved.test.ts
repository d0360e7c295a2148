import { cp, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import sqlite3 from 'sqlite3';
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

describe('A copy of a filer that nothing on its disk shows', function () {
  this.timeout(120_000);
  let cluster: Cluster;

  before(async () => {
    cluster = await startCluster({ filers: 2 });
    await cluster.filers[0].put('/one', '1');
    await cluster.converged();
  });

  after(() => cluster?.close());

  it('is refused while the original lives, and told how to get ids of its own', async () => {
    const [a, original] = cluster.filers;
    const { origin } = await original.store();
    await original.stop();
    const directory = join(cluster.directory, 'copy');
    await cp(original.directory, directory, { recursive: true });
    await hideCopy(join(directory, 'filer.db'));
    await original.start();

    const copy = await cluster.addFiler({ directory, ready: false });
    const line = await copy.started.waitForLine(/refuses this filer: (.*)/, 20_000);
    expect(line[1]).to.include(`origin ${origin} is alive at ${original.address}`).and.to.include('filer.store.id --regenerate');
    expect((await copy.store()).state).to.equal('refused');
    const write = await copy.request('PUT', '/from-the-copy', { body: 'x' });
    expect(write.status).to.equal(409);
    expect(JSON.parse(write.text)).to.include({ code: 'ORIGIN_IN_USE' });
    expect((await copy.request('GET', '/.filer/v1/changes')).status).to.equal(409);

    await original.put('/from-the-original', 'it goes on');
    await expectSame(cluster, [a, original]);
    await copy.stop();
    expect(await a.get('/from-the-copy')).to.equal(null);
  });
});

/** As a snapshot of the whole disk leaves it: the store's notes of its own file are those of the file it is in. */
async function hideCopy(file: string): Promise<void> {
  const { ino, birthtimeNs } = await stat(file, { bigint: true });
  await new Promise<void>((resolve, reject) => {
    const database = new sqlite3.Database(file);
    database.run("UPDATE notes SET value = iif(name = 'inode', ?, ?) WHERE name IN ('inode', 'birth')", [String(ino), String(birthtimeNs)], (error) => {
      database.close(() => (error ? reject(error) : resolve()));
    });
  });
}
