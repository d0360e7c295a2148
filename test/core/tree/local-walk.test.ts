import { mkdir, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { parsePath } from '../../../src/core/entry/path.js';
import { localEntry, walkLocal, type LocalEntry, type LocalWalkOptions } from '../../../src/core/tree/local-walk.js';
import { tempDir } from '../../support/temp-dir.js';

const { signal } = new AbortController();

/** Walks a folder as /top and notes what the visitor is told. */
async function walk(source: string, options: Partial<LocalWalkOptions> = {}, refused: readonly string[] = []) {
  const found: LocalEntry[] = [];
  const skipped: string[] = [];
  const visitor = {
    directory: async (entry: LocalEntry) => {
      // A visitor that takes its time must not be overtaken by what is in the directory.
      await new Promise((resolve) => setImmediate(resolve));
      found.push(entry);
      return !refused.includes(entry.path);
    },
    file: async (entry: LocalEntry) => void found.push(entry),
    skipped: (reason: string, at: string) => void skipped.push(`${at.slice(source.length + 1)}: ${reason}`),
  };
  await walkLocal([localEntry(source, parsePath('/top'), await stat(source, { bigint: true }))], visitor, { inFlight: 4, signal, ...options });
  return { found, paths: found.map(({ path }) => path), skipped: skipped.sort() };
}

describe('walkLocal', () => {
  it('visits every file and directory, a directory before what is in it', async () => {
    const directory = await tempDir();
    for (const each of ['a/b/c', 'a/d', 'e', 'empty']) await mkdir(join(directory, each), { recursive: true });
    for (const each of ['1', 'a/2', 'a/b/3', 'a/b/c/4', 'a/b/c/5', 'e/6']) await writeFile(join(directory, each), each);
    const { paths, skipped } = await walk(directory);
    const expected = ['', '/1', '/a', '/a/2', '/a/b', '/a/b/3', '/a/b/c', '/a/b/c/4', '/a/b/c/5', '/a/d', '/e', '/e/6', '/empty'];
    expect([...paths].sort()).to.deep.equal(expected.map((path) => `/top${path}`));
    for (const path of paths.slice(1)) expect(paths.indexOf(path)).to.be.above(paths.indexOf(parsePath(path.slice(0, path.lastIndexOf('/')))));
    expect(skipped).to.deep.equal([]);
  });

  it('tells mode, size, and mtime to the nanosecond', async () => {
    const directory = await tempDir();
    await writeFile(join(directory, 'file'), 'hello', { mode: 0o640 });
    await utimes(join(directory, 'file'), 1, 981_173_106.5);
    const { found } = await walk(directory);
    expect(found[1]).to.include({ mode: 0o640, size: 5, isDirectory: false, mtime: '2001-02-03T04:05:06.500000000Z' });
    await utimes(join(directory, 'file'), 1, new Date(-5000));
    expect((await walk(directory)).found[1]?.mtime).to.equal('1970-01-01T00:00:00Z');
  });

  it('skips symlinks and names the tree cannot hold, says why, and looks into nothing the visitor refuses', async () => {
    const directory = await tempDir();
    await mkdir(join(directory, 'refused/below'), { recursive: true });
    await symlink('/', join(directory, 'link'));
    await writeFile(Buffer.concat([Buffer.from(`${directory}/`), Buffer.from([0xff])]), '');
    await writeFile(join(directory, 'left'), '');
    const leaveOut = (source: string) => (source.endsWith('/left') ? 'because' : null);
    const { paths, skipped } = await walk(directory, { leaveOut }, ['/top/refused']);
    expect([...paths].sort()).to.deep.equal(['/top', '/top/refused']);
    expect(skipped).to.deep.equal(['left: because', 'link: symlink', '\ufffd: name is not UTF-8']);
  });

  it('leaves out files of other names without a word, never directories', async () => {
    const directory = await tempDir();
    await mkdir(join(directory, 'd'));
    for (const each of ['a.md', 'a.txt', 'd/b.md']) await writeFile(join(directory, each), '');
    const { paths, skipped } = await walk(directory, { isIncluded: (name) => name.endsWith('.md') });
    expect([...paths].sort()).to.deep.equal(['/top', '/top/a.md', '/top/d', '/top/d/b.md']);
    expect(skipped).to.deep.equal([]);
  });

  it('ends at the first failure of the visitor, once the calls under way have ended', async () => {
    const directory = await tempDir();
    for (let index = 0; index < 50; index += 1) await writeFile(join(directory, String(index)), '');
    let [calls, ended] = [0, 0];
    const visitor = {
      directory: async () => true,
      file: async () => {
        calls += 1;
        await new Promise((resolve) => setImmediate(resolve));
        ended += 1;
        if (calls >= 3) throw new Error('enough');
      },
      skipped: () => {},
    };
    const top = localEntry(directory, parsePath('/top'), await stat(directory, { bigint: true }));
    const error: unknown = await walkLocal([top], visitor, { inFlight: 4, signal }).catch((failure: unknown) => failure);
    expect((error as Error).message).to.equal('enough');
    expect(ended).to.equal(calls);
    expect(calls).to.be.below(10);
  });

  it('stops when it is told to', async () => {
    const error: unknown = await walk(await tempDir(), { signal: AbortSignal.abort(new Error('stop')) }).catch((failure: unknown) => failure);
    expect((error as Error).message).to.equal('stop');
  });
});
