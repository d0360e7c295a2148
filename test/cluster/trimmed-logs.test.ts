import { rename, rm } from 'node:fs/promises';
import { expect } from 'chai';
import { parseDuration } from '../../src/core/config/duration.js';
import { startCluster, type Cluster, type ClusterFiler } from '../support/cluster.js';
import { MasterView } from '../support/master-view.js';
import { runKelp } from '../support/run-kelp.js';
import { expectSame, fill } from '../support/trees.js';

interface Log {
  readonly changes: number;
  readonly bytes: number;
  readonly bytesMax: number;
  readonly oldest: string | null;
  readonly heldBy: readonly { readonly origin: string }[];
  readonly tombstones: { readonly count: number; readonly heldBy: readonly { readonly origin: string }[] };
  readonly peers: readonly { readonly origin: string; readonly missing: { readonly events: number }; readonly budgetSeconds: number | null }[];
  readonly closed: readonly string[];
}

const logOf = (filer: ClusterFiler) => filer.json<Log>('/.filer/v1/log');

/** How a filer answers who would go on from there. */
async function answerAfter(filer: ClusterFiler, from: string): Promise<{ status: number; code: string | undefined }> {
  const { status, text } = await filer.request('GET', `/.filer/v1/changes?${from}`);
  return { status, code: status === 410 ? (JSON.parse(text) as { code: string }).code : undefined };
}

const trimmed = { status: 410, code: 'LOG_TRIMMED' };

/** Waits until what follows a position has left the log of a filer. */
async function untilTrimmedBeyond(filer: ClusterFiler, position: string): Promise<void> {
  const from = `position=${encodeURIComponent(position)}`;
  await filer.until('the log to begin after what the absent one has', async () => (await answerAfter(filer, from)).status === 410, 60_000);
  expect(await answerAfter(filer, from)).to.deep.equal(trimmed);
}

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
      expect(await answerAfter(filer, 'offset=-1')).to.deep.equal(trimmed);
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
    await a.until('c to hold the tombstone', async () => (await logOf(a)).tombstones.heldBy.some((one) => one.origin === origin));
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

  it('keep deletions for a store in whose place another one began, as with a disk that was not mounted: it goes on where it was', async () => {
    const c = cluster.filers.at(-1) as ClusterFiler;
    await a.put('/shared/stale', 'deleted while the disk is away');
    await cluster.converged();
    const { origin: old } = await c.store();
    for (const filer of [a, b]) await filer.stop();
    await c.put('/own/on the disk', 'nobody else has this');
    await c.stop();
    const disk = `${c.directory}-unmounted`;
    await rename(c.directory, disk);
    await Promise.all([a, b].map((filer) => filer.start({ ready: false })));
    await Promise.all([a, b].map((filer) => filer.ready(60_000)));
    await c.start({ ready: false });
    await c.ready(60_000);
    await a.remove('/shared/stale');
    // Ready it may be for a moment on its own, before it meets those who fill it.
    await cluster.converged([a, b, c], 60_000);
    await c.put('/own/in its place', 'written meanwhile');
    await cluster.converged([a, b, c], 60_000);
    const { origin: other } = await c.store();
    expect(other).not.to.equal(old);
    // One that was closed before is waited for as long as somebody has not said that it knows.
    const holdersAt = async (filer: ClusterFiler) => {
      const { tombstones, closed } = await logOf(filer);
      const origins = tombstones.heldBy.map(({ origin }) => origin);
      return origins.filter((origin) => !closed.includes(origin)).join();
    };
    for (const filer of [a, b]) await filer.until('only the old one to hold the tombstone', async () => (await holdersAt(filer)) === old, 60_000);
    const { members } = await cluster.master.json<{ members: readonly { readonly origin: string; readonly state: string }[] }>('/cluster/filers');
    expect(members.find(({ origin }) => origin === old)?.state).to.equal('down');

    await c.stop();
    await rm(c.directory, { recursive: true });
    await rename(disk, c.directory);
    await c.start({ ready: false });
    await c.ready(60_000);
    const tree = await expectSame(cluster, [a, b, c], 60_000);
    expect((await c.store()).origin).to.equal(old);
    expect(c.started.output.stderr).not.to.match(/rejoin/);
    expect([...tree.keys()])
      .to.include.members(['/own/on the disk', '/own/in its place'])
      .and.not.to.include('/shared/stale');

    // What the other one had seen, this store has not heard; whoever knows that nobody will meet it again says so.
    await c.until('only the other one to hold the tombstone', async () => (await holdersAt(c)) === other, 60_000);
    expect((await c.store()).counts.tombstones).to.equal(1);
    const forgotten = await runKelp(['filer.peers', `--master=${cluster.master.address}`, `--forget=${other}`]);
    expect(forgotten.code, forgotten.stderr).to.equal(0);
    for (const filer of [a, b, c]) await filer.until('the tombstone to go', async () => (await filer.store()).counts.tombstones === 0, 60_000);
  });
});

