import { spawn } from 'node:child_process';
import { cp, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { freePort, startCluster, type Cluster, type ClusterFiler, type ClusterProcess } from '../support/cluster.js';
import { leaveOut } from '../support/leave-out.js';
import { MasterView } from '../support/master-view.js';
import { runKelp, startKelp } from '../support/run-kelp.js';
import { expectSame } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

interface Members {
  readonly members: readonly { readonly origin: string; readonly address: string; readonly state: 'up' | 'down' }[];
}

interface Peers {
  readonly peers: readonly { readonly origin: string; readonly state: string; readonly error: { readonly error: string } | null }[];
}

const membersOf = async (master: ClusterProcess) => (await master.json<Members>('/cluster/filers')).members;
const copyFolder = (from: string, to: string) => cp(from, to, { recursive: true, preserveTimestamps: true });

/** A registration as a filer would send it, but for what is named. */
function register(master: ClusterProcess, origin: string, fields: Record<string, unknown>) {
  const body = { address: '127.0.0.1:1', storeId: origin, clusterId: null, engine: 'test', kind: 'embedded', instance: 'test', position: {}, ...fields };
  return master.request('PUT', `/cluster/filers/${origin}`, { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } });
}

describe('The identity of a store', function () {
  this.timeout(240_000);
  let cluster: Cluster;
  let [a, b]: ClusterFiler[] = [];
  const views: MasterView[] = [];

  before(async () => {
    cluster = await startCluster({ filers: 2 });
    [a, b] = cluster.filers;
    await a.put('/base/one', 'from before');
    await b.put('/base/two', 'from before');
    await cluster.converged();
  });

  afterEach(async () => {
    for (const filer of cluster.filers.splice(2)) if (filer.running) await filer.stop();
    for (const filer of [a, b]) if (!filer.running) await filer.start();
  });

  after(async () => {
    await cluster?.close();
    await Promise.all(views.map((view) => view.close()));
  });

  it('copied while it was stopped, the copy first: it renews its ids, the original keeps its own, and both go on', async () => {
    const c = await cluster.addFiler();
    await c.put('/copied/one', 'in both folders');
    await cluster.converged();
    const original = await c.store();
    await c.stop();
    const directory = join(cluster.directory, 'copied-first');
    await copyFolder(c.directory, directory);
    const twin = await cluster.addFiler({ directory });
    expect(twin.log()).to.include('restored or copied').and.include('filer.store.id --regenerate');
    await twin.put('/copied/by-the-twin', 'before the original is back');
    await c.start();
    expect(await c.store()).to.include({ origin: original.origin, storeId: original.storeId });
    expect((await twin.store()).origin).not.to.equal(original.origin);
    await Promise.all([c.put('/copied/two', 'by the original'), twin.put('/copied/two', 'by the twin')]);
    const tree = await expectSame(cluster, [a, b, c, twin]);
    expect([...tree.keys()]).to.include.members(['/copied/one', '/copied/by-the-twin', '/copied/two']);
    expect(c.log()).not.to.match(/--regenerate|ORIGIN_IN_USE/);
  });

  it('copied twice, all three at the same moment: three ids, one tree', async () => {
    const c = await cluster.addFiler();
    await c.put('/thrice/one', 'in all folders');
    await cluster.converged();
    await c.stop();
    const copies = ['twin-1', 'twin-2'].map((name) => join(cluster.directory, name));
    for (const directory of copies) await copyFolder(c.directory, directory);
    const [twins] = await Promise.all([Promise.all(copies.map((directory) => cluster.addFiler({ directory, ready: false }))), c.start({ ready: false })]);
    const all = [c, ...twins];
    await Promise.all(all.map((filer) => filer.ready(60_000)));
    await Promise.all(all.map((filer) => filer.put(`/thrice/${filer.name}`, filer.name)));
    await expectSame(cluster, [a, b, ...all]);
    expect(new Set((await Promise.all(all.map((filer) => filer.store()))).map(({ origin }) => origin)).size).to.equal(3);
  });

  it('restored and written on, after meeting first a filer that missed what was lost: everything is there in the end', async () => {
    const c = await cluster.addFiler();
    for (const name of ['kept', 'overwritten', 'deleted']) await c.put(`/rolled-back/${name}`, 'in the backup');
    await cluster.converged();
    await c.stop();
    const backup = join(cluster.directory, 'backup');
    await copyFolder(c.directory, backup);
    await c.start();
    const before = await c.store();
    await b.stop();
    await c.put('/rolled-back/lost', 'after the backup');
    await c.put('/rolled-back/overwritten', 'after the backup');
    await c.remove('/rolled-back/deleted');
    await cluster.converged([a, c]);
    await Promise.all([a.stop(), c.stop()]);

    await rm(c.directory, { recursive: true });
    await copyFolder(backup, c.directory);
    await Promise.all([b.start({ ready: false }), c.start({ ready: false })]);
    await Promise.all([b, c].map((filer) => filer.ready(60_000)));
    expect((await c.store()).origin).not.to.equal(before.origin);
    expect(await c.get('/rolled-back/lost'), 'nobody here has it').to.equal(null);
    await c.put('/rolled-back/new', 'written on');
    await c.put('/rolled-back/kept', 'written on');
    await cluster.converged([b, c]);

    await a.start();
    await expectSame(cluster, [a, b, c]);
    for (const filer of [a, b, c]) {
      expect(await filer.get('/rolled-back/lost')).to.equal('after the backup');
      expect(await filer.get('/rolled-back/overwritten')).to.equal('after the backup');
      expect(await filer.get('/rolled-back/deleted')).to.equal(null);
      expect(await filer.get('/rolled-back/kept')).to.equal('written on');
      expect(await filer.get('/rolled-back/new')).to.equal('written on');
    }
  });

  it('restored while its group is away and only a stranger answers: waits for the group, whose entry it had deleted', async () => {
    const other = await startCluster({ filers: 2 });
    try {
      const [one, two] = other.filers as [ClusterFiler, ClusterFiler];
      await one.put('/deleted', 'by two, while one is away');
      await other.converged();
      await one.stop();
      await two.remove('/deleted');
      await two.stop();
      const backup = join(other.directory, 'backup');
      await copyFolder(two.directory, backup);
      await rm(two.directory, { recursive: true });
      await copyFolder(backup, two.directory);
      const stranger = await other.addFiler();
      await stranger.put('/of-the-stranger', 'worked alone');

      await two.start({ ready: false });
      const isWaiting = async () => (await two.request('GET', '/readyz')).text.includes('until one of those that it has worked with is reached');
      await waitFor(isWaiting, { what: 'the restored one to say whom it waits for', timeoutMs: 20_000 });
      expect(await two.store()).to.include({ state: 'readonly' });
      expect((await stranger.store()).counts.tombstones, 'what was deleted is nothing to the stranger').to.equal(0);

      await one.start({ ready: false });
      await Promise.all(other.filers.map((filer) => filer.ready(60_000)));
      await expectSame(other, other.filers);
      for (const filer of other.filers) {
        expect(await filer.get('/deleted'), filer.name).to.equal(null);
        expect(await filer.get('/of-the-stranger'), filer.name).to.equal('worked alone');
      }
    } finally {
      await other.close();
    }
  });

  for (const port of ['same', 'other'] as const) {
    it(`wiped and started on ${port === 'same' ? 'its' : 'another'} port: another filer with the same tree; what the old one wrote stays`, async () => {
      const c = await cluster.addFiler();
      await c.put(`/wiped-${port}/one`, 'by the old one');
      await cluster.converged();
      const old = await c.store();
      await c.kill();
      await rm(c.directory, { recursive: true });
      await c.start({ port });
      const fresh = await c.store();
      expect([fresh.origin, fresh.storeId]).not.to.include.oneOf([old.origin, old.storeId]);
      await c.put(`/wiped-${port}/two`, 'by the new one');
      const tree = await expectSame(cluster, [a, b, c]);
      expect([...tree.keys()]).to.include.members([`/wiped-${port}/one`, `/wiped-${port}/two`]);
      const isOldDown = async () => (await membersOf(cluster.master)).find(({ origin }) => origin === old.origin)?.state === 'down';
      await waitFor(isOldDown, { what: 'the old one to be down', timeoutMs: 30_000 });
      expect((await membersOf(cluster.master)).find(({ origin }) => origin === fresh.origin)).to.include({ address: c.address, state: 'up' });
      await Promise.all([a.ready(), b.ready()]);
    });
  }

  it('of a shared store beside embedded ones is refused, naming both stores; the others take no harm', async () => {
    const shared = await register(cluster.master, '5'.repeat(16), { kind: 'shared', address: '127.0.0.1:2' });
    expect(shared.status).to.equal(409);
    const said = JSON.parse(shared.text) as { code: string; error: string };
    expect(said.code).to.equal('TOPOLOGY_MIXED');
    const stores = (await Promise.all([a, b].map((filer) => filer.store()))).map(({ storeId }) => storeId);
    expect(said.error)
      .to.include('5'.repeat(16))
      .and.match(new RegExp(stores.join('|')));
    await Promise.all([a.put('/embedded/a', 'goes on'), b.put('/embedded/b', 'goes on')]);
    await expectSame(cluster, [a, b]);
  });

  it('of an embedded store beside a shared one is refused, and told whom to forget', async () => {
    const other = await startCluster({ filers: 0 });
    try {
      const origin = '5'.repeat(16);
      expect((await register(other.master, origin, { kind: 'shared' })).status).to.equal(200);
      const late = await other.addFiler({ ready: false });
      const [, said] = await late.started.waitForLine(/refuses this filer: (.*)/, 20_000);
      expect(said)
        .to.include(origin)
        .and.include((await late.store()).storeId)
        .and.include(`kelp filer.peers --forget=${origin}`);
      await waitFor(async () => (await late.request('GET', '/readyz')).text.includes('TOPOLOGY_MIXED'), { what: '/readyz to say why' });
      expect((await runKelp(['filer.peers', `--master=${other.master.address}`, `--forget=${origin}`])).code).to.equal(0);
      await late.ready(30_000);
    } finally {
      await other.close();
    }
  });

  it('a second process on the port of a filer ends, naming the port and the flag', async () => {
    const second = await runKelp(['filer', `--port=${a.port}`, `--master=${cluster.master.address}`, `--defaultStoreDir=${join(cluster.directory, 'second')}`]);
    expect(second.code).to.equal(2);
    expect(second.stderr).to.include(a.address).and.include('--port');
    expect((await membersOf(cluster.master)).map(({ address }) => address)).to.include(a.address);
  });

  it('a stale registration of the address of a live filer is refused, and that filer stays on the list', async () => {
    const stale = await register(cluster.master, 'e'.repeat(16), { address: a.address });
    expect(stale.status).to.equal(409);
    expect(JSON.parse(stale.text)).to.include({ code: 'ADDRESS_IN_USE', origin: (await a.store()).origin });
    expect(stale.text).to.include('--ip');
    expect((await membersOf(cluster.master)).find(({ address }) => address === a.address)?.state).to.equal('up');
    await a.put('/stale', 'it goes on');
    await expectSame(cluster, [a, b]);
  });

  /** Waits until a filer that has registered with the address of `holder` has been told so, and its /readyz says why. */
  async function expectMistaken(mistaken: ClusterFiler, holder: ClusterFiler): Promise<void> {
    const { origin } = await holder.store();
    const [, said] = await mistaken.started.waitForLine(/refuses this filer: (.*)/, 20_000);
    await mistaken.until('to take writes all the same', async () => (await mistaken.store()).state === 'ready');
    const cure = `filer ${origin} answers at ${holder.address}, which filer ${(await mistaken.store()).origin} gives as its own; start that one with an --ip and --port`;
    expect(said).to.include(cure);
    const { status, text } = await mistaken.request('GET', '/readyz');
    const { reasons } = JSON.parse(text) as { reasons: { code: string; error: string }[] };
    expect(status).to.equal(503);
    expect(reasons.find(({ code }) => code === 'ADDRESS_IN_USE')?.error).to.include(cure);
  }

  /** Waits until the master has refused an address twice more, and sees that the filer that has it was not touched. */
  async function expectUnharmed(holder: ClusterFiler): Promise<void> {
    const { origin } = await holder.store();
    const refused = async () => {
      const { text } = await cluster.master.request('GET', '/metrics');
      return Number(/^kelp_master_announcements_total\{outcome="ADDRESS_IN_USE"\} (\d+)$/m.exec(text)?.[1]);
    };
    const before = await refused();
    await waitFor(async () => (await refused()) >= before + 2, { what: 'two more refusals', timeoutMs: 20_000 });
    const there = (await membersOf(cluster.master)).filter(({ address, state }) => address === holder.address && state === 'up');
    expect(there.map((member) => member.origin)).to.deep.equal([origin]);
    expect(cluster.master.started.output.stderr).not.to.match(new RegExp(`filer ${origin} at \\S+ is down: it gave way`));
  }

  it('a second filer that gives the address of another one hears of it, harms nobody, and joins once it has one of its own', async () => {
    const mistaken = await cluster.addFiler({ bind: '127.0.0.3', port: a.port, ready: false });
    await expectMistaken(mistaken, a);
    await mistaken.put('/mistaken/alone', 'written while nobody follows it');
    await expectUnharmed(a);
    expect((await membersOf(cluster.master)).map(({ origin }) => origin)).not.to.include((await mistaken.store()).origin);
    await Promise.all([a.put('/beside-it/a', 'goes on'), b.put('/beside-it/b', 'goes on')]);
    expect([...(await expectSame(cluster, [a, b])).keys()])
      .to.include.members(['/beside-it/a', '/beside-it/b'])
      .and.not.include('/mistaken/alone');
    await Promise.all([a.ready(), b.ready()]);
    expect(mistaken.started.output.stderr.match(/refuses this filer/g), 'said once').to.have.length(1);

    await mistaken.stop();
    const cured = await cluster.addFiler({ directory: mistaken.directory });
    const tree = await expectSame(cluster, [a, b, cured]);
    expect([...tree.keys()]).to.include.members(['/beside-it/a', '/beside-it/b', '/mistaken/alone']);
    expect(await a.get('/mistaken/alone')).to.equal('written while nobody follows it');
    expect(cured.log()).not.to.include('refuses this filer');
  });

  it('a member that comes back with the address of another one goes on with its peers, and is heard again once it has its own', async () => {
    const c = await cluster.addFiler();
    await c.put('/came-back/one', 'before');
    await cluster.converged();
    const { origin } = await c.store();
    await c.stop();
    const mistaken = await cluster.addFiler({ directory: c.directory, bind: '127.0.0.3', port: a.port, ready: false });
    await expectMistaken(mistaken, a);
    await Promise.all([a.put('/came-back/a', 'meanwhile'), b.put('/came-back/b', 'meanwhile')]);
    await mistaken.put('/came-back/one', 'meanwhile');
    await expectUnharmed(a);
    for (const path of ['/came-back/a', '/came-back/b']) await waitFor(() => mistaken.get(path), { what: `${path} at the one that nobody reaches` });
    await expectSame(cluster, [a, b]);
    await Promise.all([a.ready(), b.ready()]);
    expect(await a.get('/came-back/one')).to.equal('before');

    await mistaken.stop();
    await c.start();
    expect((await c.store()).origin, 'who it was').to.equal(origin);
    await expectSame(cluster, [a, b, c]);
    expect(await a.get('/came-back/one')).to.equal('meanwhile');
  });

  it('a filer at an address that a stale registration holds takes it over', async () => {
    const port = await freePort();
    expect((await register(cluster.master, 'f'.repeat(16), { address: `127.0.0.1:${port}` })).status).to.equal(200);
    const directory = join(cluster.directory, 'takes-over');
    const c = startKelp(['filer', `--port=${port}`, '--ip=127.0.0.1', `--master=${cluster.master.address}`, `--defaultStoreDir=${directory}`]);
    try {
      const states = async () => (await membersOf(cluster.master)).filter(({ address }) => address === `127.0.0.1:${port}`).map(({ state }) => state);
      await waitFor(async () => (await states()).sort().join() === 'down,up', { what: 'the live one to be up, the stale one down', timeoutMs: 20_000 });
    } finally {
      await c.kill();
    }
    expect((await runKelp(['filer.peers', `--master=${cluster.master.address}`, `--forget=${'f'.repeat(16)}`])).code).to.equal(0);
  });

  it('an address that answers as another filer is not followed; what its filer writes comes by way of others', async () => {
    const view = await MasterView.of(cluster.master.address);
    views.push(view);
    const c = await cluster.addFiler({ masters: [view.address] });
    const way = await view.to(a);
    way.leadTo(b.port);
    await a.put('/misled/a', 'relayed');
    await c.put('/misled/c', 'followed');
    await expectSame(cluster, [a, b, c]);
    const { origin } = await a.store();
    const isTold = async () => {
      const { peers } = await c.json<Peers>('/.filer/v1/peers');
      return peers.find((peer) => peer.origin === origin)?.error?.error.includes('is now filer');
    };
    await waitFor(isTold, { what: 'the reason to be shown', timeoutMs: 20_000 });
    way.leadTo(a.port);
    await c.ready(30_000);
    await expectSame(cluster, [a, b, c]);
  });

  it('two filers that come back on each other’s ports are who they were', async () => {
    const [c, d] = [await cluster.addFiler(), await cluster.addFiler()];
    await c.put('/swapped/c', 'before');
    await d.put('/swapped/d', 'before');
    await cluster.converged();
    const [wasC, wasD] = [await c.store(), await d.store()];
    const ports = [c.port, d.port];
    await Promise.all([c.kill(), d.kill()]);
    await c.start({ port: ports[1], ready: false });
    await d.start({ port: ports[0], ready: false });
    await Promise.all([c, d].map((filer) => filer.ready(60_000)));
    expect(await c.store()).to.include({ origin: wasC.origin, storeId: wasC.storeId, address: wasD.address });
    expect(await d.store()).to.include({ origin: wasD.origin, storeId: wasD.storeId, address: wasC.address });
    await Promise.all([c.put('/swapped/c', 'after'), d.put('/swapped/d', 'after')]);
    await expectSame(cluster, [a, b, c, d]);
    expect([await a.get('/swapped/c'), await a.get('/swapped/d')]).to.deep.equal(['after', 'after']);
    for (const filer of [c, d]) expect(filer.log()).not.to.match(/ORIGIN_IN_USE|ADDRESS_IN_USE|--regenerate/);
  });
});

