import { type Origin, type Position } from '../clock/vector.js';
import type { ChangeLog } from '../log/change-log.js';
import type { StoreReader } from '../store/store.js';
import type { TimeSource } from '../time.js';
import type { DigestVerdict } from './digest-comparison.js';
import type { Follower } from './source.js';
import type { Lag, Subscription, SubscriptionState } from './subscription.js';

/** One peer as `GET peers` tells it. */
export interface PeerReport {
  readonly origin: Origin;
  readonly storeId: string;
  readonly address: string;
  readonly state: SubscriptionState;
  /** The peer's last known position. */
  readonly position: Position;
  /** What this filer has not applied of the peer's head. */
  readonly behind: Lag;
  /** What the peer has not acknowledged of ours. */
  readonly ahead: Lag;
  /** Changes applied per second, smoothed. */
  readonly rate: number;
  /** Seconds until this filer has caught up at that rate; null if it cannot be told. */
  readonly etaSeconds: number | null;
  /** RFC 3339; null before the first answer. */
  readonly lastContact: string | null;
  readonly error: { readonly code: string; readonly error: string } | null;
  readonly skewSeconds: number;
  readonly digest: DigestVerdict;
}

export interface ReportParts {
  readonly log: ChangeLog;
  readonly store: StoreReader;
  readonly time: Pick<TimeSource, 'micros' | 'monotonic'>;
  readonly peerSilentMs: number;
}

/** Everything this filer knows of one peer. */
export async function reportPeer(subscription: Subscription, follower: Follower | undefined, parts: ReportParts): Promise<PeerReport> {
  const { time } = parts;
  const behind = subscription.behind();
  const { lastContact, rate, state } = subscription;
  const etaSeconds = behind.seconds === null ? null : behind.events === 0 ? 0 : rate > 0 ? Math.ceil(behind.events / rate) : null;
  return {
    origin: subscription.origin,
    storeId: subscription.member.storeId,
    address: subscription.peer.address,
    state,
    position: subscription.head,
    behind,
    ahead: await aheadOf(follower, parts),
    rate: behind.events === 0 ? 0 : Math.round(rate),
    etaSeconds,
    lastContact: lastContact === null ? null : new Date(time.micros() / 1000 - (time.monotonic() - lastContact)).toISOString(),
    error: subscription.error && { code: subscription.error.code, error: subscription.error.message },
    skewSeconds: Math.round(subscription.skewSeconds * 1000) / 1000,
    digest: subscription.digestVerdict(),
  };
}

/** What a follower has not acknowledged of our own changes, and how old the oldest of them is. */
async function aheadOf(follower: Follower | undefined, { log, store, time, peerSilentMs }: ReportParts): Promise<Lag> {
  const { counts, identity } = log.state;
  const { origin } = identity;
  const acknowledged = follower?.position.get(origin) ?? 0;
  const events = Math.max(0, (log.position.get(origin) ?? 0) - acknowledged);
  const bytes = counts.changes === 0 ? 0 : Math.round((events * counts.bytes) / counts.changes);
  if (!follower || time.monotonic() - follower.lastContact > peerSilentMs) return { events, seconds: null, bytes };
  if (events === 0) return { events, seconds: 0, bytes };
  const oldest = await store.findRecord({ origin, seq: acknowledged + 1 });
  return { events, seconds: oldest ? Math.max(0, (time.micros() - oldest.version) / 1e6) : null, bytes };
}
