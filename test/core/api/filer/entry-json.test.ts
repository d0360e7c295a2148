import { expect } from 'chai';
import { entryToJson } from '../../../../src/core/api/filer/entry-json.js';
import type { Entry } from '../../../../src/core/entry/entry.js';
import { parsePath } from '../../../../src/core/entry/path.js';

const shown = (entry: Entry | null, isDirectory = false) => entryToJson({ path: parsePath('/docs/a'), isDirectory, entry, row: null, children: 0 });

describe('an entry as JSON', () => {
  it('has the keys of a SeaweedFS listing', () => {
    expect(
      shown({
        name: 'a',
        isDirectory: false,
        attributes: {
          fileSize: '5',
          mtime: '1787392800',
          mtimeNs: 123456789,
          crtime: '1787392800',
          fileMode: 0o660,
          uid: 1000,
          mime: 'text/plain',
          md5: 'XUFAKrxLKna5cZ2REBfFkg==',
        },
        extended: { 'Seaweed-Color': 'cmVk' },
        content: 'aGVsbG8=',
      }),
    ).to.deep.equal({
      FullPath: '/docs/a',
      Mtime: '2026-08-22T10:00:00.123456789Z',
      Crtime: '2026-08-22T10:00:00Z',
      Ctime: '2026-08-22T10:00:00.123456789Z',
      Atime: '2026-08-22T10:00:00.123456789Z',
      Mode: 432,
      Uid: 1000,
      Gid: 0,
      Mime: 'text/plain',
      TtlSec: 0,
      UserName: '',
      GroupNames: null,
      SymlinkTarget: '',
      Md5: 'XUFAKrxLKna5cZ2REBfFkg==',
      FileSize: 5,
      Rdev: 0,
      Inode: 0,
      Extended: { 'Seaweed-Color': 'cmVk' },
      HardLinkId: null,
      HardLinkCounter: 0,
      Content: 'aGVsbG8=',
      Remote: null,
      Quota: 0,
      WORMEnforcedAtTsNs: 0,
    });
  });

  it('names the fields of chunks as protobuf does, and rounds no integer', () => {
    const chunk = {
      fileId: '3,01637037d6',
      offset: '0',
      size: '5',
      modifiedTsNs: '1787392800123456789',
      eTag: 'XUFA',
      fid: { volumeId: 3, fileKey: '1', cookie: 7 },
    };
    expect(shown({ name: 'a', isDirectory: false, chunks: [chunk] }).chunks).to.deep.equal([
      { file_id: '3,01637037d6', offset: 0, size: 5, modified_ts_ns: '1787392800123456789', e_tag: 'XUFA', fid: { volume_id: 3, file_key: 1, cookie: 7 } },
    ]);
  });

  it('gives the size that chunks reach to', () => {
    expect(shown({ name: 'a', isDirectory: false, chunks: [{ offset: '100', size: '5' }] }).FileSize).to.equal(105);
  });

  it('shows an implied directory with default attributes', () => {
    expect(shown(null, true)).to.include({ Mode: 2147483648 + 0o771, Mtime: '1970-01-01T00:00:00Z', FileSize: 0, Content: null });
  });

  it('survives times nobody could mean', () => {
    expect(shown({ name: 'a', isDirectory: false, attributes: { mtime: '99999999999999999', crtime: 'x' } })).to.include({
      Mtime: '1970-01-01T00:00:00Z',
      Crtime: '1970-01-01T00:00:00Z',
    });
  });
});
