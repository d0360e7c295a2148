import { isLive, type Row } from '../../src/core/change/row.js';
import type { Dot } from '../../src/core/clock/vector.js';
import type { FullPath } from '../../src/core/entry/path.js';

/*
 * The tree as DESIGN says it must be, said a second time: from the changes a position covers and nothing else. It shares no code
 * with the core's own join, so that a mistake there shows.
 */

/** Positive if `a` is greater: version, author, live before deleted, content hash. */
export function order(a: Row, b: Row): number {
  const ranks = (row: Row): (number | string)[] => [row.version, row.author, isLive(row) ? 1 : 0, row.contentHash];
  const [left, right] = [ranks(a), ranks(b)];
  const at = left.findIndex((rank, i) => rank !== right[i]);
  return at < 0 ? 0 : (left[at] as number | string) > (right[at] as number | string) ? 1 : -1;
}

/** What must stand at every path once all the states that were added have been seen. */
export class Model {
  readonly rows = new Map<FullPath, Row>();

  add(state: Row): void {
    const before = this.rows.get(state.path);
    this.rows.set(state.path, before ? join(before, state) : state);
  }
}

export function join(a: Row, b: Row): Row {
  const compared = order(a, b);
  const vector: Record<string, number> = { ...a.vector };
  for (const [author, version] of Object.entries(b.vector)) vector[author] = Math.max(version, vector[author] ?? 0);
  return { ...(compared >= 0 ? a : b), vector, dot: compared !== 0 ? (compared > 0 ? a : b).dot : earlier(a.dot, b.dot) };
}

function earlier(a: Dot | null, b: Dot | null): Dot | null {
  if (a === null || b === null) return a ?? b;
  return a.origin < b.origin || (a.origin === b.origin && a.seq <= b.seq) ? a : b;
}

/** The state of a row: all that a digest tells, and the dot. */
export function fingerprint({ path, version, author, dot, contentHash, entry }: Row): string {
  const life = entry === null ? 'deleted' : contentHash;
  return `${path} ${life} ${version} ${author} ${dot ? `${dot.origin}:${dot.seq}` : '-'}`;
}

/**
 * True if a row is as it must be, vector and all. What stood at its path before a tombstone was dropped is forgotten: versions up to
 * `floor` may be missing in its vector. With no floor vectors are not looked at.
 */
export function isAlike(standing: Row, expected: Row, floor: number | null): boolean {
  if (fingerprint(standing) !== fingerprint(expected)) return false;
  if (floor === null) return true;
  const authors = new Set([...Object.keys(standing.vector), ...Object.keys(expected.vector)]);
  return [...authors].every((author) => {
    const [has, must] = [standing.vector[author] ?? 0, expected.vector[author] ?? 0];
    return has === must || (has < must && must <= floor);
  });
}
