import { expect } from 'chai';
import { silentLogger } from '../../../src/core/logger.js';
import { findBranch, hashesAt, Parting } from '../../../src/core/replication/parting.js';
import { expectConsistent, expectSame } from '../../support/history.js';
import { openFiler, type MemoryFiler } from '../../support/memory-peer.js';
import { file, mode, never, openLog, p, pull, read, rowsIn } from '../../support/open-log.js';
import { alpha } from '../../support/store-values.js';

const put = (at: MemoryFiler, path: string, text = 'x') => at.core.tree.put(p(path), file(text), mode);
const remove = (at: MemoryFiler, path: string) => at.core.tree.remove(p(path), false);
const branchOf = (at: MemoryFiler, peer: MemoryFiler) => findBranch(peer.info(), peer.peer, at.core.log, at.core.store, never);
const parting = ({ core: { log, store, time } }: MemoryFiler) => new Parting({ log, store, time, logger: silentLogger, limits: { draftRows: 2 } });
const at = ({ origin, core }: MemoryFiler) => ({ origin, head: core.log.position });

async function trim(filer: MemoryFiler, through: number): Promise<void> {
  await filer.core.log.alone(async (draft) => {
    await draft.trim(through);
    await draft.flush();
  });
}

/** Gives up what parts from `peer`, which must be this store's part. */
async function giveUp(filer: MemoryFiler, peer: MemoryFiler): Promise<Parting> {
  const branch = await branchOf(filer, peer);
  if (!branch?.isOurs) throw new Error('it is not this store that gives up');
  const parted = parting(filer);
  await parted.giveUp(branch, peer.info());
  return parted;
}

async function writeMany(filer: MemoryFiler, count: number, text: string): Promise<void> {
  for (let i = 0; i < count; i++) await put(filer, `/${text}${i}`, text);
}

/** The owner of an origin, put back to an older state without a trace and written to since; and a peer that has followed what it wrote before. */
async function putBack(options: { shared: number; lost: number; written: number }): Promise<[owner: MemoryFiler, peer: MemoryFiler]> {
  const [first, peer] = [await openFiler('owner:1'), await openFiler('peer:1')];
  await writeMany(first, options.shared, 'shared');
  const backup = first.core.disk.clone();
  backup.restored = false;
  await writeMany(first, options.lost, 'lost');
  await pull(first.core, peer.core);
  const owner = await openFiler('owner:1', 'ready', { disk: backup, time: first.core.time });
  await owner.core.time.advance(1000);
  await writeMany(owner, options.written, 'written');
  return [owner, peer];
}

/** Two filers that have followed one branch each of a third one's log. */
async function followers(options: { shared: number; lost: number; written: number }): Promise<[MemoryFiler, MemoryFiler, string]> {
  const [owner, one] = await putBack(options);
  const other = await openFiler('other:1');
  await pull(owner.core, other.core);
  return [one, other, owner.origin];
}

describe('findBranch', () => {
  it('finds nothing between filers of one history, wherever they are', async () => {
    const [a, b] = [await openFiler('a:1'), await openFiler('b:1')];
    await writeMany(a, 3, 'a');
    await pull(a.core, b.core);
    await writeMany(a, 2, 'more');
    await writeMany(b, 2, 'b');
    await trim(b, 2);
    expect([await branchOf(a, b), await branchOf(b, a)]).to.deep.equal([null, null]);
  });

  for (const shared of [0, 1, 5])
    for (const [lost, written] of [
      [1, 1],
      [1, 6],
      [7, 2],
    ])
      it(`finds ${shared} common changes before ${lost} and ${written} others, and the owner gives up`, async () => {
        const [owner, peer] = await putBack({ shared, lost, written });
        const branch = { origin: owner.origin, common: shared, foreign: shared + 1 };
        expect([await branchOf(owner, peer), await branchOf(peer, owner)]).to.deep.equal([
          { ...branch, isOurs: true },
          { ...branch, isOurs: false },
        ]);
        expect(owner.calls.length, 'questions').to.be.below(6);
      });

  it('lets exactly one of two followers give up, and both say so', async () => {
    for (const [lost, written] of [
      [1, 1],
      [4, 2],
      [2, 5],
      [3, 3],
    ]) {
      const [one, other, origin] = await followers({ shared: 3, lost, written });
      const [mine, theirs] = [await branchOf(one, other), await branchOf(other, one)];
      expect([mine?.origin, mine?.common, theirs?.origin, theirs?.common]).to.deep.equal([origin, 3, origin, 3]);
      expect(mine?.isOurs).to.equal(!theirs?.isOurs);
    }
  });

  it('decides alike on both sides of trimmed logs, and calls nothing common that one of the two has dropped', async () => {
    for (const [through, common, foreign] of [
      [2, 3, 4],
      [3, 3, 4],
      [4, 0, 4],
      [5, 0, 5],
    ]) {
      const [one, other] = await followers({ shared: 3, lost: 4, written: 4 });
      await trim(other, through);
      const [mine, theirs] = [await branchOf(one, other), await branchOf(other, one)];
      expect([mine?.common, mine?.foreign, theirs?.common, theirs?.foreign]).to.deep.equal([common, foreign, common, foreign]);
      expect(mine?.isOurs).to.equal(!theirs?.isOurs);
    }
  });

  it('takes a peer that has more of the own log for a branch, even if nothing was written since', async () => {
    const [owner, peer] = await putBack({ shared: 2, lost: 3, written: 0 });
    expect(await branchOf(owner, peer)).to.deep.equal({ origin: owner.origin, common: 2, foreign: 3, isOurs: true });
    expect(await branchOf(peer, owner), 'the peer is merely ahead').to.equal(null);
  });
});

