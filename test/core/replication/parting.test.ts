import { expect } from 'chai';
import { receiveChange } from '../../../src/core/change/refused.js';
import { originStart } from '../../../src/core/log/log-state.js';
import { silentLogger } from '../../../src/core/logger.js';
import { compareWithSnapshot, findBranch, hashesAt, overlapWith, Parting } from '../../../src/core/replication/parting.js';
import { ForgedLog } from '../../support/forged-log.js';
import { expectConsistent, expectSame } from '../../support/history.js';
import { forgetRuns, openFiler, type MemoryFiler } from '../../support/memory-peer.js';
import { failureOf, file, mode, never, openLog, p, pull, read, rowsIn } from '../../support/open-log.js';
import { alpha } from '../../support/store-values.js';

const put = (at: MemoryFiler, path: string, text = 'x') => at.core.tree.put(p(path), file(text), mode);
const remove = (at: MemoryFiler, path: string) => at.core.tree.remove(p(path), false);
const branchOf = (at: MemoryFiler, peer: MemoryFiler) => findBranch(peer.info(), peer.peer, at.core.log, at.core.store, never);
const parting = ({ core: { log, store, time } }: MemoryFiler) =>
  new Parting({ log, store, time, logger: silentLogger, limits: { draftRows: 2, peerSilentMs: 15_000 } });
const hashAt = async ({ core: { log, store } }: MemoryFiler, origin: string, seq: number) =>
  (await hashesAt(log.state, store, new Map([[origin, seq]]))).get(origin) ?? null;
const at = ({ origin, core }: MemoryFiler) => ({ origin, head: core.log.position });

async function trim(filer: MemoryFiler, through: number): Promise<void> {
  await filer.core.log.alone(async (draft) => {
    await draft.trim(through);
    await draft.flush();
  });
}

/** Drops a row as collection would. */
const drop = (filer: MemoryFiler, path: string) =>
  filer.core.log.alone(async (draft) => {
    await draft.load([p(path)]);
    draft.setRow(p(path), null);
    await draft.flush();
  });

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

/** A filer that has taken a snapshot of another one: its log begins after it. */
async function snapshotOf(source: MemoryFiler, address: string): Promise<MemoryFiler> {
  const reader = await openFiler(address, 'bootstrapping');
  await reader.bootstrap().take(source.peer, source.info(), 'tree', never);
  return reader;
}

/**
 * Two that have come to one of two branches each, which part after 3 changes: one by a snapshot, the other by following; the snapshot was
 * taken beyond where the other one is. Also the origin, and whom the snapshot was taken of.
 */
async function snapshotAndFollower(snapshotOn: 'written' | 'lost'): Promise<[reader: MemoryFiler, follower: MemoryFiler, string, source: MemoryFiler]> {
  const [lost, written] = snapshotOn === 'lost' ? [4, 2] : [2, 4];
  const [owner, peer] = await putBack({ shared: 3, lost, written });
  if (snapshotOn === 'written') return [await snapshotOf(owner, 'reader:1'), peer, owner.origin, owner];
  const follower = await openFiler('follower:1');
  await pull(owner.core, follower.core);
  return [await snapshotOf(peer, 'reader:1'), follower, owner.origin, peer];
}

