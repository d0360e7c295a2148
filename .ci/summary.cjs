'use strict';

// summary.cjs COUNTS FAILED_STEPS: what all runs of mocha came to. First what was skipped, since a skip must not pass for a proof; the last
// line is `N passed, N failed`. The exit code is 0 only if something ran and nothing failed.
const { readFileSync } = require('node:fs');

const [, , counts, failedSteps] = process.argv;
const runs = readFileSync(counts, 'utf8')
  .split('\n')
  .filter(Boolean)
  .map((line) => JSON.parse(line));
const skipped = runs.flatMap((run) => run.skipped);
const passed = runs.reduce((sum, run) => sum + run.passed, 0);
const failed = runs.reduce((sum, run) => sum + run.failed, Number(failedSteps));
if (skipped.length > 0) process.stdout.write(`== ${skipped.length} skipped\n${skipped.map((title) => `   ${title}\n`).join('')}`);
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
