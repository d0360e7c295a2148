import { expect } from 'chai';
import fc from 'fast-check';
import { addToSum, bucketCount, bucketOf, chainHash, chainStart, contentHash, digestOf, entryDigest, takeFromSum } from '../../../src/core/change/digest.js';
import { root } from '../../../src/core/entry/path.js';
import { anyPath } from '../../support/arbitrary.js';
import { p } from '../../support/open-log.js';

/* The known values were computed by another program. If one of them changes, filers of two versions no longer understand each other. */
const entry = '{"attributes":{"fileSize":"5"},"content":"aGVsbG8=","isDirectory":false,"name":"a.txt"}';
const author = '1111111111111111';
const version = 1_763_763_267_123_456;

describe('the hashes of the protocol', () => {
  it('are what they always were', () => {
    expect(contentHash(entry)).to.equal('e5f585858b606810');
    const created = { seq: 1, version, author, oldPath: null, newPath: p('/docs/a.txt'), contentHash: contentHash(entry), run: '' };
    expect(['', '2222222222222222'].map((run) => chainHash(chainStart, { ...created, run }))).to.deep.equal(['102721ccb85e', '81bec6265e7f']);
    const renamed = { oldPath: p('/ü'), newPath: p('/日/😀'), contentHash: '' };
    expect(chainHash('0123456789ab', { seq: 42, version: 2 ** 52, author: 'aaaaaaaaaaaaaaaa', ...renamed, run: '' })).to.equal('dd9a7c7384d7');
    expect(entryDigest(p('/docs/a.txt'), version, author, contentHash(entry))).to.equal(145420495530069);
    expect([root, p('/docs'), p('/日')].map(bucketOf)).to.deep.equal([138, 162, 189]);
    expect(digestOf(new Array<number>(256).fill(0))).to.equal('a84ae38fb42028f4');
    expect(digestOf(Array.from({ length: 256 }, (_, i) => i * 1099511627775))).to.equal('f7c1a99443c77f57');
  });

  it('depend on every part of a change', () => {
    const link = { seq: 1, version, author, oldPath: p('/a'), newPath: p('/b'), contentHash: 'x', run: '' };
    const variants = [
      chainHash(chainStart, link),
      chainHash('000000000001', link),
      ...[
        { seq: 2 },
        { version: version + 1 },
        { author: 'aaaaaaaaaaaaaaaa' },
        { oldPath: p('/c') },
        { oldPath: null },
        { newPath: p('/c') },
        { newPath: null },
        { contentHash: 'y' },
        { run: author },
        { run: 'aaaaaaaaaaaaaaaa' },
      ].map((other) => chainHash(chainStart, { ...link, ...other })),
    ];
    expect(new Set(variants).size).to.equal(variants.length);
  });
});

describe('bucketOf', () => {
  it('is one of 256, the same every time', () => {
    fc.assert(
      fc.property(anyPath, (path) => {
        const bucket = bucketOf(path);
        return bucket >= 0 && bucket < bucketCount && Number.isInteger(bucket) && bucketOf(path) === bucket;
      }),
    );
  });
});

describe('sums', () => {
  const hash = fc.integer({ min: 0, max: 2 ** 48 - 1 });
  const sumOf = (hashes: readonly number[]) => hashes.reduce(addToSum, 0);

  it('do not depend on order', () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray([1, 2, 3]),
        fc.array(hash),
        (_seed, hashes) => sumOf(hashes) === sumOf([...hashes].reverse()) && sumOf(hashes) === sumOf([...hashes].sort((a, b) => a - b)),
      ),
    );
  });

  it('are as before when what was added is taken', () => {
    fc.assert(fc.property(hash, hash, (sum, h) => takeFromSum(addToSum(sum, h), h) === sum && addToSum(takeFromSum(sum, h), h) === sum));
  });

  it('stay whole numbers below 2^48', () => {
    fc.assert(fc.property(fc.array(hash), (hashes) => Number.isSafeInteger(sumOf(hashes)) && sumOf(hashes) < 2 ** 48));
    expect(addToSum(2 ** 48 - 1, 2 ** 48 - 1)).to.equal(2 ** 48 - 2);
    expect(takeFromSum(0, 1)).to.equal(2 ** 48 - 1);
  });

  it('move the digest, whichever bucket changes', () => {
    const zeros = new Array<number>(bucketCount).fill(0);
    const digests = new Set([digestOf(zeros), ...zeros.map((_, i) => digestOf(zeros.with(i, 1)))]);
    expect(digests.size).to.equal(bucketCount + 1);
  });
});
