import { stampOf, summarize, type ChangeSummary } from '../../change/summary.js';
import { positionCovers, positionDistance, positionsEqual, type Origin, type Position, type Seq } from '../../clock/vector.js';
import type { Version } from '../../clock/version.js';
import { limits } from '../../config/limits.js';
import { parsePath, type FullPath } from '../../entry/path.js';
import { FilerError, isFailure, messageOf } from '../../errors.js';
import { HttpClient } from '../../http/client.js';
import { backoffMs, isAbort } from '../../loop.js';
import type { Signer } from '../../security/signer.js';
import type { TimeSource } from '../../time.js';
import { parseNamePattern } from '../filer/name-pattern.js';
import { linesOf, textsOf, type ChangeLines } from './change-page.js';
import { MetaClient, type FeedLines, type FeedRequest } from './client.js';
import type { FeedHeaders } from './protocol.js';

/*
 * Following a filer's feed from outside.
 *
 *   start ──► page ──► page ──► …                 the next page is asked for as soon as this one says where it leads
 *               │ filer away: wait, who is it?    asks again from the last whole page
 *               ▼
 *             page ──► end of the bound, or 410
 *
 * After the first page it goes on by position, never by offset: the filer may have begun its feed anew, and a start by position may be
 * ahead of this filer in one origin and behind in another, where an offset would repeat what the reader has.
 */

/** Where to begin. An offset is good at the filer that gave it only; `since` is microseconds since 1970. */
export type TailStart =
  | { readonly kind: 'now' }
  | { readonly kind: 'since'; readonly since: Version }
  | { readonly kind: 'position'; readonly position: Position }
  | { readonly kind: 'offset'; readonly offset: string };

export interface TailOptions {
  /** host:port of the filer. */
  readonly address: string;
  readonly start: TailStart;
  /** Only changes to this path or below it. */
  readonly pathPrefix: FullPath;
  /** Only changes for which this is true; default all. */
  readonly matches?: (change: ChangeSummary) => boolean;
  /** Only changes with versions up to here; ends when that time has passed. */
  readonly until?: Version;
  /** False: ends where the feed ended at the start. */
  readonly follow: boolean;
  /** Ends after so many changes. */
  readonly limit?: number;
  readonly signer?: Signer;
  readonly time: TimeSource;
  /** The filer has stopped to answer and is waited for; told once. */
  away(error: FilerError): void;
  /** It answers again. */
  back(): void;
}

export interface TailPage {
  /** Each change as one line of JSON, as the feed gives it; may be none. `textsOf` takes them apart. */
  readonly lines: ChangeLines;
  /** Where a reader of everything up to here goes on, at any filer. */
  readonly position: Position;
}

/**
 * The changes of a feed, page by page, each once, through restarts of the filer.
 * @throws FilerError PEER_UNREACHABLE if the filer cannot be reached at first, or does not come back for a bounded read; LOG_TRIMMED,
 * OFFSET_UNKNOWN if it no longer has the place to begin; CLUSTER_MISMATCH if another cluster's filer is there now; the signal's reason
 */
