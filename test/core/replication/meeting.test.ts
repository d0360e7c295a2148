import { expect } from 'chai';
import fc from 'fast-check';
import type { Origin } from '../../../src/core/clock/vector.js';
import { checkPeer, findDivergence, sideOf, sideOfCaller, sideOfInfo, verdict, type Side } from '../../../src/core/replication/meeting.js';
import type { FilerInfo } from '../../../src/core/replication/peer.js';
import { openFiler } from '../../support/memory-peer.js';
import { codeOf, file, mode, p, pull } from '../../support/open-log.js';
import { originOf, runsOf } from '../../support/store-values.js';

const [mine, yours, third, old] = ['1', '2', '3', '4'].map((digit) => digit.repeat(16));

const side = (origin: Origin, knows: Record<Origin, number>, more: Partial<Side> = {}): Side => ({
  origin,
  former: [],
  lineage: origin,
  knows: new Map(Object.entries(knows)),
  floor: 0,
  isParted: false,
  ...more,
});

describe('verdict', () => {
  const kin = { lineage: third };
  const cases: [what: string, one: Side, another: Side, forOne: string, forAnother: string][] = [
    ['two of one lineage, whatever they hold', side(mine, { [mine]: 5 }, kin), side(yours, { [yours]: 5, [old]: 1 }, { ...kin, floor: 9 }), 'follow', 'follow'],
    ['one that takes a snapshot and any other', side(mine, { [mine]: 0 }, { lineage: null }), side(yours, { [yours]: 5 }, { floor: 9 }), 'follow', 'follow'],
    ['two fresh stores', side(mine, { [mine]: 0 }), side(yours, { [yours]: 0 }), 'wait', 'introduce'],
    ['two fresh stores, one known to the other', side(mine, { [mine]: 0, [yours]: 0 }), side(yours, { [yours]: 0 }), 'wait', 'adopt'],
    ['two groups that hold nothing', side(mine, { [mine]: 0, [old]: 0 }), side(yours, { [yours]: 0, [third]: 0 }), 'wait', 'introduce'],
    ['a fresh store and one with entries', side(mine, { [mine]: 0 }), side(yours, { [yours]: 5 }), 'bootstrap', 'wait'],
    ['one of a group that holds nothing and one with entries', side(mine, { [mine]: 0, [third]: 0 }), side(yours, { [yours]: 5 }), 'bootstrap', 'wait'],
    ['two that have each worked alone', side(mine, { [mine]: 5 }), side(yours, { [yours]: 5 }), 'wait', 'introduce'],
    ['two that have each worked alone and know each other', side(mine, { [mine]: 5, [yours]: 0 }), side(yours, { [yours]: 5, [mine]: 0 }), 'wait', 'adopt'],
    ['two that have worked alone, one having dropped a tombstone', side(mine, { [mine]: 5 }, { floor: 9 }), side(yours, { [yours]: 5 }), 'wait', 'rejoin'],
    [
      'two that have worked alone, the other having dropped a tombstone',
      side(mine, { [mine]: 5 }),
      side(yours, { [yours]: 5 }, { floor: 9 }),
      'wait',
      'rejoin',
    ],
    ['one that has dropped all it had and one with entries', side(mine, { [mine]: 0 }, { floor: 9 }), side(yours, { [yours]: 5 }), 'wait', 'rejoin'],
    ['one that has worked alone and a group', side(mine, { [mine]: 5 }), side(yours, { [yours]: 5, [third]: 1 }), 'rejoin', 'wait'],
    ['one that has worked alone and a group that knows it', side(mine, { [mine]: 5 }), side(yours, { [yours]: 5, [third]: 1, [mine]: 0 }), 'rejoin', 'wait'],
    [
      'one that has worked alone under two origins and a group',
      side(mine, { [mine]: 0, [old]: 5 }, { former: [old] }),
      side(yours, { [yours]: 5, [third]: 2 }),
      'rejoin',
      'wait',
    ],
    ['one that has given up all it had and a fresh store', side(mine, { [mine]: 0 }, { isParted: true }), side(yours, { [yours]: 0 }), 'rejoin', 'wait'],
    [
      'a group that gives up a branch and one that has worked alone',
      side(mine, { [mine]: 5, [old]: 1 }, { isParted: true }),
      side(yours, { [yours]: 5 }),
      'rejoin',
      'wait',
    ],
    ['two groups that nobody has dropped anything in', side(mine, { [mine]: 5, [old]: 1 }), side(yours, { [yours]: 5, [third]: 1 }), 'wait', 'rejoin'],
    [
      'a store that has dropped a tombstone and its copy, whose lineage is smaller',
      side(yours, { [yours]: 5 }, { floor: 9 }),
      side(mine, { [mine]: 2, [yours]: 3 }, { former: [yours] }),
      'wait',
      'rejoin',
    ],
    [
      'a store that has dropped a tombstone and its copy, whose lineage is greater',
      side(mine, { [mine]: 5 }, { floor: 9 }),
      side(yours, { [yours]: 2, [mine]: 3 }, { former: [mine] }),
      'wait',
      'rejoin',
    ],
    [
      'a store that has dropped a tombstone and a group that one of its copies is in',
      side(mine, { [mine]: 5 }, { floor: 9 }),
      side(yours, { [yours]: 2, [mine]: 3, [third]: 1 }, { former: [mine] }),
      'rejoin',
      'wait',
    ],
    ['a small group and a large one', side(mine, { [mine]: 5, [old]: 1 }), side(yours, { [yours]: 5, [third]: 1, ['5'.repeat(16)]: 1 }), 'rejoin', 'wait'],
  ];
  for (const [what, one, another, forOne, forAnother] of cases) {
    it(`is ${forOne} and ${forAnother} between ${what}`, () => {
      expect([verdict(one, another), verdict(another, one)]).to.deep.equal([forOne, forAnother]);
    });
  }

  it('never makes both sides give way, nor both wait', () => {
    const origins = [mine, yours, third, old, '5'.repeat(16)];
    const anySide = (origin: Origin) =>
      fc.record({
        origin: fc.constant(origin),
        former: fc.subarray(origins.filter((other) => other !== origin)),
        lineage: fc.constantFrom(...origins),
        knows: fc
          .dictionary(fc.constantFrom(...origins), fc.integer({ min: 0, max: 2 }), { noNullPrototype: true })
          .map((known) => new Map([[origin, 0], ...Object.entries(known)])),
        floor: fc.constantFrom(0, 9),
        isParted: fc.boolean(),
      });
    fc.assert(
      fc.property(anySide(mine), anySide(yours), (one, another) => {
        const both = [verdict(one, another), verdict(another, one)];
        if (one.lineage === another.lineage) expect(both).to.deep.equal(['follow', 'follow']);
        else expect(both.filter((decided) => decided === 'wait')).to.have.lengthOf(1);
      }),
    );
  });
});

