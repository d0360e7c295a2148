import type { Dirent } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { limits } from '../config/limits.js';
import { joinPath, refuseReserved, root, type FullPath } from '../entry/path.js';
import { FilerError, isFailure, messageOf } from '../errors.js';
import { inParallel } from './in-parallel.js';

/** A file or directory of this machine, and the path it gets. */
export interface LocalEntry {
  readonly source: string;
  readonly path: FullPath;
  /** Permission bits. */
  readonly mode: number;
}

/** What was left out: by reason, how many and the first few names. */
export class Skipped {
  static readonly #namesMax = 3;
  readonly #reasons = new Map<string, { count: number; names: string[] }>();

  add(reason: string, name: string): void {
    const skipped = this.#reasons.get(reason) ?? { count: 0, names: [] };
    skipped.count += 1;
    if (skipped.names.length < Skipped.#namesMax) skipped.names.push(name);
    this.#reasons.set(reason, skipped);
  }

  /** The greatest first. */
  get reasons(): { reason: string; count: number; names: readonly string[] }[] {
    return [...this.#reasons].map(([reason, skipped]) => ({ reason, ...skipped })).sort((a, b) => b.count - a.count);
  }
}

/** A folder of this machine as it is to be copied. */
export interface LocalFiles {
  /** Path of the folder itself. */
  readonly top: FullPath;
  /** Absolute, links resolved. */
  readonly source: string;
  /** By depth, `top` first. */
  readonly levels: readonly (readonly LocalEntry[])[];
  readonly files: readonly LocalEntry[];
  readonly skipped: Skipped;
}

/**
 * Reads the names below `directory`, without following symlinks. `own` is the demo's own folder, which would grow while it is copied.
 * @throws FilerError USAGE if it is no readable directory, or holds more than a demo should copy
 */
export async function readLocalFiles(directory: string, own: string, signal: AbortSignal): Promise<LocalFiles> {
  const source = await realpath(directory).catch((error: unknown) => {
    throw cannotRead(directory, error);
  });
  const top = { source, path: topPath(basename(source)), mode: await modeOf(source) };
  const files: LocalEntry[] = [];
  const skipped = new Skipped();
  const levels: LocalEntry[][] = [];
  let [entries, bytes] = [1, 0];

  const take = async (above: LocalEntry, name: string, dirent: Dirent, below: LocalEntry[]): Promise<void> => {
    const taken = join(above.source, name);
    if (taken === own) return skipped.add("the demo's own folder", taken);
    if (dirent.isSymbolicLink()) return skipped.add('symlink', taken);
    if (!dirent.isDirectory() && !dirent.isFile()) return skipped.add('neither file nor directory', taken);
    // Decoded with losses, it is not the name on the disk.
    if (name.includes('\ufffd')) return skipped.add('name is not UTF-8', taken);
    try {
      const path = joinPath(above.path, name);
      const { mode, size } = await stat(taken);
      if (dirent.isFile() && size > limits.contentBytesMax) return skipped.add(`over the content limit of ${limits.contentBytesMax / 2 ** 20} MiB`, taken);
      (dirent.isDirectory() ? below : files).push({ source: taken, path, mode: mode & 0o777 });
      entries += 1;
      bytes += dirent.isFile() ? size : 0;
    } catch (error) {
      skipped.add(isFailure(error) ? error.message : reasonOf(error), taken);
    }
    if (entries > limits.demoEntriesMax || bytes > limits.demoBytesMax) throw tooMuch(directory);
  };

  for (let level = [top]; level.length > 0;) {
    levels.push(level);
    const below: LocalEntry[] = [];
    await inParallel(level, limits.demoInFlight, async (above) => {
      signal.throwIfAborted();
      const dirents = await readdir(above.source, { withFileTypes: true }).catch((error: unknown) => {
        if (above === top) throw cannotRead(directory, error);
        // Its name is copied, what is in it cannot be.
        skipped.add(`${reasonOf(error)}: what is in the directory`, above.source);
        return [];
      });
      for (const dirent of dirents) await take(above, dirent.name, dirent, below);
    });
    level = below;
  }
  // In the order of their names, so that two runs do the same.
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  return { source, top: top.path, levels, files, skipped };
}

/** Why a file of this machine could not be taken, without its name. */
export function reasonOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'gone meanwhile';
  if (code === 'EACCES' || code === 'EPERM') return 'not readable';
  return code ?? messageOf(error);
}

/** The folder keeps its name, unless a filer means something else by it. */
function topPath(name: string): FullPath {
  try {
    const path = joinPath(root, name);
    refuseReserved(path);
    return path;
  } catch (error) {
    if (!isFailure(error)) throw error;
    return joinPath(root, 'tree');
  }
}

async function modeOf(source: string): Promise<number> {
  const stats = await stat(source);
  if (!stats.isDirectory()) throw new FilerError('USAGE', `${source} is not a directory; name one to copy`);
  return stats.mode & 0o777;
}

function cannotRead(directory: string, error: unknown): FilerError {
  return new FilerError('USAGE', `cannot read ${directory} (${messageOf(error)}); name another directory to copy`, {}, { cause: error });
}

function tooMuch(directory: string): FilerError {
  const { demoEntriesMax: entries, demoBytesMax: bytes } = limits;
  return new FilerError('USAGE', `${directory} holds more than ${entries} entries or ${bytes / 2 ** 20} MiB, too much for a demo; name a smaller directory`);
}
