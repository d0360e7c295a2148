import type { TimeSource } from './time.js';

// Made once: a reason of its own for each nap would cost more than the nap.
const over = new Error('the nap is over');

/**
 * Sleeps `ms`, or until woken: `register` is handed what wakes it and returns what takes that back.
 * Returns true if woken, false when due.
 * @throws the signal's reason if it aborts first
 */
export async function nap(time: Pick<TimeSource, 'sleep'>, ms: number, signal: AbortSignal, register: (wake: () => void) => () => void): Promise<boolean> {
  signal.throwIfAborted();
  // One controller ends the timer for both reasons. AbortSignal.any would hang on to `signal` for as long as that lives.
  const ended = new AbortController();
  const stop = () => ended.abort(over);
  signal.addEventListener('abort', stop, { once: true });
  const withdraw = register(stop);
  try {
    await time.sleep(ms, ended.signal);
    return false;
  } catch (error) {
    signal.throwIfAborted();
    if (ended.signal.aborted) return true;
    throw error;
  } finally {
    withdraw();
    signal.removeEventListener('abort', stop);
  }
}
