import { setMaxListeners } from 'node:events';
import { runSeed } from './run-seeds.js';

/* One process that runs the seeds it is sent: `worker.ts STEPS`. */

// Most errors here are answers between filers; a whole stack for each takes a tenth of the time.
Error.stackTraceLimit = 3;
// All filers of a world share one process; that one has many requests under way is no leak.
setMaxListeners(0);
process.on('message', (seed: number) => {
  void runSeed(seed, Number(process.argv[2])).then((result) => process.send?.(result));
});
