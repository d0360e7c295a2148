import { expect } from 'chai';
import { conflictTypes, storeMeta } from '../../../src/core/store/store.js';

/* What an adapter must do is in test/contract/store.contract.ts; these are the words it keeps on disk and tells over HTTP. */

describe('the words of a store', () => {
  it('are what they always were', () => {
    expect(conflictTypes).to.deep.equal(['update/update', 'update/delete', 'file/directory', 'rename/rename', 'child-of-deleted']);
    expect(storeMeta).to.deep.equal({ restored: 'restored', conflictsDropped: 'conflictsDropped' });
  });
});
