import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { startCluster, type Cluster, type ClusterFiler } from '../support/cluster.js';
import { leaveOut } from '../support/leave-out.js';
import { runKelp } from '../support/run-kelp.js';
import { expectSame } from '../support/trees.js';

const run = promisify(execFile);

interface Peers {
  readonly peers: readonly { readonly state: string; readonly error: { readonly code: string } | null }[];
}

/** What a filer shows of `peer`, whose changes it cannot write: everywhere the same, with the reason. */
async function expectStalled(cluster: Cluster, filer: ClusterFiler, peer: ClusterFiler, code: string, why: RegExp): Promise<void> {
  const { origin } = await peer.store();
  const answer = await filer.expect(503, 'GET', '/readyz');
  const { ready, reasons } = JSON.parse(answer.text) as { ready: boolean; reasons: { code: string; error: string }[] };
  expect([ready, reasons.map((reason) => reason.code)]).to.deep.equal([false, [code]]);
  expect(reasons[0].error).to.match(why).and.to.include(`${peer.address} is not followed: `);
  expect(await filer.metric('kelp_peer_stalled', { peer: origin })).to.equal(1);
  expect(await filer.metric('kelp_peers', { state: 'stalled' })).to.equal(1);
  expect(await filer.metric('kelp_peer_stalls_total', { peer: origin })).to.be.at.least(1);
  expect(await filer.metric('kelp_peer_behind_changes', { peer: origin })).to.be.at.least(1);
  const shown = await runKelp(['filer.peers', `--master=${cluster.master.address}`]);
  expect(shown.code).to.equal(1);
  const row = shown.stdout.split('\n').find((line) => line.startsWith(`${filer.address}\t${peer.address}\t`));
  expect(row).to.match(/^\S+\t\S+\tstalled\t/);
  expect(row).to.match(why);
}

async function expectRecovered(filer: ClusterFiler, peer: ClusterFiler): Promise<void> {
  const { origin } = await peer.store();
  await filer.ready();
  expect(await filer.metric('kelp_peer_stalled', { peer: origin })).to.equal(0);
  expect(await filer.metric('kelp_peers', { state: 'stalled' })).to.equal(0);
  expect(await filer.metric('kelp_peer_stalls_total', { peer: origin }), 'what was counted').to.be.at.least(1);
}

describe('A filer whose disk is full', function () {
  this.timeout(180_000);
  let cluster: Cluster;
  let disk: string | null = null;

  before(async function () {
    cluster = await startCluster({ filers: 1 });
    const place = join(cluster.directory, 'small-disk');
    await mkdir(place);
    try {
      await run('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', place]);
      disk = place;
    } catch (error) {
      leaveOut(this, `no small disk can be made here (${(error as Error).message.trim().split('\n').at(-1)})`);
    }
  });

  after(async () => {
    for (const filer of cluster?.filers ?? []) if (filer.running) await filer.kill();
    if (disk) await run('umount', [disk]);
    await cluster?.close();
  });

  it('stalls, answers 507, goes on reading, and recovers when there is room again, without a restart', async () => {
    const [roomy] = cluster.filers as [ClusterFiler];
    const full = await cluster.addFiler({ directory: join(disk as string, 'store') });
    await full.put('/own/before', 'from before');
    await cluster.converged();
    const { pid } = full;

    const peersOf = async () => (await full.json<Peers>('/.filer/v1/peers')).peers;
    const content = Buffer.alloc(200_000, 'x');
    for (let i = 0; i < 40; i++) await roomy.put(`/great/${i}`, content);
    await full.until(
      'its stream to stall',
      async () => (await peersOf()).some(({ state, error }) => state === 'stalled' && error?.code === 'STORE_FULL'),
      60_000,
    );
    // What is left may hold a small write though it does not hold the page that waits.
    let write = await full.request('PUT', '/own/during', { body: content });
    for (let i = 0; write.status === 201 && i < 40; i++) write = await full.request('PUT', '/own/during', { body: content });
    expect({ status: write.status, code: (JSON.parse(write.text) as { code: string }).code }).to.deep.equal({ status: 507, code: 'STORE_FULL' });
    expect(await full.get('/own/before')).to.equal('from before');
    expect((await full.request('GET', '/healthz')).status).to.equal(200);
    await expectStalled(cluster, full, roomy, 'STORE_FULL', /the disk of the store is full; free some space/);
    // It is known by its place in the log that nothing was passed over.
    expect((await full.store()).position).to.not.deep.equal((await roomy.store()).position);

    await run('mount', ['-o', 'remount,size=64m', disk as string]);
    await expectSame(cluster, [roomy, full], 60_000);
    await expectRecovered(full, roomy);
    await full.put('/own/during', content);
    await expectSame(cluster, [roomy, full], 30_000);
    expect(full.pid, 'the same process').to.equal(pid);
  });
});

describe('A filer whose store cannot be written, though there is room', function () {
  this.timeout(120_000);
  let cluster: Cluster;

  before(async () => {
    cluster = await startCluster({ filers: 2 });
  });
  after(() => cluster?.close());

  // An I/O error that a test may switch on: the process may write no file beyond its first bytes, and hears EFBIG.
  const bound = (filer: ClusterFiler, bytes: string) => run('prlimit', [`--pid=${filer.pid}`, `--fsize=${bytes}:unlimited`]);

  it('stalls, answers 503 to writes, goes on reading, passes nothing, and recovers without a restart', async function () {
    const [healthy, broken] = cluster.filers as [ClusterFiler, ClusterFiler];
    await broken.put('/own/before', 'from before');
    await cluster.converged();
    const [before, { pid }] = [await broken.store(), broken];
    try {
      await bound(broken, '100');
    } catch (error) {
      process.stderr.write(`      skipped: no process can be bound here (${(error as Error).message.trim().split('\n').at(-1)})\n`);
      this.skip();
    }
    const began = Date.now();
    await healthy.put('/while/broken', 'x');
    const written = Date.now();
    const { origin } = await healthy.store();
    await broken.until('its stream to stall again and again', async () => (await broken.metric('kelp_peer_stalls_total', { peer: origin })) > 1);
    await expectStalled(cluster, broken, healthy, 'STORE_FAILED', /the store failed: SQLITE_IOERR/);
    const asked = Date.now();
    const age = await broken.metric('kelp_peer_behind_seconds', { peer: origin });
    expect(age, 'since it was written').to.be.within((asked - written) / 1000 - 0.05, (Date.now() - began) / 1000 + 0.05);
    const write = await broken.request('PUT', '/own/during', { body: 'x' });
    expect({ status: write.status, code: (JSON.parse(write.text) as { code: string }).code }).to.deep.equal({ status: 503, code: 'STORE_FAILED' });
    expect(await broken.get('/own/before')).to.equal('from before');
    const { position, digest } = await broken.store();
    expect({ position, digest }).to.deep.equal({ position: before.position, digest: before.digest });

    await bound(broken, 'unlimited');
    await expectSame(cluster, [healthy, broken], 30_000);
    await expectRecovered(broken, healthy);
    expect(await broken.get('/while/broken')).to.equal('x');
    expect(await broken.get('/own/during'), 'it was refused').to.equal(null);
    await broken.put('/own/during', 'now');
    await expectSame(cluster, [healthy, broken], 30_000);
    expect(broken.pid, 'the same process').to.equal(pid);
  });
});
