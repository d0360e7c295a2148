import { expect } from 'chai';
import { silentLogger } from '../../../src/core/logger.js';
import { limits as allLimits } from '../../../src/core/config/limits.js';
import { Links } from '../../../src/core/replication/links.js';
import { Parting } from '../../../src/core/replication/parting.js';
import { Reports } from '../../../src/core/replication/reports.js';
import { Upkeep } from '../../../src/core/upkeep.js';
import { codeOf, file, mode, never, openLog, p, type OpenLog } from '../../support/open-log.js';

const link = 'a'.repeat(16);
const minute = 60_000;

describe('Links', () => {
  let at: OpenLog;
  beforeEach(async () => {
    at = await openLog();
    await at.log.alone(async (draft) => {
      draft.setIdentity({ phase: 'ready' });
      await draft.flush();
    });
  });

  const put = (path: string) => at.tree.put(p(path), file('x'), mode);
  const remove = (path: string) => at.tree.remove(p(path), false);
  const own = () => at.log.identity.origin;
  const upto = (seq: number) => new Map([[own(), seq]]);
  const upkeepOf = (limits: Partial<typeof allLimits> = {}) => {
    const { log, store, time } = at;
    const all = { ...allLimits, logRetentionMs: minute, tombstoneRetentionMs: minute, ...limits };
    return new Upkeep({
      log,
      store,
      time,
      logger: silentLogger,
      limits: all,
      backoff: { msMin: 1, msMax: 2 },
      reports: new Reports(),
      parting: new Parting({ log, store, time, logger: silentLogger, limits: all }),
      force: false,
      around: () => ({ members: [], following: [], heard: [], nobodyServes: false, isStaging: false, isRefused: false }),
    });
  };
  /** Looks again and again until all that is there is old. */
  const age = async (upkeep: Upkeep) => {
    for (let round = 0; round < 3; round += 1) {
      await upkeep.round(never);
      await at.time.advance(minute);
    }
    await upkeep.round(never);
  };

  it('are entries that every filer of the cluster reads, written once', async () => {
    const links = new Links(at.log, at.store, at.time);
    expect(await links.announce(link, 'about')).to.not.equal(null);
    expect(await links.announce(link, 'about')).to.equal(null);
    const other = new Links(at.log, at.store, at.time);
    await other.refresh();
    expect(other.list()).to.deep.equal([{ link, about: 'about', report: null }]);
    await links.forget(link);
    expect(links.list()).to.deep.equal([]);
    expect(await codeOf(() => links.forget(link))).to.equal('ENTRY_NOT_FOUND');
    expect(await codeOf(() => links.announce('short', 'x'))).to.equal('PARAMETER_INVALID');
  });

  it('hold the log and tombstones until they say that they have them', async () => {
    const upkeep = upkeepOf();
    await put('/a');
    await remove('/a');
    await put('/b');
    await upkeep.links.announce(link, 'about');
    await age(upkeep);
    expect([at.log.state.first, at.log.state.counts.tombstones]).to.deep.equal([1, 1]);
    expect(upkeep.links.report(link, { position: upto(2), seen: null })).to.equal(true);
    await upkeep.round(never);
    expect([at.log.state.first, at.log.state.counts.tombstones]).to.deep.equal([3, 1]);
    upkeep.links.report(link, { position: upto(4), seen: upto(2) });
    await upkeep.round(never);
    expect([at.log.state.first, at.log.state.counts.tombstones]).to.deep.equal([5, 0]);
  });

  it('hold nothing when the hard limits have trimmed the log past them, nor when they are forgotten', async () => {
    const upkeep = upkeepOf({ logBytesMax: 1500 });
    await upkeep.links.announce(link, 'about');
    await put('/a');
    await remove('/a');
    upkeep.links.report(link, { position: upto(1), seen: upto(1) });
    for (let i = 0; i < 10; i += 1) await put(`/${i}`);
    await upkeep.round(never);
    expect(at.log.state.first).to.be.greaterThan(3);
    expect(upkeep.links.waitedFor(at.log.state)).to.deep.equal([]);
    await age(upkeep);
    expect([at.log.state.counts.changes, at.log.state.counts.tombstones]).to.deep.equal([0, 0]);

    await upkeep.links.announce('b'.repeat(16), 'about');
    await put('/last');
    await age(upkeep);
    expect(at.log.state.counts.changes).to.be.greaterThan(0);
    await upkeep.links.forget('b'.repeat(16));
    await age(upkeep);
    expect(at.log.state.counts.changes).to.equal(0);
  });

  it('say nothing of what is not here yet, and less when they were set back', async () => {
    const links = new Links(at.log, at.store, at.time);
    expect(links.report(link, { position: upto(1), seen: null })).to.equal(false);
    await links.announce(link, 'about');
    const seen = () => links.list()[0]?.report?.seen;
    links.report(link, { position: upto(9), seen: upto(9) });
    expect(seen()).to.equal(null);
    links.report(link, { position: upto(1), seen: upto(1) });
    expect(seen()).to.deep.equal(upto(1));
    links.report(link, { position: upto(9), seen: upto(9) });
    expect(seen()).to.deep.equal(upto(1));
    links.report(link, { position: upto(0), seen: null });
    expect(seen()).to.equal(null);
  });
});
