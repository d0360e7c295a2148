import { FilerError } from '../errors.js';
import type { Mutation, View } from '../log/draft.js';
import { isLive, type Row } from '../change/row.js';
import { directoryBit, parentMode, type Attributes, type Entry } from '../entry/entry.js';
import { ancestorsOf, isWithin, root, type FullPath } from '../entry/path.js';

/*
 * What a request does to the tree, as changes: pure, from the view and the request. Each function checks the view
 * first and throws before anything is issued, so a refused request changes nothing.
 */

/** When something is done, as attributes keep it. */
export interface Stamp {
  /** Seconds since 1970. */
  readonly seconds: number;
  /** The rest, nanoseconds. */
  readonly nanos: number;
}

/** What a client says of a file; what it leaves out is kept from the entry that is there, or takes its default. */
export interface FileSpec {
  /** Permission bits; undefined = as it was, or the default. */
  readonly mode?: number;
  readonly mime?: string;
  readonly ttlSec?: number;
  /** Base64 values. */
  readonly extended?: Readonly<Record<string, string>>;
  readonly chunks?: Entry['chunks'];
  /** Bytes of content, base64. */
  readonly content: string;
  readonly size: number;
  /** MD5 of the content, base64. */
  readonly md5: string;
}

export const entryOf = (row: Row & { readonly entry: string }): Entry => JSON.parse(row.entry) as Entry;

function stampMtime(stamp: Stamp): Attributes {
  return { mtime: String(stamp.seconds), mtimeNs: stamp.nanos, ctime: String(stamp.seconds), ctimeNs: stamp.nanos };
}

function directoryEntry(mode: number, stamp: Stamp, ttlSec = 0): Entry {
  return { name: '', isDirectory: true, attributes: { ...stampMtime(stamp), crtime: String(stamp.seconds), fileMode: (directoryBit | mode) >>> 0, ttlSec } };
}

/** Refuses a path below a file, and makes the directories that are missing above it, topmost first. */
function missingParents(view: View, path: FullPath, mode: number, stamp: Stamp): Mutation[] {
  const above = ancestorsOf(path).reverse();
  const file = above.find((directory) => view.shown(directory) === 'file');
  if (file !== undefined) throw new FilerError('PARENT_IS_FILE', `${file} is a file; nothing can be put below it`, { path: file });
  return above
    .filter((directory) => !isLive(view.row(directory)))
    .map((directory) => ({ kind: 'put', path: directory, entry: directoryEntry(parentMode(mode), stamp) }));
}

/**
 * Writes a file, whether it exists or not; crtime survives.
 * @throws FilerError IS_A_DIRECTORY, PARENT_IS_FILE
 */
export function putFile(view: View, path: FullPath, spec: FileSpec, stamp: Stamp, modeDefault: number): Mutation[] {
  if (view.shown(path) === 'directory') throw new FilerError('IS_A_DIRECTORY', `${path} is a directory; put the file into it, or delete it first`, { path });
  const row = view.row(path);
  const before = isLive(row) ? entryOf(row) : null;
  const mode = spec.mode ?? before?.attributes?.fileMode ?? modeDefault;
  const entry: Entry = {
    name: '',
    isDirectory: false,
    // Written out: what follows a spread is added field by field, and this is made for every write.
    attributes: {
      mtime: String(stamp.seconds),
      mtimeNs: stamp.nanos,
      ctime: String(stamp.seconds),
      ctimeNs: stamp.nanos,
      crtime: before?.attributes?.crtime ?? String(stamp.seconds),
      crtimeNs: before?.attributes?.crtimeNs,
      fileMode: mode,
      fileSize: String(spec.size),
      mime: spec.mime,
      md5: spec.md5,
      ttlSec: spec.ttlSec ?? 0,
    },
    extended: spec.extended ? { ...spec.extended } : undefined,
    chunks: spec.chunks,
    content: spec.content,
  };
  return [...missingParents(view, path, mode & 0o777, stamp), { kind: 'put', path, entry }];
}

/**
 * Makes a directory. One that is only implied gets a row of its own.
 * @throws FilerError ENTRY_EXISTS, PARENT_IS_FILE
 */
export function makeDirectory(view: View, path: FullPath, mode: number, ttlSec: number, stamp: Stamp): Mutation[] {
  const row = view.row(path);
  const isImplied = path !== root && view.children(path) > 0 && !(isLive(row) && row.isDirectory);
  if (view.shown(path) !== 'absent' && !isImplied) throw new FilerError('ENTRY_EXISTS', `${path} exists already`, { path });
  return [...missingParents(view, path, mode & 0o777, stamp), { kind: 'put', path, entry: directoryEntry(mode, stamp, ttlSec) }];
}

/**
 * Deletes one path without anything below it. Nothing to do is no change.
 * @throws FilerError DIRECTORY_NOT_EMPTY
 */
export function removeOne(view: View, path: FullPath): Mutation[] {
  if (view.children(path) > 0) throw new FilerError('DIRECTORY_NOT_EMPTY', `${path} is not empty; delete with recursive=true`, { path });
  return isLive(view.row(path)) ? [{ kind: 'delete', path }] : [];
}

/**
 * Checks a move and makes the parents of its target.
 * @throws FilerError PARAMETER_INVALID (missing source, into itself, a directory over a file), IS_A_DIRECTORY, DIRECTORY_NOT_EMPTY, PARENT_IS_FILE
 */
export function prepareMove(view: View, from: FullPath, to: FullPath, stamp: Stamp): Mutation[] {
  const source = view.shown(from);
  const target = view.shown(to);
  if (source === 'absent') throw new FilerError('PARAMETER_INVALID', `mv.from: ${from} does not exist`, { path: from });
  if (from === root || to === root) throw new FilerError('PATH_INVALID', 'the root cannot be moved or replaced');
  if (isWithin(to, from)) throw new FilerError('PARAMETER_INVALID', `mv.from: ${from} cannot be moved into itself`, { path: to });
  if (source === 'file' && target === 'directory')
    throw new FilerError('IS_A_DIRECTORY', `${to} is a directory; end the target with "/" to move into it`, { path: to });
  if (source === 'directory' && target === 'file')
    throw new FilerError('PARAMETER_INVALID', `mv.from: ${from} is a directory and ${to} is a file; delete it first`, { path: to });
  if (source === 'directory' && view.children(to) > 0)
    throw new FilerError('DIRECTORY_NOT_EMPTY', `${to} is not empty; move into it, or delete it first`, { path: to });
  const row = view.row(from);
  return missingParents(view, to, isLive(row) ? (entryOf(row).attributes?.fileMode ?? 0o755) & 0o777 : 0o755, stamp);
}

/** The rename of one live row. */
export function moveOne(row: Row & { readonly entry: string }, to: FullPath): Mutation {
  return { kind: 'rename', from: row.path, to, entry: entryOf(row) };
}
