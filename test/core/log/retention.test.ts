import { expect } from 'chai';
import { indexBefore, marksMeta, Retention, withMark, type Mark, type RetentionLimits } from '../../../src/core/log/retention.js';
import { expectConsistent } from '../../support/history.js';
import { ManualTime } from '../../support/manual-time.js';
import { codeOf, file, mode, never, openLog, p, pull, read, type OpenLog } from '../../support/open-log.js';

describe('indexBefore', () => {
  const marks: Mark[] = [
    [3, 100],
    [5, 200],
    [9, 300],
  ];
  const cases: [what: string, marks: readonly Mark[], since: number, index: number][] = [
    ['no mark', [], 1000, 0],
    ['a time before the first mark', marks, 99, 0],
    ['the time of a mark', marks, 200, 5],
    ['a time between two marks', marks, 299, 5],
    ['a time after the last mark', marks, 1000, 9],
  ];
  for (const [what, given, since, index] of cases)
    it(`is ${index} for ${what}`, () => {
      expect(indexBefore(given, since)).to.equal(index);
    });
});

describe('withMark', () => {
  // A mark is due every 10 ms; the longest age is a second.
  const limits = { logRetentionMs: 1000, logRetentionMaxMs: 1000 };
  const now = 50_000_000;
  const cases: [what: string, before: readonly Mark[], head: number, after: readonly Mark[]][] = [
    ['none in an empty log', [], 0, []],
    ['the first one', [], 4, [[4, now]]],
    ['none when nothing was appended', [[4, 1]], 4, [[4, 1]]],
    ['none before it is due', [[4, now - 9_999]], 5, [[4, now - 9_999]]],
    [
      'one more when it is due',
      [[4, now - 10_000]],
      5,
      [
        [4, now - 10_000],
        [5, now],
      ],
    ],
    [
      'only the newest of those that are too old',
      [
        [1, now - 3_000_000],
        [2, now - 2_000_000],
        [3, now - 999_999],
      ],
      5,
      [
        [2, now - 2_000_000],
        [3, now - 999_999],
        [5, now],
      ],
    ],
    [
      'a new one in place of those that lie ahead of a clock that was set back',
      [
        [2, now - 5],
        [4, now + 1],
      ],
      5,
      [
        [2, now - 5],
        [5, now],
      ],
    ],
  ];
  for (const [what, before, head, after] of cases)
    it(`keeps ${what}`, () => {
      expect(withMark(before, head, now, limits)).to.deep.equal(after);
    });

  it('keeps a bounded number of marks, however long the log is written to', () => {
    let marks: readonly Mark[] = [];
    for (let step = 1; step <= 1000; step++) marks = withMark(marks, step, now + step * 10_000, limits);
    expect(marks.length).to.be.within(100, 102);
  });
});

