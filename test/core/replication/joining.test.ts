import { expect } from 'chai';
import { limits } from '../../../src/core/config/limits.js';
import { FilerError } from '../../../src/core/errors.js';
import { silentLogger } from '../../../src/core/logger.js';
import type { Origin } from '../../../src/core/clock/vector.js';
import { Joining, nextStep, type JoiningLimits, type Situation, type Step } from '../../../src/core/replication/joining.js';
import type { OriginState } from '../../../src/core/store/store.js';
import type { FilerInfo, FilerState } from '../../../src/core/replication/peer.js';
import { expectConsistent, expectSame } from '../../support/history.js';
import { openFiler, smallPages, type MemoryFiler } from '../../support/memory-peer.js';
import { codeOf, file, mode, never, p, pull } from '../../support/open-log.js';

const [a, b, c] = ['1', '2', '3'].map((digit) => digit.repeat(16));

const info = (origin: Origin, state: FilerState, position: Record<Origin, number>, lineage = 'l', floor = 0): FilerInfo =>
  ({ origin, state, lineage, former: [], floor, position: new Map(Object.entries(position)), head: `00000001${'0'.repeat(16)}` }) as unknown as FilerInfo;
const situation = (more: Partial<Situation>): Situation => ({
  phase: 'fresh',
  goal: null,
  strayed: new Map(),
  known: new Set(),
  isGroupAway: false,
  lineage: null,
  source: null,
  force: false,
  ...more,
});

