import { expect } from 'chai';
import { dotted, nearest } from '../../src/ux/suggest.js';

const commands = ['demo', 'filer', 'filer.meta.tail', 'filer.peers', 'fs.ls', 'master'];

describe('nearest', () => {
  it('finds the name of a typing error', () => {
    expect(nearest('filer.peesr', commands)).to.equal('filer.peers');
    expect(nearest('mastre', commands)).to.equal('master');
    expect(nearest('fs.l', commands)).to.equal('fs.ls');
  });

  it('finds nothing for a word that is far from all', () => {
    expect(nearest('volume', commands)).to.equal(null);
    expect(nearest('', [])).to.equal(null);
  });
});

describe('dotted', () => {
  it('joins words by dots', () => {
    expect(dotted(['filer', 'peers'], commands)).to.equal('filer.peers');
    expect(dotted(['filer', 'meta', 'tail', '--filer=x'], commands)).to.equal('filer.meta.tail');
    expect(dotted(['fs', 'ls', '/'], commands)).to.equal('fs.ls');
  });

  it('finds nothing where the words name no command', () => {
    expect(dotted(['filer', 'x'], commands)).to.equal(null);
    expect(dotted(['filer'], commands)).to.equal(null);
  });
});
