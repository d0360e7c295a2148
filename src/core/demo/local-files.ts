import { access, constants, realpath, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { limits } from '../config/limits.js';
import { joinPath, refuseReserved, root, type FullPath } from '../entry/path.js';
import { FilerError, isFailure, messageOf } from '../errors.js';
import { localEntry, walkLocal, type LocalEntry } from '../tree/local-walk.js';

/** A folder of this machine as it is to be copied. */
export interface LocalFiles {
  /** The folder itself; its source is absolute, links resolved. */
  readonly top: LocalEntry;
  /** All below it. */
  readonly directories: readonly FullPath[];
  /** How many entries there are, `top` included. */
  readonly entries: number;
  readonly leaveOut: (source: string) => string | null;
}

/**
 * Looks how much is below `directory`. `own` is the demo's own folder, which would grow while it is copied.
 * @throws FilerError USAGE if it is no readable directory, or holds more than a demo should copy
 */
export async function readLocalFiles(directory: string, own: string, signal: AbortSignal): Promise<LocalFiles> {
  const top = await topOf(directory);
  const leaveOut = (source: string): string | null => (source === own ? "the demo's own folder" : null);
  const directories: FullPath[] = [];
  let [entries, bytes] = [0, 0];
  const take = (size: number): void => {
    entries += 1;
    bytes += size;
    if (entries > limits.demoEntriesMax || bytes > limits.demoBytesMax) throw tooMuch(directory);
  };
  const visitor = {
    directory: async (entry: LocalEntry): Promise<boolean> => {
      if (entry !== top) directories.push(entry.path);
      take(0);
      return true;
    },
    file: async ({ size }: LocalEntry): Promise<void> => take(size > limits.contentBytesMax ? 0 : size),
    // Told of when it is copied.
    skipped: () => {},
  };
  await walkLocal([top], visitor, { inFlight: limits.demoInFlight, signal, leaveOut });
  // In the order of their names, so that two runs do the same.
  return { top, directories: directories.sort(), entries, leaveOut };
}

async function topOf(directory: string): Promise<LocalEntry> {
  try {
    const source = await realpath(directory);
    const stats = await stat(source, { bigint: true });
    if (!stats.isDirectory()) throw new FilerError('USAGE', `${source} is not a directory; name one to copy`);
    await access(source, constants.R_OK | constants.X_OK);
    return localEntry(source, topPath(basename(source)), stats);
  } catch (error) {
    if (isFailure(error)) throw error;
    throw new FilerError('USAGE', `cannot read ${directory} (${messageOf(error)}); name another directory to copy`, {}, { cause: error });
  }
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

function tooMuch(directory: string): FilerError {
  const { demoEntriesMax: entries, demoBytesMax: bytes } = limits;
  return new FilerError('USAGE', `${directory} holds more than ${entries} entries or ${bytes / 2 ** 20} MiB, too much for a demo; name a smaller directory`);
}
