import { expect } from 'chai';
import { limits as defaults } from '../../../src/core/config/limits.js';
import { FilerError } from '../../../src/core/errors.js';
import { silentLogger } from '../../../src/core/logger.js';
import { reportPeer } from '../../../src/core/replication/peer-report.js';
import { Subscription } from '../../../src/core/replication/subscription.js';
import { ManualTime, passUntil } from '../../support/manual-time.js';
import { openFiler, type MemoryFiler } from '../../support/memory-peer.js';
import { file, mode, p } from '../../support/open-log.js';

const limits = { ...defaults, msMin: defaults.backoffMsMin, msMax: defaults.backoffMsMax };
const put = (at: MemoryFiler, path: string) => at.core.tree.put(p(path), file('x'), mode);

describe('reportPeer', () => {
  let time: ManualTime;
  let at: MemoryFiler;
  let peer: MemoryFiler;
  let subscription: Subscription;

  beforeEach(async () => {
    time = new ManualTime();
    [at, peer] = [await openFiler('at:1', 'ready', { time }), await openFiler('peer:1', 'ready', { time })];
    await peer.source.greet(at.caller());
    await at.source.greet(peer.caller());
    const hooks = {
      origins: () => [peer.origin],
      caller: () => at.caller(),
      met: async () => {},
      changed: () => {},
      trimmed: async () => {},
      closed: async () => {},
    };
    subscription = new Subscription(peer.member(), peer.peer, at.core.log, { time, logger: silentLogger, limits, hooks });
  });

  afterEach(() => subscription.stop());

  const report = () => {
    const { log, store } = at.core;
    return reportPeer(subscription, at.source.followers.get(peer.origin), { log, store, time, peerSilentMs: limits.peerSilentMs });
  };

  it('knows little before the first answer', async () => {
    expect(await report()).to.deep.include({
      origin: peer.origin,
      address: 'peer:1',
      state: 'connecting',
      behind: { events: 0, seconds: null, bytes: 0 },
      lastContact: null,
      error: null,
      digest: 'unknown',
      etaSeconds: null,
    });
  });

  it('finds two in step with equal digests', async () => {
    await put(peer, '/a');
    subscription.start();
    await passUntil(time, 'the change', () => at.core.log.state.head === 1);
    await passUntil(time, 'the next answer', async () => (await report()).digest === 'equal');
    const found = await report();
    expect(found).to.deep.include({
      state: 'following',
      position: peer.core.log.position,
      behind: { events: 0, seconds: 0, bytes: 0 },
      rate: 0,
      etaSeconds: 0,
      skewSeconds: 0,
      digest: 'equal',
    });
    expect(Math.abs(Date.parse(found.lastContact ?? '') - time.micros() / 1000)).to.be.below(1000);
  });

  it('says of what the peer lacks how much and how old it is, as long as the peer is heard', async () => {
    subscription.start();
    await put(at, '/a');
    await time.advance(2000);
    await put(at, '/b');
    const { ahead } = await report();
    expect([ahead.events, ahead.seconds]).to.deep.equal([2, 2]);
    expect(ahead.bytes).to.be.above(100);
    await at.source.greet({ ...peer.caller(), have: at.caller().have });
    expect((await report()).ahead).to.deep.equal({ events: 0, seconds: 0, bytes: 0 });
    await time.advance(limits.peerSilentMs + 1);
    expect((await report()).ahead.seconds).to.equal(null);
  });

  it('names the failure of a peer that is down', async () => {
    peer.isReachable = false;
    subscription.start();
    await passUntil(time, 'it to be down', () => subscription.state === 'down');
    expect(await report()).to.deep.include({ state: 'down', error: { code: 'PEER_UNREACHABLE', error: 'peer:1 does not answer' } });
  });

  it('tells digests apart at one position', async () => {
    await put(peer, '/a');
    subscription.start();
    await passUntil(time, 'the change', () => at.core.log.state.head === 1);
    await at.core.log.alone(async (draft) => {
      await draft.load([p('/a')]);
      draft.setRow(p('/a'), null);
      await draft.flush();
    });
    await passUntil(time, 'the next answer', async () => subscription.digestVerdict() === 'different');
    expect((await report()).digest).to.equal('different');
  });

  it('tells digests apart as soon as the peer asks', async () => {
    subscription.start();
    await put(peer, '/a');
    await passUntil(time, 'the change', () => at.core.log.state.head === 1 && subscription.digestVerdict() === 'equal');
    at.heard = (_, position, digest) => subscription.hearAsking(position, digest);
    await at.source.greet({ ...peer.caller(), digest: '0'.repeat(16) });
    expect((await report()).digest).to.equal('different');
    await at.source.greet(peer.caller());
    expect((await report()).digest).to.equal('equal');
  });

  it('estimates when this filer will have caught up', async () => {
    await put(peer, '/a');
    subscription.start();
    await passUntil(time, 'the change', () => at.core.log.state.head === 1);
    at.core.store.faults.beforeCommit = () => {
      throw new FilerError('STORE_FULL', 'the disk is full');
    };
    for (let i = 0; i < 50; i++) await put(peer, `/d/${i}`);
    await time.advance(5000);
    subscription.rate = 10;
    const found = await report();
    expect(found.state).to.equal('stalled');
    expect(found.behind.events).to.be.above(0);
    expect(found.etaSeconds).to.equal(Math.ceil(found.behind.events / 10));
    expect(found.rate).to.equal(10);
  });
});
