import { chainStart } from '../change/digest.js';
import { formatDot, type Dot, type Origin, type Position } from '../clock/vector.js';
import { identityFromMeta, type Identity } from '../store/identity.js';
import type { Counts, FeedIndex, OriginState, StoreContents } from '../store/store.js';
import type { ClosedOrigins } from './closed.js';
import type { Doubt } from './doubt.js';
import type { QuarantineMap } from './quarantine.js';

/** Everything small a change log knows of its store: what `load` read, and every commit since. Immutable. */
export interface LogState {
  readonly identity: Identity;
  readonly origins: ReadonlyMap<Origin, OriginState>;
  readonly buckets: readonly number[];
  readonly counts: Counts;
  readonly head: FeedIndex;
  readonly first: FeedIndex;
  readonly quarantine: QuarantineMap;
  readonly closed: ClosedOrigins;
  /** Whom this store gave up a branch to: some of its rows have no dot until it is level with that filer; null = all rows have one. */
  readonly partedFrom: Origin | null;
  /** Which of those rows the others may have had. */
  readonly doubts: readonly Doubt[];
  /** Where this store's own log ended when it was opened: what is written after it begins the run named here (16 random hex digits). */
  readonly opened: Dot & { readonly run: string };
}

/** Meta key of `LogState.partedFrom`. */
export const partedMeta = 'partedFrom';

/** Meta key of `LogState.doubts`. */
export const doubtsMeta = 'partedDoubts';

/** Meta key of the clock, where it was ahead of the wall clock. */
export const clockMeta = 'clock';

/** Meta key of `LogState.counts`. */
export const countsMeta = 'counts';

export function originStart(origin: Origin): OriginState {
  return { origin, seq: 0, hash: chainStart, version: 0, first: 1, firstHash: chainStart, firstVersion: 0, runs: [] };
}

/** An origin of which a store has everything up to a place, and no log: its log goes on from there. */
export function originAt({ origin, seq, hash, version, runs }: Pick<OriginState, 'origin' | 'seq' | 'hash' | 'version' | 'runs'>): OriginState {
  return { origin, seq, hash, version, first: seq + 1, firstHash: hash, firstVersion: version, runs };
}

export function positionOf(origins: ReadonlyMap<Origin, OriginState>): Position {
  return new Map([...origins.values()].map(({ origin, seq }) => [origin, seq]));
}

/** The state of a store as it was read; a store without an identity has an empty one. */
export function stateOf(contents: StoreContents, closed: ClosedOrigins, run: string): LogState {
  const { origins, buckets, head, first, quarantine, meta } = contents;
  const identity = identityFromMeta(meta) ?? { storeId: '', origin: '', former: [], lineage: '', clusterId: null, epoch: '', phase: 'fresh', floor: 0 };
  return {
    identity,
    origins: new Map(origins.map((origin) => [origin.origin, origin])),
    buckets,
    counts: JSON.parse(meta.get(countsMeta) ?? '{"entries":0,"directories":0,"tombstones":0,"changes":0,"bytes":0}') as Counts,
    head,
    first,
    quarantine: new Map(quarantine.map((record) => [formatDot(record.dot), record])),
    closed,
    partedFrom: meta.get(partedMeta) ?? null,
    doubts: JSON.parse(meta.get(doubtsMeta) ?? '[]') as Doubt[],
    opened: { origin: identity.origin, seq: origins.find(({ origin }) => origin === identity.origin)?.seq ?? 0, run },
  };
}

/** True if the tree is what the position says: nothing quarantined, no rows of a branch that was given up, no snapshot under way. */
export function hasWholeTree({ identity, quarantine, partedFrom }: LogState): boolean {
  return identity.phase === 'ready' && quarantine.size === 0 && partedFrom === null;
}
