import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { startCluster, type Cluster, type ClusterFiler, type ClusterProcess } from '../support/cluster.js';
import { execute } from '../support/damage.js';
import { MasterView } from '../support/master-view.js';
import { runKelp } from '../support/run-kelp.js';
import { expectSame } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

interface Members {
  readonly clusterId: string | null;
  readonly members: readonly { readonly origin: string; readonly address: string; readonly state: 'up' | 'down' }[];
}

interface Peers {
  readonly peers: readonly {
    readonly origin: string;
    readonly address: string;
    readonly state: string;
    readonly error: { readonly code: string; readonly error: string } | null;
  }[];
}

const listOf = (master: ClusterProcess, group = ''): Promise<Members> => master.json(`/cluster/filers?group=${group}`);
const peersOf = async (filer: ClusterFiler): Promise<string[]> => (await filer.json<Peers>('/.filer/v1/peers')).peers.map(({ address }) => address).sort();
const addressesOf = (filers: readonly ClusterFiler[]): string[] => filers.map(({ address }) => address).sort();

/** As a client writes: a filer that joins the others at that moment answers 503, and is asked again. */
async function write(filer: ClusterFiler, path: string, content: string): Promise<void> {
  const isTaken = async () => {
    const { status, text } = await filer.request('PUT', path, { body: content });
    if (status !== 201 && status !== 503) throw new Error(`${filer.name}: PUT ${path} answered ${status}: ${text}`);
    return status === 201;
  };
  await waitFor(isTaken, { what: `${filer.name} to take ${path}`, timeoutMs: 40_000 });
}

/** Each writes at once, and all have everything. */
async function expectTogether(cluster: Cluster, filers: readonly ClusterFiler[], top: string): Promise<void> {
  await Promise.all(filers.map((filer) => write(filer, `${top}/${filer.name}`, `${top} ${filer.name}`)));
  const tree = await expectSame(cluster, filers);
  expect([...tree.keys()]).to.include.members(filers.map(({ name }) => `${top}/${name}`));
}

/** Waits until a master lists exactly these filers as up. */
async function expectListed(master: ClusterProcess, filers: readonly ClusterFiler[]): Promise<void> {
  const isListed = async () => {
    const { members } = await listOf(master);
    const up = members.filter(({ state }) => state === 'up').map(({ address }) => address);
    return up.sort().join() === addressesOf(filers).join();
  };
  await waitFor(isListed, { what: `${master.name} to list ${filers.map(({ name }) => name).join()}`, timeoutMs: 20_000 });
}

