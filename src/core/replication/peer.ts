import type { Row } from '../change/row.js';
import type { Dot, Origin, Position, Seq } from '../clock/vector.js';
import type { Version } from '../clock/version.js';
import type { FullPath } from '../entry/path.js';
import type { Run } from '../store/store.js';

/** States of a filer as `GET store` says them. Only `ready` takes client writes; `ready` and `staging` work inside serve peers. */
export const filerStates = ['starting', 'bootstrapping', 'rejoining', 'readonly', 'ready', 'refused'] as const;
export type FilerState = (typeof filerStates)[number];

/** What a filer says of itself to anybody who asks; asking changes nothing. */
export interface FilerInfo {
  readonly storeId: string;
  readonly origin: Origin;
  readonly clusterId: string | null;
  readonly instance: string;
  readonly engine: string;
  readonly kind: 'embedded' | 'shared';
  readonly address: string;
  readonly state: FilerState;
  readonly program: string;
  readonly protocol: 1;
  readonly position: Position;
  /** Origin to chain hash of its last change here. */
  readonly hashes: ReadonlyMap<Origin, string>;
  readonly floor: Version;
  /** Offsets into the feed: of its end and of its first change left. */
  readonly head: string;
  readonly first: string;
  /** Empty while this store holds rows of a branch that it has given up: nobody else has them. */
  readonly digest: string;
  /** What the last scrub found wrong with the store, in one line; null = nothing. */
  readonly damage: string | null;
  /** Dots. */
  readonly quarantined: readonly string[];
  readonly counts: { readonly entries: number; readonly directories: number; readonly tombstones: number; readonly changes: number; readonly bytes: number };
  /** Microseconds since 1970. */
  readonly time: number;
  /** Former origins of the same store, so that one that has always been alone is recognised. */
  readonly former: readonly Origin[];
  /** Its lineage; null unless it is ready, since it takes over that of the filer whose snapshot it takes. */
  readonly lineage: string | null;
}

/** How far a caller is with one origin. */
export interface Had {
  readonly seq: Seq;
  /** Chain hash at `seq`. */
  readonly hash: string;
  /** Hash of the change that begins the run in which `seq` lies; '' if that is not known. */
  readonly run: string;
}

/** What a filer says of itself when it asks another one for feed or snapshot. */
export interface Caller {
  readonly origin: Origin;
  readonly address: string;
  readonly clusterId: string | null;
  /** Every origin the caller knows; zeros included. */
  readonly have: ReadonlyMap<Origin, Had>;
  /** Its whole position if it may count as its report (DESIGN: Reports), else null. */
  readonly report: Position | null;
  /** Its digest at `have`; '' = it has none to compare. */
  readonly digest: string;
  /** Former origins of the caller's store. */
  readonly former: readonly Origin[];
  /** As in `FilerInfo`. */
  readonly lineage: string | null;
}

export interface ChangesRequest {
  /** Whose changes; the answerer's own and those it relays. */
  readonly origins: readonly Origin[];
  /** Where the caller is: changes beyond it are sent. */
  readonly position: Position;
  readonly limit: number;
  readonly bytesMax: number;
  /** How long to wait for news, milliseconds; 0 = answer at once. */
  readonly waitMs: number;
}

export interface ChangesPage {
  /** Changes as text, in feed order; empty at the time-out. */
  readonly texts: readonly string[];
  /** Everything up to here is complete for the asked origins. */
  readonly position: Position;
  /** The answerer's whole position. */
  readonly head: Position;
  /** The answerer's digest at `head`; '' = it has none to compare. */
  readonly digest: string;
  /** The answerer's version clock: its own origin issues nothing lower any more. */
  readonly time: Version;
  /** The answerer's report, if it may give one. */
  readonly report: Position | null;
  /** Bytes received. */
  readonly bytes: number;
}

export interface SnapshotPage {
  /** At which the rows of this page were read. */
  readonly position: Position;
  /** Origin to chain hash at `position`. */
  readonly hashes: ReadonlyMap<Origin, string>;
  /** Origin to version of the change at `position`. */
  readonly versions: ReadonlyMap<Origin, Version>;
  /** Origin to the runs it has up to `position`; on the first page only. */
  readonly runs: ReadonlyMap<Origin, readonly Run[]>;
  readonly floor: Version;
  readonly closed: readonly Origin[];
  /** Changes that the position covers and whose effect is in none of the rows, as text, in the order of coming; on the first page only. */
  readonly quarantined: readonly string[];
  /** Dots of what was quarantined when the rows were read; on all pages but the first, which has the changes themselves. */
  readonly aside: readonly Dot[];
  readonly rows: readonly Row[];
  /** Feed epoch of the answerer: another one means another store, or another tree. */
  readonly epoch: string;
  /** Where the next page starts; null = this was the last. */
  readonly next: FullPath | null;
}

/** What a filer needs of another one; provided over HTTP by api/meta/client.ts, by the simulation's network in tests. */
export interface Peer {
  readonly address: string;
  /** @throws FilerError PEER_UNREACHABLE and whatever the peer answers */
  info(signal: AbortSignal): Promise<FilerInfo>;
  /** @throws FilerError LOG_TRIMMED if the peer's log no longer reaches back to `position`; BOOTSTRAPPING, ORIGIN_DIVERGED, CLUSTER_MISMATCH */
  changes(request: ChangesRequest, caller: Caller, signal: AbortSignal): Promise<ChangesPage>;
  /** The chain hashes the peer knows at a position; null where it knows none. */
  hashes(position: Position, signal: AbortSignal): Promise<ReadonlyMap<Origin, string | null>>;
  /** The runs the peer knows of the origins of a position, up to there. */
  runs(position: Position, signal: AbortSignal): Promise<ReadonlyMap<Origin, readonly Run[]>>;
  snapshot(after: FullPath | null, limit: number, caller: Caller, signal: AbortSignal): Promise<SnapshotPage>;
}
