import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { makeDirectoryDurably, writeDurably } from '../../src/core/durable-file.js';

describe('writeDurably', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'kelp-durable-'));
  });
  afterEach(async () => rm(directory, { recursive: true }));

  it('replaces a file, for its owner alone, and leaves nothing beside it', async () => {
    const path = join(directory, 'a.json');
    await writeFile(`${path}.new`, 'half of somethi', { mode: 0o644 });
    await writeDurably(path, 'one');
    await writeDurably(path, 'two');
    expect(await readFile(path, 'utf8')).to.equal('two');
    expect((await stat(path)).mode & 0o777).to.equal(0o600);
    expect(await readdir(directory)).to.deep.equal(['a.json']);
  });
});

describe('makeDirectoryDurably', () => {
  it('makes all that is missing, for its owner alone, and leaves what is there as it is', async () => {
    const top = await mkdtemp(join(tmpdir(), 'kelp-durable-'));
    for (const path of [join(top, 'a', 'b', 'c'), join(top, 'a', 'd'), top]) await makeDirectoryDurably(path);
    expect(await readdir(join(top, 'a'))).to.deep.equal(['b', 'd']);
    expect((await stat(join(top, 'a', 'b', 'c'))).mode & 0o777).to.equal(0o700);
    await rm(top, { recursive: true });
  });
});
