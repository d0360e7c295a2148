import { expect } from 'chai';
import type { FilerProcess } from '../../src/core/filer-process.js';
import { Processes } from '../support/processes.js';
import { runKelp } from '../support/run-kelp.js';

describe('kelp filer.sync', function () {
  this.timeout(60_000);
  const processes = new Processes();
  let a: FilerProcess;
  let b: FilerProcess;

  before(async () => {
    // Each is a cluster of its own: it has no master.
    [a, b] = await Promise.all([processes.filer(), processes.filer()]);
    await processes.send(a, 'PUT', '/x/1', 'one');
  });
  after(() => processes.stopAll());

  const run = async (...flags: string[]) => {
    const { code, stdout, stderr } = await runKelp(['filer.sync', `--a=${a.address}`, `--b=${b.address}`, ...flags], { timeoutMs: 50_000 });
    return { code, stdout, stderr };
  };

  it('refuses flags that say how chunks are stored, and bounds that say nothing', async () => {
    const said = await Promise.all(['-a.replication=001', '-b.filerProxy', '--maxDelete=much'].map((flag) => run(flag, '--once')));
    expect(said.map(({ code, stderr }) => [code, /--[\w.]+/.exec(stderr)?.[0]])).to.deep.equal([
      [2, '--a.replication'],
      [2, '--b.filerProxy'],
      [2, '--maxDelete'],
    ]);
  });

  it('tells its plan, and then does it', async () => {
    const { code, stdout } = await run('--plan');
    expect([code, stdout.split('\n').slice(0, 2)]).to.deep.equal([
      0,
      [
        'DIRECTION\tCREATES\tUPDATES\tDELETES\tRENAMES\tCONFLICTS\tSUPERSEDED\tUNCHANGED\tWITHHELD\tREFUSED\tREAD',
        'a to b\t2 (3 B)\t0\t0\t0\t0\t0\t0\t0\t0\t2',
      ],
    ]);
    expect((await run('--once', '--timeout=40s')).code).to.equal(0);
    expect((await processes.send(b, 'GET', '/x/1')).text()).to.equal('one');
  });

  it('ends with 2 for two maps onto one place', async () => {
    const { code, stderr } = await run('--once', '-a.path=/x', '-b.path=/', '-isActivePassive');
    expect([code, stderr]).to.satisfy(([exit, text]: [number, string]) => exit === 2 && text.includes('two maps onto one place'));
  });
});
