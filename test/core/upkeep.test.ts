import { expect } from 'chai';
import type { Origin } from '../../src/core/clock/vector.js';
import type { Member } from '../../src/core/cluster/member.js';
import { limits } from '../../src/core/config/limits.js';
import { closingPath } from '../../src/core/log/closed.js';
import { silentLogger } from '../../src/core/logger.js';
import { Parting } from '../../src/core/replication/parting.js';
import { Reports } from '../../src/core/replication/reports.js';
import { Upkeep, type Surroundings } from '../../src/core/upkeep.js';
import { announcementOf } from '../support/announcements.js';
import { file, mode, never, openLog, p, type OpenLog } from '../support/open-log.js';
import { alpha, beta } from '../support/store-values.js';

const peer = 'f'.repeat(16);

/** The upkeep of a filer that follows one peer and hears nobody else, but for what is named. */
function upkeepOf(at: OpenLog, around: Partial<Surroundings>, reports = new Reports()): Upkeep {
  const { log, store, time } = at;
  const parting = new Parting({ log, store, time, logger: silentLogger, limits });
  const quiet = { members: [], following: [{ origin: peer, head: new Map() }], heard: [], nobodyServes: false, isStaging: false, isRefused: false };
  return new Upkeep({
    log,
    store,
    time,
    logger: silentLogger,
    limits,
    backoff: { msMin: limits.backoffMsMin, msMax: limits.backoffMsMax },
    reports,
    parting,
    force: false,
    around: () => ({ ...quiet, ...around }),
  });
}

const member = (origin: Origin, port: number, state: Member['state']): Member => ({
  ...announcementOf({ origin, address: `127.0.0.1:${port}` }),
  state,
  lastHeard: 0,
});

const becomeReady = (at: OpenLog) =>
  at.log.alone(async (draft) => {
    draft.setIdentity({ phase: 'ready' });
    await draft.flush();
  });

/** A store with one row of a branch that it has given up to `peer`. */
async function giveUpRow(at: OpenLog): Promise<void> {
  await at.tree.put(p('/a'), file('a'), mode);
  await at.log.alone(async (draft) => {
    draft.know(alpha);
    await draft.load([p('/a')]);
    const row = draft.row(p('/a'));
    if (row) draft.setRow(row.path, { ...row, dot: null });
    draft.setPartedFrom(peer, null);
    draft.setIdentity({ phase: 'ready' });
    await draft.flush();
  });
}

describe('Upkeep', () => {
  it('writes nothing while another process writes under the same origin', async () => {
    const at = await openLog();
    await giveUpRow(at);
    const around = { isRefused: true };
    const upkeep = upkeepOf(at, around);
    await upkeep.round(never);
    await at.time.advance(limits.forgetAfterMs + 1);
    await upkeep.round(never);
    expect([at.log.state.head, at.log.state.closed.size, at.log.state.partedFrom]).to.deep.equal([1, 0, peer]);
    around.isRefused = false;
    for (let round = 0; round < 2; round++) {
      await upkeep.round(never);
      await at.time.advance(limits.forgetAfterMs + 1);
    }
    expect([at.log.state.head, at.log.state.closed.size, at.log.state.partedFrom]).to.deep.equal([3, 1, null]);
  });

  it('writes the rest of a branch again when nobody else has been able to serve for long, and not before', async () => {
    const at = await openLog();
    await giveUpRow(at);
    const around = { following: [], nobodyServes: true };
    const upkeep = upkeepOf(at, around);
    const waits = async (ms: number) => {
      await at.time.advance(ms);
      await upkeep.round(never);
      return at.log.state.partedFrom === peer;
    };
    expect([await waits(0), await waits(limits.peerSilentMs - 1)], 'they may be about to be ready').to.deep.equal([true, true]);
    around.nobodyServes = false;
    expect(await waits(1)).to.equal(true);
    around.nobodyServes = true;
    expect([await waits(1), await waits(limits.peerSilentMs - 1)], 'anew').to.deep.equal([true, true]);
    expect(await waits(1)).to.equal(false);
  });

  it('leaves a store alone that is not ready', async () => {
    const at = await openLog();
    await at.tree.put(p('/a'), file('a'), mode);
    await at.time.advance(limits.logRetentionMs + limits.forgetAfterMs);
    const upkeep = upkeepOf(at, {});
    const { transactions } = at.store;
    await upkeep.round(never);
    expect([at.log.identity.phase, at.store.transactions, at.log.state.first]).to.deep.equal(['fresh', transactions, 1]);
  });

  it('trims what is old once every member has it', async () => {
    const at = await openLog();
    await becomeReady(at);
    const own = at.log.identity.origin;
    const reports = new Reports();
    const upkeep = upkeepOf(at, { members: [member(own, 8888, 'up'), member(alpha, 8889, 'up'), member(beta, 8890, 'down')] }, reports);
    for (const text of ['1', '2', '3']) await at.tree.put(p('/a'), file(text), mode);
    await upkeep.round(never);
    await at.time.advance(limits.logRetentionMs + limits.logRetentionMs / 100);
    await upkeep.round(never);
    expect(at.log.state.first, 'nobody has said what it has').to.equal(1);
    const say = (origin: Origin, seq: number) => reports.hear(origin, new Map([[own, seq]]), new Map());
    say(alpha, 3);
    await upkeep.round(never);
    expect(at.log.state.first, 'the one that is down counts').to.equal(1);
    expect(await upkeep.logHeldBy()).to.deep.equal({ peers: [{ origin: beta, position: null }], links: [] });
    say(beta, 2);
    await upkeep.round(never);
    expect(at.log.state.first).to.equal(3);
    expect((await upkeep.logHeldBy()).peers).to.deep.equal([{ origin: beta, position: new Map([[own, 2]]) }]);
  });

  it('waits for no acknowledgement of who is closed, or replaced by another at its address', async () => {
    const at = await openLog();
    await becomeReady(at);
    const closed = 'd'.repeat(16);
    await at.log.commit({
      paths: [closingPath(closed)],
      bytes: 1,
      decide: (draft) => draft.issue({ kind: 'put', path: closingPath(closed), entry: { name: '', isDirectory: false } }),
    });
    const members = [member(alpha, 8889, 'up'), member(beta, 8889, 'down'), member(closed, 8891, 'down')];
    const upkeep = upkeepOf(at, { members });
    await upkeep.round(never);
    expect((await upkeep.logHeldBy()).peers, 'nothing is old enough to go').to.deep.equal([]);
    await at.time.advance(limits.logRetentionMs);
    expect((await upkeep.logHeldBy()).peers).to.deep.equal([{ origin: alpha, position: null }]);
  });

  it('goes round at its pace until it is told to stop', async () => {
    const at = await openLog();
    await becomeReady(at);
    let rounds = 0;
    const upkeep = upkeepOf(at, {});
    upkeep.round = async () => void (rounds += 1);
    const stop = new AbortController();
    const running = upkeep.run(stop.signal);
    await at.time.advance(3 * limits.upkeepMs);
    expect(rounds).to.equal(4);
    stop.abort(new Error('stop'));
    await running;
    await at.time.advance(3 * limits.upkeepMs);
    expect(rounds).to.equal(4);
  });
});
