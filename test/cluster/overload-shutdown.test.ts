import { expect } from 'chai';
import { limits } from '../../src/core/config/limits.js';
import { startCluster, type Cluster, type ClusterFiler } from '../support/cluster.js';
import { Client, requestText, tell } from '../support/load.js';
import { waitFor } from '../support/wait-for.js';

const changes = '/.filer/v1/changes';

const metric = async (filer: ClusterFiler, name: string): Promise<number> =>
  Number(new RegExp(`^${name} (\\S+)$`, 'm').exec((await filer.request('GET', '/metrics')).text)?.[1]);
const waiters = (filer: ClusterFiler) => metric(filer, 'kelp_feed_waiters');
const bodyBegins = (filer: ClusterFiler) => waitFor(async () => (await metric(filer, 'kelp_body_bytes')) > 0, { what: 'the body to come' });

function portClosed(filer: ClusterFiler): Promise<boolean> {
  const isClosed = async () => {
    const late = await Client.open(filer.port);
    late.socket.destroy();
    return late.closed;
  };
  return waitFor(isClosed, { what: 'the port to be closed' });
}

describe('A filer that is told to stop', function () {
  this.timeout(120_000);
  let cluster: Cluster;

  beforeEach(async () => {
    cluster = await startCluster({ filers: 1 });
  });

  afterEach(() => cluster?.close());

  it('lets go of polls and streams, keeps every write it acknowledged, and ends with 0', async () => {
    const [filer] = cluster.filers;
    const poll = await Client.open(filer.port);
    poll.send(requestText('GET', `${changes}?offset=now&live=long-poll&timeout=60s&pathPrefix=/never`));
    const stream = await Client.open(filer.port);
    stream.send(requestText('GET', `${changes}?offset=now&live=sse`));
    const upload = await Client.open(filer.port);
    upload.send(`${requestText('PUT', '/slow', 'Content-Length: 1000')}the beginning`);
    const half = await Client.open(filer.port);
    half.send('GET /healthz HTTP/1.1\r\nHo');
    await waitFor(() => stream.status, { what: 'the stream to begin' });
    await bodyBegins(filer);
    await waitFor(async () => (await waiters(filer)) === 2, { what: 'both readers to wait' });

    // Each writer goes on until it is refused; what it was told is written must be there.
    const acknowledged: string[] = [];
    const refused = new Set<string>();
    const write = async (writer: number): Promise<void> => {
      for (let number = 0; ; number++) {
        const path = `/written/${writer}-${number}`;
        try {
          const { status } = await filer.request('PUT', path, { body: path });
          if (status === 201) acknowledged.push(path);
          else return void refused.add(String(status));
        } catch {
          return void refused.add('cut off');
        }
      }
    };
    const writers = Array.from({ length: 16 }, (_, writer) => write(writer));
    await waitFor(() => acknowledged.length > 100, { what: 'writes' });
    const started = performance.now();
    const stopped = filer.stop();
    await waitFor(() => poll.closed && stream.closed && half.closed, { what: 'readers to be let go' });
    const releasedMs = performance.now() - started;
    upload.send('x'.repeat(1000 - 'the beginning'.length));
    const { code } = await stopped;
    const stoppedMs = performance.now() - started;
    await Promise.all(writers);
    tell(
      `released after ${releasedMs.toFixed()} ms, ended after ${stoppedMs.toFixed()} ms; ${acknowledged.length} acknowledged, others ${[...refused].join(', ')}`,
    );

    expect(code).to.equal(0);
    expect(releasedMs, 'at once').to.be.below(limits.drainMs / 2);
    expect(poll.text).to.match(/^HTTP\/1.1 503 [^]*"code":"STOPPING"/);
    expect(upload.status, 'a body that came while there was time').to.equal(201);
    expect([...refused].filter((how) => how !== '503' && how !== 'cut off')).to.deep.equal([]);
    await filer.start();
    const there = new Set((await filer.list('/written')).map((name) => `/written/${name}`));
    expect(acknowledged.filter((path) => !there.has(path))).to.deep.equal([]);
    expect(await filer.get('/slow')).to.equal(`the beginning${'x'.repeat(987)}`);
  });

  for (const [how, head, piece, end] of [
    ['of a known length', 'Content-Length: 60', (text: string) => text, ''],
    ['in chunks', 'Transfer-Encoding: chunked', (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`, '0\r\n\r\n'],
  ] as const) {
    it(`takes a body ${how} that has begun to come and goes on, while polls are let go and newcomers turned away`, async () => {
      const [filer] = cluster.filers;
      const poll = await Client.open(filer.port);
      poll.send(requestText('GET', `${changes}?offset=now&live=long-poll&timeout=60s`));
      const upload = await Client.open(filer.port);
      upload.send(`${requestText('PUT', '/begun', head)}${piece('before the signal; ')}`);
      await bodyBegins(filer);
      await waitFor(async () => (await waiters(filer)) === 1, { what: 'the poll to wait' });

      const started = performance.now();
      filer.started.process.kill('SIGTERM');
      await portClosed(filer);
      await waitFor(() => poll.closed, { what: 'the poll to be let go' });
      expect(poll.text).to.match(/^HTTP\/1.1 503 [^]*"code":"STOPPING"/);
      expect([filer.running, upload.closed, upload.text], 'the upload is waited for').to.deep.equal([true, false, '']);
      upload.send(piece('after the port was closed; '));
      upload.send(`${piece('and the end...')}${end}`);
      await waitFor(() => upload.closed, { what: 'the upload to be answered' });
      expect(upload.text).to.match(/^HTTP\/1.1 201 [^]*\r\nConnection: close\r\n/i);

      const { code, stderr } = await filer.started.exited;
      expect([code, stderr.includes('did not end in time')], stderr).to.deep.equal([0, false]);
      expect(performance.now() - started, 'it did not wait for more').to.be.below(limits.drainMs);
      await filer.start();
      expect(await filer.get('/begun')).to.equal('before the signal; after the port was closed; and the end...');
    });
  }

  it('does not wait longer than its limit for a body that does not come', async () => {
    const [filer] = cluster.filers;
    const upload = await Client.open(filer.port);
    upload.send(`${requestText('PUT', '/slow', 'Content-Length: 1000')}the beginning`);
    await bodyBegins(filer);
    const started = performance.now();
    const { code, stderr } = await filer.stop();
    expect(performance.now() - started).to.be.within(9000, 30_000);
    expect([code, upload.closed]).to.deep.equal([0, true]);
    expect(stderr).to.contain('1 requests did not end in time');
  });

  it('ends at once at a second signal', async () => {
    const [filer] = cluster.filers;
    const upload = await Client.open(filer.port);
    upload.send(`${requestText('PUT', '/slow', 'Content-Length: 1000')}the beginning`);
    await bodyBegins(filer);
    filer.started.process.kill('SIGTERM');
    await portClosed(filer);
    const started = performance.now();
    expect((await filer.stop()).code).to.equal(143);
    expect(performance.now() - started).to.be.below(5000);
  });
});
