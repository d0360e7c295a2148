import { positionsEqual } from '../../src/core/clock/vector.js';
import { Clients } from './clients.js';
import { Coverage } from './coverage.js';
import { canGoBack, Hazards, originOn } from './hazards.js';
import { History } from './history.js';
import { Network } from './network.js';
import { Random } from './random.js';
import { operate, unsettled } from './settling.js';
import { SimFiler, simLimits, type Surroundings } from './sim-filer.js';
import { SimMaster } from './sim-master.js';
import { Violation } from './violation.js';
import { VirtualTime } from './virtual-time.js';

/** How often each thing happens, relative to the others. */
export const weights = {
  operation: 40,
  pause: 30,
  read: 10,
  crash: 1.5,
  crashAtCommit: 2,
  start: 5,
  cut: 1.5,
  isolate: 0.7,
  heal: 2,
  loss: 0.7,
  move: 0.7,
  late: 0.5,
  lateAlone: 0.4,
  wipe: 0.4,
  lose: 0.4,
  backup: 2,
  restore: 1,
  copy: 0.3,
  rollback: 0.6,
  part: 0.6,
  partOthers: 0.3,
  putAside: 0.3,
  closeAway: 0.3,
  twin: 0.2,
  replaceDisk: 0.5,
  strand: 1.2,
  ambush: 6,
  program: 1,
  retry: 0.5,
  clock: 0.8,
  absence: 0.4,
  close: 0.5,
  master: 0.8,
};
type Action = keyof typeof weights;

export interface WorldOptions {
  readonly seed: number;
  readonly steps: number;
  readonly verbose?: boolean;
}

const filersMin = 3;
const filersMax = 6;

/** One history: a cluster, what happens to it, and whether it keeps its promises. */
export class World {
  readonly random: Random;
  readonly time: VirtualTime;
  readonly network: Network;
  readonly coverage = new Coverage();
  readonly history = new History(this.coverage.count);
  readonly filers: SimFiler[] = [];
  readonly masters: readonly SimMaster[];
  readonly clients: Clients;
  readonly #around: Surroundings;
  #made = 0;
  readonly hazards: Hazards;

  constructor(private readonly options: WorldOptions) {
    this.random = new Random(options.seed);
    this.time = new VirtualTime(this.random);
    this.network = new Network(this.time, this.random, this.coverage.count);
    this.masters = (this.random.chance(0.3) ? ['master:9333', 'second:9333'] : ['master:9333']).map((name) => this.#master(name));
    const { random, time, network, history, filers, masters } = this;
    const { count } = this.coverage;
    const say = (text: string) => this.#say(text);
    this.clients = new Clients({ random, history, filers, count, say });
    this.hazards = new Hazards({ random, time, network, history, clients: this.clients, filers, masters, count, say });
    this.#around = {
      time: this.time,
      random: this.random,
      verbose: options.verbose ?? false,
      limits: simLimits,
      connect: (from, address) => this.network.peer(from, address, (at) => this.#at(at)),
      masters: (from) => this.masters.map((master) => this.network.master(from, master)),
      committed: (filer) => {
        this.history.committed(filer);
        this.coverage.committed(filer);
        this.hazards.spring(filer);
      },
      count: this.coverage.count,
    };
  }

  /** Runs the whole history; throws a Violation with what was broken. */
  async run(): Promise<void> {
    const count = 3 + this.random.below(2);
    for (let i = 0; i < count; i++) this.#add();
    if (this.random.chance(0.15)) await this.hazards.meetAsStrangers();
    for (const filer of this.filers) await filer.start();
    for (let step = 0; step < this.options.steps; step++) {
      await this.#act(this.random.weighted(weights));
      await this.time.advance(this.random.pick([0, 1, 20, 300]));
      await this.#check();
    }
    await this.#settle();
    for (const filer of this.filers) this.clients.operate(filer);
    await this.#settle();
    const [first] = this.filers as [SimFiler];
    this.history.final(first);
    this.history.ledgers(this.filers);
  }

  async #check(): Promise<void> {
    for (const filer of this.filers) await this.history.check(filer);
    for (const filer of this.filers) if (filer.isUp) this.#compareDigests(filer);
    if (this.clients.failure) throw this.clients.failure;
  }

