import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
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

/** Runs the seeds in `workers` processes, a few at a time; `took` hears of each as it ends and says whether to go on. */
export async function runSeeds(seeds: readonly number[], steps: number, workers: number, took: (result: SeedResult) => boolean): Promise<void> {
  const left = [...seeds];
  let isOver = false;
  const work = () =>
    new Promise<void>((resolve, reject) => {
      const child = fork(fileURLToPath(import.meta.resolve('./worker.ts')), [String(steps)], { execArgv: ['--import', 'tsx'] });
      const next = () => {
        const seed = isOver ? undefined : left.shift();
        if (seed === undefined) child.disconnect();
        else child.send(seed);
      };
      child.on('message', (result: SeedResult) => {
        if (!took(result)) isOver = true;
        next();
      });
      child.on('error', reject);
      child.on('exit', (code, ended) => {
        if (code === 0) resolve();
        else reject(new Error(`a worker of the simulation ended with ${code ?? ended}`));
      });
      next();
    });
  await Promise.all(Array.from({ length: Math.min(workers, seeds.length) }, work));
}
