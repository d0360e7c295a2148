import { expect } from 'chai';
import { isLive, type Row } from '../../../src/core/change/row.js';
import { directoryBit, type Entry } from '../../../src/core/entry/entry.js';
import { parentOf, root, type FullPath } from '../../../src/core/entry/path.js';
import type { Mutation, Shown, View } from '../../../src/core/log/draft.js';
import { makeDirectory, moveOne, prepareMove, putFile, removeOne } from '../../../src/core/namespace/mutations.js';
import { codeOf, failureOf, file, p } from '../../support/open-log.js';

/** A view of a tree given as path to entry; null = a tombstone. */
function viewOf(entries: Record<string, Partial<Entry> | null>): View {
  const rows = new Map(
    Object.entries(entries).map(([path, entry]) => {
      const whole = entry && JSON.stringify({ name: path.slice(path.lastIndexOf('/') + 1), isDirectory: false, ...entry });
      const row = {
        path: p(path),
        entry: whole,
        isDirectory: entry?.isDirectory ?? false,
        version: 1,
        author: 'a'.repeat(16),
        vector: {},
        dot: null,
        contentHash: '',
        h: 0,
      };
      return [row.path, row as Row];
    }),
  );
  const names = new Map<FullPath, Set<FullPath>>();
  for (const row of rows.values()) {
    if (row.entry === null) continue;
    for (let at = row.path; at !== root; at = parentOf(at)) names.set(parentOf(at), (names.get(parentOf(at)) ?? new Set()).add(at));
  }
  const children = (path: FullPath) => names.get(path)?.size ?? 0;
  const row = (path: FullPath) => rows.get(path) ?? null;
  const shown = (path: FullPath): Shown =>
    path === root || children(path) > 0 || row(path)?.isDirectory ? 'directory' : isLive(row(path)) ? 'file' : 'absent';
  return { row, children, shown };
}

const directory = { isDirectory: true };
const stamp = { seconds: 1000, nanos: 5 };
const brief = (mutations: readonly Mutation[]) =>
  mutations.map((m) =>
    m.kind === 'put' ? `${m.entry.isDirectory ? 'mkdir' : 'put'} ${m.path}` : m.kind === 'delete' ? `delete ${m.path}` : `${m.from} > ${m.to}`,
  );

/** Everything that can stand in the way, at /x and below it. */
const tree = viewOf({
  '/file': {},
  '/dir': directory,
  '/full': directory,
  '/full/f': {},
  '/implied/f': {},
  '/gone': null,
  '/goneabove': null,
  '/goneabove/f': {},
  '/hidden': {},
  '/hidden/f': {},
});

describe('putFile', () => {
  const cases: [path: string, result: string[] | string][] = [
    ['/new', ['put /new']],
    ['/file', ['put /file']],
    ['/gone', ['put /gone']],
    ['/full/f', ['put /full/f']],
    ['/a/b/c', ['mkdir /a', 'mkdir /a/b', 'put /a/b/c']],
    ['/implied/new', ['mkdir /implied', 'put /implied/new']],
    ['/goneabove/new', ['mkdir /goneabove', 'put /goneabove/new']],
    ['/gone/new', ['mkdir /gone', 'put /gone/new']],
    ['/hidden/new', ['put /hidden/new']],
    ['/', 'IS_A_DIRECTORY'],
    ['/dir', 'IS_A_DIRECTORY'],
    ['/full', 'IS_A_DIRECTORY'],
    ['/implied', 'IS_A_DIRECTORY'],
    ['/hidden', 'IS_A_DIRECTORY'],
    ['/file/new', 'PARENT_IS_FILE'],
    ['/file/a/b', 'PARENT_IS_FILE'],
    ['/hidden/f/new', 'PARENT_IS_FILE'],
  ];
  for (const [path, result] of cases) {
    it(`at ${path} is ${String(result)}`, async () => {
      const put = () => putFile(tree, p(path), file('x'), stamp, 0o660);
      if (typeof result === 'string') expect(await codeOf(put)).to.equal(result);
      else expect(brief(put())).to.deep.equal(result);
    });
  }

  it('names the file that stands in the way', async () => {
    expect((await failureOf(() => putFile(tree, p('/file/a/b'), file(), stamp, 0o660))).fields).to.deep.equal({ path: '/file' });
  });

  it('gives a new file its time, its mode and its size, and parents search permission', () => {
    const [parent, made] = putFile(viewOf({}), p('/d/f'), file('hello', { mime: 'text/plain', ttlSec: 60, md5: 'bQ==' }), stamp, 0o640) as { entry: Entry }[];
    expect(made.entry).to.deep.include({ isDirectory: false, content: 'aGVsbG8=' });
    expect(made.entry.attributes).to.deep.include({
      mtime: '1000',
      mtimeNs: 5,
      crtime: '1000',
      fileMode: 0o640,
      fileSize: '5',
      mime: 'text/plain',
      ttlSec: 60,
      md5: 'bQ==',
    });
    expect(parent.entry.attributes).to.deep.include({ fileMode: directoryBit + 0o751, mtime: '1000', crtime: '1000' });
  });

  it('keeps crtime and mode of the file it replaces, unless the request has a mode', () => {
    const view = viewOf({ '/f': { attributes: { crtime: '7', crtimeNs: 9, fileMode: 0o600, mtime: '8', mime: 'old/type' } } });
    const put = (mode?: number) => (putFile(view, p('/f'), file('', { mode }), stamp, 0o660)[0] as { entry: Entry }).entry.attributes;
    expect(put()).to.deep.include({ crtime: '7', crtimeNs: 9, mtime: '1000', fileMode: 0o600, mime: undefined });
    expect(put(0o644)).to.include({ fileMode: 0o644 });
  });

  it('does not take over the crtime of what was deleted', () => {
    expect((putFile(tree, p('/gone'), file(), stamp, 0o660)[0] as { entry: Entry }).entry.attributes).to.include({ crtime: '1000' });
  });
});