/** Two that have taken snapshots, one of each branch. */
async function snapshots(): Promise<[MemoryFiler, MemoryFiler, string]> {
  const [owner, peer] = await putBack({ shared: 3, lost: 4, written: 6 });
  return [await snapshotOf(owner, 'one:1'), await snapshotOf(peer, 'other:1'), owner.origin];
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
        const branch = { origin: owner.origin, common: shared, foreign: shared + 1, hash: await hashAt(owner, owner.origin, shared) };
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

  it('finds by runs where trimmed logs part, exactly, and decides alike on both sides', async () => {
    for (const through of [2, 3, 4, 5, 7]) {
      const [one, other] = await followers({ shared: 3, lost: 4, written: 4 });
      for (const filer of through % 2 ? [one, other] : [other]) await trim(filer, through);
      const [mine, theirs] = [await branchOf(one, other), await branchOf(other, one)];
      expect([mine?.common, mine?.foreign, theirs?.common, theirs?.foreign], `trimmed through ${through}`).to.deep.equal([3, 4, 3, 4]);
      expect([mine?.isOurs, theirs?.isOurs], 'the branch that begins no run is given up').to.deep.equal([true, false]);
    }
  });

  it('decides alike without runs too, and calls nothing common that one of the two has dropped', async () => {
    for (const [through, common, foreign] of [
      [2, 3, 4],
      [3, 3, 4],
      [4, 0, 4],
      [5, 0, 5],
    ]) {
      const [one, other] = await followers({ shared: 3, lost: 4, written: 4 });
      for (const filer of [one, other]) await forgetRuns(filer);
      await trim(other, through);
      const [mine, theirs] = [await branchOf(one, other), await branchOf(other, one)];
      expect([mine?.common, mine?.foreign, theirs?.common, theirs?.foreign]).to.deep.equal([common, foreign, common, foreign]);
      expect(mine?.isOurs).to.equal(!theirs?.isOurs);
    }
  });

  it('asks for hashes where the runs known begin after logs have parted', async () => {
    const first = await openFiler('owner:1');
    await writeMany(first, 4, 'shared');
    await forgetRuns(first);
    const backup = first.core.disk.clone();
    backup.restored = false;
    const peer = await openFiler('peer:1');
    await pull(first.core, peer.core);
    await forgetRuns(peer);
    const before = await first.restart();
    await writeMany(before, 2, 'lost');
    await pull(before.core, peer.core);
    const owner = await openFiler('owner:1', 'ready', { disk: backup, time: first.core.time });
    await owner.core.time.advance(1000);
    await writeMany(owner, 2, 'written');
    for (const { core } of [owner, peer]) expect(core.log.state.origins.get(owner.origin)?.runs.map(({ seq }) => seq)).to.deep.equal([5]);
    const branch = { origin: owner.origin, common: 4, foreign: 5, hash: await hashAt(owner, owner.origin, 4) };
    expect([await branchOf(owner, peer), await branchOf(peer, owner)]).to.deep.equal([
      { ...branch, isOurs: true },
      { ...branch, isOurs: false },
    ]);
  });

  describe('between filers whose logs begin after the histories part', () => {
    it('finds by runs what no hash tells, and decides alike on both sides', async () => {
      for (const [one, other, origin] of [await snapshotAndFollower('written'), await snapshotAndFollower('lost'), await snapshots()]) {
        const [mine, theirs] = [await branchOf(one, other), await branchOf(other, one)];
        expect([mine, theirs].map((branch) => [branch?.origin, branch?.common, branch?.foreign])).to.deep.equal([
          [origin, 3, 4],
          [origin, 3, 4],
        ]);
        expect([mine?.isOurs, theirs?.isOurs]).to.have.members([true, false]);
      }
    });

    it('finds nothing between those that took a snapshot of one branch', async () => {
      const [reader, , , source] = await snapshotAndFollower('written');
      const late = await snapshotOf(source, 'late:1');
      await writeMany(source, 2, 'more');
      await pull(source.core, late.core);
      for (const [a, b] of [
        [reader, source],
        [source, reader],
        [reader, late],
        [late, reader],
      ])
        expect(await branchOf(a, b)).to.equal(null);
      const overlap = await overlapWith(late.info(), late.peer, reader.core.log.state, reader.core.store, never);
      expect(overlap.get(source.origin), 'all of it is common').to.deep.equal({ common: 9, foreign: 10 });
    });

    it('lets the owner give up, from the change on where they part', async () => {
      const [owner, peer] = await putBack({ shared: 3, lost: 4, written: 2 });
      const reader = await snapshotOf(peer, 'reader:1');
      const branch = { origin: owner.origin, common: 3, foreign: 4, hash: await hashAt(owner, owner.origin, 3) };
      expect([await branchOf(owner, reader), await branchOf(reader, owner)]).to.deep.equal([
        { ...branch, isOurs: true },
        { ...branch, isOurs: false },
      ]);
    });

    it('knows nothing of it without runs', async () => {
      const [reader, follower, origin] = await snapshotAndFollower('written');
      await forgetRuns(reader);
      expect([await branchOf(reader, follower), await branchOf(follower, reader)]).to.deep.equal([null, null]);
      const overlap = await overlapWith(follower.info(), follower.peer, reader.core.log.state, reader.core.store, never);
      expect(overlap.get(origin)).to.deep.equal({ common: 0, foreign: 6 });
    });
  });

  it('takes a peer that has more of the own log for a branch, even if nothing was written since', async () => {
    const [owner, peer] = await putBack({ shared: 2, lost: 3, written: 0 });
    const hash = await hashAt(peer, owner.origin, 2);
    expect(await branchOf(owner, peer)).to.deep.equal({ origin: owner.origin, common: 2, foreign: 3, hash, isOurs: true });
    expect(await branchOf(peer, owner), 'the peer is merely ahead').to.equal(null);
  });
});

