import { expect } from 'chai';
import { bucketOf } from '../../src/core/change/digest.js';
import type { Row } from '../../src/core/change/row.js';
import { compareBytes, nameOf, parentOf, type FullPath } from '../../src/core/entry/path.js';
import type { LedgerLimits } from '../../src/core/store/ledger.js';
import type { ListOptions, LogQuery, Store, StoreTransaction, WriteBatch } from '../../src/core/store/store.js';
import { alpha, beta, conflictOf, originOf, path, recordOf, rowOf, tombstoneOf } from '../support/store-values.js';

/** How the suite gets its stores. */
export interface StoreUnderTest {
  /** A new, empty store. */
  open(ledger?: LedgerLimits): Promise<Store>;
  /** Ends this store, as a crash would, and opens what it has left. */
  reopen(store: Store): Promise<Store>;
}

export const everything = { limit: 10_000, bytesMax: 1e9 };

const write = (store: Store, batch: WriteBatch): Promise<void> => store.transaction((tx) => tx.write(batch));
const keyOf = (at: FullPath): [number, FullPath, string] => [bucketOf(parentOf(at)), parentOf(at), nameOf(at)];

export function inKeyOrder(paths: readonly FullPath[]): FullPath[] {
  return [...paths].sort((a, b) => {
    const [x, y] = [keyOf(a), keyOf(b)];
    return x[0] - y[0] || compareBytes(x[1], y[1]) || compareBytes(x[2], y[2]);
  });
}

const pathsOf = (rows: readonly Row[]): string[] => rows.map((row) => row.path);
const sorted = (rows: readonly Row[]): Row[] => [...rows].sort((a, b) => compareBytes(a.path, b.path));

