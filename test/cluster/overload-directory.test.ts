import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { limits, residentMiBMax } from '../../src/core/config/limits.js';
import { parsePath } from '../../src/core/entry/path.js';
import { silentLogger } from '../../src/core/logger.js';
import { ChangeLog } from '../../src/core/log/change-log.js';
import { Namespace } from '../../src/core/namespace/namespace.js';
import { openStore } from '../../src/core/store/open-store.js';
import { realTime } from '../../src/core/time.js';
import { startCluster, type Cluster, type ClusterFiler } from '../support/cluster.js';
import { Client, expectPeakBelow, peakMemoryMiB, requestText, tell } from '../support/load.js';
import { file } from '../support/open-log.js';
import { waitFor } from '../support/wait-for.js';

const files = 100_000;
const nameOf = (index: number) => `f${String(index).padStart(6, '0')}`;

/** Fills a store as its filer would, without HTTP. */
async function fill(directory: string): Promise<void> {
  const store = await openStore({ directory, time: realTime });
  const log = await ChangeLog.open({ store, time: realTime, limits, logger: silentLogger });
  const tree = new Namespace(log, store, realTime, limits);
  for (let at = 0; at < files; at += 5000) {
    await Promise.all(Array.from({ length: 5000 }, (_, i) => tree.put(parsePath(`/huge/${nameOf(at + i)}`), file('kelp'), 0o660)));
  }
  await log.close();
  await store.close();
}

describe('A directory with 100,000 files', function () {
  this.timeout(240_000);
  let cluster: Cluster;
  let a: ClusterFiler;
  let b: ClusterFiler;

  before(async () => {
    cluster = await startCluster({ filers: 0 });
    const directory = join(cluster.directory, 'filled');
    await mkdir(directory);
    const started = performance.now();
    await fill(directory);
    const filled = performance.now();
    a = await cluster.addFiler({ directory });
    b = await cluster.addFiler({ ready: false });
    await b.ready(90_000);
    tell(`filled in ${((filled - started) / 1000).toFixed(1)} s, taken by a fresh filer in ${((performance.now() - filled) / 1000).toFixed(1)} s`);
  });

  after(() => cluster?.close());

  const timed = async <T>(work: Promise<T>): Promise<{ value: T; ms: number }> => {
    const started = performance.now();
    const value = await work;
    return { value, ms: Math.round(performance.now() - started) };
  };

  it('is listed page by page, no page later or greater than another', async () => {
    const page = (query: string) => timed(a.json<{ Entries: { FullPath: string }[]; LastFileName: string; ShouldDisplayLoadMore: boolean }>(`/huge?${query}`));
    const first = await page('limit=1000');
    const deep = await page(`limit=1000&lastFileName=${nameOf(90_000)}`);
    const greatest = await page(`limit=10000&lastFileName=${nameOf(50_000)}`);
    const sparse: Awaited<ReturnType<typeof page>>[] = [];
    for (let last = '', more = true; more;) {
      const next = await page(`limit=1000&namePattern=*9999&lastFileName=${last}`);
      sparse.push(next);
      ({ LastFileName: last, ShouldDisplayLoadMore: more } = next.value);
    }
    expect([first, deep, greatest].map(({ value }) => value.Entries.length)).to.deep.equal([1000, 1000, 10_000]);
    expect(deep.value.Entries[0]?.FullPath).to.equal(`/huge/${nameOf(90_001)}`);
    expect(sparse.flatMap(({ value }) => value.Entries.map(({ FullPath }) => FullPath))).to.deep.equal(
      Array.from({ length: 10 }, (_, i) => `/huge/${nameOf(i * 10_000 + 9999)}`),
    );
    const slowestMs = Math.max(...sparse.map(({ ms }) => ms));
    const peak = peakMemoryMiB(a.pid);
    tell(
      `first page ${first.ms} ms, deep ${deep.ms} ms, of 10,000 ${greatest.ms} ms, by pattern ${sparse.length} pages of at most ${slowestMs} ms; ${peak} MiB`,
    );
    expect(sparse.length, 'no page looks at the whole directory').to.be.above(5);
    expect(Math.max(first.ms, deep.ms, slowestMs)).to.be.below(3000);
    expectPeakBelow(peak, residentMiBMax);
  });

  it('is too great for one delete by one entry, then goes in one, and health and peers go on', async () => {
    const tooGreat = await a.request('DELETE', '/huge?recursive=true');
    expect([tooGreat.status, (JSON.parse(tooGreat.text) as { code: string }).code]).to.deep.equal([413, 'SUBTREE_TOO_LARGE']);
    await a.remove(`/huge/${nameOf(0)}`);

    let slowestMs = 0;
    let going = true;
    const health = (async () => {
      while (going) slowestMs = Math.max(slowestMs, (await timed(a.expect(200, 'GET', '/healthz'))).ms);
    })();
    await b.put('/meanwhile', 'x');
    const client = await Client.open(a.port);
    client.send(requestText('DELETE', '/huge?recursive=true'));
    const { value, ms } = await timed(waitFor(() => client.status, { what: 'the delete', timeoutMs: limits.subtreeMs }));
    client.socket.destroy();
    expect(value, client.text).to.equal(204);
    const converged = await timed(
      waitFor(async () => (await b.get('/huge')) === null && (await b.digest()) === (await a.digest()), {
        what: 'the peer to have deleted it',
        timeoutMs: 90_000,
        everyMs: 100,
      }),
    );
    going = false;
    await health;
    const peaks = [peakMemoryMiB(a.pid), peakMemoryMiB(b.pid)];
    tell(`deleted in ${ms} ms, at the peer ${converged.ms} ms later; slowest health ${slowestMs} ms; ${peaks.join(' and ')} MiB`);
    expect(await a.get('/meanwhile')).to.equal('x');
    expect(slowestMs).to.be.below(2000);
    for (const peak of peaks) expectPeakBelow(peak, residentMiBMax);
  });
});