export async function* tailFeed(options: TailOptions, signal: AbortSignal): AsyncGenerator<TailPage, void, undefined> {
  const http = new HttpClient({ connections: 2, signer: options.signer });
  const ended = new AbortController();
  const stop = () => ended.abort(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  try {
    signal.throwIfAborted();
    yield* new Tail(options, new MetaClient(http, options.address), ended.signal).pages();
  } finally {
    signal.removeEventListener('abort', stop);
    ended.abort(new FilerError('STOPPING', 'nobody reads on'));
    await http.close();
  }
}

/** The question for the first page. Never held: until it is answered, the place to go on from is unknown. */
function firstRequest(start: TailStart): FeedRequest {
  switch (start.kind) {
    case 'now':
      return { offset: 'now', waitMs: 0 };
    case 'offset':
      return { offset: start.offset, waitMs: 0 };
    case 'since':
      return { since: start.since, waitMs: 0 };
    case 'position':
      return { position: start.position, waitMs: 0 };
  }
}

class Tail {
  #clusterId: string | null = null;

  constructor(
    private readonly options: TailOptions,
    private readonly client: MetaClient,
    private readonly signal: AbortSignal,
  ) {}

  async *pages(): AsyncGenerator<TailPage, void, undefined> {
    const { start, follow, limit = Infinity } = this.options;
    await this.#meet();
    let left = limit;
    let from: Position | null = start.kind === 'position' ? start.position : null;
    let goal: Position | null = null;
    const isLast = ({ ended, upToDate, position }: Pick<FeedHeaders, 'ended' | 'upToDate' | 'position'>) =>
      ended || (!follow && (upToDate || (goal !== null && positionCovers(position, goal))));
    const nextAfter = (position: Position) => this.#ask({ position, waitMs: follow ? limits.peerPollMs : 0 }, left);
    for (let asked = this.#ask(firstRequest(start), left); ;) {
      const told = await asked.told;
      goal ??= told.head;
      // The filer reads it while this one is on its way. How much is left of a limit is known only when this one is there.
      const ahead = left === Infinity && !isLast(told) ? nextAfter(told.position) : null;
      const answer = await asked.answer;
      const page = this.#choose(answer, from, left);
      left -= page.lines.count;
      from = page.position;
      if (left === 0 || isLast({ ...answer, position: from })) {
        yield page;
        return;
      }
      // A page that broke off and was asked for again may be another one.
      const next = ahead && positionsEqual(told.position, from) ? ahead : nextAfter(from);
      yield page;
      asked = next;
    }
  }

  /** Asks for one page: what its headers say, then all of it. Whoever drops it need not await either. */
  #ask(request: FeedRequest, left: number): { readonly told: Promise<FeedHeaders>; readonly answer: Promise<FeedLines> } {
    let begun: (told: FeedHeaders) => void = () => {};
    const first = new Promise<FeedHeaders>((resolve) => (begun = resolve));
    const answer = this.#fetch(request, left, begun);
    const told = Promise.race([first, answer]);
    // A failure while the reader works on the page before is not unhandled.
    told.catch(() => {});
    answer.catch(() => {});
    return { told, answer };
  }

  /** What is asked for and not there yet, up to `left` changes, and where that leads to. */
  #choose({ lines, position }: FeedLines, has: Position | null, left: number): TailPage {
    const { matches } = this.options;
    // As many as there are between the two positions are just those, and need no look.
    const isFresh = has === null || lines.count === positionDistance(position, has);
    if (isFresh && !matches && lines.count <= left) return { lines, position };
    const fresh = isFresh ? textsOf(lines) : textsOf(lines).filter((text) => isBeyond(has, text));
    const kept: string[] = [];
    let read = 0;
    for (; read < fresh.length && kept.length < left; read += 1) {
      const text = fresh[read] as string;
      if (!matches || matches(summarize(text))) kept.push(text);
    }
    const reached = new Map<Origin, Seq>(position);
    // Of one origin, a feed gives changes in the order of seq: what comes before the first one that is left over has been read.
    for (const { origin, seq } of fresh.slice(read).map(stampOf).reverse()) reached.set(origin, seq - 1);
    return { lines: linesOf(kept), position: reached };
  }

  /** One page, however often the filer goes away meanwhile. */
  async #fetch(request: FeedRequest, left: number, begun: (told: FeedHeaders) => void): Promise<FeedLines> {
    const { time, start, until, pathPrefix, matches, away, back } = this.options;
    const whole = {
      ...request,
      since: start.kind === 'since' ? start.since : undefined,
      until,
      // A prefix makes the filer look into each change; without one it sends what it has ready.
      pathPrefix: pathPrefix === '/' ? undefined : pathPrefix,
      limit: Math.min(limits.pageChangesMax, matches ? Infinity : left),
    };
    let awaySince = 0;
    for (let failures = 0; ;) {
      try {
        if (failures > 0) await this.#meet();
        const answer = await this.client.feedLines(whole, this.signal, begun);
        if (failures > 0) back();
        return answer;
      } catch (error) {
        if (isAbort(error, this.signal) || !isFailure(error) || !this.#mayPass(error, request)) throw this.#explain(error);
        failures += 1;
        if (failures === 1) {
          awaySince = time.monotonic();
          away(error);
        }
        if (!this.#isPatient() && time.monotonic() - awaySince >= limits.readerAwayMs) throw error;
        await time.sleep(
          backoffMs(failures, { msMin: limits.backoffMsMin, msMax: limits.backoffMsMax }, () => time.random()),
          this.signal,
        );
      }
    }
  }

  /** True if waiting may help: the filer comes back, or has begun its feed anew while it held the question. */
  #mayPass(error: FilerError, { offset }: FeedRequest): boolean {
    return error.retriable || (error.code === 'OFFSET_UNKNOWN' && offset === undefined);
  }

  /** What has an end in the past waits for nobody for ever. */
  #isPatient(): boolean {
    const { follow, until, time } = this.options;
    return follow && (until === undefined || until > time.micros());
  }

  /** Makes sure that it is still a filer of the same cluster: positions mean nothing in another one. */
  async #meet(): Promise<void> {
    const { clusterId } = await this.client.info(this.signal);
    if (this.#clusterId !== null && clusterId !== null && clusterId !== this.#clusterId) {
      throw new FilerError(
        'CLUSTER_MISMATCH',
        `${this.options.address} now belongs to cluster ${clusterId}, not to ${this.#clusterId}; name a filer of that one`,
      );
    }
    this.#clusterId ??= clusterId;
  }

  #explain(error: unknown): unknown {
    const { address } = this.options;
    if (isFailure(error, 'LOG_TRIMMED')) {
      const cure = 'try the same with another filer, which may have kept more, or follow from now and read the tree for what came before';
      return new FilerError(error.code, `${address} no longer has the changes after this place; ${cure}`, error.fields, { cause: error });
    }
    if (isFailure(error, 'OFFSET_UNKNOWN')) {
      const cure = 'an offset is good at one filer, until it begins its feed anew; use --position, which is good at all';
      return new FilerError(error.code, `${address} does not know this offset; ${cure}`, error.fields, { cause: error });
    }
    return error;
  }
}

