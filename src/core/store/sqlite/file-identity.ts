import { readFile, stat } from 'node:fs/promises';
import { writeDurably } from '../../durable-file.js';
import type { TimeSource } from '../../time.js';
import { storeMeta, type FileVerdict } from '../store.js';
import type { Connection } from './connection.js';
import { readNotes, writeNotes } from './schema.js';

/*
 * Is this the file that was last open here, or a copy of it, or an older state put back? Two signs:
 *
 *   inode and birth time   a moved file keeps them, a copied one does not
 *   a word                 drawn anew at each open and close, kept in the store and in a file beside it: an older state has an older word
 *
 * An older file beside the log of a newer one is dealt with before: stray-log.ts.
 *
 * Renewing writes the next word into the store first, then into the file. The store holds both words, so whatever is in the file after
 * a crash between the two is one of them.
 */
export class FileIdentity {
  constructor(
    private readonly files: { readonly database: string; readonly word: string },
    private readonly time: Pick<TimeSource, 'randomHex'>,
  ) {}

  /** Compares, renews, and marks a copy in the meta. The caller has just opened `connection` and nobody else writes. */
  async check(connection: Connection): Promise<FileVerdict> {
    // What a crash left in the log goes into the file, so that the file is never more than one word behind (stray-log.ts).
    await connection.all('PRAGMA wal_checkpoint(TRUNCATE)');
    const notes = await readNotes(connection);
    const found = await this.#look();
    const isSame =
      notes.get('inode') === found.inode &&
      // A file system that keeps no birth time leaves the inode alone to judge by.
      (notes.get('birth') === found.birth || notes.get('birth') === '' || found.birth === '') &&
      (notes.get('word') === found.word || notes.get('wordNext') === found.word);
    await this.#renew(connection, found, !isSame);
    const { untouched, restored } = await connection.one<{ untouched: number; restored: number }>(
      'SELECT NOT EXISTS (SELECT 1 FROM meta) AS untouched, EXISTS (SELECT 1 FROM meta WHERE name = ?1) AS restored',
      storeMeta.restored,
    );
    return untouched ? 'created' : restored ? 'restored' : 'same';
  }

  /** Draws a new word, so that what was saved from the store while it was open is known as older. */
  async renew(connection: Connection): Promise<void> {
    await this.#renew(connection, await this.#look(), false);
  }

  async #renew(connection: Connection, found: Found, isCopy: boolean): Promise<void> {
    const wordNext = this.time.randomHex(8);
    await connection.run('BEGIN IMMEDIATE');
    await writeNotes(connection, { ...found, wordNext });
    // A store that was never written to is as good as new, wherever it came from.
    if (isCopy) await connection.run('INSERT OR REPLACE INTO meta SELECT ?1, 1 WHERE EXISTS (SELECT 1 FROM meta)', storeMeta.restored);
    await connection.run('COMMIT');
    await writeDurably(this.files.word, wordNext);
  }

  async #look(): Promise<Found> {
    const { ino, birthtimeNs, ctimeNs } = await stat(this.files.database, { bigint: true });
    // Where no birth time is kept it reads as zero, or as the time of the last change.
    const birth = birthtimeNs === 0n || birthtimeNs === ctimeNs ? '' : String(birthtimeNs);
    const word = await readFile(this.files.word, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    });
    return { inode: String(ino), birth, word };
  }
}

interface Found {
  readonly inode: string;
  /** '' = the file system keeps none. */
  readonly birth: string;
  /** '' = no file. */
  readonly word: string;
}
