import { expect } from 'chai';
import fc from 'fast-check';
import {
  compareDots,
  emptyPosition,
  formatDot,
  formatPosition,
  isEmptyPosition,
  isOrigin,
  isSeq,
  joinPositions,
  mergeVectors,
  parseDot,
  parsePosition,
  positionCovers,
  positionDistance,
  positionFromJson,
  positionIncludes,
  positionsEqual,
  positionToJson,
  vectorCovers,
  vectorIncludes,
} from '../../../src/core/clock/vector.js';
import { anyOrigin, anyPosition, anyVector } from '../../support/arbitrary.js';
import { codeOf, failureOf } from '../../support/open-log.js';

const [a, b] = ['1111111111111111', 'bbbbbbbbbbbbbbbb'];
const anyDot = fc.record({ origin: anyOrigin, seq: fc.nat() });
const asRecord = (position: ReadonlyMap<string, number>) => Object.fromEntries([...position].filter(([, seq]) => seq > 0));

describe('origins and seqs', () => {
  it('are 16 lower-case hex digits, and whole numbers from 0', () => {
    for (const value of ['', '111111111111111', `${a}1`, 'AAAAAAAAAAAAAAAA', 'g111111111111111', `${a}\n`, 5, null])
      expect(isOrigin(value), String(value)).to.equal(false);
    expect(isOrigin(a)).to.equal(true);
    expect([0, 1, 2 ** 53 - 1].every(isSeq)).to.equal(true);
    expect([-1, 0.5, 2 ** 53, NaN, '1', null].some(isSeq)).to.equal(false);
  });
});

describe('dots', () => {
  it('come back from their text', () => {
    fc.assert(
      fc.property(anyDot, (dot) => {
        expect(parseDot(formatDot(dot))).to.deep.equal(dot);
      }),
    );
  });

  for (const text of [
    '',
    ':',
    a,
    `${a}:`,
    `${a}:x`,
    `${a}:-1`,
    `${a}:1:2`,
    `${a}:1.5`,
    `${a}: 1`,
    `${a}:9999999999999999`,
    `${a}:12345678901234567`,
    `A${a.slice(1)}:1`,
  ]) {
    it(`are not ${JSON.stringify(text)}`, async () => expect(await codeOf(() => parseDot(text))).to.equal('PARAMETER_INVALID'));
  }

  it('have one order: by origin, then by seq as a number', () => {
    expect(compareDots({ origin: a, seq: 9 }, { origin: a, seq: 10 })).to.be.below(0);
    expect(compareDots({ origin: a, seq: 9 }, { origin: b, seq: 1 })).to.be.below(0);
    fc.assert(fc.property(anyDot, anyDot, (x, y) => Math.sign(compareDots(x, y)) + Math.sign(compareDots(y, x)) === 0));
  });
});

describe('vectors', () => {
  it('cover what they include, author by author', () => {
    expect(vectorIncludes({ [a]: 5 }, a, 5)).to.equal(true);
    expect(vectorIncludes({ [a]: 5 }, a, 6)).to.equal(false);
    expect(vectorIncludes({}, a, 1)).to.equal(false);
    expect(vectorCovers({ [a]: 5, [b]: 1 }, { [a]: 4 })).to.equal(true);
    expect(vectorCovers({ [a]: 5 }, { [b]: 1 })).to.equal(false);
  });

  it('merge in any order, any number of times, to the least that covers both', () => {
    fc.assert(
      fc.property(anyVector, anyVector, anyVector, (x, y, z) => {
        const merged = mergeVectors(x, y);
        expect(merged).to.deep.equal(mergeVectors(y, x));
        expect(mergeVectors(merged, z)).to.deep.equal(mergeVectors(x, mergeVectors(y, z)));
        expect(mergeVectors(x, x)).to.equal(x);
        expect(vectorCovers(merged, x) && vectorCovers(merged, y)).to.equal(true);
        if (vectorCovers(x, y)) expect(merged).to.equal(x);
        if (vectorCovers(z, x) && vectorCovers(z, y)) expect(vectorCovers(z, merged)).to.equal(true);
      }),
    );
  });
});

