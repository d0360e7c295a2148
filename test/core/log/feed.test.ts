import { expect } from 'chai';
import fc from 'fast-check';
import { decodeChange } from '../../../src/core/change/codec.js';
import { joinPositions, positionsEqual, type Position } from '../../../src/core/clock/vector.js';
import { originStart } from '../../../src/core/log/log-state.js';
import { limits } from '../../../src/core/config/limits.js';
import type { FeedPage, FeedQuery } from '../../../src/core/log/feed.js';
import { logPageOf, type LogRecord } from '../../../src/core/store/store.js';
import { anyHistory, run } from '../../support/history.js';
import { ask, codeOf, failureOf, file, mode, never, openLog, p, pull, read, type OpenLog } from '../../support/open-log.js';

const put = (at: OpenLog, path: string, text = 'x') => at.tree.put(p(path), file(text), mode);
const dots = (page: { records: readonly LogRecord[] }) => page.records.map(({ origin, seq }) => `${origin}:${seq}`);
const names = (page: { records: readonly LogRecord[] }) =>
  page.records.map((record) => {
    const { oldPath, newPath } = decodeChange(record.text);
    return oldPath === newPath || oldPath === null ? newPath : newPath === null ? `-${oldPath}` : `${oldPath}>${newPath}`;
  });

/** A filer with changes of its own and of two peers, mixed. */
async function mixed(): Promise<OpenLog> {
  const [at, b, c] = [await openLog(), await openLog(), await openLog()];
  await put(b, '/b1');
  await put(at, '/a1');
  await pull(b, at);
  await put(c, '/c1');
  await put(at, '/a2');
  await pull(c, at);
  await put(b, '/b2');
  await put(at, '/a3');
  await pull(b, at);
  return at;
}

describe('Feed.read by offset', () => {
  it('gives changes in the order of applying, after the offset', async () => {
    const at = await mixed();
    const all = await read(at, { start: { kind: 'offset', index: 0 } });
    expect(names(all)).to.deep.equal(['/a1', '/b1', '/a2', '/c1', '/a3', '/b2']);
    expect(all).to.include({ next: 6, upToDate: true, ended: false });
    expect(names(await read(at, { start: { kind: 'offset', index: 4 } }))).to.deep.equal(['/a3', '/b2']);
    expect(await read(at, { start: { kind: 'offset', index: 6 } })).to.deep.include({ records: [], next: 6, upToDate: true });
  });

  it('starts now at the head', async () => {
    const at = await mixed();
    const page = await read(at, { start: { kind: 'now' } });
    expect(page).to.deep.include({ records: [], next: 6, upToDate: true, position: at.log.position });
  });

  it('stops at the limit, and says where to go on', async () => {
    const at = await mixed();
    const page = await read(at, { start: { kind: 'offset', index: 0 }, limit: 2 });
    expect(names(page)).to.deep.equal(['/a1', '/b1']);
    expect(page).to.include({ next: 2, upToDate: false });
    expect(await read(at, { start: { kind: 'offset', index: 4 }, limit: 2 })).to.include({ next: 6, upToDate: true });
  });

  it('stops before the bytes are too many, but gives one change whatever its size', async () => {
    const at = await openLog();
    for (const path of ['/a', '/b', '/c']) await put(at, path, 'x'.repeat(1000));
    const [first] = (await read(at, {})).records;
    expect(names(await read(at, { bytesMax: first.text.length * 2 + 10 }))).to.deep.equal(['/a', '/b']);
    expect(names(await read(at, { bytesMax: 1 }))).to.deep.equal(['/a']);
  });
});

describe('Feed.read by position', () => {
  it('gives what the position does not include, at any filer', async () => {
    const [at, other] = [await mixed(), await openLog()];
    await pull(at, other);
    const { origin } = at.log.identity;
    const position = new Map([[origin, 2]]);
    for (const filer of [at, other]) {
      const page = await read(filer, { start: { kind: 'position', position } });
      expect(names(page).sort()).to.deep.equal(['/a3', '/b1', '/b2', '/c1']);
      expect(positionsEqual(page.position, at.log.position)).to.equal(true);
    }
  });

  it('gives everything to an empty position, nothing to a full one, and takes origins it does not know', async () => {
    const at = await mixed();
    expect((await read(at)).records.length).to.equal(6);
    const stranger = joinPositions(at.log.position, new Map([['2222222222222222', 7]]));
    const page = await read(at, { start: { kind: 'position', position: stranger } });
    expect(page.records).to.deep.equal([]);
    expect(page.position.get('2222222222222222')).to.equal(7);
  });

  it('gives changes of the asked origins alone, and the position for them', async () => {
    const at = await mixed();
    const { origin } = at.log.identity;
    const page = await read(at, { origins: [origin, '2222222222222222'], start: { kind: 'position', position: new Map([[origin, 1]]) } });
    expect(names(page)).to.deep.equal(['/a2', '/a3']);
    expect(page.position).to.deep.equal(
      new Map([
        [origin, 3],
        ['2222222222222222', 0],
      ]),
    );
    expect(page).to.include({ upToDate: true, next: 6 });
  });
});

