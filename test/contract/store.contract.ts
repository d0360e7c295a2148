import { expect } from 'chai';
import { canonicalJson } from '../../src/core/change/canonical.js';
import { formatDot } from '../../src/core/clock/vector.js';
import type { FullPath } from '../../src/core/entry/path.js';
import { logPageOf, type LogQuery, type QuarantineRecord, type Store, type WriteBatch } from '../../src/core/store/store.js';
import { alpha, beta, conflictOf, originOf, path, quarantinedOf, recordOf, rowOf, runsOf, tombstoneOf } from '../support/store-values.js';
import { examineContract } from './store-examine.contract.js';
import { rowsContract } from './store-rows.contract.js';
import { everything, inKeyOrder, keyOf, pathsOf, sorted, write, type StoreUnderTest } from './store-under-test.js';

/** What every adapter has to do, whatever it keeps its rows in. */
export function storeContract(name: string, under: StoreUnderTest): void {
  describe(`store contract: ${name}: rows`, () => rowsContract(under));
  describe(`store contract: ${name}: examiner`, () => examineContract(under));

  describe(`store contract: ${name}`, () => {
    let store: Store;

    beforeEach(async () => {
      store = await under.open();
    });

    afterEach(async () => {
      await store.close();
    });

    describe('log', () => {
      // Whatever is read is read as a page too.
      const read = async (query: Partial<LogQuery> = {}) => {
        const found = await store.readLog({ after: 0, ...everything, ...query });
        expect(await store.readLogPage({ after: 0, ...everything, ...query })).to.deep.equal(logPageOf(found));
        return found;
      };
      const indexes = async (query: Partial<LogQuery> = {}) => (await read(query)).map((record) => record.index);
      // Index 1 to 10: odd ones are alpha's 1 to 5, even ones beta's 1 to 5.
      const records = Array.from({ length: 10 }, (_, i) =>
        recordOf(i + 1, { origin: i % 2 === 0 ? alpha : beta, seq: Math.floor(i / 2) + 1, version: 100 + ((i * 7) % 10), text: `{"n":"${'é'.repeat(i)}"}` }),
      );

      beforeEach(() => write(store, { log: records }));

      it('gives records as they were written, in feed order, also after a restart', async () => {
        const great = recordOf(11, { seq: 2 ** 40, version: 2 ** 52, applied: 'partly', text: '{"name":"\\u0000 \u2028 😀 }}"}' });
        await write(store, { log: [great] });
        store = await under.reopen(store);
        expect(await read()).to.deep.equal([...records, great]);
        expect(await store.load()).to.include({ head: 11, first: 1 });
      });

      it('is read from after an index up to one, a page at a time', async () => {
        expect(await indexes({ after: 7 })).to.deep.equal([8, 9, 10]);
        expect(await indexes({ after: 3, limit: 2 })).to.deep.equal([4, 5]);
        expect(await indexes({ after: 3, upto: 5 })).to.deep.equal([4, 5]);
        expect(await indexes({ after: 10 })).to.deep.equal([]);
        expect(await indexes({ after: 2 ** 40 })).to.deep.equal([]);
      });

      it('gives only what some origins made, and what a position lacks', async () => {
        expect(await indexes({ origins: new Set([beta]) })).to.deep.equal([2, 4, 6, 8, 10]);
        expect(await indexes({ origins: new Set([beta]), after: 4, limit: 2 })).to.deep.equal([6, 8]);
        expect(await indexes({ origins: new Set([beta]), after: 5, upto: 8 })).to.deep.equal([6, 8]);
        expect(await indexes({ origins: new Set([alpha, beta, 'c'.repeat(16)]), limit: 4 })).to.deep.equal([1, 2, 3, 4]);
        expect(await indexes({ origins: new Set([]) })).to.deep.equal([]);
        expect(await indexes({ beyond: new Map([[alpha, 3]]) })).to.deep.equal([2, 4, 6, 7, 8, 9, 10]);
        expect(await indexes({ beyond: new Map([[alpha, 3]]), after: 4, limit: 3 })).to.deep.equal([6, 7, 8]);
        expect(
          await indexes({
            beyond: new Map([
              [alpha, 9],
              [beta, 5],
            ]),
          }),
        ).to.deep.equal([]);
        expect(await indexes({ beyond: new Map() })).to.have.length(10);
        expect(
          await indexes({
            origins: new Set([alpha]),
            beyond: new Map([
              [alpha, 3],
              [beta, 0],
            ]),
          }),
        ).to.deep.equal([7, 9]);
      });

      it('stops before too many bytes of text, but gives one record', async () => {
        const bytes = records.map((record) => Buffer.byteLength(record.text));
        for (const origins of [undefined, new Set([alpha, beta])]) {
          expect(await indexes({ origins, bytesMax: 1 })).to.deep.equal([1]);
          expect(await indexes({ origins, bytesMax: bytes[0] + bytes[1] })).to.deep.equal([1, 2]);
          expect(await indexes({ origins, bytesMax: bytes[0] + bytes[1] + bytes[2] - 1 })).to.deep.equal([1, 2]);
          expect(await indexes({ origins, after: 9, bytesMax: 1 })).to.deep.equal([10]);
        }
      });

      it('finds one change by its dot, without text', async () => {
        const { text: _text, ...rest } = records[5];
        expect(await store.findRecord({ origin: beta, seq: 3 })).to.deep.equal(rest);
        expect(await store.findRecord({ origin: beta, seq: 6 })).to.equal(null);
      });

      it('finds the index before the first record of a time, however versions are mixed', async () => {
        for (const since of [0, 100, 103, 105, 109, 110, 2 ** 52]) {
          const first = records.find((record) => record.version >= since);
          expect(await store.indexBefore(since), String(since)).to.equal(first ? first.index - 1 : 10);
        }
      });

      it('tells where its front part of some bytes ends', async () => {
        const bytes = records.map((record) => Buffer.byteLength(record.text));
        expect(await store.indexAfterBytes(1, 100)).to.equal(1);
        expect(await store.indexAfterBytes(bytes[0] + bytes[1], 100)).to.equal(2);
        expect(await store.indexAfterBytes(bytes[0] + bytes[1] + 1, 100)).to.equal(3);
        expect(await store.indexAfterBytes(1e9, 100)).to.equal(10);
        expect(await store.indexAfterBytes(1e9, 4)).to.equal(4);
        await store.transaction((tx) => tx.clearLog(null));
        expect(await store.indexAfterBytes(1, 100)).to.equal(0);
      });

      it('is trimmed at the front, and tells what went', async () => {
        const bytesOf = (some: readonly { text: string }[]) => some.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
        const lastOf = ({ origin, seq, hash, version }: (typeof records)[number]) => ({ origin, seq, hash, version });
        await store.transaction(async (tx) => {
          const trimmed = await tx.trimLog(5);
          expect({ ...trimmed, last: [...trimmed.last].sort((a, b) => (a.origin < b.origin ? -1 : 1)) }).to.deep.equal({
            last: [lastOf(records[4]), lastOf(records[3])],
            changes: 5,
            bytes: bytesOf(records.slice(0, 5)),
            first: 6,
          });
        });
        expect(await indexes()).to.deep.equal([6, 7, 8, 9, 10]);
        expect(await store.findRecord({ origin: alpha, seq: 3 })).to.equal(null);
        await store.transaction(async (tx) => {
          expect(await tx.trimLog(5)).to.deep.equal({ last: [], changes: 0, bytes: 0, first: 6 });
          await tx.write({ log: [recordOf(11, { origin: alpha, seq: 6 })] });
          expect(await tx.trimLog(11)).to.include({ changes: 6, first: 12 });
        });
        store = await under.reopen(store);
        expect(await store.load()).to.include({ head: 11, first: 12 });
      });

      it('is cut at the end of one origin', async () => {
        await store.transaction(async (tx) => {
          expect(await tx.cutLog(alpha, 3)).to.include({ first: 1, changes: 8 });
        });
        expect(await indexes()).to.deep.equal([1, 2, 3, 4, 5, 6, 8, 10]);
        await store.transaction(async (tx) => {
          await tx.cutLog(beta, 4);
          await tx.write({ log: [recordOf(11, { origin: beta, seq: 5, hash: 'f'.repeat(12) })] });
        });
        expect(await store.findRecord({ origin: beta, seq: 5 })).to.include({ index: 11, hash: 'f'.repeat(12) });
        store = await under.reopen(store);
        expect(await indexes()).to.deep.equal([1, 2, 3, 4, 5, 6, 8, 11]);
      });

      it('is cleared by origin or whole, and remembers how far it went', async () => {
        await store.transaction(async (tx) => {
          expect(await tx.clearLog([alpha])).to.deep.equal({
            first: 2,
            changes: 5,
            bytes: records.filter((r) => r.origin === beta).reduce((sum, r) => sum + Buffer.byteLength(r.text), 0),
          });
        });
        expect(await indexes()).to.deep.equal([2, 4, 6, 8, 10]);
        expect(await store.findRecord({ origin: alpha, seq: 1 })).to.equal(null);
        await store.transaction(async (tx) => {
          await tx.write({ log: [recordOf(11, { seq: 1 })] });
          expect(await tx.clearLog([])).to.include({ first: 2, changes: 6 });
          expect(await tx.clearLog([beta])).to.include({ first: 11, changes: 1 });
          expect(await tx.clearLog(null)).to.deep.equal({ first: 12, changes: 0, bytes: 0 });
        });
        expect(await indexes()).to.deep.equal([]);
        store = await under.reopen(store);
        expect(await store.load()).to.include({ head: 11, first: 12 });
        expect(await store.indexBefore(1)).to.equal(11);
        await write(store, { log: [recordOf(12, { seq: 1 }), recordOf(13, { seq: 2 })] });
        expect(await indexes({ origins: new Set([alpha]), after: 12 })).to.deep.equal([13]);
        expect(await store.load()).to.include({ head: 13, first: 12 });
      });

      it('does not take one change at two places', async () => {
        await expectFailure(write(store, { rows: { tree: [rowOf('/a')] }, log: [recordOf(11, { origin: beta, seq: 5 })] }), 'STORE_FAILED');
        expect(await indexes()).to.have.length(10);
        expect(await store.find('tree', [path('/a')])).to.deep.equal([]);
      });
    });

    describe('small values', () => {
      it('are loaded at open: origins, sums, meta', async () => {
        const before = await store.load();
        expect(before.origins).to.deep.equal([]);
        expect(before.buckets).to.deep.equal(new Array(256).fill(0));
        expect(before).to.include({ head: 0, first: 1 });
        expect(before.meta).to.deep.equal(new Map());
        const meta = new Map([
          ['storeId', 'x'],
          ['', 'empty name'],
          ['text', '"\\\n😀'],
          ['going', 'soon'],
        ]);
        await write(store, {
          origins: [originOf(alpha, { seq: 1, runs: runsOf(1) }), originOf(beta, { seq: 7, runs: runsOf(1, 7) })],
          buckets: new Map([
            [0, 1],
            [255, 2 ** 48 - 1],
          ]),
          meta,
        });
        await write(store, {
          origins: [originOf(alpha, { seq: 2, version: 2 ** 52, runs: runsOf(2) })],
          buckets: new Map([[0, 5]]),
          meta: new Map([
            ['going', null],
            ['none', null],
            ['storeId', 'y'],
          ]),
        });
        store = await under.reopen(store);
        const after = await store.load();
        expect(after.origins).to.have.deep.members([
          originOf(alpha, { seq: 2, version: 2 ** 52, runs: runsOf(2) }),
          originOf(beta, { seq: 7, runs: runsOf(1, 7) }),
        ]);
        expect([after.buckets[0], after.buckets[1], after.buckets[255]]).to.deep.equal([5, 0, 2 ** 48 - 1]);
        expect(after.buckets).to.have.length(256);
        expect(after.meta).to.deep.equal(
          new Map([
            ['storeId', 'y'],
            ['', 'empty name'],
            ['text', '"\\\n😀'],
          ]),
        );
      });

      it('drops every origin at once', async () => {
        await write(store, { origins: [originOf(alpha), originOf(beta)] });
        await store.transaction(async (tx) => {
          await tx.clearOrigins();
          await tx.write({ origins: [originOf(beta, { seq: 9 })] });
        });
        expect((await store.load()).origins).to.deep.equal([originOf(beta, { seq: 9 })]);
      });

      it('keeps keys and values', async () => {
        await write(store, {
          kv: new Map([
            ['a', '1'],
            ['b/c', '"é"\u0000x'],
            ['gone', 'x'],
          ]),
        });
        await write(store, {
          kv: new Map([
            ['a', '2'],
            ['gone', null],
          ]),
        });
        store = await under.reopen(store);
        expect(await Promise.all(['a', 'b/c', 'gone', 'never'].map((key) => store.getKv(key)))).to.deep.equal(['2', '"é"\u0000x', null, null]);
        expect(await store.countKv()).to.equal(2);
      });
    });

    describe('conflict ledger', () => {
      const seen = async (options: { path?: FullPath; limit?: number; bytesMax?: number } = {}) =>
        (await store.readConflicts({ limit: 1000, bytesMax: 1e9, ...options })).map((record) => record.seenAt);

      it('gives records as they were written, newest first, by path too', async () => {
        const records = [
          conflictOf('/a', { seenAt: 1 }),
          conflictOf('/b', { seenAt: 2, type: 'child-of-deleted', loser: tombstoneOf('/b') }),
          conflictOf('/a', { seenAt: 3, winner: { dot: null, version: 4, author: beta, deleted: true } }),
        ];
        await write(store, { conflicts: records.slice(0, 2) });
        await write(store, { conflicts: records.slice(2) });
        store = await under.reopen(store);
        expect(await store.readConflicts({ limit: 10, bytesMax: 1e9 })).to.deep.equal([...records].reverse());
        expect(await store.readConflicts({ limit: 10, path: path('/a'), bytesMax: 1e9 })).to.deep.equal([records[2], records[0]]);
        expect(await seen({ limit: 1 })).to.deep.equal([3]);
      });

      it('gives no more than so many bytes, but one record whatever its size', async () => {
        const records = [1, 2, 3].map((seenAt) => conflictOf(seenAt === 2 ? '/b' : '/a', { seenAt }));
        await write(store, { conflicts: records });
        const bytes = Buffer.byteLength(canonicalJson(records[0]));
        expect(await seen({ bytesMax: 2 * bytes })).to.deep.equal([3, 2]);
        expect(await seen({ bytesMax: 2 * bytes - 1, path: path('/a') })).to.deep.equal([3]);
        expect(await seen({ bytesMax: 1 })).to.deep.equal([3]);
      });

      it('keeps a record that is written twice once', async () => {
        await write(store, { conflicts: [conflictOf('/a', { seenAt: 1 })] });
        await write(store, { conflicts: [conflictOf('/a', { seenAt: 1 }), conflictOf('/a', { seenAt: 2 })] });
        expect(await seen()).to.deep.equal([2, 1]);
      });

      it('keeps a conflict that is met again once, as it was first seen', async () => {
        const first = conflictOf('/a', { seenAt: 1 });
        await write(store, { conflicts: [first] });
        await write(store, { conflicts: [{ ...first, seenAt: 2 }] });
        expect(await seen()).to.deep.equal([1]);
      });

      it('drops the oldest of a path, and of all, and counts them', async () => {
        await store.close();
        const one = conflictOf('/a', { seenAt: 1 });
        const bytes = Buffer.byteLength(JSON.stringify(one));
        store = await under.open({ perPath: 3, bytesMax: bytes * 5, retentionMs: 1e9 });
        await write(store, { conflicts: [1, 2, 3, 4].map((seenAt) => conflictOf('/a', { seenAt })) });
        expect(await seen()).to.deep.equal([4, 3, 2]);
        await write(store, { conflicts: [5, 6].map((seenAt) => conflictOf('/b', { seenAt })) });
        expect(await seen()).to.deep.equal([6, 5, 4, 3, 2]);
        await write(store, { conflicts: [conflictOf('/c', { seenAt: 7 }), conflictOf('/c', { seenAt: 8 })] });
        expect(await seen()).to.deep.equal([8, 7, 6, 5, 4]);
        expect((await store.load()).meta.get('conflictsDropped')).to.equal('3');
      });

      it('drops what is older than its time when something new comes', async () => {
        await store.close();
        store = await under.open({ perPath: 100, bytesMax: 1e6, retentionMs: 10 });
        await write(store, { conflicts: [1, 5000, 9000].map((seenAt) => conflictOf('/a', { seenAt })) });
        expect(await seen()).to.deep.equal([9000, 5000, 1]);
        await write(store, { conflicts: [conflictOf('/b', { seenAt: 15_000 })] });
        expect(await seen()).to.deep.equal([15_000, 9000, 5000]);
        expect((await store.load()).meta.get('conflictsDropped')).to.equal('1');
      });
    });

    describe('quarantine', () => {
      const kept = async () => (await store.load()).quarantine;
      const quarantine = (...records: QuarantineRecord[]) => new Map(records.map((record) => [formatDot(record.dot), record]));

      it('gives what was put aside as it was written, in the order of coming, also after a restart', async () => {
        const refused = quarantinedOf(3, { text: '{"name":"\\u0000 \u2028 😀 }}"}', refusal: { code: 'BODY_INVALID', error: 'é' }, version: 2 ** 52 });
        const waits = quarantinedOf(1, { dot: { origin: beta, seq: 2 ** 40 }, place: 12, waitsFor: refused.dot, refusal: null, paths: [], version: 0 });
        const first = quarantinedOf(7, { place: 2 });
        await write(store, { quarantine: quarantine(refused, waits) });
        await write(store, { quarantine: quarantine(first), log: [recordOf(1)] });
        expect(await kept()).to.deep.equal([first, refused, waits]);
        store = await under.reopen(store);
        expect(await kept()).to.deep.equal([first, refused, waits]);
      });

      it('replaces and drops by dot, and keeps the rest', async () => {
        const [a, b, c] = [1, 2, 3].map((seq) => quarantinedOf(seq)) as [QuarantineRecord, QuarantineRecord, QuarantineRecord];
        await write(store, { quarantine: quarantine(a, b, c) });
        await write(store, {
          quarantine: new Map([
            [formatDot(a.dot), null],
            [formatDot(b.dot), { ...b, attempts: 1 }],
            [`${beta}:9`, null],
          ]),
        });
        expect(await kept()).to.deep.equal([{ ...b, attempts: 1 }, c]);
      });

      it('is left alone by a transaction that fails', async () => {
        await write(store, { quarantine: quarantine(quarantinedOf(1)) });
        const failing = store.transaction(async (tx) => {
          await tx.write({ quarantine: new Map([[`${alpha}:1`, null]]) });
          throw new Error('on purpose');
        });
        await failing.catch(() => {});
        expect(await kept()).to.deep.equal([quarantinedOf(1)]);
      });
    });

    describe('recount', () => {
      it('adds everything up anew', async () => {
        const many = Array.from({ length: 300 }, (_, i) => rowOf(`/many/f${i}`, { h: 2 ** 48 - 1 - i }));
        const rows = [
          ...many,
          rowOf('/d', { isDirectory: true }),
          rowOf('/d/a'),
          rowOf('/hidden'),
          rowOf('/hidden/x'),
          rowOf('/i/j/k'),
          rowOf('/i/j/l'),
          tombstoneOf('/t'),
          tombstoneOf('/t/u'),
          rowOf('/t/u/v'),
        ];
        await write(store, { rows: { tree: rows, staging: [rowOf('/s')] }, log: [recordOf(1, { text: '{"é":1}' }), recordOf(2)] });
        const { buckets, counts, children } = await store.recount();
        expect(counts).to.deep.equal({ entries: 307, directories: 1, tombstones: 2, changes: 2, bytes: 8 + 12 });
        const sums = new Array<bigint>(256).fill(0n);
        for (const row of rows) sums[keyOf(row.path)[0]] += BigInt(row.h);
        expect(buckets).to.deep.equal(sums.map((sum) => Number(sum % 2n ** 48n)));
        expect(children).to.deep.equal(
          new Map(
            [
              ['/', 5],
              ['/many', 300],
              ['/d', 1],
              ['/hidden', 1],
              ['/i', 1],
              ['/i/j', 2],
              ['/t', 1],
              ['/t/u', 1],
            ].map(([at, count]) => [at as FullPath, count as number]),
          ),
        );
      });

      it('is all zeros for an empty store', async () => {
        expect(await store.recount()).to.deep.equal({
          buckets: new Array(256).fill(0),
          counts: { entries: 0, directories: 0, tombstones: 0, changes: 0, bytes: 0 },
          children: new Map(),
        });
      });
    });

    describe('transaction', () => {
      const whole: WriteBatch = {
        rows: { tree: [rowOf('/a/b')], staging: [rowOf('/s')] },
        removed: { tree: [path('/old')] },
        children: new Map([
          [path('/'), 1],
          [path('/a'), 1],
        ]),
        log: [recordOf(1)],
        origins: [originOf(alpha, { seq: 1 })],
        buckets: new Map([[3, 7]]),
        conflicts: [conflictOf('/a')],
        meta: new Map([['m', '1']]),
        kv: new Map([['k', '1']]),
      };
      const contents = async () => ({
        ...(await store.load()),
        rows: [await store.scan('tree', null, 10, 1e9), await store.scan('staging', null, 10, 1e9)],
        children: await store.children([path('/'), path('/a')]),
        log: await store.readLog({ after: 0, ...everything }),
        conflicts: await store.readConflicts({ limit: 10, bytesMax: 1e9 }),
        kv: await store.getKv('k'),
      });

      it('gives back what the work gives', async () => {
        expect(await store.transaction(async () => 42)).to.equal(42);
      });

      it('shows its writes inside before anybody outside sees them', async () => {
        await write(store, { rows: { tree: [rowOf('/x'), rowOf('/y')] }, children: new Map([[path('/'), 2]]) });
        await store.transaction(async (tx) => {
          await tx.write({
            rows: { tree: [rowOf('/a/b'), tombstoneOf('/x')] },
            removed: { tree: [path('/y')] },
            children: new Map([
              [path('/'), 1],
              [path('/a'), 1],
            ]),
          });
          expect(pathsOf(await tx.find('tree', ['/a/b', '/x', '/y'].map(path)))).to.have.members(['/a/b', '/x']);
          expect((await tx.scan('tree', null, 10, 1e9)).map((row) => row.path)).to.deep.equal(inKeyOrder(['/a/b', '/x'].map(path)));
          expect(await tx.children([path('/'), path('/a')])).to.deep.equal(
            new Map([
              [path('/'), 1],
              [path('/a'), 1],
            ]),
          );
          expect((await tx.list(path('/'), { after: '', ...everything })).names).to.deep.equal([{ name: 'a', row: null, children: 1 }]);
          expect(pathsOf(sorted(await store.find('tree', ['/a/b', '/x', '/y'].map(path))))).to.deep.equal(['/x', '/y']);
          expect((await store.list(path('/'), { after: '', ...everything })).names.map((each) => each.name)).to.deep.equal(['x', 'y']);
          await tx.write({ children: new Map([[path('/a'), 0]]), removed: { tree: [path('/a/b')] } });
          expect((await tx.list(path('/'), { after: '', ...everything })).names).to.deep.equal([]);
        });
        expect(pathsOf(await store.scan('tree', null, 10, 1e9))).to.deep.equal(['/x']);
      });

      it('writes nothing at all if the work fails, and the next one works', async () => {
        await write(store, { rows: { tree: [rowOf('/old')] } });
        const before = await contents();
        const failure = new Error('changed my mind');
        const failed = await store
          .transaction(async (tx) => {
            await tx.write(whole);
            await tx.clear('tree');
            await tx.clearLog(null);
            await tx.clearOrigins();
            throw failure;
          })
          .catch((error: unknown) => error);
        expect(failed).to.equal(failure);
        expect(await contents()).to.deep.equal(before);
        store = await under.reopen(store);
        expect(await contents()).to.deep.equal(before);
        await write(store, whole);
        expect(await store.find('tree', [path('/a/b')])).to.have.length(1);
      });

      it('may write the same batch twice', async () => {
        await write(store, whole);
        const once = await contents();
        await write(store, whole);
        expect(await contents()).to.deep.equal(once);
        await store.transaction(async (tx) => {
          await tx.write(whole);
          await tx.write(whole);
        });
        expect(await contents()).to.deep.equal(once);
      });

      it('is one at a time', async () => {
        const running = store.transaction(async (tx) => tx.write(whole));
        const second = await store.transaction(async () => {}).catch((error: unknown) => error);
        expect(second).to.be.instanceOf(TypeError);
        await running;
      });
    });

    describe('verdict', () => {
      it('is created until something is written to the meta, then same', async () => {
        expect(store.verdict).to.equal('created');
        store = await under.reopen(store);
        expect(store.verdict).to.equal('created');
        await write(store, { meta: new Map([['storeId', 'x']]) });
        store = await under.reopen(store);
        expect(store.verdict).to.equal('same');
      });
    });
  });
}

async function expectFailure(promise: Promise<unknown>, code: string): Promise<void> {
  const error = await promise.then(
    () => null,
    (caught: unknown) => caught,
  );
  expect(error).to.have.property('code', code);
}