describe('nextStep', () => {
  const empty = info(b, 'ready', { [b]: 0 });
  const full = info(b, 'ready', { [b]: 5 });
  const fuller = info(c, 'ready', { [b]: 5, [c]: 1 });
  const busy = info(b, 'bootstrapping', { [b]: 0 });
  const restored = info(b, 'readonly', { [b]: 5 });
  const source = { origin: b, epoch: '00000001', isLost: false };
  const goal = new Map([[b, 5]]);
  const renewed = { ...full, former: [a] };

  const cases: [what: string, situation: Partial<Situation>, answers: FilerInfo[], step: string][] = [
    ['a ready store', { phase: 'ready' }, [full], 'ready'],
    ['a fresh store alone', {}, [], 'ready'],
    ['a fresh store among fresh ones', {}, [info(b, 'starting', { [b]: 0 }), empty], 'ready'],
    ['a fresh store and one with entries', {}, [empty, full], `take ${b}`],
    ['a fresh store and several with entries', {}, [full, fuller], `take ${c}`],
    ['a fresh store and one with entries that cannot serve', {}, [restored, busy], 'wait'],
    ['a fresh store told to be the first', { force: true }, [restored], 'ready'],
    ['a fresh store told to be the first, though one can serve', { force: true }, [full], `take ${b}`],
    ['a bootstrapping store alone', { phase: 'bootstrapping' }, [], 'wait'],
    ['a bootstrapping store among others like it', { phase: 'bootstrapping' }, [busy], 'wait'],
    ['a bootstrapping store whose others hold nothing', { phase: 'bootstrapping' }, [empty], 'ready'],
    ['a bootstrapping store and one that holds nothing but a floor', { phase: 'bootstrapping' }, [info(b, 'ready', { [b]: 0 }, 'l', 7)], `take ${b}`],
    ['a bootstrapping store and one with entries', { phase: 'bootstrapping' }, [full], `take ${b}`],
    ['a bootstrapping store whose source answers', { phase: 'bootstrapping', source }, [fuller, full], `take ${b}`],
    ['a bootstrapping store whose source is silent', { phase: 'bootstrapping', source }, [fuller], 'wait'],
    ['a bootstrapping store whose source serves nobody', { phase: 'bootstrapping', source }, [fuller, restored], 'wait'],
    ['a bootstrapping store whose source is lost', { phase: 'bootstrapping', source: { ...source, isLost: true } }, [fuller], 'abandon'],
    ['a bootstrapping store whose source has another tree', { phase: 'bootstrapping', source: { ...source, epoch: '00000002' } }, [full], 'abandon'],
    ['a restored store alone', { phase: 'restored' }, [], 'wait'],
    ['a restored store and one that cannot serve', { phase: 'restored' }, [restored], 'wait'],
    ['a restored store told to go on', { phase: 'restored', force: true }, [restored], 'ready'],
    [
      'a restored store and those of its group, a stranger having more',
      { phase: 'restored', lineage: 'm', known: new Set([b]) },
      [full, fuller],
      `rejoin ${b}`,
    ],
    [
      'a restored store and one of its lineage that it has not met',
      { phase: 'restored', lineage: 'l', known: new Set([a]), isGroupAway: true },
      [full],
      `rejoin ${b}`,
    ],
    ['a restored store and one of its group under a new origin', { phase: 'restored', known: new Set([a]), isGroupAway: true }, [renewed], `rejoin ${b}`],
    ['a restored store and a stranger, its group being away', { phase: 'restored', known: new Set([a]), isGroupAway: true }, [full], 'wait'],
    ['a restored store and a stranger, its group being gone', { phase: 'restored', known: new Set([a]) }, [full], `rejoin ${b}`],
    ['a restored store and a stranger that holds nothing', { phase: 'restored', known: new Set([a]) }, [empty], 'ready'],
    ['a restored store and one of its group that holds nothing', { phase: 'restored', known: new Set([b]) }, [empty], `rejoin ${b}`],
    [
      'a restored store and a stranger that holds nothing, its group being away',
      { phase: 'restored', known: new Set([a]), isGroupAway: true },
      [empty],
      'wait',
    ],
    ['a restored store told to go on with a stranger', { phase: 'restored', known: new Set([a]), isGroupAway: true, force: true }, [full], `rejoin ${b}`],
    ['a restored store and one that serves', { phase: 'restored', force: true }, [full, fuller], `rejoin ${c}`],
    ['a rejoining store and one that has all it must reach', { phase: 'rejoining', goal }, [empty, full], `take ${b}`],
    ['a rejoining store and one that lacks some of it', { phase: 'rejoining', goal: new Map([[b, 6]]) }, [fuller], 'wait'],
    ['a rejoining store and one that is there on another branch', { phase: 'rejoining', goal, strayed: new Map([[b, [c]]]) }, [full], 'wait'],
    [
      'a rejoining store and two that are there, one on another branch',
      { phase: 'rejoining', goal, strayed: new Map([[c, [b]]]) },
      [full, fuller],
      `take ${b}`,
    ],
    [
      'a rejoining store told to go on with one on another branch',
      { phase: 'rejoining', goal, strayed: new Map([[b, [c]]]), force: true },
      [full],
      `take ${b}`,
    ],
    ['a rejoining store whose peers hold nothing, as it must reach nothing', { phase: 'rejoining', goal: new Map([[b, 0]]) }, [empty], 'ready'],
    ['a rejoining store whose peers have lost what it must reach', { phase: 'rejoining', goal }, [empty], 'wait'],
    [
      'a rejoining store whose peers hold nothing, as it must reach nothing, beside one that waits itself and has a floor',
      { phase: 'rejoining', goal: new Map([[b, 0]]) },
      [empty, info(c, 'rejoining', { [c]: 0 }, 'l', 7)],
      'ready',
    ],
    [
      'a rejoining store whose peers hold nothing, as it must reach nothing, beside one with entries that will serve',
      { phase: 'rejoining', goal: new Map([[b, 0]]) },
      [empty, info(c, 'rejoining', { [c]: 1 })],
      'wait',
    ],
    ['a rejoining store alone', { phase: 'rejoining', goal: new Map() }, [], 'wait'],
    [
      'a rejoining store and two of the lineage it met, another having more',
      { phase: 'rejoining', goal, lineage: 'm' },
      [info(b, 'ready', { [b]: 5 }, 'm'), fuller],
      `take ${b}`,
    ],
    ['a rejoining store and none of the lineage it met', { phase: 'rejoining', goal, lineage: 'm' }, [full, fuller], `take ${c}`],
    ['a rejoining store told to go on alone', { phase: 'rejoining', goal, force: true }, [restored], 'ready'],
  ];
  const short = (step: Step) => (step.kind === 'take' ? `take ${step.from.origin}` : step.kind === 'rejoin' ? `rejoin ${step.with.origin}` : step.kind);
  for (const [what, more, answers, step] of cases) {
    it(`is ${step.replace(/ .*/, '')} for ${what}`, () => {
      const decided = nextStep(situation(more), answers);
      expect(short(decided)).to.equal(step);
      expect(short(nextStep(situation(more), [...answers].reverse())), 'in any order').to.equal(step);
      if (decided.kind === 'wait') expect(decided.why).to.match(/^[a-z]/);
    });
  }
});

