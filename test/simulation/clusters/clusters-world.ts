import { limits as real } from '../../../src/core/config/limits.js';
import type { FilerLimits } from '../../../src/core/filer-options.js';
import { Coverage } from '../coverage.js';
import { Network } from '../network.js';
import { Random } from '../random.js';
import { simLimits, type SimFiler } from '../sim-filer.js';
import { Violation } from '../violation.js';
import { VirtualTime } from '../virtual-time.js';
import type { WorldOptions } from '../world.js';
import { Accounts } from './accounts.js';
import { missing } from './across.js';
import { Crossings, type Link } from './crossings.js';
import { SimCluster } from './sim-cluster.js';
import { SimSync } from './sim-sync.js';
import { drawTopology, type Topology } from './topologies.js';

/** How often each thing happens, relative to the others. */
export const weights = {
  operation: 40,
  pause: 30,
  crash: 1,
  crashAtCommit: 2,
  start: 4,
  killSync: 3,
  stopSync: 1,
  startSyncs: 5,
  cut: 1,
  cutSync: 1.5,
  heal: 3,
  loss: 0.5,
  late: 0.7,
  wipe: 0.5,
  lose: 0.4,
  backup: 2,
  restore: 1,
  clock: 0.8,
  homeLoss: 1,
};
type Action = keyof typeof weights;

const filersMax = 3;
/** Until everybody is the same, seconds. */
const settleSeconds = 260;
/** Then nothing may be written for so long, seconds: longer than any pause between a checkpoint and the next. */
const idleSeconds = 20;

/** One history of several clusters and the syncs between them, and whether they keep their promises. */
export class ClustersWorld {
  readonly coverage = new Coverage();
  readonly #random: Random;
  readonly #time: VirtualTime;
  readonly #network: Network;
  readonly #topology: Topology;
  readonly #clusters: readonly SimCluster[];
  readonly #syncs: readonly SimSync[];
  readonly #links: readonly Link[];
  readonly #crossings: Crossings;
  readonly #accounts: Accounts;
  /** Filers that have lost nothing since the start. */
  readonly #whole = new Set<SimFiler>();
  /**
   * True once a cluster had no such filer: it may not know of a link that reads from it, and drop a tombstone before that has heard of it. What it deletes
   * may then come back from the other cluster.
   */
  #mayForget = false;

