import { FilerError, isFailure, messageOf } from './errors.js';
import { formatPosition, type Position } from './clock/vector.js';
import type { Member } from './cluster/member.js';
import { Membership } from './cluster/membership.js';
import { Admission } from './filer-admission.js';
import { FilerMembers } from './filer-members.js';
import type { FilerOptions } from './filer-options.js';
import { readinessOf, type Readiness } from './filer-readiness.js';
import { FilerStatus } from './filer-status.js';
import { ChangeLog } from './log/change-log.js';
import { Checkpoints } from './log/checkpoints.js';
import { Feed } from './log/feed.js';
import { ReadGate } from './log/read-gate.js';
import { Expiry } from './namespace/expiry.js';
import { backoffMs } from './loop.js';
import { Namespace } from './namespace/namespace.js';
import { Aggregator, type Interruption } from './replication/aggregator.js';
import { ClockWatch } from './replication/clock-watch.js';
import { Joining } from './replication/joining.js';
import { sideOf, sideOfInfo, verdict } from './replication/meeting.js';
import type { Caller, FilerInfo, FilerState } from './replication/peer.js';
import { findBranch } from './replication/branches.js';
import { Parting } from './replication/parting.js';
import { Reports } from './replication/reports.js';
import { QuarantineRetry } from './replication/quarantine-retry.js';
import { Source } from './replication/source.js';
import { Scrub } from './store/scrub.js';
import { Upkeep } from './upkeep.js';

/*
 * One filer: read this first.
 *
 *   clients ──► namespace ─┐                                    ┌─► feed ──► source ──► peers, tails
 *                          ├─► log (the door) ─► store ─► wake ─┘
 *   peers ───► aggregator ─┘        ▲
 *                ▲                  │
 *   masters ─► membership     joining: snapshot, rejoin, until the store may serve
 *
 * Clock, randomness, network and store come in as parameters: the same core runs on HTTP and SQLite, and in the simulation.
 */

export class Filer {
  readonly feed: Feed;
  /** Whatever reads a page of rows passes it. */
  readonly reads: ReadGate;
  readonly namespace: Namespace;
  readonly source: Source;
  readonly aggregator: Aggregator;
  readonly joining: Joining;
  readonly membership: Membership;
  readonly clockWatch: ClockWatch;
  readonly scrub: Scrub;
  readonly expiry: Expiry;
  readonly reports = new Reports();
  readonly upkeep: Upkeep;
  readonly #parting: Parting;
  readonly quarantine: QuarantineRetry;
  readonly checkpoints: Checkpoints;
  readonly admission: Admission;
  readonly status: FilerStatus;
  readonly #members: FilerMembers;
  #interrupt: (why: Interruption) => void = () => {};
  #replicating: Promise<void> = Promise.resolve();

  private constructor(
    private readonly options: FilerOptions,
    readonly log: ChangeLog,
  ) {
    const { store, time, logger, connect } = options;
    const limits = { ...options.limits, msMin: options.limits.backoffMsMin, msMax: options.limits.backoffMsMax };
    this.reads = new ReadGate(limits);
    this.feed = new Feed(store, log, time, limits, this.reads);
    this.namespace = new Namespace(log, store, time, limits);
    this.clockWatch = new ClockWatch(time, limits);
    this.admission = new Admission(log, time, this.clockWatch);
    this.#members = new FilerMembers(log, logger, this.admission.running);
    this.scrub = new Scrub({ store, time, logger: logger.child('scrub'), limits });
    this.quarantine = new QuarantineRetry({ log, time, logger: logger.child('quarantine'), limits });
    this.checkpoints = new Checkpoints(log, store, time, limits);
    this.source = new Source(
      { log, feed: this.feed, store, time, reports: this.reports },
      {
        mustServe: () => this.admission.mustServe(),
        serving: () => this.admission.serving,
        metStranger: (caller) => void this.#metStranger(caller),
        heard: (origin, position, digest) => this.aggregator.hear(origin, position, digest),
        parted: (caller) => void this.#metParted(caller),
      },
      limits,
    );
    const caller = () => this.status.caller();
    const members = () => this.#members.list;
    this.expiry = new Expiry({ log, store, time, logger: logger.child('expiry'), limits, members, mayWrite: () => this.admission.mayWrite() });
    this.joining = new Joining({
      log,
      store,
      time,
      logger: logger.child('joining'),
      limits,
      force: options.force,
      kind: store.kind,
      instance: options.instance,
      members,
      connect,
      caller,
      changed: () => this.membership.announceSoon(),
    });
    this.aggregator = new Aggregator({
      log,
      store,
      time,
      logger,
      limits,
      kind: store.kind,
      instance: options.instance,
      connect,
      caller,
      bootstrap: this.joining.bootstrap,
      interrupted: (why) => this.#interrupt(why),
      branches: () => this.#parting.branches(),
      clockHeard: (origin, seconds) => this.clockWatch.hear(origin, seconds),
    });
    this.#parting = new Parting({ log, store, time, logger: logger.child('parting'), limits });
    this.upkeep = new Upkeep({
      log,
      store,
      time,
      logger: logger.child('upkeep'),
      limits,
      backoff: limits,
      reports: this.reports,
      parting: this.#parting,
      force: options.force,
      around: () => this.status.surroundings(),
    });
    this.membership = new Membership({
      masters: options.masters,
      time,
      logger: logger.child('membership'),
      announcement: () => this.status.announcement(),
      group: options.group,
      saved: this.#members.list,
      changed: (list) => this.#membersChanged(list),
      adopted: (clusterId) => this.#adopt(clusterId),
      refused: (error) => this.admission.refuse(error),
      clockHeard: (master, seconds) => this.clockWatch.hear(master, seconds),
      heartbeatMs: limits.heartbeatMs,
      limits,
    });
    const { feed, source, aggregator, joining, scrub, upkeep, admission } = this;
    this.status = new FilerStatus({ options, log, feed, source, aggregator, joining, scrub, upkeep, admission, members });
  }

