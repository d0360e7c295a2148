import { isOrigin, isSeq, vectorIncludes, type Origin, type Vector } from '../clock/vector.js';
import { isVersion, type Version } from '../clock/version.js';
import { withoutEmpty, type Entry } from '../entry/entry.js';
import { isReserved, nameOf, parentOf, refuseReserved, type FullPath } from '../entry/path.js';
import { isFailure } from '../errors.js';
import { canonicalJson } from './canonical.js';
import { checkEntry, checkVector, invalid, isChainHash, objectAt, pathAt, type Fields } from './codec.js';

/*
 * Changes as an import takes them (DESIGN: Importing): of another cluster, out of a file, or what SeaweedFS prints. They have versions and
 * authors, but no place in a log of this cluster. What `replication` says of their place in another log is checked if it is there, and
 * has no meaning here.
 */

export interface ImportedChange {
  readonly version: Version;
  readonly author: Origin;
  /** As in a Change: a create has only a new path, a delete only an old one, an update the same path twice, a rename two paths. */
  readonly oldPath: FullPath | null;
  readonly newPath: FullPath | null;
  /** Canonical JSON of the new entry; null for a delete. */
  readonly newEntry: string | null;
  readonly isDirectory: boolean;
  /** Belongs to the new (or only) path. */
  readonly vector: Vector;
  /** Belongs to the old path of a rename; null otherwise. */
  readonly oldVector: Vector | null;
  /** The clusters it came through. */
  readonly clusters: readonly string[];
  /** As it came; null = not told. Only readers of the feed want it. */
  readonly oldEntry: Entry | null;
}

/**
 * Reads the changes of one input, in its order. Those of SeaweedFS have no versions: they get tsNs / 1000, made increasing per author within the
 * input, so that reading the same input again gives the same changes.
 */
export class ImportReader {
  readonly #last: Map<Origin, Version>;

  /** @param last what `versions` was when an earlier reader of the same input stopped */
  constructor(last: Readonly<Record<Origin, Version>> = {}) {
    this.#last = new Map(Object.entries(last));
  }

