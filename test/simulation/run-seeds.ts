import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Compiled } from './compiled.js';
import { Violation } from './violation.js';
import { ClustersWorld } from './clusters/clusters-world.js';
import { World } from './world.js';

export interface SeedResult {
  readonly seed: number;
  /** What was broken; null if nothing was. */
  readonly violation: string | null;
  /** How often each thing has happened. */
  readonly coverage: Readonly<Record<string, number>>;
}

/** What the histories are of: one cluster, or several with syncs between them. */
export const subjects = { cluster: World, clusters: ClustersWorld } as const;
export type Subject = keyof typeof subjects;

/** Runs one history. A failure that is no violation is one too: the core must not throw. */
export async function runSeed(subject: Subject, seed: number, steps: number, verbose = false): Promise<SeedResult> {
  const world = new subjects[subject]({ seed, steps, verbose });
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

export interface SeedsOptions {
  readonly subject: Subject;
  readonly steps: number;
  readonly workers: number;
  /** What the workers run; null = the sources as they are, which start at once and run slower. */
  readonly compiled: Compiled | null;
}

/** Most of what a history makes is garbage soon: with more room less of it is looked at, and every core has a worker of its own. A tenth of the time. */
const collectSeldom = ['--max-semi-space-size=64', '--single-threaded-gc'];

/** Runs the seeds in processes of their own, a few at a time; `took` hears of each as it ends and says whether to go on. */
export async function runSeeds(seeds: readonly number[], options: SeedsOptions, took: (result: SeedResult) => boolean): Promise<void> {
  const { subject, steps, workers, compiled } = options;
  const left = [...seeds];
  let isOver = false;
  const work = () =>
    new Promise<void>((resolve, reject) => {
      const worker = compiled?.worker ?? fileURLToPath(import.meta.resolve('./worker.ts'));
      const child = fork(worker, [subject, String(steps)], { execArgv: compiled ? collectSeldom : ['--import', 'tsx'] });
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