describe('positions', () => {
  it('come back from their text, zeros included, whatever the order', () => {
    fc.assert(
      fc.property(anyPosition, (position) => {
        expect(parsePosition(formatPosition(position))).to.deep.equal(position);
        expect(formatPosition(new Map([...position].reverse()))).to.equal(formatPosition(position));
        expect(positionFromJson(JSON.parse(JSON.stringify(positionToJson(position))))).to.deep.equal(position);
      }),
    );
    expect(
      formatPosition(
        new Map([
          [b, 7],
          [a, 42],
        ]),
      ),
    ).to.equal(`${a}:42~${b}:7`);
    expect(
      Object.keys(
        positionToJson(
          new Map([
            [b, 7],
            [a, 0],
          ]),
        ),
      ),
    ).to.deep.equal([a, b]);
  });

  for (const text of ['~', 'x', `${a}:1~`, `~${a}:1`, `${a}:1~${a}:2`, `${a}:1,${b}:2`]) {
    it(`are not ${JSON.stringify(text)}`, async () => {
      const failure = await failureOf(() => parsePosition(text, 'Filer-Position'));
      expect(failure.code).to.equal('PARAMETER_INVALID');
      expect(failure.message).to.match(/^Filer-Position: .*write origin:seq/);
    });
  }

  for (const value of [null, [], 'x', 5, { x: 1 }, { [a]: '1' }, { [a]: -1 }, { [a]: 1.5 }, JSON.parse('{"__proto__":1}')]) {
    it(`are not ${JSON.stringify(value)} in JSON`, async () => expect(await codeOf(() => positionFromJson(value))).to.equal('BODY_INVALID'));
  }

  it('join to the least that covers both', () => {
    fc.assert(
      fc.property(anyPosition, anyPosition, anyPosition, (x, y, z) => {
        const joined = joinPositions(x, y);
        expect(joined).to.deep.equal(joinPositions(y, x));
        expect(joinPositions(joined, z)).to.deep.equal(joinPositions(x, joinPositions(y, z)));
        expect(joinPositions(x, x)).to.deep.equal(x);
        expect(positionCovers(joined, x) && positionCovers(joined, y)).to.equal(true);
        if (positionCovers(z, x) && positionCovers(z, y)) expect(positionCovers(z, joined)).to.equal(true);
        expect([...joined.keys()].sort()).to.deep.equal([...new Set([...x.keys(), ...y.keys()])].sort());
      }),
    );
  });

  it('are equal if they differ only in zeros', () => {
    expect(
      positionsEqual(
        new Map([
          [a, 1],
          [b, 0],
        ]),
        new Map([[a, 1]]),
      ),
    ).to.equal(true);
    fc.assert(
      fc.property(
        anyPosition,
        anyPosition,
        (x, y) =>
          positionsEqual(x, y) ===
          (JSON.stringify(positionToJson(new Map(Object.entries(asRecord(x))))) === JSON.stringify(positionToJson(new Map(Object.entries(asRecord(y)))))),
      ),
    );
  });

  it('are as far apart as one has changes that the other lacks', () => {
    fc.assert(
      fc.property(anyPosition, anyPosition, (x, y) => {
        expect(positionDistance(x, y) === 0).to.equal(positionCovers(y, x));
        expect(positionDistance(joinPositions(x, y), y)).to.equal(positionDistance(x, y));
        expect(positionDistance(x, emptyPosition) === 0).to.equal(isEmptyPosition(x));
      }),
    );
    expect(
      positionDistance(
        new Map([
          [a, 5],
          [b, 1],
        ]),
        new Map([
          [a, 2],
          [b, 4],
        ]),
      ),
    ).to.equal(3);
  });

  it('include the dots up to their seqs', () => {
    const position = new Map([
      [a, 2],
      [b, 0],
    ]);
    expect([
      positionIncludes(position, { origin: a, seq: 2 }),
      positionIncludes(position, { origin: a, seq: 3 }),
      positionIncludes(position, { origin: b, seq: 1 }),
    ]).to.deep.equal([true, false, false]);
  });
});
