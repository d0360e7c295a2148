import { isWithin, type FullPath } from '../entry/path.js';

/** A directory, and how many entries it is with all that is in it. */
export interface Subtree {
  readonly path: FullPath;
  readonly entries: number;
}

/** Which of the copied entries are changed afterwards, on which filer; no path is in two parts. */
export interface Plan {
  /** Files that filer 2 writes anew. */
  readonly overwritten: readonly FullPath[];
  /** Directory that filer 2 deletes with all that is in it; null if there is none to spare. */
  readonly removed: Subtree | null;
  /** Directory that filer 3 renames; null if there is none. */
  readonly renamed: Subtree | null;
  /** Files that filer 3 deletes. */
  readonly deleted: readonly FullPath[];
}

const filesMax = 100;
/** Entries in a directory that is renamed or deleted: one transaction, and most of the tree should be left. */
const subtreeMax = 2000;

/** Chooses what to change of a tree, the same for the same tree. `directories` are without the top one. */
export function planChanges(directories: readonly FullPath[], files: readonly FullPath[]): Plan {
  const sizes = new Map(directories.map((directory) => [directory, 1]));
  for (const path of [...directories, ...files]) {
    for (let up = above(path); sizes.has(up); up = above(up)) sizes.set(up, (sizes.get(up) ?? 0) + 1);
  }
  const most = Math.min(subtreeMax, Math.ceil((directories.length + files.length) / 2));
  const subtrees = [...sizes].map(([path, entries]) => ({ path, entries })).filter(({ entries }) => entries <= most);
  subtrees.sort((a, b) => b.entries - a.entries || (a.path < b.path ? -1 : 1));

  const [renamed = null] = subtrees;
  const [removed = null] = subtrees.filter(({ path }) => renamed && !isWithin(path, renamed.path) && !isWithin(renamed.path, path));
  const isTaken = (path: FullPath): boolean => [renamed, removed].some((subtree) => subtree !== null && isWithin(path, subtree.path));
  const chosen = spread(
    files.filter((path) => !isTaken(path)),
    2 * filesMax,
  );
  return {
    renamed,
    removed,
    overwritten: chosen.filter((_, index) => index % 2 === 0),
    deleted: chosen.filter((_, index) => index % 2 === 1),
  };
}

function above(path: FullPath): FullPath {
  return path.slice(0, path.lastIndexOf('/')) as FullPath;
}

/** Up to `count` of `items`, evenly. */
function spread<T>(items: readonly T[], count: number): T[] {
  const every = Math.max(1, items.length / count);
  return Array.from({ length: Math.min(count, items.length) }, (_, index) => items[Math.floor(index * every)] as T);
}
