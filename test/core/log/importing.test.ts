import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { ImportReader, type ImportedChange } from '../../../src/core/change/imported.js';
import { decodeChange, withApplied } from '../../../src/core/change/codec.js';
import { isLive } from '../../../src/core/change/row.js';
import { limits } from '../../../src/core/config/limits.js';
import { ChangeLog } from '../../../src/core/log/change-log.js';
import { checkpointPath, checkpointValue } from '../../../src/core/log/checkpoints.js';
import { importChanges, importSteps, type ImportResult } from '../../../src/core/log/importing.js';
import { originStart } from '../../../src/core/log/log-state.js';
import { silentLogger } from '../../../src/core/logger.js';
import { MemoryTransaction } from '../../../src/core/store/memory/memory-transaction.js';
import { openStore } from '../../../src/core/store/open-store.js';
import { ManualTime } from '../../support/manual-time.js';
import { tempDir } from '../../support/temp-dir.js';
import { anyHistory, expectConsistent, take } from '../../support/history.js';
import { codeOf, file, mode, openLog, p, read, rowsIn, type OpenLog } from '../../support/open-log.js';

const put = (at: OpenLog, path: string, text = 'x') => at.tree.put(p(path), file(text), mode);

/** The whole feed of a filer, as its text comes over the wire. */
async function changesOf(at: OpenLog): Promise<ImportedChange[]> {
  const { records } = await read(at, { limit: 100_000 });
  const reader = new ImportReader();
  return records.flatMap((record) => reader.read(JSON.parse(withApplied(record.text, record.applied))) ?? []);
}

/** What the tree holds, without what is each filer's own: dots and vectors. */
const statesOf = async (at: OpenLog) =>
  (await rowsIn(at.store)).filter(({ path }) => !path.startsWith('/.filer')).map(({ path, version, author, entry }) => ({ path, version, author, entry }));

const countsOf = ({ position: _position, ...counts }: ImportResult) => counts;
const nothing = { applied: 0, superseded: 0, unchanged: 0, conflicting: 0, quarantined: 0 };

/** Imports changes in one transaction, so many in a step; they are there when they are asked for, or come a little later. */
function inSteps(log: ChangeLog, changes: readonly ImportedChange[], size: number, isReady: boolean): Promise<ImportResult> {
  const steps = Array.from({ length: Math.ceil(changes.length / size) }, (_, index) => changes.slice(index * size, (index + 1) * size));
  const take = () => steps.shift() ?? null;
  const first = take() ?? [];
  return importSteps(log, first, { take: isReady ? take : () => null, next: () => Promise.resolve(take()), link: null, mark: () => null });
}

const conflictsOf = (at: OpenLog) => at.store.readConflicts({ limit: 100, bytesMax: 1e9 });

