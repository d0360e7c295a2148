import { expect } from 'chai';
import { copyFile, cp, open as openFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openStore } from '../../../../src/core/store/open-store.js';
import type { Store } from '../../../../src/core/store/store.js';
import { realTime } from '../../../../src/core/time.js';
import { tempDir } from '../../../support/temp-dir.js';

const open = (directory: string): Promise<Store> => openStore({ directory, time: realTime });
const write = (store: Store, name: string, value: string) => store.transaction((tx) => tx.write({ meta: new Map([[name, value]]) }));
const read = async (store: Store, name: string) => (await store.load()).meta.get(name);

describe('a write-ahead log that a crash has left', () => {
  let directory: string;

  beforeEach(async () => {
    directory = join(await tempDir(), 'a store #1?');
    const store = await open(directory);
    await write(store, 'value', 'first');
    await store.close();
  });

  /** The folder as kill -9 leaves it, in place: the file keeps its inode. */
  async function afterCrash(store: Store): Promise<void> {
    const image = `${directory}-image`;
    await cp(directory, image, { recursive: true });
    await store.close();
    // Closing took the log into the file; put both back as they were.
    for (const name of await readdir(image)) await copyFile(join(image, name), join(directory, name));
    await rm(image, { recursive: true });
  }

  const logs = async (): Promise<string[]> => (await readdir(directory)).filter((name) => name.includes('-wal'));

  it('is read by the file it belongs to, crash after crash', async () => {
    for (let round = 0; round < 4; round += 1) {
      const store = await open(directory);
      expect(store.verdict).to.equal('same');
      expect(await read(store, 'value')).to.equal(round === 0 ? 'first' : `round ${round - 1}`);
      await write(store, 'value', `round ${round}`);
      await afterCrash(store);
      expect(await logs()).to.deep.equal(['filer.db-wal']);
    }
    const store = await open(directory);
    expect([store.verdict, await read(store, 'value')]).to.deep.equal(['same', 'round 3']);
    await store.close();
    expect(await logs()).to.deep.equal([]);
  });

  it('is read in a store that was never closed before', async () => {
    await rm(directory, { recursive: true });
    const store = await open(directory);
    await write(store, 'value', 'first');
    await afterCrash(store);
    const again = await open(directory);
    expect([again.verdict, await read(again, 'value')]).to.deep.equal(['same', 'first']);
    await again.close();
  });

  it('makes a file whole that a power cut left torn', async () => {
    const store = await open(directory);
    await write(store, 'value', 'second');
    await afterCrash(store);
    // Half of what a checkpoint had under way: a page is neither the old one nor the new one.
    const file = await openFile(join(directory, 'filer.db'), 'r+');
    await file.write(Buffer.alloc(4096, 0xff), 0, 4096, 4096 * 2);
    await file.close();
    await open(directory).then(
      (opened) => opened.close(),
      () => {},
    );
    expect(await logs(), 'it stays').not.to.include('filer.db-wal.stray');
  });

  it('is put aside where an older file was put in its place, and the older state stands as restored', async () => {
    const old = `${directory}-old.db`;
    await copyFile(join(directory, 'filer.db'), old);
    const between = await open(directory);
    await write(between, 'value', 'second');
    await between.close();
    const store = await open(directory);
    await write(store, 'value', 'third');
    await afterCrash(store);

    await copyFile(old, join(directory, 'filer.db'));
    const restored = await open(directory);
    expect([restored.verdict, await read(restored, 'value')]).to.deep.equal(['restored', 'first']);
    await restored.close();
    expect(await logs()).to.deep.equal(['filer.db-wal.stray']);
  });

  it('gives everything back to a file saved when the store was last closed: nothing is lost then', async () => {
    const old = `${directory}-old.db`;
    await copyFile(join(directory, 'filer.db'), old);
    const store = await open(directory);
    await write(store, 'value', 'second');
    await afterCrash(store);
    await copyFile(old, join(directory, 'filer.db'));
    const again = await open(directory);
    expect([again.verdict, await read(again, 'value')]).to.deep.equal(['same', 'second']);
    await again.close();
  });

  it('shows as restored where it is taken away', async () => {
    const store = await open(directory);
    await write(store, 'value', 'second');
    await afterCrash(store);
    for (const name of ['filer.db-wal', 'filer.db-shm']) await rm(join(directory, name), { force: true });
    const again = await open(directory);
    expect([again.verdict, await read(again, 'value')]).to.deep.equal(['restored', 'first']);
    await again.close();
  });
});
