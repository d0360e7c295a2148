import { expect } from 'chai';
import { limits } from '../../../src/core/config/limits.js';
import { FilerError } from '../../../src/core/errors.js';
import { root } from '../../../src/core/entry/path.js';
import { silentLogger } from '../../../src/core/logger.js';
import { Expiry, isInCharge, type Neighbour } from '../../../src/core/namespace/expiry.js';
import { codeOf, file, mode, never, openLog, p, pull, rowsIn, type OpenLog } from '../../support/open-log.js';
import { passUntil } from '../../support/manual-time.js';

const all = { after: '', limit: 1000, bytesMax: 1e9 };
const put = (at: OpenLog, path: string, ttlSec = 0, text = 'x') => at.tree.put(p(path), file(text, { ttlSec }), mode);
const list = async (at: OpenLog, path: string) => (await at.tree.list(p(path), all)).entries.map(({ path: found }) => found);
const live = async (at: OpenLog) =>
  (await rowsIn(at.store))
    .filter(({ entry }) => entry !== null)
    .map(({ path }) => path)
    .sort();
const expiryOf = (at: OpenLog, members: readonly Neighbour[] = [], mayWrite = () => true) =>
  new Expiry({ log: at.log, store: at.store, time: at.time, logger: silentLogger, limits, members: () => members, mayWrite });

/** A filer that may write. */
async function ready(options: Parameters<typeof openLog>[0] = {}): Promise<OpenLog> {
  const at = await openLog(options);
  await at.log.alone(async (draft) => {
    draft.setIdentity({ phase: 'ready' });
    await draft.flush();
  });
  return at;
}

