import { FilerError } from '../errors.js';
import { formatPosition, joinPositions, type Origin, type Position, type Seq } from '../clock/vector.js';
import type { Version } from '../clock/version.js';
import { isWithin, type FullPath } from '../entry/path.js';
import { pathsOf } from '../change/change.js';
import { receiveChange } from '../change/refused.js';
import { logPageOf, type FeedIndex, type LogPage, type LogQuery, type LogRecord, type StoreReader } from '../store/store.js';
import type { TimeSource } from '../time.js';
import type { ChangeLog } from './change-log.js';
import { positionOf, type LogState } from './log-state.js';
import { ReadGate } from './read-gate.js';
import { SharedPages, type SharedPagesLimits } from './shared-pages.js';

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
  /** The page may be given as one text: nobody here looks into it. */
  readonly asText?: boolean;
}

export interface FeedPage {
  /** Empty where the page is one text. */
  readonly records: readonly LogRecord[];
  /** What was asked for as text and is not filtered; else null. */
  readonly text: LogPage | null;
  /** Changes in it. */
  readonly count: number;
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

export interface FeedLimits extends SharedPagesLimits {
  readonly readsMax: number;
  readonly readsWaitingMax: number;
  readonly peerNewsMs: number;
}

const offsetPattern = /^([0-9a-f]{8})(\d{16})$/;
/** Records looked at for one answer of a filtered read; it answers with what it has, and the reader goes on. */
const scannedMax = 20_000;

/** The feed: all changes this filer has applied, its own and its peers', in the order in which it applied them. */
export class Feed {
  readonly #recordPages: SharedPages<LogRecord[]>;
  readonly #textPages: SharedPages<LogPage>;

  constructor(
    private readonly store: StoreReader,
    private readonly log: ChangeLog,
    private readonly time: Pick<TimeSource, 'monotonic'>,
    private readonly limits: FeedLimits,
    private readonly gate = new ReadGate(limits),
  ) {
    this.#recordPages = new SharedPages(limits, (records) => records.reduce((sum, { text }) => sum + text.length, 0));
    this.#textPages = new SharedPages(limits, ({ bytes }) => bytes.length);
  }

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
    const beyond = query.start.kind === 'position' ? query.start.position : undefined;
    let place = await this.#start(query);
    for (;;) {
      const from = place;
      const isText = query.asText && !isFiltered(query);
      const page = await this.gate.run(query.forPeer, query.bytesMax, () => {
        const state = from.state ?? this.log.state;
        return isText ? this.#scanText(query, from, state) : this.#scan(query, from, state);
      });
      if (page.count > 0 || page.ended || !page.upToDate) return page;
      place = { index: page.next, position: page.position, origins: query.origins, beyond };
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

  async #start(query: FeedQuery): Promise<Place> {
    const { start, origins } = query;
    const { state } = this.log;
    switch (start.kind) {
      case 'now':
        return { index: state.head, position: positionOf(state.origins), origins };
      case 'offset':
        return { index: start.index, position: await this.positionAt(start.index), origins };
      case 'position':
        return this.#startAt(start.position, origins, state);
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
        return { index, position: await this.positionAt(index), origins };
      }
    }
  }

