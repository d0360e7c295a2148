import { earlierSums, type ChangeSteps, type DigestState, type Step } from '../change/earlier-sums.js';
import type { Row } from '../change/row.js';
import { positionDistance, positionIncludes, type Dot, type Position } from '../clock/vector.js';

/** What the changes of one transaction do to rows. Rows that move by anything but a change make what was there before unknown. */
export class DraftSteps {
  #changes: ChangeSteps[] | null = [];
  #count = 0;
  #open: Step[] | null = null;

  constructor(private readonly stepsMax: number) {}

  /** A change begins: what rows do now is its work. */
  begin(): void {
    this.#open = [];
  }

  /** A state arrives at its path, whether it stands there or not. */
  meet(met: Row | null, brought: Row): void {
    // Outside a change it may be part of one that was put aside before.
    if (this.#open === null) this.lose();
    else this.#open.push({ path: brought.path, met: met && digestState(met), brought: digestState(brought) });
  }

  /** A row moves. */
  move(): void {
    if (this.#open === null) this.lose();
  }

  end({ origin, seq }: Dot): void {
    const steps = this.#open ?? [];
    this.#open = null;
    this.#count += steps.length;
    if (this.#count > this.stepsMax) this.lose();
    this.#changes?.push({ origin, seq, steps });
  }

  lose(): void {
    this.#changes = null;
  }

  /** In the order of the log; null = too much to keep, or not known. */
  get changes(): readonly ChangeSteps[] | null {
    return this.#changes;
  }
}

/**
 * What the last changes did to rows, in memory, so that the digest sums at a position just passed can be told. While nobody compares digests,
 * nothing is kept (as in RecentRecords).
 */
export class RecentSteps {
  #changes: ChangeSteps[] = [];
  #count = 0;
  /** Steps taken over since anybody asked for sums. */
  #unread = 0;

  /** `stepsMax` are kept, twice as many at times. */
  constructor(private readonly stepsMax: number) {}

  /** Takes over what a transaction did; null = it cannot be told, and what was before it neither. */
  follow(changes: readonly ChangeSteps[] | null): void {
    for (const { steps } of changes ?? []) this.#unread += steps.length;
    if (changes === null || this.#unread > this.stepsMax) {
      this.#changes = [];
      this.#count = 0;
      return;
    }
    for (const change of changes) {
      this.#changes.push(change);
      this.#count += change.steps.length;
    }
    // Not before twice as much is there, so that moving the rest up is rare.
    if (this.#count > 2 * this.stepsMax) this.#dropOldest();
  }

  /** The sums at `then`, which `now` covers, of a tree that has `sums` at `now`; null if what lies between is not all here. */
  sumsAt(then: Position, now: Position, sums: readonly number[]): number[] | null {
    this.#unread = 0;
    let left = positionDistance(now, then);
    let from = this.#changes.length;
    while (left > 0 && from > 0) {
      from -= 1;
      if (!positionIncludes(then, this.#changes[from] as ChangeSteps)) left -= 1;
    }
    return left > 0 ? null : earlierSums(sums, this.#changes.slice(from), then);
  }

  #dropOldest(): void {
    let dropped = 0;
    for (; this.#count > this.stepsMax; dropped++) this.#count -= (this.#changes[dropped] as ChangeSteps).steps.length;
    this.#changes.splice(0, dropped);
  }
}

/** Without entry and vector, which may be large. */
function digestState({ version, author, contentHash, h }: Row): DigestState {
  return { version, author, contentHash, h };
}
