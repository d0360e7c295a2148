import { expect } from 'chai';
import { replacedBy } from '../../src/ux/variables.js';

describe('a variable for a flag', () => {
  const flags = { filer: { exclusive: ['store'] }, store: {}, forget: { exclusive: ['watch', { name: 'filer' }] }, watch: {}, limit: {} };
  const replaced = (...argv: string[]): string[] => [...replacedBy(argv, flags)].sort();

  it('does not count beside a typed flag that excludes it, whichever of the two says so', () => {
    expect(replaced('--store=.')).to.deep.equal(['filer']);
    expect(replaced('-store', '.')).to.deep.equal(['filer']);
    expect(replaced('--filer=a:1')).to.deep.equal(['forget', 'store']);
    expect(replaced('--forget', '00')).to.deep.equal(['filer', 'watch']);
  });

  it('counts beside all others, beside arguments, and where both flags are typed', () => {
    expect(replaced('--limit=5', 'store')).to.deep.equal([]);
    expect(replaced('--', '--store=.')).to.deep.equal([]);
    expect(replaced('--store=.', '--filer=a:1')).to.deep.equal(['forget']);
  });
});