describe('hashesAt', () => {
  it('tells what the log and its edges know, and null for the rest', async () => {
    const filer = await openFiler('a:1');
    await writeMany(filer, 4, 'a');
    const hashes = (await read(filer.core)).records.map(({ hash }) => hash);
    await trim(filer, 2);
    const { origin, core } = filer;
    const told = [1, 2, 3, 4, 5].map(async (seq) => (await hashesAt(core.log.state, core.store, new Map([[origin, seq]]))).get(origin));
    expect(await Promise.all(told)).to.deep.equal([null, hashes[1], hashes[2], hashes[3], null]);
    expect(await hashesAt(core.log.state, core.store, new Map([[alpha, 1]]))).to.deep.equal(new Map([[alpha, null]]));
  });
});

describe('giving up a branch', () => {
  it('cuts the log, takes the dots from its rows, and goes on under a new origin and feed', async () => {
    const [owner, peer] = await putBack({ shared: 2, lost: 1, written: 3 });
    await remove(owner, '/shared0');
    const { origin, core } = owner;
    const { epoch, storeId } = core.log.identity;
    await giveUp(owner, peer);
    expect(core.log.identity).to.deep.include({ storeId, former: [origin], phase: 'ready' });
    expect([core.log.identity.origin === origin, core.log.identity.epoch === epoch, core.log.state.partedFrom]).to.deep.equal([false, false, peer.origin]);
    expect([...core.log.position]).to.have.deep.members([
      [origin, 2],
      [owner.origin, 0],
    ]);
    expect((await read(owner.core)).records.map(({ seq }) => seq)).to.deep.equal([1, 2]);
    expect((await rowsIn(core.store)).map(({ path, entry, dot }) => [path, entry !== null, dot])).to.deep.equal([
      ['/shared0', false, null],
      ['/shared1', true, { origin, seq: 2 }],
      ['/written0', true, null],
      ['/written1', true, null],
      ['/written2', true, null],
    ]);
    await expectConsistent(core);
    expect((await openLog({ disk: core.disk })).log.state.partedFrom, 'after a restart').to.equal(peer.origin);
  });

  it('keeps the own origin when the log of another one parts', async () => {
    const [one, other, origin] = await followers({ shared: 2, lost: 2, written: 2 });
    const [loser, winner] = (await branchOf(one, other))?.isOurs ? [one, other] : [other, one];
    const own = loser.origin;
    await giveUp(loser, winner);
    expect([loser.origin, loser.core.log.identity.former, loser.core.log.position.get(origin)]).to.deep.equal([own, [], 2]);
  });

  it('has nothing to write again where nothing was written', async () => {
    const [owner, peer] = await putBack({ shared: 2, lost: 3, written: 0 });
    await giveUp(owner, peer);
    await pull(peer.core, owner.core);
    expect(owner.core.log.state.partedFrom).to.equal(null);
    await expectSame(owner.core, peer.core);
  });
});

