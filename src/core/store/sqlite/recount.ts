import { bucketCount } from '../../change/digest.js';
import { childPath, parentOf, root, type FullPath } from '../../entry/path.js';
import type { Counts } from '../store.js';
import type { Connection } from './connection.js';
import { keyOf } from './row-codec.js';

// A sum of 48-bit hashes overflows at 32,768 rows: the halves are summed apart, and the carry of the upper one is cut off.
export const sumOfHashes = '((sum(h >> 24) & 0xffffff) * 0x1000000 + sum(h & 0xffffff)) & 0xffffffffffff';

const sumBuckets = `
  SELECT bucket, ${sumOfHashes} AS sum,
    count(hash) AS entries, sum(is_directory) AS directories, count(*) - count(hash) AS tombstones
  FROM entries GROUP BY bucket`;

const countLive = "SELECT directory, count(*) AS live FROM entries WHERE hash IS NOT NULL AND name <> '' GROUP BY bucket, directory";

const findLive = `
  SELECT e.directory, e.name FROM jsonb_each(?1) AS j CROSS JOIN entries AS e
  ON e.bucket = j.value ->> 0 AND e.directory = j.value ->> 1 AND e.name = j.value ->> 2 WHERE e.hash IS NOT NULL`;

const keysAtOnce = 10_000;

/** Adds up everything that is kept as a sum, at one moment. The connection is used by nobody else meanwhile. */
export async function recount(connection: Connection): Promise<{ buckets: number[]; counts: Counts; children: Map<FullPath, number> }> {
  await connection.script('BEGIN');
  const buckets = new Array<number>(bucketCount).fill(0);
  const counts = { entries: 0, directories: 0, tombstones: 0, changes: 0, bytes: 0 };
  for (const { bucket, sum, ...found } of await connection.all<{ bucket: number; sum: number; entries: number; directories: number; tombstones: number }>(
    sumBuckets,
  )) {
    buckets[bucket] = sum;
    counts.entries += found.entries;
    counts.directories += found.directories;
    counts.tombstones += found.tombstones;
  }
  Object.assign(counts, await connection.one('SELECT count(*) AS changes, coalesce(sum(bytes), 0) AS bytes FROM log'));
  const children = await recountChildren(connection);
  await connection.script('COMMIT');
  return { buckets, counts, children };
}

/** A directory shows its live names and, below it, each directory that shows something without a live row of its own. */
async function recountChildren(connection: Connection): Promise<Map<FullPath, number>> {
  const children = new Map<FullPath, number>();
  for (const { directory, live } of await connection.all<{ directory: FullPath; live: number }>(countLive)) children.set(directory, live);
  const shown = new Set<FullPath>();
  for (const directory of children.keys()) {
    for (let up = directory; up !== root && !shown.has(up); up = parentOf(up)) shown.add(up);
  }
  const all = [...shown];
  for (let i = 0; i < all.length; i += keysAtOnce) {
    const keys = JSON.stringify(all.slice(i, i + keysAtOnce).map(keyOf));
    for (const { directory, name } of await connection.all<{ directory: FullPath; name: string }>(findLive, keys)) shown.delete(childPath(directory, name));
  }
  for (const path of shown) children.set(parentOf(path), (children.get(parentOf(path)) ?? 0) + 1);
  return children;
}
