import { expect } from 'chai';
import { callerToHeaders } from '../../../../src/core/api/meta/protocol.js';
import { HttpPeer, type MetaClient } from '../../../../src/core/api/meta/client.js';
import { positionsEqual, type Origin } from '../../../../src/core/clock/vector.js';
import { FilerError } from '../../../../src/core/errors.js';
import type { FilerProcess } from '../../../../src/core/filer-process.js';
import type { HttpAnswer } from '../../../../src/core/http/client.js';
import type { Caller } from '../../../../src/core/replication/peer.js';
import { Processes } from '../../../support/processes.js';
import { tempDir } from '../../../support/temp-dir.js';
import { waitFor } from '../../../support/wait-for.js';

const never = new AbortController().signal;
const stranger: Origin = 'eeeeeeeeeeeeeeee';

const failure = async (answer: Promise<unknown>): Promise<FilerError> => {
  const outcome = await answer.catch((error: unknown) => error);
  expect(outcome).to.be.instanceOf(FilerError);
  return outcome as FilerError;
};

describe('replication API of one filer', () => {
  const processes = new Processes();
  let filer: FilerProcess;
  let meta: MetaClient;
  let own: Origin;

  before(async () => {
    filer = await processes.filer();
    meta = processes.meta(filer);
    own = filer.filer.log.identity.origin;
    for (const name of ['a', 'b', 'c']) await put(`/docs/${name}`, name);
  });
  after(() => processes.stopAll());

  const put = (path: string, content: string) => processes.send(filer, 'PUT', path, content);
  const get = (target: string, headers?: Record<string, string>): Promise<HttpAnswer> => processes.send(filer, 'GET', target, undefined, headers);
  const changes = (query: string) => get(`/.filer/v1/changes?${query}`);
  const caller = (origin: Origin): Caller => ({
    origin,
    address: '127.0.0.1:1',
    clusterId: null,
    have: new Map([[origin, { seq: 0, hash: '000000000000', run: '' }]]),
    report: null,
    digest: '',
    former: [],
    lineage: null,
  });

  it('GET store tells everything a peer asks for', async () => {
    const info = await meta.info();
    const mine = filer.filer.info();
    expect(info).to.deep.equal({ ...mine, time: info.time });
    expect(info).to.include({ state: 'ready', engine: 'sqlite', address: filer.address });
    expect(info.counts.entries).to.equal(4);
  });

  describe('callers', () => {
    it('who only read are not made known', async () => {
      await changes('offset=-1');
      await get('/.filer/v1/snapshot');
      expect([...filer.filer.log.position.keys()]).to.deep.equal([own]);
    });

    it('who say who they are must say all of it', async () => {
      const error = await failure(get('/.filer/v1/changes', { 'Filer-Origin': stranger }));
      expect(error.code).to.equal('PARAMETER_INVALID');
      expect([...filer.filer.log.position.keys()]).to.deep.equal([own]);
    });

    it('that belong to another history are refused', async () => {
      const have = new Map([[own, { seq: 1, hash: 'ffffffffffff', run: '' }]]);
      const error = await failure(
        get('/.filer/v1/changes', callerToHeaders({ ...caller(stranger), have: new Map([...have, [stranger, { seq: 1, hash: '1'.repeat(12), run: '' }]]) })),
      );
      expect(error.code).to.equal('ORIGIN_DIVERGED');
    });

    it('tell how far they are, and the runs they are in', async () => {
      const { seq, hash, runs } = filer.filer.log.state.origins.get(own) ?? expect.fail('it does not know itself');
      expect(filer.filer.status.caller().have).to.deep.equal(new Map([[own, { seq, hash, run: runs[0].hash }]]));
    });

    it('that are peers are made known before they are answered', async () => {
      const peer = new HttpPeer(processes.http, filer.address);
      const mine = caller(stranger);
      const page = await peer.changes({ origins: [own], position: new Map(), limit: 2, bytesMax: 1e6, waitMs: 0 }, mine, never);
      expect(page.texts).to.have.length(2);
      expect(page.position).to.deep.equal(new Map([[own, 2]]));
      expect(page.head.get(stranger)).to.equal(0);
      expect(page.report).to.deep.equal(filer.filer.log.position);
      expect(filer.filer.source.followers.get(stranger)?.address).to.equal('127.0.0.1:1');
    });
  });

  it('GET snapshot gives every row with what a reader needs to check it', async () => {
    const rows = [];
    let after = null;
    do {
      const page: Awaited<ReturnType<MetaClient['snapshot']>> = await meta.snapshot(after, 2, null);
      rows.push(...page.rows);
      after = page.next;
    } while (after !== null);
    const stored = await filer.filer.namespace.find(rows[0].path);
    expect(rows.length).to.equal(filer.filer.log.state.counts.entries);
    expect(stored).to.not.equal(null);
    expect((await failure(get('/.filer/v1/snapshot?after=%21'))).message).to.include('after');
  });

  it('GET runs gives where the runs of origins begin, up to a position', async () => {
    const all = filer.filer.log.state.origins.get(own)?.runs ?? [];
    expect(all.map(({ seq }) => seq)).to.deep.equal([1]);
    const position = new Map([
      [own, 3],
      [stranger, 5],
    ]);
    const expected = new Map([
      [own, all],
      [stranger, []],
    ]);
    expect(await meta.runs(position)).to.deep.equal(expected);
    expect(await new HttpPeer(processes.http, filer.address).runs(position, never)).to.deep.equal(expected);
    expect(await meta.runs(new Map([[own, 0]]))).to.deep.equal(new Map([[own, []]]));
    expect((await get(`/.filer/v1/runs?position=${own}:1`)).json()).to.deep.equal({ runs: { [own]: all } });
    expect((await get('/.filer/v1/runs')).json()).to.deep.equal({ runs: {} });
    for (const bad of ['x', own, `${own}:-1`, `${own}:1~${own}:2`, 'me:1'])
      expect((await failure(get(`/.filer/v1/runs?position=${bad}`))).code, bad).to.equal('PARAMETER_INVALID');
  });

  it('GET digest adds up anew on demand', async () => {
    const report = await meta.digest(true);
    expect(report.digest).to.equal(filer.filer.log.digest);
    expect(report.recomputed).to.deep.equal({ digest: report.digest, entries: report.entries, buckets: report.buckets });
    expect(positionsEqual(report.position, filer.filer.log.position)).to.equal(true);
    expect((await meta.digest()).recomputed).to.equal(undefined);
  });

  it('GET peers and conflicts are empty for a filer that is alone', async () => {
    expect(await meta.peers()).to.deep.equal({ origin: own, peers: [] });
    expect(await meta.conflicts({ path: '/docs', limit: 5 })).to.deep.equal([]);
  });

  it('keeps small values that are not replicated', async () => {
    const value = Buffer.from([0, 255, 10, 65]);
    const before = filer.filer.log.position;
    expect((await failure(get('/.filer/v1/kv/a%2Fb'))).code).to.equal('ENTRY_NOT_FOUND');
    expect((await processes.send(filer, 'PUT', '/.filer/v1/kv/a%2Fb', value)).status).to.equal(204);
    expect((await get('/.filer/v1/kv/a%2Fb')).bytes().equals(value)).to.equal(true);
    expect((await processes.send(filer, 'DELETE', '/.filer/v1/kv/a%2Fb')).status).to.equal(204);
    expect((await failure(get('/.filer/v1/kv/a%2Fb'))).code).to.equal('ENTRY_NOT_FOUND');
    expect((await failure(processes.send(filer, 'PUT', '/.filer/v1/kv/k', Buffer.alloc(64 * 1024 + 1)))).code).to.equal('BODY_TOO_LARGE');
    expect((await failure(get('/.filer/v1/kv/%00'))).code).to.equal('PARAMETER_INVALID');
    expect(filer.filer.log.position).to.deep.equal(before);
  });

  it('keeps no more values than it may, and writes those that are there again', async () => {
    const small = await processes.filer({ limits: { kvKeysMax: 2 } });
    const put = (key: string) => processes.send(small, 'PUT', `/.filer/v1/kv/${key}`, 'x');
    await put('a');
    await put('b');
    expect(await failure(put('c'))).to.deep.include({ code: 'STORE_FULL', fields: { limit: 2 } });
    expect((await put('a')).status).to.equal(204);
    await processes.send(small, 'DELETE', '/.filer/v1/kv/a');
    expect((await put('c')).status).to.equal(204);
  });
});

