import { setMaxListeners } from 'node:events';
import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { parseNamePattern } from '../api/filer/name-pattern.js';
import { limits } from '../config/limits.js';
import { joinPath, type FullPath } from '../entry/path.js';
import { FilerError, isFailure, messageOf } from '../errors.js';
import type { TimeSource } from '../time.js';
import { localEntry, walkLocal, type LocalEntry } from './local-walk.js';
import type { Location } from './location.js';
import { Skipped } from './skipped.js';
import { TreeCopy } from './tree-copy.js';
import { withTree, type TreeAccess } from './with-tree.js';

export interface CopyRequest extends Omit<TreeAccess, 'address'> {
  /** Files and folders of this machine; a symlink among them is followed, one below them is not. */
  readonly sources: readonly string[];
  /** The directory they are put into. */
  readonly target: Location;
  /** Pattern of names: other files are left out. */
  readonly include?: string;
  readonly ttl?: string;
  /** True: a file of the same size is left as it is. */
  readonly checkSize?: boolean;
  readonly time: Pick<TimeSource, 'monotonic'>;
  /** Told of every file that was written. */
  readonly copied?: (entry: LocalEntry) => void;
  /** Told after each entry. */
  readonly progress?: (soFar: CopyTotals) => void;
}

export interface CopyTotals {
  readonly files: number;
  readonly directories: number;
  /** Of the files copied. */
  readonly bytes: number;
  /** Files and directories left as they were. */
  readonly unchanged: number;
  /** Entries left out, and why. */
  readonly skipped: number;
}

export interface CopyResult extends CopyTotals {
  readonly seconds: number;
  readonly reasons: Skipped['reasons'];
}

/**
 * Copies files and folders of this machine into a directory of a filer; missing directories are made.
 * @throws FilerError USAGE for a source that is not there or an invalid pattern, before anything is copied; what the filer answers; the
 *   signal's reason
 */
export async function copyToFiler(request: CopyRequest, signal: AbortSignal): Promise<CopyResult> {
  const { sources, target, include, ttl, checkSize, time, inFlight = 1, signer } = request;
  // One listener for each request in flight.
  setMaxListeners(0, signal);
  const pattern = include === undefined ? null : parseNamePattern(include);
  if (include !== undefined && pattern === null) throw new FilerError('USAGE', `-include: '${include}' is not a pattern of *, ?, [a-z] and \\x`);
  const isIncluded = (name: string): boolean => pattern?.matches(name) ?? true;
  const tops = await Promise.all(sources.map((source) => topOf(source, target.path)));

  const began = time.monotonic();
  const skipped = new Skipped(limits.copyNamesMax);
  const totals = { files: 0, directories: 0, bytes: 0, unchanged: 0, skipped: 0 };
  await withTree({ address: target.address, signer, inFlight }, async (tree) => {
    const copy = new TreeCopy({
      tree,
      signal,
      ttl,
      checkSize,
      // No filer takes more, whatever its --saveToFilerLimit.
      contentBytesMax: limits.pageBytesMax,
      done: (what, entry) => {
        if (what === 'unchanged') totals.unchanged += 1;
        else if (what === 'copied' && entry.isDirectory) totals.directories += 1;
        else if (what === 'copied') {
          totals.files += 1;
          totals.bytes += entry.size;
          request.copied?.(entry);
        }
        request.progress?.(totals);
      },
      skipped: (reason, source) => {
        totals.skipped += 1;
        skipped.add(reason, source);
      },
    });
    const included = tops.filter(({ isDirectory, source }) => isDirectory || isIncluded(basename(source)));
    await walkLocal(included, copy, { inFlight, signal, isIncluded });
  });
  return { ...totals, seconds: (time.monotonic() - began) / 1000, reasons: skipped.reasons };
}

async function topOf(source: string, target: FullPath): Promise<LocalEntry> {
  try {
    const stats = await stat(source, { bigint: true });
    return localEntry(source, joinPath(target, basename(resolve(source))), stats);
  } catch (error) {
    if (isFailure(error)) throw new FilerError('USAGE', `cannot copy ${source}: ${error.message}`, {}, { cause: error });
    throw new FilerError('USAGE', `cannot read ${source} (${messageOf(error)}); name files and folders that are there`, {}, { cause: error });
  }
}
