import { expect } from 'chai';
import fc from 'fast-check';
import { FilerError } from '../../../src/core/errors.js';
import { isLive, type Row } from '../../../src/core/change/row.js';
import { positionsEqual } from '../../../src/core/clock/vector.js';
import { releaseQuarantined } from '../../../src/core/log/release.js';
import { scanArea } from '../../../src/core/replication/bootstrap.js';
import { receiveChange } from '../../../src/core/change/refused.js';
import type { ReceivedChange, RefusedChange } from '../../../src/core/change/change.js';
import { ForgedLog } from '../../support/forged-log.js';
import type { Bootstrap } from '../../../src/core/replication/bootstrap.js';
import { anyHistory, expectConsistent, expectSame, run, take as takeStep } from '../../support/history.js';
import { openFiler, type MemoryFiler } from '../../support/memory-peer.js';
import { changesFor, codeOf, file, mode, never, openLog, p, pull, read, rowsIn } from '../../support/open-log.js';

const put = (at: MemoryFiler, path: string, text = 'x') => at.core.tree.put(p(path), file(text), mode);
const take = (reader: MemoryFiler, source: MemoryFiler, area: 'tree' | 'staging', bootstrap: Bootstrap = reader.bootstrap()) =>
  bootstrap.take(source.peer, source.info(), area, never);
const snapshots = (source: MemoryFiler) => source.calls.filter(({ kind }) => kind === 'snapshot').length;

async function filled(count = 10): Promise<MemoryFiler> {
  const source = await openFiler('source:1');
  for (let i = 0; i < count; i++) await put(source, `/d${i % 3}/f${i}`);
  await source.core.tree.remove(p('/d0/f0'), false);
  return source;
}

/** A filer that has worked on the same cluster before, so that the two may exchange changes. */
async function acquainted(source: MemoryFiler): Promise<MemoryFiler> {
  const reader = await openFiler('reader:1');
  await source.source.greet(reader.caller());
  await reader.source.greet(source.caller());
  return reader;
}

/** Drops rows as collection or a fault would. */
const drop = (at: MemoryFiler, ...paths: string[]) =>
  at.core.log.alone(async (draft) => {
    await draft.load(paths.map(p));
    for (const path of paths) draft.setRow(p(path), null);
    await draft.flush();
  });

