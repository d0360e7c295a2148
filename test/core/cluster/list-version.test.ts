import { expect } from 'chai';
import fc from 'fast-check';
import { formatListVersion, parseListVersion } from '../../../src/core/cluster/list-version.js';

describe('the version of a member list', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[0-9a-f]{1,32}$/), fc.integer({ min: 0, max: 999_999_999_999_999 }), (epoch, n) => {
        expect(parseListVersion(formatListVersion({ epoch, n }))).to.deep.equal({ epoch, n });
      }),
    );
  });

  it('has one form', () => {
    for (const text of ['', '7', 'abc', 'abc-', '-7', 'ABC-7', 'abc-7-', ' abc-7', 'abc--7', 'abc-1e3', `${'a'.repeat(33)}-7`, `a-${'9'.repeat(16)}`])
      expect(parseListVersion(text), text).to.equal(null);
  });
});
