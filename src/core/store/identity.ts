import { isOrigin, type Origin } from '../clock/vector.js';
import { isVersion, type Version } from '../clock/version.js';
import { FilerError } from '../errors.js';

/**
 * Where a store stands in joining its cluster. Kept in the store, so that a crash at any point resumes there.
 *
 *   fresh ──► ready ◄── bootstrapping      fresh: never held an entry
 *     └──────────────────────▲             bootstrapping: empty position, rows of a snapshot partly in place
 *   restored ──► rejoining ──► ready       restored: an older copy of itself, or a copy of another; read-only
 *                                          rejoining: emptied, all rows remembered; ends when own work is written again
 */
export const phases = ['fresh', 'ready', 'bootstrapping', 'restored', 'rejoining'] as const;
export type Phase = (typeof phases)[number];

/** The lineage of a store that was made before there were any. */
const firstLineage = '0'.repeat(16);

/** Who a store is. */
export interface Identity {
  /** Made when the store is created: 16 hex digits. */
  readonly storeId: string;
  /** Whose log this store writes. */
  readonly origin: Origin;
  /** Origins this store wrote under before, oldest first. */
  readonly former: readonly Origin[];
  /**
   * Stores of one lineage may exchange changes: whoever of them drops a tombstone knows that the others have seen it. Made with each
   * origin that begins a tree of its own, taken over with a snapshot; 16 hex digits. Means nothing while the store takes a snapshot.
   */
  readonly lineage: string;
  /** Null until it has met a master. */
  readonly clusterId: string | null;
  /** 8 hex digits, first part of every offset: another epoch is another feed. */
  readonly epoch: string;
  readonly phase: Phase;
  /** Greatest version of any tombstone dropped here or taken over. */
  readonly floor: Version;
}

/** The identity as meta values. */
export function identityToMeta(identity: Identity): [string, string | null][] {
  return [
    ['storeId', identity.storeId],
    ['origin', identity.origin],
    ['former', JSON.stringify(identity.former)],
    ['lineage', identity.lineage],
    ['clusterId', identity.clusterId],
    ['epoch', identity.epoch],
    ['phase', identity.phase],
    ['floor', String(identity.floor)],
  ];
}

/**
 * Reads the identity back; null for a store that has none yet.
 * @throws FilerError STORE_FAILED if it is there but makes no sense
 */
export function identityFromMeta(meta: ReadonlyMap<string, string>): Identity | null {
  const storeId = meta.get('storeId');
  if (storeId === undefined) return null;
  const origin = meta.get('origin');
  const phase = phases.find((known) => known === meta.get('phase'));
  const former = formerFrom(meta.get('former') ?? '[]');
  const floor = Number(meta.get('floor') ?? 0);
  const lineage = meta.get('lineage') ?? firstLineage;
  if (!isOrigin(origin) || phase === undefined || former === null || !isOrigin(lineage) || !(floor === 0 || isVersion(floor))) {
    throw new FilerError('STORE_FAILED', 'the store holds no valid identity; restore it from a backup or start with an empty folder');
  }
  return { storeId, origin, former, lineage, clusterId: meta.get('clusterId') ?? null, epoch: meta.get('epoch') ?? '00000000', phase, floor };
}

function formerFrom(text: string): Origin[] | null {
  try {
    const former: unknown = JSON.parse(text);
    return Array.isArray(former) && former.every(isOrigin) ? former : null;
  } catch {
    return null;
  }
}
