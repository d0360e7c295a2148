import { expect } from 'chai';
import fc from 'fast-check';
import {
  ancestorsOf,
  childPath,
  compareBytes,
  encodeUrlPath,
  isReserved,
  isWithin,
  joinPath,
  nameOf,
  parentOf,
  parsePath,
  parseUrlPath,
  rebase,
  refuseReserved,
  root,
  type FullPath,
} from '../../../src/core/entry/path.js';
import { isFailure } from '../../../src/core/errors.js';
import { codeOf, p } from '../../support/open-log.js';
import { anyName, anyPath } from '../../support/arbitrary.js';

describe('parsePath', () => {
  const good: [text: string, path: string][] = [
    ['/', '/'],
    ['//', '/'],
    ['/a', '/a'],
    ['/a/', '/a'],
    ['/a//b///c/', '/a/b/c'],
    ['/.a/..b/...', '/.a/..b/...'],
    ['/a b/ü/日本/😀', '/a b/ü/日本/😀'],
    ['/a%2Fb', '/a%2Fb'],
    ['/a\\b', '/a\\b'],
    ['/ ', '/ '],
    [`/${'a'.repeat(255)}`, `/${'a'.repeat(255)}`],
    [`/${'é'.repeat(127)}`, `/${'é'.repeat(127)}`],
    [`${`/${'a'.repeat(255)}`.repeat(16)}`, `${`/${'a'.repeat(255)}`.repeat(16)}`],
  ];
  for (const [text, path] of good) it(`reads ${JSON.stringify(text.slice(0, 30))}`, () => expect(parsePath(text)).to.equal(path));

  const bad: [text: string, code: string][] = [
    ['', 'PATH_INVALID'],
    ['a', 'PATH_INVALID'],
    ['./a', 'PATH_INVALID'],
    ['/.', 'PATH_INVALID'],
    ['/a/../b', 'PATH_INVALID'],
    ['/a/./b', 'PATH_INVALID'],
    ['/a\0b', 'PATH_INVALID'],
    ['/\ud800', 'PATH_INVALID'],
    ['/a/\udc00b', 'PATH_INVALID'],
    [`/${'a'.repeat(256)}`, 'NAME_TOO_LONG'],
    [`/${'é'.repeat(128)}`, 'NAME_TOO_LONG'],
    [`/${'😀'.repeat(64)}`, 'NAME_TOO_LONG'],
    [`${`/${'a'.repeat(255)}`.repeat(16)}/b`, 'NAME_TOO_LONG'],
  ];
  for (const [text, code] of bad)
    it(`refuses ${JSON.stringify(text.slice(0, 30))} with ${code}`, async () => expect(await codeOf(() => parsePath(text))).to.equal(code));

  it('gives the same path when it reads a path again', () => {
    fc.assert(fc.property(anyPath, (path) => parsePath(path) === path && parsePath(`${path}//`) === path));
  });

  it('throws nothing but its two failures', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 30 }), (text) => {
        try {
          parsePath(text);
        } catch (error) {
          expect(isFailure(error, 'PATH_INVALID', 'NAME_TOO_LONG')).to.equal(true);
        }
      }),
    );
  });
});

describe('parseUrlPath', () => {
  for (const [encoded, path] of [
    ['/a%20b', '/a b'],
    ['/%C3%BC', '/ü'],
    ['/a+b', '/a+b'],
    ['/%252f', '/%2f'],
    ['/a//b/', '/a/b'],
    ['/%3F%23', '/?#'],
  ]) {
    it(`reads ${encoded} as ${path}`, () => expect(parseUrlPath(encoded)).to.equal(path));
  }

  for (const encoded of ['a', '', '/a%2Fb', '/a%2fb', '/%2e', '/%2e%2E/a', '/%00', '/%', '/%zz', '/%ff', '/%c3', '/%ed%a0%80', '/%c0%af']) {
    it(`refuses ${JSON.stringify(encoded)}`, async () => expect(await codeOf(() => parseUrlPath(encoded))).to.equal('PATH_INVALID'));
  }

  it('reads back what encodeUrlPath writes', () => {
    fc.assert(fc.property(anyPath, (path) => parseUrlPath(encodeUrlPath(path)) === path && /^[\x21-\x7e]+$/.test(encodeUrlPath(path))));
  });
});

