import { FilerError } from '../errors.js';
import { formatPosition, joinPositions, type Origin, type Position, type Seq } from '../clock/vector.js';
import type { Version } from '../clock/version.js';
import { isWithin, type FullPath } from '../entry/path.js';
import { pathsOf } from '../change/change.js';
import { receiveChange } from '../change/refused.js';
import type { FeedIndex, LogRecord, StoreReader } from '../store/store.js';
import type { TimeSource } from '../time.js';
import type { ChangeLog } from './change-log.js';
import { positionOf, type LogState } from './log-state.js';
import { ReadGate } from './read-gate.js';

/** Where a reader starts. Exactly one of offset, position, now; `since` narrows a start from the beginning. */
export type FeedStart =
  | { readonly kind: 'offset'; readonly index: FeedIndex }
  | { readonly kind: 'position'; readonly position: Position }
  | { readonly kind: 'since'; readonly since: Version }
  | { readonly kind: 'now' };

export interface FeedQuery {
  readonly start: FeedStart;
  /** Whose changes; undefined = everybody's. */
  readonly origins?: readonly Origin[];
  /** Only changes with versions from here on. A start by time implies it; a reader that goes on by offset says it again. */
  readonly since?: Version;
  /** Only changes with versions up to here; the read ends at the head seen when this time has passed. */
  readonly until?: Version;
  /** Only changes to this path or below it, a rename's either side. */
  readonly pathPrefix?: FullPath;
  readonly limit: number;
  readonly bytesMax: number;
  /** How long to wait for the first change, milliseconds. */
  readonly waitMs: number;
  /** Waits on a place kept for peers. */
  readonly forPeer: boolean;
}

export interface FeedPage {
  readonly records: readonly LogRecord[];
  /** Where the next read starts. */
  readonly next: FeedIndex;
  /** Everything up to here is complete for the asked origins. */
  readonly position: Position;
  /** True if nothing more was there when this was read. */
  readonly upToDate: boolean;
  /** True if a bounded read has come to its end. */
  readonly ended: boolean;
  /** The log's state when this was read. */
  readonly state: LogState;
}

export interface FeedLimits {
  readonly pageCacheEntries: number;
  readonly pageCacheBytes: number;
  readonly readsMax: number;
  readonly readsWaitingMax: number;
  readonly peerNewsMs: number;
}

const offsetPattern = /^([0-9a-f]{8})(\d{16})$/;
/** Records looked at for one answer of a filtered read; it answers with what it has, and the reader goes on. */
const scannedMax = 20_000;

/** The feed: all changes this filer has applied, its own and its peers', in the order in which it applied them. */
export class Feed {
  /** Pages being read or just read, oldest first, shared by readers at the same place. */
  readonly #shared = new Map<string, { readonly page: Promise<LogRecord[]>; bytes: number }>();
  #sharedBytes = 0;

  constructor(
    private readonly store: StoreReader,
    private readonly log: ChangeLog,
    private readonly time: Pick<TimeSource, 'monotonic'>,
    private readonly limits: FeedLimits,
    private readonly gate = new ReadGate(limits),
  ) {}

  /** Store reads of pages since the start. */
  reads = 0;

  formatOffset(index: FeedIndex): string {
    return this.log.identity.epoch + String(index).padStart(16, '0');
  }

  /**
   * Reads an offset of this feed.
   * @throws FilerError PARAMETER_INVALID (400), OFFSET_UNKNOWN, LOG_TRIMMED (410)
   */
  parseOffset(text: string): FeedIndex {
    const [, epoch, digits] = offsetPattern.exec(text) ?? [];
    if (epoch === undefined)
      throw new FilerError('PARAMETER_INVALID', `offset: "${text.slice(0, 40)}" is not an offset; use one from Stream-Next-Offset, or -1, or now`);
    const index = Number(digits);
    const { identity, head, first } = this.log.state;
    if (epoch !== identity.epoch || index > head) {
      throw new FilerError('OFFSET_UNKNOWN', 'this offset belongs to another store or to an older feed of this one; resume with position=', {
        position: formatPosition(this.log.position),
      });
    }
    if (index < first - 1)
      throw new FilerError('LOG_TRIMMED', `offset ${text} is gone; the log now starts at ${this.formatOffset(first - 1)}; take a snapshot`, {
        first: this.formatOffset(first - 1),
      });
    return index;
  }

