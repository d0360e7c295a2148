import { expect } from 'chai';
import type { Member } from '../../../src/core/cluster/member.js';
import type { LogState } from '../../../src/core/log/log-state.js';
import { reportLog, type LogReportParts } from '../../../src/core/replication/log-report.js';
import { openFiler } from '../../support/memory-peer.js';
import { alpha, beta, originOf } from '../../support/store-values.js';

const own = '1'.repeat(16);
const now = 1_763_763_267_000_000;
let template: { state: LogState; member: Member };

/** A log of 100 records and 10 kB, 1000 seconds long: 60 changes of its own, 40 of alpha. */
function partsOf(more: Partial<Omit<LogReportParts, 'state'>> & { state?: Partial<LogState> } = {}): LogReportParts {
  const { state, member } = template;
  const origins = [originOf(own, { seq: 60 }), originOf(alpha, { seq: 40 }), originOf(beta)];
  return {
    now,
    formatOffset: (index) => `offset ${index}`,
    oldestAt: now - 1000e6,
    oldestTombstone: null,
    limits: { logRetentionMs: 600_000, logRetentionMaxMs: 3600_000, logBytesMax: 100_000 },
    members: [own, alpha, beta].map((origin) => ({ ...member, origin, address: `${origin[0]}:1` })),
    acknowledged: new Map(),
    logHeldBy: { peers: [], links: [] },
    tombstonesHeldBy: { peers: [], links: [] },
    ...more,
    state: {
      ...state,
      identity: { ...state.identity, origin: own, floor: 77 },
      origins: new Map(origins.map((known) => [known.origin, known])),
      counts: { entries: 5, directories: 1, tombstones: 2, changes: 100, bytes: 10_000 },
      first: 11,
      head: 110,
      ...more.state,
    },
  };
}

const position = (mine: number, alphas: number) =>
  new Map([
    [own, mine],
    [alpha, alphas],
  ]);

/** What is told of alpha if it was so far when it last asked. */
const peerAt = (at: ReadonlyMap<string, number>, more: Parameters<typeof partsOf>[0] = {}) =>
  reportLog(partsOf({ acknowledged: new Map([[alpha, { position: at, age: 3 }]]), ...more })).peers.find(({ origin }) => origin === alpha);

describe('reportLog', () => {
  before(async () => {
    const filer = await openFiler('a:1');
    template = { state: filer.core.log.state, member: filer.member() };
  });

  it('tells what the log holds, in offsets, seconds and times', () => {
    const closed = new Map([
      [beta, null],
      [alpha, null],
    ]);
    expect(reportLog(partsOf({ oldestTombstone: now - 5e6, state: { closed } }))).to.deep.equal({
      origin: own,
      changes: 100,
      bytes: 10_000,
      bytesMax: 100_000,
      oldest: new Date(now / 1000 - 1_000_000).toISOString(),
      retentionSeconds: 600,
      retentionMaxSeconds: 3600,
      first: 'offset 10',
      head: 'offset 110',
      heldBy: [],
      peers: [],
      tombstones: { count: 2, oldest: new Date(now / 1000 - 5000).toISOString(), heldBy: [] },
      floor: 77,
      closed: [alpha, beta],
    });
  });

  it('names who keeps records and tombstones: those who lack some, those who have told nothing, and links', () => {
    const [gone, link, other] = ['f', 'a', 'b'].map((digit) => digit.repeat(16)) as [string, string, string];
    const { heldBy, tombstones } = reportLog(
      partsOf({
        logHeldBy: { peers: [{ origin: alpha, position: position(59, 40) }], links: [{ link, report: { position: position(60, 39), seen: null } }] },
        tombstonesHeldBy: { peers: [{ origin: gone, position: null }], links: [{ link: other, report: null }] },
      }),
    );
    expect(heldBy).to.deep.equal([
      { origin: alpha, address: 'a:1', reason: 'report', position: position(59, 40) },
      { origin: link, address: null, reason: 'link', position: position(60, 39) },
    ]);
    expect(tombstones.heldBy).to.deep.equal([
      { origin: gone, address: null, reason: 'silent', position: null },
      { origin: other, address: null, reason: 'link', position: null },
    ]);
  });

  it('gives a peer that has not asked no budget, and counts the whole log as missing', () => {
    const [, silent] = reportLog(partsOf()).peers;
    expect(silent).to.deep.equal({ origin: beta, address: 'b:1', reportAge: null, missing: { events: 100, bytes: 10_000 }, budgetSeconds: null });
  });

  const budgets: [what: string, at: ReadonlyMap<string, number>, more: Parameters<typeof partsOf>[0], missing: number, seconds: number][] = [
    ['that lacks nothing may stay away for the hard age', position(60, 40), {}, 0, 3600],
    ['has the less the older what it lacks is', position(40, 40), {}, 20, 3400],
    ['has what the hard limit of bytes leaves at the rate of the log', position(60, 40), { limits: { ...limitsOf(), logBytesMax: 20_000 } }, 0, 2000],
    ['that lacks bytes has so much less of that', position(10, 40), { limits: { ...limitsOf(), logBytesMax: 20_000 } }, 50, 1500],
    ['that lacks more than the log still has is too late', position(0, 0), { state: { counts: countsOf(99) } }, 100, 0],
    ['is not told less than nothing', position(0, 0), { limits: { ...limitsOf(), logBytesMax: 9_000 } }, 100, 0],
    ['that lacks nothing of an empty log has the hard age', position(60, 40), { oldestAt: null, state: { counts: countsOf(0) } }, 0, 3600],
  ];
  for (const [what, at, more, events, seconds] of budgets)
    it(`says that a peer ${what}`, () => {
      const peer = peerAt(at, more);
      expect([peer?.reportAge, peer?.missing.events, peer?.budgetSeconds]).to.deep.equal([3, events, seconds]);
    });

  it('tells no time where there is nothing', () => {
    const { oldest, tombstones } = reportLog(partsOf({ oldestAt: null, state: { counts: countsOf(0), first: 111 } }));
    expect([oldest, tombstones.oldest]).to.deep.equal([null, null]);
  });
});

function limitsOf() {
  return { logRetentionMs: 600_000, logRetentionMaxMs: 3600_000, logBytesMax: 100_000 };
}

function countsOf(changes: number) {
  return { entries: 5, directories: 1, tombstones: 0, changes, bytes: changes * 100 };
}
