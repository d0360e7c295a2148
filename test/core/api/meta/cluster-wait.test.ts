import { createSecretKey } from 'node:crypto';
import { expect } from 'chai';
import { waitForCluster, type ClusterWaitOptions, type Waiting } from '../../../../src/core/api/meta/cluster-wait.js';
import { FilerError } from '../../../../src/core/errors.js';
import type { FilerProcess } from '../../../../src/core/filer-process.js';
import type { Master } from '../../../../src/core/master.js';
import { Signer } from '../../../../src/core/security/signer.js';
import { realTime } from '../../../../src/core/time.js';
import { freePort } from '../../../support/free-port.js';
import { ManualTime } from '../../../support/manual-time.js';
import { failureOf } from '../../../support/open-log.js';
import { Processes } from '../../../support/processes.js';

const { signal } = new AbortController();

describe('waitForCluster', () => {
  const processes = new Processes();
  let master: Master;
  let [a, b]: FilerProcess[] = [];
  let nobody: string;

  before(async () => {
    nobody = `127.0.0.1:${await freePort()}`;
    master = await processes.master();
    const masters = [master.address];
    a = await processes.filer({ masters });
    b = await processes.filer({ masters });
  });
  after(() => processes.stopAll());

  /** Where the filer is after a write. */
  const put = async (filer: FilerProcess, path: string): Promise<string> => String((await processes.send(filer, 'PUT', path, 'x')).headers['filer-position']);
  const wait = (options: Partial<ClusterWaitOptions>, ends = signal) =>
    waitForCluster(
      {
        ...{ masters: [master.address], filers: null, group: '', condition: 'synced', position: null, timeoutMs: 60_000 },
        ...{ time: realTime, progress: () => {}, ...options },
      },
      ends,
    );
  /** Looks once. Nobody is too late for it: its time stands still. */
  const look = (options: Partial<ClusterWaitOptions>) => wait({ timeoutMs: 0, time: new ManualTime(), ...options });
  const beyond = (position: string) => position.replace(/\d+$/, (seq) => String(Number(seq) + 1));

  it('ends when all filers that the masters list hold the same', async () => {
    await put(a, '/from/a');
    await put(b, '/from/b');
    const { done, filers, waiting, seconds } = await wait({});
    expect({ done, waiting }).to.deep.equal({ done: true, waiting: [] });
    expect(filers).to.have.members([a.address, b.address]);
    expect(seconds).to.be.within(0, 60);
    expect(a.filer.log.digest).to.equal(b.filer.log.digest);
    expect(await look({})).to.deep.equal({ done: true, seconds: 0, filers, waiting: [] });
  });

  it('ends when the filers that are named have all up to a position', async () => {
    const position = await put(a, '/position');
    const { done, filers } = await wait({ masters: [], filers: [b.address], position });
    expect({ done, filers }).to.deep.equal({ done: true, filers: [b.address] });
    expect((await processes.send(b, 'GET', '/position')).text()).to.equal('x');
    expect(await look({ position: '' })).to.include({ done: true });
  });

  it('tells whom it waits for and why, until it is done', async () => {
    const goal = beyond(await put(a, '/first'));
    const told: (readonly Waiting[])[] = [];
    const progress = (waiting: readonly Waiting[]): void => {
      told.push(waiting);
      if (told.length === 1) void put(a, '/second');
    };
    expect(await wait({ filers: [a.address], position: goal, progress })).to.include({ done: true });
    expect(told[0]).to.deep.equal([{ filer: a.address, why: `lacks 1 changes, up to ${goal}` }]);
  });

  it('says who has not reached it when the time is over', async () => {
    const position = beyond(await put(a, '/late'));
    const progress = () => expect.fail('it waits for nobody any more');
    const { done, filers, waiting } = await look({ filers: [a.address, nobody], position, progress });
    expect({ done, filers, waiting }).to.deep.equal({
      done: false,
      filers: [a.address, nobody],
      waiting: [
        { filer: a.address, why: `lacks 1 changes, up to ${position}` },
        { filer: nobody, why: `cannot reach ${nobody} (connection refused)` },
      ],
    });
  });

  it('waits for readiness with the reasons that a filer gives', async () => {
    const alone = await processes.filer();
    const ready = { filers: [alone.address], condition: 'ready' } as const;
    expect(await look(ready)).to.include({ done: true });
    alone.filer.admission.refuse(new FilerError('ORIGIN_IN_USE', 'another process has this origin'));
    expect((await look(ready)).waiting).to.deep.equal([{ filer: alone.address, why: 'another process has this origin' }]);
    expect((await look({ ...ready, condition: 'synced' })).waiting).to.deep.equal([{ filer: alone.address, why: 'it is refused' }]);
    expect((await look({ ...ready, filers: [nobody, alone.address] })).waiting).to.deep.include({
      filer: nobody,
      why: `cannot reach ${nobody} (connection refused)`,
    });
    const told: (readonly Waiting[])[] = [];
    const progress = (waiting: readonly Waiting[]): void => {
      told.push(waiting);
      alone.filer.admission.refuse(null);
    };
    expect(await wait({ ...ready, progress })).to.include({ done: true });
    expect(told).to.not.deep.equal([]);
  });

  it('waits for filers that are yet to come', async () => {
    const { address } = await processes.master();
    const { done, filers, waiting } = await look({ masters: [address] });
    expect({ done, filers, waiting }).to.deep.equal({ done: false, filers: [], waiting: [{ filer: '-', why: 'no filer is up' }] });
  });

  it('fails when nobody was reached all the time', async () => {
    const masters = await failureOf(() => look({ masters: [nobody] }));
    expect([masters.code, masters.message]).to.deep.equal([
      'PEER_UNREACHABLE',
      `no master answers: cannot reach ${nobody} (connection refused); name one with --master, or any filer with --filer`,
    ]);
    const filers = await failureOf(() => look({ filers: [nobody] }));
    expect([filers.code, filers.message]).to.deep.equal(['PEER_UNREACHABLE', `no filer answers: cannot reach ${nobody} (connection refused)`]);
  });

  it('fails at once where no waiting helps', async () => {
    for (const position of ['x', 'me:1', `${'a'.repeat(16)}:-1`]) {
      const { code, message } = await failureOf(() => wait({ masters: [nobody], position }));
      expect(code, position).to.equal('PARAMETER_INVALID');
      expect(message, position).to.match(/^--position: .*; write origin:seq~origin:seq$/);
    }
    const secrets = { all: [createSecretKey(Buffer.from('the secret of this cluster'))] } as const;
    const signed = await processes.filer({ secrets });
    expect((await failureOf(() => wait({ filers: [signed.address] }))).code).to.equal('SIGNATURE_INVALID');
    expect(await look({ filers: [signed.address], signer: new Signer({ secrets, time: realTime }) })).to.include({ done: true });
  });

  it('ends with its signal', async () => {
    const controller = new AbortController();
    const progress = () => controller.abort(new Error('enough'));
    const ended = await wait({ filers: [nobody], progress }, controller.signal).catch((error: unknown) => error);
    expect(ended).to.equal(controller.signal.reason);
  });
});