describe('A folder that holds no store and can take none', function () {
  this.timeout(60_000);
  let cluster: Cluster;

  before(async () => {
    cluster = await startCluster({ filers: 0, masters: 0 });
  });
  after(() => cluster?.close());

  const argsFor = (directory: string) => ['filer', '--port=0', '--master=127.0.0.1:1', `--defaultStoreDir=${directory}`];

  it('below a file: exit 5, naming the folder', async () => {
    const { code, stderr } = await runKelp(argsFor('/dev/null/store'));
    expect(code).to.equal(5);
    expect(stderr).to.include('/dev/null/store').and.include('name another one');
  });

  it('without the right to write: exit 5, naming the file', async function () {
    const directory = join(cluster.directory, 'not-mine');
    await mkdir(directory, { mode: 0o500 });
    // Rights hold root back only without the capability to pass them over.
    const under = process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-dac_override', '--inh-caps=-dac_override'] : [];
    if (!(await canRun([...under, 'true']))) return leaveOut(this, 'rights do not hold root back, and setpriv is not to be had');
    const { code, stderr } = await runKelp(argsFor(directory), { under });
    expect(code, stderr).to.equal(5);
    expect(stderr).to.include(directory).and.include('check the folder and its rights');
  });

  it('on a file system mounted for reading only: exit 5, naming the file', async function () {
    const directory = join(cluster.directory, 'read-only');
    await mkdir(directory);
    const under = ['unshare', '--mount', 'sh', '-c', 'mount -t tmpfs -o ro none "$0" && exec "$@"', directory];
    if (!(await canRun([...under, 'true']))) return leaveOut(this, 'this user may not mount a file system');
    const { code, stderr } = await runKelp(argsFor(directory), { under });
    expect(code, stderr).to.equal(5);
    expect(stderr).to.include(directory).and.include('check the folder and its rights');
  });
});

/** True if a command can be started here and ends well. */
function canRun([program, ...args]: readonly string[]): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(program as string, args, { stdio: 'ignore' });
    child.on('error', () => resolve(false));
    child.on('exit', (code) => resolve(code === 0));
  });
}