/** What every adapter has to do, whatever it keeps its rows in. */
export function storeContract(name: string, under: StoreUnderTest): void {
  describe(`store contract: ${name}`, () => {
    let store: Store;

    beforeEach(async () => {
      store = await under.open();
    });

    afterEach(async () => {
      await store.close();
    });

    const readersOf = (tx: StoreTransaction) => ({ 'outside a transaction': store, 'inside one': tx });

    describe('rows', () => {
      const odd = [
        rowOf('/a', { isDirectory: true }),
        rowOf('/a/"quoted" \\ \n 日本 😀'),
        rowOf('/a/undotted', { dot: null, author: beta }),
        rowOf('/a/by another author', { author: beta, version: 2 ** 52 }),
        rowOf('/a/vector', { vector: { [alpha]: 5, [beta]: 2 ** 52 } }),
        rowOf('/a/empty vector', { vector: {} }),
        rowOf('/a/entry', { entry: JSON.stringify({ name: 'entry', content: 'x'.repeat(100_000), mime: '"\u0000\ud800"', other: 'é😀' }) }),
        rowOf('/a/great h', { h: 2 ** 48 - 1, dot: { origin: beta, seq: 2 ** 40 } }),
        tombstoneOf('/gone', { vector: { [alpha]: 3, [beta]: 4 } }),
        tombstoneOf('/gone undotted', { dot: null }),
      ];

      it('come back as they were written, in every area, also after a restart', async () => {
        await write(store, { rows: { tree: odd, staging: odd.slice(0, 3), remembered: odd.slice(3) } });
        store = await under.reopen(store);
        expect(sorted(await store.find('tree', odd.map((row) => row.path)))).to.deep.equal(sorted(odd));
        expect(sorted(await store.scan('staging', null, 100, 1e9))).to.deep.equal(sorted(odd.slice(0, 3)));
        expect(sorted(await store.scan('remembered', null, 100, 1e9))).to.deep.equal(sorted(odd.slice(3)));
      });

      it('are found where they exist, once each', async () => {
        await write(store, { rows: { tree: [rowOf('/a'), tombstoneOf('/b')] } });
        expect(pathsOf(sorted(await store.find('tree', [path('/a'), path('/b'), path('/a'), path('/c')])))).to.deep.equal(['/a', '/b']);
        expect(await store.find('staging', [path('/a')])).to.deep.equal([]);
        expect(await store.find('tree', [])).to.deep.equal([]);
      });

      it('are replaced by later ones of the same path, in one batch too', async () => {
        await write(store, { rows: { tree: [rowOf('/a', { version: 1 }), rowOf('/a', { version: 2 })] } });
        expect((await store.find('tree', [path('/a')])).map((row) => row.version)).to.deep.equal([2]);
        await write(store, { rows: { tree: [tombstoneOf('/a', { version: 3 })] } });
        expect(await store.find('tree', [path('/a')])).to.deep.equal([tombstoneOf('/a', { version: 3 })]);
      });

      it('are removed by path and area, before the rows of the same batch are written', async () => {
        await write(store, { rows: { tree: [rowOf('/a'), rowOf('/b')], staging: [rowOf('/a')] } });
        await write(store, { removed: { tree: [path('/a'), path('/b'), path('/nothing')] }, rows: { tree: [rowOf('/b', { version: 9 })] } });
        expect(await store.scan('tree', null, 10, 1e9)).to.deep.equal([rowOf('/b', { version: 9 })]);
        expect(pathsOf(await store.scan('staging', null, 10, 1e9))).to.deep.equal(['/a']);
      });

      it('are dropped by area, the tree with its counts', async () => {
        await write(store, { rows: { tree: [rowOf('/d/a')], staging: [rowOf('/s')] }, children: new Map([[path('/'), 1], [path('/d'), 1]]) });
        await store.transaction(async (tx) => {
          await tx.clear('staging');
          expect(await tx.scan('staging', null, 10, 1e9)).to.deep.equal([]);
        });
        expect(pathsOf(await store.scan('tree', null, 10, 1e9))).to.deep.equal(['/d/a']);
        expect((await store.children([path('/')])).size).to.equal(1);
        await store.transaction((tx) => tx.clear('tree'));
        expect(await store.scan('tree', null, 10, 1e9)).to.deep.equal([]);
        expect((await store.children([path('/'), path('/d')])).size).to.equal(0);
        expect((await store.list(path('/'), { after: '', ...everything })).names).to.deep.equal([]);
      });
    });

    describe('scan', () => {
      const paths = ['/', '/a', '/b', '/a/x', '/a/\ue000', '/a/😀', '/a/x/y', '/ab', '/b/1', '/b/10', '/b/2', '/é/é'].map(path);

      beforeEach(() => write(store, { rows: { tree: paths.map((at) => rowOf(at)) } }));

      it('gives the rows in key order, page after page', async () => {
        await store.transaction(async (tx) => {
          for (const [where, reader] of Object.entries(readersOf(tx))) {
            const seen: FullPath[] = [];
            for (let page = await reader.scan('tree', null, 5, 1e9); page.length > 0; page = await reader.scan('tree', seen.at(-1) as FullPath, 5, 1e9)) {
              expect(page.length).to.be.at.most(5);
              seen.push(...page.map((row) => row.path));
            }
            expect(seen, where).to.deep.equal(inKeyOrder(paths));
          }
        });
      });

      it('goes on from a path that has no row', async () => {
        await write(store, { removed: { tree: [path('/a/x')] } });
        const order = inKeyOrder(paths);
        expect(pathsOf(await store.scan('tree', path('/a/x'), 100, 1e9))).to.deep.equal(order.slice(order.indexOf(path('/a/x')) + 1));
      });

      it('stops before too many bytes of entries, but gives one row', async () => {
        const bytes = (await store.scan('tree', null, 100, 1e9)).map((row) => Buffer.byteLength(row.entry as string));
        expect(await store.scan('tree', null, 100, 1)).to.have.length(1);
        expect(await store.scan('tree', null, 100, bytes[0] + bytes[1])).to.have.length(2);
        expect(await store.scan('tree', null, 100, bytes[0] + bytes[1] + bytes[2] - 1)).to.have.length(2);
      });

      it('comes with all origins', async () => {
        const states = [originOf(alpha, { seq: 2 ** 40, hash: 'abcdefabcdef', version: 2 ** 52, first: 7, firstHash: '012345678901', firstVersion: 9 }), originOf(beta)];
        expect((await store.scanWithOrigins(null, 2, 1e9)).origins).to.deep.equal([]);
        await write(store, { origins: states });
        const first = await store.scanWithOrigins(null, 2, 1e9);
        expect(first.rows).to.deep.equal(await store.scan('tree', null, 2, 1e9));
        expect(first.origins).to.have.deep.members(states);
        const end = await store.scanWithOrigins(inKeyOrder(paths).at(-1) as FullPath, 2, 1e9);
        expect(end.rows).to.deep.equal([]);
        expect(end.origins).to.have.deep.members(states);
      });
    });

    describe('list', () => {
      const list = async (directory: string, options: Partial<ListOptions> = {}) => {
        const page = await store.list(path(directory), { after: '', ...everything, ...options });
        return { names: page.names.map(({ name: each }) => each), more: page.more };
      };

      beforeEach(() =>
        write(store, {
          rows: {
            tree: [rowOf('/'), rowOf('/b', { isDirectory: true }), rowOf('/a'), tombstoneOf('/gone'), rowOf('/b/inner'), rowOf('/hidden'), rowOf('/hidden/x'), rowOf('/implied/x/y'), tombstoneOf('/dead'), rowOf('/dead/x')],
            staging: [rowOf('/staged')],
          },
          children: new Map([[path('/'), 6], [path('/b'), 1], [path('/hidden'), 1], [path('/implied'), 1], [path('/implied/x'), 1], [path('/dead'), 1]]),
        }),
      );

      it('gives live rows and directories that only show something, with their counts', async () => {
        await store.transaction(async (tx) => {
          for (const [where, reader] of Object.entries(readersOf(tx))) {
            const { names, more } = await reader.list(path('/'), { after: '', ...everything });
            expect(names, where).to.deep.equal([
              { name: 'a', row: rowOf('/a'), children: 0 },
              { name: 'b', row: rowOf('/b', { isDirectory: true }), children: 1 },
              { name: 'dead', row: null, children: 1 },
              { name: 'hidden', row: rowOf('/hidden'), children: 1 },
              { name: 'implied', row: null, children: 1 },
            ]);
            expect(more).to.equal(false);
          }
        });
        expect(await list('/implied')).to.deep.equal({ names: ['x'], more: false });
        expect(await list('/nothing')).to.deep.equal({ names: [], more: false });
      });

      it('goes on after a name, or at it, and says whether there is more', async () => {
        expect(await list('/', { limit: 2 })).to.deep.equal({ names: ['a', 'b'], more: true });
        expect(await list('/', { after: 'b', limit: 3 })).to.deep.equal({ names: ['dead', 'hidden', 'implied'], more: false });
        expect((await list('/', { after: 'b', inclusive: true })).names[0]).to.equal('b');
        expect((await list('/', { after: 'bb', inclusive: true })).names[0]).to.equal('dead');
        expect((await list('/', { after: '', inclusive: true })).names[0]).to.equal('a');
        expect(await list('/', { after: 'zz' })).to.deep.equal({ names: [], more: false });
      });

      it('keeps byte order and takes a prefix by bytes', async () => {
        const names = ['x', 'x\ud7ff', 'x\ue000', 'x\u{10ffff}', 'x\u{10ffff}y', 'x😀', 'xa', 'y', 'x%', 'x_'];
        await write(store, { rows: { tree: names.map((each) => rowOf(`/p/${each}`)) }, children: new Map([[path('/p/xdir'), 2]]) });
        const all = [...names, 'xdir'].sort(compareBytes);
        expect((await list('/p')).names).to.deep.equal(all);
        for (const prefix of ['x', 'xa', 'x%', 'x_', 'x\ud7ff', 'x\u{10ffff}', '\u{10ffff}', '😀', 'y', 'z', '']) {
          expect((await list('/p', { prefix })).names, prefix).to.deep.equal(all.filter((each) => each.startsWith(prefix)));
          expect((await list('/p', { prefix, after: 'xa' })).names, prefix).to.deep.equal(all.filter((each) => each.startsWith(prefix) && compareBytes(each, 'xa') > 0));
        }
      });

      it('stops before too many bytes of entries, but gives one name', async () => {
        const size = (each: string) => Buffer.byteLength(rowOf(each).entry as string);
        expect(await list('/', { bytesMax: 1 })).to.deep.equal({ names: ['a'], more: true });
        expect(await list('/', { bytesMax: size('/a') + size('/b') })).to.deep.equal({ names: ['a', 'b', 'dead'], more: true });
        expect(await list('/', { bytesMax: 1, after: 'b' })).to.deep.equal({ names: ['dead'], more: true });
      });
    });

    describe('counts of names', () => {
      it('are kept by directory, and dropped at 0', async () => {
        await write(store, { children: new Map([[path('/'), 2], [path('/a'), 3], [path('/a/b'), 1]]) });
        await write(store, { children: new Map([[path('/a'), 4], [path('/a/b'), 0]]) });
        store = await under.reopen(store);
        expect(await store.children([path('/'), path('/a'), path('/a/b'), path('/c')])).to.deep.equal(new Map([[path('/'), 2], [path('/a'), 4]]));
        expect(await store.children([])).to.deep.equal(new Map());
        await write(store, { children: new Map([[path('/a/b'), 7]]) });
        expect(await store.children([path('/a/b')])).to.deep.equal(new Map([[path('/a/b'), 7]]));
      });
    });

    describe('log', () => {
      const read = (query: Partial<LogQuery> = {}) => store.readLog({ after: 0, ...everything, ...query });
      const indexes = async (query: Partial<LogQuery> = {}) => (await read(query)).map((record) => record.index);
      // Index 1 to 10: odd ones are alpha's 1 to 5, even ones beta's 1 to 5.
      const records = Array.from({ length: 10 }, (_, i) => recordOf(i + 1, { origin: i % 2 === 0 ? alpha : beta, seq: Math.floor(i / 2) + 1, version: 100 + ((i * 7) % 10), text: `{"n":"${'é'.repeat(i)}"}` }));

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
        expect(await indexes({ beyond: new Map([[alpha, 9], [beta, 5]]) })).to.deep.equal([]);
        expect(await indexes({ beyond: new Map() })).to.have.length(10);
        expect(await indexes({ origins: new Set([alpha]), beyond: new Map([[alpha, 3], [beta, 0]]) })).to.deep.equal([7, 9]);
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

      it('is cleared by origin or whole, and remembers how far it went', async () => {
        await store.transaction(async (tx) => {
          expect(await tx.clearLog([alpha])).to.deep.equal({ first: 2, changes: 5, bytes: records.filter((r) => r.origin === beta).reduce((sum, r) => sum + Buffer.byteLength(r.text), 0) });
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
        const meta = new Map([['storeId', 'x'], ['', 'empty name'], ['text', '"\\\n😀'], ['going', 'soon']]);
        await write(store, { origins: [originOf(alpha, { seq: 1 }), originOf(beta)], buckets: new Map([[0, 1], [255, 2 ** 48 - 1]]), meta });
        await write(store, { origins: [originOf(alpha, { seq: 2, version: 2 ** 52 })], buckets: new Map([[0, 5]]), meta: new Map([['going', null], ['none', null], ['storeId', 'y']]) });
        store = await under.reopen(store);
        const after = await store.load();
        expect(after.origins).to.have.deep.members([originOf(alpha, { seq: 2, version: 2 ** 52 }), originOf(beta)]);
        expect([after.buckets[0], after.buckets[1], after.buckets[255]]).to.deep.equal([5, 0, 2 ** 48 - 1]);
        expect(after.buckets).to.have.length(256);
        expect(after.meta).to.deep.equal(new Map([['storeId', 'y'], ['', 'empty name'], ['text', '"\\\n😀']]));
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
        await write(store, { kv: new Map([['a', '1'], ['b/c', '"é"\u0000x'], ['gone', 'x']]) });
        await write(store, { kv: new Map([['a', '2'], ['gone', null]]) });
        store = await under.reopen(store);
        expect(await Promise.all(['a', 'b/c', 'gone', 'never'].map((key) => store.getKv(key)))).to.deep.equal(['2', '"é"\u0000x', null, null]);
      });
    });

    describe('conflict ledger', () => {
      const seen = async (options: { path?: FullPath; limit: number } = { limit: 1000 }) => (await store.readConflicts(options)).map((record) => record.seenAt);

      it('gives records as they were written, newest first, by path too', async () => {
        const records = [conflictOf('/a', { seenAt: 1 }), conflictOf('/b', { seenAt: 2, type: 'child-of-deleted', loser: tombstoneOf('/b') }), conflictOf('/a', { seenAt: 3, winner: { dot: null, version: 4, author: beta, deleted: true } })];
        await write(store, { conflicts: records.slice(0, 2) });
        await write(store, { conflicts: records.slice(2) });
        store = await under.reopen(store);
        expect(await store.readConflicts({ limit: 10 })).to.deep.equal([...records].reverse());
        expect(await store.readConflicts({ limit: 10, path: path('/a') })).to.deep.equal([records[2], records[0]]);
        expect(await seen({ limit: 1 })).to.deep.equal([3]);
      });

      it('keeps a record that is written twice once', async () => {
        await write(store, { conflicts: [conflictOf('/a', { seenAt: 1 })] });
        await write(store, { conflicts: [conflictOf('/a', { seenAt: 1 }), conflictOf('/a', { seenAt: 2 })] });
        expect(await seen()).to.deep.equal([2, 1]);
      });

      it('drops the oldest of a path, and of all, and counts them', async () => {
        await store.close();
        const one = conflictOf('/a', { seenAt: 1 });
        const bytes = Buffer.byteLength(JSON.stringify(one));
        store = await under.open({ perPath: 3, bytesMax: bytes * 5 });
        await write(store, { conflicts: [1, 2, 3, 4].map((seenAt) => conflictOf('/a', { seenAt })) });
        expect(await seen()).to.deep.equal([4, 3, 2]);
        await write(store, { conflicts: [5, 6].map((seenAt) => conflictOf('/b', { seenAt })) });
        expect(await seen()).to.deep.equal([6, 5, 4, 3, 2]);
        await write(store, { conflicts: [conflictOf('/c', { seenAt: 7 }), conflictOf('/c', { seenAt: 8 })] });
        expect(await seen()).to.deep.equal([8, 7, 6, 5, 4]);
        expect((await store.load()).meta.get('conflictsDropped')).to.equal('3');
      });
    });

    describe('recount', () => {
      it('adds everything up anew', async () => {
        const many = Array.from({ length: 300 }, (_, i) => rowOf(`/many/f${i}`, { h: 2 ** 48 - 1 - i }));
        const rows = [...many, rowOf('/d', { isDirectory: true }), rowOf('/d/a'), rowOf('/hidden'), rowOf('/hidden/x'), rowOf('/i/j/k'), rowOf('/i/j/l'), tombstoneOf('/t'), tombstoneOf('/t/u'), rowOf('/t/u/v')];
        await write(store, { rows: { tree: rows, staging: [rowOf('/s')] }, log: [recordOf(1, { text: '{"é":1}' }), recordOf(2)] });
        const { buckets, counts, children } = await store.recount();
        expect(counts).to.deep.equal({ entries: 307, directories: 1, tombstones: 2, changes: 2, bytes: 8 + 12 });
        const sums = new Array<bigint>(256).fill(0n);
        for (const row of rows) sums[keyOf(row.path)[0]] += BigInt(row.h);
        expect(buckets).to.deep.equal(sums.map((sum) => Number(sum % 2n ** 48n)));
        expect(children).to.deep.equal(
          new Map([['/', 5], ['/many', 300], ['/d', 1], ['/hidden', 1], ['/i', 1], ['/i/j', 2], ['/t', 1], ['/t/u', 1]].map(([at, count]) => [at as FullPath, count as number])),
        );
      });

      it('is all zeros for an empty store', async () => {
        expect(await store.recount()).to.deep.equal({ buckets: new Array(256).fill(0), counts: { entries: 0, directories: 0, tombstones: 0, changes: 0, bytes: 0 }, children: new Map() });
      });
    });

    describe('transaction', () => {
      const whole: WriteBatch = {
        rows: { tree: [rowOf('/a/b')], staging: [rowOf('/s')] },
        removed: { tree: [path('/old')] },
        children: new Map([[path('/'), 1], [path('/a'), 1]]),
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
        conflicts: await store.readConflicts({ limit: 10 }),
        kv: await store.getKv('k'),
      });

      it('gives back what the work gives', async () => {
        expect(await store.transaction(async () => 42)).to.equal(42);
      });

      it('shows its writes inside before anybody outside sees them', async () => {
        await write(store, { rows: { tree: [rowOf('/x'), rowOf('/y')] }, children: new Map([[path('/'), 2]]) });
        await store.transaction(async (tx) => {
          await tx.write({ rows: { tree: [rowOf('/a/b'), tombstoneOf('/x')] }, removed: { tree: [path('/y')] }, children: new Map([[path('/'), 1], [path('/a'), 1]]) });
          expect(pathsOf(await tx.find('tree', ['/a/b', '/x', '/y'].map(path)))).to.have.members(['/a/b', '/x']);
          expect((await tx.scan('tree', null, 10, 1e9)).map((row) => row.path)).to.deep.equal(inKeyOrder(['/a/b', '/x'].map(path)));
          expect(await tx.children([path('/'), path('/a')])).to.deep.equal(new Map([[path('/'), 1], [path('/a'), 1]]));
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
