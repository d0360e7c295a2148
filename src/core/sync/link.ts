import { hash } from 'node:crypto';
import { canonicalJson } from '../change/canonical.js';
import { formatPosition, parsePosition, type Position } from '../clock/vector.js';
import { isWithin, parsePath, type FullPath } from '../entry/path.js';
import { FilerError } from '../errors.js';
import { refusedFromJson, refusedToJson, type RefusedPath } from './refused-paths.js';
import type { Scope } from './scope.js';

/*
 * A link is one direction of a sync. Its name follows from what it takes and where it puts it, so that whoever runs it, from wherever,
 * goes on where the last one stopped; another mapping is another link.
 */

export interface LinkSpec {
  /** Cluster ids. */
  readonly source: string;
  readonly target: string;
  readonly scope: Scope;
}

/** What a checkpoint says: which link it is of, and where that goes on. */
export interface LinkState {
  readonly spec: LinkSpec;
  /**
   * copy: the snapshot is taken, up to the row `after` (opaque; null = from the start); the feed follows from `position`.
   * again: as copy, and nothing is deleted, because the log no longer reached back; of a mirror, what the source no longer has goes, and before its first
   * row `position` is what the source must have. feed: the feed goes on after `position`.
   */
  readonly phase: 'copy' | 'again' | 'feed';
  readonly position: Position;
  readonly after: FullPath | null;
  /** What the target lacks of what comes before: it was refused there. */
  readonly refused: readonly RefusedPath[];
}

/** 16 hex digits. */
export function linkName({ source, target, scope }: LinkSpec): string {
  const { from, to, excludes, includes = [], deletes, ttlSec } = scope;
  const only = includes.length === 0 ? [] : [[...includes].sort()];
  return hash('sha256', canonicalJson([source, target, from, to, [...excludes].sort(), deletes, ttlSec, ...only]), 'hex').slice(0, 16);
}

/** What a link says of itself where it reads, for people. */
export function aboutLink({ source, target, scope }: LinkSpec): string {
  return canonicalJson({ source, target, from: scope.from, to: scope.to });
}

/** The value of a checkpoint; equal states have equal texts. */
export function formatLinkState({ spec, phase, position, after, refused }: LinkState): string {
  const { source, target, scope } = spec;
  return canonicalJson({
    source,
    target,
    from: scope.from,
    to: scope.to,
    excludes: [...scope.excludes].sort(),
    ...(scope.includes && scope.includes.length > 0 && { includes: [...scope.includes].sort() }),
    deletes: scope.deletes,
    ttlSec: scope.ttlSec,
    phase,
    position: formatPosition(position),
    ...(after !== null && { after }),
    ...(refused.length > 0 && { refused: refused.map(refusedToJson) }),
  });
}

/** @throws FilerError BODY_INVALID if it is nothing that formatLinkState made */
export function parseLinkState(text: string): LinkState {
  try {
    const { source, target, from, to, excludes, includes, deletes, ttlSec, phase, position, after, refused = [] } = JSON.parse(text) as Record<string, unknown>;
    if (typeof source !== 'string' || typeof target !== 'string' || typeof deletes !== 'boolean' || typeof ttlSec !== 'number')
      throw new TypeError('a field is missing');
    if (phase !== 'copy' && phase !== 'again' && phase !== 'feed') throw new TypeError('phase must be copy, again or feed');
    const scope = {
      from: parsePath(String(from)),
      to: parsePath(String(to)),
      excludes: (excludes as string[]).map(parsePath),
      ...(includes !== undefined && { includes: (includes as string[]).map(parsePath) }),
      deletes,
      ttlSec,
    };
    return {
      spec: { source, target, scope },
      phase,
      position: parsePosition(String(position)),
      after: after === undefined ? null : parsePath(String(after)),
      refused: (refused as unknown[]).map(refusedFromJson),
    };
  } catch (error) {
    throw new FilerError(
      'BODY_INVALID',
      `this checkpoint cannot be read (${(error as Error).message}); forget it with filer.sync.checkpoints --reset`,
      {},
      { cause: error },
    );
  }
}

/**
 * The first of `others` that puts another part of the same source where this link puts its own, so that the two would undo each other; null = none
 * does.
 */
export function overlapping(spec: LinkSpec, others: readonly LinkSpec[]): LinkSpec | null {
  const { scope } = spec;
  const clashes = ({ source, target, scope: other }: LinkSpec): boolean => {
    if (source !== spec.source || target !== spec.target) return false;
    if (!isWithin(scope.to, other.to) && !isWithin(other.to, scope.to)) return false;
    // One map of the whole tree, in parts: no path comes from two places.
    return shift(scope) !== shift(other);
  };
  return others.find(clashes) ?? null;
}

/** What a mapping takes off the front of a path and puts there, without what both share at the end. */
function shift({ from, to }: Scope): string {
  const [a, b] = [from.split('/').filter(Boolean), to.split('/').filter(Boolean)];
  while (a.length > 0 && b.length > 0 && a.at(-1) === b.at(-1)) {
    a.pop();
    b.pop();
  }
  return `/${a.join('/')} /${b.join('/')}`;
}