  /**
   * Reads one page; waits for news if there is none.
   * @throws FilerError LOG_TRIMMED if the log no longer reaches back to the start; OVERLOADED; the signal's reason
   */
  async read(query: FeedQuery, signal: AbortSignal): Promise<FeedPage> {
    const started = this.time.monotonic();
    const { head } = this.log.state;
    let { index, position } = await this.#start(query);
    const beyond = query.start.kind === 'position' ? query.start.position : undefined;
    for (;;) {
      const from = { index, position };
      const page = await this.gate.run(query.forPeer, query.bytesMax, () => this.#scan(query, from.index, from.position, beyond, this.log.state));
      if (page.records.length > 0 || page.ended || !page.upToDate) return page;
      ({ next: index, position } = page);
      const waitMs = query.forPeer && page.state.head !== head ? Math.min(query.waitMs, this.#newsMs()) : query.waitMs;
      const left = started + waitMs - this.time.monotonic();
      if (left <= 0) return page;
      // The log may have moved on while the store was read.
      if (this.log.state === page.state) await this.log.waiters.wait(left, signal, query.forPeer);
      else signal.throwIfAborted();
    }
  }

  /** A peer that waits for changes of some origins learns of the others by the head that comes with an answer. */
  #newsMs(): number {
    return this.limits.peerNewsMs * Math.max(1, this.log.waiters.count / 50);
  }

  /** The position of a reader that has read everything up to `index`. */
  async positionAt(index: FeedIndex): Promise<Position> {
    const { origins, head } = this.log.state;
    if (index >= head) return positionOf(origins);
    const recent = this.log.recent.positionAt(index);
    if (recent !== null) return new Map([...origins.values()].map(({ origin, first }) => [origin, recent.get(origin) ?? first - 1]));
    const position = new Map<Origin, Seq>();
    for (const state of origins.values()) {
      let low = state.first - 1;
      let high = state.seq;
      // Within one origin, indexes rise with seqs.
      while (low < high) {
        const middle = Math.ceil((low + high) / 2);
        const record = await this.store.findRecord({ origin: state.origin, seq: middle });
        if (record !== null && record.index <= index) low = middle;
        else high = middle - 1;
      }
      position.set(state.origin, low);
    }
    return position;
  }

  async #start(query: FeedQuery): Promise<{ index: FeedIndex; position: Position }> {
    const { start } = query;
    const { state } = this.log;
    switch (start.kind) {
      case 'now':
        return { index: state.head, position: positionOf(state.origins) };
      case 'offset':
        return { index: start.index, position: await this.positionAt(start.index) };
      case 'position': {
        let index = state.head;
        for (const origin of state.origins.values()) {
          if (query.origins && !query.origins.includes(origin.origin)) continue;
          const has = start.position.get(origin.origin) ?? 0;
          if (has >= origin.seq) continue;
          if (has < origin.first - 1) {
            throw new FilerError('LOG_TRIMMED', `position ${origin.origin}:${has} is gone; the log now starts at ${origin.first}; take a snapshot`, {
              origin: origin.origin,
              first: origin.first,
            });
          }
          // With origins, ranges are read by seq and need no index.
          if (query.origins) index = Math.min(index, state.first - 1);
          else {
            const record = await this.store.findRecord({ origin: origin.origin, seq: has + 1 });
            if (record) index = Math.min(index, record.index - 1);
          }
        }
        return { index, position: start.position };
      }
      case 'since': {
        for (const origin of state.origins.values()) {
          if (origin.first > 1 && origin.firstVersion >= start.since) {
            throw new FilerError('LOG_TRIMMED', `the log of ${origin.origin} starts after this time; take a snapshot`, {
              origin: origin.origin,
              first: origin.first,
            });
          }
        }
        const index = await this.store.indexBefore(start.since);
        return { index, position: await this.positionAt(index) };
      }
    }
  }

