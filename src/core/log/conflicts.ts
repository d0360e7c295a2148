import { areConcurrent, compareStates, isLive, type Row } from '../change/row.js';
import { vectorIncludes, type Origin } from '../clock/vector.js';
import type { Version } from '../clock/version.js';
import { ancestorsOf, type FullPath } from '../entry/path.js';
import type { ConflictRecord, ConflictType } from '../store/store.js';

/* Which states were overruled by one that had not seen them. Pure; nothing here changes who wins. */

/** Of a deletion of which nothing is known any more. */
const unknownAuthor = '0'.repeat(16);

function typeOf(local: Row, incoming: Row, isRename: boolean): ConflictType | null {
  if (isLive(local) && isLive(incoming)) {
    if (local.isDirectory && incoming.isDirectory) return null;
    return local.isDirectory === incoming.isDirectory ? 'update/update' : 'file/directory';
  }
  if (isLive(local) || isLive(incoming)) return 'update/delete';
  return isRename ? 'rename/rename' : null;
}

function record(path: Row['path'], type: ConflictType, winner: Row, loser: Row, seenAt: Version, seenBy: Origin): ConflictRecord {
  return { path, type, winner: { dot: winner.dot, version: winner.version, author: winner.author, deleted: !isLive(winner) }, loser, seenAt, seenBy };
}

/** The ledger row for `incoming` (of a rename or not) meeting `local`, if the two are concurrent and one of them is overruled. */
export function overruled(local: Row | null, incoming: Row, isRename: boolean, seenAt: Version, seenBy: Origin): ConflictRecord | null {
  if (local === null || !areConcurrent(local, incoming)) return null;
  const order = compareStates(incoming, local);
  const type = order === 0 ? null : typeOf(local, incoming, isRename);
  if (type === null) return null;
  const [winner, loser] = order > 0 ? [incoming, local] : [local, incoming];
  return record(incoming.path, type, winner, loser, seenAt, seenBy);
}

/**
 * The ledger row for `loser`, which a rejoin leaves aside for `winner` whichever of the two is greater, if they are concurrent.
 * `standsAs` is what stands for the winner now: the new change it was written as.
 */
export function leftAside(winner: Row, loser: Row, standsAs: Row, seenAt: Version, seenBy: Origin): ConflictRecord | null {
  const type = areConcurrent(winner, loser) && compareStates(winner, loser) !== 0 ? typeOf(winner, loser, false) : null;
  return type === null ? null : record(loser.path, type, standsAs, loser, seenAt, seenBy);
}

/**
 * The ledger row for a state that is not brought back, since the others may have deleted it and forgotten that: the winner is any deletion
 * up to `floor`. Null for a deletion.
 */
export function leftToForgotten(loser: Row, floor: Version, seenAt: Version, seenBy: Origin): ConflictRecord | null {
  if (!isLive(loser)) return null;
  const winner = { dot: null, version: floor, author: unknownAuthor, deleted: true };
  return { path: loser.path, type: 'update/delete', winner, loser, seenAt, seenBy };
}

/**
 * The ledger row for a live row that now stands below a directory which was deleted without having seen it; of several, the nearest.
 * Nothing is overruled: the tree shows the directory as implied. `rowAt` tells what stands at a path above it.
 */
export function childOfDeleted(standing: Row, rowAt: (path: FullPath) => Row | null, seenAt: Version, seenBy: Origin): ConflictRecord | null {
  for (const path of ancestorsOf(standing.path)) {
    const above = rowAt(path);
    if (above === null || isLive(above) || vectorIncludes(above.vector, standing.author, standing.version)) continue;
    return record(standing.path, 'child-of-deleted', standing, above, seenAt, seenBy);
  }
  return null;
}

/** The reverse: a directory was deleted while something live that the delete had not seen lies below it. */
export function deletedAboveLive(tombstone: Row, before: Row | null, seenAt: Version, seenBy: Origin): ConflictRecord | null {
  return isLive(before) ? record(tombstone.path, 'child-of-deleted', tombstone, before, seenAt, seenBy) : null;
}