describe('Filers that close who is silent for ten seconds, with logs of at most 30,000 bytes', function () {
  this.timeout(240_000);
  let cluster: Cluster;

  before(async () => {
    const filerArgs = ['--log.maxBytes=30000', '--tombstone.retention=1s', '--forgetAfter=10s'];
    cluster = await startCluster({ masterArgs: ['--forgetAfter=10s'], filerArgs });
  });
  after(() => cluster?.close());

  it('go on without one that is away for longer than everything; it comes back with its own work, and revives nothing', async () => {
    const [a, b, c] = cluster.filers as [ClusterFiler, ClusterFiler, ClusterFiler];
    await a.put('/shared/old', 'deleted while c is away');
    await a.put('/shared/kept', 'of all');
    await cluster.converged();
    const { origin } = await c.store();
    const had = await c.position();
    await Promise.all([a.stop(), b.stop()]);
    await c.put('/own/unsent', 'nobody has seen this');
    await c.stop();

    // Started anew they have not heard of c since: its silence begins now.
    await Promise.all([a, b].map((filer) => filer.start({ ready: false })));
    await Promise.all([a, b].map((filer) => filer.ready(60_000)));
    await a.remove('/shared/old');
    await Promise.all([fill(a, '/of-a', 100), fill(b, '/of-b', 100)]);
    for (const filer of [a, b]) await untilTrimmedBeyond(filer, had);

    for (const filer of [a, b]) await filer.until('c to be closed', async () => (await logOf(filer)).closed.length > 0, 60_000);
    for (const filer of [a, b]) expect((await logOf(filer)).closed, filer.name).to.deep.equal([origin]);
    const said = [a, b].map(({ started }) => started.output.stderr).join('');
    expect(said).to.include(`origin ${origin} was not heard of for too long and is closed; should its filer come back, it rejoins`);
    for (const filer of [a, b]) await filer.until('the tombstone to go', async () => (await filer.store()).counts.tombstones === 0, 60_000);
    const isOnTheList = async () =>
      (await cluster.master.json<{ members: readonly { readonly origin: string }[] }>('/cluster/filers')).members.some((one) => one.origin === origin);
    await cluster.master.until('the list to forget c', async () => !(await isOnTheList()), 60_000);
    expect(cluster.master.started.output.stderr).to.include(`filer ${origin} at ${c.address} was not heard of for too long and is forgotten`);

    await c.start({ ready: false });
    await c.started.waitForLine(/rejoined: \d+ of its own entries written again/, 60_000);
    await c.ready(60_000);
    const tree = await expectSame(cluster, [a, b, c]);
    expect((await c.store()).origin).not.to.equal(origin);
    expect([...tree.keys()])
      .to.include.members(['/own/unsent', '/shared/kept'])
      .and.not.to.include('/shared/old');
    expect([...tree.keys()].filter((path) => path.includes('/file-'))).to.have.length(200);
    for (const filer of [a, b, c]) expect(await filer.get('/own/unsent'), filer.name).to.equal('nobody has seen this');
    for (const filer of [a, b, c]) expect((await logOf(filer)).closed, `${filer.name}: nobody who lives`).to.deep.equal([origin]);
  });
});

