import type { Dot, Origin, Seq, Vector } from '../clock/vector.js';
import type { Version } from '../clock/version.js';
import type { FullPath } from '../entry/path.js';
import { entryDigest, type ChainLink } from './digest.js';
import type { Row } from './row.js';

/**
 * What became of a change when it came to the store that holds it: a local word, not part of the change. quarantined: it could not be
 * applied then, and may have been since.
 */
export const appliedWords = ['won', 'lost', 'partly', 'quarantined'] as const;
export type Applied = (typeof appliedWords)[number];

/**
 * One create, update, delete or rename, with its place in its origin's log. A create has only a new path, a delete
 * only an old one, an update the same path twice, a rename two paths.
 */
export interface Change {
  readonly origin: Origin;
  readonly seq: Seq;
  /** 12 hex digits; follows from the predecessor's (digest.ts). */
  readonly hash: string;
  readonly version: Version;
  /** The origin at which the change was first made. */
  readonly author: Origin;
  readonly oldPath: FullPath | null;
  readonly newPath: FullPath | null;
  /** Canonical JSON of the new entry; null for a delete. */
  readonly newEntry: string | null;
  readonly isDirectory: boolean;
  readonly contentHash: string;
  /** Belongs to the new (or only) path. */
  readonly vector: Vector;
  /** Belongs to the old path of a rename; null otherwise. */
  readonly oldVector: Vector | null;
  /** The clusters it came through. */
  readonly clusters: readonly string[];
  /** The run it begins (log/runs.ts): 16 random hex digits; '' if it goes on with one. */
  readonly run: string;
  /** The change as it stands in the log and in the feed, without the local word `applied`. */
  readonly text: string;
}

/** A change whose place in its origin's log can be read, but which breaks a rule: it is kept, and its effect is not applied. */
export interface RefusedChange {
  readonly origin: Origin;
  readonly seq: Seq;
  /** As it claims; the hash of the next change proves it. */
  readonly hash: string;
  /** 0 if it names none that is valid. */
  readonly version: Version;
  /** Those it names that could be read. */
  readonly paths: readonly FullPath[];
  /** As in `Change`. */
  readonly run: string;
  /** What its hash covers; null if that cannot be told from what could be read. */
  readonly link: ChainLink | null;
  readonly text: string;
  /** Which rule it breaks. */
  readonly refusal: { readonly code: string; readonly error: string };
}

/** What a peer's feed may bring. */
export type ReceivedChange = Change | RefusedChange;

export function isRefused(change: ReceivedChange): change is RefusedChange {
  return 'refusal' in change;
}

/** The paths a change touches: one, or a rename's two. */
export function pathsOf(change: ReceivedChange): readonly FullPath[] {
  if (isRefused(change)) return change.paths;
  const { oldPath, newPath } = change;
  return oldPath === null || oldPath === newPath ? [newPath as FullPath] : newPath === null ? [oldPath] : [oldPath, newPath];
}

export type Operation = 'CREATE' | 'UPDATE' | 'DELETE' | 'RENAME';

export function operationOf(change: Pick<Change, 'oldPath' | 'newPath'>): Operation {
  if (change.oldPath === null) return 'CREATE';
  if (change.newPath === null) return 'DELETE';
  return change.oldPath === change.newPath ? 'UPDATE' : 'RENAME';
}

/** The states a change brings: one, or for a rename two, the old path's first. */
export function rowsOf(change: Change, digest: typeof entryDigest = entryDigest): Row[] {
  const dot: Dot = { origin: change.origin, seq: change.seq };
  const { version, author } = change;
  const tombstone = (path: FullPath, vector: Vector): Row => ({ path, entry: null, isDirectory: false, version, author, vector, dot, contentHash: '', h: 0 });
  if (change.newPath === null || change.newEntry === null) return [tombstone(change.oldPath as FullPath, change.vector)];
  const live: Row = {
    path: change.newPath,
    entry: change.newEntry,
    isDirectory: change.isDirectory,
    version,
    author,
    vector: change.vector,
    dot,
    contentHash: change.contentHash,
    h: digest(change.newPath, version, author, change.contentHash),
  };
  return operationOf(change) === 'RENAME' ? [tombstone(change.oldPath as FullPath, change.oldVector ?? change.vector), live] : [live];
}
