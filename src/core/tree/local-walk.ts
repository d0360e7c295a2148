import type { BigIntStats } from 'node:fs';
import { lstat, opendir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { joinPath, type FullPath } from '../entry/path.js';
import { isFailure } from '../errors.js';
import { reasonOf } from './skipped.js';

/** A file or directory of this machine, and the path it gets. */
export interface LocalEntry {
  readonly source: string;
  readonly path: FullPath;
  readonly isDirectory: boolean;
  /** Permission bits. */
  readonly mode: number;
  /** RFC 3339, to the nanosecond; the beginning of 1970 if it is older. */
  readonly mtime: string;
  /** Bytes. */
  readonly size: number;
}

/** Whoever is told of what a walk finds. */
export interface LocalVisitor {
  /** Resolves before anything in the directory is looked at; false = it is not looked into. */
  directory(entry: LocalEntry): Promise<boolean>;
  file(entry: LocalEntry): Promise<void>;
  skipped(reason: string, source: string): void;
}

export interface LocalWalkOptions {
  /** Calls to the visitor at a time. */
  readonly inFlight: number;
  readonly signal: AbortSignal;
  /** Why something is left out by its name; null = it is taken. Undefined = everything is. */
  readonly leaveOut?: (source: string) => string | null;
  /** Files of other names are not looked at, and not told of. */
  readonly isIncluded?: (name: string) => boolean;
}

/** What is known of an entry before its path is; `stats` may come from following a link. */
export function localEntry(source: string, path: FullPath, stats: BigIntStats): LocalEntry {
  return { source, path, isDirectory: stats.isDirectory(), mode: Number(stats.mode & 0o777n), mtime: timeText(stats.mtimeNs), size: Number(stats.size) };
}

/**
 * Walks through files and folders of this machine, without following symlinks, several calls to the visitor at a time. A directory is visited
 * before what is in it; apart from that the order is that of the disk. Memory does not grow with the number of names. What is neither file nor
 * directory, cannot be read, or has a name the tree cannot hold is skipped.
 * @throws what the visitor throws, once all calls under way have ended; the signal's reason
 */
export async function walkLocal(tops: Iterable<LocalEntry>, visitor: LocalVisitor, options: LocalWalkOptions): Promise<void> {
  const walk = new LocalWalk(visitor, options);
  await walk.run(tops);
}

class LocalWalk {
  /** Directories that are being read, the deepest last: it is gone on with first, so few are open at a time. */
  readonly #open: AsyncGenerator<LocalEntry, void, undefined>[] = [];
  #busy = 0;
  #failure: { readonly error: unknown } | null = null;
  #wake: (() => void)[] = [];

  constructor(
    private readonly visitor: LocalVisitor,
    private readonly options: LocalWalkOptions,
  ) {}

  async run(tops: Iterable<LocalEntry>): Promise<void> {
    this.#open.push(each(tops));
    await Promise.all(Array.from({ length: this.options.inFlight }, () => this.#work()));
    // After a failure some are still open.
    await Promise.all(this.#open.map((directory) => directory.return()));
    if (this.#failure) throw this.#failure.error;
  }

  async #work(): Promise<void> {
    while (!this.#failure) {
      const directory = this.#open.at(-1);
      if (directory) await this.#step(directory);
      // Whoever is busy may open another one.
      else if (this.#busy > 0) await new Promise<void>((resolve) => this.#wake.push(resolve));
      else return;
    }
  }

  async #step(directory: AsyncGenerator<LocalEntry, void, undefined>): Promise<void> {
    this.#busy += 1;
    try {
      this.options.signal.throwIfAborted();
      const { value: entry, done } = await directory.next();
      if (done) this.#forget(directory);
      else if (!entry.isDirectory) await this.visitor.file(entry);
      else if (await this.visitor.directory(entry)) this.#open.push(this.#read(entry));
    } catch (error) {
      this.#failure ??= { error };
    } finally {
      this.#busy -= 1;
      for (const wake of this.#wake.splice(0)) wake();
    }
  }

  #forget(directory: AsyncGenerator<LocalEntry, void, undefined>): void {
    const index = this.#open.indexOf(directory);
    if (index >= 0) this.#open.splice(index, 1);
  }

  async *#read(above: LocalEntry): AsyncGenerator<LocalEntry, void, undefined> {
    try {
      for await (const { name } of await opendir(above.source)) {
        const entry = await this.#look(above, name);
        if (entry) yield entry;
      }
    } catch (error) {
      // Its name is taken, what is in it cannot be.
      this.visitor.skipped(`${reasonOf(error)}: what is in the directory`, above.source);
    }
  }

  async #look(above: LocalEntry, name: string): Promise<LocalEntry | null> {
    const { leaveOut, isIncluded } = this.options;
    const source = join(above.source, name);
    const skip = (reason: string): null => (this.visitor.skipped(reason, source), null);
    const left = leaveOut?.(source) ?? null;
    if (left !== null) return skip(left);
    // Decoded with losses, it is not the name on the disk.
    if (name.includes('\ufffd')) return skip('name is not UTF-8');
    try {
      const stats = await lstat(source, { bigint: true });
      if (stats.isSymbolicLink()) return skip('symlink');
      if (!stats.isDirectory() && !stats.isFile()) return skip('neither file nor directory');
      if (stats.isFile() && isIncluded && !isIncluded(basename(source))) return null;
      return localEntry(source, joinPath(above.path, name), stats);
    } catch (error) {
      return skip(isFailure(error) ? error.message : reasonOf(error));
    }
  }
}

async function* each(entries: Iterable<LocalEntry>): AsyncGenerator<LocalEntry, void, undefined> {
  yield* entries;
}

function timeText(nanos: bigint): string {
  if (nanos < 0n) return '1970-01-01T00:00:00Z';
  const whole = new Date(Number(nanos / 1_000_000_000n) * 1000).toISOString().slice(0, -'.000Z'.length);
  return `${whole}.${String(nanos % 1_000_000_000n).padStart(9, '0')}Z`;
}
