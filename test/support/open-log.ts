import { limits } from '../../src/core/config/limits.js';
import { FilerError } from '../../src/core/errors.js';
import { silentLogger } from '../../src/core/logger.js';
import { ChangeLog, type ChangeLogLimits } from '../../src/core/log/change-log.js';
import { Feed, type FeedLimits, type FeedPage, type FeedQuery } from '../../src/core/log/feed.js';
import { Namespace, type NamespaceLimits } from '../../src/core/namespace/namespace.js';
import { parsePath, type FullPath } from '../../src/core/entry/path.js';
import type { FileSpec } from '../../src/core/namespace/mutations.js';
import type { Row } from '../../src/core/change/row.js';
import { decodeChange } from '../../src/core/change/codec.js';
import type { Change } from '../../src/core/change/change.js';
import { MemoryDisk, MemoryStore } from '../../src/core/store/memory/memory-store.js';
import type { Store, StoreTransaction } from '../../src/core/store/store.js';
import { ManualTime } from './manual-time.js';

/** A memory store that can also tell how many transactions it has run. */
export class CountingStore extends MemoryStore {
  transactions = 0;

  override transaction<T>(work: (tx: StoreTransaction) => Promise<T>): Promise<T> {
    this.transactions += 1;
    return super.transaction(work);
  }
}

/** The core of one filer over memory: everything but network and HTTP. */
export interface OpenLog {
  readonly disk: MemoryDisk;
  readonly store: CountingStore;
  readonly log: ChangeLog;
  readonly feed: Feed;
  readonly tree: Namespace;
  readonly time: ManualTime;
}

export interface OpenOptions {
  /** An earlier disk, to open it again. */
  disk?: MemoryDisk;
  time?: ManualTime;
  limits?: Partial<ChangeLogLimits & NamespaceLimits & FeedLimits>;
}

let seeds = 0;

/** Opens a change log over a memory store, with feed and tree on top. */
export async function openLog(options: OpenOptions = {}): Promise<OpenLog> {
  const disk = options.disk ?? new MemoryDisk();
  const time = options.time ?? new ManualTime({ seed: (seeds += 7919) });
  const all = { ...limits, ...options.limits };
  const store = new CountingStore(disk);
  const log = await ChangeLog.open({ store, time, limits: all, logger: silentLogger });
  store.transactions = 0;
  const feed = new Feed(store, log, time, all);
  return { disk, store, log, feed, time, tree: new Namespace(log, store, time, all) };
}

/** A path that is known to be good. */
export const p = (text: string): FullPath => parsePath(text);

/** What a client says of a small text file. */
export const file = (text = '', more: Partial<FileSpec> = {}): FileSpec => ({
  content: Buffer.from(text).toString('base64'),
  size: Buffer.byteLength(text),
  md5: '',
  ...more,
});

export const mode = 0o660;

/** Every row of an area in key order. */
export const rowsIn = (store: Store, area: 'tree' | 'staging' | 'remembered' = 'tree'): Promise<Row[]> => store.scan(area, null, 1e6, 1e9);

/** A whole feed query, from the start unless told otherwise, without waiting. */
export const ask = (query: Partial<FeedQuery> = {}): FeedQuery => ({
  start: { kind: 'position', position: new Map() },
  limit: 1000,
  bytesMax: 1e9,
  waitMs: 0,
  forPeer: false,
  ...query,
});

export const never = new AbortController().signal;

export const read = (opened: Pick<OpenLog, 'feed'>, query: Partial<FeedQuery> = {}): Promise<FeedPage> => opened.feed.read(ask(query), never);

/** Every change of one filer's feed that another one lacks. */
export async function changesFor(from: OpenLog, to: OpenLog): Promise<Change[]> {
  const page = await read(from, { start: { kind: 'position', position: to.log.position } });
  return page.records.map((record) => decodeChange(record.text));
}

/** Applies what `to` lacks of `from`'s feed. */
export async function pull(from: OpenLog, to: OpenLog): Promise<void> {
  const changes = await changesFor(from, to);
  if (changes.length > 0) await to.log.apply(changes);
}

/** Runs what must fail and gives its failure. */
export async function failureOf(work: () => unknown): Promise<FilerError> {
  try {
    await work();
  } catch (error) {
    if (error instanceof FilerError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

export const codeOf = async (work: () => unknown): Promise<string> => (await failureOf(work)).code;
