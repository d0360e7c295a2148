import { readFile } from 'node:fs/promises';
import type { TreeClient } from '../api/filer/client.js';
import { directoryBit } from '../entry/entry.js';
import { isFailure, type FailureCode } from '../errors.js';
import type { LocalEntry, LocalVisitor } from './local-walk.js';
import { reasonOf } from './skipped.js';

export interface TreeCopyOptions {
  readonly tree: TreeClient;
  readonly signal: AbortSignal;
  /** Bytes of the largest file that is sent; the filer may take less, and says so. */
  readonly contentBytesMax: number;
  /** Of every file, as in the query: `3d`. */
  readonly ttl?: string;
  /** True: a file of the same size is left as it is. */
  readonly checkSize?: boolean;
  /** Told after each entry. */
  readonly done: (what: 'copied' | 'unchanged' | 'skipped', entry: LocalEntry) => void;
  readonly skipped: (reason: string, source: string) => void;
}

/** Refusals that are about one path: the rest can be copied. */
export const aboutOnePath: readonly FailureCode[] = [
  'PATH_INVALID',
  'NAME_TOO_LONG',
  'RESERVED_PATH',
  'PARENT_IS_FILE',
  'IS_A_DIRECTORY',
  'ENTRY_EXISTS',
  'BODY_TOO_LARGE',
];

/**
 * Copies what a walk finds into a filer, with mode and mtime. A directory that is there already stays as it is. What cannot be read or does
 * not fit into the tree is skipped.
 * @throws FilerError what else the filer answers; the signal's reason
 */
export class TreeCopy implements LocalVisitor {
  #contentBytesMax: number;

  constructor(private readonly options: TreeCopyOptions) {
    this.#contentBytesMax = options.contentBytesMax;
  }

  skipped(reason: string, source: string): void {
    this.options.skipped(reason, source);
  }

  async directory(entry: LocalEntry): Promise<boolean> {
    const { tree, signal } = this.options;
    const { path, mode, mtime } = entry;
    return this.#unlessRefused(entry, async () => {
      try {
        await tree.mkdir(path, { mode, mtime, signal });
        return 'copied';
      } catch (error) {
        if (!isFailure(error, 'ENTRY_EXISTS') || (await tree.metadata(path, { signal })).Mode < directoryBit) throw error;
        return 'unchanged';
      }
    });
  }

  async file(entry: LocalEntry): Promise<void> {
    const { tree, signal, ttl, checkSize } = this.options;
    const { path, mode, mtime } = entry;
    if (entry.size > this.#contentBytesMax) return this.#skip(this.#tooLarge(), entry);
    await this.#unlessRefused(entry, async () => {
      if (checkSize && (await this.#sizeAt(entry)) === entry.size) return 'unchanged';
      const content = await this.#read(entry);
      if (content === null) return 'skipped';
      await tree.put(path, content, { mode, mtime, ttl, signal });
      return 'copied';
    });
  }

  async #read(entry: LocalEntry): Promise<Buffer | null> {
    const { signal } = this.options;
    try {
      const content = await readFile(entry.source, { signal });
      // It may have grown since it was looked at.
      if (content.length <= this.#contentBytesMax) return content;
      this.options.skipped(this.#tooLarge(), entry.source);
    } catch (error) {
      signal.throwIfAborted();
      this.options.skipped(reasonOf(error), entry.source);
    }
    return null;
  }

  /** Bytes of the file that stands there; null if there is none. */
  async #sizeAt({ path }: LocalEntry): Promise<number | null> {
    const { tree, signal } = this.options;
    try {
      const { Mode, FileSize } = await tree.metadata(path, { signal });
      return Mode >= directoryBit ? null : FileSize;
    } catch (error) {
      if (isFailure(error, 'ENTRY_NOT_FOUND')) return null;
      throw error;
    }
  }

  /** False if the filer does not take it. */
  async #unlessRefused(entry: LocalEntry, work: () => Promise<'copied' | 'unchanged' | 'skipped'>): Promise<boolean> {
    try {
      this.options.done(await work(), entry);
      return true;
    } catch (error) {
      if (!isFailure(error, ...aboutOnePath)) throw error;
      const { limit } = error.fields;
      if (error.code === 'BODY_TOO_LARGE' && typeof limit === 'number') this.#contentBytesMax = Math.min(this.#contentBytesMax, limit);
      this.#skip(error.code === 'BODY_TOO_LARGE' ? this.#tooLarge() : error.message, entry);
      return false;
    }
  }

  #skip(reason: string, entry: LocalEntry): void {
    this.options.skipped(reason, entry.source);
    this.options.done('skipped', entry);
  }

  #tooLarge(): string {
    return `over the content limit of ${sizeText(this.#contentBytesMax)}`;
  }
}

function sizeText(bytes: number): string {
  return bytes % 2 ** 20 === 0 ? `${bytes / 2 ** 20} MiB` : `${bytes} bytes`;
}
