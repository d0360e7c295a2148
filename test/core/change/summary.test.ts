import { expect } from 'chai';
import fc from 'fast-check';
import { operationOf } from '../../../src/core/change/change.js';
import { encodeChange, withApplied } from '../../../src/core/change/codec.js';
import { pathsOf, stampOf, summarize } from '../../../src/core/change/summary.js';
import type { Entry } from '../../../src/core/entry/entry.js';
import { isFailure } from '../../../src/core/errors.js';
import { anyChange, anyPathBelowRoot } from '../../support/arbitrary.js';

const notes = { oldEntry: null, deleteChunks: false, signatures: [] };
const small = { numRuns: 200 };

describe('summary of a change', () => {
  it('tells dot and version of any change, with and without the local word', () => {
    fc.assert(
      fc.property(anyChange, (change) => {
        const { origin, seq, version } = change;
        const text = encodeChange(change, notes);
        expect(stampOf(text)).to.deep.equal({ origin, seq, version });
        expect(stampOf(withApplied(text, 'partly'))).to.deep.equal({ origin, seq, version });
      }),
      small,
    );
  });

  it('is not misled by an entry that holds what looks like the end of a change', () => {
    fc.assert(
      fc.property(anyChange, anyPathBelowRoot, (change, path) => {
        const { origin, seq, version } = change;
        const fake = '"replication":{"origin":"ffffffffffffffff","seq":9,"hash":"ffffffffffff","version":9}}';
        const name = path.slice(path.lastIndexOf('/') + 1);
        const newEntry = JSON.stringify({
          name,
          isDirectory: false,
          replication: { origin: 'f'.repeat(16), seq: 9, hash: 'f'.repeat(12), version: 9 },
          note: fake,
        });
        const text = encodeChange({ ...change, newPath: path, newEntry, clusters: [fake] }, notes);
        expect(stampOf(text)).to.deep.equal({ origin, seq, version });
      }),
      small,
    );
  });

  it('reads the stamp of a change written in another order too', () => {
    const text = '{"replication":{"seq":7,"origin":"1111111111111111","version":5},"directory":"/"}';
    expect(stampOf(text)).to.deep.equal({ origin: '1111111111111111', seq: 7, version: 5 });
  });

  it('tells operation and paths of any change', () => {
    fc.assert(
      fc.property(anyChange, (change) => {
        const text = encodeChange(change, notes);
        const { operation, oldPath, newPath, version } = summarize(text);
        expect({ operation, oldPath, newPath, version }).to.deep.equal({
          operation: operationOf(change),
          oldPath: change.oldPath,
          newPath: change.newPath,
          version: change.version,
        });
        expect(pathsOf(text)).to.have.members([...new Set([change.oldPath, change.newPath].filter((path) => path !== null))]);
      }),
      small,
    );
  });

  it('tells size and chunks of the new entry, of the old one for a delete, and nothing where nothing is known', () => {
    const event = (eventNotification: { oldEntry?: Entry; newEntry?: Entry }) =>
      summarize(JSON.stringify({ directory: '/d', tsNs: '1795312759428000000', eventNotification }));
    const entry: Entry = { name: 'f', isDirectory: false, attributes: { fileSize: '9' }, chunks: [{ size: '9' }] };
    expect(event({ newEntry: entry })).to.include({ operation: 'CREATE', size: 9, chunks: 1, version: 1795312759428000 });
    expect(event({ oldEntry: entry })).to.include({ operation: 'DELETE', size: 9, chunks: 1 });
    expect(event({ oldEntry: { name: 'f', isDirectory: false } })).to.include({ operation: 'DELETE', size: null, chunks: null });
    expect(event({ newEntry: { name: 'f', isDirectory: true } })).to.include({ isDirectory: true });
  });

  it('names what is not a change', () => {
    for (const text of ['', '{', '[]', 'null', '7', '{"directory":"/"}', '{"directory":"/","eventNotification":{}}']) {
      for (const read of [stampOf, summarize, pathsOf]) {
        expect(() => read(text))
          .to.throw()
          .that.satisfies((error: unknown) => isFailure(error, 'BODY_INVALID'));
      }
    }
  });
});
