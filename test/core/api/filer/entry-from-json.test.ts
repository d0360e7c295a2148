import { expect } from 'chai';
import { entryFromJson } from '../../../../src/core/api/filer/entry-from-json.js';
import { entryToJson } from '../../../../src/core/api/filer/entry-json.js';
import type { EntryJson } from '../../../../src/core/api/filer/protocol.js';
import type { Entry } from '../../../../src/core/entry/entry.js';
import { parsePath } from '../../../../src/core/entry/path.js';
import { codeOf } from '../../../support/open-log.js';
import { LocalTree } from '../../../support/local-tree.js';

const shown = (entry: Entry): EntryJson => entryToJson({ path: parsePath('/a'), isDirectory: entry.isDirectory, entry, row: null, children: 0 });

const everything: Entry = {
  name: '',
  isDirectory: false,
  attributes: {
    fileSize: '70',
    mtime: '1763763267',
    mtimeNs: 123456789,
    crtime: '-5',
    crtimeNs: 7,
    ctime: '1763763268',
    atime: '1',
    fileMode: 0o4000640,
    uid: 1000,
    gid: 4294967295,
    mime: 'text/plain',
    ttlSec: 86400,
    userName: 'ü',
    groupName: ['g', 'h'],
    symlinkTarget: '../x',
    md5: 'XUFAKrxLKna5cZ2REBfFkg==',
    rdev: 3,
    inode: '18446744073709551615',
  },
  extended: { 'Seaweed-Colour': 'cmVk', 'xattr-user.x': '' },
  chunks: [{ fileId: '3,01637037d6', offset: '0', size: '70', modifiedTsNs: '1787392800123456789', eTag: 'x', fid: { volumeId: 3, fileKey: '1', cookie: 7 } }],
  content: 'aGVsbG8=',
  hardLinkId: 'AAEC',
  hardLinkCounter: 2,
  remoteEntry: { storageName: 's', remoteSize: '9' },
  quota: '-9223372036854775808',
  wormEnforcedAtTsNs: '1',
};

describe('an entry from its JSON', () => {
  const cases: [string, Entry][] = [
    ['a file with everything', everything],
    ['a file with nothing', { name: '', isDirectory: false }],
    ['a directory', { name: '', isDirectory: true, attributes: { fileMode: 0x80000000 + 0o755, mtime: '1' } }],
  ];
  for (const [what, entry] of cases) {
    it(`shows again what ${what} shows`, () => expect(shown(entryFromJson(shown(entry)))).to.deep.equal(shown(entry)));
  }

  it('has the names and types of changes', () => {
    const { attributes, chunks, extended, content } = entryFromJson(shown(everything));
    expect({ attributes, chunks, extended, content }).to.deep.equal({
      attributes: { ...everything.attributes, atimeNs: undefined, ctimeNs: undefined },
      chunks: everything.chunks,
      extended: everything.extended,
      content: everything.content,
    });
  });

  const wrong: [string, unknown][] = [
    ['the body', 'text'],
    ['Mode', { Mode: -1 }],
    ['Mtime', { Mtime: 'yesterday' }],
    ['Content', { Content: '%' }],
    ['Extended.a', { Extended: { a: 1 } }],
    ['chunks[1]', { chunks: [{}, 1] }],
    ['GroupNames', { GroupNames: [1] }],
    ['Inode', { Inode: '0x1' }],
    ['Md5', { Md5: 'not base64' }],
  ];
  for (const [field, body] of wrong) {
    it(`is refused, naming ${field}`, () =>
      expect(() => entryFromJson(body))
        .to.throw(`${field}: must be`)
        .with.property('code', 'BODY_INVALID'));
  }
});

describe('PUT ?metadata=true', () => {
  let tree: LocalTree;
  before(async () => {
    tree = await LocalTree.start({ saveToFilerLimit: 100 });
  });
  after(() => tree.stop());

  it('writes a whole entry, parents made, and nothing the second time', async () => {
    const { ttlSec: _, ...attributes } = everything.attributes ?? {};
    const entry = shown({ ...everything, attributes });
    const to = tree.path('/new/place');
    expect(await tree.client.putEntry(to, entry)).to.deep.equal({ written: true });
    expect(await tree.client.metadata(to)).to.deep.equal({ ...entry, FullPath: to });
    const seq = tree.filer.namespace.ownSeq;
    expect(await tree.client.putEntry(to, entry)).to.deep.equal({ written: false });
    expect(tree.filer.namespace.ownSeq).to.equal(seq);
    expect(await tree.client.metadata(to)).to.deep.equal({ ...entry, FullPath: to });
    expect(await tree.client.putEntry(to, { ...entry, Uid: 7 })).to.deep.equal({ written: true });
  });

  it('replaces what a directory says of itself, and not what is in it', async () => {
    await tree.put('/d/file', 'x');
    const entry = await tree.client.metadata(tree.path('/d'));
    await tree.client.putEntry(tree.path('/d'), { ...entry, Mode: 0x80000000 + 0o700, Extended: { 'Seaweed-A': 'eA==' } });
    expect((await tree.client.metadata(tree.path('/d'))).Mode).to.equal(0x80000000 + 0o700);
    expect((await tree.get('/d/file')).text).to.equal('x');
  });

  it('refuses what does not fit, and changes nothing', async () => {
    const file = shown({ name: '', isDirectory: false, content: 'aGVsbG8=' });
    const directory = shown({ name: '', isDirectory: true });
    await tree.put('/f', 'x');
    await tree.put('/g/f', 'x');
    const seq = tree.filer.namespace.ownSeq;
    const refused: [string, EntryJson][] = [
      ['/g', file],
      ['/f', directory],
      ['/f/below', file],
      ['/', directory],
      ['/metrics', file],
      ['/large', { ...file, Content: Buffer.alloc(101).toString('base64') }],
      ['/over', { ...file, TtlSec: 60, Crtime: '2001-01-01T00:00:00Z' }],
    ];
    const codes = await Promise.all(refused.map(([path, entry]) => codeOf(() => tree.client.putEntry(tree.path(path), entry))));
    expect(codes).to.deep.equal(['IS_A_DIRECTORY', 'ENTRY_EXISTS', 'PARENT_IS_FILE', 'PATH_INVALID', 'RESERVED_PATH', 'BODY_TOO_LARGE', 'PARAMETER_INVALID']);
    const answer = await tree.put('/x?metadata=true', 'no JSON');
    expect([answer.status, answer.json['code']]).to.deep.equal([400, 'BODY_INVALID']);
    expect(tree.filer.namespace.ownSeq).to.equal(seq);
  });

  it('heeds conditions', async () => {
    await tree.put('/c', 'x');
    const body = JSON.stringify(shown({ name: '', isDirectory: false }));
    expect((await tree.put('/c?metadata=true', body, { 'If-None-Match': '*' })).status).to.equal(412);
  });
});
