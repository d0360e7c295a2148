import type { Origin, Position } from './clock/vector.js';
import { withoutReplaced, type Member } from './cluster/member.js';
import { hashesOf } from './replication/branches.js';
import type { Parting } from './replication/parting.js';
import type { ChangeLog } from './log/change-log.js';
import { Retention, type RetentionLimits } from './log/retention.js';
import type { Logger } from './logger.js';
import { runLoop, type BackoffLimits } from './loop.js';
import { Closing, type ClosingLimits } from './replication/closing.js';
import { Collection, reporters, type CollectionLimits } from './replication/collection.js';
import { Links } from './replication/links.js';
import type { Holders } from './replication/log-report.js';
import type { Reports } from './replication/reports.js';
import type { StoreReader } from './store/store.js';
import type { TimeSource } from './time.js';

export interface UpkeepLimits extends RetentionLimits, CollectionLimits, ClosingLimits {
  /** Pause between two rounds, milliseconds. */
  readonly upkeepMs: number;
  /** For so long nobody must be able to serve before this filer stops waiting for one it could be level with, milliseconds. */
  readonly peerSilentMs: number;
}

/** What a filer knows of the others at one moment. */
export interface Surroundings {
  readonly members: readonly Member[];
  /** Peers that are followed now, with the last position each has told. */
  readonly following: readonly { readonly origin: Origin; readonly head: Position }[];
  /** Origins that have asked or answered within the time after which a peer counts as silent. */
  readonly heard: readonly Origin[];
  /** True if all members that are up have said of late that they cannot serve. */
  readonly nobodyServes: boolean;
  /** True while a snapshot is being staged. */
  readonly isStaging: boolean;
  /** True while a master says that another process writes under this origin. */
  readonly isRefused: boolean;
}

export interface UpkeepOptions {
  readonly log: ChangeLog;
  readonly store: StoreReader;
  readonly time: TimeSource;
  readonly logger: Logger;
  readonly limits: UpkeepLimits;
  readonly backoff: BackoffLimits;
  readonly reports: Reports;
  readonly parting: Parting;
  readonly force: boolean;
  readonly around: () => Surroundings;
}

/**
 * What a filer does for itself from time to time while it is ready: writes a given-up branch again, looks what the others have seen,
 * trims the log, drops tombstones, closes who is gone.
 */
export class Upkeep {
  readonly retention: Retention;
  readonly collection: Collection;
  readonly closing: Closing;
  readonly links: Links;
  /** Since when nobody can serve, monotonic milliseconds; null = somebody can. */
  #nobodyServesSince: number | null = null;

  constructor(private readonly options: UpkeepOptions) {
    const { log, store, time, logger, limits, reports, around } = options;
    this.links = new Links(log, store, time);
    const linksSeen = () => this.links.waitedFor(log.state).map(({ report }) => report?.seen ?? null);
    this.retention = new Retention(log, store, time, limits, () => this.#acknowledged());
    // A change put aside has not met the tombstones here: should they go before it is tried again, it would bring back what they delete.
    this.collection = new Collection(log, store, time, limits, reports, () => !around().isStaging && log.state.quarantine.size === 0, linksSeen);
    const able = () => around().following.map(({ origin }) => origin);
    this.closing = new Closing(log, time, logger, limits, () => [log.identity.origin, ...around().heard], able);
  }

  /** Who keeps records in the log that are old enough to go: they lack some, or nobody knows. */
  async logHeldBy(): Promise<Holders> {
    const peers = this.#counted().map((origin) => ({ origin, position: this.options.reports.latest(origin) }));
    const links = this.links.waitedFor(this.options.log.state);
    const hold = await this.retention.holding([...peers.map(({ position }) => position), ...links.map(({ report }) => report?.position ?? null)]);
    return { peers: peers.filter((_, at) => hold[at]), links: links.filter((_, at) => hold[peers.length + at]) };
  }

  /** Who keeps tombstones that are old enough to go, with what each has seen: that is not all of them, or nobody knows. */
  async tombstonesHeldBy(): Promise<Holders> {
    const { log, reports } = this.options;
    const peers = reporters(log.state, reports).map((origin) => ({ origin, position: reports.settled(origin) }));
    const links = this.links.waitedFor(log.state);
    const hold = await this.collection.holding([...peers.map(({ position }) => position), ...links.map(({ report }) => report?.seen ?? null)]);
    return { peers: peers.filter((_, at) => hold[at]), links: links.filter((_, at) => hold[peers.length + at]) };
  }

  /** Goes on until `signal` aborts; resolves when the round in flight has ended. */
  run(signal: AbortSignal): Promise<void> {
    const { time, logger, backoff, limits } = this.options;
    return runLoop({
      time,
      signal,
      backoff,
      logger,
      step: async () => {
        await this.round(signal);
        await time.sleep(limits.upkeepMs, signal);
      },
    });
  }

  async round(signal: AbortSignal): Promise<void> {
    const { log, store, reports, parting, force, around } = this.options;
    if (log.identity.phase !== 'ready') return;
    // Refused, it writes nothing: that would be another branch of a log that has a writer.
    const { following, isRefused, nobodyServes } = around();
    if (!isRefused) await parting.finish(following, force || this.#mustGoFirst(nobodyServes));
    await reports.settle(log.state, hashesOf(store));
    await this.links.refresh();
    await this.retention.trim(signal);
    if (isRefused) return;
    await this.collection.collect(signal);
    await this.closing.closeSilent();
  }

  /** True once nobody else has been able to serve for long: they wait for a snapshot of this store, which must not wait for them. */
  #mustGoFirst(nobodyServes: boolean): boolean {
    const { time, limits } = this.options;
    const now = time.monotonic();
    this.#nobodyServesSince = nobodyServes ? (this.#nobodyServesSince ?? now) : null;
    return this.#nobodyServesSince !== null && now - this.#nobodyServesSince >= limits.peerSilentMs;
  }

  /** Members whose acknowledgement the log waits for: neither closed nor replaced by another one at the same address. */
  #counted(): Origin[] {
    const { log, around } = this.options;
    const { identity, closed } = log.state;
    return withoutReplaced(around().members)
      .filter(({ origin }) => origin !== identity.origin && !closed.has(origin))
      .map(({ origin }) => origin);
  }

  #acknowledged(): Position {
    const { log, reports } = this.options;
    const acknowledged = new Map([...log.state.origins.values()].map(({ origin, seq }) => [origin, seq]));
    const said = [...this.#counted().map((peer) => reports.latest(peer)), ...this.links.waitedFor(log.state).map(({ report }) => report?.position ?? null)];
    for (const report of said) {
      for (const [origin, seq] of acknowledged) acknowledged.set(origin, Math.min(seq, report?.get(origin) ?? 0));
    }
    return acknowledged;
  }
}
