import { formatPosition, parsePosition, type Dot, type Origin, type Position, type Seq } from '../clock/vector.js';
import { ancestorsOf, compareBytes, parsePath, type FullPath } from '../entry/path.js';
import { FilerError } from '../errors.js';
import { backoffMs } from '../loop.js';

/*
 * The quarantine of a link: paths of the source that the target lacks, because it refused a change there.
 *
 *   refused   the target cannot have what was changed there              tried again from time to time
 *   waiting   a good change, but of a refused path, or below one,        goes when nothing above it is left here
 *             or of a path that a rename shares with one
 *
 * They stand in the link's checkpoint, so whoever goes on with the link knows them. Paths, not changes: a row of the source holds all that its
 * changes did to a path, so trying again needs no log, however long it takes.
 */

/** One path, as the checkpoint keeps it. */
export interface RefusedPath {
  readonly path: FullPath;
  /** The first change of each origin that the target lacks there. */
  readonly dots: Position;
  /** Why it was refused; null = it waits. */
  readonly error: string | null;
}

export interface RefusedLimits {
  /** All of them in the checkpoint, bytes as they stand in a query. */
  readonly syncRefusedBytes: number;
  /** How soon one is tried again, and how seldom in the end, milliseconds. */
  readonly quarantineRetryMs: number;
  readonly quarantineRetryMsMax: number;
  /** How soon after a later change of the path. */
  readonly syncRefusedSoonMs: number;
}

/** Characters of an error that are kept. */
const errorCharsMax = 160;

interface Trial {
  readonly attempts: number;
  /** Monotonic milliseconds. */
  readonly due: number;
}

export class RefusedPaths {
  readonly #paths = new Map<FullPath, RefusedPath>();
  readonly #trials = new Map<FullPath, Trial>();
  #bytes = 0;
  /** True if it differs from what was last marked as written. */
  isChanged = false;

  /** @param begun what the checkpoint held: all of it is due at once */
  constructor(
    begun: readonly RefusedPath[],
    private readonly limits: RefusedLimits,
    private readonly time: { monotonic(): number; random(): number },
  ) {
    for (const one of begun) this.#set(one);
    this.isChanged = false;
  }

  get size(): number {
    return this.#paths.size;
  }

  /** In the order of their paths. */
  list(): RefusedPath[] {
    return [...this.#paths.values()].sort((a, b) => compareBytes(a.path, b.path));
  }

  get(path: FullPath): RefusedPath | null {
    return this.#paths.get(path) ?? null;
  }

  /** The path here that a change of these paths waits for; null if none. */
  holder(paths: readonly FullPath[]): FullPath | null {
    if (this.#paths.size === 0) return null;
    for (const path of paths) for (const at of [path, ...ancestorsOf(path)]) if (this.#paths.has(at)) return at;
    return null;
  }

  /**
   * Puts the paths of a change aside; `error` null = it waits for another one.
   * @throws FilerError QUARANTINE_FULL
   */
  add(paths: readonly FullPath[], dot: Dot, error: string | null): void {
    for (const path of paths) {
      const known = this.#paths.get(path);
      const first: Seq = Math.min(known?.dots.get(dot.origin) ?? Infinity, dot.seq);
      const dots = known?.dots.get(dot.origin) === first ? known.dots : new Map([...(known?.dots ?? []), [dot.origin, first] as const]);
      const said = error === null ? (known?.error ?? null) : shorten(error);
      if (known && known.dots === dots && known.error === said) this.#soon(path);
      else this.#put({ path, dots, error: said });
      if (error !== null && !this.#trials.has(path)) this.failed(path, error);
    }
  }

  /** One more trial of a path failed: it is tried again later. */
  failed(path: FullPath, error: string): void {
    const known = this.#paths.get(path);
    if (!known) return;
    const attempts = (this.#trials.get(path)?.attempts ?? 0) + 1;
    const { quarantineRetryMs: msMin, quarantineRetryMsMax: msMax } = this.limits;
    const { time } = this;
    this.#trials.set(path, { attempts, due: time.monotonic() + msMin / 2 + backoffMs(attempts, { msMin, msMax }, () => time.random()) });
    if (known.error !== shorten(error)) this.#put({ ...known, error: shorten(error) });
  }

  /** The target has it. */
  lift(path: FullPath): void {
    const known = this.#paths.get(path);
    if (!known) return;
    this.#paths.delete(path);
    this.#trials.delete(path);
    this.#bytes -= costOf(known);
    this.isChanged = true;
  }

  /** A path to be tried now: no path above it is here. Null if none is. */
  due(): RefusedPath | null {
    const now = this.time.monotonic();
    for (const one of this.#paths.values()) {
      if ((this.#trials.get(one.path)?.due ?? 0) <= now && !ancestorsOf(one.path).some((at) => this.#paths.has(at))) return one;
    }
    return null;
  }

  /** `position`, cut before the first change of each origin that the target lacks. */
  cut(position: Position): Position {
    return this.#paths.size === 0 ? position : cutBefore(position, this.#paths.values());
  }

  #put(one: RefusedPath): void {
    const grown = this.#bytes + costOf(one) - (this.#paths.has(one.path) ? costOf(this.#paths.get(one.path) as RefusedPath) : 0);
    if (grown > this.limits.syncRefusedBytes)
      throw new FilerError(
        'QUARANTINE_FULL',
        `${this.#paths.size} paths of this link are quarantined and there is no room for ${one.path}; exclude them with --a.excludePaths or --b.excludePaths, or move them at their source`,
      );
    this.#set(one);
  }

  #set(one: RefusedPath): void {
    const known = this.#paths.get(one.path);
    this.#bytes += costOf(one) - (known ? costOf(known) : 0);
    this.#paths.set(one.path, one);
    this.isChanged = true;
  }

  /** Something was changed there: it may be what the target can have. */
  #soon(path: FullPath): void {
    const trial = this.#trials.get(path);
    const soon = this.time.monotonic() + this.limits.syncRefusedSoonMs;
    if (trial && trial.due > soon) this.#trials.set(path, { ...trial, due: soon });
  }
}

/** `position`, cut before the first change of each origin that is missing at these paths. */
export function cutBefore(position: Position, refused: Iterable<RefusedPath>): Position {
  const cut = new Map<Origin, Seq>(position);
  for (const { dots } of refused) for (const [origin, seq] of dots) cut.set(origin, Math.min(cut.get(origin) ?? 0, seq - 1));
  return cut;
}

const shorten = (error: string): string => error.slice(0, errorCharsMax);

const costOf = (one: RefusedPath): number => encodeURIComponent(JSON.stringify(refusedToJson(one))).length + 3;

/** As it stands in a checkpoint. */
export function refusedToJson({ path, dots, error }: RefusedPath): Record<string, string> {
  return { path, dots: formatPosition(dots), ...(error !== null && { error }) };
}

/** @throws what cannot be read */
export function refusedFromJson(value: unknown): RefusedPath {
  const { path, dots, error } = value as Record<string, unknown>;
  return { path: parsePath(String(path)), dots: parsePosition(String(dots)), error: typeof error === 'string' ? error : null };
}
