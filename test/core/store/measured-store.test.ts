import { expect } from 'chai';
import { measuredStore } from '../../../src/core/store/measured-store.js';
import { MemoryStore } from '../../../src/core/store/memory/memory-store.js';
import { path, rowOf } from '../../support/store-values.js';

describe('measuredStore', () => {
  const seen: [string, number][] = [];
  let now = 0;
  const store = measuredStore(new MemoryStore(), { monotonic: () => (now += 500) }, (operation, seconds) => seen.push([operation, seconds]));

  beforeEach(() => seen.splice(0));

  it('is the same store, and tells how long each operation took', async () => {
    await store.transaction((tx) => tx.write({ rows: { tree: [rowOf('/a')] } }));
    expect((await store.find('tree', [path('/a')])).map((row) => row.path)).to.deep.equal(['/a']);
    expect([store.engine, store.kind, store.verdict]).to.deep.equal(['memory', 'embedded', 'created']);
    expect(seen).to.deep.equal([
      ['transaction', 0.5],
      ['find', 0.5],
    ]);
  });

  it('tells of operations that fail too, and passes the failure on', async () => {
    const failed = await store.transaction(() => Promise.reject(new Error('no'))).catch((error: Error) => error.message);
    expect(failed).to.equal('no');
    expect(seen.map(([operation]) => operation)).to.deep.equal(['transaction']);
  });
});
