import { narrow, type ImportedChange } from '../change/imported.js';
import { contentHash } from '../change/digest.js';
import type { Version } from '../clock/version.js';
import { limits } from '../config/limits.js';
import { isWithin, type FullPath } from '../entry/path.js';
import { FilerError } from '../errors.js';
import type { ImportPlan } from '../change/plan.js';
import { isAbort } from '../loop.js';
import type { ReplaySource, SourcePage, SourceRecord } from './source.js';
import { bytesOf, type ReplayChange, type ReplayRest, type ReplayTarget } from './target.js';

/*
 *   source ──► pages ──► chosen changes ──► batches ──► target
 *                 read ahead, bounded                   one transaction each, the checkpoint with the last one of a page
 *
 * What has been read while the target was busy goes into the next batch: a slow pipe is written at once, a fast one in great batches.
 */

/** Which changes of a source are replayed. */
export interface Choice {
  readonly since?: Version;
  readonly until?: Version;
  readonly pathPrefix: FullPath;
  /** Only paths for which this is true; default all. */
  readonly matches?: (path: FullPath) => boolean;
}

export interface ReplayOptions {
  readonly source: ReplaySource;
  readonly target: ReplayTarget;
  readonly choice: Choice;
  /** The checkpoint to write; null = none. */
  readonly link: string | null;
  /** True: goes on after malformed records. */
  readonly skipInvalid: boolean;
  /** Hears of each malformed record that is left out. */
  invalid(where: string, problem: string): void;
  progress(counts: ReplayCounts, done: number): void;
}

export interface ReplayCounts {
  /** Records of the source that say something. */
  read: number;
  /** Not chosen. */
  skipped: number;
  malformed: number;
  applied: number;
  superseded: number;
  unchanged: number;
  conflicting: number;
  quarantined: number;
}

const none: ReplayCounts = { read: 0, skipped: 0, malformed: 0, applied: 0, superseded: 0, unchanged: 0, conflicting: 0, quarantined: 0 };

export interface Replayed extends ReplayCounts {
  /** It was told to stop; what has been read until then is there. */
  readonly interrupted: boolean;
}

/** The link of a replay's checkpoint (log/checkpoints.ts) by the name a user gave it. */
export const replayLink = (name: string): string => contentHash(`replay\0${name}`);

/**
 * Replays a source into a target, to its end or until the signal aborts.
 * @throws FilerError BODY_INVALID naming the malformed record: everything before it is there; what source and target throw
 */