describe('Feed.read as text', () => {
  it('gives what it gives as records, from wherever a reader comes', async () => {
    const at = await mixed();
    const known = [...at.log.state.origins.values()];
    const positions = [0, 1, 2, 3].flatMap((a) =>
      [0, 1, 2].flatMap((b) => [0, 1].map((c) => new Map(known.map(({ origin }, i) => [origin, [a, b, c][i] ?? 0])))),
    );
    const some = [undefined, ...known.map(({ origin }) => [origin]), known.slice(1).map(({ origin }) => origin)];
    const starts: FeedQuery['start'][] = [
      { kind: 'now' },
      { kind: 'offset', index: 2 },
      ...positions.map((position) => ({ kind: 'position', position }) as const),
    ];
    for (const start of starts)
      for (const origins of some)
        for (const limit of [2, 10]) {
          const asked = { start, origins, limit };
          const { records, ...page } = await read(at, asked);
          expect(await read(at, { ...asked, asText: true }), JSON.stringify([start, origins, limit])).to.deep.equal({
            ...page,
            records: [],
            text: logPageOf(records),
          });
        }
  });

  it('looks into changes where it has to', async () => {
    const at = await mixed();
    const page = await read(at, { pathPrefix: p('/a2'), asText: true });
    expect(page).to.include({ text: null, count: 1 });
    expect(names(page)).to.deep.equal(['/a2']);
  });
});

describe('Feed.read by time', () => {
  const stamps = async (at: OpenLog) => (await read(at)).records.map(({ version }) => version);

  it('gives what is not older than since, and not newer than until', async () => {
    const at = await openLog();
    for (const path of ['/a', '/b', '/c', '/d']) {
      await put(at, path);
      at.time.step(1000);
    }
    const [, b, c] = await stamps(at);
    expect(names(await read(at, { start: { kind: 'since', since: b } }))).to.deep.equal(['/b', '/c', '/d']);
    expect(names(await read(at, { start: { kind: 'since', since: b + 1 } }))).to.deep.equal(['/c', '/d']);
    const bounded = await read(at, { start: { kind: 'since', since: b }, until: c });
    expect(names(bounded)).to.deep.equal(['/b', '/c']);
    expect(bounded).to.include({ upToDate: true, ended: true, next: 4 });
    expect(names(await read(at, { start: { kind: 'since', since: 1 } }))).to.deep.equal(['/a', '/b', '/c', '/d']);
    expect(await read(at, { start: { kind: 'since', since: c + 1e9 } })).to.deep.include({ records: [], next: 4, upToDate: true });
  });

  it('leaves out what a peer brought late that is older', async () => {
    const [at, peer] = [await openLog(), await openLog()];
    await put(peer, '/old');
    at.time.step(1e6);
    await put(at, '/new');
    await pull(peer, at);
    const since = at.time.micros();
    expect(names(await read(at, { start: { kind: 'since', since } }))).to.deep.equal(['/new']);
  });

  it('ends a bounded read at the head seen when until has passed, not before', async () => {
    const at = await openLog();
    await put(at, '/a');
    const until = at.time.micros() + 5000_000;
    const start = { kind: 'offset', index: 0 } as const;
    expect(await read(at, { start, until })).to.include({ ended: false, upToDate: true });
    const waiting = at.feed.read(ask({ start: { kind: 'offset', index: 1 }, until, waitMs: 60_000 }), never);
    await at.time.advance(4000);
    await put(at, '/b');
    expect(names(await waiting)).to.deep.equal(['/b']);
    await at.time.advance(2000);
    expect(await read(at, { start: { kind: 'offset', index: 2 }, until })).to.deep.include({ ended: true, records: [] });
  });
});

