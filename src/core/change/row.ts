import { mergeVectors, compareDots, vectorCovers, type Dot, type Origin, type Vector } from '../clock/vector.js';
import type { Version } from '../clock/version.js';
import type { FullPath } from '../entry/path.js';

/** What a store keeps for one path: a live state or a tombstone. Immutable. */
export interface Row {
  readonly path: FullPath;
  /** Canonical JSON of the entry; null = tombstone. */
  readonly entry: string | null;
  /** False for a tombstone. */
  readonly isDirectory: boolean;
  readonly version: Version;
  readonly author: Origin;
  readonly vector: Vector;
  /** Null = undotted: the row's change was given up with a branch and has no new one yet. */
  readonly dot: Dot | null;
  /** 16 hex digits; '' for a tombstone. */
  readonly contentHash: string;
  /** What the row adds to its bucket; 0 for a tombstone. */
  readonly h: number;
}

export function isLive(row: Row | null | undefined): row is Row & { readonly entry: string } {
  return row != null && row.entry !== null;
}

/** What the order of states looks at. */
type ComparedState = Pick<Row, 'version' | 'author' | 'contentHash'>;

/** The total order that decides who wins: version, author, live before deleted, content hash. Positive if `a` is greater. */
export function compareStates(a: ComparedState, b: ComparedState): number {
  if (a.version !== b.version) return a.version - b.version;
  if (a.author !== b.author) return a.author > b.author ? 1 : -1;
  if (a.contentHash === '' || b.contentHash === '') return Number(a.contentHash !== '') - Number(b.contentHash !== '');
  return a.contentHash === b.contentHash ? 0 : a.contentHash > b.contentHash ? 1 : -1;
}

/** True if neither state includes the other: two writers that had not seen each other. */
export function areConcurrent(a: Row, b: Row): boolean {
  return !vectorCovers(a.vector, b.vector) && !vectorCovers(b.vector, a.vector);
}

/**
 * The join of two states of one path: the greater wins, the vectors merge, equal states keep the smaller dot.
 * Commutative, associative, idempotent, so any order of arrival gives the same tree. Returns `local` itself if nothing changes.
 */
export function joinRows(local: Row | null, incoming: Row): Row {
  if (local === null) return incoming;
  const order = compareStates(incoming, local);
  const winner = order > 0 ? incoming : local;
  const dot = order === 0 ? smallerDot(local.dot, incoming.dot) : winner.dot;
  const vector = mergeVectors(winner.vector, winner === local ? incoming.vector : local.vector);
  return winner.dot === dot && winner.vector === vector ? winner : { ...winner, dot, vector };
}

function smallerDot(a: Dot | null, b: Dot | null): Dot | null {
  if (a === null || b === null) return a ?? b;
  return compareDots(a, b) <= 0 ? a : b;
}