describe('Several masters', function () {
  this.timeout(240_000);
  let cluster: Cluster;

  afterEach(() => cluster?.close());

  it('go away one after the other until none is left, and come back with empty folders: filers write and replicate all the time', async () => {
    cluster = await startCluster({ filers: 3, masters: 2 });
    const [m1, m2] = cluster.masters as [ClusterProcess, ClusterProcess];
    for (const master of [m1, m2]) await expectListed(master, cluster.filers);
    const { clusterId } = await listOf(m1);
    expect(clusterId).to.match(/^[0-9a-f]{16}$/);
    expect((await listOf(m2)).clusterId, 'carried on').to.equal(clusterId);
    await expectTogether(cluster, cluster.filers, '/both');

    await m1.kill();
    await expectTogether(cluster, cluster.filers, '/one');
    await cluster.addFiler();
    await expectTogether(cluster, cluster.filers, '/one-and-a-new-filer');

    await m2.kill();
    await expectTogether(cluster, cluster.filers, '/none');
    const [a, , , d] = cluster.filers as [ClusterFiler, ClusterFiler, ClusterFiler, ClusterFiler];
    await a.kill();
    await a.start();
    await expectTogether(cluster, cluster.filers, '/none-and-a-restart');

    for (const master of [m1, m2]) {
      await rm(master.directory, { recursive: true });
      await master.start();
      await expectListed(master, cluster.filers);
      expect((await listOf(master)).clusterId, `the id of ${master.name}, which began with nothing`).to.equal(clusterId);
      await expectTogether(cluster, cluster.filers, `/back-${master.name}`);
    }
    const late = await cluster.addFiler();
    expect((await late.store()).clusterId).to.equal(clusterId);
    await expectTogether(cluster, cluster.filers, '/at-last');
    for (const filer of cluster.filers) expect(filer.log(), 'no refusal').not.to.match(/refuses|CLUSTER_MISMATCH/);
    expect(d.log()).to.match(/is absent/);
  });

  it('do not keep a filer unready for a peer that has died with them', async () => {
    cluster = await startCluster({ filers: 3 });
    const [a, b, c] = cluster.filers as [ClusterFiler, ClusterFiler, ClusterFiler];
    await expectTogether(cluster, [a, b, c], '/before');
    await cluster.master.kill();
    await c.kill();
    const isUnready = async () => (await a.request('GET', '/readyz')).status === 503;
    await waitFor(isUnready, { what: 'the loss to show', timeoutMs: 20_000 });
    await Promise.all([a.ready(40_000), b.ready(40_000)]);
    await expectTogether(cluster, [a, b], '/after');
  });

  it('are a union: a filer hears from each of whom it knows, and passes on what those that know each other not have', async () => {
    cluster = await startCluster({ filers: 0, masters: 2 });
    const [m1, m2] = cluster.masters as [ClusterProcess, ClusterProcess];
    const both = await cluster.addFiler();
    const first = await cluster.addFiler({ masters: [m1.address] });
    const second = await cluster.addFiler({ masters: [m2.address] });
    await waitFor(async () => (await peersOf(both)).length === 2, { what: 'the union' });
    // Before the three are one, who takes over the lineage of another follows nobody for a moment.
    await expectTogether(cluster, cluster.filers, '/union');
    expect(await peersOf(both)).to.deep.equal(addressesOf([first, second]));
    expect(await peersOf(first)).to.deep.equal([both.address]);
    expect(await peersOf(second)).to.deep.equal([both.address]);
  });

  for (const late of [0, 1]) {
    it(`fresh, started at one moment (${late === 0 ? 'the first' : 'the second'} a little later), found in another order by each filer: one cluster id`, async () => {
      cluster = await startCluster({ filers: 0, masters: 0 });
      const masters = [await cluster.addMaster({ start: false }), await cluster.addMaster({ start: false })] as [ClusterProcess, ClusterProcess];
      const addresses = masters.map(({ address }) => address);
      const filers = await Promise.all([0, 1, 2].map((n) => cluster.addFiler({ ready: false, masters: n % 2 === 0 ? addresses : [...addresses].reverse() })));
      await Promise.all(filers.map((filer) => filer.ready()));
      // Before any master: each alone.
      await Promise.all(filers.map((filer) => filer.put(`/early/${filer.name}`, 'without a master')));

      const [sooner, later] = late === 1 ? masters : ([...masters].reverse() as [ClusterProcess, ClusterProcess]);
      const starting = sooner.start();
      await sooner.started.waitForLine(/listens at/, 20_000);
      await Promise.all([starting, later.start()]);
      for (const master of masters) await expectListed(master, filers);
      const ids = new Set(
        [...(await Promise.all(masters.map((master) => listOf(master)))), ...(await Promise.all(filers.map((filer) => filer.store())))].map(
          ({ clusterId }) => clusterId,
        ),
      );
      expect([...ids]).to.have.length(1);
      await expectTogether(cluster, filers, '/late');
      for (const filer of filers) expect(filer.log()).not.to.include('refuses');
    });
  }
});

