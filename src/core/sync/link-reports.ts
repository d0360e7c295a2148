import { joinPositions, positionCovers, type Position } from '../clock/vector.js';
import { isFailure } from '../errors.js';
import { isAbort } from '../loop.js';
import type { TimeSource } from '../time.js';
import type { ClusterSide } from './cluster-side.js';
import type { Direction } from './direction.js';

/*
 * Tells the filers of a source how far a link is, so that they keep what it has not had, and no more.
 *
 *   position   the checkpoint: the log before it may go
 *   seen       a position that the link had when the target was at some place, once all of the target is past that place, and the link back
 *              too: nothing older can come back, so tombstones up to it may go
 */

export interface LinkReportsOptions {
  readonly direction: Pick<Direction, 'acknowledged' | 'status'>;
  /** How far the link back is; null = there is none in this process. */
  readonly back: Pick<Direction, 'position'> | null;
  readonly source: ClusterSide;
  readonly target: ClusterSide;
  readonly time: Pick<TimeSource, 'sleep'>;
  readonly limits: { readonly linkReportMs: number };
}

export class LinkReports {
  /** What the link had when the target was `at`. */
  #waiting: { readonly had: Position; readonly at: Position } | null = null;
  #seen: Position | null = null;

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

  /** Tells every filer of the source that answers. A filer that does not hear it waits for the next time. */
  async report(signal: AbortSignal): Promise<void> {
    const { direction, source } = this.options;
    const position = direction.acknowledged();
    const { link } = direction.status();
    if (position === null || link === null) return;
    await this.#settle(position, signal);
    const seen = this.#seen;
    const told = await Promise.allSettled(source.filers.map((filer) => filer.reportLink(link, { position, seen }, signal)));
    signal.throwIfAborted();
    for (const one of told) if (one.status === 'rejected' && !isFailure(one.reason)) throw one.reason;
  }

  async #settle(had: Position, signal: AbortSignal): Promise<void> {
    const { back } = this.options;
    const positions = await this.#positionsOfTarget(signal);
    if (positions === null) return;
    if (this.#seen && !positionCovers(had, this.#seen)) [this.#seen, this.#waiting] = [null, null];
    if (this.#waiting === null) {
      this.#waiting = { had, at: positions.reduce(joinPositions) };
      return;
    }
    const { at } = this.#waiting;
    const isBack = back === null || (back.position !== null && positionCovers(back.position, at));
    if (!isBack || !positions.every((position) => positionCovers(position, at))) return;
    this.#seen = this.#waiting.had;
    this.#waiting = null;
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
