import { parseListVersion } from '../../src/core/cluster/list-version.js';
import { Registry, type Found, type OtherMaster } from '../../src/core/cluster/registry.js';
import type { MemberList } from '../../src/core/cluster/member.js';
import { limits } from '../../src/core/config/limits.js';
import { silentLogger } from '../../src/core/logger.js';
import { nap } from '../../src/core/nap.js';
import type { TimeSource } from '../../src/core/time.js';
import { simLimits } from './sim-filer.js';
import type { VirtualTime } from './virtual-time.js';

/** The real registry; only HTTP is left out. */
export class SimMaster {
  readonly name: string;
  isUp = true;
  generation = 0;
  registry: Registry;
  readonly #onDeath = new Set<() => void>();
  #clusterId: string | null = null;
  readonly #time: TimeSource;

  constructor(
    name: string,
    time: VirtualTime,
    private readonly probe: (address: string) => Promise<Found | null>,
    private readonly ask: (address: string) => Promise<OtherMaster | null>,
  ) {
    this.name = name;
    this.#time = time.source({ skewMs: 0 }, () => false);
    this.registry = this.#open();
  }

  #open(): Registry {
    return new Registry({
      time: this.#time,
      limits: { ...limits, forgetAfterMs: simLimits.forgetAfterMs },
      logger: silentLogger,
      clusterId: this.#clusterId,
      saveClusterId: async (clusterId) => {
        this.#clusterId = clusterId;
      },
      probe: this.probe,
      askMaster: this.ask,
      loopbackAllowed: true,
    });
  }

  stop(): void {
    this.isUp = false;
    this.generation += 1;
    for (const listener of this.#onDeath) listener();
  }

  /** Calls `listener` whenever the process dies; returns what takes that back. */
  onDeath(listener: () => void): () => void {
    this.#onDeath.add(listener);
    return () => this.#onDeath.delete(listener);
  }

  /** Comes back with its cluster id and nothing else. */
  start(): void {
    this.isUp = true;
    this.registry = this.#open();
  }

  /** Comes back on an empty disk: filers carry the cluster id to it. */
  startEmpty(): void {
    this.stop();
    this.#clusterId = null;
    this.start();
  }

  get clusterId(): string | null {
    return this.registry.clusterId;
  }

  /** What it says of itself to other masters. */
  status(): OtherMaster {
    const { registry } = this;
    return { epoch: parseListVersion(registry.version)?.epoch ?? '', clusterId: registry.clusterId, choosing: registry.choosing };
  }

  async members(version: string | null, group: string, signal: AbortSignal): Promise<MemberList> {
    const { registry } = this;
    registry.expire();
    if (registry.version !== version) return registry.list(group);
    await nap(this.#time, 5000, signal, (wake) => registry.watch(wake));
    registry.expire();
    return registry.list(group);
  }
}
