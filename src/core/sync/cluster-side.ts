import { FilerError, isFailure } from '../errors.js';
import type { SyncFiler, SyncInfo } from './sync-filer.js';

/*
 * One side of a sync: a cluster, reached through any of its filers. Those named at the start are tried first; the others are learned from
 * whoever answers. One filer is used until it fails, then the next.
 */

export interface ClusterSideOptions {
  /** a or b. */
  readonly name: string;
  readonly addresses: readonly string[];
  readonly connect: (address: string) => SyncFiler;
  /** Addresses that are remembered. */
  readonly addressesMax: number;
}

export class ClusterSide {
  readonly #filers = new Map<string, SyncFiler>();
  #id: string | null = null;

  constructor(private readonly options: ClusterSideOptions) {
    for (const address of options.addresses) this.#filers.set(address, options.connect(address));
  }

  get name(): string {
    return this.options.name;
  }

  /** Every filer that is known, the one to ask first in front. */
  get filers(): SyncFiler[] {
    return [...this.#filers.values()];
  }

  /** The cluster's id; that of the store of a filer that belongs to none. @throws TypeError before anybody was met */
  get id(): string {
    if (this.#id === null) throw new TypeError(`nobody of ${this.name} was met`);
    return this.#id;
  }

  /**
   * Asks a filer who it is, and learns of the others.
   * @throws FilerError CLUSTER_MISMATCH, BOOTSTRAPPING; PEER_UNREACHABLE and what it answers
   */
  async meet(filer: SyncFiler, signal: AbortSignal): Promise<SyncInfo> {
    const info = await filer.info(signal);
    const id = info.clusterId ?? info.storeId;
    // Its store was wiped, and it has not met its master again.
    if (this.#id !== null && info.clusterId === null && id !== this.#id)
      throw new FilerError('BOOTSTRAPPING', `${filer.address} has not joined its cluster yet`);
    if (this.#id !== null && id !== this.#id) {
      throw new FilerError(
        'CLUSTER_MISMATCH',
        `${filer.address} belongs to cluster ${id}, the other filers of ${this.name} to ${this.#id}; name those of one cluster`,
      );
    }
    if (info.state !== 'ready') throw new FilerError('BOOTSTRAPPING', `${filer.address} is ${info.state}`);
    this.#id = id;
    await this.#learnFrom(filer, signal);
    return info;
  }

  /** Learns of filers that have joined since, from the first that answers. @throws FilerError what no other one could do better */
  async learn(signal: AbortSignal): Promise<void> {
    for (const filer of this.filers) {
      try {
        return await this.#learnFrom(filer, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!isFailure(error) || !isPassing(error)) throw error;
      }
    }
  }

  async #learnFrom(filer: SyncFiler, signal: AbortSignal): Promise<void> {
    const { peers } = await filer.peers(signal);
    for (const { address } of peers) {
      if (this.#filers.size >= this.options.addressesMax) break;
      if (!this.#filers.has(address)) this.#filers.set(address, this.options.connect(address));
    }
  }

  /** Meets the first filer that answers. @throws FilerError what the last one that was tried did */
  async meetAny(signal: AbortSignal): Promise<SyncInfo> {
    let failure: unknown = new FilerError('USAGE', `--${this.name}: names no filer`);
    for (const filer of this.filers) {
      try {
        return await this.meet(filer, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!isFailure(error) || !isPassing(error)) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  /** What every filer that answers says of itself now. */
  async look(signal: AbortSignal): Promise<SyncInfo[]> {
    const asked = await Promise.allSettled(this.filers.map((filer) => filer.info(signal)));
    signal.throwIfAborted();
    return asked.flatMap((one) => (one.status === 'fulfilled' && (one.value.clusterId ?? one.value.storeId) === this.#id ? [one.value] : []));
  }
}

/** True if another filer, or the same one later, may do what this one did not. */
export function isPassing(error: unknown): boolean {
  return isFailure(error) && (error.retriable || isFailure(error, 'OFFSET_UNKNOWN', 'ORIGIN_CLOSED', 'PRECONDITION_FAILED'));
}

/** Walks a side's filers: one after another, as each fails. */
export class Choice {
  #at = 0;

  constructor(private readonly side: ClusterSide) {}

  get filer(): SyncFiler {
    const { filers } = this.side;
    return filers[this.#at % filers.length] as SyncFiler;
  }

  next(): void {
    this.#at = (this.#at + 1) % this.side.filers.length;
  }
}
