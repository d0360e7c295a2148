import { expect } from 'chai';
import { limits as defaults } from '../../../src/core/config/limits.js';
import { FilerError, type FailureCode } from '../../../src/core/errors.js';
import { silentLogger } from '../../../src/core/logger.js';
import { Subscription, type SubscriptionHooks, type SubscriptionState } from '../../../src/core/replication/subscription.js';
import { expectSame } from '../../support/history.js';
import { ManualTime, passUntil } from '../../support/manual-time.js';
import { openFiler, type MemoryFiler } from '../../support/memory-peer.js';
import { file, mode, p, type OpenOptions } from '../../support/open-log.js';

const limits = {
  pageChanges: 2,
  pageBytes: 1e6,
  peerPollMs: defaults.peerPollMs,
  peerStartingMs: defaults.peerStartingMs,
  peerSilentMs: defaults.peerSilentMs,
  digestCompareMs: defaults.digestCompareMs,
  digestWaitMs: defaults.digestWaitMs,
  digestVerdictMs: defaults.digestVerdictMs,
  msMin: defaults.backoffMsMin,
  msMax: defaults.backoffMsMax,
};
const put = (at: MemoryFiler, path: string, text = 'x') => at.core.tree.put(p(path), file(text), mode);

interface Pair {
  time: ManualTime;
  peer: MemoryFiler;
  at: MemoryFiler;
  subscription: Subscription;
  states: SubscriptionState[];
}

const running: Subscription[] = [];

/** A filer that follows a peer. */
async function following(hooks: Partial<SubscriptionHooks> = {}, own: OpenOptions['limits'] = {}): Promise<Pair> {
  const time = new ManualTime();
  const [peer, at] = [await openFiler('peer:1', 'ready', { time }), await openFiler('at:1', 'ready', { time, limits: own })];
  await peer.source.greet(at.caller());
  await at.source.greet(peer.caller());
  const states: SubscriptionState[] = [];
  const subscription = new Subscription(peer.member(), peer.peer, at.core.log, {
    time,
    logger: silentLogger,
    limits,
    hooks: {
      origins: (self) => [self.origin],
      caller: () => at.caller(),
      met: async () => {},
      changed: (self) => {
        if (states.at(-1) !== self.state) states.push(self.state);
      },
      trimmed: async () => {},
      closed: async () => {},
      ...hooks,
    },
  });
  running.push(subscription);
  subscription.start();
  return { time, peer, at, subscription, states };
}

const caughtUp = ({ at, peer }: Pair) => (at.core.log.position.get(peer.origin) ?? 0) === peer.core.tree.ownSeq;

afterEach(async () => {
  await Promise.all(running.splice(0).map((subscription) => subscription.stop()));
});