  /** I2 as the filers see it themselves: none is damaged here, so none may say that another's tree differs. */
  #compareDigests({ name, live }: SimFiler): void {
    for (const subscription of live.aggregator.subscriptions) {
      const verdict = subscription.digestVerdict();
      // Where a history has branches, a position may stand for two trees until one of them is given up.
      const isDoubtful = [...live.log.position.keys()].some((origin) => this.history.chains.hasParted(origin));
      if (verdict === 'different' && !isDoubtful) throw new Violation('I2', `${name}: says that the digest of ${subscription.origin} differs`);
      const isLevel = positionsEqual(subscription.head, live.log.position);
      if (verdict === 'equal') this.coverage.count(isLevel ? 'digests equal' : 'digests equal, not level');
    }
  }

  #say(text: string): void {
    if (this.options.verbose) console.error(`${this.time.now.toFixed(0).padStart(8)} ${text}`);
  }

  #add(): SimFiler {
    const filer = new SimFiler(`f${this.#made++}`, this.#around);
    if (this.random.chance(0.3)) filer.skewMs = this.random.pick([-5000, -300, -50, 40, 300, 5000]);
    this.filers.push(filer);
    return filer;
  }

  #master(name: string): SimMaster {
    const { network } = this;
    const master: SimMaster = new SimMaster(
      name,
      this.time,
      (address) => network.probe(master, this.#at(address), address),
      // Masters stand together: one that could not ask the others would make a cluster id of its own.
      async (address) => this.masters.find((other) => other.name === address && other.isUp)?.status() ?? null,
    );
    return master;
  }

  /** A master dies, comes back, or comes back empty while another one has the cluster id: without, an operator must name it. */
  #changeMaster(master: SimMaster): void {
    if (!master.isUp) master.start();
    else if (!this.masters.every(({ clusterId }) => clusterId !== null)) return;
    else if (this.masters.some((other) => other !== master && other.isUp) && this.random.chance(0.5)) {
      this.coverage.count('master came back empty');
      master.startEmpty();
    } else {
      master.stop();
      if (this.masters.every(({ isUp }) => !isUp)) this.coverage.count('no master was left');
    }
  }

  #startMasters(): void {
    for (const master of this.masters) if (!master.isUp) master.start();
  }

  #at(address: string): SimFiler | undefined {
    return this.filers.find((filer) => filer.address === address);
  }

  async #act(action: Action): Promise<void> {
    const { random, network, filers, hazards } = this;
    const filer = random.pick(filers);
    const other = random.pick(filers);
    this.coverage.count(`did ${action}`);
    if (action !== 'pause' && action !== 'operation' && action !== 'read') this.#say(`${action} ${filer.name}`);
    switch (action) {
      case 'operation':
        for (let i = random.below(3); i >= 0; i--) this.clients.operate(random.pick(filers));
        return;
      case 'pause':
      case 'crash':
      case 'crashAtCommit':
      case 'backup':
        return hazards.befall(filer, action);
      case 'read':
        return this.clients.read();
      case 'start':
        return hazards.startAll();
      case 'cut':
        network.cut.add(`${filer.name}>${other.name}`);
        if (random.chance(0.7)) network.cut.add(`${other.name}>${filer.name}`);
        return;
      case 'isolate':
        hazards.isolate(filer);
        return;
      case 'heal':
        network.heal();
        return;
      case 'loss':
        network.loss = random.pick([0, 0.05, 0.3]);
        network.duplicates = random.pick([0, 0.1, 0.5]);
        return;
      case 'move':
        filer.crash();
        filer.address = `${filer.name}:${9000 + random.below(1000)}`;
        return filer.start();
      case 'late':
        if (filers.length < filersMax) return this.#add().start();
        return;
      case 'lateAlone': {
        if (filers.length >= filersMax) return;
        const added = this.#add();
        hazards.isolate(added);
        return added.start();
      }
      case 'wipe':
        hazards.wipe(filer);
        return filer.start();
      case 'lose':
        if (filers.length <= filersMin) return;
        filer.crash();
        this.history.losing(filer, filers, null);
        filers.splice(filers.indexOf(filer), 1);
        return;
      case 'restore': {
        const saved = filers.filter(({ backup }) => backup !== null);
        if (saved.length === 0) return;
        const chosen = random.pick(saved);
        this.#say(`  of ${chosen.name}`);
        hazards.restore(chosen);
        return chosen.start();
      }
      case 'replaceDisk':
        return hazards.replaceDisk(filer);
      case 'strand':
        return hazards.strand(filer, other);
      case 'ambush':
        hazards.lieInWait();
        return;
      case 'copy': {
        if (filers.length >= filersMax) return;
        const disk = filer.disk.clone();
        const added = this.#add();
        added.disk = disk;
        added.nature = 'copy';
        return added.start();
      }
      case 'rollback':
        if (filer.backup === null) return;
        hazards.rollBack(filer, filer.backup);
        return filer.start();
      case 'part':
        return hazards.part(filer, other);
      case 'partOthers':
        return hazards.partOthers(filer, other);
      case 'putAside':
        return hazards.putAside(filer, other);
      case 'closeAway':
        return hazards.closeAway(filer, other);
      case 'twin': {
        if (filers.length >= filersMax || !canGoBack(filer.disk)) return;
        const disk = filer.disk.clone();
        disk.restored = false;
        this.history.chains.mayPart(originOn(disk));
        const added = this.#add();
        added.disk = disk;
        added.nature = 'copy';
        return added.start();
      }
      case 'program':
        // Another program, which refuses what the others take; or theirs again.
        filer.crash();
        filer.refuses = filer.refuses > 0 ? 0 : random.pick([10, 60]);
        return filer.start();
      case 'retry':
        if (!filer.isUp) return;
        this.clients.attempt(filer, async () => {
          await filer.live.quarantine.retry(null);
          return null;
        });
        return;
      case 'clock':
        filer.skewMs += random.pick([-20_000, -400, -70, 70, 400, 20_000, 100_000]);
        return;
      case 'absence':
        return hazards.absence(filer, other);
      case 'close': {
        if (!other.isUp) return;
        const gone = [...other.live.log.position.keys()].filter((origin) => !filers.some(({ disk }) => disk.content.meta.get('origin') === origin));
        const own = filer.disk.content.meta.get('origin');
        const origin = random.chance(0.3) && own !== undefined ? own : gone.length > 0 ? random.pick(gone) : undefined;
        if (origin !== undefined) this.clients.attempt(other, () => other.live.upkeep.closing.close(origin));
        return;
      }
      case 'master':
        this.#changeMaster(random.pick(this.masters));
        return;
    }
  }

  /** Heals everything, lets time pass, and expects all filers to become the same (I3). */
  async #settle(): Promise<void> {
    const { hazards } = this;
    this.#say('--- heal');
    this.network.heal();
    this.#startMasters();
    for (const filer of this.filers.filter(({ refuses }) => refuses > 0)) {
      filer.crash();
      filer.refuses = 0;
    }
    for (const filer of this.filers) filer.skewMs = Math.max(-30_000, Math.min(30_000, filer.skewMs));
    let why = '';
    for (let second = 0; second < 260; second++) {
      await hazards.startAll();
      await this.time.advance(1000);
      await this.#check();
      why = unsettled(this.filers);
      if (why === '') break;
      if (second % 30 === 29) await operate(this.filers, { say: (text) => this.#say(text), count: this.coverage.count });
    }
    if (why !== '') throw new Violation('I3', why);
  }

  /** Ends every process, so that the next world starts with none. */
  close(): void {
    for (const filer of this.filers) filer.crash();
  }
}
