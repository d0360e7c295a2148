import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * Where the core gets time and randomness from. The real one reads the machine; the simulation brings its own.
 * Nothing else in the core may read a clock, start a timer or draw a random number.
 */
export interface TimeSource {
  /** Wall clock, whole microseconds since 1970. May step backwards. */
  micros(): number;
  /** Milliseconds on a clock that never goes back; only differences mean anything. */
  monotonic(): number;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason if it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Uniform in [0, 1). */
  random(): number;
  /** `bytes` random bytes as lower-case hex, fit for identities. */
  randomHex(bytes: number): string;
}

/** The machine's own clock, timers and random numbers. */
export const realTime: TimeSource = {
  // Not performance.timeOrigin: it is fixed at start and would not follow a clock that is set later.
  micros: () => Date.now() * 1000,
  monotonic: () => performance.now(),
  sleep: async (ms, signal) => {
    try {
      await delay(ms, undefined, { signal });
    } catch (error) {
      throw signal?.aborted ? signal.reason : error;
    }
  },
  random: Math.random,
  randomHex: (bytes) => randomBytes(bytes).toString('hex'),
};
