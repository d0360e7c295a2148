import { mkdir, truncate, writeFile } from 'node:fs/promises';
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
  it('are all that is below a folder, its own folder left out', async () => {
    const directory = await folder('tree-of-mine');
    const own = join(directory, 'own');
    await mkdir(join(directory, 'a/b'), { recursive: true });
    await mkdir(own);
    await writeFile(join(directory, 'a/b/file'), 'x');
    await writeFile(join(directory, 'big'), '');
    await truncate(join(directory, 'big'), limits.demoBytesMax + 1);
    const { top, directories, entries, leaveOut } = await readLocalFiles(directory, own, signal);
    expect(top.path).to.equal('/tree-of-mine');
    expect(directories).to.deep.equal(['/tree-of-mine/a', '/tree-of-mine/a/b']);
    expect(entries, 'what is too large to be copied is counted, its bytes are not').to.equal(5);
    expect([leaveOut(own), leaveOut(directory)]).to.deep.equal(["the demo's own folder", null]);
  });

  it('stand below /tree if the name of the folder means something else to a filer', async () => {
    expect((await readLocalFiles(await folder('metrics'), '/nowhere', signal)).top.path).to.equal('/tree');
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
