/**
 * Remembers the nonces of accepted requests for as long as their dates would be accepted again. They are kept by date, not by arrival:
 * a repeated request carries the same date, so one set is looked at, and a whole set is dropped when its time is over.
 */
export class Nonces {
  readonly #slots = new Map<number, Set<string>>();
  #count = 0;
  #sweptAt = -Infinity;
  /** What was dated before may have been accepted and dropped. */
  #forgottenMs = -Infinity;

  constructor(
    /** How far a date may be from the clock, milliseconds. */
    private readonly windowMs: number,
    /** Nonces held at one time. */
    private readonly noncesMax: number,
  ) {}

  get count(): number {
    return this.#count;
  }

  /**
   * Takes a nonce that came with `dateMs` at `nowMs`. `full` = there is no room to remember it; `forgotten` = the clock was set back
   * to where nonces have been dropped already. Neither must be accepted.
   */
  take(nonce: string, dateMs: number, nowMs: number): 'new' | 'repeated' | 'full' | 'forgotten' {
    this.#sweep(nowMs);
    if (dateMs < this.#forgottenMs) return 'forgotten';
    const at = Math.floor(dateMs / slotMs);
    const slot = this.#slots.get(at);
    if (slot?.has(nonce)) return 'repeated';
    if (this.#count >= this.noncesMax) return 'full';
    if (slot) slot.add(nonce);
    else this.#slots.set(at, new Set([nonce]));
    this.#count += 1;
    return 'new';
  }

  #sweep(nowMs: number): void {
    const now = Math.floor(nowMs / slotMs);
    if (now === this.#sweptAt) return;
    this.#sweptAt = now;
    for (const [at, slot] of this.#slots) {
      const endMs = (at + 1) * slotMs;
      if (endMs + this.windowMs >= nowMs) continue;
      this.#forgottenMs = Math.max(this.#forgottenMs, endMs);
      this.#slots.delete(at);
      this.#count -= slot.size;
    }
  }
}

/** Fine enough that little is kept beyond its time, coarse enough that there are few sets. */
const slotMs = 10_000;
