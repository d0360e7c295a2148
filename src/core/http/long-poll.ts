import { FilerError } from '../errors.js';
import { nap } from '../nap.js';
import type { TimeSource } from '../time.js';

/** Holds requests until there is news or their time is up. A wake says "look again": whoever finds nothing goes on waiting. */
export class LongPoll {
  readonly #held = new Set<() => void>();

  constructor(
    private readonly time: Pick<TimeSource, 'sleep'>,
    /** Requests held at one time. */
    private readonly waitersMax: number,
  ) {}

  get count(): number {
    return this.#held.size;
  }

  wake(): void {
    for (const look of [...this.#held]) look();
  }

  /**
   * True as soon as `ready` is, false when `ms` have passed.
   * @throws FilerError OVERLOADED if too many wait already; the signal's reason if it aborts first
   */
  async until(ready: () => boolean, ms: number, signal: AbortSignal): Promise<boolean> {
    if (ready()) return true;
    if (this.#held.size >= this.waitersMax) throw new FilerError('OVERLOADED', `${this.#held.size} requests wait here already; try again later`);
    const woken = await nap(this.time, ms, signal, (wake) => {
      const look = () => {
        if (ready()) wake();
      };
      this.#held.add(look);
      return () => this.#held.delete(look);
    });
    return woken || ready();
  }
}