describe('Bootstrap into an empty store', () => {
  it('takes the tree in place, tombstones too, and ends ready at the source’s position under a new epoch', async () => {
    const source = await filled();
    const reader = await openFiler('reader:1', 'bootstrapping');
    const { epoch, origin } = reader.core.log.identity;
    await take(reader, source, 'tree');
    await expectSame(source.core, reader.core);
    expect(positionsEqual(reader.core.log.position, source.core.log.position)).to.equal(true);
    expect(reader.core.log.position.get(origin)).to.equal(0);
    expect(reader.core.log.identity).to.include({ phase: 'ready', origin });
    expect(reader.core.log.identity.epoch).to.not.equal(epoch);
    expect((await read(reader.core, { start: { kind: 'now' } })).records).to.deep.equal([]);
    expect(await codeOf(() => read(reader.core))).to.equal('LOG_TRIMMED');
    expect((await reader.core.store.load()).meta.has('bootstrap')).to.equal(false);
    await expectConsistent(reader.core);
    await expectConsistent((await reader.restart()).core);
  });

  it('knows the runs of every origin that the source knows, though it has no log of them', async () => {
    const other = await openFiler('other:1');
    await put(other, '/other');
    const source = await (await filled()).restart();
    await put(source, '/again');
    await pull(other.core, source.core);
    const reader = await openFiler('reader:1', 'bootstrapping');
    source.before = async (call) => {
      if (call.kind === 'snapshot' && call.after !== null) await put(source, '/during', String(source.calls.length));
    };
    await take(reader, source, 'tree');
    const runsOf = ({ core }: MemoryFiler, origin: string) => core.log.state.origins.get(origin)?.runs;
    expect(runsOf(source, source.origin)).to.have.length(2);
    for (const { origin } of [source, other]) expect(runsOf(reader, origin)).to.deep.equal(runsOf(source, origin)).and.not.be.empty;
    expect((await reader.core.store.load()).origins).to.have.deep.members([...reader.core.log.state.origins.values()]);
  });

  it('goes on by following: nothing is missing, nothing comes twice', async () => {
    const source = await filled();
    const reader = await openFiler('reader:1', 'bootstrapping');
    await take(reader, source, 'tree');
    await put(source, '/d1/f1', 'newer');
    await source.core.tree.remove(p('/d2'), true);
    await put(reader, '/own');
    await pull(source.core, reader.core);
    await pull(reader.core, source.core);
    await expectSame(source.core, reader.core);
    await expectConsistent(reader.core);
  });

  it('claims no position until it has everything up to every page’s', async () => {
    const source = await filled();
    const reader = await openFiler('reader:1', 'bootstrapping');
    source.before = async (call) => {
      if (call.kind !== 'info') expect([...reader.core.log.position.values()]).to.deep.equal([0]);
      if (call.kind === 'snapshot') {
        await put(source, '/d1/during', String(source.calls.length));
        await source.core.tree.move(p(`/d2/f${(source.calls.length % 2) * 3 + 2}`), p('/moved')).catch(() => {});
      }
    };
    await take(reader, source, 'tree');
    source.before = () => {};
    await pull(source.core, reader.core);
    await expectSame(source.core, reader.core);
    await expectConsistent(reader.core);
  });

  it('takes over the greatest floor', async () => {
    const source = await filled();
    const floor = source.core.time.micros() + 10e6;
    await source.core.log.alone(async (draft) => {
      draft.setIdentity({ floor });
      await draft.flush();
    });
    const reader = await openFiler('reader:1', 'bootstrapping');
    await take(reader, source, 'tree');
    expect(reader.core.log.identity.floor).to.equal(floor);
    await put(reader, '/new');
    expect((await reader.core.store.find('tree', [p('/new')]))[0].version).to.be.above(floor);
  });

  it('goes on after a crash at any page, and fetches at most one again', async () => {
    for (let crashAt = 1; crashAt <= 5; crashAt++) {
      const source = await filled(12);
      let reader = await openFiler('reader:1', 'bootstrapping');
      source.before = (call) => {
        if (call.kind === 'snapshot' && snapshots(source) === crashAt) throw new FilerError('PEER_UNREACHABLE', 'the crash');
      };
      expect(await codeOf(() => take(reader, source, 'tree'))).to.equal('PEER_UNREACHABLE');
      await put(source, '/d1/meanwhile');
      source.before = () => {};
      const before = snapshots(source);
      reader = await reader.restart();
      await take(reader, source, 'tree');
      const pages = Math.ceil((source.core.log.state.counts.entries + source.core.log.state.counts.tombstones) / 3) + 1;
      expect(snapshots(source) - before, `after page ${crashAt}`).to.be.at.most(pages - crashAt + 2);
      await expectSame(source.core, reader.core);
      await expectConsistent(reader.core);
    }
  });

  it('goes on after a crash in the tail', async () => {
    const source = await filled();
    let reader = await openFiler('reader:1', 'bootstrapping');
    source.before = async (call) => {
      if (call.kind === 'snapshot') for (let i = 0; i < 3; i++) await put(source, `/d1/during${i}`, String(source.calls.length));
      if (call.kind === 'changes' && call.request.position.size > 0 && source.calls.filter(({ kind }) => kind === 'changes').length === 2)
        throw new FilerError('PEER_UNREACHABLE', 'the crash');
    };
    expect(await codeOf(() => take(reader, source, 'tree'))).to.equal('PEER_UNREACHABLE');
    source.before = () => {};
    const pages = snapshots(source);
    reader = await reader.restart();
    await take(reader, source, 'tree');
    expect(snapshots(source)).to.equal(pages);
    await pull(source.core, reader.core);
    await expectSame(source.core, reader.core);
  });

  it('takes nothing more from a source whose tree is another one now, and starts afresh', async () => {
    const source = await filled();
    const reader = await openFiler('reader:1', 'bootstrapping');
    const bootstrap = reader.bootstrap();
    source.before = async (call) => {
      if (call.kind === 'snapshot' && snapshots(source) === 3) {
        await source.core.log.alone(async (draft) => {
          draft.setIdentity({ epoch: '12345678' });
          await draft.flush();
        });
      }
    };
    expect(await codeOf(() => take(reader, source, 'tree', bootstrap))).to.equal('OFFSET_UNKNOWN');
    source.before = () => {};
    await bootstrap.abandon();
    expect([bootstrap.progress, (await rowsIn(reader.core.store)).length, reader.core.log.identity.phase]).to.deep.equal([null, 0, 'bootstrapping']);
    await expectConsistent(reader.core);
    await expectConsistent((await openFiler('reader:1', 'bootstrapping', { disk: reader.core.disk.clone() })).core);
    await take(reader, source, 'tree', bootstrap);
    await expectSame(source.core, reader.core);
  });

  /** A source that is copied after `copied` of its pages; both write on, the original `there` changes and the copy `here`. The copy answers next. */
  async function withCopy(reader: MemoryFiler, area: 'tree' | 'staging', source: MemoryFiler, there: number, here: number) {
    const bootstrap = reader.bootstrap();
    const disk = source.core.disk.clone();
    disk.restored = false;
    const copy = await openFiler('source:1', 'ready', { disk, time: source.core.time });
    source.before = async (call) => {
      if (call.kind !== 'snapshot') return;
      if (snapshots(source) === 2) for (let i = 0; i < there; i++) await put(source, `/d0/there${i}`);
      if (snapshots(source) === 3) throw new FilerError('PEER_UNREACHABLE', 'it is gone');
    };
    expect(await codeOf(() => take(reader, source, area, bootstrap))).to.equal('PEER_UNREACHABLE');
    await source.core.time.advance(10);
    for (let i = 0; i < here; i++) await put(copy, `/d0/here${i}`);
    return { bootstrap, copy };
  }

  for (const area of ['tree', 'staging'] as const)
    for (const here of [0, 1, 2, 3])
      it(`puts no pages of a source and of a copy of it together that writes on under its origin: ${area}, 2 changes at the one, ${here} at the other`, async () => {
        const source = await filled(12);
        const reader = area === 'tree' ? await openFiler('reader:1', 'bootstrapping') : await acquainted(source);
        const { bootstrap, copy } = await withCopy(reader, area, source, 2, here);
        expect(await codeOf(() => take(reader, copy, area, bootstrap))).to.equal('OFFSET_UNKNOWN');
        await bootstrap.abandon();
        await take(reader, copy, area, bootstrap);
        await pull(reader.core, copy.core);
        await expectSame(copy.core, reader.core);
        await expectConsistent(reader.core);
      });

  it('takes the tail of no copy of its source that has other changes than the last page was read at', async () => {
    const source = await filled(12);
    const reader = await openFiler('reader:1', 'bootstrapping');
    const bootstrap = reader.bootstrap();
    const disk = source.core.disk.clone();
    disk.restored = false;
    const copy = await openFiler('source:1', 'ready', { disk, time: source.core.time });
    source.before = async (call) => {
      if (call.kind === 'snapshot') await put(source, `/there${snapshots(source)}`);
      if (call.kind === 'changes') throw new FilerError('PEER_UNREACHABLE', 'it is gone');
    };
    // The first page is of the moment before they part.
    const { peer } = source;
    const first: typeof peer.snapshot = async (...args) => (args[0] === null ? copy.peer.snapshot(...args) : peer.snapshot(...args));
    expect(await codeOf(() => bootstrap.take({ ...peer, snapshot: first }, source.info(), 'tree', never))).to.equal('PEER_UNREACHABLE');
    await source.core.time.advance(10);
    for (let i = 0; i < 9; i++) await put(copy, `/here${i}`);
    expect(await codeOf(() => take(reader, copy, 'tree', bootstrap))).to.equal('ORIGIN_DIVERGED');
  });

  it('goes on where the source has moved on, and asks it what it has there', async () => {
    const source = await filled(12);
    const reader = await openFiler('reader:1', 'bootstrapping');
    source.before = async (call) => {
      if (call.kind === 'snapshot' && snapshots(source) < 4) await put(source, `/during${snapshots(source)}`);
    };
    await take(reader, source, 'tree');
    expect(source.calls.filter(({ kind }) => kind === 'hashes').length).to.equal(2);
    await pull(source.core, reader.core);
    await expectSame(source.core, reader.core);
  });

  it('throws away what it took from one source when it goes to another', async () => {
    const [first, second] = [await filled(), await openFiler('other:1')];
    await put(second, '/other');
    const reader = await openFiler('reader:1', 'bootstrapping');
    const bootstrap = reader.bootstrap();
    first.before = () => {
      if (snapshots(first) === 3) throw new FilerError('PEER_UNREACHABLE', 'it is gone');
    };
    expect(await codeOf(() => take(reader, first, 'tree', bootstrap))).to.equal('PEER_UNREACHABLE');
    await take(reader, second, 'tree', bootstrap);
    await expectSame(second.core, reader.core);
    await expectConsistent(reader.core);
  });

  it('refuses a tail that does not follow from the snapshot', async () => {
    const source = await filled();
    const reader = await openFiler('reader:1', 'bootstrapping');
    source.before = async (call) => {
      if (call.kind === 'snapshot') await put(source, '/during', String(source.calls.length));
    };
    const { peer } = source;
    const changes: typeof peer.changes = async (...args) => {
      const page = await peer.changes(...args);
      return { ...page, texts: page.texts.map((text) => text.replace(/"hash":"[0-9a-f]{12}"/, '"hash":"000000000001"')) };
    };
    expect(await codeOf(() => reader.bootstrap().take({ ...peer, changes }, source.info(), 'tree', never))).to.equal('ORIGIN_DIVERGED');
  });

  it('gives up on a source that lacks the changes its own pages were read at', async () => {
    const source = await filled();
    const reader = await openFiler('reader:1', 'bootstrapping');
    source.before = async (call) => {
      if (call.kind === 'snapshot') await put(source, '/during', String(source.calls.length));
    };
    const { peer } = source;
    const changes: typeof peer.changes = async (...args) => ({ ...(await peer.changes(...args)), texts: [] });
    expect(await codeOf(() => reader.bootstrap().take({ ...peer, changes }, source.info(), 'tree', never))).to.equal('OFFSET_UNKNOWN');
  });
});

