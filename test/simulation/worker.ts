import { setMaxListeners } from 'node:events';
import { installPlainAbort } from './plain-abort.js';
import { runSeed, type Subject } from './run-seeds.js';

/* One process that runs the seeds it is sent: `worker.ts SUBJECT STEPS`. */

// Most errors here are answers between filers, and stacks take a tenth of the time. Run a seed alone to see the stack of a bug.
Error.stackTraceLimit = 0;
// All filers of a world share one process; that one has many requests under way is no leak.
setMaxListeners(0);
installPlainAbort();
process.on('message', (seed: number) => {
  void runSeed(process.argv[2] as Subject, seed, Number(process.argv[3])).then((result) => process.send?.(result));
});
