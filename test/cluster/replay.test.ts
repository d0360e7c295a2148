import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { readStoreIds } from '../../src/core/offline-store.js';
import { startCluster, type Cluster, type ClusterFiler } from '../support/cluster.js';
import { expectPeakBelow, peakMemoryMiB } from '../support/load.js';
import { kelpBin, runKelp } from '../support/run-kelp.js';
import { waitFor } from '../support/wait-for.js';

const timeoutMs = 60_000;

/** `kelp filer.meta.replay ARGS --json`, which must end well. */
async function replay(args: readonly string[], input?: string): Promise<Record<string, number>> {
  const { code, stdout, stderr } = await runKelp(['filer.meta.replay', ...args, '--json'], { input, timeoutMs });
  expect(code, stderr).to.equal(0);
  return JSON.parse(stdout) as Record<string, number>;
}

/** What `weed filer.meta.tail` prints of some new files. */
const events = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => {
    const newEntry = { name: `f${from + i}`, isDirectory: false, attributes: { fileSize: '1', mtime: '5' }, content: 'eA==', chunks: [] };
    const eventNotification = { oldEntry: null, newEntry, deleteChunks: false, newParentPath: '/in', signatures: [7] };
    return `${JSON.stringify({ directory: '/in', eventNotification, tsNs: `${1_763_763_267_000_000 + from + i}000` }, null, 2)}\n`;
  }).join('');

describe('filer.meta.replay between processes', function () {
  this.timeout(180_000);
  let cluster: Cluster;
  let [source, other]: ClusterFiler[] = [];
  let recorded: string;
  const children: ChildProcess[] = [];

  before(async () => {
    cluster = await startCluster({ filers: 1 });
    [source] = cluster.filers as [ClusterFiler];
    other = await cluster.addFiler({ masters: [] });
    for (let i = 0; i < 50; i++) await source.put(`/docs/${i % 5}/${i}`, `content of ${i}`);
    await source.move('/docs/1', '/moved');
    await source.remove('/docs/2', { recursive: true });
    await source.put('/docs/3/3', 'another');
    const tail = await runKelp(['filer.meta.tail', `--filer=${source.address}`, '--position=', '--no-follow'], { timeoutMs });
    expect(tail.code).to.equal(0);
    recorded = join(cluster.directory, 'changes.jsonl');
    await writeFile(recorded, tail.stdout);
  });
  after(async () => {
    for (const child of children) child.kill('SIGKILL');
    await cluster?.close();
  });

  /** A replay of a pipe that stays open. */
  const piped = (args: readonly string[], input: string): { child: ChildProcess; stderr: () => string } => {
    const child = spawn(process.execPath, [kelpBin, 'filer.meta.replay', '-', ...args], { stdio: ['pipe', 'ignore', 'pipe'] });
    children.push(child);
    let text = '';
    child.stderr?.setEncoding('utf8').on('data', (part: string) => (text += part));
    child.stdin?.write(input);
    return { child, stderr: () => text };
  };
  /** Until a store holds so many changes of its own. */
  const holds = (directory: string, changes: number) =>
    waitFor(
      async () => {
        const { position, origin } = await readStoreIds(directory).catch(() => ({ position: {} as Record<string, number>, origin: '' }));
        return (position[origin] ?? 0) >= changes;
      },
      { what: `${changes} changes in ${directory}`, timeoutMs },
    );

  it('gives a filer of another cluster the tree of the first, and changes nothing the second time', async () => {
    const first = await replay([recorded, `--filer=${other.address}`]);
    expect(first).to.include({ applied: first.read, malformed: 0 });
    expect(await other.digest()).to.equal(await source.digest());
    const { head } = await other.store();
    expect(await replay([recorded, `--filer=${other.address}`])).to.include({ applied: 0, unchanged: first.read });
    expect((await other.store()).head).to.equal(head);
    expect(await replay([recorded, `--filer=${other.address}`, '--plan'])).to.include({ creates: 0, deletes: 0, unchanged: first.read });
  });

  it('fills a folder from a feed, which then opens as a filer', async () => {
    const directory = join(cluster.directory, 'folder');
    await replay([`--from=${source.address}`, `--store=${directory}`]);
    const opened = await cluster.addFiler({ masters: [], directory });
    expect(await opened.digest()).to.equal(await source.digest());
    expect(await opened.get('/moved/1')).to.equal('content of 1');
    await opened.put('/docs/new', 'x');
    expect((await opened.store()).origin).to.not.equal((await source.store()).origin);
    await opened.stop();
  });

  it('goes on at its checkpoint after kill -9', async () => {
    const directory = join(cluster.directory, 'killed');
    const args = [`--store=${directory}`, '--checkpoint=weed'];
    const { child } = piped(args, events(0, 2000));
    // One change more than the events: the checkpoint stands with them.
    await holds(directory, 2001);
    child.kill('SIGKILL');
    await once(child, 'close');
    const all = events(0, 3000);
    expect(await replay(['-', ...args], all)).to.include({ read: 1000, applied: 1000 });
    expect(await replay(['-', ...args], all)).to.include({ read: 0 });
    expect(await replay(['-', `--store=${directory}`], all)).to.include({ read: 3000, applied: 0, unchanged: 3000 });
    const check = await runKelp(['filer.store.id', `--store=${directory}`, '--check'], { timeoutMs });
    expect(check.code, check.stdout).to.equal(0);
  });

  it('takes a long pipe in less than 200 MB of memory', async () => {
    const directory = join(cluster.directory, 'long');
    const { child } = piped([`--store=${directory}`], '');
    const [step, count] = [1000, 40_000];
    for (let from = 0; from < count; from += step) if (child.stdin?.write(events(from, from + step)) === false) await once(child.stdin, 'drain');
    await holds(directory, count);
    const peak = peakMemoryMiB(child.pid as number);
    child.stdin?.end();
    const [code] = (await once(child, 'close')) as [number];
    expect(code).to.equal(0);
    // 200 MB.
    expectPeakBelow(peak, 190);
  });

  it('ends at Ctrl-C, and says how to go on', async () => {
    const directory = join(cluster.directory, 'interrupted');
    const { child, stderr } = piped([`--store=${directory}`, '--checkpoint=weed'], events(0, 10));
    await holds(directory, 11);
    child.kill('SIGINT');
    const [code] = (await once(child, 'close')) as [number];
    expect(stderr()).to.contain('10 applied').and.to.contain('the same command goes on here');
    expect(code).to.equal(130);
  });
});
