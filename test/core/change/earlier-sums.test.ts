import { expect } from 'chai';
import fc from 'fast-check';
import { addToSum, bucketCount, bucketOf } from '../../../src/core/change/digest.js';
import { earlierSums, type ChangeSteps } from '../../../src/core/change/earlier-sums.js';
import { joinRows, type Row } from '../../../src/core/change/row.js';
import { parentOf, type FullPath } from '../../../src/core/entry/path.js';
import { anyRow, origins } from '../../support/arbitrary.js';

const sumsOf = (rows: Iterable<Row>): number[] => {
  const sums = new Array<number>(bucketCount).fill(0);
  for (const { path, h } of rows) sums[bucketOf(parentOf(path))] = addToSum(sums[bucketOf(parentOf(path))] as number, h);
  return sums;
};

const joinAll = (states: readonly Row[]): Row[] => {
  const rows = new Map<FullPath, Row>();
  for (const state of states) rows.set(state.path, joinRows(rows.get(state.path) ?? null, state));
  return [...rows.values()];
};

const anyState = fc.record({ row: anyRow, path: fc.constantFrom('/d/f', '/d/g', '/e/f') }).map(({ row, path }) => ({ ...row, path: path as FullPath }));

describe('earlierSums', () => {
  it('gives the sums of the rows that the changes up to a position make, whatever the order they came in', () =>
    fc.assert(
      fc.property(
        fc.array(fc.record({ origin: fc.constantFrom(...origins), states: fc.array(anyState, { minLength: 1, maxLength: 2 }) }), { maxLength: 12 }),
        fc.array(fc.nat(6), { minLength: 3, maxLength: 3 }),
        fc.nat(12),
        (written, seqs, forgotten) => {
          const ends = new Map<string, number>();
          const changes = written.map(({ origin, states }) => {
            ends.set(origin, (ends.get(origin) ?? 0) + 1);
            return { origin, seq: ends.get(origin) as number, states };
          });
          const position = new Map(origins.map((origin, i) => [origin, seqs[i] as number]));
          const rows = new Map<FullPath, Row>();
          const all = changes.map(({ origin, seq, states }): ChangeSteps => {
            const steps = states.map((brought) => {
              const met = rows.get(brought.path) ?? null;
              rows.set(brought.path, joinRows(met, brought));
              return { path: brought.path, met, brought };
            });
            return { origin, seq, steps };
          });
          const isIncluded = ({ origin, seq }: { origin: string; seq: number }) => (position.get(origin) ?? 0) >= seq;
          const firstBeyond = all.findIndex((change) => !isIncluded(change));
          // What is before the first change beyond the position need not be known.
          const kept = all.slice(Math.min(forgotten, firstBeyond < 0 ? all.length : firstBeyond));
          const expected = joinAll(changes.filter(isIncluded).flatMap(({ states }) => states));
          expect(earlierSums(sumsOf(rows.values()), kept, position)).to.deep.equal(sumsOf(expected));
        },
      ),
      { numRuns: 400 },
    ));
});
