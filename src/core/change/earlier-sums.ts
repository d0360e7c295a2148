import { positionIncludes, type Dot, type Position } from '../clock/vector.js';
import { parentOf, type FullPath } from '../entry/path.js';
import { addToSum, bucketOf, takeFromSum } from './digest.js';
import { compareStates, type Row } from './row.js';

/** A state of a path, as far as it decides who wins and what the digest is. */
export type DigestState = Pick<Row, 'version' | 'author' | 'contentHash' | 'h'>;

/** One state of a change meeting what stood at its path. */
export interface Step {
  readonly path: FullPath;
  readonly met: DigestState | null;
  readonly brought: DigestState;
}

/** What one change did to the tree: one step, or a rename's two. */
export interface ChangeSteps extends Dot {
  readonly steps: readonly Step[];
}

/**
 * The digest sums as they were, or would have been, with nothing beyond `position`: what two filers can compare though they were never
 * seen at one position. `changes` are the last ones that were applied, in order, and hold all that are beyond it; `sums` are those after them.
 * The join does not depend on order, so a path's state at `position` is that before the first change beyond it, joined with what others brought later.
 */
export function earlierSums(sums: readonly number[], changes: readonly ChangeSteps[], position: Position): number[] {
  const paths = new Map<FullPath, { then: DigestState | null; now: DigestState }>();
  for (const change of changes) {
    const isIncluded = positionIncludes(position, change);
    for (const { path, met, brought } of change.steps) {
      const state = paths.get(path);
      if (state) {
        state.now = greater(met, brought);
        if (isIncluded) state.then = greater(state.then, brought);
      } else if (!isIncluded) paths.set(path, { then: met, now: greater(met, brought) });
    }
  }
  const earlier = [...sums];
  for (const [path, { then, now }] of paths) {
    const bucket = bucketOf(parentOf(path));
    earlier[bucket] = addToSum(takeFromSum(earlier[bucket] as number, now.h), then?.h ?? 0);
  }
  return earlier;
}

function greater(a: DigestState | null, b: DigestState): DigestState {
  return a !== null && compareStates(a, b) >= 0 ? a : b;
}
