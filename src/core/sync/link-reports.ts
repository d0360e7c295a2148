import { joinPositions, positionCovers, type Position } from '../clock/vector.js';
import { isFailure } from '../errors.js';
import { isAbort } from '../loop.js';
import type { TimeSource } from '../time.js';
import type { ClusterSide } from './cluster-side.js';
import type { Direction } from './direction.js';
import { aboutLink } from './link.js';
import { linksBack } from './links-back.js';
import type { Scope } from './scope.js';

/*
 * Tells the filers of a source how far a link is, so that they keep what it has not had, and no more.
 *
 *   position   a checkpoint that the link had when the target was at some place, once all of the target is past that place: whichever filer of it
 *              the link goes on at has it or a later one, so the log before it may go
 *   seen       the same, once every link back is past that place too, whoever runs it: nothing older can come back, so tombstones up to it may go
 */

export interface LinkReportsOptions {
  readonly direction: Pick<Direction, 'acknowledged' | 'status'>;
  /** How far the link back is; null = there is none in this process. */
  readonly back: Pick<Direction, 'position' | 'status'> | null;
  readonly source: ClusterSide;
  readonly target: ClusterSide;
  readonly scope: Scope;
  readonly time: Pick<TimeSource, 'sleep'>;
  readonly limits: { readonly linkReportMs: number; readonly importChanges: number };
}

/** What a link had, once everybody who counts is past the place where the target was then. */
class Settling {
  settled: Position | null = null;
  #waiting: { readonly had: Position; readonly at: Position } | null = null;

  /** The link has had `had` before the target was `at`. */
  step(had: Position, at: Position, isPast: (place: Position) => boolean): void {
    this.#waiting ??= { had, at };
    if (!isPast(this.#waiting.at)) return;
    this.settled = this.#waiting.had;
    this.#waiting = null;
  }

  forget(): void {
    [this.settled, this.#waiting] = [null, null];
  }
}

export class LinkReports {
  readonly #everywhere = new Settling();
  readonly #seen = new Settling();

  constructor(private readonly options: LinkReportsOptions) {}

  /** Goes on until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { time, limits } = this.options;
    try {
      for (;;) {
        await time.sleep(limits.linkReportMs, signal);
        await this.report(signal);
      }
    } catch (error) {
      if (!isAbort(error, signal)) throw error;
    }
  }

  /**
   * Tells every filer of the source that answers, and says anew that there is a link where that is not known: the store may have been replaced. A filer that
   * does not hear it waits for the next time. Looks for filers that have joined either cluster, too.
   */
  async report(signal: AbortSignal): Promise<void> {
    const { direction, source, target, scope } = this.options;
    const had = direction.acknowledged();
    const { link } = direction.status();
    if (had === null || link === null) return;
    await Promise.all([source.learn(signal), target.learn(signal)]);
    const position = await this.#settle(had, signal);
    if (position === null) return;
    const seen = this.#seen.settled;
    const about = aboutLink({ source: source.id, target: target.id, scope });
    const told = await Promise.allSettled(
      source.filers.map(async (filer) => {
        if (!(await filer.reportLink(link, { position, seen }, signal))) await filer.announceLink(link, about, signal);
      }),
    );
    signal.throwIfAborted();
    for (const one of told) if (one.status === 'rejected' && !isFailure(one.reason)) throw one.reason;
  }

  /** What the log need not keep; null while that is not known. */
  async #settle(had: Position, signal: AbortSignal): Promise<Position | null> {
    const { back, source, target, limits } = this.options;
    const before = this.#everywhere.settled;
    if (before !== null && !positionCovers(had, before)) {
      // It was set back, or copies again: what it has not got yet must not go.
      this.#everywhere.forget();
      this.#seen.forget();
      return had;
    }
    const positions = await this.#positionsOfTarget(signal);
    if (positions !== null) {
      const others = await linksBack(source, target, back?.status().link ?? null, limits.importChanges, signal);
      const at = positions.reduce(joinPositions);
      const isEverywhere = (place: Position) => positions.every((position) => positionCovers(position, place));
      const isBack = (place: Position) =>
        others !== null && [...others, ...(back ? [back.position] : [])].every((position) => position !== null && positionCovers(position, place));
      this.#everywhere.step(had, at, isEverywhere);
      this.#seen.step(had, at, (place) => isEverywhere(place) && isBack(place));
    }
    return this.#everywhere.settled;
  }

  /** Where every filer of the target is; null unless all answer, since one that is cut off may hold what is older. */
  async #positionsOfTarget(signal: AbortSignal): Promise<Position[] | null> {
    const { target } = this.options;
    const infos = await target.look(signal);
    const [first] = infos;
    if (first === undefined) return null;
    try {
      const filer = target.filers.find(({ address }) => address === first.address);
      const { peers } = (await filer?.peers(signal)) ?? { peers: [] };
      const answered = new Set(infos.map(({ address }) => address));
      return peers.every(({ address }) => answered.has(address)) ? infos.map(({ position }) => position) : null;
    } catch (error) {
      signal.throwIfAborted();
      if (!isFailure(error)) throw error;
      return null;
    }
  }
}
