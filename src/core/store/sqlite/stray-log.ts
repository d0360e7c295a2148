import { rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isOrigin } from '../../clock/vector.js';
import { syncDirectory } from '../../durable-file.js';
import { isFailure } from '../../errors.js';
import { Connection } from './connection.js';
import { checkSchema, readNotes, type NoteName } from './schema.js';

/**
 * Puts aside a write-ahead log that belongs to another state of the file than the one beside it: after kill -9 the log stays, and who
 * restores an older file over the newer one seldom thinks of it. SQLite would lay its pages over the older file without a word, and
 * neither the older state nor the newer one would be left.
 *
 * The words of file-identity.ts tell. Every open writes the log of a crash into the file before it draws the next word, so a file is
 * at most one word behind its log: if what it says without the log has no word in common with what it says with it, the two do not
 * belong together. Nobody has the file open.
 * @throws FilerError STORE_FAILED
 */
export async function putAsideStrayLog(database: string): Promise<void> {
  const log = `${database}-wal`;
  if ((await bytesOf(database)) === 0 || (await bytesOf(log)) === 0) return;
  // A power cut while the log was being written into the file leaves a file that only the log makes whole: what cannot be read, or reads
  // as no words, tells nothing.
  const alone = await wordsOf(database, 'alone').catch((error: unknown) => {
    if (isFailure(error, 'STORE_FAILED')) return [];
    throw error;
  });
  if (alone.length < 2 || !alone.every(isOrigin)) return;
  const together = await wordsOf(database, 'read');
  if (alone.some((word) => together.includes(word))) return;
  await rename(log, `${log}.stray`);
  await rm(`${database}-shm`, { force: true });
  // Before anything is written: a log that came back after a power cut would be taken for the new one.
  await syncDirectory(dirname(database));
}

/** The last two words, 16 hex digits each; fewer in a store that was never closed. */
async function wordsOf(database: string, access: 'alone' | 'read'): Promise<string[]> {
  const connection = await Connection.open(database, access, 0);
  try {
    if ((await checkSchema(connection)) === 0) return [];
    const notes = await readNotes(connection);
    return (['word', 'wordNext'] satisfies NoteName[]).flatMap((name) => notes.get(name) ?? []).filter((word) => word !== '');
  } finally {
    await connection.close();
  }
}

async function bytesOf(file: string): Promise<number> {
  const found = await stat(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  return found?.size ?? 0;
}