describe('Feed.read of a part of the tree', () => {
  it('takes whole components, the path itself, and both sides of a rename', async () => {
    const at = await openLog();
    for (const path of ['/d', '/d/f', '/de/f', '/x']) await (path === '/d' ? at.tree.mkdir(p(path), 0o755) : put(at, path));
    await at.tree.move(p('/x'), p('/d/x'));
    await at.tree.move(p('/d/x'), p('/y'));
    await at.tree.move(p('/y'), p('/z'));
    await at.tree.remove(p('/d'), true);
    const page = await read(at, { pathPrefix: p('/d') });
    expect(names(page)).to.deep.equal(['/d', '/d/f', '/x>/d/x', '/d/x>/y', '-/d/f', '-/d']);
    expect(page).to.deep.include({ upToDate: true, next: at.log.state.head, position: at.log.position });
    expect(names(await read(at, { pathPrefix: p('/') }))).to.deep.equal(names(await read(at)));
  });

  it('goes on behind what it left out', async () => {
    const at = await openLog();
    for (const path of ['/d/a', '/x', '/d/b', '/y', '/d/c']) await put(at, path);
    const page = await read(at, { start: { kind: 'offset', index: 0 }, pathPrefix: p('/d'), limit: 2 });
    expect(names(page)).to.deep.equal(['/d', '/d/a']);
    const rest = await read(at, { start: { kind: 'offset', index: page.next }, pathPrefix: p('/d') });
    expect(names(rest)).to.deep.equal(['/d/b', '/d/c']);
  });
});

describe('a read that finds nothing', () => {
  it('waits, and is woken by a commit', async () => {
    const at = await openLog();
    const waiting = at.feed.read(ask({ waitMs: 60_000 }), never);
    await at.time.advance(1000);
    await put(at, '/a');
    expect(names(await waiting)).to.deep.equal(['/a']);
    expect([at.log.waiters.count, at.time.sleeping]).to.deep.equal([0, 0]);
  });

  it('waits on past changes that are not its own', async () => {
    const [at, peer] = [await openLog(), await openLog()];
    const { origin } = peer.log.identity;
    const waiting = at.feed.read(ask({ waitMs: 60_000, origins: [origin] }), never);
    const elsewhere = at.feed.read(ask({ waitMs: 60_000, pathPrefix: p('/d') }), never);
    await put(at, '/a');
    await at.time.advance(1000);
    expect(at.log.waiters.count).to.equal(2);
    await put(peer, '/d/p');
    await pull(peer, at);
    expect(names(await waiting)).to.deep.equal(['/d', '/d/p']);
    expect(names(await elsewhere)).to.deep.equal(['/d', '/d/p']);
  });

  it('ends for a peer within a second of changes that are not its own, to say where this filer is', async () => {
    const [at, peer] = [await openLog(), await openLog()];
    const started = at.time.monotonic();
    const held = () => at.feed.read(ask({ waitMs: 10_000, origins: [peer.log.identity.origin], forPeer: true }), never);
    const waiting = held();
    const ended = waiting.then(() => at.time.monotonic() - started);
    await at.time.advance(300);
    await put(at, '/a');
    await at.time.advance(9000);
    expect(await ended).to.equal(limits.peerNewsMs);
    expect(await waiting).to.deep.include({ records: [], upToDate: true, state: at.log.state });
    const late = held();
    await at.time.advance(5000);
    expect(at.log.waiters.count).to.equal(1);
    await put(at, '/b');
    await at.time.advance(0);
    expect((await late).state).to.equal(at.log.state);
  });

  it('says at the time-out how far it has looked', async () => {
    const at = await openLog();
    const waiting = at.feed.read(ask({ start: { kind: 'offset', index: 0 }, pathPrefix: p('/d'), waitMs: 5000 }), never);
    await put(at, '/a');
    await at.time.advance(5000);
    expect(await waiting).to.deep.include({ records: [], next: 1, upToDate: true, position: at.log.position });
  });

  it('ends with the reason of its signal', async () => {
    const at = await openLog();
    const controller = new AbortController();
    const waiting = at.feed.read(ask({ waitMs: 60_000 }), controller.signal).catch((error: unknown) => error);
    await at.time.advance(1);
    controller.abort(new Error('gone'));
    expect(await waiting).to.equal(controller.signal.reason);
  });

  it('is refused when too many wait', async () => {
    const at = await openLog({ limits: { waitersMax: 2, waitersForPeers: 1 } });
    const held = at.feed.read(ask({ waitMs: 60_000 }), never);
    await at.time.advance(1);
    expect(await codeOf(() => at.feed.read(ask({ waitMs: 60_000 }), never))).to.equal('OVERLOADED');
    await put(at, '/a');
    await held;
  });

  it('shares one store read among all readers at one place', async () => {
    const at = await openLog();
    const waiting = Array.from({ length: 100 }, () => at.feed.read(ask({ start: { kind: 'offset', index: 0 }, waitMs: 60_000 }), never));
    await at.time.advance(1);
    at.feed.reads = 0;
    await put(at, '/a');
    await Promise.all(waiting);
    // What was just written is in memory; what is older is not.
    expect(at.feed.reads).to.equal(0);
    const again = await openLog({ disk: at.disk, time: at.time });
    await Promise.all(waiting.map(() => again.feed.read(ask({ start: { kind: 'position', position: new Map() } }), never)));
    expect(again.feed.reads).to.equal(1);
  });

  it('keeps pages to share only up to their bytes', async () => {
    const { disk, time } = await openLog().then(async (at) => {
      await put(at, '/a', 'x'.repeat(1000));
      await put(at, '/b', 'x'.repeat(1000));
      return at;
    });
    const readsOf = async (pageCacheBytes: number) => {
      const at = await openLog({ disk, time, limits: { pageCacheBytes } });
      for (const index of [0, 1, 0, 1]) await read(at, { start: { kind: 'offset', index }, limit: 1 });
      return at.feed.reads;
    };
    expect([await readsOf(1e6), await readsOf(2500)]).to.deep.equal([2, 4]);
  });
});

