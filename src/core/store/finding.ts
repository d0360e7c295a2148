import { contentHash, entryDigest } from '../change/digest.js';
import type { Row } from '../change/row.js';
import { vectorIncludes } from '../clock/vector.js';

/** Something in a store that contradicts something else in it. */
export interface Finding {
  /** file: the database itself; sums, counts: kept figures and what the rows add up to; rows; log. */
  readonly part: 'file' | 'sums' | 'counts' | 'rows' | 'log';
  /** What is wrong, and where. */
  readonly problem: string;
}

export function sumProblem(bucket: number, kept: number | undefined, counted: number | undefined): string {
  return `bucket ${bucket} of the digest is kept as ${kept}, its rows add up to ${counted}`;
}

export function countProblem(name: string, kept: number, counted: number): string {
  return `the number of ${name} is kept as ${kept}, counted it is ${counted}`;
}

/** A row against its own hashes; null = it fits together. A tombstone has none, so of one only its vector shows damage. */
export function rowProblem({ path, entry, isDirectory, version, author, vector, contentHash: kept, h }: Row): string | null {
  if (!vectorIncludes(vector, author, version)) return `${path}: its vector does not include the row's own change`;
  if (entry === null) return kept === '' && h === 0 ? null : `${path}: it has hashes but no entry`;
  if (contentHash(entry) !== kept) return `${path}: its entry does not match its hash`;
  if (entryDigest(path, version, author, kept) !== h) return `${path}: what it adds to the digest does not match its version, author and hash`;
  const isMeant = (JSON.parse(entry) as { isDirectory?: boolean }).isDirectory === true;
  return isMeant === isDirectory ? null : `${path}: it is kept as a ${isDirectory ? 'directory' : 'file'}, its entry is a ${isMeant ? 'directory' : 'file'}`;
}
