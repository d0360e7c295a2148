import { fileURLToPath } from 'node:url';
import { Config } from '@oclif/core';
import { expect } from 'chai';
import { complete, type Completion } from '../../../src/ux/completion/complete.js';
import { topics, visibleCommands, type Program } from '../../../src/ux/manual/manual.js';

describe('complete', () => {
  let commands: ReturnType<typeof visibleCommands>;
  before(async () => {
    commands = visibleCommands((await Config.load({ root: fileURLToPath(new URL('../../..', import.meta.url)) })) as unknown as Program);
  });
  const at = (...words: string[]): Completion => complete(words, commands, Object.keys(topics));
  const words = (...typed: string[]): string[] => {
    const found = at(...typed);
    if (found.kind !== 'words') throw new Error(`${found.kind}, not words`);
    return found.words.map(({ word }) => word);
  };

  it('offers every command once where nothing is typed', () => {
    const offered = words('');
    expect(offered).to.include.members(['filer', 'filer.peers', 'filer.meta.tail', 'master', 'help']);
    expect(offered).to.have.length(new Set(offered).size);
    expect(words()).to.deep.equal(offered);
  });

  it('goes on behind a dot', () => {
    expect(words('filer.s')).to.include('filer.store.id');
    expect(words('filer.store.')).to.deep.equal(['filer.store.id']);
    expect(words('filer.wait')).to.deep.equal(['filer.wait']);
    expect(words('nothing.like.this')).to.deep.equal([]);
  });

  it('offers the flags of a command that are not there yet', () => {
    expect(words('filer.wait', '--f')).to.deep.equal(['--filer=', '--filerGroup=', '--for=']);
    expect(words('filer.wait', '--for=ready', '--fo')).to.deep.equal([]);
    expect(words('filer.meta.tail', '--no-f')).to.deep.equal(['--no-follow']);
    expect(words('filer.wait', '-fo')).to.deep.equal(['--for=']);
    expect(words('filer', '--s3')).to.deep.equal([]);
  });

  it('offers the values of a flag, in the same word or the next', () => {
    expect(words('filer.wait', '--for=')).to.deep.equal(['--for=synced', '--for=ready']);
    expect(words('filer.wait', '--for', 'r')).to.deep.equal(['ready']);
    expect(words('completion', '')).to.include.members(['bash', 'zsh', 'fish']);
    expect(words('help', 'e')).to.deep.equal(['environment', 'exit-codes']);
    expect(words('filer.wait', '--timeout=')).to.deep.equal([]);
  });

  it('says where to ask for what only a cluster knows', () => {
    expect(at('filer.log', '--filer=local')).to.deep.equal({ kind: 'filers', before: '--filer=', typed: 'local' });
    expect(at('filer.wait', '--filer', 'a:1,b')).to.deep.equal({ kind: 'filers', before: 'a:1,', typed: 'b' });
    expect(at('filer.meta.tail', '--filer=a:1', '--pathPrefix=/d')).to.deep.equal({ kind: 'paths', before: '--pathPrefix=', typed: '/d', filer: 'a:1' });
    expect(at('filer.copy', 'x', 'http://a:1/d/')).to.deep.equal({ kind: 'paths', before: 'http://a:1', typed: '/d/', filer: 'a:1' });
  });

  it('leaves files of this machine to the shell', () => {
    expect(at('filer.store.id', '--store=/v')).to.deep.equal({ kind: 'files' });
    expect(at('filer.copy', 'READ')).to.deep.equal({ kind: 'files' });
    expect(at('filer.log', '--secretFile', '')).to.deep.equal({ kind: 'files' });
  });
});
