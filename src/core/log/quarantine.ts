import { isRefused, pathsOf, type ReceivedChange } from '../change/change.js';
import { formatDot, type Dot, type Position } from '../clock/vector.js';
import type { Version } from '../clock/version.js';
import { ancestorsOf, type FullPath } from '../entry/path.js';
import { FilerError } from '../errors.js';
import type { QuarantineRecord } from '../store/store.js';

/*
 * Changes that are in the log and not in the tree (DESIGN: A change that cannot be applied).
 *
 *   refused   breaks a rule                                    tried again from time to time, at every open, by command
 *   waiting   good, but touches a path of a refused one,       goes when nothing holds its paths any more
 *             or something below it
 *
 * Joining is commutative, so waiting is not needed for the trees to be equal in the end: it keeps what the tree shows of a path from
 * running ahead of a change that is missing there.
 */

export type QuarantineMap = ReadonlyMap<string, QuarantineRecord>;

/** `position`, cut before the oldest quarantined change of each origin: everything up to there is in the tree. */
export function appliedPosition(position: Position, quarantine: QuarantineMap): Position {
  if (quarantine.size === 0) return position;
  const cut = new Map(position);
  for (const { dot } of quarantine.values()) cut.set(dot.origin, Math.min(cut.get(dot.origin) ?? 0, dot.seq - 1));
  return cut;
}

export interface QuarantineLimits {
  readonly quarantineChanges: number;
  /** Bytes of text. */
  readonly quarantineBytes: number;
}

/** Which paths are held, and by which refused change; of several by the first. */
export class HeldPaths {
  readonly #paths = new Map<FullPath, Dot>();

  constructor(records: Iterable<QuarantineRecord> = []) {
    for (const record of records) this.add(record);
  }

  add({ dot, paths, waitsFor }: Pick<QuarantineRecord, 'dot' | 'paths' | 'waitsFor'>): void {
    for (const path of paths) if (!this.#paths.has(path)) this.#paths.set(path, waitsFor ?? dot);
  }

  /** The refused change that a change of these paths waits for; null if none. */
  holder(paths: readonly FullPath[]): Dot | null {
    if (this.#paths.size === 0) return null;
    for (const path of paths) for (const at of [path, ...ancestorsOf(path)]) if (this.#paths.has(at)) return this.#paths.get(at) as Dot;
    return null;
  }
}

/** The quarantine as one transaction sees and changes it. */
export class QuarantineDraft {
  /** A copy of `base` once something is written. */
  #own: Map<string, QuarantineRecord> | null = null;
  readonly #dirty = new Map<string, QuarantineRecord | null>();
  #held: HeldPaths | null = null;
  /** Bytes of text; null = not added up yet. */
  #bytes: number | null = null;
  /** Greatest place given; null = not looked up yet. */
  #last: number | null = null;

  constructor(
    private readonly base: QuarantineMap,
    private readonly limits: QuarantineLimits,
  ) {}

  /** By dot as text, in the order of coming. */
  get records(): QuarantineMap {
    return this.#own ?? this.base;
  }

  has(dot: Dot): boolean {
    return this.records.size > 0 && this.records.has(formatDot(dot));
  }

  /** The refused change that a change of these paths waits for; null if none. */
  holder(paths: readonly FullPath[]): Dot | null {
    this.#held ??= new HeldPaths(this.records.values());
    return this.#held.holder(paths);
  }

  /**
   * Puts a change aside, behind all others.
   * @throws FilerError QUARANTINE_FULL
   */
  add(change: ReceivedChange, waitsFor: Dot | null, now: Version): void {
    const { origin, seq, version, text } = change;
    const { records, limits } = this;
    this.#bytes ??= [...records.values()].reduce((sum, record) => sum + Buffer.byteLength(record.text), 0);
    const bytes = this.#bytes + Buffer.byteLength(text);
    if (records.size >= limits.quarantineChanges || bytes > limits.quarantineBytes) {
      throw new FilerError(
        'QUARANTINE_FULL',
        `${records.size} changes are quarantined and there is no room for ${origin}:${seq}; retry or drop some with kelp filer.quarantine`,
      );
    }
    const place = (this.#last ??= Math.max(0, ...[...records.values()].map((one) => one.place))) + 1;
    const refusal = isRefused(change) ? change.refusal : null;
    const record = { dot: { origin, seq }, place, version, paths: pathsOf(change), text, refusal, waitsFor, since: now, attempts: 0 };
    const held = this.#held;
    this.#last = place;
    held?.add(record);
    this.set(record);
    [this.#held, this.#bytes] = [held, bytes];
  }

  /** Adds a record, or replaces the one under its dot. */
  set(record: QuarantineRecord): void {
    const key = formatDot(record.dot);
    (this.#own ??= new Map(this.base)).set(key, record);
    this.#dirty.set(key, record);
    this.#forget();
  }

  drop(dot: Dot): void {
    const key = formatDot(dot);
    (this.#own ??= new Map(this.base)).delete(key);
    this.#dirty.set(key, null);
    this.#forget();
  }

  clear(): void {
    for (const { dot } of [...this.records.values()]) this.drop(dot);
  }

  /** What has changed since this was last asked for. */
  takeDirty(): ReadonlyMap<string, QuarantineRecord | null> {
    const dirty = new Map(this.#dirty);
    this.#dirty.clear();
    return dirty;
  }

  /** What follows from the records is made anew. */
  #forget(): void {
    this.#held = null;
    this.#bytes = null;
  }
}
