import { isOrigin, parsePosition } from '../../clock/vector.js';
import { withApplied } from '../../change/codec.js';
import { encodeChangePage, framedPage } from '../../change/page.js';
import { FilerError, isFailure } from '../../errors.js';
import type { Filer } from '../../filer.js';
import type { FilerLimits } from '../../filer-options.js';
import { invalidParameter, readDuration, readInteger, readTimestamp, readWord, type Query } from '../../http/params.js';
import { empty, type Request, type Response } from '../../http/router.js';
import { positionOf } from '../../log/log-state.js';
import type { FeedPage, FeedQuery, FeedStart } from '../../log/feed.js';
import type { Caller } from '../../replication/peer.js';
import type { LogRecord } from '../../store/store.js';
import type { TimeSource } from '../../time.js';
import { readPath } from './query-params.js';
import { callerFromHeaders, feedToHeaders, streamHeaders, type FeedHeaders } from './protocol.js';

/*
 * GET changes: the feed as a read-only Durable Streams JSON stream.
 *
 *   no live           at once: 200 and a JSON array, empty at the end of the feed
 *   live=long-poll    200 as soon as there is something, 204 at the time-out
 *   live=sse          `event: data` with an array, then `event: control` with where it leads, again and again
 *
 * A peer (Filer-Origin) is greeted first; anybody else only reads.
 */

export interface ChangesOptions {
  readonly time: TimeSource;
  readonly limits: FilerLimits;
}

/** What a request asks for. */
interface Asked {
  readonly query: Omit<FeedQuery, 'start' | 'waitMs' | 'forPeer'>;
  readonly start: FeedStart;
  readonly live: 'long-poll' | 'sse' | null;
  readonly waitMs: number;
  readonly cursor: number;
}

type Read = (start: FeedStart, waitMs: number) => Promise<FeedPage>;