  /** Reads from `index` on until the page is full, the head is reached, or enough was looked at. */
  async #scan(query: FeedQuery, index: FeedIndex, from: Position, beyond: Position | undefined, state: LogState): Promise<FeedPage> {
    const records: LogRecord[] = [];
    const seqs = new Map(from);
    const isFiltered = query.pathPrefix !== undefined || query.until !== undefined || sinceOf(query) !== undefined;
    let bytes = 0;
    let scanned = 0;
    let next = index;
    let upToDate = next >= state.head;
    while (!upToDate && scanned < scannedMax && records.length < query.limit && bytes < query.bytesMax) {
      const room = isFiltered ? Math.max(1000, query.limit - records.length) : query.limit - records.length;
      const part = await this.#page(next, state.head, room, query.bytesMax - bytes, query.origins, beyond);
      scanned += part.length;
      let full = false;
      for (const record of part) {
        if (isFiltered && !matches(record, query)) {
          next = record.index;
          seqs.set(record.origin, record.seq);
          continue;
        }
        if (records.length >= query.limit || (records.length > 0 && bytes + record.text.length > query.bytesMax)) {
          full = true;
          break;
        }
        records.push(record);
        bytes += record.text.length;
        next = record.index;
        seqs.set(record.origin, record.seq);
      }
      if (full) break;
      if (
        part.length === 0 ||
        next >= state.head ||
        (query.origins && query.origins.every((origin) => (seqs.get(origin) ?? 0) >= (state.origins.get(origin)?.seq ?? 0)))
      ) {
        next = state.head;
        upToDate = true;
      }
    }
    // A start by position may already include what comes later in this feed: never answer with less.
    let position: Position = upToDate ? joinPositions(from, positionOf(state.origins)) : joinPositions(from, seqs);
    if (query.origins) position = new Map(query.origins.map((origin) => [origin, position.get(origin) ?? 0]));
    const ended = query.until !== undefined && upToDate && this.log.clock.now() > query.until;
    return { records, next, position, upToDate, ended, state };
  }

  #page(
    after: FeedIndex,
    upto: FeedIndex,
    limit: number,
    bytesMax: number,
    origins: readonly Origin[] | undefined,
    beyond: Position | undefined,
  ): Promise<LogRecord[]> {
    const place = beyond === undefined ? '' : [...beyond].filter(([origin]) => origins?.includes(origin) ?? true).join();
    const key = `${after} ${upto} ${limit} ${bytesMax} ${origins?.join() ?? ''} ${place}`;
    const shared = this.#shared.get(key);
    if (shared) return shared.page;
    const query = { after, upto, limit, bytesMax, origins: origins ? new Set(origins) : undefined, beyond };
    const recent = this.log.recent.read(query);
    if (recent === null) this.reads += 1;
    const page = recent ? Promise.resolve(recent) : this.store.readLog(query);
    this.#share(key, page);
    return page;
  }

  #share(key: string, page: Promise<LogRecord[]>): void {
    const shared = { page, bytes: 0 };
    this.#shared.set(key, shared);
    page.then(
      (records) => {
        // It may have made room for others meanwhile.
        if (this.#shared.get(key) !== shared) return;
        shared.bytes = records.reduce((sum, { text }) => sum + text.length, 0);
        this.#sharedBytes += shared.bytes;
        this.#makeRoom();
      },
      () => this.#forget(key),
    );
    this.#makeRoom();
  }

  #makeRoom(): void {
    const { pageCacheEntries, pageCacheBytes } = this.limits;
    for (const key of this.#shared.keys()) {
      if (this.#shared.size <= pageCacheEntries && this.#sharedBytes <= pageCacheBytes) return;
      this.#forget(key);
    }
  }

  #forget(key: string): void {
    this.#sharedBytes -= this.#shared.get(key)?.bytes ?? 0;
    this.#shared.delete(key);
  }
}

function sinceOf({ start, since }: FeedQuery): Version | undefined {
  return since ?? (start.kind === 'since' ? start.since : undefined);
}

function matches(record: LogRecord, query: FeedQuery): boolean {
  if (query.until !== undefined && record.version > query.until) return false;
  if (record.version < (sinceOf(query) ?? 0)) return false;
  if (query.pathPrefix === undefined) return true;
  const top = query.pathPrefix;
  return pathsOf(receiveChange(record.text)).some((path) => isWithin(path, top));
}
