import { Violation } from './history.js';
import { World } from './world.js';

export interface SeedResult {
  readonly seed: number;
  /** What was broken; null if nothing was. */
  readonly violation: string | null;
  /** How often each thing has happened. */
  readonly coverage: Readonly<Record<string, number>>;
}

/** Runs one history. A failure that is no violation is one too: the core must not throw. */
export async function runSeed(seed: number, steps: number, verbose = false): Promise<SeedResult> {
  const world = new World({ seed, steps, verbose });
  try {
    await world.run();
    return { seed, violation: null, coverage: world.coverage.counts };
  } catch (error) {
    const violation = error instanceof Violation ? error.message : `BUG ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
    return { seed, violation, coverage: world.coverage.counts };
  } finally {
    world.close();
  }
}
