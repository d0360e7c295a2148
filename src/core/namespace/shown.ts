import { isLive, type Row } from '../change/row.js';
import type { Version } from '../clock/version.js';
import { directoryBit, type Entry } from '../entry/entry.js';
import { expiryOfRow } from '../entry/expiry.js';
import { nameOf, root, type FullPath } from '../entry/path.js';
import type { Shown, View } from '../log/view.js';

/* How the tree shows rows (DESIGN: the tree is a view; TTL). Pure. */

/** One path as the tree shows it. */
export interface Found {
  readonly path: FullPath;
  readonly isDirectory: boolean;
  /** The entry; null for a directory that is only implied by what lies below it. */
  readonly entry: Entry | null;
  /** The live row, a hidden file's too; null for the root and for what is only implied, tombstone or not. */
  readonly row: Row | null;
  /** Names a directory holds, expired files included. */
  readonly children: number;
}

export const entryOf = (row: Row & { readonly entry: string }): Entry => JSON.parse(row.entry) as Entry;

/** True for a file whose time is up at `now`: it is shown nowhere, and is in nobody's way. */
export function isExpired(row: Row | null, now: Version): boolean {
  const expires = row === null ? null : expiryOfRow(row);
  return expires !== null && expires <= now;
}

/** What a decision sees of the tree at `now`: no file whose time is up. A directory that holds nothing else still counts it. */
export function currentView(view: View, now: Version): View {
  const row = (path: FullPath): Row | null => {
    const found = view.row(path);
    return isExpired(found, now) ? null : found;
  };
  const shown = (path: FullPath): Shown => {
    if (path === root) return 'directory';
    const own = row(path);
    if (view.children(path) > 0 || (isLive(own) && own.isDirectory)) return 'directory';
    return isLive(own) ? 'file' : 'absent';
  };
  return { row, shown, children: (path) => view.children(path) };
}

export function foundIn(view: View, path: FullPath): Found | null {
  return shownAs(path, view.row(path), view.children(path));
}

/** Null if nothing is there. The root always is. */
export function shownAs(path: FullPath, row: Row | null, children: number): Found | null {
  const live = isLive(row);
  if (path === root)
    return { path, isDirectory: true, entry: { name: '', isDirectory: true, attributes: { fileMode: (directoryBit | 0o777) >>> 0 } }, row: null, children };
  if (!live && children === 0) return null;
  // Something live below: a directory, even if the row is a file of its own, which is then hidden.
  const isDirectory = children > 0 || (live && row.isDirectory);
  const entry = live && row.isDirectory === isDirectory ? entryOf(row) : null;
  return { path, isDirectory, entry: entry ? { ...entry, name: nameOf(path) } : null, row: live ? row : null, children };
}
