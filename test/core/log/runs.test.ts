import { expect } from 'chai';
import fc from 'fast-check';
import { limits } from '../../../src/core/config/limits.js';
import { compareRuns, runAt, runsUpTo, runsWith, type PartingPlace } from '../../../src/core/log/runs.js';
import type { Run } from '../../../src/core/store/store.js';
import { alpha } from '../../support/store-values.js';

/** The runs that begin at these places: `5a` = at 5, with a hash that starts with a. */
const runsOf = (...places: string[]): Run[] => places.map((place) => ({ seq: parseInt(place, 10), hash: place.slice(-1).repeat(12) }));
const hashOf = (letter: string) => letter.repeat(12);

describe('runsWith', () => {
  it('adds a change that begins a run, and no other', () => {
    const runs = runsOf('1a');
    expect(runsWith(runs, { seq: 2, hash: hashOf('b'), run: '' })).to.equal(runs);
    expect(runsWith(runs, { seq: 2, hash: hashOf('b'), run: alpha })).to.deep.equal(runsOf('1a', '2b'));
  });

  it('keeps a limited number, the last ones', () => {
    let runs: readonly Run[] = [];
    for (let seq = 1; seq <= limits.runsMax + 5; seq++) {
      runs = runsWith(runs, { seq, hash: hashOf('a'), run: alpha });
      expect(runs).to.have.length(Math.min(seq, limits.runsMax));
      expect(runs.at(-1)?.seq).to.equal(seq);
    }
    expect(runs.map(({ seq }) => seq)).to.deep.equal(Array.from({ length: limits.runsMax }, (_, i) => i + 6));
  });
});

describe('runsUpTo and runAt', () => {
  const runs = runsOf('3a', '6b', '9c');

  it('leave out what begins later', () => {
    expect([2, 3, 5, 6, 100].map((end) => runsUpTo(runs, end))).to.deep.equal([[], runsOf('3a'), runsOf('3a'), runsOf('3a', '6b'), runs]);
    expect([3, 5, 6, 8, 9, 100].map((at) => runAt(runs, at)?.seq)).to.deep.equal([3, 3, 6, 6, 9, 9]);
  });

  it('know nothing of what is before the first one', () => {
    expect([runAt(runs, 2), runAt([], 2)]).to.deep.equal([null, null]);
  });
});

