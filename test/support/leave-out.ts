import type { Context } from 'mocha';

/** Skips a test, or in a `before` all tests of its suite, and says in the title why: `.ci/run` lists the titles of what was skipped. */
export function leaveOut({ test }: Context, why: string): never {
  if (!test) throw new TypeError('only a test or a hook can be left out');
  const note = ` (left out: ${why})`;
  if ('type' in test && test.type === 'hook' && test.parent) {
    test.parent.title += note;
    // The title of the suite stands on the screen already.
    process.stderr.write(`   ${note}\n`);
  } else {
    test.title += note;
  }
  return test.skip() as never;
}
