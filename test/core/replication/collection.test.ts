import { expect } from 'chai';
import { closingPath } from '../../../src/core/log/closed.js';
import { Collection, reporters } from '../../../src/core/replication/collection.js';
import { hashesOf } from '../../../src/core/replication/branches.js';
import type { StoreReader } from '../../../src/core/store/store.js';
import { expectConsistent } from '../../support/history.js';
import { openFiler, type MemoryFiler } from '../../support/memory-peer.js';
import { file, mode, never, openLog, p, pull, rowsIn } from '../../support/open-log.js';
import { alpha } from '../../support/store-values.js';

const limits = { tombstoneRetentionMs: 60_000, collectRows: 2 };
const put = (at: MemoryFiler, path: string) => at.core.tree.put(p(path), file('x'), mode);
const tombstones = async (at: MemoryFiler) => (await rowsIn(at.core.store)).filter(({ entry }) => entry === null).map(({ path }) => path as string);

const collecting = (at: MemoryFiler, options: { store?: Pick<StoreReader, 'tombstones'>; mayCollect?: () => boolean } = {}) => {
  const { log, store, time } = at.core;
  return new Collection(log, options.store ?? store, time, limits, at.reports, options.mayCollect ?? (() => true));
};

/** What a poll does: `from` says to `to` where it is; then `to` looks at the reports it holds. */
async function report(from: MemoryFiler, to: MemoryFiler): Promise<void> {
  await to.source.greet(from.caller());
  await to.reports.settle(to.core.log.state, hashesOf(to.core.store));
}

/** The origins whose reports keep a tombstone. */
async function heldBy(at: MemoryFiler, collection: Collection): Promise<string[]> {
  const origins = reporters(at.core.log.state, at.reports);
  const hold = await collection.holding(origins.map((origin) => at.reports.settled(origin)));
  return origins.filter((_, i) => hold[i]);
}

/** Files made and removed, and old enough by now. */
async function remove(at: MemoryFiler, ...paths: string[]): Promise<void> {
  for (const path of paths) await put(at, path);
  for (const path of paths) await at.core.tree.remove(p(path), false);
  await at.core.time.advance(limits.tombstoneRetentionMs + 1);
}

/** Two filers that know each other and have the same. */
async function pair(): Promise<[MemoryFiler, MemoryFiler]> {
  const [at, peer] = [await openFiler('at:1'), await openFiler('peer:1')];
  await at.source.greet(peer.caller());
  await peer.source.greet(at.caller());
  at.reports.forget();
  return [at, peer];
}

