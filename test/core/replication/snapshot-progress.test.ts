import { expect } from 'chai';
import { receiveChange } from '../../../src/core/change/refused.js';
import type { ReceivedChange } from '../../../src/core/change/change.js';
import {
  checkAside,
  follows,
  formatSnapshotProgress,
  parseSnapshotProgress,
  reachedStates,
  withPage,
  type Reached,
  type SnapshotProgress,
} from '../../../src/core/replication/snapshot-progress.js';
import type { Dot } from '../../../src/core/clock/vector.js';
import type { SnapshotPage } from '../../../src/core/replication/peer.js';
import { openFiler } from '../../support/memory-peer.js';
import { changesFor, codeOf, file, mode, openLog, p } from '../../support/open-log.js';
import { ForgedLog } from '../../support/forged-log.js';
import { alpha, beta, runsOf } from '../../support/store-values.js';

const nowhere = { goal: new Map<string, number>(), goalHashes: new Map<string, string>() };

/** The changes of a filer that was started twice, four in all; the second run begins at 3. */
async function changesOfTwoRuns(): Promise<ReceivedChange[]> {
  const first = await openLog();
  for (const path of ['/1', '/2']) await first.tree.put(p(path), file(), mode);
  const second = await openLog({ disk: first.disk, time: first.time });
  for (const path of ['/3', '/4']) await second.tree.put(p(path), file(), mode);
  return changesFor(second, await openLog());
}

describe('the progress of a snapshot', () => {
  const progress: SnapshotProgress = {
    source: alpha,
    address: 'a:1',
    epoch: '00000001',
    area: 'staging',
    after: p('/ü'),
    quarantined: [],
    allPages: false,
    reached: new Map([[alpha, { seq: 1, hash: '0'.repeat(12), version: 5, runs: runsOf(1) }]]),
    goal: new Map([[alpha, 3]]),
    goalHashes: new Map([[alpha, '1'.repeat(12)]]),
    floor: 4,
    rows: 1,
    expected: 2,
  };

  it('comes back from its text', () => {
    expect(parseSnapshotProgress(formatSnapshotProgress(progress))).to.deep.equal(progress);
  });

  it('comes back from the text of an older kelp, which knew neither goal hashes nor runs', () => {
    const { goalHashes: _goalHashes, ...older } = JSON.parse(formatSnapshotProgress(progress)) as SnapshotProgress & { goalHashes?: object };
    const text = JSON.stringify({ ...older, reached: { [alpha]: { seq: 1, hash: '0'.repeat(12), version: 5 } } });
    const reached = new Map([[alpha, { seq: 1, hash: '0'.repeat(12), version: 5, runs: [] }]]);
    expect(parseSnapshotProgress(text)).to.deep.equal({ ...progress, goalHashes: new Map(), reached });
  });

  it('begins where the first page stood, with the runs up to there, and later pages leave that alone', async () => {
    const first = await openFiler('a:1');
    for (const path of ['/1', '/2']) await first.core.tree.put(p(path), file(), mode);
    const source = await first.restart();
    await source.core.tree.put(p('/3'), file(), mode);
    const page = await source.source.snapshot(null, 1, null);
    const begun = withPage(null, page, source.info(), 'staging');
    const { seq, hash, version, runs } = source.core.log.state.origins.get(source.origin) ?? expect.fail('it does not know itself');
    expect(begun.reached).to.deep.equal(new Map([[source.origin, { seq, hash, version, runs }]]));
    expect(runs.map((run) => run.seq)).to.deep.equal([1, 3]);
    await source.core.tree.put(p('/4'), file(), mode);
    const later = withPage(begun, await source.source.snapshot(page.next, 1, null), source.info(), 'staging');
    expect(later.reached).to.deep.equal(begun.reached);
    expect(reachedStates(later)).to.deep.equal([{ origin: source.origin, seq, hash, version, first: seq + 1, firstHash: hash, firstVersion: version, runs }]);
  });
});

describe('checkAside', () => {
  const log = new ForgedLog(alpha);
  log.put('/1');
  const [first] = log.texts as [string];
  const reached = new Map([[alpha, { seq: 2, hash: '0'.repeat(12), version: 5, runs: [] }]]);
  const check = (quarantined: readonly string[], ...aside: Dot[]) =>
    checkAside({ reached, quarantined } as unknown as SnapshotProgress, { aside } as unknown as SnapshotPage, receiveChange, 'a:1');
  const at = (seq: number, origin = alpha): Dot => ({ origin, seq });

  it('passes what was aside on the first page already, or has come since', () => {
    check([]);
    check([first], at(1), at(3), at(1, beta));
  });

  it('refuses what the first page had applied', async () => {
    expect(await codeOf(() => check([first], at(1), at(2)))).to.equal('OFFSET_UNKNOWN');
    expect(await codeOf(() => check([], at(1)))).to.equal('OFFSET_UNKNOWN');
  });
});

describe('follows', () => {
  it('keeps the runs that begin in the tail', async () => {
    const changes = await changesOfTwoRuns();
    const [{ origin }] = changes;
    const runsAfter = changes.map(({ seq, hash }) => ({ seq, hash }));
    const reached = new Map<string, Reached>();
    const counts = changes.map((change) => [follows(nowhere, reached, change), reached.get(origin)?.runs]);
    expect(counts).to.deep.equal([
      [true, [runsAfter[0]]],
      [true, [runsAfter[0]]],
      [true, [runsAfter[0], runsAfter[2]]],
      [true, [runsAfter[0], runsAfter[2]]],
    ]);
    expect(follows(nowhere, reached, changes[2]), 'one that is included already').to.equal(false);
    expect(reached.get(origin)?.runs).to.have.length(2);
  });

  it('keeps those that begin with a refused change', () => {
    const log = new ForgedLog(alpha);
    const reached = new Map<string, Reached>();
    follows(nowhere, reached, receiveChange(log.putBad('/bad')));
    expect(reached.get(alpha)?.runs).to.deep.equal([{ seq: 1, hash: log.hash }]);
  });

  it('stops at a change that does not follow: after a gap, of another log, or with the word that it begins a run left out', async () => {
    const [first, second, third] = await changesOfTwoRuns();
    const reached = new Map<string, Reached>();
    follows(nowhere, reached, first);
    expect(await codeOf(() => follows(nowhere, reached, third))).to.equal('ORIGIN_DIVERGED');
    expect(await codeOf(() => follows(nowhere, reached, { ...second, run: alpha } as ReceivedChange))).to.equal('ORIGIN_DIVERGED');
    follows(nowhere, reached, second);
    expect(await codeOf(() => follows(nowhere, reached, { ...third, run: '' } as ReceivedChange))).to.equal('ORIGIN_DIVERGED');
    const goal = { goal: new Map([[third.origin, 3]]), goalHashes: new Map([[third.origin, 'f'.repeat(12)]]) };
    expect(await codeOf(() => follows(goal, reached, third)), 'not what the last page was read at').to.equal('ORIGIN_DIVERGED');
  });
});
