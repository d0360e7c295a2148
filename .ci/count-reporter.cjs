'use strict';

// Mocha's usual output, and one JSON line of counts at the end of the file KELP_TEST_COUNTS: what .ci/run adds up.
const { appendFileSync } = require('node:fs');
const { reporters, Runner } = require('mocha');

module.exports = class CountReporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    let passed = 0;
    let failed = 0;
    runner.on(Runner.constants.EVENT_TEST_PASS, () => (passed += 1));
    runner.on(Runner.constants.EVENT_TEST_FAIL, () => (failed += 1));
    runner.once(Runner.constants.EVENT_RUN_END, () => appendFileSync(process.env.KELP_TEST_COUNTS, `${JSON.stringify({ passed, failed })}\n`));
  }
};
