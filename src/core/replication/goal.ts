import { formatPosition, joinPositions, positionCovers, positionDistance, positionsEqual, type Position } from '../clock/vector.js';
import type { FilerInfo } from './peer.js';

/* Whether filers have reached what somebody waits for, from what all said at one moment. Pure. */

export type Goal =
  /** All hold the same. */
  | { readonly kind: 'synced' }
  /** Each is fit for traffic. */
  | { readonly kind: 'ready' }
  /** Each has everything up to here. */
  | { readonly kind: 'position'; readonly position: Position };

/** One filer as it was found. */
export interface Seen {
  readonly address: string;
  /** Null if it does not answer. */
  readonly info: FilerInfo | null;
  /** Why it is not fit for traffic, by its own word; empty = it is, or was not asked. */
  readonly reasons: readonly string[];
  /** Why there is no answer. */
  readonly error: string | null;
}

/** A filer that is waited for, and why. */
export interface Waiting {
  readonly filer: string;
  readonly why: string;
}

/** What all filers together have: the goal of a wait that began at this moment. Null while one of them does not answer. */
export function unionOf(seen: readonly Seen[]): Position | null {
  let union: Position = new Map();
  for (const { info } of seen) {
    if (info === null) return null;
    union = joinPositions(union, info.position);
  }
  return union;
}

/**
 * Who is still waited for. `start` is the union of all positions at the first look: with writes that never end no two filers are ever
 * seen at one position, and covering it is all that can be asked.
 */
export function waitingFor(goal: Goal, seen: readonly Seen[], start: Position | null): Waiting[] {
  const waiting = seen.flatMap((filer): Waiting[] => {
    const why = whyNot(goal, filer);
    return why === null ? [] : [{ filer: filer.address, why }];
  });
  return goal.kind === 'synced' && waiting.length === 0 ? notSynced(seen, start) : waiting;
}

function whyNot(goal: Goal, { info, reasons, error }: Seen): string | null {
  if (info === null) return error ?? 'it does not answer';
  if (goal.kind === 'ready') return reasons.length > 0 ? reasons.join('; ') : null;
  if (info.state !== 'ready') return `it is ${info.state}`;
  if (goal.kind === 'synced') return info.damage;
  return positionCovers(info.position, goal.position) ? null : lacks(goal.position, info.position);
}

function notSynced(seen: readonly Seen[], start: Position | null): Waiting[] {
  const [first, ...others] = seen.flatMap(({ address, info }) => (info ? [{ address, info }] : []));
  if (!first) return [];
  const quarantining = [first, ...others].filter(({ info }) => info.quarantined.length > 0);
  if (quarantining.length > 0)
    return quarantining.map(({ address, info }) => ({ filer: address, why: `${info.quarantined.length} changes are in quarantine` }));
  // Equal or not for the moment: one of two lineages still takes a snapshot of the other.
  const strangers = others.filter(({ info }) => info.lineage !== first.info.lineage);
  if (strangers.length > 0)
    return strangers.map(({ address }) => ({ filer: address, why: `it and ${first.address} have met only now, and one joins the other` }));
  if (others.every(({ info }) => positionsEqual(info.position, first.info.position))) {
    const different = others.filter(({ info }) => info.digest !== first.info.digest);
    return different.map(({ address }) => ({ filer: address, why: `holds another tree than ${first.address} at one position` }));
  }
  const goal = start ?? unionOf(seen) ?? new Map();
  return [first, ...others]
    .filter(({ info }) => !positionCovers(info.position, goal))
    .map(({ address, info }) => ({ filer: address, why: lacks(goal, info.position) }));
}

function lacks(goal: Position, position: Position): string {
  const missing = new Map([...goal].filter(([origin, seq]) => seq > (position.get(origin) ?? 0)));
  return `lacks ${positionDistance(goal, position)} changes, up to ${formatPosition(missing)}`;
}