describe('offsets', () => {
  it('are the epoch and sixteen digits, and sort as text', async () => {
    const at = await mixed();
    const { epoch } = at.log.identity;
    expect(at.feed.formatOffset(42)).to.equal(`${epoch}0000000000000042`);
    expect([5, 40, 300].map((index) => at.feed.formatOffset(index))).to.deep.equal([300, 5, 40].map((index) => at.feed.formatOffset(index)).sort());
    for (const index of [0, 3, 6]) expect(at.feed.parseOffset(at.feed.formatOffset(index))).to.equal(index);
  });

  it('are refused if they are none, another store’s, or ahead of this one', async () => {
    const at = await mixed();
    for (const text of ['', 'x', '-1', `${at.log.identity.epoch}1`, `${at.feed.formatOffset(1)}0`, at.feed.formatOffset(1).toUpperCase().replace(/^./, 'G')]) {
      expect(await codeOf(() => at.feed.parseOffset(text)), text).to.equal('PARAMETER_INVALID');
    }
    for (const text of [at.feed.formatOffset(7), `ffffffff${'0'.repeat(16)}`]) expect(await codeOf(() => at.feed.parseOffset(text))).to.equal('OFFSET_UNKNOWN');
  });

  it('are gone when the feed has another epoch', async () => {
    const at = await mixed();
    const offset = at.feed.formatOffset(2);
    await at.log.alone(async (draft) => {
      draft.setIdentity({ epoch: '12345678' });
      await draft.flush();
    });
    expect(await codeOf(() => at.feed.parseOffset(offset))).to.equal('OFFSET_UNKNOWN');
  });

  it('are gone when the log no longer reaches back to them', async () => {
    const at = await openLog();
    await put(at, '/a');
    await at.log.alone(async (draft) => {
      await draft.jump([...draft.origins.values()]);
      await draft.flush();
    });
    await put(at, '/b');
    const failure = await failureOf(() => at.feed.parseOffset(at.feed.formatOffset(0)));
    expect([failure.code, failure.fields.first]).to.deep.equal(['LOG_TRIMMED', at.feed.formatOffset(1)]);
    expect(at.feed.parseOffset(at.feed.formatOffset(1))).to.equal(1);
  });
});

