import { isFailure, messageOf } from './errors.js';
import type { Logger } from './logger.js';
import type { TimeSource } from './time.js';

/** Waiting time after failures: doubles from `msMin` to `msMax`, with full jitter. */
export interface BackoffLimits {
  msMin: number;
  msMax: number;
}

/** Milliseconds to wait after `failures` failures in a row (1 = the first). */
export function backoffMs(failures: number, limits: BackoffLimits, random: () => number): number {
  const ceiling = Math.min(limits.msMax, limits.msMin * 2 ** Math.min(failures - 1, 30));
  // Full jitter. Ten filers that lost the master together should not find it together.
  return Math.max(1, Math.round(ceiling * random()));
}

/** True if the signal's abort is what `error` says. */
export function isAbort(error: unknown, signal: AbortSignal): boolean {
  return signal.aborted && (error === signal.reason || (error instanceof Error && error.name === 'AbortError'));
}

/**
 * Runs `step` until `signal` aborts. A failure is handed to `failed` and followed by a jittered wait; a step that
 * succeeds resets the wait. Resolves when the step in flight has ended; never rejects.
 */
export async function runLoop(options: {
  time: TimeSource;
  signal: AbortSignal;
  backoff: BackoffLimits;
  logger: Logger;
  step: (signal: AbortSignal) => Promise<void>;
  failed?: (error: unknown, failuresInRow: number) => void;
}): Promise<void> {
  const { time, signal, backoff, logger, step, failed } = options;
  let failuresInRow = 0;
  while (!signal.aborted) {
    try {
      await step(signal);
      failuresInRow = 0;
    } catch (error) {
      if (isAbort(error, signal)) return;
      failuresInRow += 1;
      if (failed) failed(error, failuresInRow);
      else if (failuresInRow === 1) logger.warn(messageOf(error));
      // A bug of ours must be seen with its stack, and must not stop the loop for ever.
      if (!isFailure(error)) logger.error(error instanceof Error ? (error.stack ?? error.message) : String(error));
      await time
        .sleep(
          backoffMs(failuresInRow, backoff, () => time.random()),
          signal,
        )
        .catch(() => {});
    }
  }
}
