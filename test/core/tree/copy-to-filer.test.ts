import { chmod, mkdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { realTime } from '../../../src/core/time.js';
import { copyToFiler, type CopyRequest } from '../../../src/core/tree/copy-to-filer.js';
import { codeOf } from '../../support/open-log.js';
import { LocalTree } from '../../support/local-tree.js';
import { tempDir } from '../../support/temp-dir.js';

const { signal } = new AbortController();

describe('copyToFiler', () => {
  let tree: LocalTree;
  const copy = (sources: readonly string[], into: string, more: Partial<CopyRequest> = {}) =>
    copyToFiler({ sources, target: { address: tree.client.address, path: tree.path(into), isInto: true }, inFlight: 8, time: realTime, ...more }, signal);
  before(async () => {
    tree = await LocalTree.start({ saveToFilerLimit: 1000 });
  });
  after(() => tree.stop());

  it('copies files and folders with mode and mtime, a folder under its own name', async () => {
    const directory = join(await tempDir(), 'folder');
    await mkdir(join(directory, 'sub'), { recursive: true });
    await writeFile(join(directory, 'sub/file'), 'hello');
    await chmod(join(directory, 'sub/file'), 0o604);
    await chmod(join(directory, 'sub'), 0o705);
    await utimes(join(directory, 'sub/file'), 1, 981_173_106.25);
    await utimes(join(directory, 'sub'), 1, 1_000_000_000);
    const copied: string[] = [];
    const result = await copy([directory, join(directory, 'sub/file')], '/in/to', { ttl: '1h', copied: ({ path }) => copied.push(path) });
    expect(result).to.include({ files: 2, directories: 2, bytes: 10, unchanged: 0, skipped: 0 });
    expect(copied.sort()).to.deep.equal(['/in/to/file', '/in/to/folder/sub/file']);
    const file = await tree.client.metadata(tree.path('/in/to/folder/sub/file'));
    expect(file).to.include({ Mode: 0o604, Mtime: '2001-02-03T04:05:06.25Z', FileSize: 5, TtlSec: 3600 });
    const sub = await tree.client.metadata(tree.path('/in/to/folder/sub'));
    expect([sub.Mode & 0o777, sub.Mtime]).to.deep.equal([0o705, '2001-09-09T01:46:40Z']);
    expect((await tree.client.get(tree.path('/in/to/file'))).toString()).to.equal('hello');
  });

  it('leaves directories that are there as they are, and with checkSize files of the same size', async () => {
    const directory = join(await tempDir(), 'again');
    await mkdir(directory);
    await writeFile(join(directory, 'same'), 'new');
    await writeFile(join(directory, 'other'), 'longer');
    await tree.put('/twice/again/same', 'old');
    await tree.put('/twice/again/other', 'old');
    expect(await copy([directory], '/twice', { checkSize: true })).to.include({ files: 1, directories: 0, unchanged: 2 });
    expect((await tree.client.get(tree.path('/twice/again/same'))).toString()).to.equal('old');
    expect(await copy([directory], '/twice')).to.include({ files: 2, unchanged: 1 });
    expect((await tree.client.get(tree.path('/twice/again/same'))).toString()).to.equal('new');
  });

  it('skips what cannot go, counts and names it, and copies the rest', async () => {
    const directory = join(await tempDir(), 'mixed');
    await mkdir(join(directory, 'a file there/below'), { recursive: true });
    await symlink('/', join(directory, 'link'));
    for (const name of ['big 1', 'big 2']) await writeFile(join(directory, name), Buffer.alloc(1001));
    await writeFile(join(directory, 'just fits'), Buffer.alloc(1000));
    await mkdir(join(directory, 'a directory there'));
    await writeFile(join(directory, 'a directory there/x'), '');
    await writeFile(join(directory, 'dir'), '');
    await tree.client.put(tree.path('/odd/mixed/a file there'), 'x');
    await tree.put('/odd/mixed/dir/x', 'x');
    const result = await copy([directory], '/odd');
    expect(result).to.include({ files: 2, directories: 1, unchanged: 1, skipped: 5 });
    const reasons = Object.fromEntries(result.reasons.map(({ reason, names }) => [reason, [...names].sort().map((name) => name.slice(directory.length + 1))]));
    expect(reasons).to.deep.equal({
      symlink: ['link'],
      'over the content limit of 1000 bytes': ['big 1', 'big 2'],
      '/odd/mixed/a file there exists already': ['a file there'],
      '/odd/mixed/dir is a directory; put the file into it, or delete it first': ['dir'],
    });
  });

  it('copies only files of the names asked for', async () => {
    const directory = join(await tempDir(), 'some');
    await mkdir(directory);
    for (const name of ['a.md', 'b.txt']) await writeFile(join(directory, name), name);
    expect(await copy([directory, join(directory, 'b.txt')], '/some', { include: '*.md' })).to.include({ files: 1, skipped: 0 });
    expect(await codeOf(() => copy([directory], '/some', { include: '[' }))).to.equal('USAGE');
  });

  it('copies nothing if a source is not there, and stops at what is about all files', async () => {
    const directory = await tempDir();
    await writeFile(join(directory, 'file'), 'x');
    expect(await codeOf(() => copy([join(directory, 'file'), join(directory, 'absent')], '/none'))).to.equal('USAGE');
    expect((await tree.get('/none')).status).to.equal(404);
    expect(await codeOf(() => copy([join(directory, 'file')], '/none', { ttl: 'soon' }))).to.equal('PARAMETER_INVALID');
  });
});
