import type { Origin } from '../clock/vector.js';
import { FilerError, isFailure } from '../errors.js';
import type { TimeSource } from '../time.js';
import type { SyncFiler } from './sync-filer.js';

/*
 * Who runs a link: a note in the store of the filer that is written to, so that it is no change. It asks for one runner and promises
 * nothing: two at two filers do no harm, since what is imported twice is written once.
 */

export interface Holder {
  /** Random word of one run. */
  readonly runner: string;
  /** Host and process, for people. */
  readonly who: string;
  /** On the clock of the filer that keeps the note, microseconds since 1970. */
  readonly until: number;
}

export interface LeaseLimits {
  /** How long a lease is good, and how often it is renewed, milliseconds. */
  readonly leaseMs: number;
  readonly leaseRenewMs: number;
}

export class Lease {
  constructor(
    private readonly link: string,
    /** What the filer writes under that keeps the note. */
    private readonly origin: Origin,
    private readonly me: { readonly runner: string; readonly who: string },
    private readonly limits: LeaseLimits,
    private readonly time: Pick<TimeSource, 'sleep'>,
  ) {}

  get #key(): string {
    return `filer.sync.${this.link}`;
  }

  /**
   * Takes or renews the lease at a filer; who holds it if that is another, null if it is ours now.
   * @throws FilerError PRECONDITION_FAILED if the filer's store is another one; what the filer answers
   */
  async take(filer: SyncFiler, signal: AbortSignal): Promise<Holder | null> {
    const [{ time, origin }, value] = await Promise.all([filer.info(signal), filer.value(this.#key, signal)]);
    if (origin !== this.origin)
      throw new FilerError(
        'PRECONDITION_FAILED',
        `${filer.address} writes under ${origin} now: its store is another one; the link goes on from the checkpoint there`,
      );
    const holder = value && readHolder(value.toString('utf8'));
    if (holder && holder.runner !== this.me.runner && holder.until > time) return holder;
    await filer.setValue(this.#key, JSON.stringify({ ...this.me, until: time + this.limits.leaseMs * 1000 }), signal);
    return null;
  }

  /**
   * Renews it until `signal` aborts. A renewal that fails is no harm: the link itself finds out that the filer is away. That its store is another one
   * is found out here, where nothing is written.
   * @throws FilerError PRECONDITION_FAILED
   */
  async keep(filer: SyncFiler, signal: AbortSignal): Promise<void> {
    try {
      for (;;) {
        await this.time.sleep(this.limits.leaseRenewMs, signal);
        await this.take(filer, signal).catch((error: unknown) => {
          if (!signal.aborted && (!isFailure(error) || error.code === 'PRECONDITION_FAILED')) throw error;
        });
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** Gives it back, so that the next one need not wait. */
  async release(filer: SyncFiler, signal: AbortSignal): Promise<void> {
    const value = await filer.value(this.#key, signal);
    if (value && readHolder(value.toString('utf8'))?.runner === this.me.runner) await filer.setValue(this.#key, null, signal);
  }
}

/** Null if it is no lease: anything may stand under a key. */
function readHolder(text: string): Holder | null {
  try {
    const { runner, who, until } = JSON.parse(text) as Partial<Holder>;
    return typeof runner === 'string' && typeof who === 'string' && typeof until === 'number' ? { runner, who, until } : null;
  } catch {
    return null;
  }
}

/** The failure of a link that another one runs. */
export function heldBy(link: string, holder: Holder, address: string): FilerError {
  return new FilerError('STORE_LOCKED', `link ${link} is run by ${holder.who} at ${address}; waiting for it`, { holder: holder.who });
}
