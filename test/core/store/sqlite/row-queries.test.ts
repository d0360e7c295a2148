import { expect } from 'chai';
import fc from 'fast-check';
import { compareBytes } from '../../../../src/core/entry/path.js';
import { afterPrefix } from '../../../../src/core/store/sqlite/row-queries.js';

describe('afterPrefix', () => {
  it('is the least text above everything that starts with the prefix', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '\ud7ff', '\ue000', '\uffff', '😀', '\u{10ffff}'), maxLength: 3 });
    fc.assert(
      fc.property(text, text, (prefix, name) => {
        const above = afterPrefix(prefix);
        const isInside = compareBytes(name, prefix) >= 0 && (above === null || compareBytes(name, above) < 0);
        expect(isInside).to.equal(name.startsWith(prefix));
      }),
      { numRuns: 2000 },
    );
  });
});