describe('compareRuns', () => {
  const parted = (seq: number, common: number, here = '', there = ''): PartingPlace => ({ seq, common, here: here.repeat(12), there: there.repeat(12) });
  const cases: [what: string, here: Run[], there: Run[], end: number, expected: PartingPlace | 'same' | null][] = [
    ['one run that goes on on both sides', runsOf('1a'), runsOf('1a'), 9, 'same'],
    ['several of both', runsOf('1a', '4b'), runsOf('1a', '4b'), 9, 'same'],
    ['a run of this side only, beyond what both have', runsOf('1a', '9b'), runsOf('1a'), 8, 'same'],
    ['a run of this side only', runsOf('1a', '5b'), runsOf('1a'), 9, parted(5, 4, 'b')],
    ['a run of the other side only', runsOf('1a'), runsOf('1a', '5b'), 9, parted(5, 4, '', 'b')],
    ['a run of one side only, at the last place both have', runsOf('1a', '5b'), runsOf('1a'), 5, parted(5, 4, 'b')],
    ['a run each at one place', runsOf('1a', '5b'), runsOf('1a', '5c'), 9, parted(5, 4, 'b', 'c')],
    ['a run each, where the first one decides', runsOf('1a', '7b'), runsOf('1a', '5c', '8d'), 9, parted(5, 4, '', 'c')],
    ['a later one of two that part twice', runsOf('1a', '3b', '6c', '7d'), runsOf('1a', '3b', '6e'), 9, parted(6, 5, 'c', 'e')],
    ['two that have nothing in common', runsOf('1a'), runsOf('1b'), 9, parted(1, 0, 'a', 'b')],
    ['what this side knows only the end of', runsOf('6b', '8c'), runsOf('1a', '6b', '8c'), 9, 'same'],
    ['what the other side knows only the end of', runsOf('1a', '6b', '8c'), runsOf('6b', '8c'), 9, 'same'],
    ['the end of what parts after a run that both know', runsOf('6b', '8c'), runsOf('1a', '6b'), 9, parted(8, 7, 'c')],
    ['the end of what parts at the first run that both could know', runsOf('6b'), runsOf('1a', '6c'), 9, parted(6, 0, 'b', 'c')],
    ['the end of what parts somewhere before', runsOf('6b'), runsOf('1a'), 9, parted(6, 0, 'b')],
    ['two ends without a run in common', runsOf('5b', '8c'), runsOf('7d', '8c'), 9, parted(7, 0, '', 'd')],
    ['nothing known here', [], runsOf('1a'), 9, null],
    ['nothing known there', runsOf('1a'), [], 9, null],
    ['nothing known at all', [], [], 9, null],
    ['runs of this side that begin beyond what both have', runsOf('7b'), runsOf('1a'), 6, null],
    ['runs of the other side that begin beyond what both have', runsOf('1a'), runsOf('7b'), 6, null],
  ];
  for (const [what, here, there, end, expected] of cases) {
    it(`finds ${expected === null || expected === 'same' ? (expected ?? 'nothing') : `a parting at ${expected.seq} after ${expected.common}`} in ${what}`, () => {
      expect(compareRuns(here, there, end)).to.deep.equal(expected);
    });
  }

  interface Written extends Run {
    readonly run: string;
  }

  /** A log as it stood at some moment. */
  type History = readonly Written[];

  /** Every state of a store and of its copies: each process starts on one that there was, and writes one change after another. */
  const anyHistories = fc.array(fc.record({ from: fc.nat(), writes: fc.integer({ min: 0, max: 4 }) }), { minLength: 1, maxLength: 20 }).map((starts) => {
    const states: History[] = [[]];
    let written = 0;
    for (const { from, writes } of starts) {
      let state = states[from % states.length] as History;
      for (let i = 0; i < writes; i++) {
        state = [...state, { seq: state.length + 1, hash: (written += 1).toString(16).padStart(12, '0'), run: i === 0 ? alpha : '' }];
        states.push(state);
      }
    }
    return states;
  });
  const anyTwo = fc.record({ states: anyHistories, a: fc.nat(), b: fc.nat() }).map(({ states, a, b }): [History, History] => {
    return [states[a % states.length] as History, states[b % states.length] as History];
  });
  const runsIn = (history: History) => history.reduce<readonly Run[]>(runsWith, []);
  const commonOf = (a: History, b: History) => {
    const differs = a.findIndex(({ hash }, i) => hash !== b[i]?.hash);
    return differs === -1 ? a.length : differs;
  };
  const hashOfRun = (history: History, seq: number) => {
    const change = history[seq - 1];
    return change !== undefined && change.run !== '' ? change.hash : '';
  };

  it('finds exactly where any two states of one origin part, when all runs are known', () => {
    fc.assert(
      fc.property(anyTwo, ([a, b]) => {
        const [end, common] = [Math.min(a.length, b.length), commonOf(a, b)];
        const seq = common + 1;
        const expected = end === 0 ? null : common === end ? 'same' : { seq, common, here: hashOfRun(a, seq), there: hashOfRun(b, seq) };
        expect(compareRuns(runsIn(a), runsIn(b), end)).to.deep.equal(expected);
      }),
      { numRuns: 1000 },
    );
  });

  it('says nothing wrong when only the last runs are known, and both sides say the same', () => {
    const anyCut = fc.nat({ max: 4 });
    fc.assert(
      fc.property(anyTwo, anyCut, anyCut, ([a, b], cutA, cutB) => {
        const [end, common] = [Math.min(a.length, b.length), commonOf(a, b)];
        const [here, there] = [runsIn(a).slice(cutA), runsIn(b).slice(cutB)];
        const found = compareRuns(here, there, end);
        const mirrored = compareRuns(there, here, end);
        if (found === null || found === 'same') {
          expect(mirrored).to.equal(found);
          if (found === 'same') expect(common).to.equal(end);
          return;
        }
        expect(mirrored).to.deep.equal({ ...found, here: found.there, there: found.here });
        expect(found.here).to.not.equal(found.there);
        expect(common, 'they do part').to.be.below(end);
        expect(found.seq, 'there they differ').to.be.above(common).and.at.most(end);
        if (found.common > 0) expect(found).to.include({ seq: common + 1, common });
      }),
      { numRuns: 1000 },
    );
  });
});