describe('compareWithSnapshot', () => {
  const compare = (filer: MemoryFiler, source: MemoryFiler) =>
    compareWithSnapshot(new Map(source.core.log.state.origins), source.peer, filer.core.log, filer.core.store, never);

  it('refuses a snapshot of another branch, be it that only runs tell', async () => {
    for (const wasOn of ['written', 'lost'] as const) {
      const [reader, follower, origin] = await snapshotAndFollower(wasOn);
      for (const [at, source] of [
        [reader, follower],
        [follower, reader],
      ]) {
        const failure = await failureOf(() => compare(at, source));
        expect([failure.code, failure.fields]).to.deep.equal(['ORIGIN_DIVERGED', { origin }]);
      }
    }
  });

  it('passes one of the same history, wherever either log begins, and tells where this store is', async () => {
    const [reader, , , source] = await snapshotAndFollower('written');
    await writeMany(source, 2, 'more');
    expect(await compare(reader, source)).to.deep.equal(reader.core.log.position);
    expect(await compare(source, reader)).to.deep.equal(source.core.log.position);
  });

  it('passes what nothing tells apart', async () => {
    const [reader, follower] = await snapshotAndFollower('written');
    await forgetRuns(reader);
    expect(await compare(reader, follower)).to.deep.equal(reader.core.log.position);
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

describe('a branch whose deletions may be forgotten', () => {
  const versionAt = async ({ core, origin }: MemoryFiler, seq: number) => (await core.store.findRecord({ origin, seq }))?.version ?? 0;
  const setFloor = (filer: MemoryFiler, floor: number) =>
    filer.core.log.alone(async (draft) => {
      draft.setIdentity({ floor });
      await draft.flush();
    });
  /** One that is to give up what it wrote after 2: a put, a deletion, a put. */
  async function withDeletion(): Promise<[owner: MemoryFiler, hasForgotten: () => Promise<boolean>]> {
    const [owner, peer] = await putBack({ shared: 2, lost: 1, written: 1 });
    await remove(owner, '/shared0');
    await put(owner, '/last');
    const branch = await branchOf(owner, peer);
    if (!branch) throw new Error('nothing parts');
    return [owner, () => parting(owner).mayHaveForgotten(branch)];
  }

  it('is found by the floor: what is above it, no snapshot lacks', async () => {
    const [owner, hasForgotten] = await withDeletion();
    expect(await hasForgotten(), 'nothing was ever forgotten').to.equal(false);
    await setFloor(owner, (await versionAt(owner, 4)) - 1);
    expect(await hasForgotten(), 'older than the deletion, not than the first change').to.equal(false);
    await setFloor(owner, await versionAt(owner, 4));
    expect(await hasForgotten()).to.equal(true);
  });

  it('is taken for one where the log does not reach back to where it begins', async () => {
    const [owner, hasForgotten] = await withDeletion();
    await setFloor(owner, 1);
    expect(await hasForgotten()).to.equal(false);
    await trim(owner, 3);
    expect(await hasForgotten()).to.equal(true);
  });

  it('is none where nothing was written on it', async () => {
    const [owner, peer] = await putBack({ shared: 2, lost: 1, written: 0 });
    await setFloor(owner, Number.MAX_SAFE_INTEGER);
    const branch = await branchOf(owner, peer);
    expect(branch && (await parting(owner).mayHaveForgotten(branch))).to.equal(false);
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

  it('knows no other runs afterwards than those of the other branch', async () => {
    const [owner, peer] = await putBack({ shared: 2, lost: 1, written: 3 });
    const { origin } = owner;
    const runs = () => owner.core.log.state.origins.get(origin)?.runs;
    expect(runs()?.map(({ seq }) => seq)).to.deep.equal([1, 3]);
    await giveUp(owner, peer);
    expect(runs()).to.deep.equal(peer.core.log.state.origins.get(origin)?.runs).and.have.length(1);
  });

  it('goes back no further than to where the logs part, though the own one begins only after that', async () => {
    const [reader, follower, origin] = await snapshotAndFollower('lost');
    await remove(follower, '/shared1');
    await pull(follower.core, reader.core);
    await drop(reader, '/shared1');
    await giveUp(reader, follower);
    const hash = await hashAt(follower, origin, 3);
    expect(reader.core.log.state.origins.get(origin)).to.deep.include({ seq: 3, hash, first: 4, firstHash: hash });
    expect(reader.core.log.state.doubts).to.deep.equal([]);
    expect((await rowsIn(reader.core.store)).map(({ path, dot }) => [path, dot?.seq ?? null])).to.deep.equal([
      ['/lost0', null],
      ['/lost1', null],
      ['/lost2', null],
      ['/lost3', null],
      ['/shared0', 1],
      ['/shared2', 3],
    ]);
    // The follower still has all of the log: what is deleted and forgotten here must not come again.
    await pull(follower.core, reader.core);
    expect(reader.core.log.state.origins.get(origin)).to.deep.include({ seq: 5, hash: await hashAt(follower, origin, 5), first: 4 });
    expect((await rowsIn(reader.core.store)).map(({ path }) => path))
      .to.include('/written0')
      .and.not.include('/shared1');
    await expectConsistent(reader.core);
    await expectConsistent((await reader.restart()).core);
  });

  it('gives up all of a log where neither of the two knows the hash at which they part: what follows could not be chained to it', async () => {
    const [reader, follower, origin] = await snapshotAndFollower('lost');
    await trim(follower, 4);
    await giveUp(reader, follower);
    expect(reader.core.log.state.origins.get(origin)).to.deep.equal(originStart(origin));
    expect((await rowsIn(reader.core.store)).map(({ dot }) => dot)).to.deep.equal(new Array(7).fill(null));
    expect(reader.core.log.state.doubts).to.deep.equal([{ origin, before: Number.MAX_SAFE_INTEGER }]);
    await expectConsistent(reader.core);
  });

  it('keeps what a good change of the branch would have brought that only waits here: nobody else need have it', async () => {
    const [filer, other] = [await openFiler('one:1'), await openFiler('other:1')];
    const log = new ForgedLog('1'.repeat(16), filer.core.time.micros());
    log.put('/shared');
    log.putBad('/held');
    log.put('/held/below');
    await filer.core.log.apply(log.texts.map((text) => receiveChange(text)));
    await other.core.log.apply([receiveChange(log.texts[0])]);
    expect(filer.core.log.state.quarantine.size).to.equal(2);
    const parted = parting(filer);
    await parted.giveUp({ origin: log.origin, common: 1, foreign: 2, hash: null }, other.info());
    expect(filer.core.log.state.quarantine.size).to.equal(0);
    await parted.finish([at(other)], false);
    expect((await rowsIn(filer.core.store)).map(({ path, dot }) => [path, dot?.origin])).to.deep.equal([
      ['/shared', log.origin],
      ['/held/below', filer.origin],
    ]);
    await expectConsistent(filer.core);
  });

  it('leaves only the peer with the other branch to relay that log, until it goes on here or that peer has had its time', async () => {
    const [one, other, origin] = await followers({ shared: 2, lost: 2, written: 2 });
    const [loser, winner] = (await branchOf(one, other))?.isOurs ? [one, other] : [other, one];
    const parted = await giveUp(loser, winner);
    expect([...parted.branches()]).to.deep.equal([[origin, winner.origin]]);
    expect(parted.branches(), 'the same map until it changes').to.equal(parted.branches());
    await pull(winner.core, loser.core);
    expect([...parted.branches()], 'the log goes on').to.deep.equal([]);

    const [owner, peer] = await putBack({ shared: 2, lost: 1, written: 1 });
    const waiting = await giveUp(owner, peer);
    await owner.core.time.advance(14_000);
    expect(waiting.branches().size).to.equal(1);
    await owner.core.time.advance(2000);
    expect(waiting.branches().size, 'it may be gone, and who else has that branch is not known').to.equal(0);
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

  it('is in no position before, so a peer that is there is not taken for one with another tree', async () => {
    const [owner, peer] = await putBack({ shared: 3, lost: 3, written: 3 });
    await put(owner, '/lost1', 'by the owner');
    const parted = await giveUp(owner, peer);
    await pull(peer.core, owner.core);
    await parted.finish([at(peer)], false);
    expect(owner.core.log.state.partedFrom).to.equal(null);
    expect(owner.core.log.digestAt(peer.core.log.position)).to.be.oneOf([null, peer.core.log.digest]);
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

  /** One of two branches, on which the others have deleted what both had, have forgotten that, and no longer have the log of it. */
  async function forgottenDeletion(): Promise<[owner: MemoryFiler, peer: MemoryFiler, floor: number]> {
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
    // Up to the fifth change of the owner's, the first one that was lost: what is before it cannot be compared by hashes any more.
    await trim(peer, 5);
    return [owner, peer, floor];
  }

  async function comeTogether(owner: MemoryFiler, peer: MemoryFiler): Promise<string[]> {
    const parted = await giveUp(owner, peer);
    await owner.bootstrap().take(peer.peer, peer.info(), 'staging', never);
    await parted.finish([at(peer)], false);
    expect([owner.core.log.state.partedFrom, owner.core.log.state.doubts]).to.deep.equal([null, []]);
    const paths = (await rowsIn(owner.core.store)).filter(({ entry }) => entry !== null).map(({ path }) => path);
    await expectConsistent(owner.core);
    await pull(owner.core, peer.core);
    await expectSame(owner.core, peer.core);
    return paths;
  }

  const without = ['/lost0', '/lost1', '/shared1', '/shared2', '/shared3', '/written0', '/written1'];

  it('is nothing but what was written since they parted, where runs tell when that was', async () => {
    const [owner, peer] = await forgottenDeletion();
    const branch = await branchOf(owner, peer);
    expect([branch?.common, branch?.foreign]).to.deep.equal([4, 5]);
    expect(await comeTogether(owner, peer)).to.deep.equal(without);
    expect(await owner.core.store.readConflicts({ limit: 10, bytesMax: 1e9 })).to.deep.equal([]);
  });

  it('is left out, and named in the ledger, where nothing tells that, and the others may have had it, deleted it and forgotten that', async () => {
    const [owner, peer, floor] = await forgottenDeletion();
    for (const filer of [owner, peer]) await forgetRuns(filer);
    const branch = await branchOf(owner, peer);
    expect([branch?.common, branch?.foreign]).to.deep.equal([0, 5]);
    expect(await comeTogether(owner, peer)).to.deep.equal(without);
    const ledger = await owner.core.store.readConflicts({ limit: 10, bytesMax: 1e9 });
    expect(ledger.map(({ path, type, winner, loser }) => [path, type, winner.deleted, winner.version, loser.entry !== null])).to.deep.equal([
      ['/shared0', 'update/delete', true, floor, true],
    ]);
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