describe('A peer that is away', function () {
  this.timeout(240_000);
  let cluster: Cluster;
  let [a, b, c]: ClusterFiler[] = [];

  before(async () => {
    cluster = await startCluster({ filers: 0 });
    a = await cluster.addFiler({ args: ['--log.retention=1s', '--log.retentionMax=1h', '--tombstone.retention=1s'], ready: false });
    b = await cluster.addFiler({ args: ['--log.retentionMax=2s'], ready: false });
    c = await cluster.addFiler({ ready: false });
    await Promise.all(cluster.filers.map((filer) => filer.ready()));
    await a.put('/before', 'of all');
    await cluster.converged();
  });
  after(() => cluster?.close());

  it('holds back log and tombstones, which kelp filer.log shows with how long it may stay away; once it is back they go', async () => {
    const { origin } = await c.store();
    // Down on the list at once; after kill -9 it would count as up for a while.
    await c.stop();
    for (let number = 0; number < 20; number += 1) await a.put(`/held/${number}`, 'c has not seen this');
    await a.remove('/before');
    const isHeldByOne = async () => {
      const { oldest, heldBy } = await logOf(a);
      return oldest !== null && Date.now() - Date.parse(oldest) > 4000 && heldBy.map((one) => one.origin).join() === origin;
    };
    await a.until('the log to be older than it keeps what all have', isHeldByOne, 60_000);
    expect((await logOf(a)).changes).to.be.at.least(20);
    const holdsTombstones = async () => (await logOf(a)).tombstones.heldBy.map((one) => one.origin).join() === origin;
    await a.until('c alone to hold the tombstone', holdsTombstones, 60_000);

    const json = await runKelp(['filer.log', `--filer=${a.address}`, '--json']);
    expect(json.code, json.stderr).to.equal(0);
    const { heldBy, peers } = JSON.parse(json.stdout) as Log;
    expect(heldBy).to.have.length(1);
    expect(heldBy[0]).to.include({ origin, address: c.address, reason: 'report' });
    for (const peer of [b, c]) {
      const { origin: known } = peer === c ? { origin } : await b.store();
      // At most --log.retentionMax, less the age of what it lacks.
      expect(peers.find((one) => one.origin === known)?.budgetSeconds, peer.name).to.be.within(3000, 3600);
    }
    expect(peers.find((one) => one.origin === origin)?.missing.events).to.be.at.least(20);

    const shown = await runKelp(['filer.log', `--filer=${a.address}`]);
    expect(shown.code, shown.stderr).to.equal(0);
    const rows = shown.stdout.split('\n').map((line) => line.split('\t'));
    for (const what of ['held back by', 'tombstones held by']) expect(rows).to.deep.include([what, `${c.address} (report)`]);
    const [, , missing, , away, holds] = rows.find(([peer]) => peer === c.address) as string[];
    expect(Number(missing)).to.be.at.least(20);
    expect(parseDuration(away)).to.be.within(3000_000, 3600_000);
    expect(holds).to.equal('log, tombstones');
    expect(rows.find(([peer]) => peer === b.address)?.[5]).not.to.match(/^log\b/);

    await c.start({ ready: false });
    await c.ready(60_000);
    await cluster.converged(cluster.filers, 60_000);
    const isGone = async () => {
      const { changes, heldBy: holders, tombstones } = await logOf(a);
      return changes === 0 && holders.length === 0 && tombstones.count === 0 && tombstones.heldBy.length === 0;
    };
    await a.until('both to go', isGone, 60_000);
  });

  it('finds what it lacks gone after --log.retentionMax, though it has not acknowledged it, and comes back by a snapshot', async () => {
    const { origin } = await c.store();
    const had = await c.position();
    await c.kill();
    for (let number = 0; number < 20; number += 1) await b.put(`/gone/${number}`, 'c has not seen this');
    await cluster.converged([a, b]);
    // It keeps what c lacks, and could give it to c.
    await a.stop();
    await untilTrimmedBeyond(b, had);
    const { bytes, bytesMax, peers } = await logOf(b);
    expect(bytes).to.be.below(bytesMax / 1000);
    const peer = peers.find((one) => one.origin === origin);
    expect(peer?.missing.events).to.be.at.least(20);
    expect(peer?.budgetSeconds).to.equal(0);

    await c.start({ ready: false });
    await c.started.waitForLine(new RegExp(`takes a snapshot of ${b.address}`), 60_000);
    await c.ready(60_000);
    await expectSame(cluster, [b, c]);
    expect(await c.get('/gone/19')).to.equal('c has not seen this');
    expect((await c.store()).origin, 'it need not rejoin').to.equal(origin);
    await a.start({ ready: false });
    await a.ready(60_000);
    await expectSame(cluster, [a, b, c]);
  });
});