describe('what is left of a branch', () => {
  it('is written again when it still stands, tombstones too, and both trees are the same', async () => {
    const [owner, peer] = await putBack({ shared: 3, lost: 3, written: 3 });
    await remove(owner, '/shared0');
    await put(owner, '/lost1', 'by the owner');
    const parted = await giveUp(owner, peer);
    await parted.finish([at(peer)], false);
    expect(owner.core.log.state.partedFrom, 'not level yet').to.equal(peer.origin);
    await pull(peer.core, owner.core);
    await parted.finish([at(peer)], false);
    const { origin } = owner;
    expect([owner.core.log.state.partedFrom, owner.core.log.position.get(origin)]).to.deep.equal([null, 5]);
    const again = (await rowsIn(owner.core.store)).filter(({ dot }) => dot?.origin === origin);
    expect(again.map(({ path, entry, dot }) => [path, entry !== null, dot?.seq])).to.deep.equal([
      ['/lost1', true, 1],
      ['/shared0', false, 2],
      ['/written0', true, 3],
      ['/written1', true, 4],
      ['/written2', true, 5],
    ]);
    await pull(owner.core, peer.core);
    await expectSame(owner.core, peer.core);
    for (const filer of [owner, peer]) await expectConsistent(filer.core);
    expect(await branchOf(owner, peer)).to.equal(null);
  });

  it('goes to the ledger, and is not written again, where the other branch has what is newer', async () => {
    const [owner, peer] = await putBack({ shared: 1, lost: 1, written: 1 });
    await peer.core.time.advance(5000);
    await put(peer, '/written0', 'by the peer');
    const parted = await giveUp(owner, peer);
    await pull(peer.core, owner.core);
    await parted.finish([at(peer)], false);
    expect([owner.core.log.position.get(owner.origin), owner.core.log.digest]).to.deep.equal([0, peer.core.log.digest]);
    const [conflict] = await owner.core.store.readConflicts({ limit: 10, bytesMax: 1e9 });
    expect([conflict.path, conflict.type, JSON.parse(conflict.loser.entry ?? '').content]).to.deep.equal(['/written0', 'update/update', 'd3JpdHRlbg==']);
  });

  it('is left out, and named in the ledger, where the others may have had it, deleted it and forgotten that', async () => {
    const [owner, peer] = await putBack({ shared: 4, lost: 2, written: 2 });
    await peer.core.time.advance(5000);
    await remove(peer, '/shared0');
    const [{ version: floor }] = await peer.core.store.find('tree', [p('/shared0')]);
    expect(floor).to.be.above((await owner.core.store.find('tree', [p('/written1')]))[0].version);
    await peer.core.log.alone(async (draft) => {
      await draft.load([p('/shared0')]);
      draft.setRow(p('/shared0'), null);
      draft.setIdentity({ floor });
      await draft.flush();
    });
    // Up to the fifth change of the owner's, the first one that was lost: what is before it cannot be compared any more.
    await trim(peer, 5);
    const branch = await branchOf(owner, peer);
    expect([branch?.common, branch?.foreign]).to.deep.equal([0, 5]);
    const parted = await giveUp(owner, peer);
    await owner.bootstrap().take(peer.peer, peer.info(), 'staging', never);
    await parted.finish([at(peer)], false);
    const paths = (await rowsIn(owner.core.store)).filter(({ entry }) => entry !== null).map(({ path }) => path);
    expect(paths).to.deep.equal(['/lost0', '/lost1', '/shared1', '/shared2', '/shared3', '/written0', '/written1']);
    const ledger = await owner.core.store.readConflicts({ limit: 10, bytesMax: 1e9 });
    expect(ledger.map(({ path, type, winner, loser }) => [path, type, winner.deleted, winner.version, loser.entry !== null])).to.deep.equal([
      ['/shared0', 'update/delete', true, floor, true],
    ]);
    expect(owner.core.log.state.doubts).to.deep.equal([]);
    await expectConsistent(owner.core);
    await pull(owner.core, peer.core);
    await expectSame(owner.core, peer.core);
  });

  it('comes together from a branch that another filer had followed too', async () => {
    const [one, other] = await followers({ shared: 3, lost: 4, written: 2 });
    const [loser, winner] = (await branchOf(one, other))?.isOurs ? [one, other] : [other, one];
    const parted = await giveUp(loser, winner);
    await pull(winner.core, loser.core);
    await parted.finish([at(winner)], false);
    await pull(loser.core, winner.core);
    await expectSame(loser.core, winner.core);
    expect(loser.core.log.state.counts.entries).to.equal(9);
  });

  it('waits for where the peer was at first, not for one that is written to without end', async () => {
    const [owner, peer] = await putBack({ shared: 1, lost: 1, written: 1 });
    const parted = await giveUp(owner, peer);
    await parted.finish([at(peer)], false);
    await pull(peer.core, owner.core);
    await put(peer, '/more');
    await parted.finish([at(peer)], false);
    expect(owner.core.log.state.partedFrom).to.equal(null);
  });

  it('waits for everybody it follows if that peer is gone, and for nobody at all only by force', async () => {
    const [owner, peer] = await putBack({ shared: 1, lost: 1, written: 1 });
    const third = await openFiler('third:1');
    await put(third, '/third');
    const parted = await giveUp(owner, peer);
    const waits = async (others: MemoryFiler[], isForced = false) => {
      await parted.finish(others.map(at), isForced);
      return owner.core.log.state.partedFrom !== null;
    };
    expect(await waits([]), 'follows nobody').to.equal(true);
    expect(await waits([third]), 'lacks what the third one has').to.equal(true);
    await pull(third.core, owner.core);
    expect(await waits([third])).to.equal(false);
    const [again, other] = await putBack({ shared: 1, lost: 1, written: 1 });
    const forced = await giveUp(again, other);
    await forced.finish([], true);
    expect([again.core.log.state.partedFrom, again.core.log.position.get(again.origin)]).to.deep.equal([null, 1]);
  });
});
