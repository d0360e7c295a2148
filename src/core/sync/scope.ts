import { canonicalJson } from '../change/canonical.js';
import { operationOf, pathsOf, type Change, type Operation } from '../change/change.js';
import { encodeChange } from '../change/codec.js';
import { chainStart } from '../change/digest.js';
import type { Row } from '../change/row.js';
import type { Dot, Vector } from '../clock/vector.js';
import type { Version } from '../clock/version.js';
import type { Entry } from '../entry/entry.js';
import { isReserved, isWithin, nameOf, parsePath, refuseReserved, root, type FullPath } from '../entry/path.js';
import { FilerError, messageOf } from '../errors.js';

/*
 * What a link takes from its source, and where it puts it. Pure.
 *
 *   /.filer/ on either side, outside `from`, excluded    left out
 *   rename into the scope, out of it                     a create, a delete
 *   delete, with deletes withheld                        left out; the target's clock must move past it
 *   rename, with deletes withheld                        a create: the old name stays
 */

/** Reads a directory that a link or a backup takes from, or leaves out. @throws FilerError PARAMETER_INVALID naming the flag */
export function parseScopePath(flag: string, text: string): FullPath {
  let path: FullPath;
  try {
    path = parsePath(text);
  } catch (error) {
    throw new FilerError('PARAMETER_INVALID', `${flag}: ${messageOf(error)}`);
  }
  if (isReserved(path))
    throw new FilerError('PARAMETER_INVALID', `${flag}: ${path} holds kelp's own entries, which stay in their cluster; name another directory`);
  return path;
}

export interface Scope {
  /** Directory of the source, and where it lies in the target. */
  readonly from: FullPath;
  readonly to: FullPath;
  /** Directories of the source that are left out. */
  readonly excludes: readonly FullPath[];
  /** If there are some: only what is in one of them. Of several directories that hold a path, excluded ones too, the deepest says. */
  readonly includes?: readonly FullPath[];
  /** False: what the source deletes stays in the target. */
  readonly deletes: boolean;
  /** Seconds that files live in the target; 0 = as long as in the source. */
  readonly ttlSec: number;
}

/** A change as it is posted to the target. */
export interface MappedChange {
  readonly kind: 'change';
  readonly operation: Operation;
  /** One line of JSON. */
  readonly text: string;
  readonly version: Version;
  /** A delete that the change would bring is withheld. */
  readonly isCut: boolean;
  /** What it is in the source: its dot, and the paths it touches there. */
  readonly dot: Dot;
  readonly paths: readonly FullPath[];
}

export type Mapped = MappedChange | { readonly kind: 'none' } | { readonly kind: 'withheld'; readonly version: Version };

const none: Mapped = { kind: 'none' };

/** True if a path of the source is one of those that the link takes. */
export function isInScope({ from, excludes, includes = [] }: Pick<Scope, 'from' | 'excludes' | 'includes'>, path: FullPath): boolean {
  if (isReserved(path) || !isWithin(path, from)) return false;
  const excluded = deepest(excludes, path);
  return includes.length === 0 ? excluded < 0 : deepest(includes, path) > excluded;
}

/** Length of the longest of these directories that holds `path`; -1 if none does. */
function deepest(directories: readonly FullPath[], path: FullPath): number {
  return directories.reduce((length, directory) => (directory.length > length && isWithin(path, directory) ? directory.length : length), -1);
}

/**
 * Where a path of the source lies in the target; null = nowhere.
 * @throws FilerError RESERVED_PATH, NAME_TOO_LONG if the target may not have such a path
 */
export function mapPath(scope: Scope, path: FullPath): FullPath | null {
  const { from, to } = scope;
  if (!isInScope(scope, path)) return null;
  if (from === to) return path === root ? null : path;
  const mapped = parsePath(`${to}/${from === root ? path.slice(1) : path.slice(from.length + 1)}`);
  if (mapped === root || isReserved(mapped)) return null;
  refuseReserved(mapped);
  return mapped;
}

/** True if a change of the source may go to the target as it stands. */
function isWhole({ from, to, excludes, includes = [], deletes, ttlSec }: Scope): boolean {
  return from === root && to === root && excludes.length === 0 && includes.length === 0 && deletes && ttlSec === 0;
}

