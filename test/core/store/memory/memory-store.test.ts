import { expect } from 'chai';
import { MemoryDisk, MemoryStore } from '../../../../src/core/store/memory/memory-store.js';
import { storeMeta } from '../../../../src/core/store/store.js';
import { path, rowOf } from '../../../support/store-values.js';

const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => expect.fail('it did not fail'),
    (error: unknown) => error,
  );
const writeA = (store: MemoryStore): Promise<void> => store.transaction((tx) => tx.write({ rows: { tree: [rowOf('/a')] }, meta: new Map([['storeId', 'x']]) }));

describe('MemoryStore', () => {
  it('fails before or after a commit as a test wants it', async () => {
    const store = new MemoryStore();
    const crash = new Error('crash');
    store.faults.beforeCommit = () => {
      throw crash;
    };
    expect(await failureOf(writeA(store))).to.equal(crash);
    expect(await store.find('tree', [path('/a')])).to.have.length(0);
    delete store.faults.beforeCommit;
    store.faults.afterCommit = () => {
      throw crash;
    };
    expect(await failureOf(writeA(store))).to.equal(crash);
    expect(await store.find('tree', [path('/a')])).to.have.length(1);
  });

  it('loses its disk to whoever opens it next, in the middle of a transaction too', async () => {
    const store = new MemoryStore();
    let goOn = (): void => {};
    const held = new Promise<void>((resolve) => (goOn = resolve));
    const waiting = store.transaction(async (tx) => {
      await tx.write({ rows: { tree: [rowOf('/late')] } });
      await held;
    });
    const next = new MemoryStore(store.disk);
    goOn();
    expect(await failureOf(waiting)).to.have.property('code', 'STORE_FAILED');
    expect(await failureOf(store.load())).to.have.property('code', 'STORE_FAILED');
    expect(await next.find('tree', [path('/late')])).to.deep.equal([]);
  });

  it('knows a copied and a restored disk, and marks it until the core drops the mark', async () => {
    const disk = new MemoryDisk();
    expect(new MemoryStore(disk.clone()).verdict).to.equal('created');
    await writeA(new MemoryStore(disk));
    const backup = disk.clone();
    const copy = new MemoryStore(backup);
    expect(copy.verdict).to.equal('restored');
    expect((await copy.load()).meta.get(storeMeta.restored)).to.equal('1');
    expect(new MemoryStore(disk).verdict).to.equal('same');
    disk.restore(backup);
    expect(new MemoryStore(disk).verdict).to.equal('restored');
    const again = new MemoryStore(disk);
    expect(again.verdict).to.equal('restored');
    await again.transaction((tx) => tx.write({ meta: new Map([[storeMeta.restored, null]]) }));
    expect(new MemoryStore(disk).verdict).to.equal('same');
    disk.wipe();
    expect(new MemoryStore(disk).verdict).to.equal('created');
  });

  it('keeps a copy apart from what it was copied from', async () => {
    const store = new MemoryStore();
    await writeA(store);
    const copy = new MemoryStore(store.disk.clone());
    await copy.transaction((tx) => tx.write({ rows: { tree: [rowOf('/b')] }, removed: { tree: [path('/a')] }, children: new Map([[path('/'), 9]]) }));
    expect((await store.scan('tree', null, 10, 1e9)).map((row) => row.path)).to.deep.equal(['/a']);
    expect((await store.children([path('/')])).size).to.equal(0);
  });
});