describe('makeDirectory', () => {
  const cases: [path: string, result: string[] | string][] = [
    ['/new', ['mkdir /new']],
    ['/a/b', ['mkdir /a', 'mkdir /a/b']],
    ['/gone', ['mkdir /gone']],
    ['/implied', ['mkdir /implied']],
    ['/goneabove', ['mkdir /goneabove']],
    ['/hidden', ['mkdir /hidden']],
    ['/', 'ENTRY_EXISTS'],
    ['/dir', 'ENTRY_EXISTS'],
    ['/full', 'ENTRY_EXISTS'],
    ['/file', 'ENTRY_EXISTS'],
    ['/file/a', 'PARENT_IS_FILE'],
  ];
  for (const [path, result] of cases) {
    it(`at ${path} is ${String(result)}`, async () => {
      const make = () => makeDirectory(tree, p(path), 0o755, 0, stamp);
      if (typeof result === 'string') expect(await codeOf(make)).to.equal(result);
      else expect(brief(make())).to.deep.equal(result);
    });
  }
});

describe('removeOne', () => {
  const cases: [path: string, result: string[] | string][] = [
    ['/new', []],
    ['/gone', []],
    ['/file', ['delete /file']],
    ['/dir', ['delete /dir']],
    ['/full', 'DIRECTORY_NOT_EMPTY'],
    ['/implied', 'DIRECTORY_NOT_EMPTY'],
    ['/goneabove', 'DIRECTORY_NOT_EMPTY'],
    ['/hidden', 'DIRECTORY_NOT_EMPTY'],
  ];
  for (const [path, result] of cases) {
    it(`at ${path} is ${String(result) || 'nothing'}`, async () => {
      const remove = () => removeOne(tree, p(path));
      if (typeof result === 'string') expect(await codeOf(remove)).to.equal(result);
      else expect(brief(remove())).to.deep.equal(result);
    });
  }
});

describe('prepareMove', () => {
  const cases: [from: string, to: string, result: string[] | string][] = [
    ['/file', '/new', []],
    ['/file', '/gone', []],
    ['/file', '/full/f', []],
    ['/file', '/a/b', ['mkdir /a']],
    ['/dir', '/new', []],
    ['/full', '/dir', []],
    ['/implied', '/dir', []],
    ['/hidden', '/a/b', ['mkdir /a']],
    ['/dir', '/implied/new', ['mkdir /implied']],
    ['/new', '/x', 'PARAMETER_INVALID'],
    ['/gone', '/x', 'PARAMETER_INVALID'],
    ['/file', '/file', 'PARAMETER_INVALID'],
    ['/dir', '/dir', 'PARAMETER_INVALID'],
    ['/full', '/full/f', 'PARAMETER_INVALID'],
    ['/full', '/full/g/h', 'PARAMETER_INVALID'],
    ['/file', '/file/x', 'PARAMETER_INVALID'],
    ['/dir', '/file', 'PARAMETER_INVALID'],
    ['/', '/x', 'PATH_INVALID'],
    ['/file', '/', 'PATH_INVALID'],
    ['/file', '/dir', 'IS_A_DIRECTORY'],
    ['/file', '/implied', 'IS_A_DIRECTORY'],
    ['/full/f', '/full', 'IS_A_DIRECTORY'],
    ['/dir', '/full', 'DIRECTORY_NOT_EMPTY'],
    ['/dir', '/implied', 'DIRECTORY_NOT_EMPTY'],
    ['/dir', '/hidden', 'DIRECTORY_NOT_EMPTY'],
    ['/dir', '/file/x', 'PARENT_IS_FILE'],
  ];
  for (const [from, to, result] of cases) {
    it(`from ${from} to ${to} is ${String(result) || 'fine'}`, async () => {
      const prepare = () => prepareMove(tree, p(from), p(to), stamp);
      if (typeof result === 'string') expect(await codeOf(prepare)).to.equal(result);
      else expect(brief(prepare())).to.deep.equal(result);
    });
  }
});

describe('moveOne', () => {
  it('is one rename with the whole entry', () => {
    const row = viewOf({ '/a': { content: 'YQ==' } }).row(p('/a')) as Row & { entry: string };
    expect(moveOne(row, p('/b'))).to.deep.equal({ kind: 'rename', from: '/a', to: '/b', entry: { name: 'a', isDirectory: false, content: 'YQ==' } });
  });
});
