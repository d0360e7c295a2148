import type { TimeSource } from '../time.js';

/** A clock heard from elsewhere. */
interface Heard {
  /** Seconds it was ahead of ours. */
  readonly aheadSeconds: number;
  /** Monotonic milliseconds. */
  readonly at: number;
}

/**
 * Tells whether the local clock is ahead of everybody's: then versions issued here would beat those of others for as
 * long as it lasts (DESIGN: Writing).
 */
export class ClockWatch {
  readonly #heard = new Map<string, Heard>();

  constructor(
    private readonly time: Pick<TimeSource, 'monotonic' | 'micros'>,
    private readonly limits: { readonly clockSkewMs: number; readonly clockHeardMs: number; readonly membersMax: number },
  ) {}

  /** `who` is an origin or a master's address. */
  hear(who: string, aheadSeconds: number): void {
    this.#heard.delete(who);
    this.#heard.set(who, { aheadSeconds, at: this.time.monotonic() });
    const oldest = this.#heard.keys().next().value;
    if (this.#heard.size > this.limits.membersMax && oldest !== undefined) this.#heard.delete(oldest);
  }

  /** Seconds by which the local clock is ahead of the median of those heard lately, if that is too much; else null. */
  tooFarAhead(): number | null {
    // Every write asks, and a filer that is alone has heard nobody.
    if (this.#heard.size === 0) return null;
    const now = this.time.monotonic();
    const recent = [...this.#heard.values()].filter(({ at }) => now - at <= this.limits.clockHeardMs).map(({ aheadSeconds }) => aheadSeconds);
    if (recent.length === 0) return null;
    recent.sort((a, b) => a - b);
    const median = recent[Math.floor((recent.length - 1) / 2)] as number;
    return -median * 1000 > this.limits.clockSkewMs ? -median : null;
  }
}
