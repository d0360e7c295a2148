import { isRefused, pathsOf, type ReceivedChange } from '../change/change.js';
import { receiveChange } from '../change/refused.js';
import type { Row } from '../change/row.js';
import { formatDot, positionCovers, type Dot, type Origin, type Position } from '../clock/vector.js';
import { childPath, isReserved, reservedDirectory, type FullPath } from '../entry/path.js';
import { FilerError, isFailure } from '../errors.js';
import type { Logger } from '../logger.js';
import type { TimeSource } from '../time.js';
import { formatLinkState, type LinkState } from './link.js';
import { post, type PostHooks, type PostLimits } from './posting.js';
import type { Progress } from './progress.js';
import type { RefusedPath, RefusedPaths } from './refused-paths.js';
import { isInScope, mapChange, mapRow, type Mapped, type Scope } from './scope.js';
import type { SourceReader } from './source-reader.js';
import type { SyncFiler } from './sync-filer.js';

export interface WriterLimits extends PostLimits {
  /** How often a checkpoint moves while nothing is in scope. */
  readonly syncIdleMs: number;
}

export interface LinkWriterOptions {
  readonly to: SyncFiler;
  /** What it writes under, since the checkpoint was read there. */
  readonly origin: Origin;
  readonly link: string;
  /** Id of the source cluster. */
  readonly source: string;
  readonly scope: Scope;
  readonly refused: RefusedPaths;
  readonly progress: Progress;
  /** Bytes a second; null = as fast as it goes. */
  readonly bytesPerSecond: number | null;
  readonly time: TimeSource;
  readonly logger: Logger;
  readonly limits: WriterLimits;
}

/** What was read of the source. */
export interface Received {
  readonly mapped: readonly Mapped[];
  /** True if any of it lay outside kelp's own entries. */
  readonly isOutside: boolean;
}

/**
 * Writes what a link reads to one filer of its target, and where the link goes on with it. What the target cannot have is put aside by path
 * (refused-paths.ts), so that the checkpoint never passes what is neither there nor named in it.
 */
export class LinkWriter {
  #savedAt = 0;
  /** Everything up to here is in the target, and the checkpoint says so; null while that is not known. */
  acknowledged: Position | null = null;

  constructor(private readonly options: LinkWriterOptions) {}

  /** @throws FilerError QUARANTINE_FULL; BODY_INVALID if it is no change at all */
  receive(texts: readonly string[]): Received {
    const changes = texts.map((text) => receiveChange(text));
    return { mapped: changes.flatMap((change) => this.#map(change)), isOutside: changes.some((change) => !pathsOf(change).every(isReserved)) };
  }

  /** @throws FilerError QUARANTINE_FULL */
  receiveRows(rows: readonly Row[]): Mapped[] {
    const { scope, source, refused } = this.options;
    return rows.flatMap((row) => {
      const dot = row.dot ?? { origin: row.author, seq: 1 };
      if (!isInScope(scope, row.path)) return [];
      if (refused.holder([row.path]) !== null) return this.#wait([row.path], dot);
      return this.#mapped([row.path], dot, () => mapRow(scope, row, source));
    });
  }

  /**
   * Writes changes in their order, and `state` with them, or soon after if nothing of them is for the target.
   * @throws FilerError what the target answers; QUARANTINE_FULL
   */
  async write({ mapped, isOutside }: Received, state: LinkState, signal: AbortSignal): Promise<void> {
    const { time, limits, refused } = this.options;
    const isPosted = await this.#post(mapped, () => this.#format(state), signal, {
      waits: ({ paths, dot }) => {
        if (refused.holder(paths) === null) return false;
        this.#wait(paths, dot);
        return true;
      },
      refused: (change, error) => this.#putAside(change.paths, change.dot, error),
    });
    if (isPosted) return this.#saved(state);
    // Not for kelp's own entries: else two idle clusters would tell each other of their checkpoints for ever.
    if (refused.isChanged || (isOutside && time.monotonic() - this.#savedAt >= limits.syncIdleMs)) await this.save(state, signal);
  }

  /** Writes where the link goes on, without a change. */
  async save(state: LinkState, signal: AbortSignal): Promise<void> {
    const { to, link, origin } = this.options;
    await to.setCheckpoint(link, this.#format(state), { origin }, signal);
    this.#saved(state);
  }

  /** Tries again what was put aside and is due. @throws FilerError what source and target answer */
  async retry(reader: SourceReader, state: LinkState, signal: AbortSignal): Promise<void> {
    const { refused, logger, progress } = this.options;
    for (let one = refused.due(); one !== null; one = refused.due()) {
      const { path } = one;
      const error = isReserved(path) ? await this.#retryUnread(reader, one, signal) : await this.#retryPath(reader, one, state, signal);
      if (error === null) {
        refused.lift(path);
        // What waited for it goes next, and a crash before that must find what is still to come.
        await this.save(state, signal);
        logger.info(`${progress.name}: ${path} is no longer quarantined`);
      } else refused.failed(path, error);
      progress.quarantined = refused.size;
    }
  }

  /** Why a path still cannot go; null = the target has what the source holds there. */
  async #retryPath(reader: SourceReader, { path, dots }: RefusedPath, state: LinkState, signal: AbortSignal): Promise<string | null> {
    const { scope, source, refused } = this.options;
    const { page, filer } = await reader.askFrom((one) => one.row(path, signal), signal);
    if (!positionCovers(page.position, dots)) return `${filer.address} has not yet what was changed there`;
    if (page.quarantined.length > 0) return `${filer.address} has not applied what was changed there: see kelp filer.quarantine`;
    const [row] = page.rows;
    let mapped: Mapped[];
    try {
      mapped = row ? [mapRow(scope, row, source)] : [];
    } catch (error) {
      if (!isFailure(error)) throw error;
      // What is gone there need not go anywhere the target cannot have it.
      return row?.entry === null ? null : error.message;
    }
    let failure: string | null = null;
    const without = refused.list().filter((one) => one.path !== path);
    await this.#post(mapped, () => formatLinkState({ ...state, refused: without }), signal, {
      waits: () => false,
      refused: (_, error) => (failure = error.message),
    });
    return failure;
  }

