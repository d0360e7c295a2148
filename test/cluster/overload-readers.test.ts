import { expect } from 'chai';
import { limits, residentMiBMax } from '../../src/core/config/limits.js';
import { startCluster, type Cluster, type ClusterFiler } from '../support/cluster.js';
import { closeClients, expectPeakBelow, needConnections, openClients, peakMemoryMiB, requestText, statusesOf, tell } from '../support/load.js';
import { waitFor } from '../support/wait-for.js';

const changes = '/.filer/v1/changes';

/** The value of one metric without labels. */
async function metric(filer: ClusterFiler, name: string): Promise<number> {
  const { text } = await filer.request('GET', '/metrics');
  const [, value] = new RegExp(`^${name} (\\S+)$`, 'm').exec(text) ?? [];
  return Number(value);
}

/** Milliseconds until a write at one filer is at others. */
async function visibleMs(from: ClusterFiler, to: readonly ClusterFiler[], path: string): Promise<number> {
  const started = performance.now();
  await from.put(path, 'x');
  await Promise.all(to.map((filer) => waitFor(() => filer.get(path), { what: `${path} at ${filer.name}`, everyMs: 5 })));
  return Math.round(performance.now() - started);
}

describe('A filer with more readers than it serves', function () {
  this.timeout(120_000);
  let cluster: Cluster;

  beforeEach(async () => {
    cluster = await startCluster({ filers: 3 });
  });

  afterEach(() => cluster?.close());

  it('holds as many polls as it may, refuses the rest at once, and peers follow all the while', async function () {
    needConnections(this, 2000);
    const [a, b, c] = cluster.filers;
    await a.put('/first', 'x');
    await cluster.converged();
    const places = limits.waitersMax - limits.waitersForPeers;
    const polls = await openClients(a.port, 2000, (client) => client.send(requestText('GET', `${changes}?offset=now&live=long-poll&timeout=60s`)));
    const wanted = polls.length;
    await waitFor(() => (statusesOf(polls)['503'] ?? 0) >= wanted - places, { what: 'the refusals', timeoutMs: 20_000 });
    expect(statusesOf(polls)).to.deep.equal({ none: places, 503: wanted - places });
    expect(polls.find(({ status }) => status === 503)?.text).to.match(/\r\nRetry-After: 1\r\n/);

    const fromMs = await visibleMs(b, [a], '/from-b');
    // The write of the peer has woken everybody: each is answered, once.
    await waitFor(() => (statusesOf(polls)['200'] ?? 0) === places, { what: 'every held poll to be answered', timeoutMs: 20_000 });
    expect(polls.filter(({ text }) => text.split('HTTP/1.1 ').length !== 2)).to.deep.equal([]);
    closeClients(polls);

    const [readsBefore, commitsBefore] = [await metric(a, 'kelp_feed_page_reads_total'), await metric(a, 'kelp_store_commits_total')];
    const again = await openClients(a.port, 2000, (client) => client.send(requestText('GET', `${changes}?offset=now&live=long-poll&timeout=60s`)));
    await waitFor(() => (statusesOf(again)['503'] ?? 0) >= wanted - places, { what: 'the refusals again', timeoutMs: 20_000 });
    const toMs = await visibleMs(a, [b, c], '/from-a');
    await waitFor(() => (statusesOf(again)['200'] ?? 0) === places, { what: 'every held poll to be answered again', timeoutMs: 20_000 });
    const [reads, commits] = [(await metric(a, 'kelp_feed_page_reads_total')) - readsBefore, (await metric(a, 'kelp_store_commits_total')) - commitsBefore];
    const peak = peakMemoryMiB(a.pid);
    tell(
      `${places} held, ${wanted - places} refused; from a peer ${fromMs} ms, to both peers ${toMs} ms; ${commits} commits, ${reads} store reads; ${peak} MiB`,
    );
    closeClients(again);
    expect(Math.max(fromMs, toMs)).to.be.below(10_000);
    expect(reads, 'store reads for all those readers').to.be.at.most(10);
    expectPeakBelow(peak, residentMiBMax);
  });

  it('keeps no more pages than it may for readers that take nothing, and pages of peers still go out', async () => {
    const [a, b, c] = cluster.filers;
    const content = Buffer.alloc(1024 * 1024, 'x');
    for (let i = 0; i < 40; i++) await a.put(`/great/${i}`, content);
    await cluster.converged();
    // Each from another place, so that none shares its page: 16 MiB for each reader, 3 GiB in all. How soon others see a write depends on the machine; a storm must not stop it.
    const { head } = await a.store();
    const offset = (index: number) => `${head.slice(0, 8)}${String(index).padStart(16, '0')}`;
    const readers = await openClients(a.port, 200, (client, index) => {
      client.send(requestText('GET', `${changes}?offset=${offset(index % 20)}&maxBytes=${limits.pageBytesMax}&limit=${1000 + index}`));
      client.socket.pause();
    });
    const heldBytes = () => metric(a, 'kelp_answer_bytes');
    await waitFor(async () => (await heldBytes()) > 64 * 1024 * 1024, { what: 'answers that nobody takes', timeoutMs: 30_000 });
    const held = await heldBytes();
    const toMs = await visibleMs(a, [b, c], '/from-a');
    const fromMs = await visibleMs(b, [a], '/from-b');
    // The memory is full, and a great page of a client is refused: or some reader has been slow for so long that it made room.
    const page = await a.request('GET', `${changes}?offset=${offset(30)}&limit=8`);
    const peak = peakMemoryMiB(a.pid);
    tell(
      `${Math.round(held / 1024 / 1024)} MiB held for ${readers.length} readers; to both peers ${toMs} ms, from one ${fromMs} ms; one more ${page.status}; ${peak} MiB`,
    );
    closeClients(readers);
    expect([200, 503]).to.include(page.status);
    expect(Math.max(fromMs, toMs)).to.be.below(10_000);
    expectPeakBelow(peak, residentMiBMax);
    await waitFor(async () => (await heldBytes()) === 0, { what: 'the memory to be given back' });
    await cluster.converged();
  });
});
