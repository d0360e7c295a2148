import { narrow, type ImportedChange } from '../change/imported.js';
import { contentHash } from '../change/digest.js';
import type { Version } from '../clock/version.js';
import { limits } from '../config/limits.js';
import { isWithin, type FullPath } from '../entry/path.js';
import { FilerError } from '../errors.js';
import type { ImportPlan } from '../change/plan.js';
import { isAbort } from '../loop.js';
import type { ReplaySource, SourcePage, SourceRecord } from './source.js';
import type { ReplayChange, ReplayTarget } from './target.js';

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
  const selection = new Selection(options, counts);
  const ended = new AbortController();
  const stop = () => ended.abort(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  try {
    signal.throwIfAborted();
    for await (const pages of readAhead(source.pages(ended.signal))) {
      let [done, mark]: [number, string | null] = [0, null];
      const changes: ReplayChange[] = [];
      for (const page of pages) {
        changes.push(...selection.of(page));
        [done, mark] = [page.done, page.mark];
        if (selection.broken) break;
      }
      const batches = changes.length === 0 ? [] : split(changes, target);
      for (const [index, batch] of batches.entries()) {
        // Never beyond what is there: with the last batch of what was read, or not at all.
        const isLast = index === batches.length - 1 && selection.broken === null;
        const checkpoint = link !== null && mark !== null && isLast ? { link, value: mark } : undefined;
        ended.signal.throwIfAborted();
        const { applied, superseded, unchanged, conflicting, quarantined } = await target.write(batch, { checkpoint }, ended.signal);
        counts.applied += applied;
        counts.superseded += superseded;
        counts.unchanged += unchanged;
        counts.conflicting += conflicting;
        counts.quarantined += quarantined;
        progress(counts, done);
      }
      if (selection.broken) throw selection.broken;
    }
    return { ...counts, interrupted: false };
  } catch (error) {
    if (isAbort(error, signal)) return { ...counts, interrupted: true };
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
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
  const selection = new Selection(options, counts);
  async function* batches(): AsyncGenerator<readonly ReplayChange[]> {
    for await (const page of source.pages(signal)) {
      const changes = selection.of(page);
      if (changes.length > 0) yield* split(changes, target);
      if (selection.broken) throw selection.broken;
    }
  }
  const plan = await target.plan(batches(), signal);
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

/** Batches within the limits of a target. */
function split(changes: readonly ReplayChange[], { changesMax, bytesMax }: ReplayTarget): ReplayChange[][] {
  let batch: ReplayChange[] = [];
  const batches = [batch];
  let bytes = 0;
  for (const one of changes) {
    const size = one.text === null ? bytesOf(one.change) : Buffer.byteLength(one.text);
    if (batch.length >= changesMax || (batch.length > 0 && bytes + size > bytesMax)) {
      batches.push((batch = []));
      bytes = 0;
    }
    batch.push(one);
    bytes += size;
  }
  return batches;
}

/** About. */
const bytesOf = ({ newEntry, oldPath, newPath }: ImportedChange): number =>
  Buffer.byteLength(newEntry ?? '') + 2 * ((oldPath?.length ?? 0) + (newPath?.length ?? 0)) + 1000;

/** Reads pages while nobody waits for them, up to a limit, and gives those that are there; what was read before a failure comes before it. */
async function* readAhead(source: AsyncIterable<SourcePage>): AsyncGenerator<readonly SourcePage[]> {
  let [more, room]: [() => void, () => void] = [() => {}, () => {}];
  let [pages, records]: [SourcePage[], number] = [[], 0];
  let [isDone, isLeft] = [false, false];
  const failures: unknown[] = [];
  const read = async () => {
    try {
      for await (const page of source) {
        pages.push(page);
        records += page.records.length;
        more();
        if (records >= limits.replayReadAhead) await new Promise<void>((resolve) => (room = resolve));
        if (isLeft) break;
      }
    } catch (error) {
      failures.push(error);
    }
    isDone = true;
    more();
  };
  void read();
  try {
    while (!isDone || pages.length > 0) {
      if (pages.length === 0) await new Promise<void>((resolve) => (more = resolve));
      const ready = pages;
      [pages, records] = [[], 0];
      room();
      if (ready.length > 0) yield ready;
    }
    if (failures.length > 0) throw failures[0];
  } finally {
    isLeft = true;
    room();
  }
}
