import { expect } from 'chai';
import { MetaClient } from '../../src/core/api/meta/client.js';
import { isReserved, type FullPath } from '../../src/core/entry/path.js';
import { HttpClient } from '../../src/core/http/client.js';
import { startCluster, type Cluster, type ClusterFiler } from '../support/cluster.js';
import { runKelp, startKelp, type Started } from '../support/run-kelp.js';
import { waitFor } from '../support/wait-for.js';

/*
 * Two clusters of three filers each and `kelp filer.sync` between them, all of them processes. All six write to the same 200 paths while what
 * can go away goes away: the sync, a filer on either side, both masters; the way between the clusters is cut by stopping the sync.
 */

const untilMs = 120_000;
const sharedPaths = 200;

describe('filer.sync while everything around it fails', function () {
  this.timeout(420_000);
  const http = new HttpClient({ connections: 4 });
  let a: Cluster;
  let b: Cluster;
  let all: ClusterFiler[] = [];
  const syncs: Started[] = [];

  before(async () => {
    a = await startCluster({ filers: 1 });
    b = await startCluster({ filers: 1 });
    // One after the other, and each waited for as long as everything else here: a slow machine does not start eight processes at a time in good time.
    for (const side of [a, b, a, b]) await (await side.addFiler({ ready: false })).ready(untilMs);
    all = [...a.filers, ...b.filers];
  });

  after(async () => {
    await Promise.all(syncs.map((sync) => sync.kill('SIGKILL')));
    await Promise.all([a?.close(), b?.close()]);
    await http.close();
  });

  const sides = (filer: number) => [`--a=${a.filers[filer]?.address}`, `--b=${b.filers[filer]?.address}`];
  const startSync = async (filer: number) => {
    const sync = startKelp(['filer.sync', ...sides(filer), '--json']);
    syncs.push(sync);
    await sync.waitForLine(/"state":"following".*"state":"following"/, untilMs);
    return sync;
  };
  const once = async () => {
    const { code, stdout, stderr } = await runKelp(['filer.sync', ...sides(0), '--once', `--timeout=${untilMs / 1000}s`], { timeoutMs: untilMs + 60_000 });
    expect(code, `${stdout}${stderr}${a.logs()}${b.logs()}`).to.equal(0);
  };

  /** What was acknowledged, by a filer of either side. */
  const kept = new Map<string, string>();
  const removed = new Set<string>();
  const offered = new Map<string, Set<string>>();
  /** Tries until the filer takes it: it may be killed, or join. A put that was not acknowledged may have been done all the same. */
  const insist = async (work: () => Promise<unknown>, mayEnd: () => boolean): Promise<boolean> => {
    for (;;) {
      try {
        await work();
        return true;
      } catch {
        if (mayEnd()) return false;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  };
  /** One filer's client: goes round the shared paths, and keeps files of its own, until it may end and has written so many at least. */
  const writer = async (filer: ClusterFiler, name: string, least: number, mayEnd: () => boolean) => {
    for (let count = 0; count < least || !mayEnd(); count += 1) {
      const path = `/shared/${count % sharedPaths}`;
      const content = `${name} ${count}`;
      const known = offered.get(path) ?? new Set();
      offered.set(path, known.add(content));
      await insist(() => filer.put(path, content), mayEnd);
      if (count % 5 > 0) continue;
      const own = `/own/${name}-${count}`;
      if (await insist(() => filer.put(own, own), mayEnd)) kept.set(own, own);
      if (count % 10 > 0 || !kept.has(own)) continue;
      kept.delete(own);
      if (await insist(() => filer.remove(own), mayEnd)) removed.add(own);
    }
  };
  const writeDuring = async (round: string, least: number, faults: () => Promise<void>) => {
    let isOver = false;
    const writers = all.map((filer, index) => writer(filer, `${round}-${index}`, least, () => isOver));
    await faults().finally(() => (isOver = true));
    await Promise.all(writers);
  };

  /** Every live row outside kelp's own entries: name, version, author, content. */
  const rowsOf = async (filer: ClusterFiler): Promise<string[]> => {
    const meta = new MetaClient(http, filer.address);
    const lines: string[] = [];
    for (let after: FullPath | null = null; ;) {
      const page: Awaited<ReturnType<MetaClient['snapshot']>> = await meta.snapshot(after, 10_000, null);
      for (const { path, version, author, contentHash, entry } of page.rows)
        if (entry !== null && !isReserved(path)) lines.push(`${path} ${version} ${author} ${contentHash}`);
      after = page.next;
      if (after === null) return lines.sort();
    }
  };
  const expectEqual = async () => {
    await Promise.all([a.converged(undefined, untilMs), b.converged(undefined, untilMs)]);
    const [first, ...others] = await Promise.all(all.map(rowsOf));
    for (const other of others) expect(other).to.deep.equal(first);
    const [reader] = all as [ClusterFiler];
    for (const [path, contents] of offered) expect(contents.has((await reader.get(path)) ?? ''), path).to.equal(true);
    const own = new Set(await reader.list('/own'));
    for (const path of kept.keys()) expect(own.has(path.slice('/own/'.length)), `${path} was acknowledged`).to.equal(true);
    for (const path of removed) expect(own.has(path.slice('/own/'.length)), `${path} was removed`).to.equal(false);
  };

  it('loses no acknowledged write, and brings back none that was removed', async () => {
    let sync = await startSync(0);
    await writeDuring('one', sharedPaths, async () => {
      await sync.kill('SIGKILL');
      sync = await startSync(0);
      for (const [side, other] of [
        [a, b],
        [b, a],
      ] as const) {
        const [named, second] = side.filers as [ClusterFiler, ClusterFiler];
        await named.kill();
        const path = `/across/${named.name}-${side === a ? 'a' : 'b'}`;
        await insist(
          () => second.put(path, path),
          () => false,
        );
        const [, reader] = other.filers as [ClusterFiler, ClusterFiler];
        await waitFor(async () => (await reader.get(path)) === path, { what: `${path} to cross without ${named.name}`, timeoutMs: untilMs });
        await named.start({ ready: false });
      }
      await Promise.all([a.master.kill(), b.master.kill()]);
      sync.process.kill('SIGSTOP');
      await Promise.all([a.master.start(), b.master.start()]);
      await Promise.all(all.map((filer) => filer.ready(untilMs)));
      sync.process.kill('SIGCONT');
    });
    await sync.kill('SIGTERM');
    await once();
    await expectEqual();
  });

  it('is not harmed by a second runner that works with other filers', async () => {
    const both = [await startSync(1), await startSync(2)];
    await writeDuring('two', sharedPaths / 4, async () => {
      await both[0]?.kill('SIGKILL');
      both[0] = await startSync(1);
    });
    for (const sync of both) await sync.kill('SIGTERM');
    await once();
    await expectEqual();
  });
});
