import { expect } from 'chai';
import fc from 'fast-check';
import { receiveChange } from '../../../src/core/change/refused.js';
import { isLive, type Row } from '../../../src/core/change/row.js';
import { checkpointPath, checkpointValue, issueCheckpoint } from '../../../src/core/log/checkpoints.js';
import { overlapWith } from '../../../src/core/replication/branches.js';
import { beginRejoin, finishRejoin, markShort, markTaken, rejoinFromMeta, type Rejoin } from '../../../src/core/replication/rejoin.js';
import { ForgedLog } from '../../support/forged-log.js';
import { anyHistory, expectConsistent, expectSame, run } from '../../support/history.js';
import { openFiler, smallPages, type MemoryFiler } from '../../support/memory-peer.js';
import { codeOf, file, mode, never, p, pull, rowsIn } from '../../support/open-log.js';

const put = (at: MemoryFiler, path: string, text = 'x') => at.core.tree.put(p(path), file(text), mode);
const remove = (at: MemoryFiler, path: string) => at.core.tree.remove(p(path), true);
const content = async (at: MemoryFiler, path: string) => {
  const entry = (await at.core.tree.find(p(path)))?.entry;
  return entry ? Buffer.from(entry.content ?? '', 'base64').toString() : null;
};

/** All that its position says, as where hashes are equal. */
const overlapOf = (peer: MemoryFiler) => new Map([...peer.core.log.position].map(([origin, seq]) => [origin, { common: seq, foreign: seq + 1 }]));
const beginWith = (at: MemoryFiler, peer: MemoryFiler, overlap = overlapOf(peer)) =>
  beginRejoin(at.core.log, { ...peer.info(), overlap, marks: new Map() }, null, null, at.core.time, smallPages);
const begin = async (at: MemoryFiler, peer: MemoryFiler) => (await beginWith(at, peer)).rejoin;
const finish = async (at: MemoryFiler) =>
  finishRejoin(at.core.log, rejoinFromMeta((await at.core.store.load()).meta) as Rejoin, () => at.core.time.micros(), smallPages);

/** A whole rejoin through a peer. */
async function rejoin(at: MemoryFiler, peer: MemoryFiler) {
  const begun = await begin(at, peer);
  await at.bootstrap().take(peer.peer, peer.info(), 'tree', never);
  await markTaken(at.core.log, begun);
  return finish(at);
}

const exchange = async (a: MemoryFiler, b: MemoryFiler) => {
  await pull(a.core, b.core);
  await pull(b.core, a.core);
};

/** A peer, and a filer that shares its past and has worked on since. */
async function parted(): Promise<[MemoryFiler, MemoryFiler]> {
  const [peer, at] = [await openFiler('peer:1'), await openFiler('at:1')];
  await peer.source.greet(at.caller());
  await at.source.greet(peer.caller());
  for (const path of ['/shared/a', '/shared/b', '/shared/c']) await put(peer, path, 'old');
  await put(at, '/ours', 'old');
  await exchange(peer, at);
  return [peer, at];
}

