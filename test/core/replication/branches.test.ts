import { expect } from 'chai';
import { compareWithSnapshot, hashesAt, overlapWith } from '../../../src/core/replication/branches.js';
import { forgetRuns, openFiler, type MemoryFiler } from '../../support/memory-peer.js';
import { failureOf, never, pull, read } from '../../support/open-log.js';
import { branchOf, followers, hashAt, putBack, snapshotAndFollower, snapshotOf, snapshots, trim, writeMany } from '../../support/parted-histories.js';
import { alpha } from '../../support/store-values.js';

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
