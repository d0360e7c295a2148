import type { TreeClient } from '../api/filer/client.js';
import { limits } from '../config/limits.js';
import type { FullPath } from '../entry/path.js';
import { walkLocal } from '../tree/local-walk.js';
import { Skipped } from '../tree/skipped.js';
import { TreeCopy } from '../tree/tree-copy.js';
import type { LocalFiles } from './local-files.js';

/** What a copy has come to so far. */
export interface Copied {
  readonly directories: number;
  /** In the order of their paths. */
  readonly files: readonly FullPath[];
  readonly bytes: number;
  readonly skipped: Skipped;
}

/** Copies a folder into a filer, many requests in flight. `progress` is called after each entry. @throws FilerError what the filer answers; the signal's reason */
export async function copyFiles({ top, leaveOut }: LocalFiles, tree: TreeClient, signal: AbortSignal, progress: (done: number) => void): Promise<Copied> {
  const files: FullPath[] = [];
  const skipped = new Skipped(limits.demoNamesMax);
  let [directories, bytes, done] = [0, 0, 0];
  const copy = new TreeCopy({
    tree,
    signal,
    contentBytesMax: limits.contentBytesMax,
    done: (what, { path, size, isDirectory }) => {
      if (what === 'copied' && isDirectory) directories += 1;
      else if (what === 'copied') {
        files.push(path);
        bytes += size;
      }
      progress((done += 1));
    },
    skipped: (reason, source) => skipped.add(reason, source),
  });
  await walkLocal([top], copy, { inFlight: limits.demoInFlight, signal, leaveOut });
  return { directories, files: files.sort(), bytes, skipped };
}
