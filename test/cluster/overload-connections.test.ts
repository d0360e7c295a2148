import { expect } from 'chai';
import { limits, residentMiBMax } from '../../src/core/config/limits.js';
import { startCluster, type Cluster } from '../support/cluster.js';
import { Client, closeClients, expectPeakBelow, needConnections, openClients, peakMemoryMiB, requestText, statusesOf, tell } from '../support/load.js';
import { waitFor } from '../support/wait-for.js';

describe('A filer with more connections than it keeps', function () {
  this.timeout(120_000);
  let cluster: Cluster;

  beforeEach(async () => {
    cluster = await startCluster({ filers: 2 });
  });

  afterEach(() => cluster?.close());

  const milliseconds = async (work: () => Promise<unknown>): Promise<number> => {
    const started = performance.now();
    await work();
    return performance.now() - started;
  };

  it('keeps 10,000 that are idle, of more the newest, and answers newcomers, writes and peers all the while', async function () {
    const wanted = limits.connectionsMax + 100;
    needConnections(this, wanted);
    const [a, b] = cluster.filers;
    const idle = await openClients(a.port, wanted, (client) => client.send(requestText('GET', '/healthz')));
    const isOpen = ({ closed }: Client) => !closed;
    const answers = (client: Client) => client.text.split('HTTP/1.1 200 ').length - 1;
    await waitFor(() => idle.every((client) => client.closed || answers(client) === 1), { what: 'every one to be answered or closed', timeoutMs: 30_000 });
    await waitFor(() => idle.filter(isOpen).length <= limits.connectionsMax, { what: 'those that are too many to be closed', timeoutMs: 30_000 });
    expect(statusesOf(idle), 'all were answered, also those that had to go').to.deep.equal({ 200: wanted });
    expect((await a.request('GET', '/metrics')).text).to.match(new RegExp(`^kelp_connections ${limits.connectionsMax}$`, 'm'));

    const healthMs = await milliseconds(async () => {
      const fresh = await Client.open(a.port);
      fresh.send(requestText('GET', '/healthz'));
      await waitFor(() => fresh.status, { what: 'an answer on a new connection' });
      expect(fresh.status).to.equal(200);
      fresh.socket.destroy();
    });
    const writeMs = await milliseconds(() => a.put('/at-a', 'x'));
    const toPeerMs = await milliseconds(() => waitFor(() => b.get('/at-a'), { what: 'the write at the peer' }));
    await b.put('/at-b', 'x');
    const fromPeerMs = await milliseconds(() => waitFor(() => a.get('/at-b'), { what: 'the write of the peer' }));

    // Besides them the filer keeps those of its peer and of the requests above.
    const kept = idle.filter(isOpen);
    expect(kept.length).to.be.within(limits.connectionsMax - 50, limits.connectionsMax);
    expect(idle.slice(-9000).every(isOpen), 'the oldest had to go').to.equal(true);
    for (const client of kept) client.send(requestText('GET', '/healthz'));
    await waitFor(() => kept.every((client) => answers(client) === 2), { what: 'every one that was kept to be answered again', timeoutMs: 30_000 });
    const peak = peakMemoryMiB(a.pid);
    tell(
      `${kept.length} of ${idle.length} open; health ${healthMs.toFixed()} ms, write ${writeMs.toFixed()} ms, to the peer ${toPeerMs.toFixed()} ms, from it ${fromPeerMs.toFixed()} ms; ${peak} MiB`,
    );
    closeClients(idle);
    expect(healthMs).to.be.below(1000);
    expect(Math.max(writeMs, toPeerMs, fromPeerMs)).to.be.below(10_000);
    expectPeakBelow(peak, residentMiBMax);
  });

  it('holds no more than its share of bodies that come slowly, and still takes writes', async function () {
    needConnections(this, 2000);
    const [a, b] = cluster.filers;
    const piece = Buffer.alloc(600 * 1024, 'x');
    // 1.2 GiB, of which the end of each body never comes.
    const slow = await openClients(a.port, 2000, (client, index) => {
      client.send(requestText('PUT', `/slow/${index}`, `Content-Length: ${1024 * 1024}`));
      client.send(piece);
    });
    await waitFor(() => (statusesOf(slow)['503'] ?? 0) > 500, { what: 'refusals', timeoutMs: 30_000 });
    expect(slow.find(({ status }) => status === 503)?.text).to.match(/\r\nRetry-After: 1\r\n/);

    // Whoever has been sending for long makes room for the next.
    const writeMs = await milliseconds(() =>
      waitFor(() => a.request('PUT', '/among-them', { body: piece }).then(({ status }) => status === 201), { what: 'a write', timeoutMs: 30_000 }),
    );
    await b.put('/at-b', 'x');
    const fromPeerMs = await milliseconds(() => waitFor(() => a.get('/at-b'), { what: 'the write of the peer' }));
    const peak = peakMemoryMiB(a.pid);
    tell(`answers ${JSON.stringify(statusesOf(slow))}; a write after ${writeMs.toFixed()} ms, from the peer ${fromPeerMs.toFixed()} ms; ${peak} MiB`);
    closeClients(slow);
    expect(fromPeerMs).to.be.below(10_000);
    expectPeakBelow(peak, residentMiBMax);
    await cluster.converged();
  });
});
