import { expect } from 'chai';
import { FilerError } from '../../../src/core/errors.js';
import { ManualTime, passUntil } from '../../support/manual-time.js';
import { openSyncFiler, startSync, type Asked, type MemorySyncFiler, type Running } from '../../support/memory-sync-filer.js';
import { p } from '../../support/open-log.js';
import { parseLinkState } from '../../../src/core/sync/link.js';

const hour = 3600_000;

describe('what a target refuses', () => {
  let time: ManualTime;
  let a: MemorySyncFiler;
  let b: MemorySyncFiler;
  let running: Running | null = null;

  beforeEach(async () => {
    time = new ManualTime();
    [a, b] = [await openSyncFiler('a', time), await openSyncFiler('b', time)];
  });
  afterEach(async () => {
    await running?.end();
    running = null;
  });

  const start = async (asked: Asked = {}) => (running = await startSync(a, b, time, { passive: true, ...asked }));
  const status = () => {
    const [direction] = running!.sync.status().directions;
    return direction!;
  };
  const arrived = (path: string, content: string | null = path) =>
    passUntil(time, `${path} to be ${content} in b`, async () => (await b.read(path)) === content, { msMax: 2 * hour, stepMs: 1000 });
  const refusedIn = async (filer: MemorySyncFiler) => (await filer.asked.checkpoints()).flatMap(({ value }) => parseLinkState(value).refused);
  /** The target refuses changes of this path, as another version of kelp might. */
  const refuse = (path: string | null) => {
    const name = `"name":"${path}"`;
    b.before = (call) => {
      if (call.kind !== 'import' || path === null) return;
      const index = call.lines.findIndex((line) => line.includes(name));
      if (index >= 0) throw new FilerError('BODY_INVALID', `changes[${index}].newEntry.x: is unknown here`);
    };
  };

  it('is put aside by path with what comes later there and below, while the rest flows', async () => {
    await start();
    await arrived('/', null);
    refuse('bad');
    await a.put('/bad', 'first');
    await a.put('/good');
    await a.put('/bad', 'second');
    await a.remove('/bad');
    await a.put('/bad/below');
    await a.put('/later');
    await arrived('/good');
    await arrived('/later');
    expect([await b.read('/bad'), await b.read('/bad/below')]).to.deep.equal([null, null]);
    expect((await refusedIn(b)).map(({ path, error }) => [path, error])).to.deep.equal([
      ['/bad', 'changes[0].newEntry.x: is unknown here'],
      ['/bad/below', null],
    ]);
    expect(status()).to.include({ state: 'following', failed: 1, quarantined: 2 });
    expect(status().lastError).to.deep.include({ code: 'BODY_INVALID' });
  });

  it('is tried again with back-off, and comes as it stands by then, in order', async () => {
    await start();
    refuse('bad');
    await a.put('/bad');
    await a.put('/after');
    await arrived('/after');
    const rows = () => a.calls.filter(({ kind }) => kind === 'row').length;
    await time.advance(hour);
    expect(rows()).to.be.within(3, 40);
    expect(status()).to.include({ quarantined: 1 });
    await a.put('/bad', 'newest');
    await a.put('/other');
    await arrived('/other');
    refuse(null);
    await arrived('/bad', 'newest');
    await passUntil(time, 'the quarantine to be empty', async () => (await refusedIn(b)).length === 0);
    expect(status()).to.include({ quarantined: 0 });
    await a.put('/bad', 'as ever');
    await arrived('/bad', 'as ever');
  });

  for (const phase of ['feed', 'copy'] as const)
    it(`is not forgotten when the sync is killed (${phase})`, async () => {
      refuse('bad');
      if (phase === 'feed') {
        await start();
        await arrived('/', null);
      }
      await a.put('/bad/one');
      await a.put('/good');
      if (phase === 'copy') await start();
      await arrived('/good');
      await passUntil(time, 'a checkpoint with it', async () => (await refusedIn(b)).some(({ path }) => path === '/bad'));
      // Another runner: nothing but the checkpoint is left.
      await running!.end();
      refuse(null);
      await start();
      await arrived('/bad/one');
      await passUntil(time, 'the quarantine to be empty', async () => (await refusedIn(b)).length === 0);
    });

  it('keeps the checkpoint before it until it is named there: nothing is lost if the sync dies in between', async () => {
    await start();
    await a.put('/first');
    await arrived('/first');
    b.before = (call) => {
      if (call.kind === 'import' && call.lines.some((line) => line.includes('"name":"bad"'))) throw new FilerError('BODY_INVALID', 'changes[0]: no');
      // Dies before it can say what was refused.
      if (call.kind === 'checkpoint') throw new FilerError('PEER_UNREACHABLE', 'cut off');
    };
    await a.put('/bad');
    await time.advance(60_000);
    await running!.end();
    expect(await refusedIn(b)).to.deep.equal([]);
    refuse(null);
    await start();
    await arrived('/bad');
  });

  it('is brought by its row if this sync could not read the change', async () => {
    await start();
    await arrived('/', null);
    a.rewrite = (text) => (text.includes('"name":"odd"') ? text.replace('"isDirectory":false', '"isDirectory":"no"') : text);
    await a.put('/odd');
    await a.put('/even');
    await arrived('/even');
    expect((await refusedIn(b)).map(({ path }) => path)).to.deep.equal(['/odd']);
    await arrived('/odd');
  });

  it('waits under its dot if not even its path can be read', async () => {
    await start();
    await arrived('/', null);
    a.rewrite = (text) => text.replace('"name":"odd"', '"name":""');
    await a.put('/odd');
    await a.put('/even');
    await arrived('/even');
    expect((await refusedIn(b)).map(({ path }) => path)).to.deep.equal([`/.filer/${a.filer.origin}:${a.core.log.state.head - 1}`]);
    a.rewrite = (text) => text;
    await arrived('/odd');
  });

  it('holds both names of a move, and what is gone need not go where it cannot be', async () => {
    await a.put('/x/one');
    await start({ aToB: { from: p('/x') } });
    await arrived('/one', '/x/one');
    // No name of the target's root may be this.
    await a.move('/x/one', '/x/metrics');
    await a.put('/x/two');
    await arrived('/two', '/x/two');
    expect((await refusedIn(b)).map(({ path }) => path)).to.deep.equal(['/x/metrics', '/x/one']);
    await a.move('/x/metrics', '/x/three');
    await arrived('/three', '/x/one');
    await passUntil(time, 'the quarantine to be empty', async () => (await refusedIn(b)).length === 0, { msMax: 2 * hour, stepMs: 1000 });
    expect(await b.read('/one')).to.equal(null);
  });

  it('stalls the link before there is more of it than the checkpoint holds', async () => {
    await start({ limits: { syncRefusedBytes: 300 }, aToB: { from: p('/x') } });
    await arrived('/', null);
    for (let file = 0; file < 10; file += 1) await a.put(`/x/metrics/${file}`);
    await a.put('/x/behind');
    await passUntil(time, 'the link to stall', () => status().state === 'stalled');
    expect(status().lastError).to.deep.include({ code: 'QUARANTINE_FULL' });
    expect(await b.read('/behind')).to.equal(null);
    await a.remove('/x/metrics');
    await running!.end();
    await start({ aToB: { from: p('/x') } });
    await arrived('/behind', '/x/behind');
  });

  it('may be one change that is more than a request may hold: the others of its page go', async () => {
    await start();
    await arrived('/', null);
    b.before = (call) => {
      if (call.kind === 'import' && call.lines.join('').length > 5000) throw new FilerError('BODY_TOO_LARGE', 'the body is too large');
    };
    await Promise.all([a.put('/1'), a.put('/2'), a.put('/large', 'x'.repeat(6000)), a.put('/3'), a.put('/4')]);
    for (const path of ['/1', '/2', '/3', '/4']) await arrived(path);
    expect((await refusedIn(b)).map(({ path, error }) => [path, error])).to.deep.equal([['/large', 'the body is too large']]);
  });
});
