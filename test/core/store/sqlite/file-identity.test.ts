import { expect } from 'chai';
import { copyFile, cp, mkdir, rename, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openStore } from '../../../../src/core/store/open-store.js';
import { Connection } from '../../../../src/core/store/sqlite/connection.js';
import { storeMeta, type FileVerdict, type Store } from '../../../../src/core/store/store.js';
import { realTime } from '../../../../src/core/time.js';
import { tempDir } from '../../../support/temp-dir.js';

const open = (directory: string): Promise<Store> => openStore({ directory, time: realTime });

/** Opens and closes the store; what it found. */
async function verdictOf(directory: string): Promise<FileVerdict> {
  const store = await open(directory);
  await store.close();
  return store.verdict;
}

describe('FileIdentity', () => {
  let directory: string;
  let database: string;

  beforeEach(async () => {
    directory = join(await tempDir(), 'store');
    database = join(directory, 'filer.db');
    const store = await open(directory);
    await store.transaction((tx) => tx.write({ meta: new Map([['storeId', 'x']]) }));
    await store.close();
  });

  it('knows the same file again, as often as it is opened', async () => {
    for (let i = 0; i < 3; i++) expect(await verdictOf(directory)).to.equal('same');
  });

  it('takes a moved folder for the same', async () => {
    const moved = `${directory}-moved`;
    await rename(directory, moved);
    expect(await verdictOf(moved)).to.equal('same');
  });

  it('tells a copied folder from the one it was copied from', async () => {
    const copy = `${directory}-copy`;
    await cp(directory, copy, { recursive: true, preserveTimestamps: true });
    expect(await verdictOf(copy)).to.equal('restored');
    expect(await verdictOf(directory)).to.equal('same');
  });

  it('tells an older state that was copied over the file, even one saved since the store was last opened', async () => {
    const old = join(directory, '..', 'old.db');
    await copyFile(database, old);
    expect(await verdictOf(directory)).to.equal('same');
    await copyFile(old, database);
    expect(await verdictOf(directory)).to.equal('restored');

    const hot = join(directory, '..', 'hot.db');
    const store = await open(directory);
    await store.transaction((tx) => tx.write({ meta: new Map([[storeMeta.restored, null]]) }));
    const saver = await Connection.open(database, 'read', 0);
    await saver.run('VACUUM INTO ?1', hot);
    await saver.close();
    await store.close();
    expect(await verdictOf(directory)).to.equal('same');
    await copyFile(hot, database);
    expect(await verdictOf(directory)).to.equal('restored');
  });

  it('tells a file whose word is gone', async () => {
    await rm(join(directory, 'filer.word'));
    expect(await verdictOf(directory)).to.equal('restored');
  });

  it('stays restored until a transaction drops the mark', async () => {
    const copy = `${directory}-copy`;
    await cp(directory, copy, { recursive: true });
    expect(await verdictOf(copy)).to.equal('restored');
    const store = await open(copy);
    expect(store.verdict).to.equal('restored');
    expect((await store.load()).meta).to.deep.equal(
      new Map([
        ['storeId', 'x'],
        [storeMeta.restored, '1'],
      ]),
    );
    await store.transaction((tx) => tx.write({ meta: new Map([[storeMeta.restored, null]]) }));
    await store.close();
    expect(await verdictOf(copy)).to.equal('same');
  });

  it('does not take a crash between the two words for a copy', async () => {
    // The word cannot be written: the store holds the next one, the file still the old one.
    const obstacle = join(directory, 'filer.word.new');
    await mkdir(obstacle);
    for (let i = 0; i < 2; i++) {
      const failure = await open(directory).catch((error: unknown) => error);
      expect(failure).to.have.property('code', 'STORE_FAILED');
    }
    await rmdir(obstacle);
    expect(await verdictOf(directory)).to.equal('same');
  });

  it('takes a store whose file was removed for a new one', async () => {
    await rm(database);
    expect(await verdictOf(directory)).to.equal('created');
  });
});
