import type { TreeClient } from '../api/filer/client.js';
import type { EntryJson } from '../api/filer/protocol.js';
import { directoryBit } from '../entry/entry.js';
import { nameOf, type FullPath } from '../entry/path.js';
import { FilerError } from '../errors.js';

/** One entry of a directory. */
export interface Listed {
  readonly entry: EntryJson;
  readonly path: FullPath;
  /** Empty for the root. */
  readonly name: string;
  readonly isDirectory: boolean;
}

/** One entry of a tree that is walked. */
export interface Walked extends Listed {
  /** 0 = directly in the directory the walk began in. */
  readonly depth: number;
  /** True for the last name of its directory. */
  readonly isLast: boolean;
}

/** What an entry that a filer shows is. */
export function isDirectory(entry: Pick<EntryJson, 'Mode'>): boolean {
  return entry.Mode >= directoryBit;
}

/**
 * Everything below `top` in byte order of names, a directory before what is in it. Holds a page of each directory above the place it is at.
 * What changes meanwhile may be seen or not; a directory that is gone meanwhile counts as empty.
 * @throws FilerError ENTRY_NOT_FOUND, PARAMETER_INVALID if `top` is no directory
 */
export async function* walkTree(tree: TreeClient, top: FullPath, signal: AbortSignal): AsyncGenerator<Walked, void, undefined> {
  const open = [new Names(tree, top, signal)];
  await open[0]?.begin();
  for (let names = open.at(-1); names; names = open.at(-1)) {
    const entry = names.take();
    if (entry === null) {
      open.pop();
      continue;
    }
    const path = entry.FullPath as FullPath;
    await names.look();
    yield { ...listed(entry), depth: open.length - 1, isLast: names.isEmpty };
    if (!isDirectory(entry)) continue;
    const below = new Names(tree, path, signal);
    try {
      await below.begin();
      open.push(below);
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }
}

/**
 * The same, with `top` itself before it, at depth 0, if `isTopIncluded`: what is in it is at depth 1 then or, without it, at depth 0. A file is all
 * there is to walk.
 * @throws FilerError ENTRY_NOT_FOUND
 */
export async function* walkTop(tree: TreeClient, top: FullPath, isTopIncluded: boolean, signal: AbortSignal): AsyncGenerator<Walked, void, undefined> {
  const above = listed(await tree.metadata(top, { signal }));
  const isShown = isTopIncluded || !above.isDirectory;
  if (isShown) yield { ...above, depth: 0, isLast: true };
  if (above.isDirectory) for await (const walked of walkTree(tree, top, signal)) yield isShown ? { ...walked, depth: walked.depth + 1 } : walked;
}

/** The names of one directory, one ahead. */
class Names {
  readonly #entries: AsyncGenerator<EntryJson, void, undefined>;
  #next: EntryJson | null = null;

  constructor(tree: TreeClient, directory: FullPath, signal: AbortSignal) {
    this.#entries = tree.listAll(directory, { signal });
  }

  get isEmpty(): boolean {
    return this.#next === null;
  }

  begin(): Promise<void> {
    return this.look();
  }

  /** The next entry; `look` before the one after it. */
  take(): EntryJson | null {
    const next = this.#next;
    this.#next = null;
    return next;
  }

  async look(): Promise<void> {
    const { value, done } = await this.#entries.next();
    this.#next = done ? null : value;
  }
}

function isGone(error: unknown): boolean {
  // Gone, or a file by now.
  return error instanceof FilerError && (error.code === 'ENTRY_NOT_FOUND' || error.code === 'PARAMETER_INVALID');
}

/** What a directory holds, or a file itself. @throws FilerError ENTRY_NOT_FOUND */
export async function* listOrFile(tree: TreeClient, path: FullPath, signal: AbortSignal): AsyncGenerator<Listed, void, undefined> {
  const top = await tree.metadata(path, { signal });
  if (!isDirectory(top)) yield listed(top);
  else for await (const entry of tree.listAll(path, { signal })) yield listed(entry);
}

/** Of what is printed about an entry its content is no part. */
export function withoutContent({ Content: _content, ...rest }: EntryJson): Omit<EntryJson, 'Content'> {
  return rest;
}

function listed(entry: EntryJson): Listed {
  const path = entry.FullPath as FullPath;
  return { entry, path, name: nameOf(path), isDirectory: isDirectory(entry) };
}

/** What `fs.du` adds up. */
export interface Usage {
  /** References to content elsewhere. */
  readonly chunks: number;
  readonly bytes: number;
  readonly files: number;
  readonly directories: number;
}

/** Adds up a file, or all that is in a directory. @throws FilerError ENTRY_NOT_FOUND */
export async function usageOf(tree: TreeClient, path: FullPath, signal: AbortSignal): Promise<Usage> {
  const usage = { chunks: 0, bytes: 0, files: 0, directories: 0 };
  const add = (entry: EntryJson): void => {
    if (isDirectory(entry)) usage.directories += 1;
    else {
      usage.files += 1;
      usage.chunks += entry.chunks?.length ?? 0;
      usage.bytes += entry.FileSize;
    }
  };
  const top = await tree.metadata(path, { signal });
  if (!isDirectory(top)) add(top);
  else for await (const { entry } of walkTree(tree, path, signal)) add(entry);
  return usage;
}
