import { expect } from 'chai';
import { limits } from '../../../src/core/config/limits.js';
import { FilerError } from '../../../src/core/errors.js';
import { Retention } from '../../../src/core/log/retention.js';
import { formatLinkState, parseLinkState } from '../../../src/core/sync/link.js';
import { ManualTime, passUntil } from '../../support/manual-time.js';
import { MemorySyncFiler, openSync, openSyncFiler, startSync, type Asked, type Running } from '../../support/memory-sync-filer.js';

const never = new AbortController().signal;

describe('one direction of a sync', () => {
  let time: ManualTime;
  let a: MemorySyncFiler;
  let b: MemorySyncFiler;
  let running: Running[] = [];

  beforeEach(async () => {
    time = new ManualTime();
    [a, b] = [await openSyncFiler('a', time), await openSyncFiler('b', time)];
  });
  afterEach(async () => {
    for (const one of running) await one.end();
    running = [];
  });

  const start = async (asked: Asked = {}, to: MemorySyncFiler = b) => {
    const one = await startSync(a, to, time, { passive: true, ...asked });
    running.push(one);
    return one;
  };
  const statusOf = ({ sync }: Running) => sync.status().directions[0]!;
  const arrived = (path: string, content: string | null = path, msMax = 120_000) =>
    passUntil(time, `${path} to be ${content} in b`, async () => (await b.read(path)) === content, { msMax });
  const following = (one: Running) => passUntil(time, 'it to follow', () => statusOf(one).state === 'following');
  const version = async (at: MemorySyncFiler, path: string) => (await at.core.store.find('tree', [path as never]))[0]?.version ?? 0;

  it('sends no more bytes a second than it may', async () => {
    const one = await start({ bytesPerSecond: 1000, limits: { syncPostBytes: 2000 } });
    await following(one);
    const began = time.monotonic();
    for (let file = 0; file < 20; file += 1) await a.put(`/${file}`, 'x'.repeat(500));
    await a.put('/last');
    await arrived('/last');
    const { bytes } = statusOf(one);
    expect(bytes).to.be.greaterThan(15_000);
    // What came with the last page is paid for afterwards.
    await a.put('/afterwards');
    await arrived('/afterwards');
    expect(time.monotonic() - began).to.be.within(bytes * 0.9, bytes * 1.5 + 5000);
  });

  for (const code of ['OVERLOADED', 'RATE_LIMITED', 'STORE_FULL'] as const)
    it(`backs off, with jitter, from a target that answers ${code}, and holds two pages at most meanwhile`, async () => {
      const one = await start({ limits: { pageChanges: 5 } });
      await following(one);
      const tried: number[] = [];
      let read = 0;
      let most = 0;
      a.before = ({ kind }) => {
        if (kind === 'feed') most = Math.max(most, (read += 1));
      };
      b.before = ({ kind }) => {
        if (kind !== 'import') return;
        tried.push(time.monotonic());
        read = 0;
        throw new FilerError(code, 'not now');
      };
      for (let file = 0; file < 100; file += 1) await a.put(`/${file}`);
      await time.advance(120_000);
      expect(statusOf(one)).to.deep.include({ state: 'stalled', lastError: { code, error: 'not now' } });
      const pauses = tried.slice(1).map((at, index) => at - (tried[index] as number));
      expect(tried.length).to.be.within(20, 400);
      expect(Math.max(...pauses)).to.be.at.most(limits.backoffMsMax + 100);
      expect(new Set(pauses).size).to.be.greaterThan(10);
      expect(most).to.be.at.most(2);
      b.before = () => {};
      await arrived('/99');
      expect(statusOf(one)).to.deep.include({ state: 'following' });
    });

  it('waits for a target that is away for an hour, with two pages at most, and then brings all of it', async () => {
    const one = await start({ limits: { pageChanges: 5 } });
    await following(one);
    let [read, most, tried] = [0, 0, 0];
    a.before = ({ kind }) => {
      if (kind === 'feed') most = Math.max(most, (read += 1));
    };
    b.before = ({ kind }) => {
      if (kind === 'import') tried += 1;
      if (kind === 'info') read = 0;
      throw new FilerError('PEER_UNREACHABLE', 'nobody is there');
    };
    for (let minute = 0; minute < 60; minute += 1) {
      await a.put(`/${minute}`);
      await a.put('/all-the-time', String(minute));
      await time.advance(60_000);
    }
    expect(statusOf(one)).to.deep.include({ state: 'retrying', lastError: { code: 'PEER_UNREACHABLE', error: 'nobody is there' } });
    expect(tried, 'what is read while nobody is there is not sent').to.be.at.most(2);
    expect(most).to.be.at.most(2);
    b.before = () => {};
    await arrived('/59');
    await passUntil(time, 'the last one', async () => (await b.read('/all-the-time')) === '59');
    expect(await b.read('/0')).to.equal('/0');
    expect(statusOf(one)).to.deep.include({ state: 'following', behind: 0 });
  });

  it('begins at a time, again at each start, whatever the checkpoint says', async () => {
    await a.put('/before');
    await time.advance(1000);
    const since = time.micros();
    await time.advance(1000);
    await a.put('/after');
    for (let run = 0; run < 2; run += 1) {
      const one = await start({ since });
      await arrived('/after');
      await passUntil(time, 'it to have been posted', () => statusOf(one).posted === 1);
      await one.end();
    }
    expect(await b.read('/before')).to.equal(null);
    // Without it the link goes on from its checkpoint.
    await a.put('/later');
    const one = await start();
    await arrived('/later');
    expect(statusOf(one).posted).to.equal(1);
  });

  /** Drops all of the log of a, as its hard limit does. */
  const trim = () => new Retention(a.core.log, a.core.store, time, { ...limits, logBytesMax: 1 }, () => new Map()).trim(never);

  it('begins with what is left of the log if it is not to copy', async () => {
    await a.put('/copied');
    await trim();
    await a.put('/logged');
    await start({ initial: 'none' });
    await arrived('/logged');
    expect(await b.read('/copied')).to.equal(null);
  });

  it('copies again, and deletes nothing, when the log no longer reaches back to the checkpoint', async () => {
    await a.put('/kept');
    await a.put('/changed', 'old');
    const first = await start();
    await arrived('/kept');
    await first.end();
    await a.remove('/kept');
    await a.put('/changed', 'new');
    await a.put('/more');
    await trim();
    const second = await start();
    await arrived('/more');
    await following(second);
    expect([await b.read('/kept'), await b.read('/changed')]).to.deep.equal(['/kept', 'new']);
    expect(statusOf(second).lastError).to.include({ code: 'LINK_EXPIRED' });
    await a.put('/as-ever');
    await arrived('/as-ever');
    await a.remove('/as-ever');
    await arrived('/as-ever', null);
  });

  it('goes on from the checkpoint where a second runner has brought the link further and the log was trimmed up to there', async () => {
    await a.put('/first');
    const first = await start();
    const slow = new MemorySyncFiler(a.filer);
    const second = await startSync(slow, new MemorySyncFiler(b.filer), time, { passive: true });
    running.push(second);
    await following(first);
    await following(second);
    let release = () => {};
    slow.before = ({ kind }) => (kind === 'feed' ? new Promise((resolve) => (release = resolve)) : undefined);
    await a.put('/second');
    await arrived('/second');
    await passUntil(time, 'the second to have it too', () => statusOf(second).behind === 0 && slow.calls.at(-1)?.kind === 'feed');
    await a.put('/third');
    await arrived('/third');
    await trim();
    slow.before = () => {};
    release();
    await a.put('/fourth');
    await arrived('/fourth');
    await passUntil(time, 'the second to go on', () => statusOf(second).lastError !== null && statusOf(second).state === 'following');
    expect(statusOf(second).lastError).to.include({ code: 'POSITION_BEHIND' });
  });

  it('waits for a filer of the source that may have the log, when that of another one no longer reaches back', async () => {
    await a.put('/deleted');
    const first = await start();
    await arrived('/deleted');
    await first.end();
    // Filled by a snapshot since: all of its log is new.
    const filled = await openSyncFiler('aa', time);
    await filled.core.log.alone(async (draft) => {
      for (const state of a.core.log.state.origins.values()) draft.setOrigin({ ...state, seq: state.seq + 1, first: state.seq + 2 });
      await draft.flush();
    });
    await a.remove('/deleted');
    a.before = ({ kind }) => {
      if (kind === 'feed') throw new FilerError('PEER_UNREACHABLE', 'not now');
    };
    await start({ besideSource: [filled] });
    await time.advance(600_000);
    a.before = () => {};
    await arrived('/deleted', null);
  });

  it('begins a copy anew when nobody has any more what it began with', async () => {
    for (let file = 0; file < 30; file += 1) await a.put(`/${file}`);
    const first = await start({ limits: { snapshotRows: 5 } });
    await arrived('/1');
    await first.end();
    const [checkpoint] = await b.asked.checkpoints();
    const state = parseLinkState(checkpoint?.value ?? '');
    const lost = { ...state, phase: 'copy', position: new Map([...state.position, ['f'.repeat(16), 7]]), after: '/1' as never } as const;
    await b.asked.setCheckpoint(checkpoint?.link ?? '', formatLinkState(lost), {});
    await a.put('/00');
    await start({ limits: { snapshotRows: 5 } });
    await arrived('/00');
  });

  it('goes on from the checkpoint of the store that is there, when the one it wrote to was replaced between two requests', async () => {
    await a.put('/before');
    const renewed = await openSyncFiler('b', time);
    let at = b;
    const asked = new Proxy(b.asked, { get: (_, name) => Reflect.get(at.asked, name) as unknown });
    const one = await start({}, Object.create(b, { asked: { get: () => asked } }) as MemorySyncFiler);
    await arrived('/before');
    at = renewed;
    await a.put('/after');
    await passUntil(time, 'both to be in the new store', async () => (await renewed.read('/after')) !== null && (await renewed.read('/before')) !== null);
    expect(statusOf(one).lastError).to.include({ code: 'PRECONDITION_FAILED' });
  });

  it('fills a target whose store was replaced while there was nothing to write', async () => {
    await a.put('/before');
    const renewed = await openSyncFiler('b', time);
    let at = b;
    const asked = new Proxy(b.asked, { get: (_, name) => Reflect.get(at.asked, name) as unknown });
    await start({}, Object.create(b, { asked: { get: () => asked } }) as MemorySyncFiler);
    await arrived('/before');
    at = renewed;
    await passUntil(time, 'it to be in the new store', async () => (await renewed.read('/before')) !== null);
  });

  it('leaves a target that has gone while there was nothing to write: only that one may have had what it wrote', async () => {
    const other = await openSyncFiler('bb', time);
    await start({ beside: [other] });
    await a.put('/f');
    await arrived('/f');
    b.before = () => {
      throw new FilerError('PEER_UNREACHABLE', 'it is gone');
    };
    await passUntil(time, 'the other filer to have it', async () => (await other.read('/f')) !== null, { msMax: 60_000 });
  });

  it('withholds deletes over restarts, and lets a later write of the target stand above them', async () => {
    await a.put('/f', 'of a');
    const asked = { aToB: { deletes: false } };
    const first = await start(asked);
    await arrived('/f', 'of a');
    // Ahead by more than a skew that a clock follows by itself.
    a.core.log.clock.advance(time.micros() + 3600e6);
    await a.remove('/f');
    await passUntil(time, 'the delete to be withheld', () => statusOf(first).withheld === 1);
    await time.advance(5000);
    await first.end();
    await b.put('/f', 'of b');
    expect(await version(b, '/f')).to.be.greaterThan(await version(a, '/f'));
    const second = await start(asked);
    await a.put('/g');
    await arrived('/g');
    expect([await b.read('/f'), statusOf(second).state]).to.deep.equal(['of b', 'following']);
  });

  it('does no harm beside another runner that asks for no lease', async () => {
    const other = new MemorySyncFiler(b.filer);
    const both = [await start(), await start({}, other)];
    for (let file = 0; file < 50; file += 1) await a.put(`/${file}`);
    await a.remove('/7');
    await a.move('/8', '/eight');
    await arrived('/eight', '/8');
    await passUntil(time, 'both to be level', () => both.every((one) => statusOf(one).state === 'following' && statusOf(one).behind === 0));
    const rows = async () => (await b.core.store.readLog({ after: 0, upto: b.core.log.state.head, limit: 1000, bytesMax: 1e9, origins: undefined })).length;
    const checkpoints = () => [b, other].flatMap((at) => at.calls.filter(({ kind }) => kind === 'import')).length;
    await time.advance(30_000);
    // 52 changes of a, and at most one checkpoint with each request.
    expect(await rows()).to.be.within(53, 52 + checkpoints() + 2);
    expect([await b.read('/7'), await b.read('/9')]).to.deep.equal([null, '/9']);
  });

  describe('whose link another process runs', () => {
    /** A run with --once beside the one that holds the link. */
    const once = async (ms: number, to: MemorySyncFiler) => {
      const sync = await openSync(a, to, time, { passive: true });
      let ended: boolean | null = null;
      const running = sync.runUntilEqual(ms, 200, never).then((equal) => (ended = equal));
      await passUntil(time, 'the run with --once to end', () => ended !== null, { msMax: ms + 60_000 });
      return running;
    };
    /** The same filer with the same leases, so that its calls are told apart. */
    const view = () => new MemorySyncFiler(b.filer, undefined, b.kv);

    it('imports nothing, and is equal when the other one has brought all of it', async () => {
      await a.put('/f');
      await following(await start());
      const watcher = view();
      expect(await once(60_000, watcher)).to.equal(true);
      expect(watcher.posts()).to.deep.equal([]);
      // The holder's checkpoint does not move for what is not in scope.
      await a.core.tree.mkdir('/.filer/x' as never, 0o660);
      expect(await once(60_000, watcher)).to.equal(true);
    });

    it('is not equal while the other one cannot bring something', async () => {
      await following(await start());
      b.before = ({ kind }) => {
        if (kind === 'import') throw new FilerError('OVERLOADED', 'not now');
      };
      await a.put('/f');
      const watcher = view();
      expect(await once(8000, watcher)).to.equal(false);
      expect(watcher.posts()).to.deep.equal([]);
    });

    it('is not equal, and does not fail, while the log no longer reaches back to the checkpoint', async () => {
      await a.put('/f');
      await following(await start());
      b.before = ({ kind }) => {
        if (kind === 'import') throw new FilerError('OVERLOADED', 'not now');
      };
      await a.put('/g');
      await trim();
      expect(await once(8000, view())).to.equal(false);
    });
  });

  it('is not equal, and does not wait, when nothing but what was refused is missing', async () => {
    await a.put('/bad');
    await a.put('/good');
    b.before = (call) => {
      const index = call.kind === 'import' ? call.lines.findIndex((line) => line.includes('"name":"bad"')) : -1;
      if (index >= 0) throw new FilerError('BODY_INVALID', `changes[${index}]: no`);
    };
    const once = async () => {
      const sync = await openSync(a, b, time, { passive: true });
      let equal: boolean | null = null;
      void sync.runUntilEqual(600_000, 200, never).then((ended) => (equal = ended));
      await passUntil(time, 'the run to end', () => equal !== null, { msMax: 30_000 });
      return equal;
    };
    expect([await once(), await b.read('/good')]).to.deep.equal([false, '/good']);
    const [checkpoint] = await b.asked.checkpoints();
    expect(parseLinkState(checkpoint?.value ?? '').refused.map(({ path }) => path)).to.deep.equal(['/bad']);

    // What waited is tried before the run says how it ends, however long that takes.
    b.before = () => {};
    a.before = ({ kind }) => (kind === 'row' ? time.sleep(5000) : undefined);
    expect([await once(), await b.read('/bad')]).to.deep.equal([true, '/bad']);
  });
});
