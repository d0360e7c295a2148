import { positionCovers, positionsEqual, type Position } from '../clock/vector.js';
import type { ChangeLog } from '../log/change-log.js';
import { hasWholeTree } from '../log/log-state.js';
import type { TimeSource } from '../time.js';

export type DigestVerdict = 'equal' | 'different' | 'unknown';

export interface DigestComparisonLimits {
  readonly digestCompareMs: number;
  readonly digestWaitMs: number;
  readonly digestVerdictMs: number;
}

/** Where a peer was, and its digest there. */
interface Told {
  readonly position: Position;
  readonly digest: string;
  /** Monotonic milliseconds. */
  readonly at: number;
}

/**
 * Compares digests with one peer (DESIGN: Digest). Two that are level compare at once. While writes go on, they are never seen at one position:
 * then this filer compares at a position the peer was at, once it has all of that itself, and as long as it remembers what it has beyond it.
 */
export class DigestComparison {
  #latest: Told | null = null;
  /** While writes go on, the latest is always a little ahead of this filer: one is kept until it is not. */
  #waiting: Told | null = null;
  #verdict: DigestVerdict = 'unknown';
  #reachedAt = -Infinity;
  /** The last one that was compared though this filer was not level, and when. */
  #tried: Told | null = null;
  #triedAt = -Infinity;

  constructor(
    private readonly log: ChangeLog,
    private readonly time: Pick<TimeSource, 'monotonic'>,
    private readonly limits: DigestComparisonLimits,
  ) {}

  /** The peer has said where it is, and its digest there; '' = it has none to compare. */
  hear(position: Position, digest: string): void {
    if (digest === '') {
      this.forget();
      this.#verdict = 'unknown';
      return;
    }
    const at = this.time.monotonic();
    this.#latest = { position, digest, at };
    if (this.#waiting === null || at - this.#waiting.at > this.limits.digestWaitMs) this.#waiting = this.#latest;
  }

  /** What the peer said counts no more: its history may be another one now. */
  forget(): void {
    this.#latest = null;
    this.#waiting = null;
  }

  /** How the trees compare, as of the last position of the peer at which they could be. */
  verdict(): DigestVerdict {
    if (!hasWholeTree(this.log.state)) return 'unknown';
    this.#compare();
    return this.time.monotonic() - this.#reachedAt <= this.limits.digestVerdictMs ? this.#verdict : 'unknown';
  }

  #compare(): void {
    const { log } = this;
    const now = this.time.monotonic();
    const told = [this.#latest, this.#waiting].find((one) => one !== null && positionCovers(log.position, one.position)) ?? null;
    if (told === null) return;
    if (!positionsEqual(told.position, log.position)) {
      if (told === this.#tried || now - this.#triedAt < this.limits.digestCompareMs) return;
      this.#tried = told;
      this.#triedAt = now;
    }
    this.#waiting = null;
    const digest = log.digestAt(told.position);
    if (digest === null) return;
    this.#verdict = digest === told.digest ? 'equal' : 'different';
    this.#reachedAt = now;
  }
}
