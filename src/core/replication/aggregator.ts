import { FilerError, isFailure } from '../errors.js';
import type { Origin, Position } from '../clock/vector.js';
import { withoutReplaced, type Member } from '../cluster/member.js';
import type { ChangeLog } from '../log/change-log.js';
import type { Logger } from '../logger.js';
import type { StoreReader } from '../store/store.js';
import type { TimeSource } from '../time.js';
import type { Bootstrap } from './bootstrap.js';
import { checkPeer, mayMerge, sideOf, sideOfInfo, verdict } from './meeting.js';
import { findBranch, type Branch } from './branches.js';
import type { Caller, FilerInfo, Peer } from './peer.js';
import { assignRelays } from './relay.js';
import { Subscription, type SubscriptionLimits } from './subscription.js';

/** Why following has to stop: this store must be filled first, or becomes one of another lineage. */
export type Interruption =
  | { readonly kind: 'rejoin' | 'bootstrap' | 'adopt'; readonly info: FilerInfo }
  /** This store gives up its branch of an origin's log. */
  | { readonly kind: 'parted'; readonly info: FilerInfo; readonly branch: Branch };

/** What this filer does before it follows a peer of another lineage. */
const joiningWords = {
  adopt: 'takes over the lineage of the other',
  bootstrap: 'is empty and takes a snapshot',
  rejoin: 'has worked apart from the other and rejoins',
} as const;

export interface AggregatorOptions {
  readonly log: ChangeLog;
  readonly store: StoreReader;
  readonly time: TimeSource;
  readonly logger: Logger;
  readonly limits: SubscriptionLimits;
  readonly kind: 'embedded' | 'shared';
  readonly instance: string;
  readonly connect: (address: string) => Peer;
  readonly caller: () => Caller;
  readonly bootstrap: Bootstrap;
  readonly interrupted: (why: Interruption) => void;
  /** Logs that only one peer may relay (Parting). */
  readonly branches: () => ReadonlyMap<Origin, Origin>;
  /** A peer has told its wall clock: seconds ahead of ours. */
  readonly clockHeard: (origin: Origin, seconds: number) => void;
}

/** One subscription per member, reconciled against the whole member list; and who relays the changes of whom. */
export class Aggregator {
  readonly #subscriptions = new Map<Origin, Subscription>();
  #relays = new Map<Origin, Origin>();
  /** What the relays were last decided by: the position, the branches awaited, and each subscription with its head if it follows. */
  #decidedBy: readonly unknown[] = [];
  #staging: Promise<void> = Promise.resolve();
  #running = false;

  constructor(private readonly options: AggregatorOptions) {}

