import { expect } from 'chai';
import { ledgerLimits, ledgerLine } from '../../../src/core/store/ledger.js';
import type { ConflictRecord } from '../../../src/core/store/store.js';
import { p } from '../../support/open-log.js';

const origin = '1'.repeat(16);
const record = (more: Partial<ConflictRecord> = {}): ConflictRecord => ({
  path: p('/ü'),
  type: 'update/update',
  winner: { dot: { origin, seq: 2 }, version: 2, author: origin, deleted: false },
  loser: { path: p('/ü'), entry: '{}', isDirectory: false, version: 1, author: origin, vector: { [origin]: 1 }, dot: null, contentHash: '0'.repeat(16), h: 5 },
  seenAt: 9,
  seenBy: origin,
  ...more,
});

describe('ledgerLine', () => {
  it('comes back as the record it was, and counts its bytes', () => {
    const { text, bytes } = ledgerLine(record());
    expect(JSON.parse(text)).to.deep.equal(record());
    expect(bytes).to.equal(Buffer.byteLength(text)).and.above(text.length);
  });

  it('has one key for one conflict, whenever it is seen, and another for another', () => {
    const { path, ...rest } = record();
    expect(ledgerLine({ ...rest, path }).key).to.equal(ledgerLine(record()).key);
    expect(ledgerLine(record({ seenAt: 10 })).key).to.equal(ledgerLine(record()).key);
    expect(ledgerLine(record({ type: 'file/directory' })).key).to.not.equal(ledgerLine(record()).key);
  });

  it('has limits', () => {
    expect(ledgerLimits).to.deep.equal({ perPath: 100, bytesMax: 256 * 1024 * 1024, retentionMs: 30 * 24 * 3600 * 1000 });
  });
});