describe('The master of another cluster', function () {
  this.timeout(180_000);
  let cluster: Cluster;
  let other: Cluster;

  before(async () => {
    [cluster, other] = await Promise.all([startCluster({ filers: 2 }), startCluster({ filers: 1 })]);
    await expectTogether(cluster, cluster.filers, '/here');
    await expectTogether(other, other.filers, '/there');
  });
  after(() => Promise.all([cluster?.close(), other?.close()]));

  it('among a filer’s masters refuses it in words that name the cure, and nobody takes harm', async () => {
    const [a, b] = cluster.filers as [ClusterFiler, ClusterFiler];
    const [theirs] = other.filers as [ClusterFiler];
    await b.stop();
    const confused = await cluster.addFiler({ directory: b.directory, masters: [cluster.master.address, other.master.address] });
    const [, said] = await confused.started.waitForLine(/refuses this filer: (.*)/, 20_000);
    expect(said)
      .to.include((await a.store()).clusterId)
      .and.include((await theirs.store()).clusterId)
      .and.include('--master');
    await expectTogether(cluster, [a, confused], '/with-a-stranger');
    await confused.ready();
    expect(await peersOf(confused)).to.deep.equal([a.address]);
    expect((await listOf(other.master)).members.map(({ address }) => address)).to.deep.equal([theirs.address]);
    expect(await theirs.tree()).to.deep.equal(['/there/', '/there/filer-1']);
    await confused.stop();
    await b.start();
  });

  it('alone: the filer goes on with its own peers, and /readyz says why it is not well', async () => {
    const [a, b] = cluster.filers as [ClusterFiler, ClusterFiler];
    await b.stop();
    const lost = await cluster.addFiler({ directory: b.directory, masters: [other.master.address], ready: false });
    const isRefused = async () => (await lost.request('GET', '/readyz')).text.includes('CLUSTER_MISMATCH');
    await waitFor(isRefused, { what: '/readyz to name the refusal', timeoutMs: 20_000 });
    expect((await lost.request('GET', '/readyz')).status).to.equal(503);
    // Nobody tells the first one where it is now, but it finds the first one by the list it kept.
    await lost.put('/lost', 'still written');
    await a.put('/found', 'still read');
    await waitFor(async () => (await lost.get('/found')) === 'still read', { what: 'what the others write', timeoutMs: 20_000 });
    await lost.stop();
    await b.start();
    await expectTogether(cluster, [a, b], '/together-again');
    expect(await a.get('/lost')).to.equal('still written');
  });

  it('a master is not given another id than the one in its folder', async () => {
    const { clusterId } = await listOf(other.master);
    const { code, stderr } = await runKelp(['master', '--port=0', `--mdir=${cluster.master.directory}`, `--clusterId=${clusterId}`]);
    expect(code).to.equal(2);
    expect(stderr).to.include('leave out --clusterId or choose another --mdir');
  });
});

describe('A filer of another cluster', function () {
  this.timeout(120_000);
  let cluster: Cluster;
  let other: Cluster;
  let [a, b, stranger]: ClusterFiler[] = [];

  /** As one filer shows another one, by its origin. */
  const peerOf = async (filer: ClusterFiler, origin: string) => (await filer.json<Peers>('/.filer/v1/peers')).peers.find((peer) => peer.origin === origin);
  const toldBy = (filer: ClusterFiler, origin: string, said: RegExp) =>
    waitFor(async () => said.test((await peerOf(filer, origin))?.error?.error ?? ''), { what: `${filer.name} to say ${said}`, timeoutMs: 20_000 });
  /** Waits until a filer has tried twice more to follow another one. */
  const triedAgain = async (filer: ClusterFiler, origin: string): Promise<void> => {
    const tries = () => filer.metric('kelp_peer_retries_total', { peer: origin });
    const before = await tries();
    await waitFor(async () => (await tries()) >= before + 2, { what: `${filer.name} to try again`, timeoutMs: 20_000 });
  };

  beforeEach(async () => {
    [cluster, other] = await Promise.all([startCluster({ filers: 2 }), startCluster({ filers: 1 })]);
    [a, b] = cluster.filers;
    [stranger] = other.filers;
    await expectTogether(cluster, cluster.filers, '/here');
    await expectTogether(other, other.filers, '/there');
    // From here on nobody tells a filer who is at an address.
    await cluster.master.kill();
  });
  afterEach(() => Promise.all([cluster?.close(), other?.close()]));

  it('at the address of a peer is refused by name, and neither takes anything from the other, until the peer is back', async () => {
    const [wasA, wasB] = [await a.store(), await b.store()];
    await a.kill();
    const { port } = stranger;
    await stranger.restart({ port: a.port });
    const { origin, clusterId } = await stranger.store();
    const refused = new RegExp(`${a.address} belongs to cluster ${clusterId}, this filer to ${wasB.clusterId}; point both at one master`);
    await toldBy(b, wasA.origin, refused);
    await Promise.all([b.put('/here/alone', 'goes on'), stranger.put('/there/alone', 'goes on')]);
    await triedAgain(b, wasA.origin);

    // Whoever starts looks for somebody to join, too.
    await b.restart({ ready: false });
    await toldBy(b, wasA.origin, refused);
    expect(await b.tree()).to.deep.equal(['/here/', '/here/alone', ...[a, b].map(({ name }) => `/here/${name}`)]);
    expect(await stranger.tree()).to.deep.equal(['/there/', '/there/alone', `/there/${stranger.name}`]);
    expect(await b.store()).to.include({ origin: wasB.origin, clusterId: wasB.clusterId, lineage: wasB.lineage });
    expect(Object.keys((await b.store()).position)).to.have.members([wasA.origin, wasB.origin]);
    expect(Object.keys((await stranger.store()).position)).to.deep.equal([origin]);

    await stranger.restart({ port });
    await a.start({ ready: false });
    await expectTogether(cluster, [a, b], '/here-again');
    expect(await a.get('/here/alone')).to.equal('goes on');
    expect(await a.store()).to.include({ origin: wasA.origin });
    expect(await stranger.list('/')).to.deep.equal(['there/']);
  });

  it('under the origin of a peer is refused as such on both sides, and asks in vain, until the peer is of this one again', async () => {
    const [{ origin: originA, clusterId: own }, { origin: originB }] = [await a.store(), await b.store()];
    const foreign = (await stranger.store()).clusterId as string;
    const belongs = (clusterId: string | null) => execute(join(a.directory, 'filer.db'), `UPDATE meta SET value = '${clusterId}' WHERE name = 'clusterId'`);
    await a.stop();
    await belongs(foreign);
    await a.start({ ready: false });
    await toldBy(b, originA, new RegExp(`${a.address} belongs to cluster ${foreign}, this filer to ${own}; .*filer\\.sync`));
    await toldBy(a, originB, new RegExp(`${b.address} belongs to cluster ${own}, this filer to ${foreign}`));
    expect(await peerOf(b, originA)).to.deep.include({ state: 'refused' });
    expect((await peerOf(b, originA))?.error?.code).to.equal('CLUSTER_MISMATCH');
    await Promise.all([write(a, '/apart/a', 'goes on'), write(b, '/apart/b', 'goes on')]);
    const asks = { 'Filer-Origin': 'e'.repeat(16), 'Filer-Address': stranger.address, 'Filer-Cluster': foreign };
    for (const path of ['changes?scope=local', 'snapshot']) {
      const { status, text } = await b.request('GET', `/.filer/v1/${path}`, { headers: asks });
      expect({ path, status, code: (JSON.parse(text) as { code: string }).code }).to.deep.equal({ path, status: 409, code: 'CLUSTER_MISMATCH' });
    }
    await Promise.all([triedAgain(a, originB), triedAgain(b, originA)]);
    expect([await a.list('/apart'), await b.list('/apart')]).to.deep.equal([['a'], ['b']]);
    expect(Object.keys((await b.store()).position)).to.have.members([originA, originB]);

    await a.stop();
    await belongs(own);
    await a.start({ ready: false });
    await expectTogether(cluster, [a, b], '/apart');
    expect([await b.get('/apart/a'), await a.get('/apart/b')]).to.deep.equal(['goes on', 'goes on']);
  });
});