  /** A change whose paths could not be read: a later kelp may read them. */
  async #retryUnread(reader: SourceReader, { dots }: RefusedPath, signal: AbortSignal): Promise<string | null> {
    for (const [origin, seq] of dots) {
      const request = { origins: [origin], position: new Map([[origin, seq - 1]]), limit: 1, bytesMax: 1, waitMs: 0 };
      const { texts } = await reader.ask((one) => one.feed(request, signal), signal);
      const [change] = texts.map((text) => receiveChange(text));
      if (change === undefined || pathsOf(change).length === 0) return 'its paths cannot be read';
      this.options.refused.add(this.#inScope(pathsOf(change)), { origin, seq }, 'it could not be read');
    }
    return null;
  }

  #map(change: ReceivedChange): Mapped[] {
    const { scope, source, refused } = this.options;
    const { origin, seq } = change;
    const dot = { origin, seq };
    const paths = pathsOf(change);
    if (isRefused(change)) {
      const within = this.#inScope(paths);
      if (paths.length > 0 && within.length === 0) return [];
      this.#putAside(paths.length === 0 ? [childPath(reservedDirectory, formatDot(dot))] : within, dot, new FilerError('BODY_INVALID', change.refusal.error));
      return [];
    }
    if (!paths.some((path) => isInScope(scope, path))) return [];
    if (refused.holder(paths) !== null) return this.#wait(paths, dot);
    return this.#mapped(paths, dot, () => mapChange(scope, change, source));
  }

  #mapped(paths: readonly FullPath[], dot: Dot, map: () => Mapped): Mapped[] {
    try {
      const mapped = map();
      if (mapped.kind === 'none') return [];
      if (mapped.kind === 'withheld' || mapped.isCut) this.options.progress.withheld += 1;
      return [mapped];
    } catch (error) {
      if (!isFailure(error)) throw error;
      this.#putAside(paths, dot, error);
      return [];
    }
  }

  #inScope(paths: readonly FullPath[]): FullPath[] {
    return paths.filter((path) => isInScope(this.options.scope, path));
  }

  #wait(paths: readonly FullPath[], dot: Dot): [] {
    const { refused, progress } = this.options;
    refused.add(this.#inScope(paths), dot, null);
    progress.quarantined = refused.size;
    return [];
  }

  /** The target cannot have this: said, counted and kept, so that the others go on. */
  #putAside(paths: readonly FullPath[], dot: Dot, error: FilerError): void {
    const { refused, progress, logger } = this.options;
    const within = paths.filter((path) => isReserved(path) || isInScope(this.options.scope, path));
    refused.add(within, dot, error.message);
    progress.refuse(`${within.join(', ')}: ${error.message}`, error.code);
    progress.quarantined = refused.size;
    logger.error(`${progress.name}: ${within.join(', ')} is quarantined: ${error.message}`);
  }

  #format(state: LinkState): string {
    return formatLinkState({ ...state, refused: this.options.refused.list() });
  }

  #saved({ position }: LinkState): void {
    const { refused, time } = this.options;
    this.#savedAt = time.monotonic();
    this.acknowledged = refused.cut(position);
    refused.isChanged = false;
  }

  /** True if the checkpoint was written with the changes. */
  async #post(mapped: readonly Mapped[], value: () => string, signal: AbortSignal, hooks: Pick<PostHooks, 'waits' | 'refused'>): Promise<boolean> {
    const { to, origin, link, limits, time, bytesPerSecond, progress } = this.options;
    const started = time.monotonic();
    let bytes = 0;
    const isPosted = await post(to, { link, origin, value }, mapped, limits, {
      ...hooks,
      signal,
      sending: (changes) => (progress.inFlight = changes),
      sent: (result, changes, size) => {
        progress.inFlight = 0;
        progress.done(result, changes, size, time.monotonic() - started);
        bytes += size;
      },
    }).finally(() => (progress.inFlight = 0));
    if (bytesPerSecond !== null) await time.sleep(Math.max(0, (bytes * 1000) / bytesPerSecond - (time.monotonic() - started)), signal);
    return isPosted;
  }
}