export async function replay(options: ReplayOptions, signal: AbortSignal): Promise<Replayed> {
  const { source, target, link, progress } = options;
  const counts = { ...none };
  const ended = new AbortController();
  const stop = () => ended.abort(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  const batches = new Batches(source.pages(ended.signal), new Selection(options, counts), target);
  try {
    signal.throwIfAborted();
    const rest: ReplayRest = {
      take: () => (ended.signal.aborted ? null : batches.take()),
      next: async (other) => {
        await Promise.race([batches.filled(), other]);
        return rest.take();
      },
      link,
      mark: () => batches.mark,
    };
    for (let batch = await batches.next(); batch !== null; batch = await batches.next()) {
      ended.signal.throwIfAborted();
      const { applied, superseded, unchanged, conflicting, quarantined } = await target.write(batch, rest, ended.signal);
      counts.applied += applied;
      counts.superseded += superseded;
      counts.unchanged += unchanged;
      counts.conflicting += conflicting;
      counts.quarantined += quarantined;
      progress(counts, batches.done);
    }
    return { ...counts, interrupted: false };
  } catch (error) {
    if (isAbort(error, signal)) return { ...counts, interrupted: true };
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
    batches.leave();
    ended.abort(new FilerError('STOPPING', 'the replay has ended'));
  }
}

/** Tells what a replay would do, and writes nothing. */
export async function planReplay(
  options: Omit<ReplayOptions, 'link' | 'progress'>,
  signal: AbortSignal,
): Promise<ImportPlan & Pick<ReplayCounts, 'read' | 'skipped' | 'malformed'>> {
  const { source, target } = options;
  const counts = { ...none };
  const batches = new Batches(source.pages(signal), new Selection(options, counts), target);
  async function* all(): AsyncGenerator<readonly ReplayChange[]> {
    try {
      for (let batch = await batches.next(); batch !== null; batch = await batches.next()) yield batch;
    } finally {
      batches.leave();
    }
  }
  const plan = await target.plan(all(), signal);
  const { read, skipped, malformed } = counts;
  return { read, skipped, malformed, ...plan };
}

/** Takes out of pages what is to be replayed, and counts the rest. */
class Selection {
  /** The malformed record at which the replay ends; what comes before it is still written. */
  broken: FilerError | null = null;

  constructor(
    private readonly options: Pick<ReplayOptions, 'choice' | 'skipInvalid' | 'invalid'>,
    private readonly counts: ReplayCounts,
  ) {}

  of(page: SourcePage): ReplayChange[] {
    const chosen: ReplayChange[] = [];
    for (const record of page.records) {
      if (record.problem !== '') {
        this.counts.malformed += 1;
        if (!this.options.skipInvalid) {
          this.broken = new FilerError('BODY_INVALID', `${record.where} is malformed: ${record.problem}; --skipInvalid goes on without such records`);
          return chosen;
        }
        this.options.invalid(record.where, record.problem);
      } else if (record.change !== null) {
        this.counts.read += 1;
        const change = choose(record.change, this.options.choice);
        if (change === null) this.counts.skipped += 1;
        else chosen.push({ change, text: textOf(record, change) });
      }
    }
    return chosen;
  }
}

const textOf = (record: SourceRecord, change: ImportedChange): string | null => (change === record.change ? record.text : null);

function choose(change: ImportedChange, { since = 0, until = Infinity, pathPrefix, matches }: Choice): ImportedChange | null {
  if (change.version < since || change.version > until) return null;
  if (pathPrefix === '/' && !matches) return change;
  return narrow(change, (path) => isWithin(path, pathPrefix) && (matches?.(path) ?? true));
}

/** A page of which some has been given out. */
interface BegunPage {
  readonly changes: readonly ReplayChange[];
  readonly mark: string | null;
  readonly done: number;
  readonly bytes: number;
  given: number;
}

/**
 * What is chosen of a source, in batches within the limits of a target. Pages are read while nobody waits for them, up to a limit; what was read
 * before a failure comes before it.
 */
class Batches {
  /** What goes into a checkpoint once all that was given out is there. */
  mark: string | null = null;
  /** How much of the source that is. */
  done = 0;
  #pages: BegunPage[] = [];
  #records = 0;
  #bytes = 0;
  #isDone = false;
  #isLeft = false;
  #failure: { readonly error: unknown } | null = null;
  #more: () => void = () => {};
  #room: () => void = () => {};

  constructor(
    source: AsyncIterable<SourcePage>,
    private readonly selection: Selection,
    private readonly limitsOf: Pick<ReplayTarget, 'changesMax' | 'bytesMax' | 'readAhead'>,
  ) {
    void this.#read(source);
  }

  /** What is there now; null = nothing. */
  take(): readonly ReplayChange[] | null {
    const { changesMax, bytesMax } = this.limitsOf;
    const batch: ReplayChange[] = [];
    let bytes = 0;
    let page = this.#pages[0];
    while (page && batch.length < changesMax) {
      const one = page.changes[page.given];
      if (one) {
        const size = bytesOf(one);
        if (batch.length > 0 && bytes + size > bytesMax) break;
        batch.push(one);
        bytes += size;
        page.given += 1;
      }
      if (page.given < page.changes.length) continue;
      // Never beyond what is there: with the last change of a page, or not at all.
      this.mark = page.mark ?? this.mark;
      this.done = page.done;
      this.#records -= page.changes.length;
      this.#bytes -= page.bytes;
      this.#pages.shift();
      page = this.#pages[0];
    }
    this.#room();
    return batch.length === 0 ? null : batch;
  }

  /** Resolves when there is something to take, or nothing more will come. */
  async filled(): Promise<void> {
    while (this.#pages.length === 0 && !this.#isDone) await new Promise<void>((resolve) => (this.#more = resolve));
  }

  /** As `take`, waiting for something; null = that was all. @throws FilerError BODY_INVALID naming the malformed record; what the source throws */
  async next(): Promise<readonly ReplayChange[] | null> {
    for (;;) {
      const batch = this.take();
      if (batch) return batch;
      if (this.#isDone && this.#pages.length === 0) {
        if (this.#failure) throw this.#failure.error;
        return null;
      }
      await this.filled();
    }
  }

  /** Nothing more will be taken. */
  leave(): void {
    this.#isLeft = true;
    this.#room();
  }

  async #read(source: AsyncIterable<SourcePage>): Promise<void> {
    try {
      for await (const page of source) {
        const changes = this.selection.of(page);
        const { broken } = this.selection;
        const bytes = changes.reduce((sum, one) => sum + bytesOf(one), 0);
        this.#pages.push({ changes, mark: broken ? null : page.mark, done: page.done, bytes, given: 0 });
        this.#records += changes.length;
        this.#bytes += bytes;
        if (broken) throw broken;
        this.#more();
        const isFull = () => this.#records >= this.limitsOf.readAhead || this.#bytes >= limits.replayReadAheadBytes;
        while (isFull() && !this.#isLeft) await new Promise<void>((resolve) => (this.#room = resolve));
        if (this.#isLeft) break;
      }
    } catch (error) {
      this.#failure = { error };
    }
    this.#isDone = true;
    this.#more();
  }
}
