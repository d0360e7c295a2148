import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { isLive, type Row } from '../../../src/core/change/row.js';
import { directoryBit, type Entry } from '../../../src/core/entry/entry.js';
import { parentOf, root, type FullPath } from '../../../src/core/entry/path.js';
import type { Mutation } from '../../../src/core/log/own-change.js';
import type { Shown, View } from '../../../src/core/log/view.js';
import { limits } from '../../../src/core/config/limits.js';
import {
  appendToFile,
  copyOne,
  editTags,
  makeDirectory,
  moveOne,
  prepareTransfer,
  putFile,
  removeOne,
  type FileSpec,
  type TagEdit,
} from '../../../src/core/namespace/mutations.js';
import { currentView } from '../../../src/core/namespace/shown.js';
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
const stamp = { seconds: 1000, nanos: 5, now: 1_000_000_007 };
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
      const make = () => makeDirectory(tree, p(path), 0o755, stamp);
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

describe('prepareTransfer', () => {
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
      for (const parameter of ['mv.from', 'cp.from'] as const) {
        const prepare = () => prepareTransfer(tree, { parameter, from: p(from), to: p(to), overwrite: true }, stamp);
        if (typeof result === 'string') expect(await codeOf(prepare)).to.equal(result);
        else expect(brief(prepare())).to.deep.equal(result);
      }
    });
  }

  it('replaces nothing unless it may', async () => {
    const prepare = (from: string, to: string) => prepareTransfer(tree, { parameter: 'cp.from', from: p(from), to: p(to), overwrite: false }, stamp);
    for (const to of ['/full/f', '/dir', '/implied', '/hidden']) expect(await codeOf(() => prepare('/file', to)), to).to.equal('ENTRY_EXISTS');
    for (const to of ['/new', '/gone']) expect(prepare('/file', to)).to.deep.equal([]);
  });
});

const contentOf = (entry: Entry): string => Buffer.from(entry.content ?? '', 'base64').toString();
const entryIn = (mutations: readonly Mutation[]): Entry => (mutations.at(-1) as { entry: Entry }).entry;

describe('appendToFile', () => {
  const append = (view: View, path: string, text: string, more: Partial<FileSpec> = {}, bytesMax = 100) =>
    appendToFile(view, p(path), file(text, more), stamp, 0o660, bytesMax);
  const attributes = { crtime: '7', crtimeNs: 3, mtime: '8', fileMode: 0o600, uid: 5, mime: 'text/plain', fileSize: '4', md5: 'old', ttlSec: 5000 };
  const view = viewOf({ '/f': { attributes, extended: { 'Seaweed-A': 'MQ==' }, content: Buffer.from('héy').toString('base64') } });

  it('puts the content at the end, and keeps what the request does not say', () => {
    const entry = entryIn(append(view, '/f', ' you', { mime: 'x/y', extended: { 'Seaweed-B': 'Mg==' } }));
    expect(contentOf(entry)).to.equal('héy you');
    expect(entry.attributes).to.deep.equal({
      ...attributes,
      mtime: '1000',
      mtimeNs: 5,
      ctime: '1000',
      ctimeNs: 5,
      fileSize: '8',
      md5: createHash('md5').update('héy you').digest('base64'),
    });
    expect(entry.extended).to.deep.equal({ 'Seaweed-A': 'MQ==', 'Seaweed-B': 'Mg==' });
  });

  it('makes a file that is not there, with its parents', () => {
    expect(brief(append(tree, '/a/b', 'x'))).to.deep.equal(['mkdir /a', 'put /a/b']);
    expect(contentOf(entryIn(append(tree, '/gone', 'x')))).to.equal('x');
  });

  it('refuses a directory, a file in chunks, and a whole that is too large', async () => {
    expect(await codeOf(() => append(tree, '/dir', 'x'))).to.equal('IS_A_DIRECTORY');
    expect(await codeOf(() => append(viewOf({ '/c': { chunks: [{ fileId: '1,2' }] } }), '/c', 'x'))).to.equal('CONTENT_NOT_HERE');
    expect(entryIn(append(view, '/f', 'x'.repeat(96))).attributes?.fileSize).to.equal('100');
    expect(await failureOf(() => append(view, '/f', 'x'.repeat(97)))).to.deep.include({ code: 'BODY_TOO_LARGE', fields: { limit: 100 } });
  });
});