  async #startAt(position: Position, origins: readonly Origin[] | undefined, state: LogState): Promise<Place> {
    const has = new Map<Origin, Seq>();
    for (const { origin, seq, first } of state.origins.values()) {
      const reached = origins === undefined || origins.includes(origin) ? Math.min(position.get(origin) ?? 0, seq) : seq;
      if (reached < Math.min(first - 1, seq)) {
        throw new FilerError('LOG_TRIMMED', `position ${origin}:${reached} is gone; the log now starts at ${first}; take a snapshot`, { origin, first });
      }
      has.set(origin, reached);
    }
    const isLevel = [...has].every(([origin, reached]) => reached === state.origins.get(origin)?.seq);
    if (isLevel) return { index: state.head, position, origins, beyond: position };
    const beyond = { index: state.first - 1, position, origins, beyond: position };
    // Mostly a reader that keeps up, and then the store is not asked at all.
    if (this.log.recent.hasAllBeyond(position, origins)) return beyond;
    const { last, next } = await this.store.cutAt(has);
    if (next === null) return beyond;
    // All it has stands before all it lacks: as the log is now, what follows is what it asks for.
    return last < next ? { index: Math.min(next - 1, state.head), position, state } : { ...beyond, index: next - 1 };
  }

  /** Reads one page as text, without a look at what is in it. */
  async #scanText(query: FeedQuery, from: Place, state: LogState): Promise<FeedPage> {
    const { changes, bytes } = state.counts;
    // What fits is known at once if no more is asked for than there will be room for.
    const limit = Math.max(1, Math.min(query.limit, Math.floor(query.bytesMax / (1.1 * (bytes / Math.max(1, changes) + 1)))));
    const text = from.index >= state.head ? logPageOf([]) : await this.#text(pageQuery(from, from.index, state.head, limit, query.bytesMax));
    const isLast = text.count === 0 || text.last >= state.head || hasAll(query, joinPositions(from.position, text.seqs), state);
    return this.#pageOf(query, { records: [], text, count: text.count }, from, isLast ? null : { next: text.last, seqs: text.seqs }, state);
  }

  /** Reads from a place on until the page is full, the head is reached, or enough was looked at. */
  async #scan(query: FeedQuery, from: Place, state: LogState): Promise<FeedPage> {
    const records: LogRecord[] = [];
    const seqs = new Map(from.position);
    const filtered = isFiltered(query);
    let bytes = 0;
    let scanned = 0;
    let next = from.index;
    let upToDate = next >= state.head;
    while (!upToDate && scanned < scannedMax && records.length < query.limit && bytes < query.bytesMax) {
      const room = filtered ? Math.max(1000, query.limit - records.length) : query.limit - records.length;
      const part = await this.#records(pageQuery(from, next, state.head, room, query.bytesMax - bytes));
      scanned += part.length;
      let full = false;
      for (const record of part) {
        if (filtered && !matches(record, query)) {
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
      upToDate = part.length === 0 || next >= state.head || hasAll(query, seqs, state);
    }
    return this.#pageOf(query, { records, text: null, count: records.length }, from, upToDate ? null : { next, seqs }, state);
  }

  /** What was read from a place on, and where it leads: to `reached`, or to the end if that is null. */
  #pageOf(
    query: FeedQuery,
    read: Pick<FeedPage, 'records' | 'text' | 'count'>,
    from: Place,
    reached: { readonly next: FeedIndex; readonly seqs: Position } | null,
    state: LogState,
  ): FeedPage {
    // A start by position may already include what comes later in this feed: never answer with less.
    let position: Position = joinPositions(from.position, reached?.seqs ?? positionOf(state.origins));
    if (query.origins) position = new Map(query.origins.map((origin) => [origin, position.get(origin) ?? 0]));
    const upToDate = reached === null;
    const ended = query.until !== undefined && upToDate && this.log.clock.now() > query.until;
    return { ...read, next: reached?.next ?? state.head, position, upToDate, ended, state };
  }

  #records(query: LogQuery): Promise<LogRecord[]> {
    return this.#recordPages.take(keyOf(query), async () => this.log.recent.read(query) ?? this.#count(this.store.readLog(query)));
  }

  #text(query: LogQuery): Promise<LogPage> {
    return this.#textPages.take(keyOf(query), async () => {
      const recent = this.log.recent.read(query);
      return recent ? logPageOf(recent) : this.#count(this.store.readLogPage(query));
    });
  }

  #count<T>(page: Promise<T>): Promise<T> {
    this.reads += 1;
    return page;
  }
}

/** Where a read begins: what is there is asked for in the order of the feed, of these origins, beyond this position; absent = of all, all. */
interface Place {
  readonly index: FeedIndex;
  /** What a reader has that has read everything up to here. */
  readonly position: Position;
  readonly origins?: readonly Origin[];
  readonly beyond?: Position;
  /** The log as it must be read; absent = as it is by then. */
  readonly state?: LogState;
}

function pageQuery({ origins, beyond }: Place, after: FeedIndex, upto: FeedIndex, limit: number, bytesMax: number): LogQuery {
  return { after, upto, limit, bytesMax, origins: origins ? new Set(origins) : undefined, beyond };
}

function keyOf({ after, upto, limit, bytesMax, origins, beyond }: LogQuery): string {
  const place = beyond === undefined ? '' : [...beyond].filter(([origin]) => origins?.has(origin) ?? true).join();
  return `${after} ${upto} ${limit} ${bytesMax} ${origins ? [...origins].join() : ''} ${place}`;
}

/** True if there is nothing more of the origins that were asked for. */
function hasAll({ origins }: FeedQuery, seqs: Position, state: LogState): boolean {
  return (origins ?? [...state.origins.keys()]).every((origin) => (seqs.get(origin) ?? 0) >= (state.origins.get(origin)?.seq ?? 0));
}

const isFiltered = (query: FeedQuery): boolean => query.pathPrefix !== undefined || query.until !== undefined || sinceOf(query) !== undefined;

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
