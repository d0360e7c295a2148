import type { Row } from '../change/row.js';
import type { Origin } from '../clock/vector.js';
import type { Version } from '../clock/version.js';

/*
 * A branch that was given up may begin with changes that are no branch at all: where logs no longer reach back, no hash tells. Whoever
 * has the other branch may have had them, deleted what they made, and forgotten the deletion.
 */

/** Of a branch that was given up, the changes of which nobody knows whether the others have had them. */
export interface Doubt {
  readonly origin: Origin;
  /** Versions of one author rise along its log: this is the first one of which the others certainly have another. */
  readonly before: Version;
}

/** True if `row`, which has lost its dot, may stem from such a change. One that was imported may: its version says nothing of its place in the log. */
export function isInDoubt({ dot, author, version }: Row, doubts: readonly Doubt[], isKnown: (origin: Origin) => boolean): boolean {
  if (dot !== null || doubts.length === 0) return false;
  return !isKnown(author) || doubts.some(({ origin, before }) => origin === author && version < before);
}
