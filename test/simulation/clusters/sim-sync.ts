import type { FilerLimits } from '../../../src/core/filer-options.js';
import { FilerError, isFailure } from '../../../src/core/errors.js';
import { createLogger } from '../../../src/core/logger.js';
import { ClusterSide, isPassing } from '../../../src/core/sync/cluster-side.js';
import type { Scope } from '../../../src/core/sync/scope.js';
import { Sync, type SyncStatus } from '../../../src/core/sync/sync.js';
import type { TimeSource } from '../../../src/core/time.js';
import type { Network, Node } from '../network.js';
import type { VirtualTime } from '../virtual-time.js';
import type { SimCluster } from './sim-cluster.js';
import { importMax, syncPort } from './sync-port.js';

/** What a sync is started with. */
export interface SyncPlan {
  readonly a: SimCluster;
  readonly b: SimCluster;
  readonly aToB: Scope;
  /** Null: b is passive. */
  readonly bToA: Scope | null;
}

export interface SimSyncOptions extends SyncPlan {
  readonly name: string;
  readonly time: VirtualTime;
  readonly network: Network;
  readonly limits: FilerLimits;
  readonly verbose: boolean;
  readonly count: (name: string) => void;
  /** The log of a source no longer reaches back to one of its links. */
  readonly expired: () => void;
}

/** How soon a sync that has ended is started again, milliseconds. */
const restartMs = 1000;

/** A `filer.sync` process: the real core, killed and started again. */
export class SimSync implements Node {
  generation = 0;
  isUp = false;
  /** What it has failed with and should not; null if nothing. */
  failure: unknown = null;
  #sync: Sync | null = null;
  #stop = new AbortController();
  readonly #onDeath = new Set<() => void>();

  constructor(private readonly options: SimSyncOptions) {}

  get name(): string {
    return this.options.name;
  }

  get plan(): SyncPlan {
    return this.options;
  }

  /** Null while it has met nobody. */
  get status(): SyncStatus | null {
    return this.#sync?.status() ?? null;
  }

  onDeath(listener: () => void): () => void {
    this.#onDeath.add(listener);
    return () => this.#onDeath.delete(listener);
  }

  /** Begins at whichever filers stand first in the lists of both clusters now. */
  start(): void {
    if (this.isUp) return;
    const { time } = this.options;
    const generation = ++this.generation;
    const isDead = () => this.generation !== generation;
    this.isUp = true;
    this.#stop = new AbortController();
    void this.#live(time.source({ skewMs: 0 }, isDead), this.#stop.signal).catch((error: unknown) => {
      if (!isDead()) this.failure ??= error;
    });
  }

  /** kill -9. */
  crash(): void {
    this.generation += 1;
    this.isUp = false;
    this.#sync = null;
    for (const listener of this.#onDeath) listener();
  }

  /** SIGTERM: it gives its leases back before it is gone. */
  stop(): void {
    this.#stop.abort(new FilerError('STOPPING', 'the sync is stopped'));
  }

  async #live(time: TimeSource, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        this.#sync = await this.#open(time, signal);
        await this.#sync.run(signal);
      } catch (error) {
        if (signal.aborted) break;
        // It began while the only filer of a cluster, wiped, had not met its master yet, and took the store's id for that of the cluster.
        if (!isFailure(error) || !(isPassing(error) || error.code === 'CLUSTER_MISMATCH')) throw error;
        this.options.count(`a sync ended with ${error.code}`);
        await time.sleep(restartMs, signal).catch(() => {});
      }
    }
    this.crash();
  }

  #open(time: TimeSource, signal: AbortSignal): Promise<Sync> {
    const { name, network, limits, count, expired, verbose, aToB, bToA } = this.options;
    const side = (letter: 'a' | 'b') => {
      const cluster = this.options[letter];
      const find = (address: string) => cluster.at(address);
      return new ClusterSide({
        name: letter,
        addresses: cluster.filers.map(({ address }) => address),
        connect: (address) => syncPort({ network, from: this, address, find, count }),
        addressesMax: limits.membersMax,
      });
    };
    const start = { initial: 'copy', since: null } as const;
    const now = () => this.options.time.now;
    const logger = createLogger({
      level: verbose ? 'debug' : 'warn',
      write: (line) => {
        // It is copied again at once; no checkpoint need say so, if it is small.
        if (line.includes('it is copied again')) expired();
        if (verbose) console.error(`      ${now().toFixed(0)} ${name} ${line.slice(25)}`);
      },
      now: () => new Date(now()),
    });
    return Sync.open(
      {
        a: side('a'),
        b: side('b'),
        aToB: { scope: aToB, start },
        bToA: bToA && { scope: bToA, start },
        me: { runner: time.randomHex(8), who: name },
        bytesPerSecond: null,
        maxDelete: null,
        time,
        logger,
        limits: { ...limits, importChanges: importMax, msMin: limits.backoffMsMin, msMax: limits.backoffMsMax },
      },
      signal,
    );
  }
}