  /**
   * Opens the log of a store and wires everything; nothing runs yet.
   * @throws FilerError STORE_FAILED and whatever the store throws
   */
  static async open(options: FilerOptions): Promise<Filer> {
    const { store, time, limits, logger, receive } = options;
    return new Filer(options, await ChangeLog.open({ store, time, limits, logger: logger.child('log'), ...(receive ? { receive } : {}) }));
  }

  /** Registers, joins the others, follows them. */
  start(): void {
    this.membership.start();
    this.scrub.start();
    this.expiry.start();
    this.quarantine.start();
    this.#replicating = this.#replicate(this.admission.running);
  }

  /** Tells the masters that this filer stops, so that nobody waits for it; registers no more. */
  leave(): Promise<void> {
    return this.membership.stop();
  }

  /** Ends held polls and loops, lets waiting writes through, closes the store. */
  async stop(): Promise<void> {
    this.admission.stop();
    await Promise.all([this.membership.stop(), this.scrub.stop(), this.expiry.stop(), this.quarantine.stop()]);
    await this.#replicating;
    await this.log.close();
    await this.options.store.close();
  }

  get members(): readonly Member[] {
    return this.#members.list;
  }

  /** What this filer says of its state in `GET store`. */
  get state(): FilerState {
    return this.admission.state;
  }

  info(): FilerInfo {
    return this.status.info();
  }

  /** Fit for traffic: joined, and every member that is up is followed with a lag of at most `lagSecondsMax`. */
  async readiness(lagSecondsMax: number): Promise<Readiness> {
    const { admission, membership, members, joining, scrub, log, status } = this;
    const { memberDownMs } = this.options.limits;
    const { waitsFor } = joining;
    const quarantined = log.state.quarantine.size;
    const parts = { admission, waitsFor, membership, members, damage: scrub.damage, peers: await status.peers(), quarantined, memberDownMs };
    return readinessOf(parts, lagSecondsMax);
  }

  /** Waits until this filer has everything in `position`; throws POSITION_BEHIND after `ms`. */
  async waitForPosition(position: Position, ms: number, signal: AbortSignal): Promise<void> {
    if (await this.log.waitFor(position, ms, signal)) return;
    throw new FilerError('POSITION_BEHIND', `this filer is at ${formatPosition(this.log.position)}, not yet at ${formatPosition(position)}`, {
      position: formatPosition(this.log.position),
    });
  }

