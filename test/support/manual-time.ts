import type { TimeSource } from '../../src/core/time.js';

interface Sleeper {
  readonly due: number;
  readonly wake: () => void;
}

/** Lets everything run that waits for nothing but promises. */
export async function settle(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}

/**
 * Time that passes only when the test says so. Both clocks move together; `step` moves the wall clock alone, as setting it does. Random
 * numbers come from a seed.
 */
export class ManualTime implements TimeSource {
  #micros: number;
  #monotonic = 0;
  #seed: number;
  readonly #sleepers = new Set<Sleeper>();

  constructor(options: { micros?: number; seed?: number } = {}) {
    this.#micros = options.micros ?? 1_763_763_267_000_000;
    this.#seed = options.seed ?? 1;
  }

  /** How many sleeps are under way. */
  get sleeping(): number {
    return this.#sleepers.size;
  }

  micros(): number {
    return Math.round(this.#micros);
  }

  monotonic(): number {
    return this.#monotonic;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason as Error);
      const abort = () => {
        this.#sleepers.delete(sleeper);
        reject(signal?.reason as Error);
      };
      const wake = () => {
        this.#sleepers.delete(sleeper);
        signal?.removeEventListener('abort', abort);
        resolve();
      };
      const sleeper: Sleeper = { due: this.#monotonic + ms, wake };
      this.#sleepers.add(sleeper);
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  /** Mulberry32. */
  random(): number {
    this.#seed = (this.#seed + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#seed ^ (this.#seed >>> 15), 1 | this.#seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  randomHex(bytes: number): string {
    return Array.from({ length: bytes }, () =>
      Math.floor(this.random() * 256)
        .toString(16)
        .padStart(2, '0'),
    ).join('');
  }

  /** Moves both clocks on, and ends the sleeps that come due, one after another, each at its time. */
  async advance(ms: number): Promise<void> {
    const end = this.#monotonic + ms;
    await settle();
    for (;;) {
      const next = [...this.#sleepers].filter(({ due }) => due <= end).sort((a, b) => a.due - b.due)[0];
      if (!next) break;
      this.#moveTo(next.due);
      next.wake();
      await settle();
    }
    this.#moveTo(end);
    await settle();
  }

  /** Sets the wall clock on or back without time passing, microseconds. */
  step(micros: number): void {
    this.#micros += micros;
  }

  #moveTo(monotonic: number): void {
    if (monotonic <= this.#monotonic) return;
    this.#micros += (monotonic - this.#monotonic) * 1000;
    this.#monotonic = monotonic;
  }
}

/** Lets time pass in small steps until `condition` holds. */
export async function passUntil(time: ManualTime, what: string, condition: () => unknown, options: { stepMs?: number; msMax?: number } = {}): Promise<void> {
  const { stepMs = 50, msMax = 120_000 } = options;
  await settle();
  for (let ms = 0; !(await condition()); ms += stepMs) {
    if (ms > msMax) throw new Error(`${msMax} ms have passed in vain for ${what}`);
    await time.advance(stepMs);
  }
}