  constructor(private readonly options: WorldOptions) {
    const { verbose = false } = options;
    const { coverage } = this;
    const random = (this.#random = new Random(options.seed));
    const time = (this.#time = new VirtualTime(random));
    const network = (this.#network = new Network(time, random, coverage.count));
    this.#topology = drawTopology(random);
    const limits = limitsOf(this.#topology);
    const say = (text: string) => this.#say(text);
    const crossings = (this.#crossings = new Crossings(() => this.#links, coverage.count));
    const committed = (cluster: SimCluster, filer: SimFiler) => crossings.committed(cluster, filer);
    this.#clusters = Array.from(
      { length: this.#topology.clusters },
      (_, at) => new SimCluster({ name: 'abc'[at] as string, random, time, network, coverage, limits, verbose, say, committed }),
    );
    this.#accounts = new Accounts(this.#topology.isWhole && !this.#topology.isPassive ? this.#clusters : []);
    this.#syncs = this.#topology.syncs.map(({ a, b, aToB, bToA }, at) => {
      const [left, right] = [this.#clusters[a], this.#clusters[b]] as [SimCluster, SimCluster];
      const name = `sync${at}`;
      return new SimSync({ name, a: left, b: right, aToB, bToA, time, network, limits, verbose, count: coverage.count, expired: () => crossings.expired() });
    });
    this.#links = this.#syncs.flatMap(({ plan: { a, b, aToB, bToA } }) => [
      { source: a, target: b, scope: aToB },
      ...(bToA === null ? [] : [{ source: b, target: a, scope: bToA }]),
    ]);
  }

  /** Runs the whole history; throws a Violation with what was broken. */
  async run(): Promise<void> {
    this.#say(`${this.#topology.name}`);
    this.coverage.count(`topology ${this.#topology.name}`);
    for (const cluster of this.#clusters) {
      for (let left = 1 + this.#random.below(3); left > 0; left--) this.#whole.add(cluster.add());
      for (const filer of cluster.filers) await filer.start();
    }
    await this.#time.advance(1000);
    for (const sync of this.#syncs) sync.start();
    for (let step = 0; step < this.options.steps; step++) {
      await this.#act(this.#random.weighted(weights));
      await this.#time.advance(this.#random.pick([0, 1, 20, 300]));
      await this.#check();
    }
    await this.#settle();
    for (const cluster of this.#clusters) for (const filer of cluster.filers) cluster.clients.operate(filer);
    await this.#settle();
    await this.#idle();
    for (const { history, filers } of this.#clusters) {
      const [first] = filers as [(typeof filers)[number]];
      history.final(first);
      history.ledgers(filers);
    }
    if (!this.#crossings.isExpired) this.#accounts.final(this.#mayForget || this.#hasMerged);
  }

  /** Ends every process, so that the next world starts with none. */
  close(): void {
    for (const sync of this.#syncs) sync.crash();
    for (const { filers } of this.#clusters) for (const filer of filers) filer.crash();
  }

  #say(text: string): void {
    if (this.options.verbose) console.error(`${this.#time.now.toFixed(0).padStart(8)} ${text}`);
  }

  async #act(action: Action): Promise<void> {
    const random = this.#random;
    const network = this.#network;
    const cluster = random.pick(this.#clusters);
    const filer = random.pick(cluster.filers);
    const sync = random.pick(this.#syncs);
    this.coverage.count(`did ${action}`);
    if (action !== 'pause' && action !== 'operation') this.#say(`${action} ${filer.name} ${sync.name}`);
    switch (action) {
      case 'operation':
        for (let left = random.below(3); left >= 0; left--) {
          const one = random.pick(this.#clusters);
          one.clients.operate(random.pick(one.filers));
        }
        return;
      case 'pause':
      case 'crash':
      case 'crashAtCommit':
      case 'backup':
        return cluster.hazards.befall(filer, action);
      case 'start':
        for (const { hazards } of this.#clusters) await hazards.startAll();
        return;
      case 'killSync':
        sync.crash();
        return;
      case 'stopSync':
        sync.stop();
        return;
      case 'startSyncs':
        for (const one of this.#syncs) one.start();
        return;
      case 'cut':
        network.part(filer, random.pick(cluster.filers));
        return;
      case 'cutSync':
        // From one filer, or from all of the cluster.
        for (const one of random.chance(0.3) ? [filer] : cluster.filers) network.part(sync, one);
        return;
      case 'heal':
        network.heal();
        return;
      case 'loss':
        network.loss = random.pick([0, 0.05, 0.3]);
        return;
      case 'late':
        if (cluster.filers.length < filersMax) return cluster.add().start();
        return;
      case 'wipe':
        this.#wipe(cluster, filer);
        return filer.start();
      case 'lose':
        if (cluster.filers.length === 1) return;
        filer.crash();
        cluster.history.losing(filer, cluster.filers, null);
        cluster.filers.splice(cluster.filers.indexOf(filer), 1);
        this.#loseLog(cluster, filer);
        return;
      case 'restore':
        if (filer.backup === null) return;
        cluster.hazards.restore(filer);
        this.#loseLog(cluster, filer);
        return filer.start();
      case 'clock':
        filer.skewMs += random.pick([-20_000, -400, -70, 70, 400, 20_000]);
        return;
      case 'homeLoss':
        return this.#loseAtHome(cluster, filer);
    }
  }

  #wipe(cluster: SimCluster, filer: SimFiler): void {
    cluster.hazards.wipe(filer);
    this.#loseLog(cluster, filer);
  }

  /** A store lost some of what it had. */
  #loseLog({ filers }: SimCluster, filer: SimFiler): void {
    this.#crossings.mayExpire = true;
    this.#whole.delete(filer);
    if (!filers.some((one) => this.#whole.has(one))) this.#mayForget = true;
    this.#accounts.lost();
  }

  /** What a filer wrote is in other clusters before it is with its peers, and then the filer is gone. */
  async #loseAtHome(cluster: SimCluster, filer: SimFiler): Promise<void> {
    const { filers, clients } = cluster;
    for (const other of filers) if (other !== filer) this.#network.part(filer, other);
    for (let left = 3; left > 0; left--) clients.operate(filer);
    await this.#time.advance(this.#random.pick([300, 3000]));
    this.#wipe(cluster, filer);
    this.#network.heal();
    return filer.start();
  }

  async #check(): Promise<void> {
    for (const cluster of this.#clusters) await cluster.check();
    for (const sync of this.#syncs) if (sync.failure !== null) throw sync.failure;
    if (this.#crossings.violation) throw this.#crossings.violation;
  }

  /** Heals everything, lets time pass, and expects all filers of all clusters to become the same. */
  async #settle(): Promise<void> {
    this.#say('--- heal');
    this.#network.heal();
    for (const { filers } of this.#clusters) for (const filer of filers) filer.skewMs = Math.max(-30_000, Math.min(30_000, filer.skewMs));
    let why = '';
    for (let second = 0; second < settleSeconds; second++) {
      for (const { hazards } of this.#clusters) await hazards.startAll();
      for (const sync of this.#syncs) sync.start();
      await this.#time.advance(1000);
      await this.#check();
      why = this.#unsettled();
      if (why === '') return;
      if (second % 60 === 59) for (const cluster of this.#clusters) if (cluster.unsettled !== '') await cluster.operate();
    }
    for (const { name, status } of this.#syncs) for (const direction of status?.directions ?? []) this.#say(`${name} ${JSON.stringify(direction)}`);
    throw new Violation('I3', why);
  }

  #unsettled(): string {
    for (const cluster of this.#clusters) if (cluster.unsettled !== '') return cluster.unsettled;
    for (const { source, target, scope } of this.#links) {
      const [from, to] = [source.filers[0], target.filers[0]] as [SimFiler, SimFiler];
      const why = missing(scope, from, to, { isPassive: this.#topology.isPassive ?? false, isExpired: this.#crossings.isExpired || this.#hasMerged });
      if (why !== '') return why;
    }
    const directions = this.#syncs.flatMap(({ status }) => status?.directions ?? []);
    const isRun = new Set(directions.filter(({ state }) => state === 'following').map(({ link }) => link));
    // A lease that was taken by a clock ahead of today's runs out late.
    const idle = directions.find(({ link }) => !isRun.has(link));
    return idle ? `nobody follows ${idle.name}: it is ${idle.state}` : '';
  }

  /**
   * True once a filer that had begun alone, wiped while its peers were away, has joined them. What it had dropped tombstones of until then stands there, and the
   * checkpoint that it brings says that it does not. DESIGN has no rule for that.
   */
  get #hasMerged(): boolean {
    return this.coverage.counts['rejoin: met another lineage'] !== undefined;
  }

  /** Nothing goes round: once all is the same, no log grows. */
  async #idle(): Promise<void> {
    // A checkpoint may still be on its way.
    await this.#time.advance(2 * real.syncIdleMs);
    const filers = this.#clusters.flatMap((cluster) => cluster.filers);
    const heads = filers.map(({ disk }) => disk.content.head);
    await this.#time.advance(idleSeconds * 1000);
    await this.#check();
    for (const [at, { name, disk }] of filers.entries()) {
      const [before, now] = [heads[at] as number, disk.content.head];
      if (now !== before) {
        const texts = disk.content.log.filter(({ index }) => index > before).map(({ text }) => text.slice(0, 300));
        throw new Violation('I11', `${name}: its log grew by ${now - before} while nobody wrote: ${texts.join(' ')}`);
      }
    }
  }
}

/** The hard limits of a log are so far away that no link expires: a copy that follows would leave what was deleted meanwhile. */
function limitsOf({ knowsWayBack }: Topology): FilerLimits {
  const far = 24 * 3600 * 1000;
  return {
    ...simLimits,
    leaseMs: 5000,
    leaseRenewMs: 1500,
    linkReportMs: 2000,
    linkSourceAwayMs: 100_000,
    logRetentionMaxMs: far,
    logBytesMax: 10_000_000,
    forgetAfterMs: far,
    ...(!knowsWayBack && { tombstoneRetentionMs: far }),
  };
}
