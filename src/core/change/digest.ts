import { hash } from 'node:crypto';
import type { Version } from '../clock/version.js';
import type { Origin, Seq } from '../clock/vector.js';
import { compareBytes, nameOf, parentOf, type FullPath } from '../entry/path.js';

/*
 * The three hashes of the protocol, all SHA-256, all over text with NUL between the parts:
 *
 *   content hash   canonical JSON of the entry                                      first 64 bits, 16 hex digits
 *   chain hash     previous, seq, version, author, old path, new path, content hash   first 48 bits, 12 hex digits
 *                  ("run" as one more part where a run begins)
 *   entry digest   path, version, author, content hash                               first 48 bits, a number
 *
 * A bucket is the sum of the entry digests of the live rows whose directory hashes to it, modulo 2^48; the digest of a
 * tree is the hash of its 256 bucket sums. A sum does not depend on order, and one change moves one or two buckets.
 */

export const bucketCount = 256;
const modulus = 2 ** 48;

/** The hash before an origin's first change. */
export const chainStart = '000000000000';

/** Identifies the content of an entry; '' stands for a tombstone. */
export function contentHash(canonicalEntry: string): string {
  return hash('sha256', canonicalEntry, 'hex').slice(0, 16);
}

export interface ChainLink {
  seq: Seq;
  version: Version;
  author: Origin;
  oldPath: FullPath | null;
  newPath: FullPath | null;
  contentHash: string;
  /** '' if it begins none. */
  run: string;
}

/** The hash of a change: follows from its predecessor's, so two logs with one origin show where they part. */
export function chainHash(previous: string, link: ChainLink): string {
  return hash(
    'sha256',
    `${previous}\0${link.seq}\0${link.version}\0${link.author}\0${link.oldPath ?? ''}\0${link.newPath ?? ''}\0${link.contentHash}${link.run === '' ? '' : `\0${link.run}`}`,
    'hex',
  ).slice(0, 12);
}

/** What a live row adds to its bucket. */
export function entryDigest(path: FullPath, version: Version, author: Origin, content: string): number {
  return parseInt(hash('sha256', `${path}\0${version}\0${author}\0${content}`, 'hex').slice(0, 12), 16);
}

// Directories repeat from change to change; the limit only bounds memory.
const bucketCacheMax = 10_000;
const bucketCache = new Map<string, number>();

/** The bucket of everything directly in `directory`: the first byte of its hash. */
export function bucketOf(directory: FullPath): number {
  let bucket = bucketCache.get(directory);
  if (bucket === undefined) {
    bucket = parseInt(hash('sha256', directory, 'hex').slice(0, 2), 16);
    if (bucketCache.size >= bucketCacheMax) bucketCache.clear();
    bucketCache.set(directory, bucket);
  }
  return bucket;
}

/** The order of rows in a snapshot: bucket, directory, name. */
export function compareKeys(a: FullPath, b: FullPath): number {
  const [inA, inB] = [parentOf(a), parentOf(b)];
  return bucketOf(inA) - bucketOf(inB) || compareBytes(inA, inB) || compareBytes(nameOf(a), nameOf(b));
}

export function addToSum(sum: number, h: number): number {
  return (sum + h) % modulus;
}

export function takeFromSum(sum: number, h: number): number {
  return (sum - h + modulus) % modulus;
}

const emptySum = ''.padStart(12, '0');

/** 16 hex digits over the 256 sums; equal trees with equal versions have equal digests. */
export function digestOf(sums: readonly number[]): string {
  return hash('sha256', sums.map((sum) => (sum === 0 ? emptySum : sum.toString(16).padStart(12, '0'))).join(','), 'hex').slice(0, 16);
}
