import { expect } from 'chai';
import { startCluster, type Cluster } from '../support/cluster.js';
import { Client, requestText, tell } from '../support/load.js';
import { waitFor } from '../support/wait-for.js';

const changes = '/.filer/v1/changes';

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
    await waitFor(async () => / 2$/m.test((await filer.request('GET', '/metrics')).text.match(/^kelp_feed_waiters.*$/m)?.[0] ?? ''), {
      what: 'both readers to wait',
    });

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
    expect(poll.text).to.match(/^HTTP\/1.1 503 [^]*"code":"STOPPING"/);
    expect(upload.status, 'a body that came while there was time').to.be.oneOf([201, 503]);
    expect([...refused].filter((how) => how !== '503' && how !== 'cut off')).to.deep.equal([]);
    await filer.start();
    const there = new Set((await filer.list('/written')).map((name) => `/written/${name}`));
    expect(acknowledged.filter((path) => !there.has(path))).to.deep.equal([]);
    expect(await filer.get('/slow')).to.equal(upload.status === 201 ? `the beginning${'x'.repeat(987)}` : null);
  });

  it('does not wait longer than its limit for a body that does not come', async () => {
    const [filer] = cluster.filers;
    const upload = await Client.open(filer.port);
    upload.send(`${requestText('PUT', '/slow', 'Content-Length: 1000')}the beginning`);
    await waitFor(async () => /^kelp_body_bytes [1-9]/m.test((await filer.request('GET', '/metrics')).text), { what: 'the body to come' });
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
    await waitFor(async () => /^kelp_body_bytes [1-9]/m.test((await filer.request('GET', '/metrics')).text), { what: 'the body to come' });
    filer.started.process.kill('SIGTERM');
    await waitFor(
      async () => {
        const late = await Client.open(filer.port);
        late.socket.destroy();
        return late.closed;
      },
      { what: 'the port to be closed' },
    );
    const started = performance.now();
    expect((await filer.stop()).code).to.equal(143);
    expect(performance.now() - started).to.be.below(5000);
  });
});
