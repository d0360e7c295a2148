import { expect } from 'chai';
import { limits } from '../../../src/core/config/limits.js';
import { silentLogger } from '../../../src/core/logger.js';
import { fullAccounting, type Accounting } from '../../../src/core/log/accounting.js';
import { ChangeLog } from '../../../src/core/log/change-log.js';
import { MemoryDisk, MemoryStore } from '../../../src/core/store/memory/memory-store.js';
import { ManualTime } from '../../support/manual-time.js';
import { changesFor, file, mode, openLog, p, rowsIn, type OpenLog } from '../../support/open-log.js';

/** A change log over a memory store that has the changes of all of `from`. */
async function applied(from: readonly OpenLog[], accounting?: Accounting) {
  const time = new ManualTime();
  const store = new MemoryStore(new MemoryDisk());
  const log = await ChangeLog.open({ store, time, limits, logger: silentLogger, accounting });
  for (const filer of from) await log.apply(await changesFor(filer, { log } as OpenLog));
  const conflicts = await store.readConflicts({ limit: 100, bytesMax: 1e6 });
  return { log, rows: await rowsIn(store), conflicts };
}

describe('Accounting', () => {
  it('is all that goes when none is done: rows and position are the same', async () => {
    const [a, b] = [await openLog(), await openLog()];
    await a.tree.put(p('/d/f'), file('a'), mode);
    await b.tree.put(p('/d/f'), file('b'), mode);
    const none: Accounting = { ...fullAccounting, entryDigest: () => 0, bucketOf: () => null, overruled: () => null };
    const [full, bare] = [await applied([a, b]), await applied([a, b], none)];
    const others = (position: ReadonlyMap<string, number>, own: string) => [...position].filter(([origin]) => origin !== own);
    expect(others(bare.log.position, bare.log.identity.origin)).to.deep.equal(others(full.log.position, full.log.identity.origin));
    expect(bare.rows).to.deep.equal(full.rows.map((row) => ({ ...row, h: 0 })));
    expect([full.conflicts.length, bare.conflicts.length]).to.deep.equal([1, 0]);
    expect(full.log.state.buckets.some((sum) => sum > 0)).to.equal(true);
    expect(bare.log.state.buckets.every((sum) => sum === 0)).to.equal(true);
  });
});