describe('a file whose time is up', () => {
  it('is hidden at crtime + ttl on the version clock, to the microsecond', async () => {
    const at = await openLog();
    await put(at, '/d/f', 60);
    const born = at.log.clock.last;
    await at.time.advance(59_999);
    expect([(await at.tree.find(p('/d/f')))?.isDirectory, await list(at, '/d')]).to.deep.equal([false, ['/d/f']]);
    // A peer's clock is ahead: the version clock follows it, and what it says counts.
    at.log.clock.observe(born + 60_000_000);
    expect([await at.tree.find(p('/d/f')), await list(at, '/d'), await list(at, '/')]).to.deep.equal([null, [], ['/d']]);
    expect(await live(at)).to.include('/d/f');
  });

  it('does not expire by a version far ahead of all clocks', async () => {
    const at = await openLog();
    await put(at, '/f', 3600);
    at.log.clock.advance(2 ** 52 - 1000);
    await put(at, '/other', 3600);
    for (const path of ['/f', '/other']) expect(await at.tree.find(p(path)), path).to.not.equal(null);
    await at.time.advance(3_600_000 - limits.clockSkewMs);
    expect(await at.tree.find(p('/f'))).to.equal(null);
  });

  it('counts from the first write over updates and moves, and ends with a write that has no ttl', async () => {
    const at = await openLog();
    await put(at, '/f', 60);
    await put(at, '/kept', 60);
    await at.time.advance(40_000);
    await put(at, '/f', 60, 'new');
    await at.tree.move(p('/f'), p('/g'));
    await put(at, '/kept');
    await at.time.advance(20_001);
    expect([await at.tree.find(p('/g')), (await at.tree.find(p('/kept')))?.path]).to.deep.equal([null, '/kept']);
  });

  it('is in nobody’s way', async () => {
    const at = await openLog();
    for (const path of ['/put', '/below', '/mkdir', '/target', '/source', '/append', '/rm/a', '/rm/b/c', '/tree/a', '/onto/a', '/rec/a'])
      await put(at, path, 60);
    await at.tree.mkdir(p('/moved'), 0o755);
    await put(at, '/file');
    await at.time.advance(60_001);
    expect((await put(at, '/put')).created).to.equal(true);
    expect((await at.tree.find(p('/put')))?.entry?.attributes?.crtime).to.equal(String(Math.floor(at.time.micros() / 1e6)));
    await put(at, '/below/x');
    await at.tree.mkdir(p('/mkdir'), 0o755);
    await at.tree.move(p('/file'), p('/target'));
    expect(await codeOf(() => at.tree.move(p('/source'), p('/x')))).to.equal('PARAMETER_INVALID');
    expect(await codeOf(() => at.tree.tag(p('/source'), () => ({ a: 'YQ==' })))).to.equal('ENTRY_NOT_FOUND');
    expect(await at.tree.append(p('/append'), file('y'), mode, 10)).to.include({ created: true, size: 1 });
    expect((await at.tree.remove(p('/source'), false)).dot).to.equal(null);
    await at.tree.remove(p('/rm/b'), false);
    await at.tree.remove(p('/rm'), false);
    await at.tree.move(p('/moved'), p('/onto'));
    await at.tree.remove(p('/rec'), true);
    expect(await list(at, '/')).to.deep.equal(['/append', '/below', '/mkdir', '/onto', '/put', '/target', '/tree']);
    expect((await live(at)).filter((path) => path.startsWith('/rm') || path.startsWith('/rec') || path.startsWith('/onto'))).to.deep.equal(['/onto']);
  });

  it('does not hide that something else lies beside it', async () => {
    const at = await openLog();
    for (const path of ['/d/a', '/d/b/c', '/d/e']) await put(at, path, 60);
    await put(at, '/d/b/stays');
    await at.time.advance(60_001);
    const { head } = at.log.state;
    expect(await codeOf(() => at.tree.remove(p('/d'), false))).to.equal('DIRECTORY_NOT_EMPTY');
    expect([at.log.state.head, await live(at)]).to.deep.equal([head, ['/d', '/d/a', '/d/b', '/d/b/c', '/d/b/stays', '/d/e']]);
    expect(await list(at, '/d')).to.deep.equal(['/d/b']);
  });

  it('makes no directory of what is above it, and hides no file', async () => {
    const at = await openLog();
    const force = (path: string, ttlSec: number) =>
      at.log.commit({
        paths: [p(path)],
        bytes: 1,
        decide: (draft) =>
          draft.issue({
            kind: 'put',
            path: p(path),
            entry: { name: '', isDirectory: false, attributes: { crtime: String(Math.floor(at.time.micros() / 1e6)), ttlSec } },
          }),
      });
    await force('/implied/deep/f', 60);
    await force('/hidden', 0);
    await force('/hidden/f', 60);
    expect(await list(at, '/')).to.deep.equal(['/hidden', '/implied']);
    await at.time.advance(60_001);
    expect(await list(at, '/')).to.deep.equal(['/hidden']);
    expect((await at.tree.find(p('/hidden')))?.isDirectory).to.equal(false);
    for (const path of ['/implied', '/implied/deep']) expect(await at.tree.find(p(path)), path).to.equal(null);
    expect(await codeOf(() => list(at, '/implied'))).to.equal('ENTRY_NOT_FOUND');
    const onlyNew = (found: unknown) => {
      if (found !== null) throw new FilerError('PRECONDITION_FAILED', 'it exists');
    };
    await at.tree.put(p('/hidden'), file('new'), mode);
    await at.tree.put(p('/implied'), file(), mode, onlyNew);
    expect((await at.tree.find(p('/hidden')))?.entry?.content).to.equal(file('new').content);
  });

  it('does not come back by a copy', async () => {
    const at = await openLog();
    await put(at, '/d/gone', 60);
    await put(at, '/d/later', 600);
    await at.time.advance(60_001);
    await at.tree.copy(p('/d'), p('/copy'), false);
    expect(await list(at, '/copy')).to.deep.equal(['/copy/later']);
    // A copy is a new file: its time begins anew.
    await at.time.advance(599_000);
    expect([await list(at, '/d'), await list(at, '/copy')]).to.deep.equal([[], ['/copy/later']]);
  });
});

describe('isInCharge', () => {
  const up = (origin: string): Neighbour => ({ origin, state: 'up' });
  const down = (origin: string): Neighbour => ({ origin, state: 'down' });
  const cases: [own: string, author: string, members: Neighbour[], expected: boolean][] = [
    ['a', 'a', [], true],
    ['a', 'a', [up('0')], true],
    ['b', 'a', [up('a'), up('b')], false],
    ['b', 'a', [down('a'), up('b')], false],
    ['b', 'x', [up('a'), up('b')], false],
    ['a', 'x', [up('a'), up('b')], true],
    ['b', 'x', [down('a'), up('b')], true],
    ['b', 'x', [], true],
    ['b', 'x', [up('c')], true],
  ];
  for (const [own, author, members, expected] of cases) {
    it(`of ${own} for ${author} among ${members.map(({ origin, state }) => `${origin} ${state}`).join(', ') || 'nobody'} is ${expected}`, () => {
      expect(isInCharge(own, author, members)).to.equal(expected);
    });
  }
});