  /** The last version that was given to a change of SeaweedFS, by author. */
  get versions(): Record<Origin, Version> {
    return Object.fromEntries(this.#last);
  }

  /**
   * Checks every field of a parsed change. Null: an event of SeaweedFS without an entry, which says nothing.
   * @throws FilerError BODY_INVALID naming the field
   */
  read(value: unknown, field = 'change'): ImportedChange | null {
    const change = objectAt(value, field);
    const event = objectAt(change.eventNotification, `${field}.eventNotification`);
    const isForeign = change.replication == null;
    const oldEntry = event.oldEntry == null ? null : checkEntry(event.oldEntry, `${field}.oldEntry`);
    const newEntry = event.newEntry == null ? null : checkEntry(event.newEntry, `${field}.newEntry`);
    if (oldEntry === null && newEntry === null) {
      if (isForeign) return null;
      throw invalid(`${field}.eventNotification`, 'must hold oldEntry, newEntry or both');
    }
    const oldPath = oldEntry && importedPath(change.directory, oldEntry.name, `${field}.oldEntry`);
    const newPath = newEntry && importedPath(event.newParentPath || change.directory, newEntry.name, `${field}.newEntry`);
    const isRename = oldPath !== null && newPath !== null && oldPath !== newPath;
    const stamp = isForeign
      ? this.#stampForeign(change, event, field, isRename)
      : stampFrom(objectAt(change.replication, `${field}.replication`), field, isRename);
    const { version, author, vector, oldVector, clusters } = stamp;
    // Written out, not spread: that gives each change a shape of its own, and whatever reads it then is some times slower.
    return {
      version,
      author,
      oldPath,
      newPath,
      // SeaweedFS writes all fields, the empty ones too; an entry of kelp must keep its content hash.
      newEntry: newEntry && canonicalJson(isForeign ? withoutEmpty(newEntry) : newEntry, `${field}.newEntry`),
      isDirectory: newEntry?.isDirectory ?? false,
      vector,
      oldVector,
      clusters,
      oldEntry,
    };
  }

  #stampForeign(change: Fields, event: Fields, field: string, isRename: boolean): Stamp {
    const [signature] = Array.isArray(event.signatures) ? (event.signatures as unknown[]) : [];
    // A store id of SeaweedFS is a signed 32-bit number.
    const author = (signature === undefined || !Number.isInteger(Number(signature)) ? 0 : Number(signature) >>> 0).toString(16).padStart(16, '0');
    // Cut as text: nanoseconds are more than a number holds.
    const micros =
      typeof change.tsNs === 'number' ? Math.floor(change.tsNs / 1000) : /^\d{4,19}$/.test(String(change.tsNs)) ? Number(String(change.tsNs).slice(0, -3)) : 0;
    const version = Math.max(micros, (this.#last.get(author) ?? 0) + 1);
    if (!isVersion(micros) || !isVersion(version)) throw invalid(`${field}.tsNs`, 'must be nanoseconds since 1970, as text');
    this.#last.set(author, version);
    const vector = { [author]: version };
    return { version, author, vector, oldVector: isRename ? vector : null, clusters: [] };
  }
}

type Stamp = Pick<ImportedChange, 'version' | 'author' | 'vector' | 'oldVector' | 'clusters'>;

function stampFrom(replication: Fields, field: string, isRename: boolean): Stamp {
  const { origin, seq, hash, version, author, clusters } = replication;
  if (origin !== undefined && !isOrigin(origin)) throw invalid(`${field}.replication.origin`, 'must be 16 hex digits');
  if (seq !== undefined && (!isSeq(seq) || seq === 0)) throw invalid(`${field}.replication.seq`, 'must be a whole number above 0');
  if (hash !== undefined && !isChainHash(hash)) throw invalid(`${field}.replication.hash`, 'must be 12 hex digits');
  if (!isVersion(version)) throw invalid(`${field}.replication.version`, 'must be microseconds since 1970, at most 2^52');
  if (!isOrigin(author)) throw invalid(`${field}.replication.author`, 'must be 16 hex digits');
  if (clusters !== undefined && !(Array.isArray(clusters) && clusters.every((cluster) => typeof cluster === 'string')))
    throw invalid(`${field}.replication.clusters`, 'must be an array of text');
  const vectorAt = (name: 'vector' | 'oldVector'): Vector => {
    const vector = checkVector(replication[name], `${field}.replication.${name}`);
    if (!vectorIncludes(vector, author, version)) throw invalid(`${field}.replication.${name}`, 'must include the change itself');
    return vector;
  };
  return {
    version,
    author,
    vector: vectorAt('vector'),
    oldVector: isRename ? vectorAt('oldVector') : null,
    clusters: (clusters as string[] | undefined) ?? [],
  };
}

/** Kelp's own entries pass, to be left out; a name that means something else on a filer's port could never be reached. */
function importedPath(directory: unknown, name: unknown, field: string): FullPath {
  const path = pathAt(directory, name, field);
  if (isReserved(path)) return path;
  try {
    refuseReserved(path);
  } catch (error) {
    throw isFailure(error) ? invalid(field, error.message) : error;
  }
  return path;
}

/** The paths a change touches: one, or a rename's two. */
export function pathsOfImported({ oldPath, newPath }: Pick<ImportedChange, 'oldPath' | 'newPath'>): FullPath[] {
  if (newPath === null) return oldPath === null ? [] : [oldPath];
  return oldPath === null || oldPath === newPath ? [newPath] : [oldPath, newPath];
}

/** What is left of a change where only the paths that `keeps` names count; null if nothing is. */
export function narrow(change: ImportedChange, keeps: (path: FullPath) => boolean): ImportedChange | null {
  const { oldPath, newPath, oldVector, vector } = change;
  const old = oldPath !== null && keeps(oldPath);
  if (oldPath === newPath || newPath === null) return old ? change : null;
  const isNewKept = keeps(newPath);
  if (oldPath === null || (old && isNewKept)) return isNewKept ? change : null;
  if (isNewKept) return { ...change, oldPath: null, oldEntry: null, oldVector: null };
  return old ? { ...change, newPath: null, newEntry: null, isDirectory: false, vector: oldVector ?? vector, oldVector: null } : null;
}

/** Writes a change as one line of JSON that a reader gives back. */
export function encodeImported(change: ImportedChange): string {
  const { version, author, oldPath, newPath, newEntry, vector, oldVector, clusters, oldEntry } = change;
  const { content: _content, ...old } = oldEntry ?? { name: '', isDirectory: false };
  const parts = [
    ...(oldPath === null ? [] : [`"oldEntry":${JSON.stringify({ ...old, name: nameOf(oldPath) })}`]),
    ...(newPath === null ? [] : [`"newEntry":${newEntry},"newParentPath":${JSON.stringify(parentOf(newPath))}`]),
  ];
  const replication = { version, author, vector, ...(oldVector && { oldVector }), clusters };
  return (
    `{"directory":${JSON.stringify(parentOf((oldPath ?? newPath) as FullPath))},"tsNs":"${version}000","eventNotification":{${parts.join(',')}},` +
    `"replication":${JSON.stringify(replication)}}`
  );
}