describe('Collection', () => {
  it('drops by age alone where nobody else is known', async () => {
    const at = await openFiler('at:1');
    await remove(at, '/a', '/b', '/c', '/d', '/e');
    await put(at, '/young');
    await at.core.tree.remove(p('/young'), false);
    await put(at, '/live');
    const collection = collecting(at);
    expect([await collection.collect(never), collection.dropped]).to.deep.equal([5, 5]);
    expect([await tombstones(at), at.core.log.state.counts.tombstones]).to.deep.equal([['/young'], 1]);
    await expectConsistent(at.core);
    await expectConsistent(await openLog({ disk: at.core.disk, time: at.core.time }));
  });

  it('drops nothing without the report of every origin, and tells whose is missing', async () => {
    const [at, peer] = await pair();
    const third = await openFiler('third:1');
    await pull(at.core, third.core);
    await third.source.greet(at.caller());
    await at.source.greet(third.caller());
    await remove(at, '/a');
    for (const other of [peer, third]) await pull(at.core, other.core);
    at.reports.forget();
    const collection = collecting(at);
    expect(await heldBy(at, collection)).to.have.members([peer.origin, third.origin]);
    await report(peer, at);
    expect([await collection.collect(never), await heldBy(at, collection)]).to.deep.equal([0, [third.origin]]);
    await third.source.greet(peer.caller());
    await report(third, at);
    expect([await collection.collect(never), await heldBy(at, collection)]).to.deep.equal([1, []]);
  });

  it('keeps what a report has not seen', async () => {
    const [at, peer] = await pair();
    await remove(at, '/a');
    await pull(at.core, peer.core);
    await remove(at, '/b');
    await report(peer, at);
    const collection = collecting(at);
    expect([await collection.collect(never), await tombstones(at)]).to.deep.equal([1, ['/b']]);
    expect(await heldBy(at, collection), 'what it said is too old').to.deep.equal([peer.origin]);
    await pull(at.core, peer.core);
    await report(peer, at);
    expect(await heldBy(at, collection)).to.deep.equal([]);
  });

  it('is held by nobody while nothing is old enough to go', async () => {
    const [at, peer] = await pair();
    await put(at, '/a');
    await at.core.tree.remove(p('/a'), false);
    const collection = collecting(at);
    expect(await heldBy(at, collection)).to.deep.equal([]);
    await at.core.time.advance(limits.tombstoneRetentionMs + 1);
    expect(await heldBy(at, collection)).to.deep.equal([peer.origin]);
  });

  it('waits until what the others had seen is here: it could bring back what the tombstone deletes', async () => {
    const [at, peer] = await pair();
    await remove(at, '/a');
    await pull(at.core, peer.core);
    await put(peer, '/other');
    await report(peer, at);
    const collection = collecting(at);
    expect(await collection.collect(never)).to.equal(0);
    await pull(peer.core, at.core);
    await report(peer, at);
    expect(await collection.collect(never)).to.equal(1);
  });

  it('drops nothing if an origin becomes known between the look and the transaction', async () => {
    const at = await openFiler('at:1');
    await remove(at, '/a');
    const { store, log } = at.core;
    const between: Pick<StoreReader, 'tombstones'> = {
      tombstones: async (...query) => {
        const rows = await store.tombstones(...query);
        await log.alone(async (draft) => {
          draft.know(alpha);
          await draft.flush();
        });
        return rows;
      },
    };
    expect([await collecting(at, { store: between }).collect(never), await tombstones(at)]).to.deep.equal([0, ['/a']]);
  });

  it('judges a path as it stands in the transaction', async () => {
    const at = await openFiler('at:1');
    await remove(at, '/a', '/b');
    const { store } = at.core;
    const between: Pick<StoreReader, 'tombstones'> = {
      tombstones: async (...query) => {
        const rows = await store.tombstones(...query);
        if (rows.length > 0) await put(at, '/a');
        return rows;
      },
    };
    expect(await collecting(at, { store: between }).collect(never)).to.equal(1);
    expect((await rowsIn(store)).map(({ path, entry }) => [path, entry !== null])).to.deep.equal([['/a', true]]);
    await expectConsistent(at.core);
  });

  it('needs no report of a closed origin once everybody who may write has seen that it is closed', async () => {
    const [at, peer] = await pair();
    await at.core.log.alone(async (draft) => {
      draft.know(alpha);
      await draft.flush();
    });
    await remove(at, '/a');
    await pull(at.core, peer.core);
    await peer.source.greet(at.caller());
    await report(peer, at);
    const collection = collecting(at);
    expect(await heldBy(at, collection)).to.deep.equal([alpha]);
    const path = closingPath(alpha);
    await at.core.log.commit({
      paths: [path],
      bytes: 1,
      decide: (draft) => draft.issue({ kind: 'put', path, entry: { name: '', isDirectory: false } }),
    });
    expect([await collection.collect(never), await heldBy(at, collection)], 'the peer may still take changes of it').to.deep.equal([0, [alpha]]);
    await pull(at.core, peer.core);
    await report(peer, at);
    expect([await collection.collect(never), await heldBy(at, collection)]).to.deep.equal([1, []]);
  });

  it('raises the floor, and no version below it is issued any more, whatever the clock says after a restart', async () => {
    const at = await openFiler('at:1');
    await remove(at, '/a', '/b', '/c');
    const newest = Math.max(...(await rowsIn(at.core.store)).map(({ version }) => version));
    await collecting(at).collect(never);
    expect(at.core.log.identity.floor).to.equal(newest);
    at.core.time.step(-3600e6);
    // Without its log, nothing but the floor could tell.
    await at.core.log.alone(async (draft) => {
      await draft.empty('00000001');
      await draft.flush();
    });
    const again = await openLog({ disk: at.core.disk, time: at.core.time });
    await again.tree.put(p('/a'), file('x'), mode);
    expect((await rowsIn(again.store))[0].version).to.be.above(newest);
  });

  it('drops nothing while a snapshot is staged, while a branch is given up, or before it is ready', async () => {
    const at = await openFiler('at:1');
    await remove(at, '/a');
    expect(await collecting(at, { mayCollect: () => false }).collect(never), 'staging').to.equal(0);
    const partFrom = (origin: string | null) =>
      at.core.log.alone(async (draft) => {
        if (origin === null) draft.clearParted();
        else draft.setPartedFrom(origin, null);
        await draft.flush();
      });
    await partFrom(alpha);
    expect(await collecting(at).collect(never), 'parted').to.equal(0);
    await partFrom(null);
    await at.setPhase('rejoining');
    expect(await collecting(at).collect(never), 'rejoining').to.equal(0);
    await at.setPhase('ready');
    expect(await collecting(at).collect(never)).to.equal(1);
  });

  it('keeps a tombstone without a dot: nobody can have seen it', async () => {
    const at = await openFiler('at:1');
    await remove(at, '/a');
    const [row] = await rowsIn(at.core.store);
    await at.core.log.alone(async (draft) => {
      await draft.load([row.path]);
      draft.setRow(row.path, { ...row, dot: null });
      await draft.flush();
    });
    expect([await collecting(at).collect(never), await tombstones(at)]).to.deep.equal([0, ['/a']]);
  });
});
