import { FilerError, isFailure } from '../errors.js';
import { isLive, type Row } from '../change/row.js';
import type { Dot, Seq } from '../clock/vector.js';
import type { Version } from '../clock/version.js';
import type { Entry } from '../entry/entry.js';
import { childPath, isReserved, nameOf, rebase, refuseReserved, root, type FullPath } from '../entry/path.js';
import type { ChangeLog } from '../log/change-log.js';
import type { Draft } from '../log/draft.js';
import type { Mutation } from '../log/own-change.js';
import type { View } from '../log/view.js';
import type { Listed, ListOptions, StoreReader } from '../store/store.js';
import type { TimeSource } from '../time.js';
import {
  appendToFile,
  copyOne,
  editTags,
  makeDirectory,
  moveOne,
  prepareTransfer,
  putFile,
  putWhole,
  removeOne,
  restoreState,
  type FileSpec,
  type Moment,
  type Stamp,
  type TagEdit,
  type Transfer,
} from './mutations.js';
import { currentView, foundIn, isExpired, shownAs, type Found } from './shown.js';
import { walkSubtree, type SubtreeLimits } from './subtree.js';

/** One page of a directory. */
export interface Listing {
  readonly entries: readonly Found[];
  readonly hasMore: boolean;
  /** The name after which the next page begins: the last entry's, or one that was left out; '' if nothing was looked at. */
  readonly last: string;
}

export interface NamespaceLimits extends SubtreeLimits {
  /** Names read at once where the page itself is smaller. */
  readonly listEntries: number;
  /** Names that one page leaves out before it ends, however few it holds. */
  readonly listSkipped: number;
}

/** A write that is durable. */
export interface Written {
  /** The last change of the write; null if there was nothing to change. */
  readonly dot: Dot | null;
  /** True if the path did not exist before. */
  readonly created: boolean;
}

export interface Appended extends Written {
  /** Of the whole file, bytes. */
  readonly size: number;
  /** Of the whole file, base64. */
  readonly md5: string;
}

/** Looks at what the request's path shows, in the transaction that writes, and throws if the request must not be done. */
export type Precondition = (found: Found | null) => void;

/** Looks at one name of a listing; false leaves it out. */
export type NameFilter = (name: string) => boolean;

const anything: Precondition = () => {};

/** The tree as clients use it: every write is one decision at the door. Files whose time is up are not there. */
export class Namespace {
  constructor(
    private readonly log: ChangeLog,
    private readonly store: StoreReader,
    private readonly time: Pick<TimeSource, 'micros'>,
    private readonly limits: NamespaceLimits,
  ) {}

  /** What is shown at `path`, null if nothing. The root is always there. */
  async find(path: FullPath): Promise<Found | null> {
    const now = this.#now();
    const { rows, children } = await this.store.findWithChildren([path]);
    const row = rows[0] ?? null;
    return this.#unlessEmptied(shownAs(path, isExpired(row, now) ? null : row, children.get(path) ?? 0), now);
  }

  /**
   * Names of a directory in byte order; kelp's own entries are left out. `keep` filters names; `options.limit` and `options.bytesMax`
   * count what it keeps. After `listSkipped` names that are not shown the page ends, be it empty: so a page may be shorter than its limit
   * though more names follow.
   */
  async list(directory: FullPath, options: ListOptions, keep: NameFilter = () => true): Promise<Listing> {
    const now = this.#now();
    const entries: Found[] = [];
    let bytes = 0;
    let skipped = 0;
    let { after, inclusive, limit } = options;
    const page = (hasMore: boolean, last = entries.at(-1)?.path): Listing => ({ entries, hasMore, last: last === undefined ? '' : nameOf(last) });
    for (;;) {
      const { names, more } = await this.store.list(directory, { ...options, after, inclusive, limit });
      for (const listed of names) {
        const path = childPath(directory, listed.name);
        const found = isReserved(path) || !keep(listed.name) ? null : await this.#shownNow(path, listed, now);
        if (found === null) {
          skipped += 1;
          if (skipped >= this.limits.listSkipped) return page(true, path);
          continue;
        }
        bytes += listed.row?.entry?.length ?? 0;
        if (entries.length >= options.limit || (entries.length > 0 && bytes > options.bytesMax)) return page(true);
        entries.push(found);
      }
      const last = names.at(-1);
      if (last === undefined || !more) {
        if (entries.length === 0 && !(await this.find(directory))?.isDirectory)
          throw new FilerError('ENTRY_NOT_FOUND', `${directory} is not a directory`, { path: directory });
        return page(false);
      }
      if (entries.length >= options.limit) return page(true);
      after = last.name;
      inclusive = false;
      // A small page that leaves out most names does not read them one by one.
      limit = Math.max(limit, this.limits.listEntries);
    }
  }

