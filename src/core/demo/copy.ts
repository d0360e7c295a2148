import { readFile } from 'node:fs/promises';
import type { TreeClient } from '../api/filer/client.js';
import { limits } from '../config/limits.js';
import type { FullPath } from '../entry/path.js';
import { inParallel } from './in-parallel.js';
import { reasonOf, type LocalFiles } from './local-files.js';

/** What a copy has come to so far. */
export interface Copied {
  readonly directories: number;
  readonly files: readonly FullPath[];
  readonly bytes: number;
}

/**
 * Copies a folder into a filer, many requests in flight. Directories come first, parents before children, so that each keeps its mode
 * and empty ones are there. A file that is gone or cannot be read meanwhile is skipped. `progress` is called after each entry.
 * @throws FilerError what the filer answers; the signal's reason
 */
export async function copyFiles(local: LocalFiles, tree: TreeClient, signal: AbortSignal, progress: (done: number) => void): Promise<Copied> {
  const files: FullPath[] = [];
  let [directories, bytes, done] = [0, 0, 0];
  const step = (): void => progress((done += 1));

  for (const level of local.levels) {
    await inParallel(level, limits.demoInFlight, async ({ path, mode }) => {
      await tree.mkdir(path, { mode, signal });
      directories += 1;
      step();
    });
  }
  await inParallel(local.files, limits.demoInFlight, async ({ source, path, mode }) => {
    const content = await readFile(source, { signal }).catch((error: unknown) => {
      signal.throwIfAborted();
      local.skipped.add(reasonOf(error), source);
      return null;
    });
    if (content && content.length > limits.contentBytesMax) local.skipped.add('grew over the content limit', source);
    else if (content) {
      await tree.put(path, content, { mode, signal });
      files.push(path);
      bytes += content.length;
    }
    step();
  });
  return { directories, files, bytes };
}
