import { positionDistance, type Origin, type Position } from '../clock/vector.js';
import type { Version } from '../clock/version.js';
import type { Member } from '../cluster/member.js';
import type { KnownLink } from './links.js';
import type { LogState } from '../log/log-state.js';

/* What a log holds, who keeps it from shrinking, and how long each peer may stay away before it needs a snapshot. Pure. */

/** Who keeps records or tombstones that are old enough to go. */
export interface Holder {
  /** Of a link its name, which looks the same. */
  readonly origin: Origin;
  readonly address: string | null;
  /** report: it has told that it lacks something. silent: it has told nothing since this process started. link: a sync link. */
  readonly reason: 'report' | 'silent' | 'link';
  readonly position: Position | null;
}

/** Who something is kept for. */
export interface Holders {
  /** `position`: what it has told that it has; null = nothing since this process started. */
  readonly peers: readonly { readonly origin: Origin; readonly position: Position | null }[];
  readonly links: readonly Pick<KnownLink, 'link' | 'report'>[];
}

/** How one peer stands to this log. */
export interface PeerBudget {
  readonly origin: Origin;
  readonly address: string;
  /** Seconds since it last asked; null if it has not since this process started. */
  readonly reportAge: number | null;
  /** What it has not acknowledged. */
  readonly missing: { readonly events: number; readonly bytes: number };
  /** Seconds it may stay away from now on until what it lacks leaves the log; null if that cannot be told. */
  readonly budgetSeconds: number | null;
}

export interface LogReport {
  readonly origin: Origin;
  readonly changes: number;
  readonly bytes: number;
  readonly bytesMax: number;
  /** When the oldest record was appended at the latest, RFC 3339; null if there is none. */
  readonly oldest: string | null;
  readonly retentionSeconds: number;
  readonly retentionMaxSeconds: number;
  /** Offsets. */
  readonly first: string;
  readonly head: string;
  readonly heldBy: readonly Holder[];
  readonly peers: readonly PeerBudget[];
  readonly tombstones: { readonly count: number; readonly oldest: string | null; readonly heldBy: readonly Holder[] };
  readonly floor: Version;
  readonly closed: readonly Origin[];
}

export interface LogReportParts {
  readonly state: LogState;
  readonly now: Version;
  readonly formatOffset: (index: number) => string;
  readonly oldestAt: Version | null;
  readonly oldestTombstone: Version | null;
  readonly limits: { readonly logRetentionMs: number; readonly logRetentionMaxMs: number; readonly logBytesMax: number };
  readonly members: readonly Member[];
  /** What each origin last acknowledged, and how many seconds ago. */
  readonly acknowledged: ReadonlyMap<Origin, { readonly position: Position; readonly age: number }>;
  readonly logHeldBy: Holders;
  readonly tombstonesHeldBy: Holders;
}

const time = (micros: Version): string => new Date(micros / 1000).toISOString();

export function reportLog(parts: LogReportParts): LogReport {
  const { state, limits, members, acknowledged, oldestAt, oldestTombstone, now } = parts;
  const { identity, counts, closed } = state;
  const addressOf = (origin: Origin) => members.find((member) => member.origin === origin)?.address ?? null;
  const whole = new Map([...state.origins.values()].map(({ origin, seq }) => [origin, seq]));
  const holders = ({ peers, links }: Holders): Holder[] => [
    ...peers.map(({ origin, position }): Holder => ({ origin, address: addressOf(origin), reason: position === null ? 'silent' : 'report', position })),
    ...links.map(({ link, report }): Holder => ({ origin: link, address: null, reason: 'link', position: report?.position ?? null })),
  ];
  return {
    origin: identity.origin,
    changes: counts.changes,
    bytes: counts.bytes,
    bytesMax: limits.logBytesMax,
    oldest: oldestAt === null ? null : time(oldestAt),
    retentionSeconds: limits.logRetentionMs / 1000,
    retentionMaxSeconds: limits.logRetentionMaxMs / 1000,
    first: parts.formatOffset(state.first - 1),
    head: parts.formatOffset(state.head),
    heldBy: holders(parts.logHeldBy),
    peers: members
      .filter(({ origin }) => origin !== identity.origin && !closed.has(origin))
      .map(({ origin, address }) => {
        const heard = acknowledged.get(origin);
        const events = positionDistance(whole, heard?.position ?? new Map());
        const bytes = counts.changes === 0 ? 0 : Math.round((Math.min(events, counts.changes) * counts.bytes) / counts.changes);
        return { origin, address, reportAge: heard?.age ?? null, missing: { events, bytes }, budgetSeconds: heard ? budget(parts, events, bytes, now) : null };
      }),
    tombstones: {
      count: counts.tombstones,
      oldest: oldestTombstone === null ? null : time(oldestTombstone),
      heldBy: holders(parts.tombstonesHeldBy),
    },
    floor: identity.floor,
    closed: [...closed.keys()].sort(),
  };
}

/** The sooner of two ends: what it lacks grows too old, or at the log's mean rate more than the log may hold is written. 0: it is too late. */
function budget({ state, limits, oldestAt }: LogReportParts, events: number, bytes: number, now: Version): number {
  const { counts } = state;
  if (events > counts.changes) return 0;
  const spanSeconds = oldestAt === null ? 0 : Math.max(0, (now - oldestAt) / 1e6);
  // The part of the log that it lacks is its newest: about as old as its share of the whole.
  const oldestMissing = counts.changes === 0 ? 0 : (spanSeconds * events) / counts.changes;
  const byAge = limits.logRetentionMaxMs / 1000 - oldestMissing;
  const perSecond = spanSeconds > 0 ? counts.bytes / spanSeconds : 0;
  const byBytes = perSecond > 0 ? (limits.logBytesMax - bytes) / perSecond : Infinity;
  return Math.max(0, Math.floor(Math.min(byAge, byBytes)));
}