  get subscriptions(): readonly Subscription[] {
    return [...this.#subscriptions.values()];
  }

  /** Begins to follow; `reconcile` says whom. */
  start(): void {
    this.#running = true;
  }

  /** Ends all subscriptions; resolves when no step is in flight. */
  async stop(): Promise<void> {
    this.#running = false;
    const all = this.subscriptions;
    this.#subscriptions.clear();
    await Promise.all(all.map((subscription) => subscription.stop()));
    await this.#staging.catch(() => {});
  }

  /** Makes the subscriptions those of `members`: keyed by origin, since a peer may come back on another port. */
  reconcile(members: readonly Member[]): void {
    if (!this.#running) return;
    const { log, time, logger, limits, connect } = this.options;
    const { identity } = log;
    const own = this.options.caller().address;
    // At this filer's own address nobody else is: that was itself, under an origin it has given up.
    const others = withoutReplaced(members).filter(
      ({ origin, address }) => origin !== identity.origin && !(address === own && identity.former.includes(origin)),
    );
    const wanted = new Map(others.map((member) => [member.origin, member]));
    for (const [origin, subscription] of this.#subscriptions) {
      const member = wanted.get(origin);
      if (member?.address === subscription.member.address) {
        subscription.member = member;
        continue;
      }
      this.#subscriptions.delete(origin);
      void subscription.stop();
    }
    for (const [origin, member] of wanted) {
      if (this.#subscriptions.has(origin)) continue;
      const subscription = new Subscription(member, connect(member.address), log, {
        time,
        logger: logger.child('peer'),
        limits,
        hooks: {
          origins: (self) => [self.origin, ...[...this.#relays].filter(([, via]) => via === self.origin).map(([orphan]) => orphan)],
          caller: this.options.caller,
          met: (self, info, signal) => this.#met(self, info, signal),
          changed: () => this.#assign(),
          trimmed: (self, signal) => this.#takeSnapshot(self, signal),
          closed: (self, signal) => this.#closedThere(self, signal),
        },
      });
      this.#subscriptions.set(origin, subscription);
      subscription.start();
    }
    this.#assign();
  }

  /** A member has asked this filer, and said where it is itself. */
  hear(origin: Origin, position: Position, digest: string): void {
    this.#subscriptions.get(origin)?.hearAsking(position, digest);
  }

  async #met(subscription: Subscription, info: FilerInfo, signal: AbortSignal): Promise<void> {
    const { log, store, kind, instance, interrupted, clockHeard } = this.options;
    const { identity } = log;
    const { closed } = log.state;
    if (closed.has(subscription.origin))
      throw new FilerError('ORIGIN_CLOSED', `origin ${subscription.origin} is closed; its filer rejoins under a new one`, { origin: subscription.origin });
    checkPeer(info, subscription.member, { origin: identity.origin, clusterId: identity.clusterId, kind, instance });
    clockHeard(info.origin, subscription.skewSeconds);
    if (info.state !== 'ready') throw new FilerError('BOOTSTRAPPING', `it is ${info.state}`);
    // The address it has for itself may be another.
    const reached = { ...info, address: subscription.peer.address };
    if (closed.has(identity.origin)) {
      interrupted({ kind: 'rejoin', info: reached });
      throw new FilerError('BOOTSTRAPPING', "this filer's origin was closed, and it rejoins");
    }
    const decided = verdict(sideOf(log.state), sideOfInfo(info));
    if (decided === 'adopt' || decided === 'bootstrap' || decided === 'rejoin') {
      interrupted({ kind: decided, info: reached });
      throw new FilerError('BOOTSTRAPPING', `this filer ${joiningWords[decided]}`);
    }
    // It is asked all the same: that tells it of this filer, and it refuses until it has done its part.
    if (decided === 'wait') await this.#expect(info);
    const branch = await findBranch(info, subscription.peer, log, store, signal);
    if (branch === null) return;
    if (branch.isOurs) interrupted({ kind: 'parted', info, branch });
    throw new FilerError(
      'ORIGIN_DIVERGED',
      `two logs were written under origin ${branch.origin} after ${branch.common}; ${branch.isOurs ? 'this filer' : subscription.peer.address} gives up its own`,
      { origin: branch.origin, seq: branch.common },
    );
  }

  /** Makes a filer known that is about to take over this store's lineage: from then on nothing is dropped that it has not seen. */
  async #expect(info: FilerInfo): Promise<void> {
    const { log } = this.options;
    if (log.state.origins.has(info.origin) || !mayMerge(sideOf(log.state), sideOfInfo(info))) return;
    await log.alone(async (draft) => {
      if (mayMerge(sideOf(draft), sideOfInfo(info))) draft.know(info.origin);
      await draft.flush();
    });
  }

  /** A peer refuses this filer because its origin is closed: it rejoins through that peer, which can serve. */
  async #closedThere({ peer }: Subscription, signal: AbortSignal): Promise<void> {
    const info = await peer.info(signal);
    if (info.state === 'ready') this.options.interrupted({ kind: 'rejoin', info: { ...info, address: peer.address } });
  }

  /** Staged snapshots go one after another; what one brings may be all the next would. */
  async #takeSnapshot(subscription: Subscription, signal: AbortSignal): Promise<void> {
    const { bootstrap, log } = this.options;
    const mine = this.#staging
      .catch(() => {})
      .then(async () => {
        signal.throwIfAborted();
        const info = await subscription.peer.info(signal);
        if (log.state.counts.entries + log.state.counts.tombstones === 0 && log.state.head === 0) {
          this.options.interrupted({ kind: 'bootstrap', info });
          return;
        }
        try {
          await bootstrap.take(subscription.peer, info, 'staging', signal);
        } catch (error) {
          if (isFailure(error, 'OFFSET_UNKNOWN', 'LOG_TRIMMED', 'ORIGIN_DIVERGED')) await bootstrap.abandon();
          throw error;
        }
      });
    this.#staging = mine;
    return mine;
  }

  /** Decides anew who relays whom, and lets those whose share has changed ask again. */
  #assign(): void {
    if (!this.#running) return;
    const { log } = this.options;
    // Every answer of every peer comes by here, and few bring news.
    if (this.#isDecided()) return;
    const branches = this.options.branches();
    this.#decidedBy = [log.position, branches, ...this.subscriptions.flatMap((subscription) => [subscription, headIfFollowing(subscription)])];
    const following = this.subscriptions.filter((subscription) => subscription.state === 'following');
    const next = assignRelays({
      own: log.identity.origin,
      position: log.position,
      members: new Set(this.#subscriptions.keys()),
      following: following.map(({ origin, head }) => ({ origin, head })),
      current: this.#relays,
      branches,
    });
    const before = this.#relays;
    this.#relays = next;
    if (next.size === before.size && [...next].every(([orphan, via]) => before.get(orphan) === via)) return;
    for (const subscription of following) {
      const share = (relays: ReadonlyMap<Origin, Origin>) =>
        [...relays]
          .filter(([, via]) => via === subscription.origin)
          .map(([orphan]) => orphan)
          .sort()
          .join();
      if (share(before) !== share(next)) subscription.reassign();
    }
  }

  /** True if nothing has changed of what the relays were last decided by. */
  #isDecided(): boolean {
    const decidedBy = this.#decidedBy;
    if (decidedBy.length !== 2 + 2 * this.#subscriptions.size) return false;
    if (decidedBy[0] !== this.options.log.position || decidedBy[1] !== this.options.branches()) return false;
    let at = 2;
    for (const subscription of this.#subscriptions.values()) {
      if (decidedBy[at] !== subscription || decidedBy[at + 1] !== headIfFollowing(subscription)) return false;
      at += 2;
    }
    return true;
  }
}

const headIfFollowing = (subscription: Subscription) => subscription.state === 'following' && subscription.head;
