import type { TimeSource } from '../../src/core/time.js';
import type { Random } from './random.js';

interface Timer {
  readonly at: number;
  readonly order: number;
  /** Null once it was cancelled. */
  fire: (() => void) | null;
}

/*
 * Both let every promise that can go on go on; nothing in the core waits for anything but promises and virtual timers. The first
 * is cheap: a tick comes when no promise is left to go on. The second also lets Node see what was rejected and not handled.
 */
const settle = () => new Promise<void>((resolve) => process.nextTick(resolve));
const settleAll = () => new Promise<void>((resolve) => setImmediate(resolve));

// Ten times what a long history takes.
const firedMax = 100_000;

/** The simulation's only clock: time passes when the simulation says so, and timers fire in order. */
export class VirtualTime {
  /** Milliseconds since the start. */
  now = 0;
  #timers: Timer[] = [];
  #order = 0;
  #fired = 0;

  constructor(private readonly random: Random) {}

  /** Calls back at `ms` from now; returns what cancels it. */
  schedule(ms: number, fire: () => void): () => void {
    const timer: Timer = { at: this.now + Math.max(0, ms), order: this.#order++, fire };
    this.#push(timer);
    return () => {
      timer.fire = null;
    };
  }

  /** Resolves after `ms`; rejects with the signal's reason. */
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const abort = () => {
        cancel();
        reject(signal?.reason);
      };
      const cancel = this.schedule(ms, () => {
        signal?.removeEventListener('abort', abort);
        resolve();
      });
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  /** Lets `ms` pass, firing what is due on the way. */
  async advance(ms: number): Promise<void> {
    await settleAll();
    const until = this.now + ms;
    for (let next = this.#timers[0]; next !== undefined && next.at <= until; next = this.#timers[0]) {
      this.#pop();
      if (next.fire === null) continue;
      if (++this.#fired > firedMax) throw new Error(`still busy after ${firedMax} timers: somebody goes round in a circle`);
      this.now = next.at;
      next.fire();
      await settle();
    }
    this.now = until;
  }

  /** What one node sees: a wall clock of its own, and timers that never fire again once `isDead` says so. */
  source(node: { skewMs: number }, isDead: () => boolean): TimeSource {
    const never = new Promise<never>(() => {});
    return {
      micros: () => 1_700_000_000_000_000 + Math.floor((this.now + node.skewMs) * 1000),
      monotonic: () => this.now,
      sleep: (ms, signal) => (isDead() ? never : this.sleep(ms, signal).then(() => (isDead() ? never : undefined))),
      random: () => this.random.next(),
      randomHex: (bytes) => this.random.hex(bytes),
    };
  }

  // A binary heap by (at, order).
  #push(timer: Timer): void {
    const heap = this.#timers;
    heap.push(timer);
    for (let i = heap.length - 1; i > 0;) {
      const parent = (i - 1) >> 1;
      if (before(heap[parent] as Timer, heap[i] as Timer)) break;
      [heap[parent], heap[i]] = [heap[i] as Timer, heap[parent] as Timer];
      i = parent;
    }
  }

  #pop(): void {
    const heap = this.#timers;
    const last = heap.pop() as Timer;
    if (heap.length === 0) return;
    heap[0] = last;
    for (let i = 0; ;) {
      const [left, right] = [2 * i + 1, 2 * i + 2];
      let least = i;
      if (left < heap.length && before(heap[left] as Timer, heap[least] as Timer)) least = left;
      if (right < heap.length && before(heap[right] as Timer, heap[least] as Timer)) least = right;
      if (least === i) return;
      [heap[least], heap[i]] = [heap[i] as Timer, heap[least] as Timer];
      i = least;
    }
  }
}

function before(a: Timer, b: Timer): boolean {
  return a.at !== b.at ? a.at < b.at : a.order < b.order;
}