/** What a reader wants of a feed; each of them must be met. */
export interface ChangeFilter {
  /** Glob, on a path or, without a "/", on a name. */
  readonly pattern?: string;
  /** Part of a name, in any case. */
  readonly name?: string;
  /** CREATE, UPDATE, DELETE, RENAME, REFUSED. */
  readonly operations?: readonly string[];
}

/**
 * Undefined if nothing is filtered, so that changes need not be looked into. Of a rename either path will do.
 * @throws FilerError PARAMETER_INVALID
 */
export function changeFilter({ pattern, name, operations }: ChangeFilter): TailOptions['matches'] {
  const part = name?.toLowerCase();
  const tests = [
    pattern ? parsePathPattern(pattern) : null,
    part
      ? (path: FullPath) =>
          path
            .slice(path.lastIndexOf('/') + 1)
            .toLowerCase()
            .includes(part)
      : null,
  ].filter((test) => test !== null);
  if (tests.length === 0 && operations === undefined) return undefined;
  return ({ operation, oldPath, newPath }) => {
    if (operations && !operations.includes(operation)) return false;
    const paths = [oldPath, newPath].filter((path) => path !== null);
    return tests.every((test) => paths.some(test));
  };
}

function isBeyond(position: Position, text: string): boolean {
  const { origin, seq } = stampOf(text);
  return seq > (position.get(origin) ?? 0);
}

/** @throws FilerError PARAMETER_INVALID */
export function parsePathPrefix(text: string): FullPath {
  try {
    return parsePath(text);
  } catch (error) {
    throw new FilerError('PARAMETER_INVALID', `--pathPrefix: ${messageOf(error)}`);
  }
}

/**
 * A glob as Go's `filepath.Match` has it: on the whole path if it holds a "/", else on the name.
 * @throws FilerError PARAMETER_INVALID
 */
export function parsePathPattern(text: string): (path: FullPath) => boolean {
  const parts = text.split('/').map(parseNamePattern);
  if (!parts.every((part) => part !== null)) {
    throw new FilerError('PARAMETER_INVALID', `--pattern: '${text}' ends in the middle of a class or an escape; write \\[ or \\\\ for the character itself`);
  }
  const [first] = parts;
  if (parts.length === 1) return (path) => first?.matches(path.slice(path.lastIndexOf('/') + 1)) ?? false;
  if (!first?.matches('')) {
    throw new FilerError('PARAMETER_INVALID', `--pattern: '${text}' holds a "/", so it must match whole paths, and those begin with "/"`);
  }
  return (path) => {
    const names = path.split('/');
    return names.length === parts.length && parts.every((part, index) => part.matches(names[index] as string));
  };
}

// What goes with it at a command line.
export { textsOf } from './change-page.js';
export { summarize, type ChangeSummary } from '../../change/summary.js';
export { formatPosition, parsePosition } from '../../clock/vector.js';
