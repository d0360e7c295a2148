import { expect } from 'chai';
import fc from 'fast-check';
import { contentHash } from '../../src/core/change/digest.js';
import type { Row } from '../../src/core/change/row.js';
import { compareBytes, type FullPath } from '../../src/core/entry/path.js';
import { ledgerLimits } from '../../src/core/store/ledger.js';
import { MemoryStore } from '../../src/core/store/memory/memory-store.js';
import { SqliteStore } from '../../src/core/store/sqlite/sqlite-store.js';
import type { Area, LogRecord, Store, StoreTransaction, WriteBatch } from '../../src/core/store/store.js';
import { realTime } from '../../src/core/time.js';
import { alpha, beta, recordOf, rowOf } from '../support/store-values.js';
import { tempDir } from '../support/temp-dir.js';
import { everything } from './store-under-test.js';
import { storeContract } from './store.contract.js';

const directories = new WeakMap<Store, string>();

async function openSqlite(ledger = ledgerLimits, directory?: string): Promise<Store> {
  const folder = directory ?? (await tempDir());
  const store = await SqliteStore.open(folder, realTime, ledger);
  directories.set(store, folder);
  return store;
}

storeContract('memory', {
  open: async (ledger) => new MemoryStore(undefined, {}, ledger),
  reopen: async (store) => new MemoryStore((store as MemoryStore).disk),
});

storeContract('sqlite', {
  open: openSqlite,
  reopen: async (store) => {
    await store.close();
    return openSqlite(ledgerLimits, directories.get(store));
  },
});

/* Random histories: whatever is asked, both stores give the same answer. */

const areas: readonly Area[] = ['tree', 'staging', 'remembered'];
const names = ['a', 'b', '😀', '\ue000', 'ab'];
const anyPath = fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 3 }).map((parts) => `/${parts.join('/')}` as FullPath);
const anyRow: fc.Arbitrary<Row> = fc
  .record({
    at: anyPath,
    version: fc.integer({ min: 1, max: 2 ** 52 }),
    author: fc.constantFrom(alpha, beta),
    size: fc.integer({ min: -1, max: 50 }),
    dotted: fc.boolean(),
    others: fc.boolean(),
  })
  .map(({ at, version, author, size, dotted, others }) => {
    const entry = size < 0 ? null : `{"x":"${'é'.repeat(size)}"}`;
    const vector = others ? { [author]: version, [author === alpha ? beta : alpha]: 7 } : { [author]: version };
    return rowOf(at, {
      version,
      author,
      entry,
      vector,
      dot: dotted ? { origin: alpha, seq: version } : null,
      contentHash: entry === null ? '' : contentHash(entry),
    });
  });

type Step =
  | { do: 'rows'; area: Area; rows: Row[]; removed: FullPath[] }
  | { do: 'children'; counts: [FullPath, number][] }
  | { do: 'log'; origins: string[]; text: number }
  | { do: 'clear'; area: Area }
  | { do: 'clearLog'; origins: string[] | null };

