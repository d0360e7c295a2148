import type { TreeClient } from '../api/filer/client.js';
import type { EntryJson } from '../api/filer/protocol.js';
import { limits } from '../config/limits.js';
import { childPath, isWithin, nameOf, type FullPath } from '../entry/path.js';
import { FilerError, isFailure } from '../errors.js';
import { inParallel } from './in-parallel.js';
import { isDirectory } from './tree-walk.js';

/*
 * What a filer refuses to do in one transaction (413 SUBTREE_TOO_LARGE) is done in steps: each directory by what is in it, as soon as it is small
 * enough. In between, others see the part that is done.
 */

export interface Steps {
  /** Told once, before the first step. */
  readonly begun: () => void;
  /** Told after each step. */
  readonly done: (steps: number) => void;
}

/** Requests and their count of one piece of work. */
class Work {
  #steps = 0;
  #isStepping = false;

  constructor(
    readonly tree: TreeClient,
    readonly steps: Steps,
    readonly signal: AbortSignal,
  ) {}

  /** False if it is too large for one transaction. */
  async attempt(request: () => Promise<unknown>): Promise<boolean> {
    try {
      await request();
    } catch (error) {
      if (!isFailure(error, 'SUBTREE_TOO_LARGE')) throw error;
      if (!this.#isStepping) this.steps.begun();
      this.#isStepping = true;
      return false;
    }
    this.#steps += 1;
    if (this.#isStepping) this.steps.done(this.#steps);
    return true;
  }

  /** Works on all names of a directory, a page at a time: directories one by one, files in parallel. What comes meanwhile may be missed. */
  async eachOf(directory: FullPath, work: (entry: EntryJson, path: FullPath) => Promise<void>): Promise<void> {
    let lastFileName: string | undefined;
    for (;;) {
      const page = await this.tree.list(directory, { signal: this.signal, lastFileName });
      const each = async (entry: EntryJson): Promise<void> => {
        this.signal.throwIfAborted();
        await work(entry, entry.FullPath as FullPath);
      };
      await inParallel(
        page.Entries.filter((entry) => !isDirectory(entry)),
        limits.stepsInFlight,
        each,
      );
      await inParallel(page.Entries.filter(isDirectory), 1, each);
      if (!page.ShouldDisplayLoadMore) return;
      lastFileName = page.LastFileName;
    }
  }
}

/** Deletes a path with all that is below it, in as many steps as it takes. */
export async function removeAll(tree: TreeClient, path: FullPath, steps: Steps, signal: AbortSignal): Promise<void> {
  const work = new Work(tree, steps, signal);
  const remove = async (at: FullPath): Promise<void> => {
    if (await work.attempt(() => tree.remove(at, { recursive: true, signal }))) return;
    await work.eachOf(at, (_, below) => remove(below));
    // Recursive: what has come meanwhile goes too, as it does in one transaction.
    if (!(await work.attempt(() => tree.remove(at, { recursive: true, signal })))) await remove(at);
  };
  await remove(path);
}

/**
 * Deletes what is at a path; false if nothing is.
 * @throws FilerError ENTRY_NOT_FOUND unless `force`; DIRECTORY_NOT_EMPTY unless `recursive`
 */
export async function removeAt(
  tree: TreeClient,
  { path, recursive, force }: { readonly path: FullPath; readonly recursive: boolean; readonly force: boolean },
  steps: Steps,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await tree.metadata(path, { signal });
  } catch (error) {
    if (force && isFailure(error, 'ENTRY_NOT_FOUND')) return false;
    throw error;
  }
  if (recursive) await removeAll(tree, path, steps, signal);
  else
    await tree.remove(path, { signal }).catch((error: unknown) => {
      if (isFailure(error, 'DIRECTORY_NOT_EMPTY'))
        throw new FilerError('DIRECTORY_NOT_EMPTY', `${path} is not empty; delete it with -r`, { path }, { cause: error });
      throw error;
    });
  return true;
}

/** Where `fs.mv` moves something to: into a directory that is there, else to the very path. */
export async function moveTarget(tree: TreeClient, from: FullPath, to: FullPath, signal: AbortSignal): Promise<FullPath> {
  return (await shownAt(tree, to, signal)) === 'directory' ? childPath(to, nameOf(from)) : to;
}

/**
 * Moves a file, or a directory with all that is below it, in as many steps as it takes. With `merge` the target may be a directory that holds
 * something: what is in the source is moved into it, which is how a move that was broken off goes on.
 * @throws FilerError ENTRY_NOT_FOUND, PARAMETER_INVALID (into itself), and what the filer answers to a move
 */
export async function moveAll(
  tree: TreeClient,
  { from, to, merge }: { readonly from: FullPath; readonly to: FullPath; readonly merge: boolean },
  steps: Steps,
  signal: AbortSignal,
): Promise<void> {
  const work = new Work(tree, steps, signal);
  const source = await tree.metadata(from, { signal });
  if (isWithin(to, from)) throw new FilerError('PARAMETER_INVALID', `${from} cannot be moved into itself`, { path: to });
  const moveInto = async (entry: EntryJson, target: FullPath): Promise<void> => {
    const at = entry.FullPath as FullPath;
    if (!(merge && isDirectory(entry) && (await shownAt(tree, target, signal)) === 'directory') && (await work.attempt(() => tree.move(at, target, signal))))
      return;
    if ((await shownAt(tree, target, signal)) === 'absent') await tree.putEntry(target, entry, signal);
    await work.eachOf(at, (below, path) => moveInto(below, childPath(target, nameOf(path))));
    const left = await shownAt(tree, at, signal);
    if (left === 'file')
      throw new FilerError('ENTRY_EXISTS', `${at} is a file too, which what was below it has hidden; it stays there: move it by itself`, { path: at });
    // Not recursive: what has come meanwhile must not be lost.
    if (left === 'directory') await tree.remove(at, { signal });
  };
  await moveInto(source, to);
}

async function shownAt(tree: TreeClient, path: FullPath, signal: AbortSignal): Promise<'directory' | 'file' | 'absent'> {
  try {
    return isDirectory(await tree.metadata(path, { signal })) ? 'directory' : 'file';
  } catch (error) {
    if (isFailure(error, 'ENTRY_NOT_FOUND')) return 'absent';
    throw error;
  }
}
