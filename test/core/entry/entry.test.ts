import { expect } from 'chai';
import { directoryBit, parentMode, sizeOf, withoutEmpty, type Entry } from '../../../src/core/entry/entry.js';

const entry = (more: Partial<Entry>): Entry => ({ name: 'a', isDirectory: false, ...more });

describe('sizeOf', () => {
  it('counts inline content', () => {
    for (const text of ['', 'a', 'ab', 'abc', 'abcd']) expect(sizeOf(entry({ content: Buffer.from(text).toString('base64') })), text).to.equal(text.length);
  });

  it('is where the last chunk ends', () => {
    const chunks = [{ offset: '8', size: '4' }, { size: '8' }, {}];
    expect(sizeOf(entry({ chunks }))).to.equal(12);
  });

  it('is what the attributes say if that is most', () => {
    expect(sizeOf(entry({ attributes: { fileSize: '20' }, content: 'YQ==' }))).to.equal(20);
  });
});

describe('parentMode', () => {
  it('adds search permission and the directory bit', () => {
    expect(parentMode(0o660)).to.equal(directoryBit + 0o771);
    expect(parentMode(0)).to.equal(directoryBit + 0o111);
  });
});

describe('withoutEmpty', () => {
  it('drops empty fields and empty attributes, and keeps what is unknown', () => {
    const full = entry({
      attributes: { fileSize: '0', mtime: '5', uid: 0, mime: '', groupName: [], symlinkTarget: undefined },
      extended: {},
      chunks: [],
      content: '',
      quota: '7',
      remoteEntry: null,
      worm: false,
    });
    expect(withoutEmpty(full)).to.deep.equal({ name: 'a', isDirectory: false, attributes: { mtime: '5' }, quota: '7' });
  });

  it('drops attributes that are all empty', () => {
    expect(withoutEmpty(entry({ attributes: { uid: 0 } }))).to.deep.equal({ name: 'a', isDirectory: false });
  });

  it('keeps name and kind, empty or not', () => {
    expect(withoutEmpty({ name: '', isDirectory: false })).to.deep.equal({ name: '', isDirectory: false });
  });

  it('takes an entry from outside whose attributes are null', () => {
    expect(withoutEmpty({ name: 'a', isDirectory: true, attributes: null } as unknown as Entry)).to.deep.equal({ name: 'a', isDirectory: true });
  });

  it('names the entry, and puts its fields in the order of the canonical form', () => {
    const named = withoutEmpty({ name: 'old', isDirectory: false, content: 'YQ==', attributes: { mtime: '5', crtime: '4' } }, 'new');
    expect(JSON.stringify(named)).to.equal('{"attributes":{"crtime":"4","mtime":"5"},"content":"YQ==","isDirectory":false,"name":"new"}');
  });

  it('keeps a field whatever its name is', () => {
    const text = '{"__proto__":"1","attributes":{"__proto__":"2"},"isDirectory":false,"name":"a"}';
    expect(JSON.stringify(withoutEmpty(JSON.parse(text) as Entry))).to.equal(text);
  });
});
