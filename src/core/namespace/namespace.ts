import { FilerError } from '../errors.js';
import { isLive, type Row } from '../change/row.js';
import type { Dot, Seq } from '../clock/vector.js';
import { directoryBit, type Entry } from '../entry/entry.js';
import { childPath, isReserved, nameOf, rebase, root, type FullPath } from '../entry/path.js';
import type { ChangeLog } from '../log/change-log.js';
import type { Draft } from '../log/draft.js';
import type { ListOptions, Listed, StoreReader } from '../store/store.js';
import type { TimeSource } from '../time.js';
import { entryOf, makeDirectory, moveOne, prepareMove, putFile, removeOne, type FileSpec, type Stamp } from './mutations.js';

/** One path as the tree shows it. */
export interface Found {
  readonly path: FullPath;
  readonly isDirectory: boolean;
  /** The entry; null for a directory that is only implied by what lies below it. */
  readonly entry: Entry | null;
  /** The live row, a hidden file's too; null for the root and for what is only implied, tombstone or not. */
  readonly row: Row | null;
  /** Names a directory shows. */
  readonly children: number;
}

/** One page of a directory. */
export interface Listing {
  readonly entries: readonly Found[];
  readonly hasMore: boolean;
}

/** A write that is durable. */
export interface Written {
  /** The last change of the write; null if there was nothing to change. */
  readonly dot: Dot | null;
  /** True if the path did not exist before. */
  readonly created: boolean;
}

export interface NamespaceLimits {
  /** Entries one recursive delete or rename may touch. */
  readonly subtreeEntries: number;
  /** Rows, and bytes of entries, a long transaction holds in memory. */
  readonly draftRows: number;
  readonly draftBytes: number;
}

/** Looks at one name of a listing; false leaves it out. */
export type NameFilter = (name: string) => boolean;

/** The tree as clients use it: every write is one decision at the door. */
export class Namespace {
  constructor(
    private readonly log: ChangeLog,
    private readonly store: StoreReader,
    private readonly time: Pick<TimeSource, 'micros'>,
    private readonly limits: NamespaceLimits,
  ) {}

  /** What is shown at `path`, null if nothing. The root is always there. */
  async find(path: FullPath): Promise<Found | null> {
    const { rows, children } = await this.store.findWithChildren([path]);
    return shownAs(path, rows[0] ?? null, children.get(path) ?? 0);
  }

  /**
   * Names of a directory in byte order; kelp's own entries are left out. `keep` filters names; `options.limit` and `options.bytesMax`
   * count what it keeps, so a page may be shorter than its limit though more names follow.
   */
  async list(directory: FullPath, options: ListOptions, keep: NameFilter = () => true): Promise<Listing> {
    const entries: Found[] = [];
    let bytes = 0;
    let { after, inclusive } = options;
    for (;;) {
      const { names, more } = await this.store.list(directory, { ...options, after, inclusive });
      for (const listed of names) {
        const path = childPath(directory, listed.name);
        if (isReserved(path) || !keep(listed.name)) continue;
        bytes += listed.row?.entry?.length ?? 0;
        if (entries.length >= options.limit || (entries.length > 0 && bytes > options.bytesMax)) return { entries, hasMore: true };
        const found = shownAs(path, listed.row, listed.children);
        if (found) entries.push(found);
      }
      const last = names.at(-1);
      if (last === undefined || !more) {
        if (entries.length === 0 && !(await this.find(directory))?.isDirectory)
          throw new FilerError('ENTRY_NOT_FOUND', `${directory} is not a directory`, { path: directory });
        return { entries, hasMore: false };
      }
      if (entries.length >= options.limit) return { entries, hasMore: true };
      after = last.name;
      inclusive = false;
    }
  }