describe('A master', function () {
  this.timeout(180_000);
  let cluster: Cluster;

  afterEach(() => cluster?.close());

  it('keeps two groups of filers apart, whole lists and trees', async () => {
    cluster = await startCluster({ filers: 0 });
    const add = (group: string) => cluster.addFiler({ args: [`--filerGroup=${group}`], ready: false });
    const filers = (await Promise.all(['red', 'red', 'blue', 'blue'].map(add))) as [ClusterFiler, ClusterFiler, ClusterFiler, ClusterFiler];
    await Promise.all(filers.map((filer) => filer.ready()));
    const [red, blue] = [filers.slice(0, 2), filers.slice(2)] as [ClusterFiler[], ClusterFiler[]];
    await waitFor(async () => (await Promise.all(filers.map(peersOf))).every(({ length }) => length === 1), { what: 'each to have a peer' });
    await expectTogether(cluster, red, '/red');
    await expectTogether(cluster, blue, '/blue');
    for (const [group, own] of [
      ['red', red],
      ['blue', blue],
    ] as const) {
      for (const filer of own) expect(await filer.list('/')).to.deep.equal([`${group}/`]);
      expect((await listOf(cluster.master, group)).members.map(({ address }) => address).sort()).to.deep.equal(addressesOf(own));
      const shown = await runKelp(['filer.peers', `--master=${cluster.master.address}`, `--filerGroup=${group}`, '--json']);
      expect((JSON.parse(shown.stdout) as { filers: { address: string }[] }).filers.map(({ address }) => address).sort()).to.deep.equal(addressesOf(own));
    }
    expect((await listOf(cluster.master)).members).to.deep.equal([]);
  });

  it('hears of a filer that stops at once, so that nobody waits for it', async () => {
    cluster = await startCluster({ filers: 2, masters: 2 });
    const [a, b] = cluster.filers as [ClusterFiler, ClusterFiler];
    await expectTogether(cluster, [a, b], '/before');
    expect((await b.stop()).code).to.equal(0);
    for (const master of cluster.masters) {
      const { members } = await listOf(master);
      expect(members.find(({ address }) => address === b.address)?.state, master.name).to.equal('down');
    }
    const c = await cluster.addFiler();
    await a.ready();
    for (const master of cluster.masters) expect(master.log()).to.include('it has stopped').and.not.include('fell silent');
    await b.start();
    await expectTogether(cluster, [a, b, c], '/after');
  });

  it('does not keep a filer from stopping, whether it is gone or hangs', async () => {
    cluster = await startCluster({ filers: 1, masters: 2 });
    const [hung, gone] = cluster.masters as [ClusterProcess, ClusterProcess];
    const [a] = cluster.filers as [ClusterFiler];
    await gone.kill();
    hung.pause();
    const since = performance.now();
    expect((await a.stop()).code).to.equal(0);
    expect(performance.now() - since).to.be.below(8000);
    hung.resume();
  });

  it('forgets by command who is gone for good', async () => {
    cluster = await startCluster({ filers: 3, masters: 2 });
    const [a, b, c] = cluster.filers as [ClusterFiler, ClusterFiler, ClusterFiler];
    await expectTogether(cluster, [a, b, c], '/all');
    const { origin: gone } = await c.store();
    await c.kill();
    const masters = `--master=${cluster.masters.map(({ address }) => address).join()}`;
    const forgotten = await runKelp(['filer.peers', masters, `--forget=${gone}`]);
    expect(forgotten.code).to.equal(0);
    for (const master of cluster.masters) {
      expect(forgotten.stdout).to.include(master.address);
      expect((await listOf(master)).members.map(({ origin }) => origin)).not.to.include(gone);
    }
    await waitFor(async () => (await peersOf(a)).join() === b.address, { what: 'the forgotten one to leave the peers' });
    expect((await runKelp(['filer.peers', masters, `--forget=${gone}`])).code, 'not on the list').to.equal(1);
    expect((await runKelp(['filer.peers', masters, '--forget=nonsense'])).code, 'no origin').to.equal(2);
    await expectTogether(cluster, [a, b], '/two');
  });

  it('forgets by command one that lives: it is closed, and goes on under a new origin with all its work', async () => {
    cluster = await startCluster({ filers: 0, masters: 2 });
    const [m1, m2] = cluster.masters as [ClusterProcess, ClusterProcess];
    const view = await MasterView.of(m1.address);
    try {
      const a = await cluster.addFiler({ masters: [view.address] });
      const b = await cluster.addFiler();
      await expectTogether(cluster, [a, b], '/both');
      const { origin: alive, storeId } = await b.store();
      // So that only b has this when it is closed.
      const way = await view.to(b);
      way.cut();
      await b.put('/unsent', 'nobody else has this');
      const forgotten = await runKelp(['filer.peers', `--master=${m1.address},${m2.address}`, `--forget=${alive}`]);
      expect(forgotten.code, forgotten.stderr).to.equal(0);
      expect(forgotten.stdout).to.equal(`${alive} is off the list of ${m1.address}, ${m2.address}, and closed at ${a.address}\n`);
      expect(forgotten.stderr).to.include('a filer that still runs rejoins under a new origin');

      expect((await b.started.waitForLine(/rejoins through (\S+):/, 40_000))[1]).to.equal(a.address);
      expect(Number((await b.started.waitForLine(/rejoined: (\d+) of its own entries written again/, 40_000))[1])).to.be.at.least(1);
      way.heal();
      await b.ready(40_000);
      const after = await b.store();
      expect(after.storeId).to.equal(storeId);
      expect(after.origin).not.to.equal(alive);
      for (const [master, listed] of [
        [m1, [a, b]],
        [m2, [b]],
      ] as const) {
        await expectListed(master, listed);
        const { members } = await listOf(master);
        expect(members.find(({ state, address }) => state === 'up' && address === b.address)?.origin, master.name).to.equal(after.origin);
      }
      await expectTogether(cluster, [a, b], '/after');
      for (const filer of [a, b]) {
        expect((await filer.json<{ closed: string[] }>('/.filer/v1/log')).closed, filer.name).to.deep.equal([alive]);
        expect(await filer.get('/unsent'), filer.name).to.equal('nobody else has this');
        expect(await filer.get(`/both/${b.name}`), filer.name).to.equal(`/both ${b.name}`);
      }
    } finally {
      await cluster.close();
      await view.close();
    }
  });
});