describe('Bootstrap into a store with a tree of its own', () => {
  it('serves the old tree until everything is staged, then merges in one transaction', async () => {
    const source = await filled();
    const reader = await acquainted(source);
    await put(reader, '/own');
    const before = await rowsIn(reader.core.store);
    const { epoch } = reader.core.log.identity;
    const checked: string[] = [];
    source.before = async (call) => {
      checked.push(call.kind);
      if (call.kind === 'info') return;
      expect(await rowsIn(reader.core.store)).to.deep.equal(before);
      expect(reader.core.log.identity.epoch).to.equal(epoch);
    };
    await take(reader, source, 'staging');
    expect(checked.filter((kind) => kind === 'snapshot').length).to.be.above(3);
    expect(await rowsIn(reader.core.store, 'staging')).to.deep.equal([]);
    expect(reader.core.log.identity.epoch).to.not.equal(epoch);
    await pull(reader.core, source.core);
    await expectSame(source.core, reader.core);
    await expectConsistent(reader.core);
  });

  it('drops the log of the origins that jumped, and keeps its own', async () => {
    const source = await filled();
    const reader = await acquainted(source);
    await put(reader, '/own');
    await take(reader, source, 'staging');
    const { log } = reader.core;
    expect(log.state.origins.get(source.origin)).to.deep.include({ seq: source.core.tree.ownSeq, first: source.core.tree.ownSeq + 1 });
    expect(log.state.origins.get(reader.origin)).to.deep.include({ seq: 1, first: 1 });
    expect((await read(reader.core, { origins: [reader.origin] })).records.length).to.equal(1);
    expect(await codeOf(() => read(reader.core))).to.equal('LOG_TRIMMED');
  });

  it('takes writes meanwhile, also such as the source has already taken over', async () => {
    const source = await filled();
    const reader = await acquainted(source);
    source.before = async (call) => {
      if (call.kind === 'snapshot') {
        await put(reader, `/own/${source.calls.length}`);
        await put(reader, '/d1/f1', String(source.calls.length));
        await pull(reader.core, source.core);
        await put(source, '/d1/f4', String(source.calls.length));
      }
    };
    await take(reader, source, 'staging');
    source.before = () => {};
    await pull(reader.core, source.core);
    await pull(source.core, reader.core);
    await expectSame(source.core, reader.core);
    await expectConsistent(reader.core);
  });

  it('is not merged where its rows may be changes of this filer that it lacks: another process wrote them under its origin', async () => {
    const [source, original] = [await filled(), await openFiler('reader:1')];
    await source.source.greet(original.caller());
    await original.source.greet(source.caller());
    await put(original, '/d0/shared');
    await pull(original.core, source.core);
    const disk = original.core.disk.clone();
    disk.restored = false;
    const copy = await openFiler('reader:1', 'ready', { disk, time: original.core.time });
    // The first page is of before that, the tail leaves out its own origin: only later pages say so.
    source.before = async (call) => {
      if (call.kind !== 'snapshot' || snapshots(source) !== 2) return;
      await put(original, '/d2/not-of-the-copy');
      await pull(original.core, source.core);
    };
    const before = await rowsIn(copy.core.store);
    expect(await codeOf(() => take(copy, source, 'staging'))).to.equal('OFFSET_UNKNOWN');
    expect(snapshots(source)).to.be.above(2);
    expect(await rowsIn(copy.core.store)).to.deep.equal(before);
    await expectConsistent(copy.core);
  });

  for (const met of [2, 3, 4])
    it(`is not merged into a store that was given another branch of a third filer’s log meanwhile, ${met} of its changes against 3`, async () => {
      const [lost, source, reader, other] = [await openFiler('owner:1'), await openFiler('source:1'), await openFiler('reader:1'), await openFiler('other:1')];
      await put(lost, '/shared');
      for (const one of [source, reader, other]) await pull(lost.core, one.core);
      const disk = lost.core.disk.clone();
      disk.restored = false;
      for (let i = 2; i <= met; i++) await put(lost, `/lost${i}`);
      await pull(lost.core, other.core);
      const owner = await openFiler('owner:1', 'ready', { disk, time: lost.core.time });
      await owner.core.time.advance(1000);
      for (let i = 2; i <= 3; i++) await put(owner, `/written${i}`);
      await pull(owner.core, source.core);
      source.before = async (call) => {
        if (call.kind === 'snapshot') await pull(other.core, reader.core);
      };
      expect(await codeOf(() => take(reader, source, 'staging'))).to.equal('ORIGIN_DIVERGED');
      expect((await rowsIn(reader.core.store)).map(({ path }) => path)).to.have.members((await rowsIn(other.core.store)).map(({ path }) => path));
      await expectConsistent(reader.core);
    });

  it('compares histories again if its own went on while it compared them', async () => {
    const source = await filled();
    const reader = await acquainted(source);
    const third = await openFiler('third:1');
    for (let i = 0; i < 6; i++) await put(third, `/third${i}`);
    await pull(third.core, source.core);
    const some = async (count: number) => reader.core.log.apply((await changesFor(third.core, reader.core)).slice(0, count));
    await some(1);
    let asked = 0;
    source.before = async (call) => {
      if (call.kind !== 'hashes') return;
      asked += 1;
      if (asked === 1) await some(3);
    };
    await take(reader, source, 'staging');
    expect(asked).to.equal(2);
    await expectConsistent(reader.core);
  });

  it('joins rows at both, and notes in the ledger what is overruled', async () => {
    const source = await filled();
    const reader = await acquainted(source);
    reader.core.time.step(1e6);
    await put(reader, '/d1/f1', 'mine');
    await take(reader, source, 'staging');
    const [row] = await reader.core.store.find('tree', [p('/d1/f1')]);
    expect(row.author).to.equal(reader.origin);
    expect((await reader.core.store.readConflicts({ path: p('/d1/f1'), limit: 9, bytesMax: 1e9 })).map(({ type }) => type)).to.deep.equal(['update/update']);
  });

  it('drops a live row that the source has seen and no longer holds, but no tombstone and nothing newer', async () => {
    const source = await filled();
    const reader = await acquainted(source);
    await pull(source.core, reader.core);
    for (const path of ['/own/seen', '/own/gone']) await put(reader, path);
    await reader.core.tree.remove(p('/own/gone'), false);
    await pull(reader.core, source.core);
    await drop(source, '/own/seen', '/own/gone');
    await put(reader, '/own/new');
    await take(reader, source, 'staging');
    const rows = new Map((await rowsIn(reader.core.store)).map((row) => [row.path as string, isLive(row)]));
    expect([rows.get('/own/seen'), rows.get('/own/gone'), rows.get('/own/new')]).to.deep.equal([undefined, false, true]);
    await expectConsistent(reader.core);
  });

  it('does not bring back what it has seen and collected itself', async () => {
    const source = await filled();
    const reader = await acquainted(source);
    await pull(source.core, reader.core);
    await drop(reader, '/d1/f1', '/d0/f0');
    await put(source, '/d1/new');
    await take(reader, source, 'staging');
    const paths = (await rowsIn(reader.core.store)).map(({ path }) => path as string);
    expect(paths).to.include('/d1/new');
    expect(paths).to.not.include.members(['/d1/f1']);
    expect(paths).to.not.include.members(['/d0/f0']);
  });

  for (const [gone, at] of [
    ['there', 'source'],
    ['here', 'reader'],
  ] as const)
    it(`lets a live row that was deleted and forgotten ${gone} not overrule an older tombstone that came to its path since`, async () => {
      const source = await filled();
      const reader = await acquainted(source);
      await pull(source.core, reader.core);
      const path = p('/d1/f1');
      const forgetful = at === 'source' ? source : reader;
      const [{ author, version, vector }] = await forgetful.core.store.find('tree', [path]);
      await forgetful.core.tree.remove(path, false);
      await drop(forgetful, '/d1/f1');
      await forgetful.core.log.alone(async (draft) => {
        await draft.load([path]);
        const old = { version: version - 1, author, vector: { ...vector, [author]: version - 1 } };
        draft.adopt({ ...old, oldPath: path, newPath: null, newEntry: null, isDirectory: false, oldVector: null, clusters: [], oldEntry: null });
        await draft.flush();
      });
      await take(reader, source, 'staging');
      expect(isLive((await reader.core.store.find('tree', [path]))[0])).to.equal(false);
      await expectConsistent(reader.core);
    });

  it('keeps rows without a dot', async () => {
    const source = await filled();
    const reader = await acquainted(source);
    await pull(source.core, reader.core);
    await drop(source, '/d1/f1');
    await reader.core.log.alone(async (draft) => {
      await draft.load([p('/d1/f1')]);
      draft.setRow(p('/d1/f1'), { ...(draft.row(p('/d1/f1')) as Row), dot: null });
      await draft.flush();
    });
    await take(reader, source, 'staging');
    expect(isLive((await reader.core.store.find('tree', [p('/d1/f1')]))[0])).to.equal(true);
  });

  it('goes on after a crash where it was, and merges what was staged before it', async () => {
    const source = await filled(12);
    let reader = await acquainted(source);
    await put(reader, '/own');
    source.before = () => {
      if (snapshots(source) === 4) throw new FilerError('PEER_UNREACHABLE', 'the crash');
    };
    expect(await codeOf(() => take(reader, source, 'staging'))).to.equal('PEER_UNREACHABLE');
    source.before = () => {};
    reader = await reader.restart();
    const staged = (await rowsIn(reader.core.store, 'staging')).length;
    expect(staged).to.be.at.least(6);
    const before = snapshots(source);
    await take(reader, source, 'staging');
    const total = source.core.log.state.counts.entries + source.core.log.state.counts.tombstones;
    expect(snapshots(source) - before).to.be.at.most(Math.ceil((total - staged) / 3) + 1);
    await pull(reader.core, source.core);
    await expectSame(source.core, reader.core);
  });

  it('leaves the tree alone when the staged copy is thrown away', async () => {
    const source = await filled();
    const reader = await acquainted(source);
    await put(reader, '/own');
    const before = [await rowsIn(reader.core.store), reader.core.log.identity];
    const bootstrap = reader.bootstrap();
    source.before = () => {
      if (snapshots(source) === 3) throw new FilerError('PEER_UNREACHABLE', 'it is gone');
    };
    expect(await codeOf(() => take(reader, source, 'staging', bootstrap))).to.equal('PEER_UNREACHABLE');
    await bootstrap.abandon();
    expect([await rowsIn(reader.core.store), reader.core.log.identity]).to.deep.equal(before);
    expect(await rowsIn(reader.core.store, 'staging')).to.deep.equal([]);
  });

  it('merges to what applying the source’s feed gives, over random histories on both sides', () =>
    fc.assert(
      fc.asyncProperty(anyHistory(3, 30), anyHistory(3, 6), async (history, during) => {
        const [a, b, c] = [await openFiler('a:1'), await openFiler('b:1'), await openFiler('c:1')];
        const filers = [a.core, b.core, c.core];
        for (const at of [a, b, c]) for (const other of [a, b, c]) if (at !== other) await at.source.greet(other.caller());
        await run(history, filers);
        meanwhile(a, [...during], filers);
        await take(b, a, 'staging', b.bootstrap({ snapshotRows: 2 }));
        a.before = () => {};
        await pull(b.core, a.core);
        await pull(a.core, b.core);
        await expectSame(a.core, b.core);
        expect(positionsEqual(a.core.log.position, b.core.log.position)).to.equal(true);
        // The source took no snapshot, so its feed holds everything: a filer that only follows it is what must come out.
        const followed = await openLog();
        await pull(a.core, followed);
        await expectSame(followed, b.core);
        await expectConsistent(b.core);
      }),
      { numRuns: 60 },
    ));
});