describe('filers that follow each other over HTTP', () => {
  const processes = new Processes();
  after(() => processes.stopAll());

  const send = (filer: FilerProcess, method: string, path: string, body?: string) => processes.send(filer, method, path, body);
  const converged = (...filers: FilerProcess[]) => {
    const [{ filer: first }] = filers;
    const isLevel = ({ filer }: FilerProcess) => positionsEqual(filer.log.position, first.log.position) && filer.log.digest === first.log.digest;
    return waitFor(() => filers.every(isLevel), { what: 'equal positions and digests' });
  };
  const following = (filer: FilerProcess, count: number) =>
    waitFor(() => filer.filer.aggregator.subscriptions.filter(({ state }) => state === 'following').length === count, {
      what: `${filer.address} to follow ${count}`,
    });

  it('hold the same tree, one that was away for a while and one that is new too', async () => {
    const masters = [(await processes.master()).address];
    const dir = await tempDir();
    const a = await processes.filer({ masters });
    let b = await processes.filer({ masters, dir });
    await following(a, 1);
    await following(b, 1);
    for (let i = 0; i < 20; i++) await send(i % 2 ? a : b, 'PUT', `/x/${i}`, String(i));
    await converged(a, b);
    const { peers } = await processes.meta(a).peers();
    expect(peers).to.have.length(1);
    expect(peers[0]).to.include({ origin: b.filer.log.identity.origin, state: 'following', address: b.address });

    await processes.stop(b);
    await send(a, 'DELETE', '/x/3');
    await send(a, 'POST', '/y/4?mv.from=/x/4');
    b = await processes.filer({ masters, dir, port: Number(b.address.split(':')[1]) });
    await converged(a, b);

    const c = await processes.filer({ masters });
    await converged(a, b, c);
    expect((await send(c, 'GET', '/y/4')).text()).to.equal('4');
    await waitFor(async () => (await processes.meta(c).readiness()).ready, { what: 'the new one to be ready' });
  });
});
