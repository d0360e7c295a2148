import { expect } from 'chai';
import { compare, type Witness } from '../../../src/core/demo/proof.js';
import { parsePath } from '../../../src/core/entry/path.js';

function seen(filer: string, entries: Record<string, string>, digest = 'd', recomputed = digest) {
  const witness: Witness = { filer, address: '127.0.0.1:1', entries: 1, digest, recomputed, listed: 1, tree: 't' };
  return { witness, listing: new Map(Object.entries(entries).map(([path, hash]) => [parsePath(path), hash])) };
}

describe('the proof of the demo', () => {
  it('finds nothing where all is equal', () => {
    expect(compare([seen('filer 1', { '/a': 'x' }), seen('filer 2', { '/a': 'x' })])).to.deep.equal([]);
  });

  it('names the filer and the path where trees differ', () => {
    expect(compare([seen('filer 1', { '/a': 'x', '/b': 'y', '/c': 'z' }), seen('filer 2', { '/a': 'x', '/b': 'other', '/d': 'w' })])).to.deep.equal([
      'filer 2 differs from filer 1 at /b: another entry',
      'filer 2 differs from filer 1 at /c: it is on filer 1 only',
      'filer 2 differs from filer 1 at /d: it is on filer 2 only',
    ]);
  });

  it('names the first ten paths and counts the rest', () => {
    const many = Object.fromEntries(Array.from({ length: 13 }, (_, index) => [`/${index}`, 'x']));
    const lines = compare([seen('filer 1', many), seen('filer 2', {})]);
    expect(lines).to.have.lengthOf(11);
    expect(lines.at(-1)).to.equal('filer 2 differs from filer 1 at 3 paths more');
  });

  it('sees a digest that its own rows do not add up to, and one that differs below equal trees', () => {
    expect(compare([seen('filer 1', { '/a': 'x' }), seen('filer 2', { '/a': 'x' }, 'd', 'e')])).to.deep.equal([
      'filer 2 keeps the digest d, but its rows add up to e',
    ]);
    expect(compare([seen('filer 1', { '/a': 'x' }), seen('filer 2', { '/a': 'x' }, 'f')])).to.deep.equal([
      'filer 2 shows the tree of filer 1, but its digest is f',
    ]);
  });
});
