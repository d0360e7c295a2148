import { limits as real } from '../../../src/core/config/limits.js';
import type { FilerLimits } from '../../../src/core/filer-options.js';
import { Coverage } from '../coverage.js';
import { Network } from '../network.js';
import { Random } from '../random.js';
import { simLimits } from '../sim-filer.js';
import { Violation } from '../violation.js';
import { VirtualTime } from '../virtual-time.js';
import type { WorldOptions } from '../world.js';
import { missing } from './across.js';
import { SimCluster } from './sim-cluster.js';
import { SimSync } from './sim-sync.js';
import { drawTopology, type Topology } from './topologies.js';

/** How often each thing happens, relative to the others. */
export const weights = {
  operation: 40,
  pause: 30,
};
type Action = keyof typeof weights;

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

  constructor(private readonly options: WorldOptions) {
    const { verbose = false } = options;
    const { coverage } = this;
    const random = (this.#random = new Random(options.seed));
    const time = (this.#time = new VirtualTime(random));
    const network = (this.#network = new Network(time, random, coverage.count));
    const limits = limitsOf();
    this.#topology = drawTopology(random);
    const say = (text: string) => this.#say(text);
    const committed = () => {};
    this.#clusters = Array.from(
      { length: this.#topology.clusters },
      (_, at) => new SimCluster({ name: 'abc'[at] as string, random, time, network, coverage, limits, verbose, say, committed }),
    );
    this.#syncs = this.#topology.syncs.map(({ a, b, aToB, bToA }, at) => {
      const [left, right] = [this.#clusters[a], this.#clusters[b]] as [SimCluster, SimCluster];
      const name = `sync${at}`;
      return new SimSync({ name, a: left, b: right, aToB, bToA, time, network, limits, verbose, count: coverage.count });
    });
  }

  /** Runs the whole history; throws a Violation with what was broken. */
  async run(): Promise<void> {
    this.#say(`${this.#topology.name}`);
    this.coverage.count(`topology ${this.#topology.name}`);
    for (const cluster of this.#clusters) {
      for (let left = 1 + this.#random.below(3); left > 0; left--) cluster.add();
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
    const cluster = random.pick(this.#clusters);
    this.coverage.count(`did ${action}`);
    switch (action) {
      case 'operation':
        for (let left = random.below(3); left >= 0; left--) {
          const one = random.pick(this.#clusters);
          one.clients.operate(random.pick(one.filers));
        }
        return;
      case 'pause':
        return this.#time.advance(random.pick([100, 1000, 2500]));
    }
    void cluster;
  }

  async #check(): Promise<void> {
    for (const cluster of this.#clusters) await cluster.check();
    for (const sync of this.#syncs) if (sync.failure !== null) throw sync.failure;
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
    throw new Violation('I3', why);
  }

  #unsettled(): string {
    for (const cluster of this.#clusters) if (cluster.unsettled !== '') return cluster.unsettled;
    for (const { a, b, aToB, bToA } of this.#topology.syncs) {
      const [left, right] = [a, b].map((at) => this.#clusters[at]?.filers[0]) as [SimCluster['filers'][number], SimCluster['filers'][number]];
      const why = missing(aToB, left, right) || (bToA ? missing(bToA, right, left) : '');
      if (why !== '') return why;
    }
    return '';
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

function limitsOf(): FilerLimits {
  return {
    ...simLimits,
    leaseMs: 5000,
    leaseRenewMs: 1500,
    linkReportMs: 2000,
    logRetentionMaxMs: 3_600_000,
    logBytesMax: 10_000_000,
    forgetAfterMs: 3_600_000,
  };
}