const put = (at: MemoryFiler, path: string, text = 'x') => at.core.tree.put(p(path), file(text), mode);
const remove = (at: MemoryFiler, path: string) => at.core.tree.remove(p(path), false);
const joiningLimits: JoiningLimits = { ...smallPages, msMin: limits.backoffMsMin, msMax: limits.backoffMsMax, peerSilentMs: limits.peerSilentMs };

/** The joining of one filer among others, as its process wires it. */
function joiningOf(at: MemoryFiler, others: readonly MemoryFiler[], force = false) {
  const byAddress = new Map(others.map((other) => [other.address, other]));
  const changes: string[] = [];
  const joining = new Joining({
    log: at.core.log,
    store: at.core.store,
    time: at.core.time,
    logger: silentLogger,
    limits: joiningLimits,
    force,
    kind: 'embedded',
    instance: 'own',
    members: () => [at, ...others].map((filer) => filer.member()),
    connect: (address) => {
      const filer = byAddress.get(address);
      if (!filer) throw new TypeError(`nobody is at ${address}`);
      return filer.peer;
    },
    caller: () => at.caller(),
    changed: () => changes.push(at.core.log.identity.phase),
  });
  return { joining, changes };
}

/** Runs until the store is ready, or gives up after so much time; true if it became ready. */
async function join(at: MemoryFiler, others: readonly MemoryFiler[], options: { force?: boolean; ms?: number } = {}): Promise<boolean> {
  const { joining } = joiningOf(at, others, options.force);
  const controller = new AbortController();
  let isDone = false;
  const running = joining.untilReady(controller.signal).then(
    () => (isDone = true),
    (error: unknown) => {
      if (error !== controller.signal.reason) throw error;
    },
  );
  for (let ms = 0; !isDone && ms < (options.ms ?? 60_000); ms += 1000) await at.core.time.advance(1000);
  controller.abort(new FilerError('STOPPING', 'enough'));
  await running;
  return isDone;
}

