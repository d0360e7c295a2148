import { isLive, type Row } from '../../../src/core/change/row.js';
import type { Entry } from '../../../src/core/entry/entry.js';
import { isReserved } from '../../../src/core/entry/path.js';
import { isInScope, mapPath, type Scope } from '../../../src/core/sync/scope.js';
import { fingerprint } from '../model.js';
import type { SimFiler } from '../sim-filer.js';

/** What may differ all the same. */
export interface Excuse {
  /** Nothing comes back: of what is deleted in the target, and the tombstone dropped, the source does not hear. */
  readonly isPassive: boolean;
  /** A link was copied again, which deletes nothing: what was deleted meanwhile may stand in the target. */
  readonly isExpired: boolean;
}

/**
 * What a filer of the target lacks of what a filer of the source holds, by one link; '' if nothing. Says DESIGN's order of states a second time: of two
 * states at one path the greater stands on both sides.
 */
export function missing(scope: Scope, source: SimFiler, target: SimFiler, { isPassive, isExpired }: Excuse): string {
  const { areas, meta } = target.disk.content;
  const rows = areas.tree;
  for (const row of source.disk.content.areas.tree.values()) {
    if (isReserved(row.path) || !isInScope(scope, row.path)) continue;
    const path = mapPath(scope, row.path);
    if (path === null) continue;
    const standing = rows.get(path);
    if (!isLive(row) && (!scope.deletes || isExpired || !isLive(standing))) continue;
    // Deleted, and the tombstone dropped.
    if ((isPassive || isExpired) && standing === undefined && row.version <= Number(meta.get('floor') ?? 0)) continue;
    if (standing !== undefined && isAtLeast(standing, row)) continue;
    return `${target.name} has ${standing ? `"${fingerprint(standing)}"` : `nothing at ${path}`}, ${source.name} "${fingerprint(row)}"`;
  }
  return '';
}

/** True if a state is another one, whatever it is called, or overrules it. */
export function isAtLeast(standing: Row, row: Row): boolean {
  if (standing.version !== row.version) return standing.version > row.version;
  if (standing.author !== row.author) return standing.author > row.author;
  if (isLive(standing) !== isLive(row)) return isLive(standing);
  return contentOf(standing) === contentOf(row);
}

/** All of an entry but its name, which a link may change. */
function contentOf(row: Row): string {
  if (!isLive(row)) return '';
  const { name: _name, ...rest } = JSON.parse(row.entry) as Entry;
  return JSON.stringify(rest);
}