describe('joinPath', () => {
  it('joins a directory and one good name', () => {
    expect([joinPath(root, 'a'), joinPath(p('/a'), 'b c')]).to.deep.equal(['/a', '/a/b c']);
  });

  for (const name of ['', '/', 'a/b', '.', '..', 'a\0', '\ud800']) {
    it(`refuses ${JSON.stringify(name)} as a name`, async () => expect(await codeOf(() => joinPath(p('/a'), name))).to.equal('PATH_INVALID'));
  }

  it('refuses what is too long, name or path', async () => {
    const deep = p(`/${'a'.repeat(255)}`.repeat(16));
    expect(await codeOf(() => joinPath(root, 'a'.repeat(256)))).to.equal('NAME_TOO_LONG');
    expect(await codeOf(() => joinPath(deep, 'b'))).to.equal('NAME_TOO_LONG');
  });
});

describe('parts of a path', () => {
  it('are its parent and its name', () => {
    fc.assert(
      fc.property(anyPath, anyName, (directory, name) => parentOf(childPath(directory, name)) === directory && nameOf(childPath(directory, name)) === name),
    );
    expect([parentOf(root), nameOf(root)]).to.deep.equal(['/', '']);
  });

  it('are the directories above it, nearest first, without the root', () => {
    expect(ancestorsOf(p('/a/b/c'))).to.deep.equal(['/a/b', '/a']);
    expect([ancestorsOf(p('/a')), ancestorsOf(root)]).to.deep.equal([[], []]);
  });
});

describe('isWithin', () => {
  const cases: [path: string, top: string, within: boolean][] = [
    ['/a', '/a', true],
    ['/a/b', '/a', true],
    ['/ab', '/a', false],
    ['/a', '/a/b', false],
    ['/a', '/', true],
    ['/', '/', true],
    ['/', '/a', false],
  ];
  for (const [path, top, within] of cases) it(`says ${within} of ${path} in ${top}`, () => expect(isWithin(p(path), p(top))).to.equal(within));
});

describe('rebase', () => {
  it('moves a path from below one directory to below another', () => {
    expect([rebase(p('/a'), p('/a'), p('/x/y')), rebase(p('/a/b/c'), p('/a'), p('/x/y'))]).to.deep.equal(['/x/y', '/x/y/b/c']);
  });

  it('refuses a path that becomes too long', async () => {
    const deep = p(`/a${`/${'b'.repeat(255)}`.repeat(15)}`);
    expect(await codeOf(() => rebase(deep, p('/a'), p(`/${'c'.repeat(255)}/d`)))).to.equal('NAME_TOO_LONG');
  });
});

describe('reserved paths', () => {
  it('are kelp’s own entries, and not their neighbours', () => {
    expect(['/.filer', '/.filer/links/a', '/.filers', '/a/.filer'].map((path) => isReserved(p(path)))).to.deep.equal([true, true, false, false]);
  });

  it('are refused to clients, as are names that mean something else on this port', async () => {
    for (const path of ['/.filer', '/.filer/v1', '/healthz', '/readyz', '/metrics', '/metrics/a'])
      expect(await codeOf(() => refuseReserved(p(path)))).to.equal('RESERVED_PATH');
    for (const path of ['/', '/a', '/a/healthz', '/healthz2']) refuseReserved(p(path));
  });
});

describe('compareBytes', () => {
  it('orders as Buffer.compare orders the UTF-8', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '/', '\u00e9', '\ud7ff', '\ue000', '\uffff', '😀', '\u{10ffff}') });
    fc.assert(
      fc.property(text, text, (a, b) => Math.sign(compareBytes(a, b)) === Buffer.compare(Buffer.from(a), Buffer.from(b))),
      { numRuns: 500 },
    );
    fc.assert(fc.property(anyPath, anyPath, (a: FullPath, b: FullPath) => Math.sign(compareBytes(a, b)) === Buffer.compare(Buffer.from(a), Buffer.from(b))));
  });
});