describe('a rejoin', () => {
  it('refuses a write that was let in before it began and comes to its turn after: acknowledged, it would stand under an origin nobody has met', async () => {
    const [peer, at] = await parted();
    const begun = await begin(at, peer);
    // The tree does not ask whether it may: that was done when the request came.
    const late = [put(at, '/late'), at.core.tree.mkdir(p('/later'), mode)].map((write) => codeOf(() => write));
    expect(await Promise.all(late)).to.deep.equal(['BOOTSTRAPPING', 'BOOTSTRAPPING']);
    expect([...at.core.log.position]).to.deep.equal([[at.origin, 0]]);
    await at.bootstrap().take(peer.peer, peer.info(), 'tree', never);
    await markTaken(at.core.log, begun);
    await finish(at);
    await put(at, '/late');
    await pull(at.core, peer.core);
    await expectSame(at.core, peer.core);
  });

  it('begins with a new origin, all rows remembered, and an empty tree', async () => {
    const [peer, at] = await parted();
    await put(at, '/own');
    await remove(at, '/shared/a');
    const { origin, storeId, epoch } = at.core.log.identity;
    await begin(at, peer);
    expect(at.core.log.identity).to.deep.include({ phase: 'rejoining', former: [origin], storeId });
    expect(at.core.log.identity.origin).to.not.equal(origin);
    expect(at.core.log.identity.epoch).to.not.equal(epoch);
    expect([...at.core.log.position]).to.deep.equal([[at.origin, 0]]);
    expect(await rowsIn(at.core.store)).to.deep.equal([]);
    expect((await rowsIn(at.core.store, 'remembered')).map(({ path, entry }) => [path, entry !== null])).to.have.deep.members([
      ['/ours', true],
      ['/own', true],
      ['/shared', true],
      ['/shared/a', false],
      ['/shared/b', true],
      ['/shared/c', true],
    ]);
    await expectConsistent(at.core);
  });

  it('loses nothing where the peer has lost all before its snapshot was here, and an operator lets it go on with another', async () => {
    const [peer, at] = await parted();
    const other = await openFiler('other:1');
    await put(at, '/own', 'mine');
    await put(other, '/others', 'of the other');
    await put(other, '/shared/a', 'newer there');
    const begun = await markShort(at.core.log, await begin(at, peer), ['9'.repeat(16)]);
    expect(rejoinFromMeta((await at.core.store.load()).meta)).to.deep.equal(begun);
    await at.bootstrap().take(other.peer, other.info(), 'tree', never);
    await markTaken(at.core.log, begun);
    await finish(at);
    const paths = ['/shared/a', '/shared/b', '/shared/c', '/ours', '/own', '/others'];
    expect(await Promise.all(paths.map((path) => content(at, path)))).to.deep.equal(['newer there', 'old', 'old', 'old', 'mine', 'of the other']);
    await exchange(other, at);
    await expectSame(other.core, at.core);
    await expectConsistent(at.core);
  });

  for (const isStrayed of [false, true])
    it(`brings ${isStrayed ? 'all' : 'nothing'} back then that is absent though the other has a change of that dot, ${isStrayed ? 'another one' : 'so deleted it'}`, async () => {
      const [peer, at] = await parted();
      const other = await openFiler('other:1');
      await pull(peer.core, other.core);
      await pull(at.core, other.core);
      const [{ version: floor }] = await other.core.store.find('tree', [p('/ours')]);
      await other.core.log.alone(async (draft) => {
        await draft.load([p('/ours')]);
        draft.setRow(p('/ours'), null);
        draft.setIdentity({ floor });
        await draft.flush();
      });
      const { origin } = at;
      const begun = await markShort(at.core.log, await begin(at, peer), isStrayed ? [origin] : []);
      await at.bootstrap().take(other.peer, other.info(), 'tree', never);
      await markTaken(at.core.log, begun);
      expect(await finish(at)).to.deep.equal({ written: isStrayed ? 1 : 0, overruled: 0 });
      expect(await content(at, '/ours')).to.equal(isStrayed ? 'old' : null);
      await exchange(other, at);
      await expectSame(other.core, at.core);
    });

  it('keeps what it remembers, and looks at all of it, where it begins once more with another peer', async () => {
    const [peer, at] = await parted();
    const other = await openFiler('other:1');
    await put(at, '/own', 'mine');
    await put(other, '/others', 'of the other');
    const first = await begin(at, peer);
    const { rejoin: begun } = await beginRejoin(
      at.core.log,
      { ...other.info(), overlap: overlapOf(other), marks: new Map() },
      { ...first, strayed: [] },
      null,
      at.core.time,
      smallPages,
    );
    expect(begun).to.deep.include({ isShort: true, overlap: first.overlap, peer: other.origin });
    await at.bootstrap().take(other.peer, other.info(), 'tree', never);
    await markTaken(at.core.log, begun);
    await finish(at);
    expect(await Promise.all(['/shared/b', '/ours', '/own', '/others'].map((path) => content(at, path)))).to.deep.equal(['old', 'old', 'mine', 'of the other']);
  });

  for (const isTrimmed of [false, true])
    it(`brings back what stood on another branch of its log, the peer’s log ${isTrimmed ? 'trimmed' : 'whole'}; and nothing that was deleted and forgotten`, async () => {
      const [peer, at] = await parted();
      const disk = at.core.disk.clone();
      disk.restored = false;
      const twin = await openFiler('at:1', 'ready', { disk, time: at.core.time });
      for (const path of ['/shared/a', '/new/a', '/new/c', '/new/d', '/new/e', '/new/f']) await put(twin, path, 'of the twin');
      await pull(twin.core, peer.core);
      await remove(peer, '/shared/b');
      const [{ version: floor }] = await peer.core.store.find('tree', [p('/shared/b')]);
      await peer.core.log.alone(async (draft) => {
        await draft.load([p('/shared/b')]);
        draft.setRow(p('/shared/b'), null);
        draft.setIdentity({ floor });
        if (isTrimmed) await draft.trim(peer.core.log.state.head);
        await draft.flush();
      });
      at.core.time.step(1e6);
      await put(at, '/new/b', 'of the copy');
      await put(at, '/shared/a', 'of the copy');
      await remove(at, '/shared/c');
      const { peer: asked } = peer;
      const overlap = await overlapWith(peer.info(), asked, at.core.log.state, at.core.store, never);
      const { rejoin: begun } = await beginWith(at, peer, overlap);
      await at.bootstrap().take(asked, peer.info(), 'tree', never);
      await markTaken(at.core.log, begun);
      await finish(at);
      expect(await Promise.all(['/shared/a', '/shared/b', '/shared/c', '/new/a', '/new/b'].map((path) => content(at, path)))).to.deep.equal([
        'of the copy',
        null,
        null,
        'of the twin',
        'of the copy',
      ]);
      await exchange(at, peer);
      await expectSame(at.core, peer.core);
    });

  it('takes another store id where the old one is alive elsewhere', async () => {
    const [peer, at] = await parted();
    await beginRejoin(at.core.log, { ...peer.info(), overlap: overlapOf(peer), marks: new Map() }, null, 'f'.repeat(16), at.core.time, smallPages);
    expect(at.core.log.identity.storeId).to.equal('f'.repeat(16));
  });

  it('brings own unsent work back as new changes that peers take over', async () => {
    const [peer, at] = await parted();
    await put(at, '/own/new', 'mine');
    await put(at, '/shared/b', 'mine');
    expect(await rejoin(at, peer)).to.deep.equal({ written: 3, overruled: 0 });
    expect([await content(at, '/own/new'), await content(at, '/shared/b'), await content(at, '/shared/a')]).to.deep.equal(['mine', 'mine', 'old']);
    expect(at.core.log.identity.phase).to.equal('ready');
    expect(at.core.tree.ownSeq).to.equal(3);
    await exchange(peer, at);
    await expectSame(peer.core, at.core);
    await expectConsistent(at.core);
    expect(await rowsIn(at.core.store, 'remembered')).to.deep.equal([]);
    expect(rejoinFromMeta((await at.core.store.load()).meta)).to.equal(null);
  });

  it('does not resurrect what the peer has seen and deleted', async () => {
    const [peer, at] = await parted();
    await remove(peer, '/shared/a');
    await remove(peer, '/ours');
    expect(await rejoin(at, peer)).to.deep.equal({ written: 0, overruled: 0 });
    expect([await content(at, '/shared/a'), await content(at, '/ours')]).to.deep.equal([null, null]);
    await expectSame(peer.core, at.core);
  });

  it('does not resurrect what the peer has deleted and forgotten', async () => {
    const [peer, at] = await parted();
    await peer.core.log.alone(async (draft) => {
      await draft.load([p('/shared/a')]);
      draft.setRow(p('/shared/a'), null);
      await draft.flush();
    });
    await rejoin(at, peer);
    expect(await content(at, '/shared/a')).to.equal(null);
  });

  it('puts what loses against a greater state into the ledger', async () => {
    const [peer, at] = await parted();
    await put(at, '/shared/a', 'mine');
    peer.core.time.step(1e6);
    await put(peer, '/shared/a', 'theirs');
    expect(await rejoin(at, peer)).to.deep.equal({ written: 0, overruled: 1 });
    expect(await content(at, '/shared/a')).to.equal('theirs');
    const [conflict] = await at.core.store.readConflicts({ path: p('/shared/a'), limit: 9, bytesMax: 1e9 });
    expect(conflict).to.deep.include({ type: 'update/update' });
    expect(JSON.parse(conflict.loser.entry as string)).to.include({ content: Buffer.from('mine').toString('base64') });
  });

  it('writes a live row again over a deletion that had not seen it, but not over a greater live row', async () => {
    const [peer, at] = await parted();
    await put(at, '/shared/a', 'mine');
    peer.core.time.step(1e6);
    await remove(peer, '/shared/a');
    await rejoin(at, peer);
    expect(await content(at, '/shared/a')).to.equal('mine');
    await exchange(peer, at);
    await expectSame(peer.core, at.core);
  });

  it('writes a live row again over a deletion of the same version and author, made on the other of two branches: it is the greater state', async () => {
    const [peer, at] = await parted();
    await put(at, '/shared/a', 'mine');
    const [mine] = (await rowsIn(at.core.store)).filter(({ path }) => path === '/shared/a');
    // Of the branch that this store has given up; the owner of the other one deleted the file at that very moment of its clock.
    const place = async (filer: MemoryFiler, row: Row) =>
      filer.core.log.alone(async (draft) => {
        await draft.load([row.path]);
        draft.setRow(row.path, row);
        await draft.flush();
      });
    await place(at, { ...mine, dot: null });
    await place(peer, { ...mine, entry: null, isDirectory: false, contentHash: '', h: 0, dot: { origin: peer.origin, seq: 1 } });
    expect(await rejoin(at, peer)).to.deep.equal({ written: 1, overruled: 0 });
    expect(await content(at, '/shared/a')).to.equal('mine');
  });

  for (const isStranger of [true, false])
    it(`${isStranger ? 'leaves checkpoints of links behind where the peer is of another lineage' : 'keeps checkpoints of links among its own'}`, async () => {
      const peer = await openFiler('peer:1');
      const at = await openFiler('at:1', 'ready', { isStranger });
      await put(peer, '/theirs');
      await put(at, '/ours');
      const path = checkpointPath('0123456789abcdef');
      await at.core.log.commit({ paths: [path], bytes: 1, decide: (draft) => issueCheckpoint(draft, path, 'o:7', at.core.time.micros()) });
      await rejoin(at, peer);
      expect(await content(at, '/ours')).to.equal('x');
      const [row] = await at.core.store.find('tree', [path]);
      expect(checkpointValue(row ?? null)).to.equal(isStranger ? null : 'o:7');
    });

  for (const [what, peerWrites, deleted] of [
    ['that it had seen', false, true],
    ['that it had not seen', true, false],
  ] as const) {
    it(`${deleted ? 'deletes again' : 'does not delete'} a state ${what}`, async () => {
      const [peer, at] = await parted();
      if (peerWrites) await put(peer, '/shared/a', 'theirs');
      at.core.time.step(1e6);
      await remove(at, '/shared/a');
      expect(await rejoin(at, peer)).to.deep.equal(deleted ? { written: 1, overruled: 0 } : { written: 0, overruled: 1 });
      expect(await content(at, '/shared/a')).to.equal(deleted ? null : 'theirs');
      await exchange(peer, at);
      await expectSame(peer.core, at.core);
    });
  }

  /** A filer that nobody has reached for a while wrote `/gone`; the other one has heard of it and deleted it, the peer knows of neither. */
  async function deletedUnheard(): Promise<[MemoryFiler, MemoryFiler, MemoryFiler]> {
    const [peer, at] = await parted();
    const away = await openFiler('away:1');
    await put(away, '/gone', 'old');
    await pull(away.core, at.core);
    at.core.time.step(1e6);
    await remove(at, '/gone');
    return [peer, at, away];
  }

  it('keeps a deletion where nothing stands as it was, so that what is deleted does not come back from elsewhere', async () => {
    const [peer, at, away] = await deletedUnheard();
    const [tombstone] = (await rowsIn(at.core.store)).filter(({ path }) => path === '/gone');
    expect(await rejoin(at, peer)).to.deep.equal({ written: 1, overruled: 0 });
    const { version, author, vector } = tombstone;
    const [kept] = (await rowsIn(at.core.store)).filter(({ path }) => path === '/gone');
    expect(kept).to.deep.include({ version, author, vector, entry: null, dot: { origin: at.origin, seq: 1 } });
    await pull(at.core, peer.core);
    for (const filer of [peer, at]) {
      await pull(away.core, filer.core);
      expect(await content(filer, '/gone'), filer.address).to.equal(null);
    }
    await expectSame(peer.core, at.core);
    await expectConsistent(at.core);
  });

  it('keeps it where an older deletion stands too', async () => {
    const [peer, at] = await parted();
    const away = await openFiler('away:1');
    await remove(peer, '/shared/a');
    await exchange(peer, at);
    for (const filer of [peer, at]) await pull(filer.core, away.core);
    for (const filer of [away, at]) filer.core.time.step(1e6);
    await put(away, '/shared/a', 'of one that the peer has not reached since');
    await pull(away.core, at.core);
    await remove(at, '/shared/a');
    expect(await rejoin(at, peer)).to.deep.equal({ written: 1, overruled: 0 });
    await exchange(peer, at);
    for (const filer of [peer, at]) {
      await pull(away.core, filer.core);
      expect(await content(filer, '/shared/a'), filer.address).to.equal(null);
    }
    await expectSame(peer.core, at.core);
    await expectConsistent(at.core);
  });

  it('does not delete with it what was made there since, and its clock does not go back with it', async () => {
    const [peer, at, away] = await deletedUnheard();
    const before = at.core.log.clock.last;
    away.core.time.step(2e6);
    await put(away, '/gone', 'new');
    await rejoin(at, peer);
    await pull(away.core, at.core);
    expect(await content(at, '/gone')).to.equal('new');
    expect((await at.restart()).core.log.clock.last).to.be.at.least(before);
  });

  it('must reach of the position of a stranger only what it has itself, and begins a lineage of its own until then', async () => {
    const [peer, at] = await parted();
    const stranger = await openFiler('stranger:1', 'ready', { isStranger: true });
    await put(stranger, '/theirs');
    await pull(peer.core, stranger.core);
    // Known to it, and more of it there than here: that may be gone when the stranger gives way to a third.
    await put(peer, '/more');
    await pull(peer.core, stranger.core);
    const had = peer.core.log.position.get(peer.origin);
    await put(at, '/own');
    const { lineage } = at.core.log.identity;
    const { goal, ...begun } = await begin(at, stranger);
    expect(begun.lineage).to.equal(stranger.core.log.identity.lineage);
    expect([...goal.keys()]).to.have.members([peer.origin, at.core.log.identity.former[0]].filter((origin) => stranger.core.log.position.has(origin)));
    expect([goal.has(stranger.origin), goal.get(peer.origin)]).to.deep.equal([false, (had ?? 0) - 1]);
    expect(at.core.log.identity.lineage).to.not.be.oneOf([lineage, begun.lineage]);
    await at.bootstrap().take(stranger.peer, stranger.info(), 'tree', never);
    expect(at.core.log.identity.lineage).to.equal(begun.lineage);
  });

  it('keeps what it had deleted deleted, though a concurrent entry that the deletion had not seen stays there', async () => {
    const [peer, at] = await parted();
    const third = await openFiler('third:1');
    await pull(peer.core, third.core);
    await put(peer, '/shared/a', 'of the peer');
    third.core.time.step(1e6);
    await put(third, '/shared/a', 'of the third');
    await pull(third.core, at.core);
    await remove(at, '/shared/a');
    await rejoin(at, peer);
    expect(await content(at, '/shared/a'), 'the deletion had not seen it').to.equal('of the peer');
    const [conflict] = await at.core.store.readConflicts({ path: p('/shared/a'), limit: 9, bytesMax: 1e9 });
    expect(isLive(conflict?.loser as Row), 'the deletion is what lost').to.equal(false);
    await pull(third.core, at.core);
    expect(await content(at, '/shared/a'), 'and this it had').to.equal('of the peer');
    await pull(third.core, peer.core);
    await exchange(peer, at);
    await expectSame(peer.core, at.core);
  });

  it('writes nothing again that came back with the snapshot', async () => {
    const [peer, at] = await parted();
    await put(at, '/own');
    const begun = await begin(at, peer);
    // Another filer had it, and the peer has it from there by now.
    const [remembered] = await at.core.store.find('remembered', [p('/own')]);
    await peer.core.log.alone(async (draft) => {
      await draft.load([remembered.path]);
      draft.setRow(remembered.path, remembered);
      await draft.flush();
    });
    await at.bootstrap().take(peer.peer, peer.info(), 'tree', never);
    await markTaken(at.core.log, begun);
    expect(await finish(at)).to.deep.equal({ written: 0, overruled: 1 });
    expect(at.core.tree.ownSeq).to.equal(0);
  });

  it('writes rows without a dot again, whatever the peer has seen', async () => {
    const [peer, at] = await parted();
    await at.core.log.alone(async (draft) => {
      await draft.load([p('/ours')]);
      const row = draft.row(p('/ours'));
      if (row) draft.setRow(row.path, { ...row, dot: null });
      await draft.flush();
    });
    await peer.core.log.alone(async (draft) => {
      await draft.load([p('/ours')]);
      draft.setRow(p('/ours'), null);
      await draft.flush();
    });
    expect(await rejoin(at, peer)).to.deep.equal({ written: 1, overruled: 0 });
    expect(await content(at, '/ours')).to.equal('old');
  });

  it('remembers a good change that only waited here and that the peer lacks, and forgets the quarantine', async () => {
    const [peer, at] = await parted();
    const log = new ForgedLog('1'.repeat(16), at.core.time.micros());
    log.putBad('/held');
    log.put('/held/below');
    await at.core.log.apply(log.texts.map((text) => receiveChange(text)));
    const { rejoin: begun, unread } = await beginWith(at, peer);
    expect(unread, 'one cannot be read, and so not be remembered').to.equal(1);
    await at.bootstrap().take(peer.peer, peer.info(), 'tree', never);
    await markTaken(at.core.log, begun);
    await finish(at);
    expect(at.core.log.state.quarantine.size).to.equal(0);
    expect(await content(at, '/held/below')).to.equal('');
    await expectConsistent(at.core);
  });

  it('goes on after a crash at any point', async () => {
    for (const crashAt of ['begun', 'snapshot', 'taken', 'finishing'] as const) {
      const [peer, first] = await parted();
      let at = first;
      for (let i = 0; i < 7; i++) await put(at, `/own/${i}`, String(i));
      await remove(at, '/shared/b');
      const begun = await begin(at, peer);
      const resumed = async () => {
        at = await at.restart();
        return rejoinFromMeta(at.core.log.openedMeta);
      };
      if (crashAt === 'begun') expect(await resumed()).to.deep.equal(begun);
      if (crashAt === 'snapshot') {
        peer.before = () => {
          if (peer.calls.length === 2) throw new Error('the crash');
        };
        await at
          .bootstrap()
          .take(peer.peer, peer.info(), 'tree', never)
          .catch(() => {});
        peer.before = () => {};
        expect(await resumed()).to.deep.equal(begun);
      }
      await at.bootstrap().take(peer.peer, peer.info(), 'tree', never);
      await markTaken(at.core.log, begun);
      if (crashAt === 'taken') expect(await resumed()).to.deep.equal({ ...begun, taken: true });
      if (crashAt === 'finishing') {
        let commits = 0;
        at.core.store.faults.beforeCommit = () => {
          commits += 1;
          if (commits > 2) throw new Error('the crash');
        };
        await finish(at).catch(() => {});
        const rows = (await rowsIn(at.core.store, 'remembered')).map(({ path }) => path);
        const rejoin = await resumed();
        expect(rejoin).to.deep.include({ ...begun, taken: true, after: rejoin?.after });
        expect(rows.indexOf(rejoin?.after as (typeof rows)[0]), 'goes on in the middle of all of them').to.be.within(0, rows.length - 2);
      }
      await finish(at);
      expect(at.core.log.identity.phase).to.equal('ready');
      for (let i = 0; i < 7; i++) expect(await content(at, `/own/${i}`), crashAt).to.equal(String(i));
      expect(await content(at, '/shared/b')).to.equal(null);
      expect((await rowsIn(at.core.store)).filter(isLive).length).to.equal(8 + 1 + 2 + 1);
      await exchange(peer, at);
      await expectSame(peer.core, at.core);
      await expectConsistent(at.core);
    }
  });

  it('takes a snapshot again where its store was copied after the first, even after a crash in between', async () => {
    const [peer, at] = await parted();
    await put(at, '/own');
    const begun = await begin(at, peer);
    await at.bootstrap().take(peer.peer, peer.info(), 'tree', never);
    await markTaken(at.core.log, begun);
    let copy = await openFiler('copy:1', 'rejoining', { disk: at.core.disk.clone() });
    expect(rejoinFromMeta(copy.core.log.openedMeta)).to.deep.equal(begun);
    expect(await rowsIn(copy.core.store)).to.deep.equal([]);
    copy = await copy.restart();
    expect(rejoinFromMeta(copy.core.log.openedMeta), 'after the crash').to.deep.equal(begun);
    await copy.bootstrap().take(peer.peer, peer.info(), 'tree', never);
    await markTaken(copy.core.log, begun);
    await finish(copy);
    expect([await content(copy, '/own'), await content(copy, '/ours')]).to.deep.equal(['x', 'old']);
  });

  for (const [what, original, expected] of [
    ['whose original is gone: everything comes back', 'dies', 'mine'],
    ['whose original has brought its own work back: nothing is written twice', 'goes on', 'mine'],
    ['whose original has deleted it since: it stays deleted', 'goes on and deletes', null],
  ] as const) {
    it(`has lost nothing in a copy made while remembered rows were written again, ${what}`, async () => {
      const [peer, at] = await parted();
      for (let i = 0; i < 7; i++) await put(at, `/own/${i}`, 'mine');
      const begun = await begin(at, peer);
      await at.bootstrap().take(peer.peer, peer.info(), 'tree', never);
      await markTaken(at.core.log, begun);
      let commits = 0;
      at.core.store.faults.beforeCommit = () => {
        commits += 1;
        if (commits > 2) throw new Error('the moment of the copy');
      };
      await finish(at).catch(() => {});
      const disk = at.core.disk.clone();
      if (original !== 'dies') {
        const goingOn = await at.restart();
        await finish(goingOn);
        if (original === 'goes on and deletes') await remove(goingOn, '/own');
        await exchange(peer, goingOn);
      }

      const copy = await openFiler('copy:1', 'rejoining', { disk });
      expect(rejoinFromMeta(copy.core.log.openedMeta)).to.deep.equal(begun);
      await copy.bootstrap().take(peer.peer, peer.info(), 'tree', never);
      await markTaken(copy.core.log, begun);
      const { written } = await finish(copy);
      expect(written > 0).to.equal(original === 'dies');
      for (let i = 0; i < 7; i++) expect(await content(copy, `/own/${i}`)).to.equal(expected);
      await exchange(peer, copy);
      await expectSame(peer.core, copy.core);
      await expectConsistent(copy.core);
    });
  }

  it('loses no own work and brings nothing covered back, over random histories', () =>
    fc.assert(
      fc.asyncProperty(anyHistory(2), anyHistory(2, 8), async (past, apart) => {
        const [peer, at] = [await openFiler('peer:1'), await openFiler('at:1')];
        await peer.source.greet(at.caller());
        await at.source.greet(peer.caller());
        await run(past, [peer.core, at.core]);
        await run(
          apart.filter(({ kind }) => kind !== 'pull'),
          [peer.core, at.core],
        );
        const goal = peer.core.log.position;
        const before = await rowsIn(at.core.store);
        const unsent = before.filter((row) => isLive(row) && row.dot !== null && row.dot.seq > (goal.get(row.dot.origin) ?? 0));
        const theirs = new Map((await rowsIn(peer.core.store)).map((row) => [row.path, row]));
        await rejoin(at, peer);
        const after = new Map((await rowsIn(at.core.store)).map((row) => [row.path, row]));
        for (const row of unsent) expect(isLive(after.get(row.path)), `${row.path} stands`).to.equal(true);
        for (const row of before) {
          const was = theirs.get(row.path);
          if (isLive(row) && !unsent.includes(row) && was && !isLive(was)) expect(isLive(after.get(row.path)), `${row.path} stays deleted`).to.equal(false);
        }
        await exchange(peer, at);
        await expectSame(peer.core, at.core);
        await expectConsistent(at.core);
      }),
      { numRuns: 40 },
    ));
});
