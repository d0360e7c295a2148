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
    expect((await full.request('GET', '/readyz')).status).to.equal(503);
    const shown = await runKelp(['filer.peers', `--master=${cluster.master.address}`]);
    expect(shown.code).to.equal(1);
    expect(shown.stdout).to.match(/stalled.*disk of the store is full/);
    // It is known by its place in the log that nothing was passed over.
    expect((await full.store()).position).to.not.deep.equal((await roomy.store()).position);

    await run('mount', ['-o', 'remount,size=64m', disk as string]);
    await expectSame(cluster, [roomy, full], 60_000);
    await full.put('/own/during', content);
    await expectSame(cluster, [roomy, full], 30_000);
    expect(full.pid, 'the same process').to.equal(pid);
  });
});