describe('Retention', () => {
  const second = 1000;
  const limits: RetentionLimits = { logRetentionMs: 60 * second, logRetentionMaxMs: 600 * second, logBytesMax: 1e9, trimRecords: 2 };
  const put = (at: OpenLog, ...names: string[]) => Promise.all(names.map((name) => at.tree.put(p(`/${name}`), file('x'), mode)));
  const trimming = (at: OpenLog, more: Partial<RetentionLimits> = {}, acknowledged = () => at.log.position) =>
    new Retention(at.log, at.store, at.time, { ...limits, ...more }, acknowledged);
  const nobody = () => new Map<string, number>();

  it('drops what is old enough and acknowledged, more than one transaction holds, and keeps the rest', async () => {
    const at = await openLog();
    const retention = trimming(at);
    await put(at, 'a', 'b', 'c', 'd', 'e');
    expect(await retention.trim(never), 'young').to.equal(0);
    await at.time.advance(61 * second);
    await put(at, 'f');
    expect(await retention.trim(never)).to.equal(5);
    expect(at.log.state).to.include({ first: 6, head: 6 });
    expect((await read(at, { start: { kind: 'position', position: new Map([[at.log.identity.origin, 5]]) } })).records.map(({ seq }) => seq)).to.deep.equal([
      6,
    ]);
    expect(await codeOf(() => read(at)), 'a reader from the start').to.equal('LOG_TRIMMED');
    await expectConsistent(at);
  });

  it('stops before the first record that somebody lacks, of whatever origin', async () => {
    const [at, peer] = [await openLog(), await openLog()];
    const [own, theirs] = [at.log.identity.origin, peer.log.identity.origin];
    await put(at, 'a', 'b');
    await put(peer, 'c', 'd');
    await pull(peer, at);
    await put(at, 'e');
    let acknowledged = new Map([
      [own, 3],
      [theirs, 1],
    ]);
    const retention = trimming(at, {}, () => acknowledged);
    await retention.trim(never);
    await at.time.advance(61 * second);
    expect([await retention.trim(never), at.log.state.first], 'the second change of the peer is missing').to.deep.equal([3, 4]);
    acknowledged = new Map([
      [own, 2],
      [theirs, 2],
    ]);
    expect([await retention.trim(never), at.log.state.first], 'then the third own one').to.deep.equal([1, 5]);
    acknowledged.set(own, 3);
    expect(await retention.trim(never)).to.equal(1);
  });

  it('drops at the hard age what nobody has acknowledged', async () => {
    const at = await openLog();
    const retention = trimming(at, {}, nobody);
    await put(at, 'a', 'b', 'c');
    await retention.trim(never);
    await at.time.advance(599 * second);
    expect(await retention.trim(never)).to.equal(0);
    await at.time.advance(second);
    expect(await retention.trim(never)).to.equal(3);
  });

  it('drops what is over the hard limit of bytes, however young, and no more than that', async () => {
    const at = await openLog();
    for (const name of ['a', 'b', 'c', 'd', 'e']) await put(at, name);
    const records = (await read(at)).records.map(({ text }) => Buffer.byteLength(text));
    const lastTwo = records.slice(-2).reduce((sum, bytes) => sum + bytes);
    expect(await trimming(at, { logBytesMax: lastTwo }, nobody).trim(never)).to.equal(3);
    expect(at.log.state).to.deep.include({ first: 4, head: 5 });
    expect(at.log.state.counts).to.include({ changes: 2, bytes: lastTwo });
  });

  it('knows ages over a restart', async () => {
    const before = await openLog();
    await put(before, 'a', 'b');
    await trimming(before).trim(never);
    const appendedBy = before.time.micros();
    await before.time.advance(61 * second);
    const at = await openLog({ disk: before.disk, time: before.time });
    const retention = trimming(at);
    expect(retention.oldestAt).to.equal(appendedBy);
    expect(await retention.trim(never)).to.equal(2);
    expect(retention.oldestAt, 'an empty log').to.equal(null);
  });

  it('trims a log that nothing is written to, and then leaves the store alone', async () => {
    const at = await openLog();
    const retention = trimming(at);
    await put(at, 'a');
    await retention.trim(never);
    const kept = (await at.store.load()).meta.get(marksMeta);
    await at.time.advance(61 * second);
    expect(await retention.trim(never)).to.equal(1);
    const { transactions } = at.store;
    await at.time.advance(3600 * second);
    expect(await retention.trim(never)).to.equal(0);
    expect([at.store.transactions, (await at.store.load()).meta.get(marksMeta)]).to.deep.equal([transactions, kept]);
    await put(at, 'b');
    expect(await retention.trim(never), 'what comes later is young').to.equal(0);
  });

  it('takes nothing for old because a clock was set back: ages start again', async () => {
    const at = await openLog({ time: new ManualTime() });
    const retention = trimming(at);
    await put(at, 'a');
    await retention.trim(never);
    at.time.step(-3600e6);
    await put(at, 'b');
    expect(await retention.trim(never)).to.equal(0);
    await at.time.advance(59 * second);
    expect(await retention.trim(never)).to.equal(0);
    await at.time.advance(2 * second);
    expect(await retention.trim(never)).to.equal(2);
  });

  it('ends between two transactions when it is told to', async () => {
    const at = await openLog();
    await put(at, 'a', 'b', 'c', 'd', 'e');
    const stop = new AbortController();
    const acknowledged = () => {
      if (at.log.state.first > 1) stop.abort(new Error('stopping'));
      return at.log.position;
    };
    const retention = trimming(at, {}, acknowledged);
    await retention.trim(never);
    await at.time.advance(61 * second);
    const ended = await retention.trim(stop.signal).catch((error: Error) => error.message);
    expect([ended, at.log.state.first]).to.deep.equal(['stopping', 5]);
    await expectConsistent(at);
  });

  it('is held by those who lack what is old enough to go, and not by those who lack what is young', async () => {
    const at = await openLog();
    const own = at.log.identity.origin;
    await put(at, 'a', 'b');
    const retention = trimming(at, {}, nobody);
    await retention.trim(never);
    const has = (seq: number) => new Map([[own, seq]]);
    expect(await retention.holding([has(0), null])).to.deep.equal([false, false]);
    await at.time.advance(60 * second);
    await put(at, 'c');
    await retention.trim(never);
    expect(await retention.holding([has(0), has(1), has(2), has(3), null])).to.deep.equal([true, true, false, false, true]);
  });
});
