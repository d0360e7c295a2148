import { expect } from 'chai';
import fc from 'fast-check';
import { formatDuration, parseDuration } from '../../../src/core/config/duration.js';

describe('duration', () => {
  const durations: [text: string, ms: number | null][] = [
    ['300ms', 300],
    ['25s', 25_000],
    ['1.5h', 5_400_000],
    ['2h45m', 9_900_000],
    ['1m0.5s', 60_500],
    ['.5s', 500],
    ['25', 25_000],
    ['0.5', 500],
    ['0', 0],
    ['1500us', 1.5],
    ['720h', 2_592_000_000],
    ['', null],
    ['-1s', null],
    ['1d', null],
    ['s', null],
    ['1 s', null],
    ['1s ', null],
    ['1s5', null],
    ['1e3s', null],
    ['Infinity', null],
    ['9'.repeat(30), null],
    ['.', null],
  ];
  for (const [text, ms] of durations) {
    it(`reads "${text}" as ${ms === null ? 'no duration' : `${ms} ms`}`, () => expect(parseDuration(text)).to.equal(ms));
  }

  const written: [ms: number, text: string][] = [
    [0, '0ms'],
    [350, '350ms'],
    [999.7, '1s'],
    [1200, '1.2s'],
    [59_960, '1m'],
    [190_000, '3m10s'],
    [3_599_900, '1h'],
    [7_500_000, '2h5m'],
    [2_592_000_000, '720h'],
  ];
  for (const [ms, text] of written) it(`writes ${ms} ms as ${text}`, () => expect(formatDuration(ms)).to.equal(text));

  it('reads again what it has written, to two units', () => {
    fc.assert(
      fc.property(fc.nat(10 ** 10), (ms) => {
        const back = parseDuration(formatDuration(ms)) as number;
        expect(Math.abs(back - ms)).to.be.at.most(ms < 1000 ? 0 : ms < 60_000 ? 51 : ms < 3_600_000 ? 501 : 30_501);
      }),
    );
  });
});
