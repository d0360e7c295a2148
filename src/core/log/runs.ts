import type { Seq } from '../clock/vector.js';
import { limits } from '../config/limits.js';
import type { Run } from '../store/store.js';

/*
 * The changes of an origin come in runs: one for each start of its process that has written anything. The first change of a run names it, by a
 * random word: two processes that write the same at the same moment write different changes.
 *
 * Two logs of one origin part where a store went back to an older state, or was copied: a process was started on it, so at least one of
 * the two branches begins with a run. And one process writes one change after another, so what begins no run follows from what is before it
 * on every branch. Hence two stores that know the same runs up to a seq have the same log up to there, and where they know others, the first
 * run that only one of them knows is where the logs part. That needs no log, which chain hashes do: runs are few, and kept when it is trimmed.
 */

/** What two stores' runs say about one origin, up to a seq that both have. */
export interface PartingPlace {
  /** The first seq at which the logs differ. */
  readonly seq: Seq;
  /** The last one up to which they are the same; 0 if the runs known do not tell. */
  readonly common: Seq;
  /** The hashes of the runs that begin at `seq`; '' = none does. */
  readonly here: string;
  readonly there: string;
}

/** The runs up to and including a change. The oldest make room. */
export function runsWith(runs: readonly Run[], { seq, hash, run }: Run & { readonly run: string }): readonly Run[] {
  return run !== '' ? [...runs.slice(1 - limits.runsMax), { seq, hash }] : runs;
}

/** The runs that begin at `end` or before. */
export function runsUpTo(runs: readonly Run[], end: Seq): readonly Run[] {
  return runs.filter(({ seq }) => seq <= end);
}

/** The run that the change at `seq` belongs to; null if it is not known. */
export function runAt(runs: readonly Run[], at: Seq): Run | null {
  return runs.findLast(({ seq }) => seq <= at) ?? null;
}

/**
 * Compares the runs that two stores know of one origin, up to `end`, which both have. Returns where the logs part, 'same' if they do
 * not, null if too little is known.
 */
export function compareRuns(here: readonly Run[], there: readonly Run[], end: Seq): PartingPlace | 'same' | null {
  // Each knows all of its runs from its first one on.
  const from = Math.max(here[0]?.seq ?? Infinity, there[0]?.seq ?? Infinity);
  if (from > end) return null;
  const within = (runs: readonly Run[]) => runs.filter(({ seq }) => seq >= from && seq <= end);
  const [mine, theirs] = [within(here), within(there)];
  const at = Array.from({ length: Math.max(mine.length, theirs.length) }, (_, i) => i).find((i) => mine[i]?.hash !== theirs[i]?.hash);
  if (at === undefined) return 'same';
  const seq = Math.min(mine[at]?.seq ?? Infinity, theirs[at]?.seq ?? Infinity);
  const hashAt = (run: Run | undefined) => (run?.seq === seq ? run.hash : '');
  // What is before the first run that both could know may differ too.
  return { seq, common: at > 0 || seq === 1 ? seq - 1 : 0, here: hashAt(mine[at]), there: hashAt(theirs[at]) };
}
