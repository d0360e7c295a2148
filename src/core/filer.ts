import { FilerError, isFailure, messageOf } from './errors.js';
import type { ReceiveChange } from './change/refused.js';
import { formatPosition, type Position } from './clock/vector.js';
import { clockMax, versionMax } from './clock/version.js';
import type { MasterPort, Member } from './cluster/member.js';
import { Membership } from './cluster/membership.js';
import { membersFromText, membersToText } from './cluster/saved-members.js';
import { type limits as defaults } from './config/limits.js';
import { ChangeLog } from './log/change-log.js';
import { Checkpoints } from './log/checkpoints.js';
import { positionOf } from './log/log-state.js';
import { Feed } from './log/feed.js';
import { ReadGate } from './log/read-gate.js';
import type { Logger } from './logger.js';
import { Expiry } from './namespace/expiry.js';
import { Namespace } from './namespace/namespace.js';
import { Aggregator, type Interruption } from './replication/aggregator.js';
import { ClockWatch } from './replication/clock-watch.js';
import { Joining } from './replication/joining.js';
import { sideOf, sideOfInfo, verdict } from './replication/meeting.js';
import type { Caller, FilerInfo, FilerState, Peer } from './replication/peer.js';
import { reportPeer, type PeerReport } from './replication/peer-report.js';
import { reportLog, type LogReport } from './replication/log-report.js';
import { findBranch, Parting } from './replication/parting.js';
import { Reports } from './replication/reports.js';
import { QuarantineRetry } from './replication/quarantine-retry.js';
import { Source } from './replication/source.js';
import { Scrub } from './store/scrub.js';
import type { Store } from './store/store.js';
import type { TimeSource } from './time.js';
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

export type FilerLimits = { readonly [K in keyof typeof defaults]: number };

export interface FilerOptions {
  readonly store: Store;
  readonly time: TimeSource;
  readonly logger: Logger;
  readonly limits: FilerLimits;
  /** host:port by which others reach this filer. */
  readonly address: string;
  /** Program name and version. */
  readonly program: string;
  /** Filers of different groups do not see each other. */
  readonly group: string;
  /** Random word of this process start. */
  readonly instance: string;
  readonly masters: readonly MasterPort[];
  readonly connect: (address: string) => Peer;
  /** An operator has said that this store is the first of its cluster. */
  readonly force: boolean;
  /** Decides which of the peers' changes are refused; left out, the rules of this program do. */
  readonly receive?: ReceiveChange;
}