const someOrigins = fc.array(fc.constantFrom(alpha, beta, 'c'.repeat(16)), { maxLength: 5 });
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('rows' as const),
      area: fc.constantFrom(...areas),
      rows: fc.array(anyRow, { maxLength: 8 }),
      removed: fc.array(anyPath, { maxLength: 3 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('children' as const), counts: fc.array(fc.tuple(anyPath, fc.nat({ max: 2 })), { maxLength: 4 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('log' as const), origins: someOrigins, text: fc.nat({ max: 60 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('clear' as const), area: fc.constantFrom(...areas) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('clearLog' as const), origins: fc.option(someOrigins) }) },
);

const anyQuestion = fc.record({
  after: fc.option(anyPath),
  name: fc.constantFrom('', ...names),
  inclusive: fc.boolean(),
  prefix: fc.constantFrom('', 'a', '😀', '\ue000'),
  directory: fc.oneof(anyPath, fc.constant('/' as FullPath)),
  index: fc.nat({ max: 20 }),
  upto: fc.option(fc.nat({ max: 30 }), { nil: undefined }),
  origins: fc.option(
    someOrigins.map((list) => new Set(list)),
    { nil: undefined },
  ),
  beyond: fc.option(
    fc.dictionary(fc.constantFrom(alpha, beta), fc.nat({ max: 6 })).map((record) => new Map(Object.entries(record))),
    { nil: undefined },
  ),
  limit: fc.integer({ min: 1, max: 12 }),
  bytesMax: fc.integer({ min: 1, max: 400 }),
  since: fc.integer({ min: 1_763_763_267_000_000, max: 1_763_763_267_000_030 }),
});
type Question = typeof anyQuestion extends fc.Arbitrary<infer Q> ? Q : never;

/** Numbers the records as the change log does: indexes and the seqs of each origin go on from the last. */
class Numbering {
  #index = 0;
  readonly #seqs = new Map<string, number>();

  records(origins: readonly string[], size: number): LogRecord[] {
    return origins.map((origin) => {
      const seq = (this.#seqs.get(origin) ?? 0) + 1;
      this.#seqs.set(origin, seq);
      this.#index += 1;
      return recordOf(this.#index, {
        origin,
        seq,
        version: 1_763_763_267_000_000 + ((this.#index * 7) % 23),
        text: JSON.stringify({ replication: { n: 'é'.repeat(size + (seq % 3)) } }),
      });
    });
  }
}

const batchOf = (step: Step, records: readonly LogRecord[]): WriteBatch =>
  step.do === 'rows'
    ? { rows: { [step.area]: step.rows }, removed: { [step.area]: step.removed } }
    : step.do === 'children'
      ? { children: new Map(step.counts) }
      : { log: records, meta: new Map([['last', String(records.at(-1)?.index)]]) };

async function apply(tx: StoreTransaction, step: Step, records: readonly LogRecord[]): Promise<unknown> {
  if (step.do === 'clear') return tx.clear(step.area);
  if (step.do === 'clearLog') return tx.clearLog(step.origins);
  return tx.write(batchOf(step, records));
}

const byPath = (rows: readonly Row[]): Row[] => [...rows].sort((a, b) => compareBytes(a.path, b.path));

async function rowAnswers(reader: Pick<StoreTransaction, 'find' | 'children' | 'findWithChildren' | 'scan' | 'list'>, q: Question): Promise<unknown> {
  const paths = [q.directory, ...(q.after ? [q.after] : [])];
  return {
    scans: await Promise.all(areas.map((area) => reader.scan(area, q.after, q.limit, q.bytesMax))),
    found: byPath(await reader.find('tree', paths)),
    children: await reader.children(paths),
    shown: await reader.findWithChildren(paths).then(({ rows, children }) => ({ rows: byPath(rows), children })),
    page: await reader.list(q.directory, { after: q.name, inclusive: q.inclusive, prefix: q.prefix, limit: q.limit, bytesMax: q.bytesMax }),
  };
}

const logQueryOf = ({ index: after, upto, origins, beyond, limit, bytesMax }: Question) => ({ after, upto, origins, beyond, limit, bytesMax });

async function answers(store: Store, q: Question): Promise<unknown> {
  return {
    rows: await rowAnswers(store, q),
    log: await store.readLog(logQueryOf(q)),
    page: await store.readLogPage(logQueryOf(q)),
    whole: await store.readLog({ after: 0, ...everything }),
    cut: await store.cutAt(q.beyond ?? new Map()),
    before: await store.indexBefore(q.since),
    recount: await store.recount(),
    contents: await store.load(),
  };
}

describe('the stores', () => {
  it('give the same answers after the same random history', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ steps: fc.array(anyStep, { minLength: 1, maxLength: 4 }), fails: fc.boolean(), ask: anyQuestion }), {
          minLength: 1,
          maxLength: 8,
        }),
        async (history) => {
          const memory = new MemoryStore();
          const sqlite = await openSqlite();
          const numbering = new Numbering();
          try {
            for (const { steps, fails, ask } of history) {
              // A transaction that fails uses up no numbers: the next one writes them anew.
              const plan = steps.map((step) => ({ step, records: step.do === 'log' && !fails ? numbering.records(step.origins, step.text) : [] }));
              const run = (store: Store) =>
                store
                  .transaction(async (tx) => {
                    const results = [];
                    for (const { step, records } of plan) results.push(await apply(tx, step, records), await rowAnswers(tx, ask));
                    if (fails) throw new Error('stopped');
                    return results;
                  })
                  .catch((error: Error) => error.message);
              expect(await run(memory)).to.deep.equal(await run(sqlite));
              expect(await answers(memory, ask)).to.deep.equal(await answers(sqlite, ask));
            }
          } finally {
            await sqlite.close();
          }
        },
      ),
      { numRuns: 30 },
    );
  }).timeout(60_000);
});
