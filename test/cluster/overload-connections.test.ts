import { expect } from 'chai';
import { residentMiBMax } from '../../src/core/config/limits.js';
import { startCluster, type Cluster } from '../support/cluster.js';
import { Client, closeClients, openClients, peakMemoryMiB, requestText, statusesOf, tell } from '../support/load.js';
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

  it('answers newcomers, writes and peers while 10,000 are open and idle', async () => {
    const [a, b] = cluster.filers;
    const idle = await openClients(a.port, 10_100, (client) => client.send(requestText('GET', '/healthz')));
    await waitFor(() => idle.filter(({ text, closed }) => text === '' && !closed).length === 0, {
      what: 'every one to be answered or closed',
      timeoutMs: 30_000,
    });
    const open = idle.filter(({ closed }) => !closed).length;

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
    const peak = peakMemoryMiB(a.pid);
    tell(
      `${open} of ${idle.length} open; health ${healthMs.toFixed()} ms, write ${writeMs.toFixed()} ms, to the peer ${toPeerMs.toFixed()} ms, from it ${fromPeerMs.toFixed()} ms; ${peak} MiB`,
    );
    closeClients(idle);
    expect(healthMs).to.be.below(1000);
    expect(Math.max(writeMs, toPeerMs, fromPeerMs)).to.be.below(10_000);
    expect(peak ?? 0).to.be.below(residentMiBMax);
  });

  it('holds no more than its share of bodies that come slowly, and still takes writes', async () => {
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
    expect(peak ?? 0).to.be.below(residentMiBMax);
    await cluster.converged();
  });
});