  async #replicate(signal: AbortSignal): Promise<void> {
    const { logger, limits, time } = this.options;
    const backoff = { msMin: limits.backoffMsMin, msMax: limits.backoffMsMax };
    for (let failures = 0; !signal.aborted;) {
      try {
        await this.membership.firstRound(signal);
        await this.joining.untilReady(signal);
        const why = await this.#follow(signal);
        failures = why === null || (await this.#yield(why, signal)) ? 0 : failures + 1;
      } catch (error) {
        if (signal.aborted) return;
        if (isFailure(error)) logger.warn(error.message);
        else logger.error(error instanceof Error ? (error.stack ?? error.message) : String(error));
        failures += 1;
      }
      if (failures > 0)
        await time
          .sleep(
            backoffMs(failures, backoff, () => time.random()),
            signal,
          )
          .catch(() => {});
    }
  }

  /** Does what following was interrupted for. Resolves with false if nothing came of it, since the peer is no longer what it was. */
  async #yield(why: Interruption, signal: AbortSignal): Promise<boolean> {
    switch (why.kind) {
      case 'rejoin':
        return this.#rejoin(why.info, signal);
      case 'bootstrap':
        await this.joining.bootstrapAgain();
        return true;
      case 'adopt':
        await this.joining.adopt(why.info);
        return true;
      case 'parted':
        if (await this.#parting.mayHaveForgotten(why.branch)) return this.#rejoin(why.info, signal);
        await this.#giveUp(why);
        return true;
    }
  }

  /** Serves and follows until stopped (null) or until this store must be filled first. */
  async #follow(signal: AbortSignal): Promise<Interruption | null> {
    // Stopped while it joined: an abort that is over wakes nobody any more.
    if (signal.aborted) return null;
    this.admission.serve();
    const ended = new Promise<Interruption | null>((resolve) => {
      this.#interrupt = resolve;
      signal.addEventListener('abort', () => resolve(null), { once: true });
    });
    this.aggregator.start();
    this.aggregator.reconcile(this.members);
    const upkeep = new AbortController();
    const kept = this.upkeep.run(upkeep.signal);
    const why = await ended;
    this.#interrupt = () => {};
    upkeep.abort(new FilerError('STOPPING', 'no longer kept up'));
    await kept;
    this.admission.serveNoMore();
    await this.aggregator.stop();
    return why;
  }

  /** A filer of another lineage has asked this one, which gives way: through that filer, if it is what it says. */
  async #metStranger(caller: Caller): Promise<void> {
    try {
      const info = await this.options.connect(caller.address).info(this.admission.running);
      if (info.origin !== caller.origin || info.state !== 'ready') return;
      const kind = verdict(sideOf(this.log.state), sideOfInfo(info));
      if (kind === 'adopt' || kind === 'bootstrap' || kind === 'rejoin') this.#interrupt({ kind, info: { ...info, address: caller.address } });
    } catch (error) {
      this.options.logger.warn(`cannot join through ${caller.address}: ${messageOf(error)}`);
    }
  }

  /** A filer that asked has other changes under an origin: looks who of the two gives up its own. */
  async #metParted(caller: Caller): Promise<void> {
    const signal = this.admission.running;
    try {
      const peer = this.options.connect(caller.address);
      const info = await peer.info(signal);
      if (info.origin !== caller.origin || info.state !== 'ready') return;
      const branch = await findBranch(info, peer, this.log, this.options.store, signal);
      if (branch?.isOurs) this.#interrupt({ kind: 'parted', info, branch });
    } catch (error) {
      this.options.logger.debug(`cannot compare histories with ${caller.address}: ${messageOf(error)}`);
    }
  }

  async #rejoin(info: FilerInfo, signal: AbortSignal): Promise<boolean> {
    const hasBegun = await this.joining.rejoinWith(info, signal);
    if (hasBegun) this.reports.forget();
    return hasBegun;
  }

  async #giveUp({ branch, info }: Extract<Interruption, { kind: 'parted' }>): Promise<void> {
    await this.#parting.giveUp(branch, info);
    // What was said before was said of another history.
    this.reports.forget();
    this.joining.bootstrap.progress = null;
    this.membership.announceSoon();
  }

  #membersChanged(members: readonly Member[]): void {
    this.#members.change(members);
    this.aggregator.reconcile(members);
  }

  async #adopt(clusterId: string): Promise<void> {
    if (this.log.identity.clusterId === clusterId) return;
    if (this.log.identity.clusterId !== null)
      throw new FilerError(
        'CLUSTER_MISMATCH',
        `the master belongs to cluster ${clusterId}, this filer to ${this.log.identity.clusterId}; point it at its own master`,
      );
    await this.log.alone(async (draft) => {
      draft.setIdentity({ clusterId });
      await draft.flush();
    });
  }
}