describe('importChanges', () => {
  it('gives the target the tree of the source, with versions and authors kept, and its own dots', async () => {
    const [a, b] = [await openLog(), await openLog()];
    await put(a, '/docs/x');
    await put(a, '/docs/x', 'y');
    await a.tree.move(p('/docs/x'), p('/docs/z'));
    await a.tree.remove(p('/docs/z'), false);
    await put(a, '/docs/z', 'again');
    const changes = await changesOf(a);
    const result = await importChanges(b.log, changes);
    expect(result).to.deep.equal({ ...nothing, applied: changes.length, position: { origin: b.log.identity.origin, seq: changes.length } });
    expect(await statesOf(b)).to.deep.equal(await statesOf(a));
    expect(new Set((await rowsIn(b.store)).map((row) => row.dot?.origin))).to.deep.equal(new Set([b.log.identity.origin]));
    expect(b.log.digest).to.equal(a.log.digest);
    await expectConsistent(b);
  });

  it('writes nothing when the same comes again', async () => {
    const [a, b] = [await openLog(), await openLog()];
    await put(a, '/docs/x');
    await a.tree.move(p('/docs/x'), p('/docs/z'));
    await put(a, '/docs/z', 'y');
    const changes = await changesOf(a);
    await importChanges(b.log, changes);
    const before = b.log.state.head;
    expect(countsOf(await importChanges(b.log, changes))).to.deep.equal({ ...nothing, unchanged: changes.length });
    expect(b.log.state.head).to.equal(before);
  });

  it('decides the same in steps as in one, over a store that writes one step while the next is decided', async () => {
    const [dir, ids] = [await tempDir(), new ManualTime({ seed: 1 })];
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(anyHistory(2, 20), fc.integer({ min: 1, max: 5 }), async (history, step) => {
        const [a, b] = [await openLog(), await openLog()];
        for (const one of history) await take(one, [a, b]);
        const changes = [...(await changesOf(a)), ...(await changesOf(b))];
        const whole = await openLog();
        const counts = countsOf(await importChanges(whole.log, changes, { step: Infinity }));
        const store = await openStore({ directory: join(dir, String((runs += 1))), time: ids });
        try {
          const log = await ChangeLog.open({ store, time: whole.time, limits, logger: silentLogger });
          expect(countsOf(await importChanges(log, changes, { step }))).to.deep.equal(counts);
          expect(log.digest).to.equal(whole.log.digest);
          expect(log.state.counts).to.deep.equal(whole.log.state.counts);
          const { buckets, counts: counted } = await store.recount();
          expect({ buckets, counts: counted }).to.deep.equal({ buckets: log.state.buckets, counts: log.state.counts });
          const conflicts = await store.readConflicts({ limit: 100, bytesMax: 1e9 });
          expect(conflicts.map(({ path }) => path)).to.deep.equal((await conflictsOf(whole)).map(({ path }) => path));
        } finally {
          await store.close();
        }
      }),
      { numRuns: 25 },
    );
  });

  it('decides the same over steps that come while others are written, in one transaction or several', async () => {
    const [dir, ids] = [await tempDir(), new ManualTime({ seed: 1 })];
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(
        anyHistory(2, 20),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 30 }),
        fc.boolean(),
        async (history, size, most, isReady) => {
          const [a, b, whole] = [await openLog(), await openLog(), await openLog()];
          for (const one of history) await take(one, [a, b]);
          const changes = [...(await changesOf(a)), ...(await changesOf(b))];
          const expected = changes.length === 0 ? nothing : countsOf(await importChanges(whole.log, changes));
          const store = await openStore({ directory: join(dir, String((runs += 1))), time: ids });
          try {
            const log = await ChangeLog.open({ store, time: whole.time, limits, logger: silentLogger });
            const total = { ...nothing };
            for (let from = 0; from < changes.length; from += most) {
              const counts = countsOf(await inSteps(log, changes.slice(from, from + most), size, isReady));
              for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += counts[name];
            }
            expect(total).to.deep.equal(expected);
            expect(log.digest).to.equal(whole.log.digest);
            const { buckets, counts: counted } = await store.recount();
            expect({ buckets, counts: counted }).to.deep.equal({ buckets: log.state.buckets, counts: log.state.counts });
            expect(log.state.counts).to.deep.equal(whole.log.state.counts);
          } finally {
            await store.close();
          }
        },
      ),
      { numRuns: 20 },
    );
  });

  it('looks at nothing below a directory that is new, unless something was deleted here', async () => {
    const [a, b] = [await openLog(), await openLog()];
    for (const name of ['x', 'y', 'z']) await put(a, `/new/${name}`);
    const changes = await changesOf(a);
    const lookedFor: string[] = [];
    const find = MemoryTransaction.prototype.findWithChildren;
    MemoryTransaction.prototype.findWithChildren = function (this: MemoryTransaction, paths) {
      lookedFor.push(...paths);
      return find.call(this, paths);
    };
    try {
      await inSteps(b.log, changes, 1, true);
      expect(lookedFor).to.deep.equal(['/']);
      await put(b, '/old');
      await b.tree.remove(p('/old'), false);
      lookedFor.length = 0;
      await inSteps(b.log, changes, 1, true);
      expect(lookedFor).to.include.members(['/new', '/new/x', '/new/y', '/new/z']);
    } finally {
      MemoryTransaction.prototype.findWithChildren = find;
    }
  });

  it('ends in one tree and one log whatever was imported in which order, and how often', async () => {
    await fc.assert(
      fc.asyncProperty(anyHistory(2, 20), fc.array(fc.nat()), async (history, order) => {
        const [a, b, other] = [await openLog(), await openLog(), await openLog()];
        for (const step of history) await take(step, [a, b]);
        const [fromA, fromB] = [await changesOf(a), await changesOf(b)];
        const both = [...fromA, ...fromB];
        const shuffled = both.map((change, index) => ({ change, key: order[index % Math.max(1, order.length)] ?? 0 })).sort((x, y) => x.key - y.key);
        await importChanges(a.log, fromB);
        await importChanges(b.log, fromA);
        for (const { change } of shuffled) await importChanges(other.log, [change]);
        expect(await statesOf(b)).to.deep.equal(await statesOf(a));
        expect(await statesOf(other)).to.deep.equal(await statesOf(a));
        await expectConsistent(other);
        const heads = [a, b, other].map((at) => at.log.state.head);
        for (const at of [a, b, other]) await importChanges(at.log, both);
        expect([a, b, other].map((at) => at.log.state.head)).to.deep.equal(heads);
      }),
      { numRuns: 40 },
    );
  });

  it('gives what loses no dot, and keeps it in the ledger once', async () => {
    const [a, b] = [await openLog(), await openLog()];
    await put(a, '/f', 'older');
    await b.time.advance(1000);
    await put(b, '/f', 'newer');
    const changes = await changesOf(a);
    const before = b.log.state.head;
    for (let i = 0; i < 2; i++) expect(countsOf(await importChanges(b.log, changes))).to.deep.equal({ ...nothing, superseded: 1, conflicting: 1 });
    expect(b.log.state.head).to.equal(before);
    const [conflict, ...more] = await conflictsOf(b);
    expect(more).to.deep.equal([]);
    expect(conflict).to.deep.include({ path: '/f', type: 'update/update' });
    expect(conflict?.loser).to.deep.include({ dot: null, author: a.log.identity.origin });
  });

  it('keeps of a rename the side that wins', async () => {
    const [a, b] = [await openLog(), await openLog()];
    await put(a, '/from', 'moved');
    await a.tree.move(p('/from'), p('/to'));
    await b.time.advance(10_000);
    await put(b, '/to', 'newer');
    const [create, rename] = (await changesOf(a)) as [ImportedChange, ImportedChange];
    await importChanges(b.log, [create]);
    expect(countsOf(await importChanges(b.log, [rename]))).to.deep.equal({ ...nothing, applied: 1, conflicting: 1 });
    const [last] = (await changesOf(b)).slice(-1);
    expect(last).to.deep.include({ oldPath: '/from', newPath: null, version: rename.version, vector: rename.oldVector });
    expect((await b.tree.find(p('/to')))?.row?.author).to.equal(b.log.identity.origin);
    expect(await b.tree.find(p('/from'))).to.equal(null);
    await expectConsistent(b);
  });

  it('writes what is live and not above the floor as a new write, once, and leaves such a deletion out', async () => {
    const [a, b] = [await openLog(), await openLog()];
    await put(a, '/kept');
    await put(a, '/gone');
    await a.tree.remove(p('/gone'), false);
    const changes = await changesOf(a);
    const floor = (changes.at(-1)?.version ?? 0) + 5;
    await b.log.alone(async (draft) => {
      draft.setIdentity({ floor });
      await draft.flush();
    });
    const [kept, , removed] = changes as [ImportedChange, ImportedChange, ImportedChange];
    expect(countsOf(await importChanges(b.log, [kept, removed]))).to.deep.equal({ ...nothing, applied: 1, unchanged: 1 });
    const [row, ...more] = await rowsIn(b.store);
    expect(more).to.deep.equal([]);
    expect(row).to.deep.include({ path: '/kept', author: b.log.identity.origin });
    expect(row?.version).to.be.greaterThan(floor);
    expect(countsOf(await importChanges(b.log, [kept, removed]))).to.deep.equal({ ...nothing, unchanged: 2 });
  });

  it('leaves entries of kelp out', async () => {
    const [a, b] = [await openLog(), await openLog()];
    await put(a, '/.filer/closed/x');
    const changes = await changesOf(a);
    const checkpoint = { link: '0123456789abcdef', value: 'v' };
    expect(countsOf(await importChanges(b.log, changes, { checkpoint }))).to.deep.equal({ ...nothing, unchanged: changes.length });
    expect(b.log.state.head).to.equal(0);
  });

  it('writes the checkpoint with a page that held anything, written or not, and only if it differs', async () => {
    const [a, b] = [await openLog(), await openLog()];
    await put(a, '/f');
    const changes = await changesOf(a);
    const link = '0123456789abcdef';
    const value = async () => checkpointValue((await b.store.find('tree', [checkpointPath(link)]))[0] ?? null);
    await importChanges(b.log, changes, { checkpoint: { link, value: 'one' } });
    expect([await value(), b.log.state.head]).to.deep.equal(['one', 2]);
    await importChanges(b.log, changes, { checkpoint: { link, value: 'two' } });
    expect([await value(), b.log.state.head]).to.deep.equal(['two', 3]);
    await importChanges(b.log, changes, { checkpoint: { link, value: 'two' } });
    expect(b.log.state.head).to.equal(3);
  });

  it('refuses what is more than a day ahead, all of it, unless a link stands for it', async () => {
    const [a, b] = [await openLog(), await openLog()];
    await put(a, '/now');
    await a.time.advance(25 * 3600 * 1000);
    await put(a, '/ahead');
    const changes = await changesOf(a);
    expect(await codeOf(() => importChanges(b.log, changes))).to.equal('VERSION_AHEAD');
    expect(b.log.state.head).to.equal(0);
    await importChanges(b.log, changes, { checkpoint: { link: '0123456789abcdef', value: 'v' } });
    expect((await b.tree.find(p('/ahead')))?.row?.author).to.equal(a.log.identity.origin);
  });

  it('begins a run of its own, wherever those of the source begin', async () => {
    const [a, b] = [await openLog(), await openLog()];
    const runsOf = async (at: OpenLog) => (await read(at)).records.filter(({ text }) => decodeChange(text).run !== '').map(({ seq }) => seq);
    await put(a, '/f');
    await put(a, '/g');
    const again = await openLog({ disk: a.disk, time: a.time });
    await put(again, '/h');
    const changes = await changesOf(again);
    await importChanges(b.log, changes);
    expect([await runsOf(again), await runsOf(b)]).to.deep.equal([[1, 3], [1]]);
    await put(again, '/i');
    const reopened = await openLog({ disk: b.disk, time: b.time });
    await importChanges(reopened.log, (await changesOf(again)).slice(changes.length));
    expect(await runsOf(reopened)).to.deep.equal([1, changes.length + 1]);
  });

  it('moves the clock past `after`, also over a restart', async () => {
    const b = await openLog();
    const after = b.time.micros() + 3600e6;
    await importChanges(b.log, [], { after });
    const again = await openLog({ disk: b.disk, time: b.time });
    await put(again, '/f');
    const [row] = await rowsIn(again.store);
    expect(row?.version).to.be.greaterThan(after);
  });

  it('waits for a quarantined change of the path', async () => {
    const [a, b] = [await openLog(), await openLog()];
    await put(a, '/f');
    await b.log.alone(async (draft) => {
      draft.setOrigin({ ...originStart('cccccccccccccccc'), seq: 1 });
      const refusal = { code: 'BODY_INVALID', error: 'a rule' };
      draft.quarantine.add(
        { origin: 'cccccccccccccccc', seq: 1, hash: '0'.repeat(12), version: 0, paths: [p('/f')], run: '', link: null, text: '{}', refusal },
        null,
        draft.now,
      );
      await draft.flush();
    });
    expect(countsOf(await importChanges(b.log, await changesOf(a)))).to.deep.equal({ ...nothing, quarantined: 1 });
    expect((await rowsIn(b.store)).some(isLive)).to.equal(false);
    expect(b.log.state.quarantine.size).to.equal(2);
  });
});
