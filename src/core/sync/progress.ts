import type { Version } from '../clock/version.js';
import type { TimeSource } from '../time.js';
import type { SyncImport } from './sync-filer.js';

/* How far one direction is, for people, metrics and tests. */

export const directionStates = ['connecting', 'waiting', 'copying', 'following', 'retrying', 'stalled', 'stopped'] as const;
export type DirectionState = (typeof directionStates)[number];

/** One direction at one moment. */
export interface DirectionStatus {
  /** `a to b`, `b to a`. */
  readonly name: string;
  readonly link: string | null;
  readonly state: DirectionState;
  /** The filers it reads from and writes to now. */
  readonly source: string | null;
  readonly target: string | null;
  /** Changes the source has and the link has not looked at yet; while copying the rows that are left, about. */
  readonly behind: number;
  /** Age of the oldest of them; null while the source is silent. */
  readonly lagSeconds: number | null;
  /** Changes posted per second, smoothed. */
  readonly rate: number;
  readonly etaSeconds: number | null;
  /** Changes on their way to the target. */
  readonly inFlight: number;
  /** Since the start. */
  readonly received: number;
  readonly posted: number;
  readonly bytes: number;
  readonly applied: number;
  readonly superseded: number;
  readonly unchanged: number;
  readonly conflicting: number;
  readonly withheld: number;
  /** How often the target refused a change since the start. */
  readonly failed: number;
  /** Paths that are put aside now: refused ones, and those that wait for them. */
  readonly quarantined: number;
  /** How often it began again after a failure. */
  readonly retries: number;
  readonly lastError: { readonly code: string; readonly error: string } | null;
}

/** Counts what a direction does. */
export class Progress {
  state: DirectionState = 'connecting';
  source: string | null = null;
  target: string | null = null;
  link: string | null = null;
  behind = 0;
  inFlight = 0;
  lastError: DirectionStatus['lastError'] = null;
  received = 0;
  posted = 0;
  bytes = 0;
  withheld = 0;
  failed = 0;
  quarantined = 0;
  retries = 0;
  readonly outcomes = { applied: 0, superseded: 0, unchanged: 0, conflicting: 0 };
  #rate = 0;
  /** Version of the oldest change that is not done; null = none is known. */
  #oldest: Version | null = null;
  #heardAt: number | null = null;

  constructor(
    readonly name: string,
    private readonly time: Pick<TimeSource, 'micros' | 'monotonic'>,
    private readonly silentMs: number,
  ) {}

  /** The source has answered: it has so many changes more, and the oldest that is being worked on is this. */
  heard(behind: number, oldest: Version | null): void {
    this.#heardAt = this.time.monotonic();
    this.behind = behind;
    this.#oldest = oldest;
  }

  /** The target cannot have a change. */
  refuse(error: string, code: string): void {
    this.failed += 1;
    this.lastError = { code, error };
  }

  done(result: SyncImport, changes: number, bytes: number, ms: number): void {
    this.posted += changes;
    this.bytes += bytes;
    this.outcomes.applied += result.applied;
    this.outcomes.superseded += result.superseded;
    this.outcomes.unchanged += result.unchanged;
    this.outcomes.conflicting += result.conflicting;
    const rate = (changes * 1000) / Math.max(1, ms);
    this.#rate = this.#rate === 0 ? rate : this.#rate * 0.8 + rate * 0.2;
  }

  status(): DirectionStatus {
    const { name, link, state, source, target, behind, inFlight, received, posted, bytes, withheld, failed, quarantined, retries, lastError, outcomes } = this;
    const isSilent = this.#heardAt === null || this.time.monotonic() - this.#heardAt > this.silentMs;
    const waiting = behind + inFlight;
    const age = this.#oldest === null ? 0 : Math.max(0, (this.time.micros() - this.#oldest) / 1e6);
    const lagSeconds = isSilent || state === 'copying' ? null : waiting === 0 ? 0 : age;
    const rate = waiting === 0 ? 0 : Math.round(this.#rate);
    const etaSeconds = waiting === 0 ? 0 : this.#rate > 0 ? Math.round(waiting / this.#rate) : null;
    return {
      name,
      link,
      state,
      source,
      target,
      behind,
      lagSeconds,
      rate,
      etaSeconds,
      inFlight,
      received,
      posted,
      bytes,
      ...outcomes,
      withheld,
      failed,
      quarantined,
      retries,
      lastError,
    };
  }
}
