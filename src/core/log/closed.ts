import { isOrigin, type Dot, type Origin } from '../clock/vector.js';
import { childPath, nameOf, parentOf, reservedDirectory, type FullPath } from '../entry/path.js';
import { isLive } from '../change/row.js';
import type { StoreReader } from '../store/store.js';

/* Closed origins (DESIGN: Closing): each is one replicated entry, `/.filer/closed/ORIGIN`. */

const directory = childPath(reservedDirectory, 'closed');

/** Closed origins, each with the dot of the row that says so; null = that row has none at the moment. */
export type ClosedOrigins = ReadonlyMap<Origin, Dot | null>;

export function closingPath(origin: Origin): FullPath {
  return childPath(directory, origin);
}

/** The origin that an entry at `path` closes; null if it closes none. */
export function closedBy(path: FullPath): Origin | null {
  if (!path.startsWith(directory) || parentOf(path) !== directory) return null;
  const name = nameOf(path);
  return isOrigin(name) ? name : null;
}

const page = { limit: 1000, bytesMax: 1024 * 1024 };

/** All closed origins of a store. */
export async function readClosed(store: Pick<StoreReader, 'list'>): Promise<ClosedOrigins> {
  const closed = new Map<Origin, Dot | null>();
  for (let after = ''; ;) {
    const { names, more } = await store.list(directory, { after, ...page });
    for (const { name, row } of names) if (isOrigin(name) && isLive(row)) closed.set(name, row.dot);
    after = names.at(-1)?.name ?? '';
    if (!more || after === '') return closed;
  }
}
