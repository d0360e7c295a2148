import { FilerError } from '../errors.js';
import { nap } from '../nap.js';
import type { TimeSource } from '../time.js';

/** Who waits for news. A waiter is a flag: a wake says "look again", never what changed, so a slow reader costs nothing. */
export class Waiters {
  readonly #waiting = new Set<() => void>();

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
    const places = forPeer ? this.limits.waitersMax : this.limits.waitersMax - this.limits.waitersForPeers;
    if (this.#waiting.size >= places)
      throw new FilerError('OVERLOADED', `${this.#waiting.size} readers wait here already; try again later or read another filer`);
    return nap(this.time, ms, signal, (wake) => {
      this.#waiting.add(wake);
      return () => this.#waiting.delete(wake);
    });
  }

  wake(): void {
    const woken = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of woken) wake();
  }
}