describe('a trimmed log', () => {
  it('is told to readers whose position or time lies before it, and to no others', async () => {
    const [at, peer] = [await openLog(), await openLog()];
    const { origin } = peer.log.identity;
    await put(peer, '/p');
    await pull(peer, at);
    const version = at.time.micros();
    await at.log.alone(async (draft) => {
      await draft.jump([{ ...originStart(origin), seq: 9, hash: '999999999999', version }]);
      await draft.flush();
    });
    const position = (seq: number): Partial<FeedQuery> => ({ start: { kind: 'position', position: new Map([[origin, seq]]) } });
    const failure = await failureOf(() => read(at, position(8)));
    expect(failure.code).to.equal('LOG_TRIMMED');
    expect(failure.fields).to.deep.equal({ origin, first: 10 });
    expect((await read(at, position(9))).records).to.deep.equal([]);
    expect(await codeOf(() => read(at, { ...position(0), origins: [origin] }))).to.equal('LOG_TRIMMED');
    expect((await read(at, { ...position(0), origins: [at.log.identity.origin] })).records).to.deep.equal([]);
    expect(await codeOf(() => read(at, { start: { kind: 'since', since: version } }))).to.equal('LOG_TRIMMED');
    expect((await read(at, { start: { kind: 'since', since: version + 1 } })).records).to.deep.equal([]);
  });
});

describe('Feed.positionAt', () => {
  it('is what a reader has that has read everything up to there', async () => {
    const at = await mixed();
    const { records } = await read(at, { start: { kind: 'offset', index: 0 } });
    const expected = new Map<string, number>([...at.log.position.keys()].map((origin) => [origin, 0]));
    expect(await at.feed.positionAt(0)).to.deep.equal(expected);
    for (const record of records) {
      expected.set(record.origin, record.seq);
      expect(await at.feed.positionAt(record.index)).to.deep.equal(expected);
    }
  });
});

describe('a reader that resumes', () => {
  /** Reads page by page until nothing is left, going on by `go`. */
  const readAll = async (at: OpenLog, limit: number, go: (page: FeedPage) => FeedQuery['start'], more: Partial<FeedQuery>): Promise<LogRecord[]> => {
    const seen: LogRecord[] = [];
    let start: FeedQuery['start'] = { kind: 'position', position: new Map() };
    for (;;) {
      const page = await read(at, { ...more, start, limit });
      seen.push(...page.records);
      start = go(page);
      if (page.upToDate) return seen;
    }
  };

  it('sees each change once, in feed order, whether it goes on by offset or by position', () =>
    fc.assert(
      fc.asyncProperty(anyHistory(3), fc.integer({ min: 1, max: 4 }), fc.boolean(), async (history, limit, isFiltered) => {
        const filers = [await openLog(), await openLog(), await openLog()];
        await run(history, filers);
        const [at] = filers;
        const more = isFiltered ? { pathPrefix: p('/a') } : {};
        const expected = dots(await read(at, more));
        expect(dots({ records: await readAll(at, limit, (page) => ({ kind: 'offset', index: page.next }), more) })).to.deep.equal(expected);
        expect(dots({ records: await readAll(at, limit, (page) => ({ kind: 'position', position: page.position }), more) })).to.deep.equal(expected);
      }),
      { numRuns: 40 },
    ));

  it('sees each change once when it goes on at another filer by position', () =>
    fc.assert(
      fc.asyncProperty(anyHistory(3), fc.integer({ min: 1, max: 5 }), async (history, limit) => {
        const filers = [await openLog(), await openLog(), await openLog()];
        await run(history, filers);
        const [a, b] = filers;
        await pull(a, b);
        const seen: string[] = [];
        let position: Position = new Map();
        for (let turn = 0; !positionsEqual(position, b.log.position) && turn < 200; turn++) {
          const page = await read(turn % 2 ? a : b, { start: { kind: 'position', position }, limit });
          seen.push(...dots(page));
          position = joinPositions(position, page.position);
        }
        expect(new Set(seen).size).to.equal(seen.length);
        expect([...seen].sort()).to.deep.equal(dots(await read(b)).sort());
      }),
      { numRuns: 40 },
    ));

  it('asks for some origins page by page and sees each of their changes once', () =>
    fc.assert(
      fc.asyncProperty(anyHistory(3), fc.integer({ min: 1, max: 3 }), async (history, limit) => {
        const filers = [await openLog(), await openLog(), await openLog()];
        await run(history, filers);
        const [at, ...others] = filers;
        const origins = others.map(({ log }) => log.identity.origin);
        const expected = dots(await read(at)).filter((dot) => !dot.startsWith(at.log.identity.origin));
        const seen = await readAll(at, limit, (page) => ({ kind: 'position', position: page.position }), { origins });
        expect(dots({ records: seen })).to.deep.equal(expected);
      }),
      { numRuns: 40 },
    ));
});