describe('editTags', () => {
  const view = viewOf({
    '/f': { attributes: { mtime: '8' }, extended: { 'Seaweed-A': 'MQ==' }, content: 'eA==' },
    '/dir': directory,
    '/implied/deep/f': {},
    '/hidden': {},
    '/hidden/f': {},
  });
  const edit = (path: string, change: TagEdit) => editTags(view, p(path), change, stamp);
  const add: TagEdit = (before) => ({ ...before, 'Seaweed-B': 'Mg==' });

  it('changes extended attributes and ctime, and nothing else', () => {
    expect(entryIn(edit('/f', add))).to.deep.equal({
      name: 'f',
      isDirectory: false,
      attributes: { mtime: '8', ctime: '1000', ctimeNs: 5 },
      extended: { 'Seaweed-A': 'MQ==', 'Seaweed-B': 'Mg==' },
      content: 'eA==',
    });
    expect(brief(edit('/dir', add))).to.deep.equal(['mkdir /dir']);
  });

  it('is nothing if nothing differs', () => {
    expect(edit('/f', (before) => ({ ...before }))).to.deep.equal([]);
    expect(edit('/f', () => ({ 'Seaweed-A': 'MQ==' }))).to.deep.equal([]);
    expect(edit('/f', () => ({ 'Seaweed-B': 'MQ==' }))).to.have.length(1);
  });

  it('gives an implied directory its row, and those above it', () => {
    expect(brief(edit('/implied/deep', add))).to.deep.equal(['mkdir /implied', 'mkdir /implied/deep']);
  });

  it('refuses the root, what is absent, a hidden file, and too many', async () => {
    expect(await codeOf(() => edit('/', add))).to.equal('PATH_INVALID');
    expect(await codeOf(() => edit('/none', add))).to.equal('ENTRY_NOT_FOUND');
    expect(await codeOf(() => edit('/hidden', add))).to.equal('ENTRY_EXISTS');
    expect(await codeOf(() => edit('/f', (before) => ({ ...before, big: 'x'.repeat(limits.extendedBytesMax) })))).to.equal('BODY_TOO_LARGE');
  });
});

describe('copyOne', () => {
  const chunks = [{ fileId: '1,2' }];
  const attributes = { crtime: '7', mtime: '8', uid: 5, md5: 'bQ==' };
  const view = viewOf({
    '/a': { attributes, hardLinkId: 'x', hardLinkCounter: 2, content: 'YQ==' },
    '/old': { attributes: { crtime: '3' } },
    '/c': { chunks },
  });
  const copy = (from: string, to: string) => (copyOne(view, view.row(p(from)) as Row & { entry: string }, p(to), stamp) as { entry: Entry }).entry;

  it('is a new entry with the times of now, and no hard link', () => {
    expect(copy('/a', '/b')).to.deep.equal({
      name: 'a',
      isDirectory: false,
      content: 'YQ==',
      attributes: { ...attributes, crtime: '1000', crtimeNs: undefined, mtime: '1000', mtimeNs: 5, ctime: '1000', ctimeNs: 5 },
    });
    expect(copy('/a', '/old').attributes?.crtime).to.equal('3');
  });

  it('refuses content in chunks, which would belong to two', async () => {
    expect(await codeOf(() => copy('/c', '/b'))).to.equal('CONTENT_NOT_HERE');
  });
});

describe('a time to live', () => {
  const old = { attributes: { crtime: '900', ttlSec: 100 } };
  const view = viewOf({ '/due': old, '/hidden': old, '/hidden/f': {}, '/later': { attributes: { crtime: '900', ttlSec: 101 } } });
  const now = currentView(view, stamp.now);

  it('counts from the version clock when the file is made', () => {
    const { attributes } = entryIn(putFile(viewOf({}), p('/f'), file('x', { ttlSec: 60 }), { ...stamp, now: 1_050_000_007 }, 0o660));
    expect(attributes).to.include({ crtime: '1050', crtimeNs: 7000, mtime: '1000', ttlSec: 60 });
  });

  it('hides the file from decisions when it is up', () => {
    expect([now.shown(p('/due')), now.shown(p('/later')), now.shown(p('/hidden'))]).to.deep.equal(['absent', 'file', 'directory']);
    expect(now.row(p('/due'))).to.equal(null);
    expect(brief(putFile(now, p('/due/below'), file('x'), stamp, 0o660))).to.deep.equal(['mkdir /due', 'put /due/below']);
    expect(brief(makeDirectory(now, p('/due'), 0o755, stamp))).to.deep.equal(['mkdir /due']);
    expect(entryIn(putFile(now, p('/due'), file('x'), stamp, 0o660)).attributes?.crtime).to.equal('1000');
    expect(entryIn(putFile(now, p('/later'), file('x'), stamp, 0o660)).attributes).to.include({ crtime: '900', ttlSec: 0 });
  });

  it('that would end before it begins is refused', async () => {
    const put = (ttlSec: number) => putFile(now, p('/later'), file('x', { ttlSec }), stamp, 0o660);
    expect(entryIn(put(101)).attributes).to.include({ crtime: '900', ttlSec: 101 });
    expect(await codeOf(() => put(100))).to.equal('PARAMETER_INVALID');
  });
});

describe('moveOne', () => {
  it('is one rename with the whole entry', () => {
    const row = viewOf({ '/a': { content: 'YQ==' } }).row(p('/a')) as Row & { entry: string };
    expect(moveOne(row, p('/b'))).to.deep.equal({ kind: 'rename', from: '/a', to: '/b', entry: { name: 'a', isDirectory: false, content: 'YQ==' } });
  });
});
