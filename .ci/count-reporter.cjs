'use strict';

// Mocha's usual output, and one JSON line at the end of the file KELP_TEST_COUNTS: counts, and the titles of what was skipped. .ci/summary.cjs adds them up.
const { appendFileSync } = require('node:fs');
const { reporters, Runner } = require('mocha');

module.exports = class CountReporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const { EVENT_TEST_PASS, EVENT_TEST_FAIL, EVENT_TEST_PENDING, EVENT_RUN_END } = Runner.constants;
    let passed = 0;
    let failed = 0;
    const skipped = [];
    runner.on(EVENT_TEST_PASS, () => (passed += 1));
    runner.on(EVENT_TEST_FAIL, () => (failed += 1));
    runner.on(EVENT_TEST_PENDING, (test) => skipped.push(test.fullTitle()));
    runner.once(EVENT_RUN_END, () => appendFileSync(process.env.KELP_TEST_COUNTS, `${JSON.stringify({ passed, failed, skipped })}\n`));
  }
};
