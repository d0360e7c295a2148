import { setMaxListeners } from 'node:events';
import { runSeed } from './run-seeds.js';

/* One process that runs the seeds it is sent: `worker.ts STEPS`. */

// Most errors here are answers between filers, and stacks take a tenth of the time. Run a seed alone to see the stack of a bug.
Error.stackTraceLimit = 0;
// All filers of a world share one process; that one has many requests under way is no leak.
setMaxListeners(0);
process.on('message', (seed: number) => {
  void runSeed(seed, Number(process.argv[2])).then((result) => process.send?.(result));
});
