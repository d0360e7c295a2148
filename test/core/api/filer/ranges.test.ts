import { expect } from 'chai';
import { byteRanges, rangesOf } from '../../../../src/core/api/filer/ranges.js';

describe('a Range header', () => {
  const cases: [header: string | undefined, size: number, range: [number, number][] | 'unsatisfiable' | null][] = [
    [undefined, 5, null],
    ['bytes=0-0', 5, [[0, 0]]],
    ['bytes=1-3', 5, [[1, 3]]],
    ['bytes=1-', 5, [[1, 4]]],
    ['bytes=1-99', 5, [[1, 4]]],
    ['bytes=-2', 5, [[3, 4]]],
    ['bytes=-5', 5, [[0, 4]]],
    ['bytes=-10', 5, [[0, 4]]],
    ['bytes=5-', 5, 'unsatisfiable'],
    ['bytes=-0', 5, 'unsatisfiable'],
    ['bytes=0-', 0, 'unsatisfiable'],
    ['bytes=-1', 0, 'unsatisfiable'],
    [
      'bytes=0-1,3-4',
      5,
      [
        [0, 1],
        [3, 4],
      ],
    ],
    [
      'bytes=3-4,0-1',
      5,
      [
        [3, 4],
        [0, 1],
      ],
    ],
    ['bytes=0-2,1-3', 5, [[0, 3]]],
    ['bytes=0-1,9-', 5, [[0, 1]]],
    ['bytes=7-8,9-', 5, 'unsatisfiable'],
    [`bytes=${Array.from({ length: 17 }, (_, i) => `${2 * i}-${2 * i}`).join()}`, 100, null],
    ['bytes=x', 5, null],
    ['bytes', 5, null],
    ['lines=1-2', 5, null],
    ['lines=9-', 5, null],
  ];
  for (const [header, size, range] of cases) {
    it(`"${header}" of ${size} bytes is ${JSON.stringify(range)}`, () => {
      expect(rangesOf(header, size)).to.deep.equal(Array.isArray(range) ? range.map(([start, end]) => ({ start, end })) : range);
    });
  }

  it('for several parts is answered with one body of them all', () => {
    const { contentType, body } = byteRanges(
      Buffer.from('hello'),
      [
        { start: 0, end: 1 },
        { start: 4, end: 4 },
      ],
      'text/plain',
    );
    const boundary = /boundary=(\w+)$/.exec(contentType)?.[1] ?? 'none';
    expect(body.toString()).to.equal(
      `\r\n--${boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/5\r\n\r\nhe` +
        `\r\n--${boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 4-4/5\r\n\r\no\r\n--${boundary}--\r\n`,
    );
  });
});