/** Whether a filer is fit for traffic, and if not, why. */
export interface Readiness {
  readonly ready: boolean;
  readonly reasons: readonly { readonly code: string; readonly error: string }[];
  /** What an operator should see to, though it keeps nobody from working here. */
  readonly warnings: readonly { readonly code: string; readonly error: string }[];
}

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
  #members: readonly Member[];
  #refusal: FilerError | null = null;
  #running = new AbortController();
  #serving = new AbortController();
  #interrupt: (why: Interruption) => void = () => {};
  #replicating: Promise<void> = Promise.resolve();
  #savedMembers: string;

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
    this.scrub = new Scrub({ store, time, logger: logger.child('scrub'), limits });
    this.quarantine = new QuarantineRetry({ log, time, logger: logger.child('quarantine'), limits });
    this.checkpoints = new Checkpoints(log, store, time, limits);
    this.source = new Source(
      { log, feed: this.feed, store, time, reports: this.reports },
      {
        mustServe: () => this.mustServe(),
        serving: () => this.#serving.signal,
        metStranger: (caller) => void this.#metStranger(caller),
        heard: (origin, position, digest) => this.aggregator.hear(origin, position, digest),
        parted: (caller) => void this.#metParted(caller),
      },
      limits,
    );
    const caller = () => this.#caller();
    const members = () => this.#members;
    this.expiry = new Expiry({ log, store, time, logger: logger.child('expiry'), limits, members, mayWrite: () => this.#mayWrite() });
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
      changed: () => this.#phaseChanged(),
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
      around: () => this.#around(),
    });
    this.#savedMembers = log.openedMeta.get('members') ?? '[]';
    this.#members = membersFromText(this.#savedMembers);
    this.membership = new Membership({
      masters: options.masters,
      time,
      logger: logger.child('membership'),
      announcement: () => this.#announcement(),
      group: options.group,
      saved: this.#members,
      changed: (list) => this.#membersChanged(list),
      adopted: (clusterId) => this.#adopt(clusterId),
      refused: (error) => this.#refused(error),
      clockHeard: (master, seconds) => this.clockWatch.hear(master, seconds),
      heartbeatMs: limits.heartbeatMs,
      limits,
    });
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
    this.#replicating = this.#replicate(this.#running.signal);
  }

  /** Tells the masters that this filer stops, so that nobody waits for it; registers no more. */
  leave(): Promise<void> {
    return this.membership.stop();
  }

  /** Ends held polls and loops, lets waiting writes through, closes the store. */
  async stop(): Promise<void> {
    const stopping = new FilerError('STOPPING', 'this filer is stopping; use another one');
    this.#running.abort(stopping);
    this.#serving.abort(stopping);
    await Promise.all([this.membership.stop(), this.scrub.stop(), this.expiry.stop(), this.quarantine.stop()]);
    await this.#replicating;
    await this.log.close();
    await this.options.store.close();
  }

  get members(): readonly Member[] {
    return this.#members;
  }

  /** What this filer says of itself in `GET store`. */
  get state(): FilerState {
    if (this.#refusal) return 'refused';
    const { phase } = this.log.identity;
    return phase === 'fresh' ? 'starting' : phase === 'restored' ? 'readonly' : phase;
  }

  info(): FilerInfo {
    const { log, options } = this;
    const { state } = log;
    const { storeId, origin, former, clusterId, floor } = state.identity;
    const { lineage } = sideOf(state);
    return {
      storeId,
      origin,
      clusterId,
      instance: options.instance,
      engine: options.store.engine,
      kind: options.store.kind,
      address: options.address,
      state: this.state,
      program: options.program,
      protocol: 1,
      position: positionOf(state.origins),
      hashes: new Map([...state.origins.values()].map((known) => [known.origin, known.hash])),
      floor,
      head: this.feed.formatOffset(state.head),
      first: this.feed.formatOffset(state.first - 1),
      digest: state.partedFrom === null ? log.digest : '',
      damage: this.scrub.damage,
      quarantined: [...state.quarantine.keys()],
      counts: state.counts,
      time: options.time.micros(),
      former,
      lineage,
    };
  }

  /**
   * Passes if clients may write here now.
   * @throws FilerError BOOTSTRAPPING, ORIGIN_IN_USE, CLOCK_SKEWED, STOPPING
   */
  mustWrite(): void {
    this.#running.signal.throwIfAborted();
    if (this.#refusal) throw this.#refusal;
    const { phase } = this.log.identity;
    if (phase === 'restored') {
      throw new FilerError(
        'BOOTSTRAPPING',
        'this store was restored or copied and is read-only until it has rejoined; start a member that can serve, or restart with --force',
      );
    }
    if (phase !== 'ready') throw new FilerError('BOOTSTRAPPING', `this filer is ${this.state}; write to another one, or wait for /readyz`);
    if (this.log.state.partedFrom !== null)
      throw new FilerError(
        'BOOTSTRAPPING',
        'this filer gives up a branch of its history and follows the others first; write to another one, or wait for /readyz',
      );
    if (this.options.time.micros() > clockMax) throw new FilerError('CLOCK_SKEWED', 'the clock of this filer is beyond the year 2111; set it');
    const ahead = this.clockWatch.tooFarAhead();
    if (ahead !== null)
      throw new FilerError('CLOCK_SKEWED', `the clock of this filer is ${ahead.toFixed(1)} s ahead of the others; set it, or write to another filer`);
  }

  #mayWrite(): boolean {
    try {
      this.mustWrite();
      return true;
    } catch {
      return false;
    }
  }

  /**
   * Passes if peers may have feed and snapshot.
   * @throws FilerError BOOTSTRAPPING, ORIGIN_IN_USE, STOPPING
   */
  mustServe(): void {
    this.#running.signal.throwIfAborted();
    if (this.#refusal) throw this.#refusal;
    if (this.log.identity.phase !== 'ready' || this.#serving.signal.aborted)
      throw new FilerError('BOOTSTRAPPING', `this filer is ${this.state}; ask another one`);
  }

  /** What every peer is to this filer, and this filer to every peer. */
  peers(): Promise<PeerReport[]> {
    const parts = { log: this.log, store: this.options.store, time: this.options.time, peerSilentMs: this.options.limits.peerSilentMs };
    return Promise.all(this.aggregator.subscriptions.map((subscription) => reportPeer(subscription, this.source.followers.get(subscription.origin), parts)));
  }

  /** What the log holds, who keeps it from shrinking, and how long each peer may stay away. */
  async logReport(): Promise<LogReport> {
    const { log, upkeep, feed, source } = this;
    const { time, limits, store } = this.options;
    const acknowledged = new Map(
      [...source.followers.values()].map(({ origin, position, lastContact }) => [origin, { position, age: (time.monotonic() - lastContact) / 1000 }]),
    );
    const [oldest] = await store.tombstones(versionMax, null, 1);
    return reportLog({
      state: log.state,
      now: time.micros(),
      formatOffset: (index) => feed.formatOffset(index),
      oldestAt: upkeep.retention.oldestAt,
      oldestTombstone: oldest?.version ?? null,
      limits,
      members: this.#members,
      acknowledged,
      logHeldBy: upkeep.logHeldBy(),
      tombstonesHeldBy: upkeep.collection.heldBy,
    });
  }

  /** Fit for traffic: joined, and every member that is up is followed with a lag of at most `lagSecondsMax`. */
  async readiness(lagSecondsMax: number): Promise<Readiness> {
    const reasons: { code: string; error: string }[] = [];
    try {
      this.mustWrite();
    } catch (error) {
      reasons.push({ code: isFailure(error) ? error.code : 'INTERNAL', error: messageOf(error) });
    }
    if (this.scrub.damage !== null) reasons.push({ code: 'DIGEST_MISMATCH', error: this.scrub.damage });
    const { outcast, silentMs } = this.membership;
    if (outcast && !this.#refusal) reasons.push({ code: outcast.code, error: outcast.message });
    const up = new Set(this.#members.filter((member) => member.state === 'up').map((member) => member.origin));
    for (const peer of await this.peers()) {
      if (!up.has(peer.origin)) continue;
      const { seconds } = peer.behind;
      // With no master left to say that a peer is down, its silence says so.
      if (peer.state !== 'following' && seconds === null && silentMs >= this.options.limits.memberDownMs) continue;
      if (peer.state !== 'following')
        reasons.push({ code: peer.error?.code ?? 'BOOTSTRAPPING', error: `${peer.address} is not followed: ${peer.error?.error ?? peer.state}` });
      else if (seconds === null || seconds > lagSecondsMax) {
        reasons.push({
          code: 'POSITION_BEHIND',
          error: `${seconds === null ? 'an unknown time' : `${seconds.toFixed(1)} s`} behind ${peer.address}, more than ${lagSecondsMax} s`,
        });
      }
      if (peer.digest === 'different') reasons.push({ code: 'DIGEST_MISMATCH', error: `at one position with ${peer.address}, but the digests differ` });
    }
    const { size } = this.log.state.quarantine;
    const quarantined = { code: 'QUARANTINED', error: `${size} ${size === 1 ? 'change is' : 'changes are'} quarantined; see kelp filer.quarantine` };
    return { ready: reasons.length === 0, reasons, warnings: size === 0 ? [] : [quarantined] };
  }

  /** Waits until this filer has everything in `position`; throws POSITION_BEHIND after `ms`. */
  async waitForPosition(position: Position, ms: number, signal: AbortSignal): Promise<void> {
    if (await this.log.waitFor(position, ms, signal)) return;
    throw new FilerError('POSITION_BEHIND', `this filer is at ${formatPosition(this.log.position)}, not yet at ${formatPosition(position)}`, {
      position: formatPosition(this.log.position),
    });
  }

  async #replicate(signal: AbortSignal): Promise<void> {
    const { logger } = this.options;
    while (!signal.aborted) {
      try {
        await this.membership.firstRound(signal);
        await this.joining.untilReady(signal);
        const why = await this.#follow(signal);
        if (why?.kind === 'rejoin') await this.joining.rejoinWith(why.info, signal);
        else if (why?.kind === 'bootstrap') await this.joining.bootstrapAgain();
        else if (why?.kind === 'adopt') await this.joining.adopt(why.info);
        else if (why?.kind === 'parted') await this.#giveUp(why);
      } catch (error) {
        if (signal.aborted) return;
        logger.error(error instanceof Error ? (error.stack ?? error.message) : String(error));
        await this.options.time.sleep(this.options.limits.backoffMsMax, signal).catch(() => {});
      }
    }
  }

  /** Serves and follows until stopped (null) or until this store must be filled first. */
  async #follow(signal: AbortSignal): Promise<Interruption | null> {
    // Stopped while it joined: an abort that is over wakes nobody any more.
    if (signal.aborted) return null;
    this.#serving = new AbortController();
    const ended = new Promise<Interruption | null>((resolve) => {
      this.#interrupt = resolve;
      signal.addEventListener('abort', () => resolve(null), { once: true });
    });
    this.aggregator.start();
    this.aggregator.reconcile(this.#members);
    const upkeep = new AbortController();
    const kept = this.upkeep.run(upkeep.signal);
    const why = await ended;
    this.#interrupt = () => {};
    upkeep.abort(new FilerError('STOPPING', 'no longer kept up'));
    await kept;
    this.#serving.abort(new FilerError('BOOTSTRAPPING', 'this filer joins the others first; ask another one'));
    await this.aggregator.stop();
    return why;
  }

  /** A filer of another lineage has asked this one, which gives way: through that filer, if it is what it says. */
  async #metStranger(caller: Caller): Promise<void> {
    try {
      const info = await this.options.connect(caller.address).info(this.#running.signal);
      if (info.origin !== caller.origin || info.state !== 'ready') return;
      const kind = verdict(sideOf(this.log.state), sideOfInfo(info));
      if (kind === 'adopt' || kind === 'bootstrap' || kind === 'rejoin') this.#interrupt({ kind, info: { ...info, address: caller.address } });
    } catch (error) {
      this.options.logger.warn(`cannot join through ${caller.address}: ${messageOf(error)}`);
    }
  }

  /** A filer that asked has other changes under an origin: looks who of the two gives up its own. */
  async #metParted(caller: Caller): Promise<void> {
    const signal = this.#running.signal;
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

  async #giveUp({ branch, info }: Extract<Interruption, { kind: 'parted' }>): Promise<void> {
    await this.#parting.giveUp(branch, info);
    // What was said before was said of another history.
    this.reports.forget();
    this.joining.bootstrap.progress = null;
    this.membership.announceSoon();
  }

  #around() {
    const { time, limits } = this.options;
    const subscriptions = this.aggregator.subscriptions;
    const since = time.monotonic() - limits.peerSilentMs;
    const asked = [...this.source.followers.values()].filter(({ lastContact }) => lastContact >= since).map(({ origin }) => origin);
    const answered = subscriptions.filter(({ lastContact }) => lastContact !== null && lastContact >= since).map(({ origin }) => origin);
    const up = this.#members.filter(({ state }) => state === 'up').map(({ origin }) => origin);
    return {
      members: this.#members,
      following: subscriptions.filter(({ state }) => state === 'following').map(({ origin, head }) => ({ origin, head })),
      heard: [...asked, ...answered, ...up],
      isStaging: this.joining.bootstrap.progress !== null,
      isRefused: this.#refusal !== null,
    };
  }

  #caller(): Caller {
    const { identity, origins } = this.log.state;
    const report = this.source.report();
    return {
      origin: identity.origin,
      address: this.options.address,
      clusterId: identity.clusterId,
      have: new Map([...origins.values()].map(({ origin, seq, hash }) => [origin, { seq, hash }])),
      report,
      digest: report === null ? '' : this.log.digestToTell(),
      former: identity.former,
      lineage: sideOf(this.log.state).lineage,
    };
  }

  #announcement() {
    const { identity } = this.log;
    const { address, store, instance, program, group } = this.options;
    return {
      origin: identity.origin,
      storeId: identity.storeId,
      clusterId: identity.clusterId,
      address,
      engine: store.engine,
      kind: store.kind,
      instance,
      position: this.log.position,
      program,
      group,
    };
  }

  #phaseChanged(): void {
    this.membership.announceSoon();
  }

  #membersChanged(members: readonly Member[]): void {
    this.#members = members;
    this.aggregator.reconcile(members);
    void this.#saveMembers();
  }

  /** Keeps the list in the store, so that this filer finds its peers when no master does. */
  async #saveMembers(): Promise<void> {
    const text = membersToText(this.#members);
    if (text === this.#savedMembers || this.#running.signal.aborted) return;
    this.#savedMembers = text;
    try {
      await this.log.alone(async (draft) => {
        draft.setMeta('members', text);
        await draft.flush();
      });
    } catch (error) {
      this.#savedMembers = '';
      if (!isFailure(error, 'STOPPING')) this.options.logger.warn(`the member list could not be saved: ${messageOf(error)}`);
    }
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

  #refused(error: FilerError | null): void {
    const before = this.#refusal;
    this.#refusal = error !== null && isFailure(error, 'ORIGIN_IN_USE') ? error : null;
    if (this.#refusal && !before) this.#serving.abort(this.#refusal);
    else if (before && !this.#refusal) this.#serving = new AbortController();
  }
}
