import { setTimeout as delay } from 'node:timers/promises';

/**
 * Asks `condition` again and again until it gives something truthy, and returns that. What it throws counts as "not yet" and is named
 * if the time runs out.
 */
export async function waitFor<T>(condition: () => T | Promise<T>, options: { what: string; timeoutMs?: number; everyMs?: number }): Promise<NonNullable<T>> {
  const { what, timeoutMs = 10_000, everyMs = 20 } = options;
  const deadline = performance.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    if (performance.now() >= deadline) {
      throw new Error(`waited ${timeoutMs} ms in vain for ${what}; last: ${last instanceof Error ? last.message : String(last)}`, { cause: last });
    }
    await delay(everyMs);
  }
}
