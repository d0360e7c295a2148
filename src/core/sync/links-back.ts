import type { Position } from '../clock/vector.js';
import { isFailure } from '../errors.js';
import type { ClusterSide } from './cluster-side.js';
import { parseLinkState, type LinkState } from './link.js';
import { cutBefore } from './refused-paths.js';
import { mapAll } from './survey.js';
import type { SyncFiler } from './sync-filer.js';

/* Links from the target of a link back to its source that other processes run: how far they are stands in the source, in their checkpoints. */

/**
 * How far each of them is; null if one is copying, or that cannot be found out. Left out is one that the target's log no longer reaches back to: nobody
 * runs it, or it will copy again, and then it reads what is there by then.
 */
export async function linksBack(
  source: ClusterSide,
  target: ClusterSide,
  own: string | null,
  changesMax: number,
  signal: AbortSignal,
): Promise<Position[] | null> {
  const checkpoints = await firstAnswer(source, (filer) => filer.checkpoints(signal), signal);
  if (checkpoints === null) return null;
  const positions: Position[] = [];
  for (const { link, value } of checkpoints) {
    if (link === own) continue;
    const state = readState(value);
    if (state === null || state.spec.source !== target.id || state.spec.target !== source.id) continue;
    const position = await reached(state, target, changesMax, signal);
    if (position === null) return null;
    if (position !== 'expired') positions.push(position);
  }
  return positions;
}

/** Its checkpoint, moved on over what follows and is not for the source: for kelp's own entries alone none is written. */
async function reached(
  { spec, phase, position, refused }: LinkState,
  target: ClusterSide,
  changesMax: number,
  signal: AbortSignal,
): Promise<Position | 'expired' | null> {
  const asked = { position, limit: changesMax, bytesMax: pageBytes, waitMs: 0 };
  const page = await firstAnswer(target, (filer) => filer.feed(asked, signal).catch(trimmed), signal);
  if (page === null || page === 'trimmed') return page && 'expired';
  if (phase !== 'feed') return null;
  if (refused.length > 0) return cutBefore(position, refused);
  const { changes, withheld, refused: bad } = mapAll(spec.scope, spec.source, page.texts, []);
  return changes.length + withheld + bad === 0 ? page.position : position;
}

/** Of the page that shows whether something is still to come, bytes. */
const pageBytes = 256 * 1024;

function trimmed(error: unknown): 'trimmed' {
  if (isFailure(error, 'LOG_TRIMMED')) return 'trimmed';
  throw error;
}

/** What the first filer of a side answers; null if none does. */
async function firstAnswer<T>(side: ClusterSide, ask: (filer: SyncFiler) => Promise<T>, signal: AbortSignal): Promise<T | null> {
  for (const filer of side.filers) {
    try {
      return await ask(filer);
    } catch (error) {
      signal.throwIfAborted();
      if (!isFailure(error)) throw error;
    }
  }
  return null;
}

/** Null if it is the checkpoint of something else, such as a replay. */
function readState(value: string): LinkState | null {
  try {
    return parseLinkState(value);
  } catch (error) {
    if (!isFailure(error, 'BODY_INVALID')) throw error;
    return null;
  }
}
