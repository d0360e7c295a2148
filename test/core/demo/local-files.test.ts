import { mkdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { limits } from '../../../src/core/config/limits.js';
import { readLocalFiles } from '../../../src/core/demo/local-files.js';
import { isFailure } from '../../../src/core/errors.js';
import { tempDir } from '../../support/temp-dir.js';

const { signal } = new AbortController();

async function folder(name: string): Promise<string> {
  const directory = join(await tempDir(), name);
  await mkdir(directory);
  return directory;
}

describe('the files the demo copies', () => {
  it('are all names below a folder, directories by depth, empty ones too, with their modes', async () => {
    const directory = await folder('tree-of-mine');
    await mkdir(join(directory, 'a/b'), { recursive: true, mode: 0o750 });
    await mkdir(join(directory, 'empty'));
    await writeFile(join(directory, 'a/b/file'), 'x', { mode: 0o640 });
    const { top, levels, files, skipped } = await readLocalFiles(directory, '/nowhere', signal);
    expect(top).to.equal('/tree-of-mine');
    expect(levels.map((level) => level.map(({ path }) => path).sort())).to.deep.equal([
      ['/tree-of-mine'],
      ['/tree-of-mine/a', '/tree-of-mine/empty'],
      ['/tree-of-mine/a/b'],
    ]);
    expect(files.map(({ path, mode }) => [path, mode.toString(8)])).to.deep.equal([['/tree-of-mine/a/b/file', '640']]);
    expect(skipped.reasons).to.deep.equal([]);
  });

  it('leave out symlinks, what is over the content limit, names that are not UTF-8 and the own folder, counted and named', async () => {
    const directory = await folder('tree');
    const own = join(directory, 'own');
    await mkdir(own);
    await writeFile(join(directory, 'big'), '');
    await truncate(join(directory, 'big'), limits.contentBytesMax + 1);
    await writeFile(join(directory, 'exactly'), Buffer.alloc(limits.contentBytesMax));
    await writeFile(Buffer.concat([Buffer.from(`${directory}/`), Buffer.from([0xff])]), '');
    for (const name of ['1', '2', '3', '4']) await symlink('/', join(directory, name));
    const { files, skipped } = await readLocalFiles(directory, own, signal);
    expect(files.map(({ path }) => path)).to.deep.equal(['/tree/exactly']);
    const [links, ...others] = skipped.reasons;
    expect(links).to.deep.include({ reason: 'symlink', count: 4 });
    expect(links?.names).to.have.lengthOf(3);
    expect(others.map(({ count }) => count)).to.deep.equal([1, 1, 1]);
    expect(others.map(({ reason }) => reason)).to.have.members(['over the content limit of 1 MiB', 'name is not UTF-8', "the demo's own folder"]);
  });

  it('stand below /tree if the name of the folder means something else to a filer', async () => {
    expect((await readLocalFiles(await folder('metrics'), '/nowhere', signal)).top).to.equal('/tree');
  });

  it('must be in a directory that can be read', async () => {
    const file = join(await tempDir(), 'file');
    await writeFile(file, '');
    for (const wrong of [file, join(file, 'below'), join(file, '..', 'absent')]) {
      const error: unknown = await readLocalFiles(wrong, '/nowhere', signal).catch((failure: unknown) => failure);
      expect(isFailure(error, 'USAGE'), wrong).to.equal(true);
    }
  });
});
