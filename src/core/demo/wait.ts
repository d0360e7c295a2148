import { FilerError, isFailure, messageOf } from '../errors.js';
import type { TimeSource } from '../time.js';

export interface WaitOptions {
  /** For the message: `filer 2 to be ready`. */
  readonly what: string;
  readonly time: TimeSource;
  readonly signal: AbortSignal;
  /** Milliseconds. */
  readonly deadlineMs: number;
  /** Between two looks, milliseconds. */
  readonly everyMs: number;
}

/** What a look has found: the awaited value, or how it stands. Another standing than before sets the deadline anew. */
export type Look<T> = { readonly found: T } | { readonly standing: string };

/**
 * Looks again and again until `look` finds what it looks for. A filer that cannot be reached, or is not ready, is a standing too.
 * @throws FilerError TIMED_OUT naming the last standing; the signal's reason
 */
export async function waitFor<T>(look: () => Promise<Look<T>>, { what, time, signal, deadlineMs, everyMs }: WaitOptions): Promise<T> {
  let last = '';
  let due = time.monotonic() + deadlineMs;
  for (;;) {
    const seen = await look().catch((error: unknown): Look<T> => {
      signal.throwIfAborted();
      if (isFailure(error) && error.retriable) return { standing: messageOf(error) };
      throw error;
    });
    if ('found' in seen) return seen.found;
    if (seen.standing !== last) due = time.monotonic() + deadlineMs;
    last = seen.standing;
    if (time.monotonic() >= due) throw new FilerError('TIMED_OUT', `waited ${deadlineMs / 1000} s in vain for ${what}; last: ${last}`);
    await time.sleep(everyMs, signal);
  }
}
