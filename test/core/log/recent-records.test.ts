import { expect } from 'chai';
import fc from 'fast-check';
import { positionsEqual, type Position } from '../../../src/core/clock/vector.js';
import { originStart } from '../../../src/core/log/log-state.js';
import { Feed } from '../../../src/core/log/feed.js';
import { RecentRecords } from '../../../src/core/log/recent-records.js';
import { limits } from '../../../src/core/config/limits.js';
import { ask, file, mode, never, openLog, p, pull, type OpenLog } from '../../support/open-log.js';

/** Two filers that wrote in turn and have each other's changes; the second keeps only a few in memory. */
async function pair(writes: readonly number[], recentBytes: number): Promise<OpenLog> {
  const filers = [await openLog(), await openLog({ limits: { recentBytes } })] as const;
  for (const [i, writer] of writes.entries()) {
    await filers[writer % 2].tree.put(p(`/d${writer}/f${i}`), file(`${i}`), mode);
    if (writer % 3 === 0) await pull(filers[0], filers[1]);
  }
  return filers[1];
}

describe('RecentRecords', () => {
  it('answers what the store would, or nothing', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(8), { maxLength: 20 }),
        fc.record({
          after: fc.nat(20),
          limit: fc.integer({ min: 1, max: 20 }),
          bytesMax: fc.constantFrom(1, 1000, 1e9),
          own: fc.boolean(),
          seqs: fc.option(fc.tuple(fc.nat(8), fc.nat(8))),
        }),
        async (writes, { after, limit, bytesMax, own, seqs }) => {
          const at = await pair(writes, 2000);
          const { recent, state } = at.log;
          const origins = own ? new Set([state.identity.origin]) : undefined;
          const beyond: Position | undefined = seqs ? new Map([...state.origins.keys()].map((origin, i) => [origin, seqs[i % 2]])) : undefined;
          const query = { after, upto: state.head, origins, beyond, limit, bytesMax };
          const found = recent.read(query);
          if (found) expect(found).to.deep.equal(await at.store.readLog(query));
          const position = recent.positionAt(Math.min(after, state.head));
          // A feed that has nothing in memory asks the store.
          const cold = await openLog({ disk: at.disk, time: at.time });
          if (position) expect(positionsEqual(position, await cold.feed.positionAt(Math.min(after, state.head)))).to.equal(true);
        },
      ),
      { numRuns: 60 },
    ));

  it('spares a reader that keeps up the store, and sends one that is behind to it', async () => {
    const at = await openLog({ limits: { recentBytes: 2000 } });
    const feed = new Feed(at.store, at.log, at.time, limits);
    const upTo = async (index: number) => (await feed.read(ask({ start: { kind: 'offset', index } }), never)).records.length;
    for (let i = 0; i < 20; i++) {
      await at.tree.put(p(`/f${i}`), file('x'), mode);
      expect(await upTo(i)).to.equal(1);
    }
    expect(feed.reads).to.equal(0);
    expect(await upTo(0)).to.equal(20);
    expect(feed.reads).to.equal(1);
  });

  it('keeps nothing once more was written than it keeps and nobody has read, until somebody reads again', async () => {
    const at = await openLog({ limits: { recentBytes: 2000 } });
    const feed = new Feed(at.store, at.log, at.time, limits);
    for (let i = 0; i < 20; i++) await at.tree.put(p(`/f${i}`), file('x'), mode);
    const upTo = async (index: number) => (await feed.read(ask({ start: { kind: 'offset', index } }), never)).records.length;
    expect([await upTo(19), feed.reads]).to.deep.equal([1, 1]);
    await at.tree.put(p('/f20'), file('x'), mode);
    expect([await upTo(20), feed.reads]).to.deep.equal([1, 1]);
  });

  it('begins anew when a snapshot moves an origin without a record', async () => {
    const other = 'b'.repeat(16);
    const { disk, time, log } = await openLog();
    await log.alone(async (draft) => {
      draft.know(other);
      await draft.flush();
    });
    const at = await openLog({ disk, time });
    await at.tree.put(p('/a'), file(), mode);
    await at.log.alone(async (draft) => {
      draft.setOrigin({ ...originStart(other), seq: 13, first: 14 });
      await draft.flush();
    });
    await at.tree.put(p('/b'), file(), mode);
    expect((await at.feed.positionAt(1)).get(other)).to.equal(13);
  });

  it('begins anew when the log is more than appended to', () => {
    const origin = 'a'.repeat(16);
    const stateAt = (seq: number) =>
      ({ head: seq, first: 1, origins: new Map([[origin, { origin, seq }]]) }) as unknown as ConstructorParameters<typeof RecentRecords>[0];
    const recent = new RecentRecords(stateAt(3), 1000);
    recent.follow(stateAt(9), null);
    expect(recent.read({ after: 3, limit: 10, bytesMax: 1000 })).to.equal(null);
    expect(recent.read({ after: 9, limit: 10, bytesMax: 1000 })).to.deep.equal([]);
    expect(recent.positionAt(9)).to.deep.equal(new Map([[origin, 9]]));
  });
});
