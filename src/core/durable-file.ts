import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/**
 * Replaces a file with `text` so that after a crash at any point, power loss included, it holds the old text or the new
 * one, whole. Readable by its owner only. One writer at a time.
 */
export async function writeDurably(path: string, text: string): Promise<void> {
  const temporary = `${path}.new`;
  // A leftover of a crash may have other rights; mode counts only when a file is made.
  await rm(temporary, { force: true });
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  // The new name is in the directory, so that has to reach the disk as well.
  await syncDirectory(dirname(path));
}

/** Makes a directory and what is missing above it, for its owner only, so that a power loss does not take them away with all that is in them. */
export async function makeDirectoryDurably(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  // Each new name is in the directory above.
  for (let made = resolve(path); made.length >= resolve(first).length; made = dirname(made)) await syncDirectory(dirname(made));
}

/** Makes the names in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