  #shownNow(path: FullPath, { row, children }: Listed, now: Version): Promise<Found | null> {
    return this.#unlessEmptied(shownAs(path, isExpired(row, now) ? null : row, children), now);
  }

  /** Writes a file; missing parents are made. `modeDefault` is used if neither the request nor the old entry has one. */
  put(path: FullPath, spec: FileSpec, modeDefault: number, precondition = anything): Promise<Written> {
    return this.#decide([path], spec.content.length + 1000, (draft, view, stamp) => {
      const before = foundIn(view, path);
      precondition(before);
      return { dot: issueAll(draft, putFile(view, path, spec, stamp, modeDefault)), created: before === null };
    });
  }

  /**
   * Puts content at the end of a file, in one decision with reading what is there: of two appends none is lost. The whole may have `bytesMax` bytes.
   * @throws FilerError as appendToFile does
   */
  async append(path: FullPath, spec: FileSpec, modeDefault: number, bytesMax: number, precondition = anything): Promise<Appended> {
    // Only to know how much will be written.
    const before = await this.find(path);
    return this.#decide([path], (before?.row?.entry?.length ?? 0) + spec.content.length + 1000, (draft, view, stamp) => {
      const found = foundIn(view, path);
      precondition(found);
      const mutations = appendToFile(view, path, spec, stamp, modeDefault, bytesMax);
      const last = mutations.at(-1) as Mutation & { kind: 'put' };
      const { fileSize, md5 } = last.entry.attributes ?? {};
      return { dot: issueAll(draft, mutations), created: found === null, size: Number(fileSize), md5: md5 ?? '' };
    });
  }

  /** Edits the extended attributes of a file or a directory. @throws FilerError as editTags does */
  tag(path: FullPath, edit: TagEdit, precondition = anything): Promise<Written> {
    return this.#decide([path], 1000, (draft, view, stamp) => {
      precondition(foundIn(view, path));
      return { dot: issueAll(draft, editTags(view, path, edit, stamp)), created: false };
    });
  }

  /**
   * Writes a whole entry as it is, times and all; nothing if what is there is the same already.
   * @throws FilerError as putWhole does
   */
  putEntry(path: FullPath, entry: Entry, isSame: (found: Found) => boolean, precondition = anything): Promise<Written> {
    return this.#decide([path], (entry.content?.length ?? 0) + 2000, (draft, view, stamp) => {
      const before = foundIn(view, path);
      precondition(before);
      const mutations = before !== null && isSame(before) ? [] : putWhole(view, path, entry, stamp);
      return { dot: issueAll(draft, mutations), created: before === null };
    });
  }

  /**
   * Writes a state that was overruled again, as a new change with a new version.
   * @throws FilerError as restoreState does; RESERVED_PATH
   */
  async restore(state: Row): Promise<Written> {
    refuseReserved(state.path);
    return this.#decide([state.path], (state.entry?.length ?? 0) + 1000, (draft, view, stamp) => {
      const before = foundIn(view, state.path);
      return { dot: issueAll(draft, restoreState(view, state, stamp)), created: before === null && state.entry !== null };
    });
  }

  /** Makes a directory; missing parents too. `mtime` is when it was last changed elsewhere, now if undefined. */
  mkdir(path: FullPath, mode: number, precondition = anything, mtime?: Moment): Promise<Written> {
    return this.#decide([path], 1000, (draft, view, stamp) => {
      precondition(foundIn(view, path));
      return { dot: issueAll(draft, makeDirectory(view, path, mode, stamp, mtime)), created: true };
    });
  }

  /**
   * Deletes a path, with everything below it if `recursive`: one change per row, children first, in one transaction.
   * @throws FilerError DIRECTORY_NOT_EMPTY, SUBTREE_TOO_LARGE, PATH_INVALID for the root
   */
  async remove(path: FullPath, recursive: boolean, precondition = anything): Promise<Written> {
    if (path === root) throw new FilerError('PATH_INVALID', 'the root cannot be deleted; delete what is in it');
    // What has nothing below it shares a transaction with other writes, as most of what is deleted one by one does.
    if (recursive && (await this.find(path))?.isDirectory) return this.#removeAll(path, precondition);
    try {
      return await this.#decide([path], 1000, (draft, view) => {
        precondition(foundIn(view, path));
        return { dot: issueAll(draft, removeOne(view, path)), created: false };
      });
    } catch (error) {
      // It may have become a directory since it was looked at.
      if (!recursive || !isFailure(error, 'DIRECTORY_NOT_EMPTY')) throw error;
    }
    return this.#removeAll(path, precondition);
  }

  #removeAll(path: FullPath, precondition: Precondition): Promise<Written> {
    return this.log.aloneForClient(async (draft) => {
      await draft.load([path]);
      precondition(foundIn(currentView(draft, this.#now()), path));
      let dot: Dot | null = null;
      await walkSubtree(draft, path, 'children-first', this.limits, async (rows) => {
        await draft.load(rows.map((row) => row.path));
        for (const row of rows) dot = draft.issue({ kind: 'delete', path: row.path });
      });
      await draft.flush();
      return { dot, created: false };
    });
  }

  /**
   * Moves a file, or a directory with everything below it: one change per row, parents first, in one transaction.
   * @throws FilerError as prepareTransfer does; SUBTREE_TOO_LARGE
   */
  move(from: FullPath, to: FullPath, precondition = anything): Promise<Written> {
    return this.#transfer({ parameter: 'mv.from', from, to, overwrite: true }, precondition);
  }

  /**
   * Copies a file, or a directory with everything it shows: one change per entry, parents first, in one transaction.
   * @throws FilerError as prepareTransfer and copyOne do; SUBTREE_TOO_LARGE
   */
  copy(from: FullPath, to: FullPath, overwrite: boolean, precondition = anything): Promise<Written> {
    return this.#transfer({ parameter: 'cp.from', from, to, overwrite }, precondition);
  }

  /** How far this filer's own log is: what `Filer-Position` says after a write. */
  get ownSeq(): Seq {
    return this.log.position.get(this.log.identity.origin) ?? 0;
  }

  async #transfer(transfer: Transfer, precondition: Precondition): Promise<Written> {
    const { parameter, from, to } = transfer;
    const found = await this.find(from);
    if (found && !found.isDirectory) {
      const written = await this.#decide([from, to], 2000 + (found.row?.entry?.length ?? 0), (draft, view, stamp): Written | null => {
        precondition(foundIn(view, to));
        const parents = prepareTransfer(view, transfer, stamp);
        const row = view.row(from);
        // It may have become a directory since it was looked at.
        if (view.shown(from) === 'directory' || !isLive(row)) return null;
        const last = parameter === 'mv.from' ? moveOne(row, to) : copyOne(view, row, to, stamp);
        const created = view.shown(to) === 'absent';
        return { dot: issueAll(draft, [...parents, last]), created };
      });
      if (written) return written;
    }
    return this.log.aloneForClient((draft) => this.#transferAll(draft, transfer, precondition));
  }

  async #transferAll(draft: Draft, transfer: Transfer, precondition: Precondition): Promise<Written> {
    const { parameter, from, to } = transfer;
    const first = await this.#attempt(draft, [from, to], (view, stamp) => {
      precondition(foundIn(view, to));
      const created = view.shown(to) === 'absent';
      return { dot: issueAll(draft, prepareTransfer(view, transfer, stamp)), created };
    });
    let { dot } = first;
    await walkSubtree(draft, from, 'parents-first', this.limits, async (rows) => {
      await draft.load(rows.flatMap((row) => [row.path, rebase(row.path, from, to)]));
      const stamp = this.#stamp();
      const view = currentView(draft, stamp.now);
      for (const row of rows) {
        const target = rebase(row.path, from, to);
        if (parameter === 'mv.from') dot = draft.issue(moveOne(row, target));
        // A copy is of what is shown: neither what has expired nor what is hidden comes back by it.
        else if (isLive(view.row(row.path)) && (row.isDirectory || view.children(row.path) === 0)) dot = draft.issue(copyOne(view, row, target, stamp));
      }
    });
    await draft.flush();
    return { dot, created: first.created };
  }

  /** One decision at the door, on the tree as it is then. The last path is where the request goes to. */
  async #decide<T>(paths: readonly FullPath[], bytes: number, decide: (draft: Draft, view: View, stamp: Stamp) => T): Promise<T> {
    const decision = (draft: Draft): T => {
      const stamp = this.#stamp();
      return decide(draft, currentView(draft, stamp.now), stamp);
    };
    try {
      return await this.log.commit({ paths, bytes, decide: decision });
    } catch (error) {
      if (!(await this.#mayBeExpired(error, paths.at(-1) as FullPath))) throw error;
    }
    return this.log.aloneForClient(async (draft) => {
      const value = await this.#attempt(draft, paths, (view, stamp) => decide(draft, view, stamp));
      await draft.flush();
      return value;
    });
  }

  /** Decides in a transaction of its own. If what is in the way are only files whose time is up, they are deleted first, as changes like any other. */
  async #attempt<T>(draft: Draft, paths: readonly FullPath[], decide: (view: View, stamp: Stamp) => T): Promise<T> {
    const decideNow = async () => {
      await draft.load(paths);
      const stamp = this.#stamp();
      return decide(currentView(draft, stamp.now), stamp);
    };
    try {
      return await decideNow();
    } catch (error) {
      const target = paths.at(-1) as FullPath;
      if (!(await this.#mayBeExpired(error, target))) throw error;
      const now = this.#now();
      await walkSubtree(draft, target, 'children-first', this.limits, async (rows) => {
        await draft.load(rows.map((row) => row.path));
        for (const row of rows) {
          if (isExpired(row, now)) draft.issue({ kind: 'delete', path: row.path });
          else if (row.path !== target) throw error;
        }
      });
      return decideNow();
    }
  }

  /** True if a request failed because of what lies below `path`, and some of that has expired. */
  async #mayBeExpired(error: unknown, path: FullPath): Promise<boolean> {
    if (!isFailure(error, 'DIRECTORY_NOT_EMPTY', 'IS_A_DIRECTORY', 'ENTRY_EXISTS', 'PRECONDITION_FAILED')) return false;
    return (await this.store.expired({ now: this.#now(), below: path, limit: 1 })).length > 0;
  }

  /** What is a directory only by what lies below it is none if all of that has expired: a hidden file is shown again, else nothing is. */
  async #unlessEmptied(found: Found | null, now: Version): Promise<Found | null> {
    if (found === null || found.entry !== null) return found;
    const expired = await this.store.expired({ now, below: found.path, limit: 1 });
    if (expired.length === 0 || (await this.#showsAny(found.path, now))) return found;
    return shownAs(found.path, found.row, 0);
  }

  /** True if anything that has not expired lies below `directory`. */
  async #showsAny(directory: FullPath, now: Version): Promise<boolean> {
    const { draftRows: limit, draftBytes: bytesMax } = this.limits;
    for (let after = '', more = true; more;) {
      const page = await this.store.list(directory, { after, limit, bytesMax });
      for (const { name, row, children } of page.names) {
        if (isLive(row) && !isExpired(row, now)) return true;
        if (children > 0 && (await this.#showsAny(childPath(directory, name), now))) return true;
      }
      after = page.names.at(-1)?.name ?? '';
      ({ more } = page);
    }
    return false;
  }

  #now(): Version {
    return this.log.clock.believed();
  }

  #stamp(): Stamp {
    const micros = this.time.micros();
    return { seconds: Math.floor(micros / 1_000_000), nanos: (micros % 1_000_000) * 1000, now: this.#now() };
  }
}

function issueAll(draft: Draft, mutations: readonly Mutation[]): Dot | null {
  let dot: Dot | null = null;
  for (const mutation of mutations) dot = draft.issue(mutation);
  return dot;
}