  /** Writes a file; missing parents are made. `modeDefault` is used if neither the request nor the old entry has one. */
  put(path: FullPath, spec: FileSpec, modeDefault: number, precondition?: (found: Found | null) => void): Promise<Written> {
    return this.log.commit({
      paths: [path],
      bytes: spec.content.length + 1000,
      decide: (draft) => {
        const before = foundIn(draft, path);
        precondition?.(before);
        return { dot: issueAll(draft, putFile(draft, path, spec, this.#stamp(), modeDefault)), created: before === null };
      },
    });
  }

  /** Makes a directory; missing parents too. */
  mkdir(path: FullPath, mode: number, ttlSec: number): Promise<Written> {
    return this.log.commit({
      paths: [path],
      bytes: 1000,
      decide: (draft) => ({ dot: issueAll(draft, makeDirectory(draft, path, mode, ttlSec, this.#stamp())), created: true }),
    });
  }

  /**
   * Deletes a path, with everything below it if `recursive`: one change per row, children first, in one transaction.
   * @throws FilerError DIRECTORY_NOT_EMPTY, SUBTREE_TOO_LARGE, PATH_INVALID for the root
   */
  async remove(path: FullPath, recursive: boolean, precondition?: (found: Found | null) => void): Promise<Written> {
    if (path === root) throw new FilerError('PATH_INVALID', 'the root cannot be deleted; delete what is in it');
    const decide = (draft: Draft): Written => {
      precondition?.(foundIn(draft, path));
      return { dot: issueAll(draft, removeOne(draft, path)), created: false };
    };
    if (!recursive) return this.log.commit({ paths: [path], bytes: 1000, decide });
    return this.log.aloneForClient(async (draft) => {
      await draft.load([path]);
      precondition?.(foundIn(draft, path));
      let written: Written = { dot: null, created: false };
      await this.#descend(draft, path, 'children-first', async (rows) => {
        await draft.load(rows.map((row) => row.path));
        for (const row of rows) written = { dot: draft.issue({ kind: 'delete', path: row.path }), created: false };
      });
      await draft.flush();
      return written;
    });
  }

  /**
   * Moves a file, or a directory with everything below it: one change per row, parents first, in one transaction.
   * @throws FilerError as prepareMove does; SUBTREE_TOO_LARGE
   */
  async move(from: FullPath, to: FullPath): Promise<Written> {
    const found = await this.find(from);
    if (found && !found.isDirectory) {
      const written = await this.log.commit({
        paths: [from, to],
        bytes: 2000 + (found.row?.entry?.length ?? 0),
        decide: (draft): Written | null => {
          const parents = prepareMove(draft, from, to, this.#stamp());
          const row = draft.row(from);
          // It may have become a directory since it was looked at.
          if (draft.shown(from) === 'directory' || !isLive(row)) return null;
          const created = draft.shown(to) === 'absent';
          issueAll(draft, parents);
          return { dot: draft.issue(moveOne(row, to)), created };
        },
      });
      if (written) return written;
    }
    return this.log.aloneForClient(async (draft) => {
      await draft.load([from, to]);
      const created = draft.shown(to) === 'absent';
      let dot = issueAll(draft, prepareMove(draft, from, to, this.#stamp()));
      await this.#descend(draft, from, 'parents-first', async (rows) => {
        await draft.load(rows.flatMap((row) => [row.path, rebase(row.path, from, to)]));
        for (const row of rows) dot = draft.issue(moveOne(row, rebase(row.path, from, to)));
      });
      await draft.flush();
      return { dot, created };
    });
  }

  /** How far this filer's own log is: what `Filer-Position` says after a write. */
  get ownSeq(): Seq {
    return this.log.position.get(this.log.identity.origin) ?? 0;
  }

  /**
   * Every live row at and below `top`, handed over in batches; what `visit` changes is written before the next batch.
   * Walks names as the transaction sees them, so what has been deleted or moved away is not met again.
   */
  async #descend(
    draft: Draft,
    top: FullPath,
    order: 'children-first' | 'parents-first',
    visit: (rows: (Row & { entry: string })[]) => Promise<void>,
  ): Promise<void> {
    const { draftRows: limit, draftBytes: bytesMax } = this.limits;
    let batch: (Row & { entry: string })[] = [];
    let bytes = 0;
    let total = 0;
    const take = async (row: Row | null) => {
      if (!isLive(row)) return;
      total += 1;
      if (total > this.limits.subtreeEntries) {
        throw new FilerError(
          'SUBTREE_TOO_LARGE',
          `more than ${this.limits.subtreeEntries} entries lie below ${top}; go in steps (fs.rm -r, fs.mv), or raise --subtreeLimit`,
          { path: top, limit: this.limits.subtreeEntries },
        );
      }
      batch.push(row);
      bytes += row.entry.length;
      if (batch.length >= limit || bytes >= bytesMax) await visitBatch();
    };
    const visitBatch = async () => {
      await visit(batch);
      batch = [];
      bytes = 0;
      await draft.flush({ evict: true });
    };
    await draft.flush({ evict: false });
    await draft.load([top]);
    /** Directories being walked, outermost first, each with the page it is in. */
    const stack: { directory: FullPath; row: Row | null; page: readonly Listed[]; at: number; more: boolean }[] = [];
    const enter = async (directory: FullPath, row: Row | null) => {
      if (order === 'parents-first') await take(row);
      stack.push({ directory, row, page: [], at: 0, more: true });
    };
    const [own] = await draft.tx.find('tree', [top]);
    await enter(top, own ?? null);
    for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
      if (frame.at >= frame.page.length) {
        if (frame.more) {
          const after = frame.page.at(-1)?.name ?? '';
          ({ names: frame.page, more: frame.more } = await draft.list(frame.directory, { after, limit, bytesMax }));
          frame.at = 0;
          continue;
        }
        stack.pop();
        if (order === 'children-first') await take(frame.row);
        continue;
      }
      const listed = frame.page[frame.at++] as Listed;
      if (listed.children > 0) await enter(childPath(frame.directory, listed.name), listed.row);
      else await take(listed.row);
    }
    if (batch.length > 0) await visitBatch();
  }

  #stamp(): Stamp {
    const micros = this.time.micros();
    return { seconds: Math.floor(micros / 1_000_000), nanos: (micros % 1_000_000) * 1000 };
  }
}

function issueAll(draft: Draft, mutations: readonly Parameters<Draft['issue']>[0][]): Dot | null {
  let dot: Dot | null = null;
  for (const mutation of mutations) dot = draft.issue(mutation);
  return dot;
}

function foundIn(draft: Draft, path: FullPath): Found | null {
  return shownAs(path, draft.row(path), draft.children(path));
}

function shownAs(path: FullPath, row: Row | null, children: number): Found | null {
  const live = isLive(row);
  if (path === root)
    return { path, isDirectory: true, entry: { name: '', isDirectory: true, attributes: { fileMode: (directoryBit | 0o777) >>> 0 } }, row: null, children };
  if (!live && children === 0) return null;
  // Something live below: a directory, even if the row is a file of its own, which is then hidden.
  const isDirectory = children > 0 || (live && row.isDirectory);
  const entry = live && row.isDirectory === isDirectory ? entryOf(row) : null;
  return { path, isDirectory, entry: entry ? { ...entry, name: nameOf(path) } : null, row: live ? row : null, children };
}
