import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const made: string[] = [];

/** A new empty folder; it is removed when all tests of the run are done. */
export async function tempDir(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'kelp-test-'));
  made.push(directory);
  return directory;
}

after(async () => {
  for (const directory of made.splice(0)) await rm(directory, { recursive: true, force: true });
});
