import { expect } from 'chai';
import type { IncomingHttpHeaders } from 'node:http';
import { checkRead, isFresh, isRangeFresh, validatorsOf, writeCondition } from '../../../../src/core/api/filer/conditions.js';
import type { Entry } from '../../../../src/core/entry/entry.js';
import { parsePath } from '../../../../src/core/entry/path.js';
import { isFailure } from '../../../../src/core/errors.js';
import type { Found } from '../../../../src/core/namespace/shown.js';

const found = (entry: Partial<Entry>): Found => ({
  path: parsePath('/a'),
  isDirectory: false,
  entry: { name: 'a', isDirectory: false, ...entry },
  row: null,
  children: 0,
});
const directory: Found = { path: parsePath('/d'), isDirectory: true, entry: null, row: null, children: 1 };
const hello = found({ content: 'aGVsbG8=', attributes: { md5: 'XUFAKrxLKna5cZ2REBfFkg==', mtime: '1787392800', mtimeNs: 999 } });
const tag = '"5d41402abc4b2a76b9719d911017c592"';
const date = 'Sat, 22 Aug 2026 10:00:00 GMT';
const before = 'Sat, 22 Aug 2026 09:59:59 GMT';

describe('validators of a file', () => {
  it('are the MD5 of its content and the whole seconds of its time', () => {
    expect(validatorsOf(hello)).to.deep.equal({ etag: tag, lastModified: date });
  });

  it('take the MD5 from the content if none is kept', () => {
    expect(validatorsOf(found({ content: 'aGVsbG8=' })).etag).to.equal(tag);
    expect(validatorsOf(found({})).etag).to.equal('"d41d8cd98f00b204e9800998ecf8427e"');
  });

  it('follow SeaweedFS for chunks: the MD5 of one, the MD5 of the MD5s of several', () => {
    const eTag = 'XUFAKrxLKna5cZ2REBfFkg==';
    expect(validatorsOf(found({ chunks: [{ eTag }] })).etag).to.equal(tag);
    expect(validatorsOf(found({ chunks: [{ eTag }, { eTag }] })).etag).to.equal('"616b22817b80eed9f65c3aa38cd29054-2"');
  });

  it('are none for directories and for what is not there', () => {
    expect(validatorsOf(directory)).to.deep.equal({ etag: null, lastModified: null });
    expect(validatorsOf(null)).to.deep.equal({ etag: null, lastModified: null });
  });
});

describe('conditions of a read', () => {
  const cases: [headers: IncomingHttpHeaders, answer: 200 | 304 | 412][] = [
    [{}, 200],
    [{ 'if-none-match': tag }, 304],
    [{ 'if-none-match': `W/${tag}` }, 304],
    [{ 'if-none-match': `"x", ${tag}` }, 304],
    [{ 'if-none-match': '*' }, 304],
    [{ 'if-none-match': '"x"' }, 200],
    [{ 'if-modified-since': date }, 304],
    [{ 'if-modified-since': before }, 200],
    [{ 'if-modified-since': 'never' }, 200],
    [{ 'if-none-match': '"x"', 'if-modified-since': date }, 200],
    [{ 'if-match': tag }, 200],
    [{ 'if-match': `"x",${tag}` }, 200],
    [{ 'if-match': '*' }, 200],
    [{ 'if-match': '"x"' }, 412],
    [{ 'if-match': `W/${tag}` }, 412],
    [{ 'if-unmodified-since': date }, 200],
    [{ 'if-unmodified-since': before }, 412],
    [{ 'if-unmodified-since': 'never' }, 200],
    [{ 'if-match': tag, 'if-unmodified-since': before }, 200],
    [{ 'if-match': '"x"', 'if-none-match': tag }, 412],
  ];
  for (const [headers, answer] of cases) {
    it(`${JSON.stringify(headers)} is answered with ${answer}`, () => {
      const validators = validatorsOf(hello);
      let status: number = isFresh(headers, validators) ? 304 : 200;
      try {
        checkRead(headers, validators);
      } catch (error) {
        status = isFailure(error, 'PRECONDITION_FAILED') ? error.status : 500;
      }
      expect(status).to.equal(answer);
    });
  }

  it('give a part only of the file that If-Range names', () => {
    const validators = validatorsOf(hello);
    expect([undefined, tag, date].map((header) => isRangeFresh(header, validators))).to.deep.equal([true, true, true]);
    expect(['"x"', before, `W/${tag}`].map((header) => isRangeFresh(header, validators))).to.deep.equal([false, false, false]);
  });
});

describe('conditions of a write', () => {
  const cases: [headers: IncomingHttpHeaders, here: Found | null, passes: boolean][] = [
    [{ 'if-none-match': '*' }, null, true],
    [{ 'if-none-match': '*' }, hello, false],
    [{ 'if-none-match': '*' }, directory, false],
    [{ 'if-none-match': tag }, hello, false],
    [{ 'if-none-match': '"x"' }, hello, true],
    [{ 'if-match': '*' }, null, false],
    [{ 'if-match': '*' }, hello, true],
    [{ 'if-match': tag }, hello, true],
    [{ 'if-match': tag }, null, false],
    [{ 'if-match': '"x"' }, hello, false],
    [{ 'if-unmodified-since': date }, hello, true],
    [{ 'if-unmodified-since': before }, hello, false],
    [{ 'if-unmodified-since': date }, null, false],
    [{ 'if-modified-since': date }, hello, false],
    [{ 'if-modified-since': before }, hello, true],
    [{ 'if-modified-since': date }, null, true],
  ];
  for (const [headers, here, passes] of cases) {
    it(`${JSON.stringify(headers)} ${passes ? 'lets a write' : 'does not let a write'} over ${here === null ? 'nothing' : here.path}`, () => {
      const condition = writeCondition(headers);
      if (passes) condition?.(here);
      else
        expect(() => condition?.(here))
          .to.throw()
          .with.property('code', 'PRECONDITION_FAILED');
    });
  }

  it('are none without headers', () => expect(writeCondition({})).to.equal(undefined));
});
