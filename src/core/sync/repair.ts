import { compareStates, isLive, type Row } from '../change/row.js';
import { nameOf, type FullPath } from '../entry/path.js';
import { isFailure } from '../errors.js';
import { post, type PostLimits } from './posting.js';
import { mapPath, mapRow, type MappedChange, type Scope } from './scope.js';
import type { SyncFiler } from './sync-filer.js';

/*
 * Makes two filers of two clusters hold the same at some paths. Of both rows the greater goes to the side that lacks it, by the import that
 * filer.sync uses: so nothing newer is overwritten, and only a tombstone deletes.
 */

export interface RepairSide {
  readonly filer: Pick<SyncFiler, 'address' | 'row' | 'importChanges'>;
  /** Id of its cluster. */
  readonly cluster: string;
}

export interface RepairOptions {
  readonly a: RepairSide;
  readonly b: RepairSide;
  /** Where directories of `a` lie in `b`, and the way back. */
  readonly there: Scope;
  readonly back: Scope;
  /** True: nothing is written to `a`. */
  readonly isActivePassive: boolean;
  readonly limits: PostLimits;
}

/** What became of one path. */
export interface Brought {
  /** In `a`. */
  readonly path: FullPath;
  /** Which side was written to; null if nothing could be brought. */
  readonly to: 'a' | 'b' | null;
  /** It was deleted there. */
  readonly deleted: boolean;
  /** Why nothing was brought; null if it was. */
  readonly reason: string | null;
}

/** How many rows are asked for at a time, of each side. */
const rowsAtOnce = 4;

/** Brings what one side lacks at these paths of `a`. @throws FilerError what a filer answers that no path is to blame for */
export async function repairPaths(options: RepairOptions, paths: readonly FullPath[], signal: AbortSignal): Promise<Brought[]> {
  const found: (Brought & { readonly change: MappedChange | null })[] = [];
  for (let i = 0; i < paths.length; i += rowsAtOnce)
    found.push(...(await Promise.all(paths.slice(i, i + rowsAtOnce).map((path) => weigh(options, path, signal)))));
  const refused = new Map<MappedChange, string>();
  for (const to of ['a', 'b'] as const) {
    const changes = found.flatMap((one) => (one.to === to && one.change ? [one.change] : []));
    await post(options[to].filer, null, changes, options.limits, {
      signal,
      waits: () => false,
      sending: () => {},
      sent: () => {},
      refused: (change, error) => refused.set(change, error.message),
    });
  }
  return found.map(({ change, ...one }) => {
    const error = change && refused.get(change);
    return error ? { ...one, to: null, reason: `${options[one.to ?? 'b'].filer.address} refuses it: ${error}` } : one;
  });
}

async function weigh(options: RepairOptions, path: FullPath, signal: AbortSignal): Promise<Brought & { readonly change: MappedChange | null }> {
  const { a, b, there, back, isActivePassive } = options;
  const nothing = (reason: string) => ({ path, to: null, deleted: false, reason, change: null });
  try {
    const inB = mapPath(there, path);
    if (inB === null) return nothing('it is not in scope');
    const [pageA, pageB] = await Promise.all([a.filer.row(path, signal), b.filer.row(inB, signal)]);
    for (const [page, { filer }] of [[pageA, a] as const, [pageB, b] as const])
      if (page.quarantined.length > 0) return nothing(`${filer.address} has not applied what was changed there: see kelp filer.quarantine`);
    const [rowA = null] = pageA.rows;
    const [rowB = null] = pageB.rows;
    const order = orderOf(rowA, rowB, nameOf(path) === nameOf(inB));
    if (order === 0) return nothing('both hold the same change there, or nothing; what is shown follows from other paths, or from the clock');
    if (order < 0 && isActivePassive) return nothing("b's is newer, and nothing is written to a");
    const row = (order > 0 ? rowA : rowB) as Row;
    const mapped = order > 0 ? mapRow(there, row, a.cluster) : mapRow(back, row, b.cluster);
    if (mapped.kind !== 'change') return nothing('it is not in scope');
    return { path, to: order > 0 ? 'b' : 'a', deleted: !isLive(row), reason: null, change: mapped };
  } catch (error) {
    if (!isFailure(error, 'RESERVED_PATH', 'NAME_TOO_LONG', 'PATH_INVALID')) throw error;
    return nothing(error.message);
  }
}

/** Positive if `a` is what should stand at both. A tombstone says nothing to a side that has no row. */
function orderOf(a: Row | null, b: Row | null, isSameName: boolean): number {
  if (a === null || b === null) return Number(isLive(a)) - Number(isLive(b));
  // Under another name the same entry has another hash.
  if (!isSameName && a.version === b.version && a.author === b.author) return 0;
  return compareStates(a, b);
}
