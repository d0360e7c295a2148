import { createSecretKey } from 'node:crypto';
import { createServer, type AddressInfo } from 'node:net';
import { expect } from 'chai';
import { MasterClient } from '../../../../src/core/api/master/client.js';
import { ClusterView, type ClusterSample, type ClusterViewOptions } from '../../../../src/core/api/meta/cluster-view.js';
import { positionToJson } from '../../../../src/core/clock/vector.js';
import { limits } from '../../../../src/core/config/limits.js';
import type { FilerProcess } from '../../../../src/core/filer-process.js';
import type { Master } from '../../../../src/core/master.js';
import { announcementOf, hexId } from '../../../support/announcements.js';
import { freePort } from '../../../support/free-port.js';
import { ManualTime } from '../../../support/manual-time.js';
import { failureOf } from '../../../support/open-log.js';
import { Processes } from '../../../support/processes.js';
import { Proxy } from '../../../support/proxy.js';
import { waitFor } from '../../../support/wait-for.js';

const { signal } = new AbortController();

describe('ClusterView', () => {
  const processes = new Processes();
  const views: ClusterView[] = [];
  let master: Master;
  let [a, b]: FilerProcess[] = [];
  let way: Proxy;
  let clusterId: string | null;

  before(async () => {
    master = await processes.master();
    const masters = [master.address];
    a = await processes.filer({ masters });
    b = await processes.filer({ masters });
    await processes.send(a, 'PUT', '/docs/a', 'a');
    ({ clusterId } = a.filer.log.identity);
    way = await Proxy.before(Number(a.address.split(':')[1]));
    // Of groups of their own, so that no filer looks for them.
    const client = new MasterClient(processes.http, master.address);
    await client.announce(announcementOf({ origin: hexId('c'), clusterId, address: `127.0.0.1:${await freePort()}`, group: 'lost' }));
    await client.announce(announcementOf({ origin: hexId('d'), clusterId, address: way.address, group: 'moved' }));
  });
  after(async () => {
    for (const view of views) await view.close();
    await way.close();
    await processes.stopAll();
  });

  /** Nobody is too late for it: its time stands still. */
  const viewOf = (options: Partial<ClusterViewOptions> = {}): ClusterView => {
    const view = new ClusterView({ masters: [master.address], filer: null, group: '', maxLagMs: limits.lagMs, time: new ManualTime(), ...options });
    views.push(view);
    return view;
  };
  const inStep = (view: ClusterView) =>
    waitFor(
      async () => {
        const sample = await view.sample(signal);
        return sample.healthy && sample.pairs.every(({ behind, digest }) => behind === 0 && digest === 'equal') ? sample : null;
      },
      { what: 'all filers to be in step' },
    );
  const addresses = ({ filers }: ClusterSample) => filers.map(({ address }) => address);

  it('finds every filer that a master lists, with what it says of itself, and every pair of them', async () => {
    const sample = await inStep(viewOf());
    expect([sample.clusterId, sample.silentMasters]).to.deep.equal([clusterId, []]);
    expect(addresses(sample)).to.have.members([a.address, b.address]);
    for (const { filer, address } of [a, b]) {
      const { origin, storeId, program, position, digest, counts } = filer.info();
      const found = sample.filers.find((view) => view.origin === origin);
      const own = { origin, storeId, address, member: 'up', state: 'ready', program, position: positionToJson(position), digest, counts };
      expect(found).to.deep.equal({ ...own, damage: null, quarantined: [], error: null });
    }
    expect(sample.pairs.map(({ filer, peer }) => [filer, peer])).to.have.deep.members([
      [a.address, b.address],
      [b.address, a.address],
    ]);
    for (const pair of sample.pairs) expect(pair).to.include({ state: 'following', behind: 0, lagSeconds: 0, digest: 'equal', healthy: true, error: null });
  });

  it('finds the same through any one filer, at the address that was named', async () => {
    const sample = await inStep(viewOf({ masters: [], filer: b.address }));
    expect([sample.clusterId, sample.silentMasters, sample.pairs.length]).to.deep.equal([clusterId, [], 2]);
    expect(addresses(sample)).to.deep.equal([b.address, a.address]);
    expect(addresses(await viewOf({ masters: [], filer: way.address }).sample(signal))).to.deep.equal([way.address, b.address]);
  });

  it('says of a filer that does not answer why, and nothing else', async () => {
    const { filers, healthy } = await viewOf({ group: 'lost' }).sample(signal);
    const unknown = { state: 'unreachable', program: null, position: null, digest: null, damage: null, quarantined: [], counts: null };
    const error = { code: 'PEER_UNREACHABLE', error: `cannot reach ${filers[0]?.address} (connection refused)` };
    expect([healthy, filers]).to.deep.equal([
      false,
      [{ origin: hexId('c'), storeId: hexId('c'), address: filers[0]?.address, member: 'up', ...unknown, error }],
    ]);
  });

  it('does not take another filer at an address for the one that was there', async () => {
    const { filers, healthy } = await viewOf({ group: 'moved' }).sample(signal);
    const { origin } = a.filer.log.identity;
    expect([healthy, filers[0]?.state, filers[0]?.error?.error]).to.deep.equal([
      false,
      'unreachable',
      `at ${way.address} is now filer ${origin}, not ${hexId('d')}`,
    ]);
  });

  it('asks every master, and names those that do not answer', async () => {
    const nobody = `127.0.0.1:${await freePort()}`;
    const sample = await viewOf({ masters: [nobody, master.address] }).sample(signal);
    expect(sample.silentMasters).to.deep.equal([{ address: nobody, error: `cannot reach ${nobody} (connection refused)` }]);
    expect(addresses(sample)).to.have.members([a.address, b.address]);
  });

  it('says what to do when nobody has the list', async () => {
    const nobody = `127.0.0.1:${await freePort()}`;
    const problem = async (options: Partial<ClusterViewOptions>) => {
      const { code, message } = await failureOf(() => viewOf(options).sample(signal));
      return [code, message];
    };
    const cure = 'name one with --master, or any filer with --filer';
    expect(await problem({ masters: [] })).to.deep.equal(['PEER_UNREACHABLE', `no master answers: none is named; ${cure}`]);
    const refused = `cannot reach ${nobody} (connection refused)`;
    expect(await problem({ masters: [nobody] })).to.deep.equal(['PEER_UNREACHABLE', `no master answers: ${refused}; ${cure}`]);
    expect(await problem({ masters: [], filer: nobody })).to.deep.equal(['PEER_UNREACHABLE', refused]);

    const other = await processes.master();
    const { clusterId: another } = await new MasterClient(processes.http, other.address).announce(announcementOf({ origin: hexId('e') }));
    expect(await problem({ masters: [master.address, other.address] })).to.deep.equal([
      'CLUSTER_MISMATCH',
      `these masters belong to clusters ${clusterId} and ${another}; name those of one cluster`,
    ]);

    const secret = await processes.master({ secrets: { all: [createSecretKey(Buffer.from('the secret of this cluster'))] } });
    expect((await problem({ masters: [secret.address, nobody] }))[0]).to.equal('SIGNATURE_INVALID');
  });

  it('gives who is asked the time of a probe, and ends with its signal', async () => {
    const deaf = createServer();
    await new Promise<void>((resolve) => deaf.listen(0, '127.0.0.1', resolve));
    const address = `127.0.0.1:${(deaf.address() as AddressInfo).port}`;
    const time = new ManualTime();
    const ask = (within: AbortSignal) => viewOf({ time }).ask(address, (client, soon) => client.info(soon), within);
    try {
      const late = failureOf(() => ask(signal));
      await waitFor(() => time.sleeping > 0, { what: 'the question to be asked' });
      await time.advance(limits.probeMs);
      expect(await late).to.deep.include({ code: 'PEER_UNREACHABLE', message: `${address} gives no answer within 1 s`, fields: { peer: address } });

      const controller = new AbortController();
      const ended = ask(controller.signal).catch((error: unknown) => error);
      await waitFor(() => time.sleeping > 0, { what: 'the question to be asked' });
      controller.abort(new Error('enough'));
      expect(await ended).to.equal(controller.signal.reason);
      expect(time.sleeping).to.equal(0);
    } finally {
      deaf.close();
    }
  });

  it('takes a filer off the list of every master that answers', async () => {
    const nobody = `127.0.0.1:${await freePort()}`;
    const view = viewOf({ masters: [master.address, nobody], group: 'moved' });
    const wrong = await failureOf(() => view.forget('me', signal));
    expect([wrong.code, wrong.message]).to.deep.equal(['USAGE', `--forget: 'me' is not an origin (16 lower-case hex digits); --json shows them`]);
    expect((await view.sample(signal)).filers).to.have.length(1);
    // Nobody of its group is left who could close its origin.
    expect(await view.forget(hexId('d'), signal)).to.deep.equal({ masters: [master.address], closedBy: null });
    expect((await view.sample(signal)).filers).to.deep.equal([]);
    const again = await failureOf(() => viewOf({ group: 'moved' }).forget(hexId('d'), signal));
    expect(again.code).to.equal('ENTRY_NOT_FOUND');
  });

  it('goes on with the filers it knows when the last master stops', async () => {
    const view = viewOf();
    await inStep(view);
    await processes.stop(master);
    const sample = await view.sample(signal);
    expect(addresses(sample)).to.have.members([a.address, b.address]);
    expect([sample.clusterId, sample.silentMasters.map(({ address }) => address)]).to.deep.equal([clusterId, [master.address]]);
  });
});
