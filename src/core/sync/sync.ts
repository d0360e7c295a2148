import { positionCovers, positionsEqual, type Position } from '../clock/vector.js';
import { isWithin } from '../entry/path.js';
import { FilerError, isFailure } from '../errors.js';
import { isPassing, type ClusterSide } from './cluster-side.js';
import { Direction, type DirectionOptions } from './direction.js';
import { LinkReports } from './link-reports.js';
import type { DirectionStatus } from './progress.js';
import type { Forecast } from './survey.js';
import type { SyncInfo } from './sync-filer.js';

/*
 * A sync between two clusters: one link from a to b and, unless b is passive, one from b to a. They know nothing of each other: that a
 * covered path writes nothing ends every loop.
 */

/** What goes one way, and where it begins. */
export type DirectionPlan = Pick<DirectionOptions, 'scope' | 'start' | 'received' | 'mirror'>;

export interface SyncOptions extends Omit<DirectionOptions, 'source' | 'target' | keyof DirectionPlan> {
  readonly a: ClusterSide;
  readonly b: ClusterSide;
  readonly aToB: DirectionPlan;
  /** Null: b is passive. */
  readonly bToA: DirectionPlan | null;
}

export interface SyncStatus {
  /** Cluster ids. */
  readonly a: string;
  readonly b: string;
  readonly directions: readonly DirectionStatus[];
}

export class Sync {
  readonly #directions: Direction[];
  readonly #reports: LinkReports[];

  private constructor(private readonly options: SyncOptions) {
    const { a, b, aToB, bToA, ...rest } = options;
    this.#directions = [
      new Direction({ ...rest, source: a, target: b, ...aToB }),
      ...(bToA === null ? [] : [new Direction({ ...rest, source: b, target: a, ...bToA })]),
    ];
    const [there, back] = this.#directions as [Direction, Direction?];
    const { time, limits } = options;
    this.#reports = [
      new LinkReports({ direction: there, back: back ?? null, source: a, target: b, scope: aToB.scope, time, limits }),
      ...(back && bToA ? [new LinkReports({ direction: back, back: there, source: b, target: a, scope: bToA.scope, time, limits })] : []),
    ];
  }

  /**
   * Meets both clusters; nothing is written yet.
   * @throws FilerError PEER_UNREACHABLE if nobody of a cluster answers; USAGE if both are one cluster and the paths overlap; SIGNATURE_INVALID
   */
  static async open(options: SyncOptions, signal: AbortSignal): Promise<Sync> {
    const { a, b, aToB } = options;
    await Promise.all([a.meetAny(signal), b.meetAny(signal)]);
    const { from, to } = aToB.scope;
    if (a.id === b.id && (isWithin(from, to) || isWithin(to, from)))
      throw new FilerError(
        'USAGE',
        `--a and --b name filers of one cluster (${a.id}), whose trees are the same already; give paths that do not overlap, or name another cluster`,
      );
    return new Sync(options);
  }

  status(): SyncStatus {
    return { a: this.options.a.id, b: this.options.b.id, directions: this.#directions.map((direction) => direction.status()) };
  }

  /** Tells what each direction would write now, and writes nothing. @throws FilerError as Direction.forecast does */
  async plan(signal: AbortSignal): Promise<Forecast[]> {
    const forecasts: Forecast[] = [];
    for (const direction of this.#directions) forecasts.push(await direction.forecast(signal));
    return forecasts;
  }

  /** True if somebody else runs one of the links. */
  get isHeld(): boolean {
    return this.#directions.some(({ isHeld }) => isHeld);
  }

  /** Runs both directions until `signal` aborts. @throws FilerError as Direction.run does */
  async run(signal: AbortSignal): Promise<void> {
    const ended = new AbortController();
    const stop = () => ended.abort(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    try {
      await Promise.all(
        [...this.#directions, ...this.#reports].map((part) =>
          part.run(ended.signal).catch((error: unknown) => {
            ended.abort(error);
            throw error;
          }),
        ),
      );
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  /** Runs until both sides are equal, or for `ms`, or until nothing but what the target refused is missing. True if they are equal. @throws FilerError as `run` does */
  async runUntilEqual(ms: number, lookMs: number, signal: AbortSignal): Promise<boolean> {
    const { time } = this.options;
    const due = time.monotonic() + ms;
    const done = new AbortController();
    const stop = () => done.abort(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    let failure: unknown = null;
    const running = this.run(done.signal).catch((error: unknown) => (failure = error));
    try {
      for (;;) {
        if (failure !== null) throw failure;
        signal.throwIfAborted();
        if (await this.#areLevel(signal)) {
          // A run that ends so soon may not have told the sources yet; what a target has seen is known the second time.
          for (let time = 0; time < 2; time += 1) await Promise.all(this.#reports.map((reports) => reports.report(signal)));
          return this.#directions.every((direction) => direction.status().quarantined === 0);
        }
        if (time.monotonic() >= due) return false;
        await time.sleep(Math.min(lookMs, Math.max(1, due - time.monotonic())), signal);
      }
    } finally {
      signal.removeEventListener('abort', stop);
      done.abort(new FilerError('STOPPING', 'the sync has ended'));
      await running;
    }
  }

  /**
   * True if at one moment each link had everything its source held, and all filers of a cluster were level. Both clusters are looked at twice: what
   * came in between would show.
   */
  async #areLevel(signal: AbortSignal): Promise<boolean> {
    const { a, b } = this.options;
    const [aToB, bToA] = this.#directions;
    try {
      const inA = levelOf(await a.look(signal));
      if (inA === null || !aToB?.position || !positionCovers(aToB.position, inA)) return false;
      const inB = levelOf(await b.look(signal));
      if (inB === null || (bToA && (!bToA.position || !positionCovers(bToA.position, inB)))) return false;
      const [againA, againB] = [levelOf(await a.look(signal)), levelOf(await b.look(signal))];
      return againA !== null && againB !== null && positionsEqual(inA, againA) && positionsEqual(inB, againB);
    } catch (error) {
      signal.throwIfAborted();
      if (!isFailure(error) || !isPassing(error)) throw error;
      return false;
    }
  }
}

/** The position that all have; null if they differ, or none answers. */
function levelOf(infos: readonly SyncInfo[]): Position | null {
  const [first, ...others] = infos;
  return first && others.every(({ position }) => positionsEqual(position, first.position)) ? first.position : null;
}