const clustersPattern = /"clusters":\[((?:"[^"\\]*",?)*)\](?:,"applied":"[a-z]+")?\}\}$/;

/**
 * What a change of the source becomes. `clusterId` joins the clusters it came through.
 * @throws FilerError as mapPath does
 */
export function mapChange(scope: Scope, change: Change, clusterId: string): Mapped {
  const oldPath = change.oldPath && mapPath(scope, change.oldPath);
  const newPath = change.newPath && mapPath(scope, change.newPath);
  if (oldPath === null && newPath === null) return none;
  if (newPath === null && !scope.deletes) return { kind: 'withheld', version: change.version };
  const isMoved = oldPath !== null && newPath !== null && oldPath !== newPath;
  const isCut = isMoved && !scope.deletes;
  const mapped = { ...change, oldPath: isCut ? null : oldPath, newPath };
  const { version, origin, seq } = change;
  const shown = { kind: 'change', operation: operationOf(mapped), version, isCut, dot: { origin, seq }, paths: pathsOf(change) } as const;
  if (isWhole(scope) && clustersPattern.test(change.text)) {
    const text = change.text.replace(clustersPattern, (_, ids: string) => `"clusters":[${ids}${ids === '' ? '' : ','}"${clusterId}"]}}`);
    return { ...shown, text };
  }
  const isRename = change.oldPath !== null && change.newPath !== null && change.oldPath !== change.newPath;
  // Of a rename that becomes a delete, the old path's.
  const vector: Vector = isRename && newPath === null ? (change.oldVector ?? change.vector) : change.vector;
  const body = {
    ...mapped,
    newEntry: newPath === null ? null : entryFor(scope, change.newEntry as string, newPath),
    vector,
    oldVector: isMoved && !isCut ? change.oldVector : null,
    clusters: [...change.clusters, clusterId],
  };
  return { ...shown, text: encodeChange(body, { oldEntry: null, deleteChunks: false, signatures: [] }) };
}

/**
 * What a row of the source's snapshot becomes.
 * @throws FilerError as mapPath does
 */
export function mapRow(scope: Scope, row: Row, clusterId: string): Mapped {
  const path = mapPath(scope, row.path);
  if (path === null) return none;
  const { version, author, vector, isDirectory } = row;
  if (row.entry === null && !scope.deletes) return { kind: 'withheld', version };
  const states =
    row.entry === null ? { oldPath: path, newPath: null, newEntry: null } : { oldPath: null, newPath: path, newEntry: entryFor(scope, row.entry, path) };
  return { kind: 'change', ...changeOf({ ...states, version, author, isDirectory, vector }, row.dot, clusterId), version, isCut: false, paths: [row.path] };
}

/**
 * Deletes what the target holds and the source has forgotten. The smallest version that does: whatever the source writes there later is greater.
 */
export function deletionOf({ path, version: last, author, vector: seen, dot }: Row, clusterId: string): MappedChange {
  const version = last + 1;
  const state = { oldPath: path, newPath: null, newEntry: null, version, author, isDirectory: false, vector: { ...seen, [author]: version } };
  return { kind: 'change', ...changeOf(state, dot, clusterId), version, isCut: false, paths: [path] };
}

/** A state as the change that would bring it: of which only what a target looks at is set. */
function changeOf(
  state: Pick<Change, 'oldPath' | 'newPath' | 'newEntry' | 'version' | 'author' | 'isDirectory' | 'vector'>,
  dot: Dot | null,
  clusterId: string,
): Pick<MappedChange, 'operation' | 'text' | 'dot'> {
  const { origin, seq } = dot ?? { origin: state.author, seq: 1 };
  const change = { ...state, origin, seq, hash: chainStart, contentHash: '', oldVector: null, clusters: [clusterId], run: '' };
  const text = encodeChange(change, { oldEntry: null, deleteChunks: false, signatures: [] });
  return { operation: operationOf(state), text, dot: { origin, seq } };
}

function entryFor({ ttlSec }: Scope, canonical: string, path: FullPath): string {
  const name = nameOf(path);
  // Most keep their name, and need not be parsed for that.
  if (ttlSec === 0 && canonical.endsWith(`"name":${JSON.stringify(name)}}`)) return canonical;
  const entry = JSON.parse(canonical) as Entry;
  if (ttlSec === 0 && entry.name === name) return canonical;
  const attributes = ttlSec > 0 && !entry.isDirectory ? { ...entry.attributes, ttlSec } : entry.attributes;
  return canonicalJson({ ...entry, name, ...(attributes && { attributes }) });
}
