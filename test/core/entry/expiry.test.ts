import { expect } from 'chai';
import { canonicalJson } from '../../../src/core/change/canonical.js';
import { expiryOf, expiryOfRow } from '../../../src/core/entry/expiry.js';

describe('expiryOf', () => {
  it('is crtime + ttl, in microseconds, from numbers and from their text', () => {
    expect(expiryOf({ crtime: '1000', ttlSec: 60 })).to.equal(1_060_000_000);
    expect(expiryOf({ crtime: 1000, ttlSec: '60', crtimeNs: 1_999 } as never)).to.equal(1_060_000_001);
    expect(expiryOf({ crtime: '4503599627', crtimeNs: 999_999_999, ttlSec: 2 ** 31 - 1 })).to.satisfy(Number.isSafeInteger);
  });

  it('is never without a ttl, without a crtime, and for what nobody could mean', () => {
    for (const attributes of [
      undefined,
      {},
      { ttlSec: 60 },
      { crtime: '1000' },
      { crtime: '1000', ttlSec: 0 },
      { crtime: '1000', ttlSec: -1 },
      { crtime: '1000', ttlSec: 2 ** 31 },
      { crtime: '0', ttlSec: 60 },
      { crtime: '99999999999999999999', ttlSec: 60 },
      { crtime: '1000', ttlSec: NaN },
      { crtime: 'x', ttlSec: 60 },
    ]) {
      expect(expiryOf(attributes), JSON.stringify(attributes)).to.equal(null);
    }
    expect(expiryOf({ crtime: '1000', ttlSec: 60, crtimeNs: 1e9 })).to.equal(1_060_000_000);
  });
});

describe('expiryOfRow', () => {
  const attributes = { crtime: '1000', ttlSec: 60 };

  it('reads the entry of a file; directories and tombstones never expire', () => {
    const entry = canonicalJson({ name: 'f', isDirectory: false, attributes });
    expect(expiryOfRow({ entry, isDirectory: false })).to.equal(1_060_000_000);
    expect(expiryOfRow({ entry, isDirectory: true })).to.equal(null);
    expect(expiryOfRow({ entry: null, isDirectory: false })).to.equal(null);
  });

  it('is not taken in by a tag that looks like a ttl', () => {
    const entry = canonicalJson({ name: '"ttlSec":60', isDirectory: false, attributes: { crtime: '1000' }, extended: { ttlSec: 'NjA=' } });
    expect(expiryOfRow({ entry, isDirectory: false })).to.equal(null);
  });
});
