import type { FilerLimits } from '../../../src/core/filer-options.js';
import { Clients } from '../clients.js';
import type { Coverage } from '../coverage.js';
import { Hazards } from '../hazards.js';
import { History } from '../history.js';
import type { Network } from '../network.js';
import type { Random } from '../random.js';
import { operate, unsettled } from '../settling.js';
import { SimFiler, type Surroundings } from '../sim-filer.js';
import { SimMaster } from '../sim-master.js';
import type { VirtualTime } from '../virtual-time.js';

export interface SimClusterOptions {
  /** Its filers are called by it: a0, a1. */
  readonly name: string;
  readonly random: Random;
  readonly time: VirtualTime;
  readonly network: Network;
  readonly coverage: Coverage;
  readonly limits: FilerLimits;
  readonly verbose: boolean;
  readonly say: (text: string) => void;
  /** A filer of it has committed. */
  readonly committed: (cluster: SimCluster, filer: SimFiler) => void;
}

/** A master, its filers, who writes to them, and whether they are true to what was written. */
export class SimCluster {
  readonly filers: SimFiler[] = [];
  readonly history: History;
  readonly clients: Clients;
  readonly hazards: Hazards;
  readonly master: SimMaster;
  readonly #around: Surroundings;
  #made = 0;

  constructor(private readonly options: SimClusterOptions) {
    const { name, random, time, network, coverage, limits, verbose, say } = options;
    const { filers } = this;
    const { count } = coverage;
    const master: SimMaster = new SimMaster(
      `${name}:9333`,
      time,
      (address) => network.probe(master, this.at(address), address),
      async () => null,
    );
    this.master = master;
    this.history = new History(count);
    this.clients = new Clients({ random, history: this.history, filers, count, say, mark: name });
    // Masters are not cut off: a filer that was wiped would not know its cluster, and a sync not the filer.
    this.hazards = new Hazards({ random, time, network, history: this.history, clients: this.clients, filers, masters: [], count, say });
    this.#around = {
      time,
      random,
      verbose,
      limits,
      connect: (from, address) => network.peer(from, address, (at) => this.at(at)),
      masters: (from) => [network.master(from, master)],
      committed: (filer) => {
        this.history.committed(filer);
        coverage.committed(filer);
        options.committed(this, filer);
      },
      count,
    };
  }

  get name(): string {
    return this.options.name;
  }

  at(address: string): SimFiler | undefined {
    return this.filers.find((filer) => filer.address === address);
  }

  add(): SimFiler {
    const { random, name } = this.options;
    const filer = new SimFiler(`${name}${this.#made++}`, this.#around);
    if (random.chance(0.3)) filer.skewMs = random.pick([-5000, -300, 40, 300, 5000]);
    this.filers.push(filer);
    return filer;
  }

  async check(): Promise<void> {
    for (const filer of this.filers) await this.history.check(filer);
    if (this.clients.failure) throw this.clients.failure;
  }

  /** Why its filers are not the same yet; '' if they are. */
  get unsettled(): string {
    return unsettled(this.filers);
  }

  operate(): Promise<void> {
    return operate(this.filers, { say: this.options.say, count: this.options.coverage.count });
  }
}
