import { expect } from 'chai';
import { clockMax, isVersion, versionMax, versionToRfc3339 } from '../../../src/core/clock/version.js';

describe('isVersion', () => {
  it('takes whole microseconds from 1 to 2^52', () => {
    for (const value of [1, 1_763_763_267_123_456, clockMax, versionMax]) expect(isVersion(value), String(value)).to.equal(true);
    for (const value of [0, -1, 1.5, versionMax + 1, NaN, Infinity, '5', null, undefined, 5n]) expect(isVersion(value), String(value)).to.equal(false);
  });

  it('leaves 2^40 versions of room above the clock', () => {
    expect(versionMax - clockMax).to.equal(2 ** 40);
  });
});

describe('versionToRfc3339', () => {
  it('writes microseconds', () => {
    expect(versionToRfc3339(1_763_763_267_123_456)).to.equal('2025-11-21T22:14:27.123456Z');
    expect(versionToRfc3339(1)).to.equal('1970-01-01T00:00:00.000001Z');
    expect(versionToRfc3339(versionMax)).to.match(/^2112-/);
  });
});