describe('Joining', () => {
  it('begins no rejoin with a peer that is no longer what it was when it was looked at', async () => {
    const [peer, at] = [await openFiler('peer:1'), await openFiler('at:1')];
    for (const filer of [peer, at]) await put(filer, `/${filer.address}`);
    const before = at.info();
    const { joining } = joiningOf(at, [peer]);
    const looked = peer.info();
    await peer.setPhase('rejoining');
    expect(await joining.rejoinWith(looked, never), 'it rejoins itself').to.equal(false);
    await peer.setPhase('ready');
    expect(await joining.rejoinWith({ ...looked, lineage: c }, never), 'it has become one of another lineage').to.equal(false);
    expect(await joining.rejoinWith({ ...looked, origin: c }, never), 'its origin was renewed').to.equal(false);
    expect(at.info(), 'nothing has begun').to.deep.equal({ ...before, time: at.info().time });
    expect(await joining.rejoinWith(looked, never)).to.equal(true);
    expect(at.core.log.identity.phase).to.equal('rejoining');
  });

  it('counts on what the peer has when the rejoin begins, not on what it had when it was looked at', async () => {
    const [peer, at] = [await openFiler('peer:1'), await openFiler('at:1')];
    await put(at, '/seen');
    const looked = peer.info();
    await pull(at.core, peer.core);
    const { joining } = joiningOf(at, [peer]);
    expect(await joining.rejoinWith(looked, never)).to.equal(true);
    expect(await join(await at.restart(), [peer])).to.equal(true);
    expect(at.core.tree.ownSeq, 'the peer has it by now').to.equal(0);
  });

  it('takes over a lineage where it is known, and makes the other known with it', async () => {
    const [at, peer] = await Promise.all(['a:1', 'b:1'].map((address) => openFiler(address, 'ready', { isStranger: true })));
    const of = async (filer: MemoryFiler, lineage: string) =>
      filer.core.log.alone(async (draft) => {
        draft.setIdentity({ lineage });
        await draft.flush();
      });
    await of(at, c);
    await of(peer, b);
    await put(at, '/a');
    await put(peer, '/b');
    const { joining } = joiningOf(at, [peer]);
    await joining.adopt(peer.info());
    expect(at.core.log.identity.lineage, 'not known there').to.equal(c);
    await peer.core.log.alone(async (draft) => {
      draft.know(at.origin);
      await draft.flush();
    });
    const known = peer.info();
    await joining.adopt({ ...known, floor: 9 });
    expect(at.core.log.identity.lineage, 'tombstones were dropped there').to.equal(c);
    await joining.adopt(known);
    expect([at.core.log.identity.lineage, at.core.log.position.get(peer.origin)]).to.deep.equal([b, 0]);
    expect(at.core.log.identity.phase).to.equal('ready');
  });

  it('makes a fresh store ready at once where nobody holds anything, however many begin together', async () => {
    const filers = await Promise.all(['a:1', 'b:1', 'c:1'].map((address) => openFiler(address, 'fresh')));
    expect(
      await Promise.all(
        filers.map((filer) =>
          join(
            filer,
            filers.filter((other) => other !== filer),
          ),
        ),
      ),
    ).to.deep.equal([true, true, true]);
    expect(filers.map((filer) => filer.core.log.identity.phase)).to.deep.equal(['ready', 'ready', 'ready']);
  });

  it('fills a fresh store from a member that holds entries', async () => {
    const [source, at] = [await openFiler('source:1'), await openFiler('at:1', 'fresh')];
    for (let i = 0; i < 8; i++) await put(source, `/d/${i}`);
    expect(await join(at, [source])).to.equal(true);
    await expectSame(source.core, at.core);
    await expectConsistent(at.core);
  });

  it('waits for a source that is silent, and takes another one when it is lost', async () => {
    const [first, second, at] = [await openFiler('first:1'), await openFiler('second:1'), await openFiler('at:1', 'fresh')];
    for (let i = 0; i < 8; i++) await put(first, `/d/${i}`);
    await first.source.greet(second.caller());
    await second.source.greet(first.caller());
    first.before = (call) => {
      if (call.kind === 'snapshot' && first.calls.length > 4) first.isReachable = false;
    };
    expect(await join(at, [first, second], { ms: 5000 })).to.equal(false);
    expect(at.core.log.identity.phase).to.equal('bootstrapping');
    await pull(first.core, second.core);
    expect(await join(await at.restart(), [first, second], { ms: limits.peerSilentMs - 2000 })).to.equal(false);
    const again = await at.restart();
    expect(await join(again, [first, second], { ms: limits.peerSilentMs + 15_000 })).to.equal(true);
    await expectSame(second.core, again.core);
    await expectConsistent(again.core);
  });

  it('leaves out members that are not what they were taken for, or do not answer', async () => {
    const [source, stranger, at] = [await openFiler('source:1'), await openFiler('stranger:1'), await openFiler('at:1', 'fresh')];
    await put(source, '/a');
    source.isReachable = false;
    await stranger.core.log.alone(async (draft) => {
      draft.setIdentity({ clusterId: 'c'.repeat(16) });
      await draft.flush();
    });
    await at.core.log.alone(async (draft) => {
      draft.setIdentity({ clusterId: 'd'.repeat(16) });
      await draft.flush();
    });
    await put(stranger, '/stranger');
    expect(await join(at, [source, stranger])).to.equal(true);
    expect(at.core.log.state.counts.entries).to.equal(0);
  });

  it('rejoins a restored store through a member, and brings back what only it had', async () => {
    const [peer, at] = [await openFiler('peer:1'), await openFiler('at:1')];
    await peer.source.greet(at.caller());
    await at.source.greet(peer.caller());
    await put(at, '/sent');
    await pull(at.core, peer.core);
    await put(at, '/unsent');
    const backup = at.core.disk.clone();
    await put(at, '/lost');
    const restored = await openFiler('at:1', 'restored', { disk: backup });
    expect(restored.core.log.identity.phase).to.equal('restored');
    expect(await join(restored, [], { ms: 10_000 }), 'alone').to.equal(false);
    expect(await join(restored, [peer])).to.equal(true);
    await pull(restored.core, peer.core);
    await expectSame(peer.core, restored.core);
    for (const path of ['/sent', '/unsent']) expect(await peer.core.tree.find(p(path)), path).to.not.equal(null);
    expect((await restored.core.store.load()).meta.has('rejoin')).to.equal(false);
  });

  it('rejoins a restored store through no stranger while its group is away: nobody there would wait until that hears of what was deleted', async () => {
    const [peer, at, stranger] = await Promise.all(['peer:1', 'at:1', 'stranger:1'].map((address) => openFiler(address, 'ready', { isStranger: true })));
    await peer.source.greet(at.caller()).catch(() => {});
    await at.core.log.alone(async (draft) => {
      draft.setIdentity({ lineage: peer.core.log.identity.lineage });
      draft.know(peer.origin);
      await draft.flush();
    });
    await put(peer, '/f');
    await pull(peer.core, at.core);
    await remove(at, '/f');
    await put(stranger, '/of-the-stranger');
    const restored = await openFiler('at:1', 'restored', { disk: at.core.disk.clone() });
    peer.isReachable = false;
    const { joining } = joiningOf(restored, [peer, stranger]);
    const controller = new AbortController();
    const running = joining.untilReady(controller.signal).catch((error: unknown) => error);
    await restored.core.time.advance(20_000);
    expect(joining.waitsFor).to.equal(
      'this store was restored or copied; read-only until one of those that it has worked with is reached (--force goes on without)',
    );
    peer.isReachable = true;
    for (let ms = 0; restored.core.log.identity.phase !== 'ready' && ms < 60_000; ms += 1000) await restored.core.time.advance(1000);
    controller.abort();
    await running;
    expect([joining.waitsFor, restored.core.log.identity.phase]).to.deep.equal(['', 'ready']);
    expect(restored.core.log.identity.lineage).to.equal(peer.core.log.identity.lineage);
    await pull(restored.core, peer.core);
    expect(await peer.core.tree.find(p('/f'))).to.equal(null);
    await expectSame(peer.core, restored.core);
  });

  it('brings back what a restored store has on another branch of a third filer’s log than the member has', async () => {
    const [first, peer, at] = [await openFiler('owner:1'), await openFiler('peer:1'), await openFiler('at:1')];
    await put(first, '/shared');
    for (const one of [peer, at]) await pull(first.core, one.core);
    const disk = first.core.disk.clone();
    disk.restored = false;
    await put(first, '/on-one-branch');
    await pull(first.core, at.core);
    const owner = await openFiler('owner:1', 'ready', { disk, time: first.core.time });
    await owner.core.time.advance(1000);
    await put(owner, '/on-the-other');
    await pull(owner.core, peer.core);
    const restored = await openFiler('at:1', 'restored', { disk: at.core.disk.clone() });
    expect(await join(restored, [peer])).to.equal(true);
    await pull(restored.core, peer.core);
    await expectSame(peer.core, restored.core);
    for (const path of ['/shared', '/on-one-branch', '/on-the-other']) expect(await peer.core.tree.find(p(path)), path).to.not.equal(null);
  });

  it('counts on nobody who is as far as its peer was on another branch of a log: what was left out as the peer’s is not there', async () => {
    for (const isTrimmed of [false, true]) {
      const [first, peer, other, at] = await Promise.all(['owner:1', 'peer:1', 'other:1', 'at:1'].map((address) => openFiler(address)));
      await put(first, '/shared');
      for (const one of [peer, other, at]) await pull(first.core, one.core);
      const disk = first.core.disk.clone();
      disk.restored = false;
      await put(first, '/of-the-first');
      for (const one of [peer, at]) await pull(first.core, one.core);
      const twin = await openFiler('owner:1', 'ready', { disk, time: first.core.time });
      await twin.core.time.advance(1000);
      for (const path of ['/of-the-twin', '/of-the-twin-too']) await put(twin, path);
      await pull(twin.core, other.core);
      if (isTrimmed)
        await other.core.log.alone(async (draft) => {
          await draft.trim(other.core.log.state.head);
          await draft.flush();
        });
      const { joining } = joiningOf(at, [peer, other]);
      expect(await joining.rejoinWith(peer.info(), never)).to.equal(true);
      peer.isReachable = false;
      const restarted = await at.restart();
      const waiting = joiningOf(restarted, [peer, other]).joining;
      const controller = new AbortController();
      const running = waiting.untilReady(controller.signal).catch((error: unknown) => error);
      await restarted.core.time.advance(20_000);
      expect([restarted.core.log.identity.phase, waiting.waitsFor]).to.deep.equal([
        'rejoining',
        'no member that can serve has everything this store must reach (--force goes on without)',
      ]);
      peer.isReachable = true;
      for (let ms = 0; restarted.core.log.identity.phase !== 'ready' && ms < 60_000; ms += 1000) await restarted.core.time.advance(1000);
      controller.abort();
      await running;
      expect([restarted.core.log.identity.phase, waiting.waitsFor]).to.deep.equal(['ready', '']);
      await expectSame(peer.core, restarted.core);
    }
  });

  it('loses nothing where its peer is lost before its snapshot is here, and an operator says that it goes on', async () => {
    for (const others of [[], ['other:1']]) {
      const [peer, at] = [await openFiler('peer:1'), await openFiler('at:1')];
      const rest = await Promise.all(others.map((address) => openFiler(address)));
      for (const other of rest) await put(other, '/others');
      await peer.source.greet(at.caller());
      await at.source.greet(peer.caller());
      await put(at, '/known-to-the-peer');
      await pull(at.core, peer.core);
      await put(at, '/own');
      expect(await joiningOf(at, [peer]).joining.rejoinWith(peer.info(), never)).to.equal(true);
      const again = await at.restart();
      expect(await join(again, rest, { ms: 20_000 }), 'nobody has what the peer had').to.equal(false);
      const forced = await again.restart();
      expect(await join(forced, rest, { force: true })).to.equal(true);
      for (const path of ['/known-to-the-peer', '/own', ...rest.map(() => '/others')]) expect(await forced.core.tree.find(p(path)), path).to.not.equal(null);
    }
  });

  it('goes on with its peer though that has given up a branch since: what was on it is written again there', async () => {
    const [first, peer, at] = [await openFiler('owner:1'), await openFiler('peer:1'), await openFiler('at:1')];
    await put(first, '/shared');
    const disk = first.core.disk.clone();
    disk.restored = false;
    await put(first, '/lost');
    for (const one of [peer, at]) await pull(first.core, one.core);
    const { joining } = joiningOf(at, [peer]);
    expect(await joining.rejoinWith(peer.info(), never)).to.equal(true);
    const owner = await openFiler('owner:1', 'ready', { disk, time: first.core.time });
    await owner.core.time.advance(1000);
    await put(owner, '/written');
    await peer.core.log.alone(async (draft) => {
      await draft.giveUp(owner.core.log.state.origins.get(owner.origin) as OriginState);
      await draft.flush();
    });
    expect(await join(await at.restart(), [peer])).to.equal(true);
  });

  it('rejoins a restored store whose only peer is empty, without losing its tree', async () => {
    const [peer, at] = [await openFiler('peer:1'), await openFiler('at:1')];
    await at.source.greet(peer.caller());
    await put(at, '/d/f');
    const restored = await openFiler('at:1', 'restored', { disk: at.core.disk.clone() });
    expect(await join(restored, [peer])).to.equal(true);
    expect(await restored.core.tree.find(p('/d/f'))).to.not.equal(null);
  });

  it('goes on with a restored store where an operator says so', async () => {
    const [peer, at] = [await openFiler('peer:1'), await openFiler('at:1')];
    await at.source.greet(peer.caller());
    await put(at, '/f');
    const restored = await openFiler('at:1', 'restored', { disk: at.core.disk.clone() });
    peer.isReachable = false;
    expect(await join(restored, [peer], { force: true })).to.equal(true);
    expect(await restored.core.tree.find(p('/f'))).to.not.equal(null);
    const { identity } = restored.core.log;
    expect([identity.former, identity.lineage]).to.deep.equal([[at.origin], identity.origin]);
  });

  it('takes another store id where the one it copied is up', async () => {
    const [peer, at] = [await openFiler('peer:1'), await openFiler('at:1')];
    await peer.source.greet(at.caller());
    await at.source.greet(peer.caller());
    await put(peer, '/f');
    const copy = await openFiler('copy:1', 'restored', { disk: at.core.disk.clone() });
    expect(await join(copy, [peer, at])).to.equal(true);
    expect(copy.core.log.identity.storeId).to.not.equal(at.core.log.identity.storeId);
  });

  it('takes a new origin where a member has changes of its own that it lacks: it was put back to when it was empty', async () => {
    const [peer, at] = [await openFiler('peer:1'), await openFiler('at:1', 'fresh')];
    await at.setPhase('ready');
    const backup = at.core.disk.clone();
    backup.restored = false;
    await peer.source.greet(at.caller());
    await put(at, '/lost/a');
    await put(at, '/lost/b');
    await pull(at.core, peer.core);
    const back = await openFiler('at:1', 'ready', { disk: backup, time: at.core.time });
    const { origin } = back.core.log.identity;
    await back.setPhase('bootstrapping');
    expect(await join(back, [peer])).to.equal(true);
    const { identity, position } = back.core.log;
    expect([identity.former, position.get(origin)]).to.deep.equal([[origin], peer.core.log.position.get(origin)]);
    await expectSame(peer.core, back.core);
    await put(back, '/lost/c');
    await pull(back.core, peer.core);
    await expectSame(peer.core, back.core);
  });

  it('claims nothing of a snapshot that brings changes of its own which nobody had when it began', async () => {
    const [peer, at] = [await openFiler('peer:1'), await openFiler('at:1', 'fresh')];
    const backup = at.core.disk.clone();
    backup.restored = false;
    await at.setPhase('ready');
    for (let i = 0; i < 8; i++) await put(peer, `/p${i}`);
    for (let i = 0; i < 3; i++) await put(at, `/a${i}`);
    const back = await openFiler('at:1', 'bootstrapping', { disk: backup, time: at.core.time });
    peer.before = async (call) => {
      if (call.kind === 'snapshot') await pull(at.core, peer.core);
    };
    expect(await codeOf(() => back.bootstrap().take(peer.peer, peer.info(), 'tree', never))).to.equal('OFFSET_UNKNOWN');
    peer.before = () => {};
    expect(back.core.log.position.get(peer.origin)).to.equal(undefined);
  });

  it('goes on after a crash at any step of a rejoin', async () => {
    for (let crashAt = 1; crashAt <= 9; crashAt++) {
      const [peer, at] = [await openFiler('peer:1'), await openFiler('at:1')];
      await peer.source.greet(at.caller());
      await at.source.greet(peer.caller());
      for (let i = 0; i < 5; i++) await put(peer, `/d/${i}`);
      await pull(peer.core, at.core);
      for (let i = 0; i < 5; i++) await put(at, `/own/${i}`);
      let restored = await openFiler('at:1', 'restored', { disk: at.core.disk.clone() });
      let commits = 0;
      restored.core.store.faults.beforeCommit = () => {
        commits += 1;
        if (commits >= crashAt) throw new FilerError('STORE_FAILED', 'the crash');
      };
      await join(restored, [peer], { ms: 3000 });
      restored = await restored.restart();
      expect(restored.core.log.identity.phase, `after ${crashAt}`).to.be.oneOf(['restored', 'rejoining', 'ready']);
      expect(await join(restored, [peer])).to.equal(true);
      await pull(restored.core, peer.core);
      await pull(peer.core, restored.core);
      await expectSame(peer.core, restored.core);
      await expectConsistent(restored.core);
      for (let i = 0; i < 5; i++) expect(await peer.core.tree.find(p(`/own/${i}`)), `own ${i} after ${crashAt}`).to.not.equal(null);
    }
  });

  it('lets an empty store that was ready be filled again, unless something was written', async () => {
    for (const written of [false, true]) {
      const at = await openFiler('at:1');
      if (written) await put(at, '/f');
      const { joining, changes } = joiningOf(at, []);
      await joining.bootstrapAgain();
      expect(at.core.log.identity.phase).to.equal(written ? 'ready' : 'bootstrapping');
      expect(changes.length).to.equal(1);
    }
  });
});
