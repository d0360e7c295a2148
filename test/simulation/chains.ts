import { rowsOf } from '../../src/core/change/change.js';
import { decodeChange } from '../../src/core/change/codec.js';
import { chainHash } from '../../src/core/change/digest.js';
import type { Row } from '../../src/core/change/row.js';
import { formatDot, type Dot, type Origin, type Seq } from '../../src/core/clock/vector.js';
import type { FullPath } from '../../src/core/entry/path.js';
import type { MemoryDisk } from '../../src/core/store/memory/memory-store.js';
import type { LogRecord } from '../../src/core/store/store.js';
import { Violation } from './violation.js';

/** One change, as it stood in the log of the filer that made it. */
export interface Written {
  readonly origin: Origin;
  readonly seq: Seq;
  readonly hash: string;
  readonly text: string;
  /** The states it brings. */
  readonly rows: readonly Row[];
  /** The one before it in its origin's history; null for the first. */
  readonly previous: Written | null;
}

/** The last change of each origin that a store has: with what comes before it, all that its position covers. */
export type Tips = ReadonlyMap<Origin, Written>;

/**
 * Every change that was ever written. A store that went back to an older state unnoticed writes other changes under dots that are taken
 * already, so a change is known by dot and hash, and an origin's history may have branches.
 */
export class Chains {
  /** Paths that the changes of an origin that may have two branches have touched: what their rows' vectors include is not to be told. */
  readonly ambiguous = new Set<FullPath>();
  readonly #byDot = new Map<string, Written[]>();
  readonly #byOrigin = new Map<Origin, Written[]>();
  readonly #parted = new Set<Origin>();
  /** Origins of stores that were put back in place or copied, and nothing showed it. */
  readonly #mayPart = new Set<Origin>();

  /** From now on two stores may write under this origin. */
  mayPart(origin: Origin): void {
    this.#mayPart.add(origin);
    // Where logs no longer reach back to what is common, all of it is given up, before the fork and also if there is none.
    for (const one of this.#byOrigin.get(origin) ?? []) this.#blur(one);
  }

  /** True if more than one store may have written under this origin: a position does not tell what it stands for there. */
  isDoubtful(origin: Origin): boolean {
    return this.#mayPart.has(origin);
  }

  /** True if the origin's history has branches. */
  hasParted(origin: Origin): boolean {
    return this.#parted.has(origin);
  }

  /** Takes up a record of a log; `isNew` if nobody had it before. @throws Violation I10 */
  add(record: LogRecord, holder: string): { change: Written; isNew: boolean } {
    const dot = formatDot(record);
    const alike = this.#byDot.get(dot) ?? [];
    const known = alike.find(({ hash }) => hash === record.hash);
    if (known) {
      if (known.text !== record.text) throw new Violation('I10', `${holder}: two texts for ${dot}`);
      return { change: known, isNew: false };
    }
    if (alike.length > 0 && !this.#mayPart.has(record.origin)) throw new Violation('I10', `${holder}: two changes ${dot}`);
    const decoded = decodeChange(record.text);
    const { origin, seq, hash, text } = record;
    const before = this.#byDot.get(formatDot({ origin, seq: seq - 1 })) ?? [];
    const previous = before.length > 1 ? before.find((one) => chainHash(one.hash, decoded) === hash) : before[0];
    if (seq > 1 && previous === undefined) throw new Violation('I5', `${holder}: nobody has written what ${dot} follows from`);
    const change: Written = { origin, seq, hash, text, rows: rowsOf(decoded), previous: previous ?? null };
    this.#byDot.set(dot, [...alike, change]);
    this.#byOrigin.set(origin, [...(this.#byOrigin.get(origin) ?? []), change]);
    if (alike.length > 0) this.#parted.add(origin);
    if (this.#mayPart.has(origin)) this.#blur(change);
    return { change, isNew: true };
  }

  /** Every change that was ever written. */
  *all(): Iterable<Written> {
    for (const changes of this.#byOrigin.values()) yield* changes;
  }

  /** The change at a place of a log without branches; undefined if nobody has written it. */
  find(dot: Dot): Written | undefined {
    return this.#byDot.get(formatDot(dot))?.[0];
  }

  /** What a store's position stands for. @throws Violation I4 if it covers a change that nobody wrote */
  tipsOf({ origins }: MemoryDisk['content'], holder: string): Tips {
    const tips = new Map<Origin, Written>();
    for (const { origin, seq, hash } of origins.values()) {
      if (seq === 0) continue;
      const tip = this.#byDot.get(formatDot({ origin, seq }))?.find((change) => change.hash === hash);
      if (!tip) throw new Violation('I4', `${holder}: the position covers ${origin}:${seq}, which nobody wrote`);
      tips.set(origin, tip);
    }
    return tips;
  }

  #blur({ rows }: Written): void {
    for (const { path } of rows) this.ambiguous.add(path);
  }
}

/** What `tip` includes and `since` does not, newest first; null if `since` is on another branch, or further. */
export function between(since: Written | undefined, tip: Written | undefined): Written[] | null {
  const changes: Written[] = [];
  let at = tip ?? null;
  for (; at !== null && at.seq > (since?.seq ?? 0); at = at.previous) changes.push(at);
  return at === (since ?? null) ? changes : null;
}

/** All changes that a store's position covers. */
export function includedIn(tips: Tips): Set<Written> {
  return new Set([...tips.values()].flatMap((tip) => between(undefined, tip) ?? []));
}
