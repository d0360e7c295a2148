import { expect } from 'chai';
import type { BucketCursor, Store, StoreExaminer } from '../../src/core/store/store.js';
import { rowOf, tombstoneOf } from '../support/store-values.js';
import { inKeyOrder, keyOf, pathsOf, write, type StoreUnderTest } from './store-under-test.js';

/** The part of the store contract that a scrub reads. */
export function examineContract(under: StoreUnderTest): void {
  let store: Store;
  let examiner: StoreExaminer;
  const many = Array.from({ length: 7 }, (_, i) => rowOf(`/many/f${i}`, { h: 2 ** 48 - 1 - i }));
  const rows = [...many, tombstoneOf('/many/gone'), rowOf('/other/x')];
  const bucket = keyOf(many[0]?.path ?? rowOf('/').path)[0];

  beforeEach(async () => {
    store = await under.open();
    const meta = new Map([['counts', JSON.stringify({ tombstones: 4 })]]);
    await write(store, { rows: { tree: rows, staging: [rowOf('/many/staged')] }, buckets: new Map([[bucket, 17]]), meta });
    examiner = await store.examine();
  });

  afterEach(async () => {
    await examiner.close();
    await store.close();
  });

  it('tells the kept sum of a bucket and what its rows add up to', async () => {
    const counted = Number(many.reduce((sum, { h }) => sum + BigInt(h), 0n) % 2n ** 48n);
    expect(await examiner.bucket(bucket)).to.deep.equal({ kept: 17, counted, rows: 8 });
    const empty = [1, 2, 3].map((step) => (bucket + step) % 256).find((at) => at !== keyOf(rowOf('/other/x').path)[0]) ?? 0;
    expect(await examiner.bucket(empty)).to.deep.equal({ kept: 0, counted: 0, rows: 0 });
  });

  it('sees what is written after it was opened', async () => {
    await write(store, { buckets: new Map([[bucket, 18]]) });
    expect((await examiner.bucket(bucket)).kept).to.equal(18);
  });

  it('tells the kept number of tombstones and counts them', async () => {
    expect(await examiner.tombstones()).to.deep.equal({ kept: 4, counted: 1 });
  });

  it('gives the rows of one bucket, a page at a time, to their end', async () => {
    const found: string[] = [];
    let after: BucketCursor | null = null;
    do {
      const page = await examiner.rows(bucket, after, 3, 1e9);
      expect(page.rows.length).to.be.at.most(3);
      found.push(...pathsOf(page.rows));
      after = page.next;
    } while (after !== null);
    expect(found).to.deep.equal(inKeyOrder(rows.filter((row) => keyOf(row.path)[0] === bucket).map((row) => row.path)));
    expect((await examiner.rows(bucket, null, 100, 1)).rows).to.have.length(1);
  });
}
