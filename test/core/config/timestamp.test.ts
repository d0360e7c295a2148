import { expect } from 'chai';
import { parseTimestamp } from '../../../src/core/config/timestamp.js';

describe('timestamp', () => {
  const times: [text: string, micros: number | null][] = [
    ['1763763267123456', 1_763_763_267_123_456],
    ['0', 0],
    ['1970-01-01T00:00:00Z', 0],
    ['2025-11-21T22:14:27.123456Z', 1_763_763_267_123_456],
    ['2025-11-21T22:14:27.123456789Z', 1_763_763_267_123_456],
    ['2025-11-21T23:14:27.5+01:00', 1_763_763_267_500_000],
    ['2025-11-21t22:14:27z', 1_763_763_267_000_000],
    ['2025-11-21 22:14:27Z', 1_763_763_267_000_000],
    ['2025-02-29T00:00:00Z', null],
    ['2025-13-01T00:00:00Z', null],
    ['2025-11-21T25:00:00Z', null],
    ['2025-11-21', null],
    ['2025-11-21T22:14:27', null],
    ['1969-12-31T23:59:59Z', null],
    ['-5', null],
    ['12.5', null],
    ['9'.repeat(17), null],
    ['now', null],
    ['', null],
  ];
  for (const [text, micros] of times) it(`reads "${text}" as ${micros ?? 'no time'}`, () => expect(parseTimestamp(text)).to.equal(micros));
});
