import { canonicalJson } from '../change/canonical.js';
import type { Change } from '../change/change.js';
import { encodeChange } from '../change/codec.js';
import { chainHash, contentHash } from '../change/digest.js';
import type { ImportedChange } from '../change/imported.js';
import { isLive, type Row } from '../change/row.js';
import { mergeVectors, type Vector } from '../clock/vector.js';
import type { Version } from '../clock/version.js';
import { withoutEmpty, type Entry } from '../entry/entry.js';
import { nameOf, type FullPath } from '../entry/path.js';
import type { OriginState } from '../store/store.js';

/* Changes of a store's own origin, whole: with vectors, chain hash and text. Pure. */

/** One change to be made here. `entry` is the whole new entry; its name is set from the path. */
export type Mutation =
  | { readonly kind: 'put'; readonly path: FullPath; readonly entry: Entry }
  | { readonly kind: 'delete'; readonly path: FullPath }
  | { readonly kind: 'rename'; readonly from: FullPath; readonly to: FullPath; readonly entry: Entry };

/** A state that a change replaces. */
export type Replaced = Pick<Row, 'version' | 'vector'>;

/** What a mutation replaces. */
export interface ReplacedRows {
  readonly oldPath: FullPath;
  readonly oldRow: Row | null;
  /** Null for a delete. */
  readonly newPath: FullPath | null;
  /** The row at the new path; at the only one, if there is no other. */
  readonly targetRow: Row | null;
  /** A state outside the tree that is replaced too. */
  readonly outside: Replaced | null;
}

/** Who makes a change. */
export interface Maker {
  readonly storeId: string;
  /** How far its own origin is. */
  readonly own: OriginState;
  /** The run that the change begins; '' if its process has written under that origin before. */
  readonly run: string;
}

type Unchained = { -readonly [K in keyof Change]: Change[K] };

/** What a mutation replaces, as `rowAt` tells the rows. */
export function replacedBy(mutation: Mutation, rowAt: (path: FullPath) => Row | null, outside: Replaced | null): ReplacedRows {
  const oldPath = mutation.kind === 'rename' ? mutation.from : mutation.path;
  const newPath = mutation.kind === 'rename' ? mutation.to : mutation.kind === 'put' ? mutation.path : null;
  const oldRow = rowAt(oldPath);
  return { oldPath, oldRow, newPath, targetRow: newPath === null || newPath === oldPath ? oldRow : rowAt(newPath), outside };
}

/** The change that a mutation is at `version`. */
export function issuedChange(mutation: Mutation, { oldPath, oldRow, newPath, targetRow, outside }: ReplacedRows, version: Version, maker: Maker): Change {
  const { storeId, own, run } = maker;
  const isRename = mutation.kind === 'rename';
  const newEntry = mutation.kind === 'delete' ? null : canonicalJson(withoutEmpty(mutation.entry, nameOf(newPath as FullPath)));
  const mark: Vector = { [own.origin]: version };
  const stands = isLive(oldRow) || isRename || mutation.kind === 'delete';
  const change: Unchained = {
    origin: own.origin,
    seq: own.seq + 1,
    version,
    author: own.origin,
    oldPath: stands ? oldPath : null,
    newPath,
    newEntry,
    isDirectory: mutation.kind === 'delete' ? false : mutation.entry.isDirectory,
    contentHash: newEntry === null ? '' : contentHash(newEntry),
    vector: targetRow === null && outside === null ? mark : mergeVectors(mergeVectors(targetRow?.vector ?? {}, outside?.vector ?? {}), mark),
    oldVector: isRename ? mergeVectors(oldRow?.vector ?? {}, mark) : null,
    clusters: [],
    run,
    hash: '',
    text: '',
  };
  change.hash = chainHash(own.hash, change);
  const oldEntry = isLive(oldRow) ? (JSON.parse(oldRow.entry) as Entry) : null;
  change.text = encodeChange(change, { oldEntry, deleteChunks: stands && !isRename, signatures: [storeId] });
  return change;
}

/** The row that an imported change replaces stands at this path. */
export function pathReplacedBy({ oldPath, newPath, oldVector }: ImportedChange): FullPath {
  return (oldVector === null ? (newPath ?? oldPath) : oldPath) as FullPath;
}

/** The change that keeps version, author and vectors of an imported one. `before` is the row at `pathReplacedBy`. */
export function adoptedChange(imported: ImportedChange, before: Row | null, { storeId, own, run }: Maker): Change {
  const { version, author, oldPath, newPath, newEntry, isDirectory, vector, oldVector, clusters } = imported;
  const stands = isLive(before);
  const change: Unchained = {
    origin: own.origin,
    seq: own.seq + 1,
    version,
    author,
    // A create may find something here, and an update nothing.
    oldPath: newPath === null || oldVector !== null ? oldPath : stands ? newPath : null,
    newPath,
    newEntry,
    isDirectory,
    contentHash: newEntry === null ? '' : contentHash(newEntry),
    vector,
    oldVector,
    clusters,
    run,
    hash: '',
    text: '',
  };
  change.hash = chainHash(own.hash, change);
  const oldEntry = stands ? (JSON.parse(before.entry) as Entry) : imported.oldEntry;
  change.text = encodeChange(change, { oldEntry, deleteChunks: stands && oldVector === null, signatures: [storeId] });
  return change;
}