describe('Subscription', () => {
  it('catches up page by page, then follows what comes', async () => {
    const pair = await following();
    const { time, peer, at, subscription } = pair;
    for (let i = 0; i < 7; i++) await put(peer, `/d/${i}`);
    await passUntil(time, 'the first pages', () => caughtUp(pair));
    await put(peer, '/later');
    await passUntil(time, 'the news', () => caughtUp(pair), { stepMs: 1, msMax: 5 });
    await expectSame(peer.core, at.core);
    expect([subscription.state, subscription.error, subscription.receivedChanges, subscription.digestVerdict()]).to.deep.equal(['following', null, 9, 'equal']);
    expect(subscription.behind()).to.deep.equal({ events: 0, seconds: 0, bytes: 0 });
  });

  it('is heard of while nothing happens, well before it counts as silent', async () => {
    const pair = await following();
    await passUntil(pair.time, 'the first answer', () => pair.subscription.state === 'following');
    for (let i = 0; i < 60; i++) {
      await pair.time.advance(1000);
      expect(pair.subscription.behind().seconds).to.equal(0);
    }
  });

  it('tells how fast it applies: of each page a fifth, of those before it the rest', async () => {
    const pair = await following();
    const { time, peer, at, subscription } = pair;
    expect(subscription.rate).to.equal(0);
    // Time passes only while the store fails: a page takes no time, which counts as a millisecond.
    await put(peer, '/a');
    await passUntil(time, 'the first change', () => caughtUp(pair), { stepMs: 1 });
    expect(subscription.rate).to.equal(200);
    let failures = 0;
    at.core.store.faults.beforeCommit = () => {
      failures += 1;
      if (failures === 1) throw new FilerError('STORE_FULL', 'the disk is full');
      started ??= time.monotonic();
    };
    let started: number | null = null;
    const written = time.monotonic();
    await put(peer, '/b');
    await passUntil(time, 'the second', () => caughtUp(pair), { stepMs: 1 });
    expect(failures).to.equal(2);
    expect(subscription.rate).to.be.closeTo(160 + 200 / ((started ?? 0) - written), 0.001);
  });

  it('tells how far it is behind, and since when', async () => {
    const pair = await following();
    const { time, peer, at, subscription } = pair;
    await put(peer, '/a');
    await passUntil(time, 'the first change', () => caughtUp(pair));
    at.core.store.faults.beforeCommit = () => {
      throw new FilerError('STORE_FULL', 'the disk is full');
    };
    await put(peer, '/b');
    await time.advance(3000);
    const lag = subscription.behind();
    expect([lag.events, subscription.state, subscription.error?.code]).to.deep.equal([1, 'stalled', 'STORE_FULL']);
    expect(lag.seconds).to.be.within(2.9, 3.1);
    expect(lag.bytes).to.be.above(100);
    at.core.store.faults.beforeCommit = undefined;
    await passUntil(time, 'room', () => caughtUp(pair));
    expect([subscription.state, subscription.error]).to.deep.equal(['following', null]);
    await expectSame(peer.core, at.core);
  });

  it('does not know its lag when the peer has not been heard for long', async () => {
    const pair = await following();
    const { time, peer, subscription } = pair;
    await passUntil(time, 'the first answer', () => subscription.state === 'following');
    peer.isReachable = false;
    peer.endPolls();
    await time.advance(defaults.peerSilentMs + 1);
    expect([subscription.state, subscription.behind().seconds]).to.deep.equal(['down', null]);
    peer.isReachable = true;
    await put(peer, '/a');
    await passUntil(time, 'the peer to be back', () => caughtUp(pair));
    expect(subscription.state).to.equal('following');
  });

  it('loses nothing and repeats nothing when calls fail at random', async () => {
    const pair = await following();
    const { time, peer, at } = pair;
    peer.before = () => {
      if (time.random() < 0.4) throw new FilerError('PEER_UNREACHABLE', 'the network');
    };
    for (let i = 0; i < 40; i++) {
      await put(peer, `/d/${i % 7}`, String(i));
      await time.advance(200);
    }
    await passUntil(time, 'the end', () => caughtUp(pair));
    await expectSame(peer.core, at.core);
    expect(at.core.log.state.head).to.equal(peer.core.log.state.head);
  });

  const states: [code: FailureCode, state: SubscriptionState][] = [
    ['PEER_UNREACHABLE', 'retrying'],
    ['BOOTSTRAPPING', 'bootstrapping'],
    ['CLUSTER_MISMATCH', 'refused'],
    ['ORIGIN_IN_USE', 'refused'],
    ['TOPOLOGY_MIXED', 'refused'],
    ['SIGNATURE_INVALID', 'refused'],
    ['BODY_INVALID', 'stalled'],
    ['STORE_FULL', 'stalled'],
    ['STORE_FAILED', 'stalled'],
    ['OVERLOADED', 'retrying'],
    ['ORIGIN_DIVERGED', 'retrying'],
  ];
  for (const [code, state] of states) {
    it(`is ${state} after ${code}, goes on trying, and recovers`, async () => {
      const pair = await following({
        met: async () => {
          if (isBroken) throw new FilerError(code, 'why');
        },
      });
      let isBroken = true;
      await passUntil(pair.time, 'the failure', () => pair.subscription.error?.code === code, { stepMs: 1 });
      expect(pair.states).to.include(state);
      isBroken = false;
      await put(pair.peer, '/a');
      await passUntil(pair.time, 'the recovery', () => caughtUp(pair));
      expect([pair.subscription.state, pair.subscription.error]).to.deep.equal(['following', null]);
    });
  }

  for (const code of ['STORE_FULL', 'STORE_FAILED'] as const) {
    it(`passes nothing while its own store answers ${code}, tries that page again and again, and goes on with it`, async () => {
      const pair = await following();
      const { time, peer, at, subscription } = pair;
      await put(peer, '/a');
      await passUntil(time, 'the first change', () => caughtUp(pair));
      const [head, digest] = [at.core.log.state.head, at.core.log.digest];
      const fault = new FilerError(code, 'the store fails');
      at.core.store.faults.beforeCommit = () => {
        throw fault;
      };
      await put(peer, '/b');
      await passUntil(time, 'the third attempt', () => subscription.stalls === 3);
      const pagesAsked = () => peer.calls.filter(({ kind }) => kind === 'changes').length;
      const asked = pagesAsked();
      await passUntil(time, 'more of them', () => subscription.stalls === 6);
      expect([subscription.state, subscription.error, subscription.behind().events]).to.deep.equal(['stalled', fault, 1]);
      expect([at.core.log.state.head, at.core.log.position.get(peer.origin), at.core.log.digest]).to.deep.equal([head, 1, digest]);
      expect(pagesAsked(), 'it has the page already').to.equal(asked);
      const since = time.monotonic();
      await put(peer, '/c');
      await passUntil(time, 'the news that it lags more', () => subscription.behind().events === 2);
      await passUntil(time, 'longer than a peer may be silent', () => time.monotonic() - since > 2 * limits.peerSilentMs);
      expect(subscription.behind().seconds, 'the peer is heard').to.be.within((2 * limits.peerSilentMs) / 1000, 120);
      peer.isReachable = false;
      await passUntil(time, 'its silence', () => subscription.behind().seconds === null);
      expect(subscription.state).to.equal('stalled');
      peer.isReachable = true;
      const { stalls } = subscription;
      at.core.store.faults.beforeCommit = undefined;
      await passUntil(time, 'the recovery', () => caughtUp(pair) && subscription.state === 'following');
      expect([subscription.error, subscription.stalls, subscription.retries]).to.deep.equal([null, stalls, 0]);
      await expectSame(peer.core, at.core);
    });
  }

  it('is down after the third failure to reach the peer', async () => {
    const pair = await following();
    pair.peer.isReachable = false;
    pair.peer.endPolls();
    await passUntil(pair.time, 'it to be down', () => pair.subscription.state === 'down');
    expect(pair.states.slice(-2)).to.deep.equal(['retrying', 'down']);
  });

  it('takes nothing of another filer at the address for the peer', async () => {
    const pair = await following({
      met: async (_, info) => {
        if (info.origin !== pair.peer.origin) throw new FilerError('PEER_UNREACHABLE', 'another filer');
      },
    });
    const { time, peer, subscription } = pair;
    await passUntil(time, 'the first answer', () => subscription.state === 'following');
    const [head, heard, { info }] = [subscription.head, subscription.lastContact, subscription.peer];
    const other = 'f'.repeat(16);
    Object.assign(subscription.peer, { info: async (signal: AbortSignal) => ({ ...(await info(signal)), origin: other, position: new Map([[other, 9]]) }) });
    peer.endPolls();
    await passUntil(time, 'the other to be asked twice', () => subscription.retries === 3);
    expect([subscription.head, subscription.lastContact, subscription.behind().events]).to.deep.equal([head, heard, 0]);
  });

  it('survives a bug of ours, and says so', async () => {
    let bugs = 0;
    const pair = await following({
      met: async () => {
        bugs += 1;
        if (bugs === 1) throw new TypeError('a bug');
      },
    });
    await put(pair.peer, '/a');
    await passUntil(pair.time, 'the second try', () => caughtUp(pair));
    expect(bugs).to.be.above(1);
  });

  it('refuses what the peer may not send: text that is no change, changes of others, a broken chain', async () => {
    const pair = await following();
    const { time, peer, at, subscription } = pair;
    await passUntil(time, 'the first answer', () => subscription.state === 'following');
    const real = peer.source.changes.bind(peer.source);
    peer.source.changes = async (...args) => {
      const page = await real(...args);
      return { ...page, texts: page.texts.map((text) => text.replace('"seq":', '"sequence":')) };
    };
    // The poll that is held was answered by the real one.
    peer.endPolls();
    await time.advance(1);
    await put(peer, '/d/f');
    await passUntil(time, 'the refusal', () => subscription.error?.code === 'BODY_INVALID');
    expect(at.core.log.state.head).to.equal(0);
    peer.source.changes = async (...args) => {
      const page = await real(...args);
      return { ...page, texts: page.texts.map((text) => text.replace(/"hash":"[0-9a-f]{12}"/, '"hash":"000000000001"')) };
    };
    await passUntil(time, 'the refusal', () => subscription.error?.code === 'ORIGIN_DIVERGED');
    expect(at.core.log.state.head).to.equal(0);
    peer.source.changes = real;
    await passUntil(time, 'the recovery', () => caughtUp(pair));
  });

  it('puts aside a change that breaks a rule, goes on with the others, and compares no digests meanwhile', async () => {
    const pair = await following();
    const { time, peer, at, subscription } = pair;
    await passUntil(time, 'the first answer', () => subscription.state === 'following');
    const real = peer.source.changes.bind(peer.source);
    peer.source.changes = async (...args) => {
      const page = await real(...args);
      return { ...page, texts: page.texts.map((text) => text.replace('"name":"bad"', '"name":".."')) };
    };
    peer.endPolls();
    await time.advance(1);
    for (const path of ['/a', '/bad', '/c']) await put(peer, path);
    await passUntil(time, 'all of it', () => caughtUp(pair));
    expect([...at.core.log.state.quarantine.keys()]).to.deep.equal([`${peer.origin}:2`]);
    expect([subscription.state, subscription.error, subscription.digestVerdict()]).to.deep.equal(['following', null, 'unknown']);
    expect(at.source.report()?.get(peer.origin)).to.equal(1);
    expect(at.core.log.position.get(peer.origin)).to.equal(3);
    const answer = await at.source.changes(
      { origins: [peer.origin], position: new Map(), limit: 9, bytesMax: 1e6, waitMs: 0 },
      peer.caller(),
      new AbortController().signal,
    );
    expect([answer.digest, answer.report?.get(peer.origin), answer.head.get(peer.origin)]).to.deep.equal(['', 1, 3]);
  });

  it('stalls while the quarantine is full, and goes on when there is room', async () => {
    const pair = await following({}, { quarantineChanges: 0 });
    const { time, peer, at, subscription } = pair;
    const real = peer.source.changes.bind(peer.source);
    peer.source.changes = async (...args) => {
      const page = await real(...args);
      return { ...page, texts: page.texts.map((text) => text.replace('"name":"bad"', '"name":".."')) };
    };
    await put(peer, '/bad');
    await passUntil(time, 'the stall', () => subscription.state === 'stalled');
    expect(subscription.error?.code).to.equal('QUARANTINE_FULL');
    expect(at.core.log.state.head).to.equal(0);
  });

  it('asks for other origins at once when they are reassigned', async () => {
    const [third, fourth] = ['3'.repeat(16), '4'.repeat(16)];
    let asked = [third];
    const pair = await following({ origins: (self) => [self.origin, ...asked] });
    await passUntil(pair.time, 'the first answer', () => pair.subscription.state === 'following');
    await pair.time.advance(10);
    asked = [fourth];
    pair.subscription.reassign();
    await pair.time.advance(10);
    const last = pair.peer.calls.at(-1);
    expect(last?.kind === 'changes' && last.request.origins).to.deep.equal([pair.peer.origin, fourth]);
    expect(pair.subscription.state).to.equal('following');
  });

  it('takes the snapshot when the log no longer reaches back, and goes on', async () => {
    let taken = 0;
    const pair = await following({
      trimmed: async () => {
        taken += 1;
        pair.peer.before = () => {};
      },
    });
    pair.peer.before = (call) => {
      if (call.kind === 'changes') throw new FilerError('LOG_TRIMMED', 'it is gone');
    };
    pair.peer.endPolls();
    await put(pair.peer, '/a');
    await passUntil(pair.time, 'the snapshot', () => caughtUp(pair));
    expect(taken).to.equal(1);
  });

  it('measures the peer’s clock', async () => {
    const pair = await following();
    await passUntil(pair.time, 'the first answer', () => pair.subscription.state === 'following');
    expect(pair.subscription.skewSeconds).to.equal(0);
  });

  it('stops at once, with a poll held or a wait under way', async () => {
    const held = await following();
    await passUntil(held.time, 'a held poll', () => held.peer.core.log.waiters.count === 1);
    await held.subscription.stop();
    const waiting = await following();
    waiting.peer.isReachable = false;
    waiting.peer.endPolls();
    await passUntil(waiting.time, 'a wait', () => waiting.subscription.state === 'down');
    await waiting.subscription.stop();
    expect([held.time.sleeping, waiting.time.sleeping]).to.deep.equal([0, 0]);
  });
});
