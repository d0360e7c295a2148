import { expect } from 'chai';
import fc from 'fast-check';
import { operationOf, rowsOf, type Change } from '../../../src/core/change/change.js';
import { entryDigest } from '../../../src/core/change/digest.js';
import { anyChange } from '../../support/arbitrary.js';
import { p } from '../../support/open-log.js';

describe('operationOf', () => {
  it('tells the four apart by their paths', () => {
    const [a, b] = [p('/a'), p('/b')];
    expect(operationOf({ oldPath: null, newPath: a })).to.equal('CREATE');
    expect(operationOf({ oldPath: a, newPath: a })).to.equal('UPDATE');
    expect(operationOf({ oldPath: a, newPath: null })).to.equal('DELETE');
    expect(operationOf({ oldPath: a, newPath: b })).to.equal('RENAME');
  });
});

describe('rowsOf', () => {
  it('brings one state, and two for a rename, the old path’s first', () => {
    fc.assert(
      fc.property(anyChange, (facts) => {
        const change = { ...facts, text: '' } as Change;
        const rows = rowsOf(change);
        expect(rows.map((row) => row.path)).to.deep.equal(
          operationOf(change) === 'RENAME' ? [change.oldPath, change.newPath] : [change.newPath ?? change.oldPath],
        );
        for (const row of rows) {
          expect(row).to.include({ version: change.version, author: change.author });
          expect(row.dot).to.deep.equal({ origin: change.origin, seq: change.seq });
        }
        const last = rows.at(-1);
        expect(last?.vector).to.equal(change.vector);
        if (change.newPath !== null)
          expect(last).to.include({
            entry: change.newEntry,
            isDirectory: change.isDirectory,
            contentHash: change.contentHash,
            h: entryDigest(change.newPath, change.version, change.author, change.contentHash),
          });
        const tombstone = operationOf(change) === 'RENAME' || operationOf(change) === 'DELETE' ? rows[0] : undefined;
        if (tombstone) expect(tombstone).to.include({ entry: null, isDirectory: false, contentHash: '', h: 0 });
        if (operationOf(change) === 'RENAME') expect(tombstone?.vector).to.equal(change.oldVector);
      }),
    );
  });
});
