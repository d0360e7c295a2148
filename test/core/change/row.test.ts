import { expect } from 'chai';
import fc from 'fast-check';
import { areConcurrent, compareStates, isLive, joinRows, type Row } from '../../../src/core/change/row.js';
import type { Vector } from '../../../src/core/clock/vector.js';
import { contentHash } from '../../../src/core/change/digest.js';
import { anyRow } from '../../support/arbitrary.js';
import { p } from '../../support/open-log.js';

const [here, there] = ['1111111111111111', '2222222222222222'];

const row = (author: string, version: number, entry: string | null, vector: Vector = { [author]: version }): Row => ({
  path: p('/a'),
  entry,
  isDirectory: false,
  version,
  author,
  vector,
  dot: { origin: author, seq: version },
  contentHash: entry === null ? '' : contentHash(entry),
  h: entry === null ? 0 : version,
});

describe('joinRows', () => {
  const incomingAges = { older: 1, equal: 2, newer: 3 };
  const states = { live: '{"a":1}', tombstone: null };

  for (const [age, version] of Object.entries(incomingAges)) {
    for (const [incomingState, incomingEntry] of Object.entries(states)) {
      it(`takes an incoming ${incomingState} where nothing is (${age})`, () => {
        const incoming = row(there, version, incomingEntry);
        expect(joinRows(null, incoming)).to.equal(incoming);
      });
      for (const [localState, localEntry] of Object.entries(states)) {
        for (const relation of ['concurrent', 'covered'] as const) {
          const incomingWins = age === 'newer' || age === 'equal';
          const kept = incomingWins ? 'takes' : 'keeps its own over';
          it(`${kept} an ${age} ${incomingState} of a greater author over a ${localState}, ${relation}`, () => {
            const [localVector, incomingVector] =
              relation === 'concurrent'
                ? [{ [here]: 2 }, { [there]: version }]
                : incomingWins
                  ? [{ [here]: 2 }, { [here]: 2, [there]: version }]
                  : [{ [here]: 2, [there]: version }, { [there]: version }];
            const local = row(here, 2, localEntry, localVector);
            const incoming = row(there, version, incomingEntry, incomingVector);
            const joined = joinRows(local, incoming);
            expect(areConcurrent(local, incoming)).to.equal(relation === 'concurrent');
            expect(joined).to.deep.equal({ ...(incomingWins ? incoming : local), vector: { [here]: 2, [there]: version } });
            if (relation === 'covered') expect(joined).to.equal(incomingWins ? incoming : local);
          });
        }
      }
    }
  }

  it('prefers the live state if version and author are the same', () => {
    const [live, tombstone] = [row(here, 2, '{}'), row(here, 2, null)];
    expect([joinRows(live, tombstone), joinRows(tombstone, live)]).to.deep.equal([live, live]);
  });

  it('prefers the greater content hash if all else is the same', () => {
    const [a, b] = [row(here, 2, '{"a":1}'), row(here, 2, '{"b":1}')];
    const winner = a.contentHash > b.contentHash ? a : b;
    expect([joinRows(a, b), joinRows(b, a)]).to.deep.equal([winner, winner]);
  });

  it('keeps the smaller dot of equal states, and any dot rather than none', () => {
    const a = row(here, 2, '{}');
    const b = { ...a, dot: { origin: here, seq: 10 } };
    const undotted = { ...a, dot: null };
    expect([joinRows(a, b), joinRows(b, a)]).to.deep.equal([a, a]);
    expect([joinRows(a, undotted), joinRows(undotted, a)]).to.deep.equal([a, a]);
  });

  it('returns the local row itself if nothing changes', () => {
    fc.assert(
      fc.property(anyRow, anyRow, (a, b) => {
        const joined = joinRows(a, b);
        return joinRows(joined, a) === joined && joinRows(joined, b) === joined;
      }),
    );
    fc.assert(fc.property(anyRow, (a) => joinRows(a, a) === a && joinRows(a, { ...a }) === a));
  });

  it('is commutative, associative and idempotent, dots and vectors included', () => {
    fc.assert(
      fc.property(anyRow, anyRow, anyRow, (a, b, c) => {
        expect(joinRows(a, b)).to.deep.equal(joinRows(b, a));
        expect(joinRows(joinRows(a, b), c)).to.deep.equal(joinRows(a, joinRows(b, c)));
        expect(joinRows(joinRows(a, b), b)).to.deep.equal(joinRows(a, b));
      }),
      { numRuns: 1000 },
    );
  });
});

describe('compareStates', () => {
  it('is a total order', () => {
    fc.assert(
      fc.property(anyRow, anyRow, anyRow, (a, b, c) => {
        expect(Math.sign(compareStates(a, b)) + Math.sign(compareStates(b, a))).to.equal(0);
        if (compareStates(a, b) >= 0 && compareStates(b, c) >= 0) expect(compareStates(a, c)).to.be.at.least(0);
        if (compareStates(a, b) === 0) expect(a.entry).to.equal(b.entry);
      }),
      { numRuns: 500 },
    );
  });
});

describe('isLive', () => {
  it('is true of rows with an entry', () => {
    expect([isLive(row(here, 1, '{}')), isLive(row(here, 1, null)), isLive(null), isLive(undefined)]).to.deep.equal([true, false, false, false]);
  });
});
