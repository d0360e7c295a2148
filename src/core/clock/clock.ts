import { FilerError } from '../errors.js';
import type { TimeSource } from '../time.js';
import { clockMax, versionMax, type Version } from './version.js';

/**
 * A hybrid logical clock: issues versions that are greater than every version issued or received before, and close to
 * the wall clock otherwise.
 */
export class Clock {
  #last: Version = 0;

  constructor(
    private readonly time: Pick<TimeSource, 'micros'>,
    /** Received versions further ahead of the wall clock than this do not move the clock, microseconds. */
    private readonly skewMaxMicros: number,
  ) {}

  /** The greatest version issued or taken over so far; nothing lower will be issued. */
  get last(): Version {
    return this.#last;
  }

  /** What `issue` would return for a path without a row: readers may rely on nothing lower being issued. */
  now(): Version {
    return Math.max(this.#wall(), this.#last + 1);
  }

  /**
   * `now`, but no further ahead of the wall clock than a peer may be: what decides that the time of something is up. A write over the
   * version of a filer with a bad clock moves `now` decades ahead, and nothing may expire by that.
   */
  believed(): Version {
    return Math.min(this.now(), this.#wall() + this.skewMaxMicros);
  }

  /**
   * The version of the next change: beats the clock, everything issued, the floor and `replaced`, the greatest version in the rows the change
   * replaces, tombstones and hidden files included. A write beats the state it saw, whatever the clocks say.
   * @throws FilerError CLOCK_SKEWED if no valid version is left above what is replaced
   */
  issue(replaced: Version): Version {
    const version = Math.max(this.now(), replaced + 1);
    if (version > versionMax) throw new FilerError('CLOCK_SKEWED', `no version is left above ${replaced}; a filer with a bad clock wrote it`);
    this.#last = version;
    return version;
  }

  /** Moves past a version that a peer issued, unless it is too far ahead. Returns false if the peer's clock is skewed. */
  observe(version: Version): boolean {
    if (version > this.#wall() + this.skewMaxMicros) return false;
    this.advance(version);
    return true;
  }

  /** Moves past `version` whatever the wall clock says: for the floor, for what a restart finds, for own changes. */
  advance(version: Version): void {
    if (version > this.#last) this.#last = version;
  }

  #wall(): Version {
    return Math.min(this.time.micros(), clockMax);
  }
}
