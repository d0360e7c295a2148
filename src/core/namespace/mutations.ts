import { hash } from 'node:crypto';
import { limits } from '../config/limits.js';
import { FilerError } from '../errors.js';
import type { Mutation } from '../log/own-change.js';
import type { View } from '../log/view.js';
import { isLive, type Row } from '../change/row.js';
import type { Version } from '../clock/version.js';
import { directoryBit, fileModeDefault, parentMode, type Attributes, type Entry } from '../entry/entry.js';
import { expiryOf } from '../entry/expiry.js';
import { ancestorsOf, isWithin, root, type FullPath } from '../entry/path.js';
import { entryOf } from './shown.js';
import type { LiveRow } from './subtree.js';

/*
 * What a request does to the tree, as changes: pure, from the view and the request. Each function checks the view
 * first and throws before anything is issued, so a refused request changes nothing.
 */

/** A time as attributes keep it. */
export interface Moment {
  /** Seconds since 1970. */
  readonly seconds: number;
  /** The rest, nanoseconds. */
  readonly nanos: number;
}

/** When something is done. */
export interface Stamp extends Moment {
  /** The version clock: files expire by it, so their time to live counts from it. */
  readonly now: Version;
}

/** What a client says of a file; what it leaves out is kept from the entry that is there, or takes its default. */
export interface FileSpec {
  /** Permission bits; undefined = as it was, or the default. */
  readonly mode?: number;
  /** Undefined = now. */
  readonly mtime?: Moment;
  readonly mime?: string;
  /** Seconds; undefined = for ever, or as it was if content is appended. */
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

/** Extended attributes as they are to as they shall be. */
export type TagEdit = (extended: Readonly<Record<string, string>>) => Record<string, string>;

function stampMtime(stamp: Stamp, mtime: Moment = stamp): Attributes {
  return { mtime: String(mtime.seconds), mtimeNs: mtime.nanos, ctime: String(stamp.seconds), ctimeNs: stamp.nanos };
}

/** When an entry is made; what expires is made by the version clock. */
function stampCrtime(stamp: Stamp, ttlSec: number): Pick<Attributes, 'crtime' | 'crtimeNs'> {
  if (ttlSec === 0) return { crtime: String(stamp.seconds), crtimeNs: undefined };
  return { crtime: String(Math.floor(stamp.now / 1_000_000)), crtimeNs: (stamp.now % 1_000_000) * 1000 };
}

function directoryEntry(mode: number, stamp: Stamp, mtime?: Moment): Entry {
  return { name: '', isDirectory: true, attributes: { ...stampMtime(stamp, mtime), crtime: String(stamp.seconds), fileMode: (directoryBit | mode) >>> 0 } };
}

function liveEntry(view: View, path: FullPath): Entry | null {
  const row = view.row(path);
  return isLive(row) ? entryOf(row) : null;
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

/** A file that would be gone at once is no file: its writer should hear of it. */
function refuseStillborn(path: FullPath, attributes: Attributes, stamp: Stamp): void {
  const expires = expiryOf(attributes);
  if (expires !== null && expires <= stamp.now)
    throw new FilerError('PARAMETER_INVALID', `ttl: ${path} was created more than ${attributes.ttlSec} s ago and would expire at once; delete it first`, {
      path,
    });
}

function bytesOf(extended: Readonly<Record<string, string>>): number {
  return Object.entries(extended).reduce((bytes, [name, value]) => bytes + name.length + value.length, 0);
}

/** What came from elsewhere may be larger, and may shrink. */
function refuseLarge(path: FullPath, extended: Readonly<Record<string, string>>, before: Readonly<Record<string, string>>): void {
  const bytes = bytesOf(extended);
  if (bytes > limits.extendedBytesMax && bytes > bytesOf(before)) {
    throw new FilerError(
      'BODY_TOO_LARGE',
      `the tags and kept headers of ${path} would have ${bytes} bytes, at most ${limits.extendedBytesMax}; remove some first`,
      {
        limit: limits.extendedBytesMax,
      },
    );
  }
}

function refuseDirectory(view: View, path: FullPath): void {
  if (view.shown(path) === 'directory') throw new FilerError('IS_A_DIRECTORY', `${path} is a directory; put the file into it, or delete it first`, { path });
}

/** The change that writes a file, with those that make its parents before it. */
function putEntry(view: View, path: FullPath, entry: Entry, stamp: Stamp): Mutation[] {
  const { attributes = {}, extended } = entry;
  if (extended) refuseLarge(path, extended, {});
  if (attributes.ttlSec) refuseStillborn(path, attributes, stamp);
  return [...missingParents(view, path, (attributes.fileMode ?? fileModeDefault) & 0o777, stamp), { kind: 'put', path, entry }];
}

/**
 * Writes a file, whether it exists or not; crtime survives.
 * @throws FilerError IS_A_DIRECTORY, PARENT_IS_FILE; PARAMETER_INVALID if it would expire at once
 */
export function putFile(view: View, path: FullPath, spec: FileSpec, stamp: Stamp, modeDefault: number): Mutation[] {
  refuseDirectory(view, path);
  const before = liveEntry(view, path)?.attributes;
  const ttlSec = spec.ttlSec ?? 0;
  const born = before ?? stampCrtime(stamp, ttlSec);
  const entry: Entry = {
    // Written out, and in the order of the canonical form: this is made for every write, and need not be sorted then.
    attributes: {
      crtime: born.crtime ?? String(stamp.seconds),
      crtimeNs: born.crtimeNs,
      ctime: String(stamp.seconds),
      ctimeNs: stamp.nanos,
      fileMode: spec.mode ?? before?.fileMode ?? modeDefault,
      fileSize: String(spec.size),
      md5: spec.md5,
      mime: spec.mime,
      mtime: String((spec.mtime ?? stamp).seconds),
      mtimeNs: (spec.mtime ?? stamp).nanos,
      ttlSec,
    },
    chunks: spec.chunks,
    content: spec.content,
    extended: spec.extended ? { ...spec.extended } : undefined,
    isDirectory: false,
    name: '',
  };
  return putEntry(view, path, entry, stamp);
}

/**
 * Puts content at the end of a file; one that is not there is made. What the request does not say stays as it is.
 * @throws FilerError as putFile does; CONTENT_NOT_HERE if the content is in chunks; BODY_TOO_LARGE if the whole has more than `bytesMax`
 */
export function appendToFile(view: View, path: FullPath, spec: FileSpec, stamp: Stamp, modeDefault: number, bytesMax: number): Mutation[] {
  refuseDirectory(view, path);
  const before = liveEntry(view, path);
  if (before === null) return putFile(view, path, spec, stamp, modeDefault);
  refuseChunks(path, before, 'appended to');
  const content = Buffer.concat([Buffer.from(before.content ?? '', 'base64'), Buffer.from(spec.content, 'base64')]);
  if (content.length > bytesMax) {
    throw new FilerError('BODY_TOO_LARGE', `${path} would have ${content.length} bytes, a file may have at most ${bytesMax} here; raise --saveToFilerLimit`, {
      limit: bytesMax,
    });
  }
  const attributes: Attributes = {
    ...before.attributes,
    ...stampMtime(stamp, spec.mtime),
    fileSize: String(content.length),
    md5: hash('md5', content, 'base64'),
    fileMode: spec.mode ?? before.attributes?.fileMode,
    mime: before.attributes?.mime ?? spec.mime,
    ttlSec: spec.ttlSec ?? before.attributes?.ttlSec,
  };
  return putEntry(view, path, { ...before, attributes, extended: { ...before.extended, ...spec.extended }, content: content.toString('base64') }, stamp);
}

/**
 * Edits the extended attributes of what is at `path`; nothing to edit is no change.
 * @throws FilerError ENTRY_NOT_FOUND, PATH_INVALID for the root, ENTRY_EXISTS if a hidden file is in the way
 */
export function editTags(view: View, path: FullPath, edit: TagEdit, stamp: Stamp): Mutation[] {
  if (path === root) throw new FilerError('PATH_INVALID', 'the root takes no tags; tag what is in it');
  const shown = view.shown(path);
  if (shown === 'absent') throw new FilerError('ENTRY_NOT_FOUND', `${path} does not exist`, { path });
  const own = liveEntry(view, path);
  if (own !== null && shown === 'directory' && !own.isDirectory)
    throw new FilerError('ENTRY_EXISTS', `${path} is shown as a directory and is a hidden file too; make the directory first, or move what is below it`, {
      path,
    });
  const entry = own ?? directoryEntry(parentMode(fileModeDefault), stamp);
  const before = entry.extended ?? {};
  const extended = edit(before);
  const names = Object.keys(extended);
  if (names.length === Object.keys(before).length && names.every((name) => extended[name] === before[name])) return [];
  refuseLarge(path, extended, before);
  const ctime = { ctime: String(stamp.seconds), ctimeNs: stamp.nanos };
  const put: Mutation = { kind: 'put', path, entry: { ...entry, attributes: { ...entry.attributes, ...ctime }, extended } };
  // An implied directory gets its row by this, and so do those above it.
  return own === null ? [...missingParents(view, path, fileModeDefault, stamp), put] : [put];
}

/**
 * Makes a directory. One that is only implied gets a row of its own.
 * @throws FilerError ENTRY_EXISTS, PARENT_IS_FILE
 */
export function makeDirectory(view: View, path: FullPath, mode: number, stamp: Stamp, mtime?: Moment): Mutation[] {
  const row = view.row(path);
  const isImplied = path !== root && view.children(path) > 0 && !(isLive(row) && row.isDirectory);
  if (view.shown(path) !== 'absent' && !isImplied) throw new FilerError('ENTRY_EXISTS', `${path} exists already`, { path });
  return [...missingParents(view, path, mode & 0o777, stamp), { kind: 'put', path, entry: directoryEntry(mode, stamp, mtime) }];
}

/**
 * Deletes one path without anything below it. Nothing to do is no change.
 * @throws FilerError DIRECTORY_NOT_EMPTY
 */
export function removeOne(view: View, path: FullPath): Mutation[] {
  if (view.children(path) > 0) throw new FilerError('DIRECTORY_NOT_EMPTY', `${path} is not empty; delete with recursive=true`, { path });
  return isLive(view.row(path)) ? [{ kind: 'delete', path }] : [];
}

/** From one path to another: `mv.from` takes the source away, `cp.from` leaves it. */
export interface Transfer {
  readonly parameter: 'mv.from' | 'cp.from';
  readonly from: FullPath;
  readonly to: FullPath;
  /** False: refuses a target that exists. */
  readonly overwrite: boolean;
}

/**
 * Brings a state back that was overruled: its entry is written again, or what stands there is deleted again.
 * @throws FilerError IS_A_DIRECTORY, ENTRY_EXISTS (a file where a directory was), PARENT_IS_FILE, DIRECTORY_NOT_EMPTY
 */
export function restoreState(view: View, state: Row, stamp: Stamp): Mutation[] {
  const { path } = state;
  if (!isLive(state)) return removeOne(view, path);
  const entry = entryOf(state);
  refuseOtherKind(view, path, entry);
  return [...missingParents(view, path, (entry.attributes?.fileMode ?? 0o755) & 0o777, stamp), { kind: 'put', path, entry }];
}

/**
 * Writes an entry as it is, over whatever of its kind is there.
 * @throws FilerError as restoreState does; PATH_INVALID for the root, BODY_TOO_LARGE; PARAMETER_INVALID if it would expire at once
 */
export function putWhole(view: View, path: FullPath, entry: Entry, stamp: Stamp): Mutation[] {
  if (path === root) throw new FilerError('PATH_INVALID', 'the root has no entry of its own; write what is in it');
  refuseOtherKind(view, path, entry);
  return putEntry(view, path, entry, stamp);
}

/** Refuses a file where a directory is shown, and the reverse. */
function refuseOtherKind(view: View, path: FullPath, { isDirectory }: Entry): void {
  const shown = view.shown(path);
  if (!isDirectory && shown === 'directory') throw new FilerError('IS_A_DIRECTORY', `${path} is a directory now; move it away, then write the file`, { path });
  if (isDirectory && shown === 'file') throw new FilerError('ENTRY_EXISTS', `${path} is a file now; move it away, then write the directory`, { path });
}

/**
 * Checks a move or a copy and makes the parents of its target.
 * @throws FilerError PARAMETER_INVALID (missing source, into itself, a directory over a file), IS_A_DIRECTORY, DIRECTORY_NOT_EMPTY, ENTRY_EXISTS, PARENT_IS_FILE
 */
export function prepareTransfer(view: View, { parameter, from, to, overwrite }: Transfer, stamp: Stamp): Mutation[] {
  const source = view.shown(from);
  const target = view.shown(to);
  const done = parameter === 'mv.from' ? 'moved' : 'copied';
  if (source === 'absent') throw new FilerError('PARAMETER_INVALID', `${parameter}: ${from} does not exist`, { path: from });
  if (from === root || to === root) throw new FilerError('PATH_INVALID', `the root cannot be ${done} or replaced`);
  if (isWithin(to, from)) throw new FilerError('PARAMETER_INVALID', `${parameter}: ${from} cannot be ${done} into itself`, { path: to });
  if (target !== 'absent' && !overwrite) throw new FilerError('ENTRY_EXISTS', `${to} exists already; say overwrite=true to replace it`, { path: to });
  if (source === 'file' && target === 'directory')
    throw new FilerError('IS_A_DIRECTORY', `${to} is a directory; end the target with "/" to put it there`, { path: to });
  if (source === 'directory' && target === 'file')
    throw new FilerError('PARAMETER_INVALID', `${parameter}: ${from} is a directory and ${to} is a file; delete it first`, { path: to });
  if (source === 'directory' && view.children(to) > 0)
    throw new FilerError('DIRECTORY_NOT_EMPTY', `${to} is not empty; end the target with "/" to put it there, or delete it first`, { path: to });
  return missingParents(view, to, (liveEntry(view, from)?.attributes?.fileMode ?? 0o755) & 0o777, stamp);
}

/** The rename of one live row. */
export function moveOne(row: LiveRow, to: FullPath): Mutation {
  return { kind: 'rename', from: row.path, to, entry: entryOf(row) };
}

/**
 * The copy of one live row: a new entry with the times of now; over an existing one crtime survives.
 * @throws FilerError CONTENT_NOT_HERE if its content is in chunks; PARAMETER_INVALID if it would expire at once
 */
export function copyOne(view: View, row: LiveRow, to: FullPath, stamp: Stamp): Mutation {
  // Two names of one hard link share their attributes; a copy is a file of its own.
  const { hardLinkId: _id, hardLinkCounter: _counter, ...source } = entryOf(row);
  refuseChunks(row.path, source, 'copied');
  const before = liveEntry(view, to)?.attributes;
  const { crtime, crtimeNs } = before ?? stampCrtime(stamp, source.attributes?.ttlSec ?? 0);
  const attributes: Attributes = { ...source.attributes, ...stampMtime(stamp), crtime, crtimeNs };
  if (!source.isDirectory && attributes.ttlSec) refuseStillborn(to, attributes, stamp);
  return { kind: 'put', path: to, entry: { ...source, attributes } };
}

/** kelp carries references to content elsewhere; a second entry with the same ones would lose it with the first. */
function refuseChunks(path: FullPath, entry: Entry, done: string): void {
  if (entry.chunks && entry.chunks.length > 0)
    throw new FilerError('CONTENT_NOT_HERE', `the content of ${path} is in chunks that kelp does not keep; it cannot be ${done} here`, { path });
}