describe('the side of a filer', () => {
  it('is the same from its state, from what it says, and from its call', async () => {
    const filer = await openFiler('a:1');
    await filer.core.tree.put(p('/a'), file(), mode);
    const state = sideOf(filer.core.log.state);
    expect(state.knows).to.deep.equal(new Map([[filer.origin, 1]]));
    expect(sideOfInfo(filer.info())).to.deep.equal(state);
    expect(sideOfCaller(filer.caller())).to.deep.equal(state);
  });
});

describe('checkPeer', () => {
  const info = (more: Partial<FilerInfo> = {}): FilerInfo =>
    ({ origin: yours, storeId: 's', clusterId: 'c', kind: 'embedded', instance: 'i', address: 'b:1', ...more }) as FilerInfo;
  const me = { origin: mine, clusterId: 'c', kind: 'embedded', instance: 'mine' };

  it('passes a filer of this cluster, and one that has not joined any', () => {
    const expected = { origin: yours, storeId: 's' };
    checkPeer(info(), expected, me);
    checkPeer(info({ clusterId: null }), expected, me);
    checkPeer(info(), expected, { ...me, clusterId: null });
  });

  const bad: [what: string, info: FilerInfo, expected: Origin, code: string][] = [
    ['somebody else at the address', info({ origin: third }), yours, 'PEER_UNREACHABLE'],
    ['another store under the same origin', info({ storeId: 't' }), yours, 'PEER_UNREACHABLE'],
    ['another process with the same origin', info({ origin: mine }), mine, 'ORIGIN_IN_USE'],
    ['another cluster', info({ clusterId: 'd' }), yours, 'CLUSTER_MISMATCH'],
    ['somebody else of another cluster at the address', info({ clusterId: 'd', origin: third, storeId: 't' }), yours, 'CLUSTER_MISMATCH'],
    ['another kind of store', info({ kind: 'shared' }), yours, 'TOPOLOGY_MIXED'],
  ];
  for (const [what, answer, origin, code] of bad) {
    it(`refuses ${what} with ${code}`, async () => {
      expect(await codeOf(() => checkPeer(answer, { origin, storeId: 's' }, me))).to.equal(code);
    });
  }
});

