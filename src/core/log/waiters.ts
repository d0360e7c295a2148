import { FilerError } from '../errors.js';
import { nap } from '../nap.js';
import type { TimeSource } from '../time.js';

/** Who waits for news. A waiter is a flag: a wake says "look again", never what changed, so a slow reader costs nothing. */
export class Waiters {
  readonly #waiting = new Set<() => void>();
  /** Of those, readers that are no peers. */
  readonly #clients = new Set<() => void>();

  constructor(
    private readonly time: Pick<TimeSource, 'sleep'>,
    private readonly limits: { waitersMax: number; waitersForPeers: number },
  ) {}

  get count(): number {
    return this.#waiting.size;
  }

  /**
   * Resolves true when woken, false after `ms`.
   * @throws FilerError OVERLOADED if too many wait already (some places are kept for peers); the signal's reason if it aborts
   */
  async wait(ms: number, signal: AbortSignal, forPeer: boolean): Promise<boolean> {
    signal.throwIfAborted();
    const { waitersMax, waitersForPeers } = this.limits;
    if (this.#waiting.size >= waitersMax || (!forPeer && this.#clients.size >= waitersMax - waitersForPeers))
      throw new FilerError('OVERLOADED', `${this.#waiting.size} readers wait here already; try again later or read another filer`);
    return nap(this.time, ms, signal, (wake) => {
      this.#waiting.add(wake);
      if (!forPeer) this.#clients.add(wake);
      return () => {
        this.#waiting.delete(wake);
        this.#clients.delete(wake);
      };
    });
  }

  wake(): void {
    const woken = [...this.#waiting];
    this.#waiting.clear();
    this.#clients.clear();
    for (const wake of woken) wake();
  }
}
