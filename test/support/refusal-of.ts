import { FilerError } from '../../src/core/errors.js';

/** What `run` refuses with, for work that is done at once; `failureOf` is for work that may wait. */
export function refusalOf(run: () => unknown): FilerError {
  try {
    run();
  } catch (error) {
    if (error instanceof FilerError) return error;
    throw error;
  }
  throw new Error('it was taken');
}
