import { expect } from 'chai';
import { receiveChange } from '../../../src/core/change/refused.js';
import { originStart } from '../../../src/core/log/log-state.js';
import { silentLogger } from '../../../src/core/logger.js';
import { Parting } from '../../../src/core/replication/parting.js';
import { ForgedLog } from '../../support/forged-log.js';
import { expectConsistent, expectSame } from '../../support/history.js';
import { forgetRuns, openFiler, type MemoryFiler } from '../../support/memory-peer.js';
import { file, mode, never, openLog, p, pull, read, rowsIn } from '../../support/open-log.js';
import { branchOf, followers, hashAt, putBack, snapshotAndFollower, trim } from '../../support/parted-histories.js';

const put = (at: MemoryFiler, path: string, text = 'x') => at.core.tree.put(p(path), file(text), mode);
const remove = (at: MemoryFiler, path: string) => at.core.tree.remove(p(path), false);
const parting = ({ core: { log, store, time } }: MemoryFiler) =>
  new Parting({ log, store, time, logger: silentLogger, limits: { draftRows: 2, peerSilentMs: 15_000 } });
const at = ({ origin, core }: MemoryFiler) => ({ origin, head: core.log.position });

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
