import { expect } from 'chai';
import { addToSum, bucketCount, bucketOf } from '../../src/core/change/digest.js';
import type { Row } from '../../src/core/change/row.js';
import { compareBytes, parentOf, type FullPath } from '../../src/core/entry/path.js';
import type { DirectorySum, ListOptions, Store, StoreTransaction } from '../../src/core/store/store.js';
import { alpha, beta, originOf, path, rowOf, runsOf, tombstoneOf } from '../support/store-values.js';
import { everything, inKeyOrder, pathsOf, sorted, write, type StoreUnderTest } from './store-under-test.js';

/** The part of the store contract that is about rows: writing, finding, walking and listing them. */
export function rowsContract(under: StoreUnderTest): void {
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
      expect(
        sorted(
          await store.find(
            'tree',
            odd.map((row) => row.path),
          ),
        ),
      ).to.deep.equal(sorted(odd));
      expect(sorted(await store.scan('staging', null, 100, 1e9))).to.deep.equal(sorted(odd.slice(0, 3)));
      expect(sorted(await store.scan('remembered', null, 100, 1e9))).to.deep.equal(sorted(odd.slice(3)));
    });

    it('are given by when they expire, if they do, and only while they are live files of the tree', async () => {
      const micros = (seconds: number) => seconds * 1_000_000;
      const lasting = (at: string, ttlSec: unknown, fields: Partial<Row> = {}) =>
        rowOf(at, { entry: JSON.stringify({ attributes: { crtime: '1000', crtimeNs: 7000, ttlSec }, isDirectory: false, name: 'n' }), ...fields });
      const rows = [lasting('/b', 60), lasting('/d/x', 60), lasting('/a', 60, { author: beta, dot: null }), lasting('/dx', 61), lasting('/d/e/y', '5')];
      const lastingForEver = [lasting('/never', 0), lasting('/odd', 'soon'), rowOf('/plain'), lasting('/dir', 60, { isDirectory: true })];
      await write(store, { rows: { tree: [...rows, ...lastingForEver], staging: [lasting('/staged', 1)] } });
      const all = await store.expired({ now: micros(1061) + 7, limit: 100 });
      expect(all.map(({ path: at, expires, author }) => [at, expires, author])).to.deep.equal([
        ['/d/e/y', micros(1005) + 7, alpha],
        ...inKeyOrder([path('/b'), path('/d/x')]).map((at) => [at, micros(1060) + 7, alpha]),
        ['/a', micros(1060) + 7, beta],
        ['/dx', micros(1061) + 7, alpha],
      ]);
      expect(all[0]).to.include({ version: rows[4].version, bytes: rows[4].entry?.length });
      expect(await store.expired({ now: micros(1061) + 6, limit: 100 })).to.deep.equal(all.slice(0, 4));
      expect(await store.expired({ now: micros(2000), limit: 2 })).to.deep.equal(all.slice(0, 2));
      for (const i of all.keys()) expect(await store.expired({ now: micros(2000), after: all[i], limit: 100 })).to.deep.equal(all.slice(i + 1));
      const below = async (at: string) => (await store.expired({ now: micros(2000), below: path(at), limit: 100 })).map((found) => found.path);
      expect([await below('/d'), await below('/d/e'), await below('/'), await below('/x')]).to.deep.equal([
        all.filter((found) => found.path.startsWith('/d/')).map((found) => found.path),
        ['/d/e/y'],
        all.map((found) => found.path),
        [],
      ]);
      expect(await store.expired({ now: micros(2000), notBy: new Set([alpha]), limit: 100 })).to.deep.equal([all[3]]);
      store = await under.reopen(store);
      expect(await store.expired({ now: micros(2000), limit: 100 })).to.deep.equal(all);
      await write(store, { removed: { tree: [path('/a')] }, rows: { tree: [tombstoneOf('/b'), lasting('/d/x', 0), lasting('/never', 1)] } });
      expect((await store.expired({ now: micros(2000), limit: 100 })).map((found) => found.path)).to.deep.equal(['/never', '/d/e/y', '/dx']);
    });

    it('are given by age if they are deleted', async () => {
      const dead = ['/e', '/a', '/d/x', '/c', '/b'].map((at, i) => tombstoneOf(at, { version: 10 + Math.floor(i / 2) }));
      await write(store, { rows: { tree: [...dead, rowOf('/live', { version: 1 })], staging: [tombstoneOf('/staged', { version: 1 })] } });
      const all = await store.tombstones(100, null, 100);
      expect(all.map(({ version }) => version)).to.deep.equal([10, 10, 11, 11, 12]);
      expect(sorted(all)).to.deep.equal(sorted(dead));
      expect(await store.tombstones(12, null, 100)).to.deep.equal(all.slice(0, 4));
      expect(await store.tombstones(100, null, 3)).to.deep.equal(all.slice(0, 3));
      const third = all[2];
      await write(store, { removed: { tree: [third.path] } });
      expect(await store.tombstones(100, third, 100)).to.deep.equal(all.slice(3));
    });

    it('lose their dots beyond a place in one log, and nothing else', async () => {
      const rows = [
        rowOf('/first', { dot: { origin: alpha, seq: 3 } }),
        rowOf('/beyond', { dot: { origin: alpha, seq: 4 } }),
        tombstoneOf('/deleted beyond', { dot: { origin: alpha, seq: 9 } }),
        rowOf('/of another author', { dot: { origin: alpha, seq: 5 }, author: beta }),
        rowOf('/of another log', { dot: { origin: beta, seq: 9 } }),
        rowOf('/a/undotted', { dot: null }),
      ];
      await write(store, { rows: { tree: rows, staging: [rowOf('/staged', { dot: { origin: alpha, seq: 9 } })] } });
      const cut = rows.map((row, i) => ([1, 2, 3].includes(i) ? { ...row, dot: null } : row));
      await store.transaction(async (tx) => {
        expect(await tx.undot(alpha, 3)).to.equal(3);
        const found = await tx.undotted(null, 100);
        expect(sorted(found)).to.deep.equal(sorted(cut.filter(({ dot }) => dot === null)));
        expect(await tx.undotted(null, 2)).to.deep.equal(found.slice(0, 2));
        expect(await tx.undotted(found[1].path, 100)).to.deep.equal(found.slice(2));
      });
      expect(sorted(await store.scan('tree', null, 100, 1e9))).to.deep.equal(sorted(cut));
      expect((await store.scan('staging', null, 100, 1e9))[0]).to.have.deep.property('dot', { origin: alpha, seq: 9 });
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
      await write(store, {
        rows: { tree: [rowOf('/d/a')], staging: [rowOf('/s')] },
        children: new Map([
          [path('/'), 1],
          [path('/d'), 1],
        ]),
      });
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
      const states = [
        originOf(alpha, {
          seq: 2 ** 40,
          hash: 'abcdefabcdef',
          version: 2 ** 52,
          first: 7,
          firstHash: '012345678901',
          firstVersion: 9,
          runs: runsOf(5, 2 ** 40),
        }),
        originOf(beta),
      ];
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

  describe('sums of directories', () => {
    const paths = ['/', '/a', '/b', '/a/x', '/a/y', '/ab/z', '/é/é'].map(path);

    it('add up the live rows directly in each directory of a bucket, a page at a time', async () => {
      await write(store, { rows: { tree: [...paths.map((at) => rowOf(at)), tombstoneOf('/a/gone'), tombstoneOf('/gone/x')] } });
      const found = new Map<string, DirectorySum>();
      for (let bucket = 0; bucket < bucketCount; bucket++) {
        let after: FullPath | null = null;
        for (;;) {
          const page: DirectorySum[] = await store.directorySums(bucket, after, 1);
          const [one] = page;
          expect(page.length).to.be.at.most(1);
          if (one === undefined) break;
          expect(bucketOf(one.directory)).to.equal(bucket);
          found.set(one.directory, one);
          after = one.directory;
        }
      }
      const expected = new Map<string, DirectorySum>();
      for (const { path: at, h } of paths.map((one) => rowOf(one))) {
        const { entries, sum } = expected.get(parentOf(at)) ?? { entries: 0, sum: 0 };
        expected.set(parentOf(at), { directory: parentOf(at), entries: entries + 1, sum: addToSum(sum, h) });
      }
      expect([...found.keys()].sort()).to.deep.equal(['/', '/a', '/ab', '/é']);
      expect(found).to.deep.equal(expected);
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
          tree: [
            rowOf('/'),
            rowOf('/b', { isDirectory: true }),
            rowOf('/a'),
            tombstoneOf('/gone'),
            rowOf('/b/inner'),
            rowOf('/hidden'),
            rowOf('/hidden/x'),
            rowOf('/implied/x/y'),
            tombstoneOf('/dead'),
            rowOf('/dead/x'),
          ],
          staging: [rowOf('/staged')],
        },
        children: new Map([
          [path('/'), 6],
          [path('/b'), 1],
          [path('/hidden'), 1],
          [path('/implied'), 1],
          [path('/implied/x'), 1],
          [path('/dead'), 1],
        ]),
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
        expect((await list('/p', { prefix, after: 'xa' })).names, prefix).to.deep.equal(
          all.filter((each) => each.startsWith(prefix) && compareBytes(each, 'xa') > 0),
        );
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
      await write(store, {
        children: new Map([
          [path('/'), 2],
          [path('/a'), 3],
          [path('/a/b'), 1],
        ]),
      });
      await write(store, {
        children: new Map([
          [path('/a'), 4],
          [path('/a/b'), 0],
        ]),
      });
      store = await under.reopen(store);
      expect(await store.children([path('/'), path('/a'), path('/a/b'), path('/c')])).to.deep.equal(
        new Map([
          [path('/'), 2],
          [path('/a'), 4],
        ]),
      );
      expect(await store.children([])).to.deep.equal(new Map());
      await write(store, { children: new Map([[path('/a/b'), 7]]) });
      expect(await store.children([path('/a/b')])).to.deep.equal(new Map([[path('/a/b'), 7]]));
    });

    it('gives rows and counts at once, of paths that have one, both or neither', async () => {
      const paths = ['/', '/file', '/both', '/implied', '/gone', '/none', '/file'].map(path);
      const children = new Map([path('/'), path('/both'), path('/implied')].map((directory, i) => [directory, i + 1]));
      await write(store, { rows: { tree: [rowOf('/file'), rowOf('/both'), tombstoneOf('/gone')], staging: [rowOf('/none')] }, children });
      const found = await store.findWithChildren(paths);
      expect(pathsOf(sorted(found.rows))).to.deep.equal(['/both', '/file', '/gone']);
      expect(sorted(found.rows)).to.deep.equal(sorted(await store.find('tree', paths)));
      expect(found.children).to.deep.equal(children);
      expect(await store.findWithChildren([])).to.deep.equal({ rows: [], children: new Map() });
    });
  });
}
