import { expect } from 'chai';
import type { FilerError } from '../../src/core/errors.js';
import { FilerProcess } from '../../src/core/filer-process.js';
import { silentLogger } from '../../src/core/logger.js';
import { realTime } from '../../src/core/time.js';
import { freePort } from '../support/free-port.js';
import { Processes } from '../support/processes.js';
import { tempDir } from '../support/temp-dir.js';
import { waitFor } from '../support/wait-for.js';

describe('FilerProcess', function () {
  this.timeout(60_000);
  let processes: Processes;
  beforeEach(() => {
    processes = new Processes();
  });
  afterEach(() => processes.stopAll());

  const statusOf = (process: { address: string }, method: string, path: string): Promise<number> =>
    processes.send(process, method, path).then(
      ({ status }) => status,
      (error: unknown) => (error as FilerError).status,
    );

  it('answers only reads of the tree and health at its second port', async () => {
    const readOnlyPort = await freePort();
    const filer = await processes.filer({ readOnlyPort });
    await processes.send(filer, 'PUT', '/d/f', 'hello');
    const second = { address: `127.0.0.1:${readOnlyPort}` };
    expect((await processes.send(second, 'GET', '/d/f')).text()).to.equal('hello');
    for (const path of ['/d', '/healthz', '/readyz']) expect(await statusOf(second, 'GET', path), path).to.equal(200);
    expect(await statusOf(second, 'HEAD', '/d/f')).to.equal(200);
    for (const method of ['PUT', 'POST', 'DELETE']) expect(await statusOf(second, method, '/d/f'), method).to.equal(405);
    for (const path of ['/.filer/v1/store', '/.filer/v1/changes', '/metrics']) expect(await statusOf(second, 'GET', path), path).to.equal(400);
    await processes.stop(filer);
    expect(await statusOf(second, 'GET', '/healthz')).to.equal(502);
  });

  it('ends whenever it is told to stop while it starts', async () => {
    for (let turns = 0; turns < 30; turns += 1) {
      const filer = await FilerProcess.start({
        ...{ ip: '127.0.0.1', bind: '127.0.0.1', port: 0, masters: [], dir: await tempDir(), group: '', force: false, program: 'test' },
        ...{ limits: {}, time: realTime, logger: silentLogger },
      });
      for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      await filer.stop();
    }
  });

  it('names the flag of the port that is in use, and gives the other one back', async () => {
    const [port, readOnlyPort] = [await freePort(), await freePort()];
    await processes.filer({ port: readOnlyPort });
    const failure = await processes.filer({ port, readOnlyPort }).then(
      () => null,
      (error: unknown) => error as FilerError,
    );
    expect(failure).to.include({ code: 'ADDRESS_IN_USE' });
    expect(failure?.message).to.contain('--port.readonly');
    await processes.filer({ port });
  });

  it('deletes a file whose time is up once, everywhere', async () => {
    let ahead = 0;
    const time = { ...realTime, micros: () => realTime.micros() + ahead };
    const master = await processes.master();
    // The master's clock stays behind, as far as is allowed here.
    const options = { masters: [master.address], time, limits: { expiryCheckMs: 20, clockSkewMs: 600_000 } };
    const [a, b] = [await processes.filer(options), await processes.filer(options)];
    await processes.send(a, 'PUT', '/d/f?ttl=1m', 'x');
    await waitFor(async () => (await statusOf(b, 'GET', '/d/f')) === 200, { what: 'the file at the other filer' });
    ahead = 61_000_000;
    for (const filer of [a, b]) expect(await statusOf(filer, 'GET', '/d/f')).to.equal(404);
    const entries = (filer: typeof a) => filer.filer.log.state.counts.entries;
    await waitFor(() => entries(a) === 1 && entries(b) === 1, { what: 'both filers to have deleted it' });
    expect([a.filer.expiry.deleted, b.filer.expiry.deleted]).to.deep.equal([1, 0]);
    expect(a.filer.log.digest).to.equal(b.filer.log.digest);
    expect(await statusOf(b, 'DELETE', '/d')).to.equal(204);
  });

  it('reads its store once for a hundred readers at one offset', async () => {
    const filer = await processes.filer({ limits: { recentBytes: 0 } });
    for (const name of ['a', 'b', 'c']) await processes.send(filer, 'PUT', `/${name}`, name);
    const answers = await Promise.all(Array.from({ length: 100 }, () => processes.send(filer, 'GET', '/.filer/v1/changes?offset=-1')));
    expect(new Set(answers.map((answer) => answer.text())).size).to.equal(1);
    expect((await processes.send(filer, 'GET', '/metrics')).text()).to.match(/^kelp_feed_page_reads_total 1$/m);
  });
});