describe('findDivergence', () => {
  const hashesOf = (filer: Awaited<ReturnType<typeof openFiler>>) => async (origin: Origin, seq: number) =>
    (await filer.core.store.findRecord({ origin, seq }))?.hash ?? null;

  it('is nothing between filers that follow each other, wherever they are', async () => {
    const [a, b] = [await openFiler('a:1'), await openFiler('b:1')];
    for (let i = 0; i < 3; i++) {
      await a.core.tree.put(p('/a'), file(String(i)), mode);
      if (i === 1) await pull(a.core, b.core);
    }
    expect(await findDivergence(a.caller().have, b.core.log.state, hashesOf(b))).to.equal(null);
    expect(await findDivergence(b.caller().have, a.core.log.state, hashesOf(a))).to.equal(null);
  });

  it('is the origin under which two logs were written, found at the lower place', async () => {
    const [a, b] = [await openFiler('a:1'), await openFiler('b:1')];
    await a.core.tree.put(p('/a'), file('1'), mode);
    const backup = a.core.disk.clone();
    backup.restored = false;
    await a.core.tree.put(p('/a'), file('2'), mode);
    await a.core.tree.put(p('/a'), file('3'), mode);
    await pull(a.core, b.core);
    const rolledBack = await openFiler('a:2', 'ready', { disk: backup, time: a.core.time });
    expect(await findDivergence(rolledBack.caller().have, b.core.log.state, hashesOf(b)), 'a mere rollback').to.equal(null);
    await rolledBack.core.tree.put(p('/a'), file('other'), mode);
    expect(await findDivergence(rolledBack.caller().have, b.core.log.state, hashesOf(b))).to.equal(a.origin);
    expect(await findDivergence(b.caller().have, rolledBack.core.log.state, hashesOf(rolledBack)), 'beyond what is here').to.equal(null);
  });

  it('compares at the place just before the log too, and knows nothing of what lies before it', async () => {
    const filer = await openFiler('a:1');
    const state = { origin: yours, seq: 9, hash: '999999999999', version: 5, first: 8, firstHash: '777777777777', firstVersion: 4, runs: [] };
    await filer.core.log.alone(async (draft) => {
      draft.setOrigin(state);
      await draft.flush();
    });
    const at = (seq: number, hash: string) => findDivergence(new Map([[yours, { seq, hash, run: '' }]]), filer.core.log.state, hashesOf(filer));
    expect([
      await at(7, '777777777777'),
      await at(7, '000000000001'),
      await at(6, '000000000001'),
      await at(9, '999999999999'),
      await at(9, '000000000001'),
      await at(0, 'x'),
    ]).to.deep.equal([null, yours, null, null, yours, null]);
  });

  it('compares the runs where no hash is known', async () => {
    const state = originOf(yours, { seq: 9, hash: '9'.repeat(12), first: 9, firstHash: '8'.repeat(12), runs: runsOf(3, 6) });
    const [three, six, other] = [...runsOf(3, 6).map(({ hash }) => hash), 'f'.repeat(12)];
    const at = (seq: number, run: string, hash = 'e'.repeat(12)) =>
      findDivergence(new Map([[yours, { seq, hash, run }]]), { origins: new Map([[yours, state]]) }, async () => null);
    const same = [await at(7, six), await at(6, six), await at(5, three), await at(3, three)];
    expect(same, 'in the same run').to.deep.equal([null, null, null, null]);
    const parted = [await at(7, three), await at(7, other), await at(5, six), await at(5, other)];
    expect(parted, 'in another one').to.deep.equal([yours, yours, yours, yours]);
    const untold = [await at(7, ''), await at(2, other), await at(10, other)];
    expect(untold, 'that is not known there, not known here, or beyond what is here').to.deep.equal([null, null, null]);
    expect([await at(8, other, '8'.repeat(12)), await at(8, six)], 'where a hash is known').to.deep.equal([null, yours]);
    expect(await findDivergence(new Map([[third, { seq: 1, hash: other, run: other }]]), { origins: new Map() }, async () => null)).to.equal(null);
  });
});
