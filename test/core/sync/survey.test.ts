import { expect } from 'chai';
import { type FilerError } from '../../../src/core/errors.js';
import { parseMaxDelete } from '../../../src/core/sync-process.js';
import { ManualTime, passUntil } from '../../support/manual-time.js';
import { openSync, openSyncFiler, startSync, type Asked, type MemorySyncFiler } from '../../support/memory-sync-filer.js';
import { codeOf, p } from '../../support/open-log.js';

const never = new AbortController().signal;
const none = { creates: 0, updates: 0, deletes: 0, renames: 0, conflicts: 0 };

describe('what a sync would do', () => {
  let time: ManualTime;
  let a: MemorySyncFiler;
  let b: MemorySyncFiler;

  beforeEach(async () => {
    time = new ManualTime();
    [a, b] = [await openSyncFiler('a', time), await openSyncFiler('b', time)];
  });

  const plan = async (asked: Asked = {}) => (await openSync(a, b, time, asked)).plan(never);
  /** Runs until what a has is in b. */
  const settle = async (asked: Asked = {}) => {
    const running = await startSync(a, b, time, { passive: true, ...asked });
    await a.put('/x/last', 'last');
    await passUntil(time, 'b to have it', async () => (await b.read('/x/last')) === 'last');
    expect(await running.end()).to.equal(null);
    await a.remove('/x/last');
  };
  /** What a run that is told to end before it deletes much ends with. */
  const failureOf = async (asked: Asked): Promise<unknown> => {
    const running = await startSync(a, b, time, { passive: true, ...asked });
    const isFollowing = () => running.sync.status().directions[0]?.state === 'following';
    await passUntil(time, 'it to follow or to end', () => running.failure() !== null || isFollowing());
    return running.end();
  };

  it('is told for each direction, by count and bytes, and nothing is written', async () => {
    await a.put('/x/one', 'one');
    await a.put('/x/both', 'older');
    await time.advance(1000);
    await b.put('/x/two', 'twotwo');
    await b.put('/x/both', 'newest');
    const heads = () => [a, b].map(({ core }) => core.log.state.head);
    const before = heads();
    const [first, second] = await plan();
    // The directories came with the files: each cluster has one of its own, of which the newer stands.
    expect(first).to.deep.include({ name: 'a to b', phase: 'copy', read: 3, creates: 1, updates: 0, deletes: 0, conflicts: 1, superseded: 2 });
    expect(first?.bytes).to.deep.equal({ ...none, creates: 3, conflicts: 5 });
    expect(second).to.deep.include({ name: 'b to a', phase: 'copy', read: 3, creates: 1, updates: 2, conflicts: 1 });
    expect(second?.bytes).to.deep.equal({ ...none, creates: 6, updates: 6, conflicts: 6 });
    expect(heads()).to.deep.equal(before);
    expect(b.calls.filter(({ kind }) => kind === 'kv' || kind === 'import')).to.deep.equal([]);
  });

  it('goes on from the checkpoint: moves and deletes are told as such, what is withheld or cannot be there apart', async () => {
    await a.put('/x/gone', '12345');
    await a.put('/x/from', '123');
    await settle();
    await a.remove('/x/gone');
    await a.move('/x/from', '/x/to');
    const [told] = await plan({ passive: true });
    // `/x/last` too.
    expect(told).to.deep.include({ phase: 'feed', deletes: 2, renames: 1, creates: 0, bytes: { ...none, deletes: 9, renames: 3 } });
    const [kept] = await plan({ passive: true, aToB: { deletes: false } });
    // Another link: it begins with a copy.
    expect(kept).to.deep.include({ phase: 'copy', refused: 0, deletes: 0, withheld: 3, creates: 1 });
  });

  it('tells what cannot be there', async () => {
    await a.put('/x/metrics', '1');
    await a.put('/x/fine', '1');
    expect((await plan({ passive: true, aToB: { from: p('/x') } }))[0]).to.deep.include({ refused: 1, creates: 1 });
  });

  it('tells no deletion of what is not there', async () => {
    await a.put('/x/gone', '12345');
    await a.remove('/x/gone');
    expect((await plan({ passive: true }))[0]).to.deep.include({ deletes: 0, unchanged: 1 });
  });

  const fill = async (files: number) => {
    await Promise.all(Array.from({ length: files }, (_, file) => a.put(`/x/${file}`, 'x')));
    await settle();
  };
  const removed = async (files: number) => {
    for (let file = 0; file < files; file += 1) await a.remove(`/x/${file}`);
  };

  it('must not be to delete more than it may: then nothing is deleted, until it is told to', async () => {
    await fill(20);
    await removed(15);
    const entries = b.core.log.state.counts.entries;
    const failure = (await failureOf({ maxDelete: { count: 10, part: 0.5 } })) as FilerError;
    expect(failure).to.include({ code: 'TOO_MANY_DELETES' });
    expect(failure.message).to.match(/^a to b: this run would delete 16 of \d+ entries at b:8888, more than --maxDelete allows; .*--force$/);
    expect(b.core.log.state.counts.entries).to.equal(entries);
    expect(await failureOf({ maxDelete: { count: 15, part: null } })).to.include({ code: 'TOO_MANY_DELETES' });
    // Not so many: the number is free, or the part.
    expect(await failureOf({ maxDelete: { count: 16, part: 0.5 } })).to.equal(null);
    expect(await b.read('/x/0')).to.equal(null);
  });

  it('may delete the part of the entries in scope that it is given', async () => {
    await fill(20);
    await removed(10);
    expect(await failureOf({ maxDelete: { count: 5, part: 0.6 } })).to.equal(null);
    expect(await b.read('/x/0')).to.equal(null);
  });

  it('counts the entries of the scope alone', async () => {
    const asked = { aToB: { from: p('/x'), to: p('/y'), excludes: [p('/x/not')] } };
    await Promise.all(Array.from({ length: 10 }, (_, file) => a.put(`/x/${file}`, 'x')));
    await Promise.all(Array.from({ length: 50 }, (_, file) => b.put(`/y/not/${file}`, 'x')));
    const running = await startSync(a, b, time, { passive: true, ...asked });
    await passUntil(time, 'b to have them', async () => (await b.read('/y/9')) === 'x');
    await time.advance(5000);
    await running.end();
    await removed(8);
    const failure = (await failureOf({ ...asked, maxDelete: { count: 5, part: 0.5 } })) as FilerError;
    expect(failure?.fields).to.deep.include({ deletes: 8, entries: 11 });
  });

  it('is not looked at if there are no more changes than may be deletes, and does not take what was made and deleted meanwhile for deletes', async () => {
    await fill(3);
    const plans = () => b.calls.filter(({ kind }) => kind === 'plan').length;
    expect(await failureOf({ maxDelete: { count: 100, part: 0.5 } })).to.equal(null);
    expect(plans()).to.equal(0);
    for (let file = 0; file < 30; file += 1) {
      await a.put(`/x/temp-${file}`, 'x');
      await a.remove(`/x/temp-${file}`);
    }
    expect(await failureOf({ maxDelete: { count: 10, part: 0.1 } })).to.equal(null);
    expect(plans()).to.be.greaterThan(0);
  });

  for (const [text, expected] of [
    ['50%', { count: 100, part: 0.5 }],
    ['0%', { count: 100, part: 0 }],
    ['1000', { count: 1000, part: null }],
  ] as const)
    it(`may be bounded by --maxDelete=${text}`, () => {
      expect(parseMaxDelete(text)).to.deep.equal(expected);
    });
  for (const text of ['', '-1', '101%', 'half', '1.5', '50%%'])
    it(`cannot be bounded by --maxDelete=${text}`, async () => {
      expect(await codeOf(() => parseMaxDelete(text))).to.equal('PARAMETER_INVALID');
    });
});