describe('Expiry', () => {
  it('deletes what is due by changes like any other, and lets the rest stand', async () => {
    const at = await ready();
    await put(at, '/d/a', 60);
    await put(at, '/d/b', 120);
    await put(at, '/d/c');
    const expiry = expiryOf(at);
    await expiry.sweep(never);
    expect(expiry.deleted).to.equal(0);
    await at.time.advance(60_001);
    const seq = at.tree.ownSeq;
    await expiry.sweep(never);
    expect([expiry.deleted, at.tree.ownSeq - seq, await live(at)]).to.deep.equal([1, 1, ['/d', '/d/b', '/d/c']]);
    expect((await at.tree.remove(p('/d/a'), false)).dot).to.equal(null);
  });

  it('deletes by itself until it is stopped', async () => {
    const at = await ready();
    await put(at, '/f', 60);
    const expiry = expiryOf(at);
    expiry.start();
    await passUntil(at.time, 'the file to be deleted', async () => (await live(at)).length === 0, { stepMs: 1000 });
    await expiry.stop();
    expect([expiry.deleted, at.time.sleeping]).to.deep.equal([1, 0]);
  });

  it('deletes nothing while clients may not write', async () => {
    const at = await ready();
    await put(at, '/f', 60);
    await at.time.advance(60_001);
    await expiryOf(at, [], () => false).sweep(never);
    expect(await live(at)).to.deep.equal(['/f']);
  });

  it('takes many in batches, with those of others between them', async () => {
    const [at, other] = [await ready(), await ready()];
    for (let i = 0; i < 30; i++) await put(i % 3 ? at : other, `/d${i % 3 ? '' : 'x'}/${i}`, 60, 'x'.repeat(100));
    await pull(other, at);
    await at.time.advance(60_001);
    const origin = other.log.identity.origin;
    const small = { ...limits, draftRows: 4, draftBytes: 900 };
    const expiry = new Expiry({
      log: at.log,
      store: at.store,
      time: at.time,
      logger: silentLogger,
      limits: small,
      members: () => [{ origin, state: 'down' }],
      mayWrite: () => true,
    });
    await expiry.sweep(never);
    expect([expiry.deleted, (await list(at, '/d')).length, await list(at, '/dx')]).to.deep.equal([20, 0, []]);
    expect((await live(at)).filter((path) => path.startsWith('/dx/'))).to.have.length(10);
  });

  it('lets two filers end with the same tree, whoever deletes', async () => {
    const [a, b] = [await ready(), await ready()];
    await put(a, '/f', 60);
    await put(b, '/g', 60);
    await pull(a, b);
    await pull(b, a);
    for (const at of [a, b]) await at.time.advance(60_001);
    const members = [a, b].map((at) => ({ origin: at.log.identity.origin, state: 'up' as const }));
    for (const at of [a, b]) await expiryOf(at, members).sweep(never);
    expect([await live(a), await live(b)]).to.deep.equal([['/g'], ['/f']]);
    await pull(a, b);
    await pull(b, a);
    expect([await live(a), await live(b), a.log.digest]).to.deep.equal([[], [], b.log.digest]);
    // What only a filer that has left wrote is deleted by the lowest that is left.
    await put(a, '/left', 60);
    await pull(a, b);
    await b.time.advance(60_001);
    await expiryOf(b, [members[1]]).sweep(never);
    expect(await live(b)).to.deep.equal([]);
  });

  it('leaves alone what was written anew after it was found', async () => {
    const at = await ready();
    await put(at, '/f', 60);
    await at.time.advance(60_001);
    const [found] = await at.store.expired({ now: at.log.clock.believed(), limit: 1 });
    await put(at, '/f', 0, 'new');
    const late = new Expiry({
      log: at.log,
      store: { expired: async () => [found] },
      time: at.time,
      logger: silentLogger,
      limits,
      members: () => [],
      mayWrite: () => true,
    });
    await late.sweep(never);
    expect([late.deleted, await list(at, root)]).to.deep.equal([0, ['/f']]);
  });
});
