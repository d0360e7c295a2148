import { expect } from 'chai';
import { rangeOf } from '../../../../src/core/api/filer/ranges.js';

describe('a Range header', () => {
  const cases: [header: string | undefined, size: number, range: [number, number] | 'unsatisfiable' | null][] = [
    [undefined, 5, null],
    ['bytes=0-0', 5, [0, 0]],
    ['bytes=1-3', 5, [1, 3]],
    ['bytes=1-', 5, [1, 4]],
    ['bytes=1-99', 5, [1, 4]],
    ['bytes=-2', 5, [3, 4]],
    ['bytes=-5', 5, [0, 4]],
    ['bytes=-10', 5, [0, 4]],
    ['bytes=5-', 5, 'unsatisfiable'],
    ['bytes=-0', 5, 'unsatisfiable'],
    ['bytes=0-', 0, 'unsatisfiable'],
    ['bytes=-1', 0, 'unsatisfiable'],
    ['bytes=0-1,3-4', 5, null],
    ['bytes=x', 5, null],
    ['bytes', 5, null],
    ['lines=1-2', 5, null],
    ['lines=9-', 5, null],
  ];
  for (const [header, size, range] of cases) {
    it(`"${header}" of ${size} bytes is ${JSON.stringify(range)}`, () => {
      expect(rangeOf(header, size)).to.deep.equal(Array.isArray(range) ? { start: range[0], end: range[1] } : range);
    });
  }
});
