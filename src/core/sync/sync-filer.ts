import type { ImportPlan } from '../change/plan.js';
import type { Row } from '../change/row.js';
import type { Origin, Position } from '../clock/vector.js';
import type { Version } from '../clock/version.js';
import type { FullPath } from '../entry/path.js';

/* What a sync needs of a filer, whichever side it is on; provided over HTTP by api/meta/client.ts. */

export interface SyncInfo {
  readonly clusterId: string | null;
  readonly storeId: string;
  /** What it writes under: another one once its store was wiped, restored or has given up a branch. */
  readonly origin: Origin;
  readonly address: string;
  readonly state: string;
  readonly position: Position;
  readonly counts: { readonly entries: number; readonly tombstones: number };
  /** Offset of the first change left in its log. */
  readonly first: string;
  /** Microseconds since 1970. */
  readonly time: number;
}

/** Where to read on: exactly one of them. `since` is microseconds since 1970 and goes beside a position too. */
export interface SyncFeedRequest {
  readonly offset?: string;
  readonly position?: Position;
  readonly since?: Version;
  /** Only these origins' changes. */
  readonly origins?: readonly Origin[];
  readonly limit: number;
  readonly bytesMax: number;
  readonly waitMs: number;
}

export interface SyncFeedPage {
  /** Each change as one line of JSON, in feed order. */
  readonly texts: readonly string[];
  /** Everything up to here is complete. */
  readonly position: Position;
  readonly head: Position;
  readonly time: Version;
  readonly bytes: number;
  readonly upToDate: boolean;
}

export interface SyncSnapshotPage {
  readonly position: Position;
  /** Changes that the position covers and whose effect is in none of the rows, as text; on the first page only. */
  readonly quarantined: readonly string[];
  readonly rows: readonly Row[];
  readonly next: FullPath | null;
}

export interface SyncImport {
  readonly applied: number;
  readonly superseded: number;
  readonly unchanged: number;
  readonly conflicting: number;
  readonly quarantined: number;
}

export interface SyncFiler {
  readonly address: string;
  info(signal?: AbortSignal): Promise<SyncInfo>;
  /** The filers it follows: the rest of its cluster. */
  peers(signal?: AbortSignal): Promise<{ readonly peers: readonly { readonly address: string }[] }>;
  /** @throws FilerError LOG_TRIMMED */
  feed(request: SyncFeedRequest, signal?: AbortSignal): Promise<SyncFeedPage>;
  snapshot(after: FullPath | null, limit: number, caller: null, signal?: AbortSignal): Promise<SyncSnapshotPage>;
  /** The row at one path, deleted or not, and those changes that are not yet in it though the position covers them. */
  row(path: FullPath, signal?: AbortSignal): Promise<SyncSnapshotPage>;
  /** @throws FilerError PRECONDITION_FAILED if it does not write under `origin` any more: then nothing was written */
  importChanges(
    lines: readonly string[],
    options: { readonly checkpoint?: { readonly link: string; readonly value: string }; readonly after?: Version; readonly origin?: Origin },
    signal?: AbortSignal,
  ): Promise<SyncImport>;
  /** Tells what importing changes would do, and writes nothing. */
  planImport(lines: readonly string[], signal?: AbortSignal): Promise<ImportPlan>;
  /** Lets log and tombstones wait for a link. */
  announceLink(link: string, about: string, signal?: AbortSignal): Promise<void>;
  /** `seen`: what of it nobody in the target can undo any more. False if no entry of the link is there: then nothing waits for it. */
  reportLink(link: string, report: { readonly position: Position; readonly seen: Position | null }, signal?: AbortSignal): Promise<boolean>;
  checkpoints(signal?: AbortSignal): Promise<readonly { readonly link: string; readonly value: string }[]>;
  /** @throws FilerError PRECONDITION_FAILED as importChanges */
  setCheckpoint(link: string, value: string | null, options: { readonly origin?: Origin }, signal?: AbortSignal): Promise<void>;
  /** A small value of its own store, not replicated. */
  value(key: string, signal?: AbortSignal): Promise<Buffer | null>;
  setValue(key: string, value: string | null, signal?: AbortSignal): Promise<void>;
}
