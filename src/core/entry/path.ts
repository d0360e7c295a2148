import { FilerError } from '../errors.js';

/** An absolute, normalised path: `/` or `/a/b`, without empty, `.` or `..` components. Made only by this file. */
export type FullPath = string & { readonly fullPath: unique symbol };

export const root = '/' as FullPath;

/** Where kelp keeps its own entries. They replicate like others, are not listed, and clients may not write them. */
export const reservedDirectory = '/.filer' as FullPath;

/** Bytes of UTF-8 in one name (the same as most file systems). */
export const nameBytesMax = 255;
/** Bytes of UTF-8 in a whole path. */
export const pathBytesMax = 4096;

/** First components that name something else on a filer's port. */
const reservedNames = new Set(['healthz', 'readyz', 'metrics', '.filer']);

// eslint-disable-next-line no-control-regex -- NUL is exactly what must be found
const nul = /\u0000/;

function checkName(name: string): void {
  if (name === '.' || name === '..') throw new FilerError('PATH_INVALID', `a path may not hold the component "${name}"; name the entry itself`);
  if (nul.test(name)) throw new FilerError('PATH_INVALID', 'a path may not hold a NUL byte');
  if (!name.isWellFormed()) throw new FilerError('PATH_INVALID', 'a path must be valid Unicode (it holds half a surrogate pair)');
  // A UTF-16 unit is at most three bytes, so short names need no count.
  if (name.length > nameBytesMax / 3 && Buffer.byteLength(name) > nameBytesMax)
    throw new FilerError('NAME_TOO_LONG', `a name may have at most ${nameBytesMax} bytes`);
}

function checkLength(path: FullPath): FullPath {
  if (path.length > pathBytesMax / 3 && Buffer.byteLength(path) > pathBytesMax)
    throw new FilerError('NAME_TOO_LONG', `a path may have at most ${pathBytesMax} bytes`);
  return path;
}

/**
 * Checks and normalises an already decoded path. Empty components are dropped (`/a//b/` is `/a/b`).
 * @throws FilerError PATH_INVALID, NAME_TOO_LONG
 */
export function parsePath(text: string): FullPath {
  if (!text.startsWith('/')) throw new FilerError('PATH_INVALID', `a path must start with "/": "${text.slice(0, 80)}"`);
  const names = text.split('/').filter((name) => name !== '');
  for (const name of names) checkName(name);
  const path = `/${names.join('/')}`;
  if (path.length > pathBytesMax / 3 && Buffer.byteLength(path) > pathBytesMax)
    throw new FilerError('NAME_TOO_LONG', `a path may have at most ${pathBytesMax} bytes`);
  return path as FullPath;
}

/**
 * Checks and decodes the path of a request target, percent escapes and all.
 * @throws FilerError PATH_INVALID, NAME_TOO_LONG
 */
export function parseUrlPath(encoded: string): FullPath {
  if (!encoded.startsWith('/')) throw new FilerError('PATH_INVALID', 'a path must start with "/"');
  if (/%2f/i.test(encoded)) throw new FilerError('PATH_INVALID', 'a name may not hold an encoded slash (%2F)');
  let decoded: string;
  try {
    decoded = decodeURIComponent(encoded);
  } catch {
    throw new FilerError('PATH_INVALID', 'the path is not valid percent-encoded UTF-8');
  }
  return parsePath(decoded);
}

/** The path as it stands in a URL. */
export function encodeUrlPath(path: FullPath): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

/**
 * Joins a directory and one name as they stand in a change.
 * @throws FilerError PATH_INVALID, NAME_TOO_LONG if the name is empty, holds a slash or breaks a rule of paths
 */
export function joinPath(directory: FullPath, name: string): FullPath {
  if (name === '' || name.includes('/')) throw new FilerError('PATH_INVALID', `"${name.slice(0, 80)}" is not one name`);
  checkName(name);
  return checkLength(childPath(directory, name));
}

/** `joinPath` for a name that is known to be good. */
export function childPath(directory: FullPath, name: string): FullPath {
  return (directory === '/' ? `/${name}` : `${directory}/${name}`) as FullPath;
}

/** The directory that holds `path`; the root holds itself. */
export function parentOf(path: FullPath): FullPath {
  const slash = path.lastIndexOf('/');
  return (slash <= 0 ? '/' : path.slice(0, slash)) as FullPath;
}

/** The last component; empty for the root. */
export function nameOf(path: FullPath): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Every directory above `path`, nearest first, without the root. */
export function ancestorsOf(path: FullPath): FullPath[] {
  const above: FullPath[] = [];
  for (let up = parentOf(path); up !== root; up = parentOf(up)) above.push(up);
  return above;
}

/** True if `path` is `top` or lies below it, by whole components. */
export function isWithin(path: FullPath, top: FullPath): boolean {
  return top === '/' || path === top || (path.startsWith(top) && path.charCodeAt(top.length) === 47);
}

/**
 * `path`, moved from below `from` to below `to`.
 * @throws FilerError NAME_TOO_LONG
 */
export function rebase(path: FullPath, from: FullPath, to: FullPath): FullPath {
  return checkLength((to + path.slice(from.length)) as FullPath);
}

/** True for kelp's own entries, which are not listed and never cross clusters. */
export function isReserved(path: FullPath): boolean {
  return isWithin(path, reservedDirectory);
}

/**
 * Refuses what a client may not create, change or delete: kelp's own entries, and names that mean something else here.
 * @throws FilerError RESERVED_PATH
 */
export function refuseReserved(path: FullPath): void {
  const first = path.split('/', 2)[1] ?? '';
  if (reservedNames.has(first)) throw new FilerError('RESERVED_PATH', `/${first} is not part of the tree; choose another name`);
}

/** Order of names and paths as bytes of UTF-8: JavaScript compares UTF-16 units, which differs above U+FFFF. */
export function compareBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    // Surrogates stand for code points above every other unit.
    const xs = x >= 0xd800 && x <= 0xdfff;
    const ys = y >= 0xd800 && y <= 0xdfff;
    return xs !== ys ? (xs ? 1 : -1) : x - y;
  }
  return a.length - b.length;
}
