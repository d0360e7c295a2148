import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { TreeClient } from '../api/filer/client.js';
import { limits } from '../config/limits.js';
import { isWithin, type FullPath } from '../entry/path.js';
import { FilerError, isFailure } from '../errors.js';
import { inParallel } from './in-parallel.js';
import { decodeRecord } from './meta-record.js';
import type { MetaTotals } from './meta-save.js';
import { Skipped } from './skipped.js';
import { aboutOnePath } from './tree-copy.js';
import { isDirectory } from './tree-walk.js';

export interface MetaLoad {
  /** A file, compressed if its name ends in .gz, or a stream. */
  readonly source: string | Readable;
  /** Only entries at this path or below it; null = all. */
  readonly prefix: FullPath | null;
  /** Requests in flight. */
  readonly inFlight: number;
  /** Told of every entry that is there now. */
  readonly loaded?: (path: FullPath) => void;
}

export interface MetaLoaded extends MetaTotals {
  /** Of them, how many were there just so. */
  readonly unchanged: number;
  readonly skipped: number;
  readonly reasons: Skipped['reasons'];
}

/**
 * Writes saved entries into a filer, as they were; one that is there just so is left alone, so that loading twice changes nothing. What else stands
 * at a saved path is replaced; what the tree cannot take is skipped.
 * @throws FilerError BODY_INVALID naming the line that is no entry; what the filer answers; the signal's reason
 */
export async function loadMeta(tree: TreeClient, { source, prefix, inFlight, loaded }: MetaLoad, signal: AbortSignal): Promise<MetaLoaded> {
  const totals = { directories: 0, files: 0, unchanged: 0, skipped: 0 };
  const skipped = new Skipped(limits.copyNamesMax);
  const input = typeof source === 'string' ? createReadStream(source) : source;
  const name = typeof source === 'string' ? source : 'stdin';
  const texts = typeof source === 'string' && source.endsWith('.gz') ? unzipped(input) : input;
  signal.throwIfAborted();
  // Nobody waits for the next line of a pipe once the work is over.
  const stop = (): void => void texts.destroy(signal.reason as Error);
  signal.addEventListener('abort', stop, { once: true });
  try {
    await inParallel(linesOf(texts, name), inFlight, async ({ text, number }) => {
      const { path, entry } = decodeRecord(text, `${name}, line ${number}`);
      if (prefix !== null && !isWithin(path, prefix)) return;
      try {
        const { written } = await tree.putEntry(path, entry, signal);
        if (!written) totals.unchanged += 1;
      } catch (error) {
        // PARAMETER_INVALID: its time to live is over.
        if (!isFailure(error, ...aboutOnePath, 'PARAMETER_INVALID')) {
          texts.destroy(error as Error);
          throw error;
        }
        totals.skipped += 1;
        return skipped.add(error.message, path);
      }
      if (isDirectory(entry)) totals.directories += 1;
      else totals.files += 1;
      loaded?.(path);
    });
  } finally {
    signal.removeEventListener('abort', stop);
    input.destroy();
  }
  return { ...totals, reasons: skipped.reasons };
}

function unzipped(input: Readable): Readable {
  const gunzip = createGunzip();
  // The reader of the one end hears of what fails at the other.
  input.on('error', (error) => gunzip.destroy(error));
  return input.pipe(gunzip);
}

interface Line {
  readonly text: string;
  /** From 1 on. */
  readonly number: number;
}

/** The lines that hold something. @throws FilerError BODY_INVALID for one that is too long */
export async function* linesOf(input: AsyncIterable<Buffer>, name: string, bytesMax: number = limits.metaLineBytesMax): AsyncGenerator<Line, void, undefined> {
  let [pieces, bytes, number]: [Buffer[], number, number] = [[], 0, 1];
  const take = (): string => {
    const text = Buffer.concat(pieces).toString('utf8');
    [pieces, bytes] = [[], 0];
    return text.trim();
  };
  for await (const chunk of input) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      pieces.push(chunk.subarray(start, end));
      const text = take();
      if (text !== '') yield { text, number };
      number += 1;
      start = end + 1;
    }
    pieces.push(chunk.subarray(start));
    bytes += chunk.length - start;
    if (bytes > bytesMax) throw new FilerError('BODY_INVALID', `${name}, line ${number}: is longer than ${bytesMax} bytes; is it a file of fs.meta.save?`);
  }
  const text = take();
  if (text !== '') yield { text, number };
}
