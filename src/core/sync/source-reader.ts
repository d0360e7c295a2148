import type { Position } from '../clock/vector.js';
import type { Version } from '../clock/version.js';
import { FilerError, isFailure } from '../errors.js';
import { backoffMs, type BackoffLimits } from '../loop.js';
import type { TimeSource } from '../time.js';
import { Choice, isPassing, type ClusterSide } from './cluster-side.js';
import type { SyncFeedPage, SyncFeedRequest, SyncFiler } from './sync-filer.js';

export interface ReaderLimits extends BackoffLimits {
  readonly pageChanges: number;
  readonly pageBytes: number;
  readonly snapshotRows: number;
}

/** Where in the feed to read on. */
export type FeedPlace = Pick<SyncFeedRequest, 'offset' | 'position' | 'since' | 'waitMs'>;

export interface SourceHooks {
  /** This filer is asked now. */
  asking(address: string): void;
  /** It did not answer well; another one is asked after a while. */
  failed(error: unknown): void;
}

/** Reads from whichever filer of the source answers. */
export class SourceReader {
  readonly #from: Choice;

  constructor(
    private readonly source: ClusterSide,
    private readonly time: TimeSource,
    private readonly limits: ReaderLimits,
    private readonly hooks: SourceHooks,
  ) {
    this.#from = new Choice(source);
  }

  /** The next question goes to another filer. */
  next(): void {
    this.#from.next();
  }

  /** Where a feed begins: at a time, after a position, or with the oldest change that is left. */
  async begin(position: Position, since: Version | null, signal: AbortSignal): Promise<FeedPlace> {
    if (since !== null) return { since, waitMs: 0 };
    if (position.size > 0) return { position, waitMs: 0 };
    return { offset: (await this.ask((filer) => filer.info(signal), signal)).first, waitMs: 0 };
  }

  /** One page of the feed. @throws FilerError as `askFrom` */
  async feed(place: FeedPlace, signal: AbortSignal, awayMs = 0): Promise<SyncFeedPage> {
    const { limits, time } = this;
    const waitMs = Math.round(place.waitMs * (0.8 + 0.2 * time.random()));
    const asked = { ...place, waitMs, limit: limits.pageChanges, bytesMax: limits.pageBytes };
    return (await this.askFrom((filer) => filer.feed(asked, signal), signal, awayMs)).page;
  }

  async ask<T>(question: (filer: SyncFiler) => Promise<T>, signal: AbortSignal): Promise<T> {
    return (await this.askFrom(question, signal)).page;
  }

  /**
   * Asks one filer of the source; the next one if it fails.
   * @throws FilerError LINK_EXPIRED if no filer's log reaches back any more, and those that did not say so have not answered for `awayMs`; what no other
   * filer could do better
   */
  async askFrom<T>(question: (filer: SyncFiler) => Promise<T>, signal: AbortSignal, awayMs = 0): Promise<{ filer: SyncFiler; page: T }> {
    const { time, limits, source, hooks } = this;
    const trimmed = new Set<string>();
    let trimmedAt: number | null = null;
    for (let failures = 1; ; failures += 1) {
      const { filer } = this.#from;
      hooks.asking(filer.address);
      try {
        const page = await question(filer);
        if (failures > 1) await source.meet(filer, signal);
        return { filer, page };
      } catch (error) {
        signal.throwIfAborted();
        const isTrimmed = isFailure(error, 'LOG_TRIMMED');
        if (!isTrimmed && !isPassing(error)) throw error;
        if (isTrimmed) {
          trimmed.add(filer.address);
          trimmedAt ??= time.monotonic();
        }
        this.#from.next();
        const isOverdue = trimmedAt !== null && failures > source.filers.length && time.monotonic() - trimmedAt >= awayMs;
        if (isTrimmed && (trimmed.size >= source.filers.length || isOverdue))
          throw new FilerError('LINK_EXPIRED', `the log of ${source.name} no longer reaches back to this link's checkpoint; it is copied again`);
        if (isTrimmed) continue;
        hooks.failed(error);
        await time.sleep(
          backoffMs(failures, limits, () => time.random()),
          signal,
        );
      }
    }
  }
}