const contentType = { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' };

/** The handler of GET changes for one filer. */
export function changesHandler(filer: Filer, options: ChangesOptions): (request: Request) => Promise<Response> {
  const bodies = new PageBodies(options.limits);
  return async (request) => {
    const caller = callerFromHeaders(request.headers);
    const asked = readAsked(request, filer, options, caller);
    const asText = asked.live !== 'sse';
    const read: Read = (start, waitMs) => filer.source.read({ ...asked.query, start, waitMs, asText }, caller, request.signal);
    const held = request.method !== 'HEAD' && asked.live === 'long-poll';
    const page = await read(asked.start, held ? asked.waitMs : 0);
    const told = headersOf(filer, page);
    const headers = { ...feedToHeaders(told), [streamHeaders.cursor]: String(asked.cursor) };
    if (asked.live === 'sse' && request.method !== 'HEAD') {
      const body = events(filer, options, asked, read, page, told);
      return { status: 200, headers: { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' }, body, forPeer: caller !== null };
    }
    if (held && page.count === 0 && page.upToDate) return empty(204, { 'Cache-Control': 'no-store', ...headers });
    return {
      status: 200,
      headers: { ...contentType, ...headers },
      body: page.text ? framedPage(page.text.bytes) : bodies.of(page.records),
      forPeer: caller !== null,
    };
  };
}

function headersOf(filer: Filer, page: FeedPage): FeedHeaders {
  const { log, feed, source } = filer;
  const { state, position, upToDate, ended } = page;
  return {
    next: feed.formatOffset(page.next),
    position,
    // Cut from the same state as the page: together they must be true of one moment.
    head: positionOf(state.origins),
    digest: log.digestToTell(state),
    time: log.clock.now(),
    report: source.report(),
    upToDate,
    ended,
  };
}

// ---- the question

/** @throws FilerError PARAMETER_INVALID; BOOTSTRAPPING, ORIGIN_IN_USE; OFFSET_UNKNOWN, LOG_TRIMMED */
function readAsked(request: Request, filer: Filer, { time, limits }: ChangesOptions, caller: Caller | null): Asked {
  const { query } = request;
  const since = readTimestamp(query, 'since') ?? undefined;
  const until = readTimestamp(query, 'until') ?? undefined;
  const timeoutMs = readDuration(query, 'timeout', { msMax: limits.longPollMsMax, fallback: limits.longPollMs });
  // Readers that began together should not all come back together; a peer sees to that itself.
  const jitteredMs = caller === null ? timeoutMs * (0.9 + 0.1 * time.random()) : timeoutMs;
  const untilMs = until === undefined ? Infinity : Math.max(0, (until - filer.log.clock.now()) / 1000) + 1;
  const asked = {
    query: {
      origins: readOrigins(query, filer),
      since,
      until,
      pathPrefix: readPath(query, 'pathPrefix'),
      limit: readInteger(query, 'limit', { min: 1, max: limits.pageChangesMax, fallback: limits.pageChanges }),
      bytesMax: readInteger(query, 'maxBytes', { min: 1, max: limits.pageBytesMax, fallback: limits.pageBytes }),
    },
    live: readWord(query, 'live', ['long-poll', 'sse']),
    // A bounded read ends when its time has passed, not when the poll has.
    waitMs: Math.min(jitteredMs, untilMs),
    cursor: nextCursor(readInteger(query, 'cursor', { min: 0, max: cursorMax, fallback: 0 }), time),
  };
  const position = query.get('position');
  const start = position === null ? null : parsePosition(position);
  filer.admission.mustServe();
  return { ...asked, start: request.method === 'HEAD' ? { kind: 'now' } : startFrom(query, filer, start, since) };
}

function startFrom(query: Query, filer: Filer, position: ReturnType<typeof parsePosition> | null, since: number | undefined): FeedStart {
  const offset = query.get('offset');
  if (offset === 'now') return { kind: 'now' };
  if (offset !== null && offset !== '-1') return { kind: 'offset', index: filer.feed.parseOffset(offset) };
  if (position !== null) return { kind: 'position', position };
  return since === undefined ? { kind: 'position', position: new Map() } : { kind: 'since', since };
}

function readOrigins(query: Query, filer: Filer): string[] | undefined {
  const isLocal = readWord(query, 'scope', ['all', 'local']) === 'local';
  const text = query.get('origins');
  if (text === null) return isLocal ? [filer.log.identity.origin] : undefined;
  const origins = [...new Set(text.split(','))];
  if (!origins.every(isOrigin)) throw invalidParameter('origins', text, '16 lower-case hex digits each, with commas between');
  if (isLocal) throw new FilerError('PARAMETER_INVALID', 'origins: goes with scope=all only; leave one of the two out');
  return origins;
}

/** Polls of one interval carry one cursor, so that a cache in between can hold them together; it always moves on. */
const cursorSeconds = 20;
const cursorMax = 2 ** 52;

function nextCursor(given: number, time: Pick<TimeSource, 'micros'>): number {
  return Math.max(Math.floor(time.micros() / 1e6 / cursorSeconds), given === 0 ? 0 : given + 1);
}

// ---- the answer

/**
 * Bodies of filtered pages, shared by all who read the same records: 100 readers at one offset cost one store read and one text. A body
 * lives as long as the feed keeps its first record.
 */
class PageBodies {
  readonly #bodies = new WeakMap<LogRecord, { readonly records: readonly LogRecord[]; readonly body: Buffer }>();

  constructor(private readonly limits: Pick<FilerLimits, 'pageCacheBytes' | 'pageCacheEntries'>) {}

  of(records: readonly LogRecord[]): Buffer {
    const [first] = records;
    const kept = first && this.#bodies.get(first);
    if (kept?.records.length === records.length && kept.records.every((record, index) => record === records[index])) return kept.body;
    const body = Buffer.from(encodeChangePage(records.map((record) => withApplied(record.text, record.applied))));
    if (first && body.length <= this.limits.pageCacheBytes / this.limits.pageCacheEntries) this.#bodies.set(first, { records, body });
    return body;
  }
}

/** Server-sent events until the reader has been held for the longest time, the read has ended, or this filer stops serving. */
async function* events(
  filer: Filer,
  { time, limits }: ChangesOptions,
  asked: Asked,
  read: Read,
  first: FeedPage,
  firstTold: FeedHeaders,
): AsyncGenerator<string> {
  const { epoch } = filer.log.identity;
  const due = time.monotonic() + limits.longPollMsMax;
  let [page, told, cursor] = [first, firstTold, asked.cursor];
  for (;;) {
    yield formatEvents(page, told, cursor);
    const leftMs = due - time.monotonic();
    // An offset of another epoch means another place.
    if (page.ended || leftMs <= 0 || filer.log.identity.epoch !== epoch) return;
    try {
      page = await read({ kind: 'offset', index: page.next }, Math.min(asked.waitMs, leftMs));
    } catch (error) {
      // Ended in good order: the reader comes back and hears the failure as a status.
      if (isFailure(error)) return;
      throw error;
    }
    told = headersOf(filer, page);
    cursor = nextCursor(cursor, time);
  }
}

function formatEvents(page: FeedPage, told: FeedHeaders, cursor: number): string {
  const texts = page.records.map((record) => withApplied(record.text, record.applied));
  const data = texts.length === 0 ? '' : `event: data\ndata: ${encodeChangePage(texts).replaceAll('\n', '\ndata: ')}\n\n`;
  const control = { streamNextOffset: told.next, streamCursor: String(cursor), upToDate: told.upToDate, ...(told.ended && { streamClosed: true }) };
  return `${data}event: control\ndata: ${JSON.stringify(control)}\n\n`;
}
