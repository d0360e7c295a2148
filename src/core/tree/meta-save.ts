import { createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { TreeClient } from '../api/filer/client.js';
import { root, type FullPath } from '../entry/path.js';
import { encodeRecord } from './meta-record.js';
import { walkTop } from './tree-walk.js';

/** How many entries were saved or loaded. */
export interface MetaTotals {
  readonly directories: number;
  readonly files: number;
}

export interface MetaSave {
  readonly path: FullPath;
  /** A file, compressed if its name ends in .gz, or a stream, which is left open. */
  readonly target: string | Writable;
  /** Told of every entry. */
  readonly saved?: (path: FullPath) => void;
}

/**
 * Saves the entries of a path and of all below it, parents first, one a line, contents too. A file is there only once all of it is; what was there
 * under its name is replaced then.
 * @throws FilerError what the filer answers; what the file system says; the signal's reason
 */
export async function saveMeta(tree: TreeClient, { path, target, saved }: MetaSave, signal: AbortSignal): Promise<MetaTotals> {
  const totals = { directories: 0, files: 0 };
  const lines = async function* (): AsyncGenerator<string, void, undefined> {
    for await (const walked of walkTop(tree, path, path !== root, signal)) {
      if (walked.isDirectory) totals.directories += 1;
      else totals.files += 1;
      saved?.(walked.path);
      yield `${encodeRecord(walked.entry)}\n`;
    }
  };
  const source = Readable.from(lines(), { highWaterMark: 64 });
  try {
    if (typeof target === 'string') await intoFile(source, target);
    else await pipeline(source, target, { end: false });
  } catch (error) {
    // A stream that is cut off says so in words of its own.
    signal.throwIfAborted();
    throw error;
  }
  return totals;
}

async function intoFile(source: Readable, file: string): Promise<void> {
  const stages = file.endsWith('.gz') ? [source, createGzip()] : [source];
  // A device or a pipe is written to; renaming would put a file in its place.
  const isPlain = await stat(file).then(
    (stats) => stats.isFile(),
    () => true,
  );
  const written = isPlain ? `${file}.part` : file;
  try {
    await pipeline([...stages, createWriteStream(written)]);
    if (isPlain) await rename(written, file);
  } catch (error) {
    if (isPlain) await rm(written, { force: true });
    throw error;
  }
}