/** Lets `steps` happen while `at` is asked for pages. */
function meanwhile(at: MemoryFiler, steps: Parameters<typeof takeStep>[0][], filers: Parameters<typeof takeStep>[1]): void {
  at.before = async (call) => {
    const step = call.kind === 'snapshot' ? steps.shift() : undefined;
    if (step) await takeStep(step, filers);
  };
}

describe('scanArea', () => {
  it('gives every row once, in key order, whatever the page size', async () => {
    const { core } = await filled();
    const rows = await rowsIn(core.store);
    for (const limit of [1, 2, 7, 100]) {
      const seen: Row[] = [];
      await core.log.alone(async (draft) => {
        for await (const page of scanArea(draft, 'tree', limit, 1e6)) seen.push(...page);
      });
      expect(seen).to.deep.equal(rows);
    }
  });
});

describe('Bootstrap from a source with quarantined changes', () => {
  const forged = '1'.repeat(16);

  /** Lets a filer have what another kelp wrote: a good change, a refused one, and one that waits for it. */
  async function withQuarantine(source: MemoryFiler): Promise<ForgedLog> {
    const log = new ForgedLog(forged, source.core.time.micros());
    log.put('/good');
    log.putBad('/held');
    log.put('/held/below');
    await source.core.log.apply(log.texts.map((text) => receiveChange(text)));
    expect(source.core.log.state.quarantine.size).to.equal(2);
    return log;
  }

  /** Good changes, of which this filer refuses the second, as an older kelp would that does not know its form. */
  async function refuseSecond(at: MemoryFiler, log: ForgedLog): Promise<void> {
    const changes = log.texts.map((text) => receiveChange(text));
    const { origin, seq, hash, version, text } = changes[1] as ReceivedChange;
    const refused: RefusedChange = {
      origin,
      seq,
      hash,
      version,
      paths: [p('/held')],
      run: '',
      link: null,
      text,
      refusal: { code: 'BODY_INVALID', error: 'a rule' },
    };
    await at.core.log.apply(changes.with(1, refused));
    expect(at.core.log.state.quarantine.size).to.equal(2);
  }

  function goodLog(at: MemoryFiler): ForgedLog {
    const log = new ForgedLog(forged, at.core.time.micros());
    for (const path of ['/good', '/held', '/held/below']) log.put(path);
    return log;
  }

  const aside = (at: MemoryFiler) => [...at.core.log.state.quarantine.values()].map(({ dot, waitsFor }) => [dot.seq, waitsFor?.seq ?? null]);
  const paths = async (at: MemoryFiler) => (await rowsIn(at.core.store)).filter(isLive).map((row) => row.path);

  it('quarantines itself what it cannot apply either, in place and staged', async () => {
    const source = await filled();
    await withQuarantine(source);
    const fresh = await openFiler('reader:1', 'bootstrapping');
    await take(fresh, source, 'tree');
    const old = await acquainted(source);
    await put(old, '/own');
    await take(old, source, 'staging');
    for (const reader of [fresh, old]) {
      expect(aside(reader)).to.deep.equal([
        [2, null],
        [3, 2],
      ]);
      expect(await paths(reader))
        .to.include('/good')
        .and.not.include('/held/below');
      expect(reader.core.log.position.get(forged)).to.equal(3);
      await expectConsistent(reader.core);
    }
    await expectSame(source.core, fresh.core);
    await expectConsistent((await fresh.restart()).core);
  });

  it('applies what it can, and what waited for it', async () => {
    const source = await filled();
    await refuseSecond(source, goodLog(source));
    const fresh = await openFiler('reader:1', 'bootstrapping');
    await take(fresh, source, 'tree');
    const old = await acquainted(source);
    await take(old, source, 'staging');
    for (const reader of [fresh, old]) {
      expect(aside(reader)).to.deep.equal([]);
      expect(await paths(reader)).to.include.members(['/good', '/held', '/held/below']);
      await expectConsistent(reader.core);
    }
  });

  it('keeps what it has applied itself and the source has not', async () => {
    const source = await filled();
    const log = goodLog(source);
    await refuseSecond(source, log);
    const old = await acquainted(source);
    await old.core.log.apply(log.texts.slice(0, 2).map((text) => receiveChange(text)));
    await take(old, source, 'staging');
    expect(await paths(old)).to.include.members(['/good', '/held', '/held/below']);
    expect(aside(old)).to.deep.equal([]);
    await expectConsistent(old.core);
  });

  it('begins anew at another store of the same origin and epoch that has put aside what the pages before had applied', async () => {
    const source = await filled();
    const log = goodLog(source);
    await refuseSecond(source, log);
    // A copy that runs unnoticed: it has tried once more, and applied what the source still has aside.
    const disk = source.core.disk.clone();
    disk.restored = false;
    const copy = await openFiler('copy:1', 'ready', { disk, time: source.core.time });
    await copy.core.log.alone(async (draft) => {
      await releaseQuarantined(draft, copy.core.log.receive, () => true);
      await draft.flush();
    });
    expect([aside(copy), aside(source).length, copy.core.log.identity.epoch]).to.deep.equal([[], 2, source.core.log.identity.epoch]);
    const reader = await acquainted(copy);
    await reader.core.log.apply(log.texts.map((text) => receiveChange(text)));
    copy.before = async ({ kind }) => {
      if (kind === 'snapshot' && snapshots(copy) > 1) throw new FilerError('PEER_UNREACHABLE', 'it has gone');
    };
    const bootstrap = reader.bootstrap();
    expect(await codeOf(() => take(reader, copy, 'staging', bootstrap))).to.equal('PEER_UNREACHABLE');
    expect(await codeOf(() => take(reader, source, 'staging', bootstrap))).to.equal('OFFSET_UNKNOWN');
    await bootstrap.abandon();
    await take(reader, source, 'staging', bootstrap);
    expect(await paths(reader)).to.include.members(['/good', '/held', '/held/below']);
    await expectConsistent(reader.core);
  });

  it('takes from the rows of a source what it had refused itself', async () => {
    const source = await filled();
    const old = await acquainted(source);
    const log = goodLog(source);
    await refuseSecond(old, log);
    await source.core.log.apply(log.texts.map((text) => receiveChange(text)));
    await take(old, source, 'staging');
    expect(aside(old)).to.deep.equal([]);
    await expectSame(source.core, old.core);
    await expectConsistent(old.core);
  });

  it('holds in the tail what touches a refused change of the pages, and quarantines one that comes there', async () => {
    const source = await filled();
    const log = await withQuarantine(source);
    source.before = async (call) => {
      if (call.kind !== 'snapshot' || log.seq > 3) return;
      log.put('/held/later');
      log.putBad('/late');
      log.put('/free');
      await source.core.log.apply(log.texts.map((text) => receiveChange(text)));
    };
    for (const area of ['tree', 'staging'] as const) {
      const reader = area === 'tree' ? await openFiler('reader:1', 'bootstrapping') : await acquainted(source);
      await take(reader, source, area);
      expect(aside(reader)).to.deep.equal([
        [2, null],
        [3, 2],
        [4, 2],
        [5, null],
      ]);
      expect(await paths(reader)).to.include('/free');
      await expectSame(source.core, reader.core);
    }
  });
});
