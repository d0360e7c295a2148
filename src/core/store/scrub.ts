import { bucketCount } from '../change/digest.js';
import { isFailure, messageOf } from '../errors.js';
import type { Logger } from '../logger.js';
import { isAbort } from '../loop.js';
import type { TimeSource } from '../time.js';
import { countProblem, rowProblem, sumProblem, type Finding } from './finding.js';
import type { BucketCursor, StoreExaminer, StoreReader } from './store.js';

/*
 * Looks for damage done behind the filer's back: sums every bucket's rows again, and hashes every row's entry again.
 *
 *   bucket 0 … 255     kept sum = sum of its rows' h          one short read each: both are of one moment
 *     page by page     h = hash of path, version, author and the entry's text
 *   tombstones         kept number = number of them
 *
 * Nothing is locked and the door is not held. After each page it rests for a multiple of the time the page took.
 */

export interface ScrubLimits {
  /** From the end of one scrub to the start of the next, milliseconds; 0 = never. */
  readonly scrubIntervalMs: number;
  readonly scrubRows: number;
  readonly scrubBytes: number;
  readonly scrubRest: number;
  readonly scrubFindings: number;
  readonly scrubProblemChars: number;
}

/** What one scrub has found. */
export interface ScrubReport {
  /** When it ended, microseconds since 1970. */
  readonly endedAt: number;
  readonly seconds: number;
  readonly rows: number;
  /** The first of what does not fit. */
  readonly findings: readonly Finding[];
  /** How much does not fit in all. */
  readonly found: number;
  /** Buckets whose sum is not that of their rows. */
  readonly buckets: readonly number[];
}

export interface ScrubOptions {
  readonly store: Pick<StoreReader, 'examine'>;
  readonly time: Pick<TimeSource, 'micros' | 'monotonic' | 'sleep'>;
  readonly logger: Logger;
  readonly limits: ScrubLimits;
}

export class Scrub {
  /** Of the last one that came to its end; null before the first. */
  report: ScrubReport | null = null;
  /** How many came to their end. */
  runs = 0;
  #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(private readonly options: ScrubOptions) {}

  /** What the last scrub has found, in one line with its cure; null = nothing. */
  get damage(): string | null {
    const [first] = this.report?.findings ?? [];
    if (!this.report || !first) return null;
    const more = this.report.found > 1 ? ` and ${this.report.found - 1} more` : '';
    return `the store is damaged (${first.problem}${more}); look at all of it with kelp filer.store.id --check, then start with an empty folder: the peers have the rest`;
  }

  start(): void {
    if (this.options.limits.scrubIntervalMs > 0) this.#running = this.#loop(this.#stop.signal);
  }

  /** Ends the scrub under way at its next page. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** One scrub. A store that cannot be read is a finding too. @throws the signal's reason */
  async run(signal: AbortSignal): Promise<ScrubReport> {
    const { store, time } = this.options;
    const tally = new Tally(this.options.limits);
    const started = time.monotonic();
    try {
      const examiner = await store.examine();
      try {
        await this.#examine(examiner, tally, signal);
      } finally {
        await examiner.close();
      }
    } catch (error) {
      if (signal.aborted || isFailure(error, 'STORE_LOCKED', 'STORE_FULL')) throw error;
      tally.add('file', `its rows cannot be read: ${messageOf(error)}`);
    }
    return { ...tally.result(), endedAt: time.micros(), seconds: (time.monotonic() - started) / 1000 };
  }

  async #examine(examiner: StoreExaminer, tally: Tally, signal: AbortSignal): Promise<void> {
    const { scrubRows, scrubBytes, scrubRest } = this.options.limits;
    const { time } = this.options;
    for (let bucket = 0; bucket < bucketCount; bucket += 1) {
      signal.throwIfAborted();
      const sums = await examiner.bucket(bucket);
      if (sums.kept !== sums.counted) tally.addBucket(bucket, sums.kept, sums.counted);
      if (sums.rows === 0) continue;
      for (let after: BucketCursor | null = null; ;) {
        signal.throwIfAborted();
        const began = time.monotonic();
        const { rows, next } = await examiner.rows(bucket, after, scrubRows, scrubBytes);
        for (const row of rows) tally.check(rowProblem(row));
        if (next === null) break;
        await time.sleep((time.monotonic() - began) * scrubRest, signal);
        after = next;
      }
    }
    const { kept, counted } = await examiner.tombstones();
    if (kept !== counted) tally.add('counts', countProblem('tombstones', kept, counted));
  }

  async #loop(signal: AbortSignal): Promise<void> {
    const { time, logger, limits } = this.options;
    let said: string | null = null;
    while (!signal.aborted) {
      try {
        await time.sleep(limits.scrubIntervalMs, signal);
        this.report = await this.run(signal);
        this.runs += 1;
        const { damage } = this;
        if (damage !== null && damage !== said) logger.error(damage);
        else if (damage === null && said !== null) logger.info('a scrub finds the damage gone');
        said = damage;
      } catch (error) {
        if (isAbort(error, signal)) return;
        logger.warn(`the scrub did not come to its end, the next one begins anew: ${messageOf(error)}`);
      }
    }
  }
}

/** Counts all, keeps the first. */
class Tally {
  readonly #findings: Finding[] = [];
  readonly #buckets: number[] = [];
  #rows = 0;
  #found = 0;

  constructor(private readonly limits: Pick<ScrubLimits, 'scrubFindings' | 'scrubProblemChars'>) {}

  add(part: Finding['part'], problem: string): void {
    this.#found += 1;
    if (this.#findings.length < this.limits.scrubFindings) this.#findings.push({ part, problem: problem.slice(0, this.limits.scrubProblemChars) });
  }

  addBucket(bucket: number, kept: number, counted: number): void {
    this.#buckets.push(bucket);
    this.add('sums', sumProblem(bucket, kept, counted));
  }

  check(problem: string | null): void {
    this.#rows += 1;
    if (problem !== null) this.add('rows', problem);
  }

  result(): Pick<ScrubReport, 'findings' | 'found' | 'buckets' | 'rows'> {
    return { findings: this.#findings, found: this.#found, buckets: this.#buckets, rows: this.#rows };
  }
}
