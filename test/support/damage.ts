import { open } from 'node:fs/promises';
import sqlite3 from 'sqlite3';
import type { Finding } from '../../src/core/offline-store-check.js';

/** Ways in which the file of a store can come to contradict itself, each with what a check must say of it. */
export interface Damage {
  inflict(file: string): Promise<void>;
  /** Part and problem of one of the findings. */
  readonly part: Finding['part'];
  readonly shows: RegExp;
}

const sql = (statements: string, part: Finding['part'], shows: RegExp): Damage => ({ inflict: (file) => execute(file, statements), part, shows });

const oneFile = `(SELECT directory || '/' || name FROM entries WHERE is_directory = 0 AND hash IS NOT NULL LIMIT 1)`;
const ofOneFile = `WHERE directory || '/' || name = ${oneFile}`;
const hashesDiffer = /^\/.*: what it adds to the digest does not match its version, author and hash$/;

/** Damage to rows and sums, which a scrub finds too. Needs a store with some files in directories, and a tombstone. */
export const rowDamage: Readonly<Record<string, Damage>> = {
  'a row changed behind the back': sql(
    `UPDATE entries SET entry = replace(entry, '"isDirectory":false', '"isDirectory":false,"x":1') WHERE is_directory = 0 AND hash IS NOT NULL`,
    'rows',
    /^\/.*: its entry does not match its hash$/,
  ),
  'a row lost': sql(
    `DELETE FROM entries WHERE (bucket, directory, name) IN (SELECT bucket, directory, name FROM entries WHERE is_directory = 0 AND hash IS NOT NULL LIMIT 1)`,
    'sums',
    /^bucket \d+ of the digest is kept as \d+, its rows add up to \d+$/,
  ),
  'a version changed': sql(`UPDATE entries SET version = version - 1 ${ofOneFile}`, 'rows', hashesDiffer),
  'an author changed': sql(
    `UPDATE entries SET author = 'ffffffffffffffff', vector = json_object('ffffffffffffffff', version) ${ofOneFile}`,
    'rows',
    hashesDiffer,
  ),
  'a name changed': sql(`UPDATE entries SET name = 'other' ${ofOneFile}`, 'rows', hashesDiffer),
  'a hash of a row changed': sql(`UPDATE entries SET h = (h + 1) % 1000 ${ofOneFile}`, 'rows', hashesDiffer),
  'a file turned into a directory': sql(`UPDATE entries SET is_directory = 1 ${ofOneFile}`, 'rows', /^\/.*: it is kept as a directory, its entry is a file$/),
  'a sum of a bucket changed': sql(
    'UPDATE buckets SET sum = sum + 1 WHERE bucket = (SELECT bucket FROM entries LIMIT 1)',
    'sums',
    /^bucket \d+ of the digest is kept as \d+, its rows add up to \d+$/,
  ),
  'a tombstone lost': sql(
    `DELETE FROM entries WHERE directory || '/' || name = (SELECT directory || '/' || name FROM entries WHERE hash IS NULL LIMIT 1)`,
    'counts',
    /^the number of tombstones is kept as \d+, counted it is \d+$/,
  ),
};

/** Needs besides a log with several changes of one origin. */
export const damage: Readonly<Record<string, Damage>> = {
  ...rowDamage,
  'a wrong count of children': sql('UPDATE directories SET children = children + 1', 'rows', /^\/.*: is kept as showing \d+ names, counted it is \d+$/),
  'a wrong total': sql(
    `UPDATE meta SET value = json_set(value, '$.entries', 99) WHERE name = 'counts'`,
    'counts',
    /^the number of entries is kept as 99, counted it is \d+$/,
  ),
  'a record lost': sql(
    'DELETE FROM log WHERE idx = (SELECT max(idx) - 1 FROM log)',
    'log',
    /: stands after seq \d+ of its origin$|^the log of [0-9a-f]{16} ends at seq/,
  ),
  'a record changed': sql(
    `UPDATE log SET text = replace(text, '"isDirectory":false', '"isDirectory":true') WHERE idx = (SELECT max(idx) FROM log WHERE text LIKE '%"newEntry":%"isDirectory":false%')`,
    'log',
    /^[0-9a-f]{16}:\d+: its hash does not follow from its content and the change before it$/,
  ),
  'a position beyond the log': sql(
    'UPDATE positions SET seq = seq + 1 WHERE seq = (SELECT max(seq) FROM positions)',
    'log',
    /^the log of [0-9a-f]{16} ends at seq \d+, its position is \d+$/,
  ),
  'a damaged file': {
    // The count of free pages in the header.
    inflict: async (file) => {
      const opened = await open(file, 'r+');
      await opened.write(Buffer.from([0, 0, 0, 5]), 0, 4, 36);
      await opened.close();
    },
    part: 'file',
    shows: /freelist/i,
  },
};

/** Writes to the file of a store behind the back of the process that has it. */
export function execute(file: string, statements: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const database = new sqlite3.Database(file, sqlite3.OPEN_READWRITE, (failure) => {
      if (failure) return reject(failure);
      database.exec(statements, (error) => database.close(() => (error ? reject(error) : resolve())));
    });
  });
}
