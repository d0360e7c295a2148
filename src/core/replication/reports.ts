import { positionCovers, type Origin, type Position } from '../clock/vector.js';
import type { LogState } from '../log/log-state.js';
import { findDivergence, type HashAt } from './meeting.js';
import type { Caller } from './peer.js';

/** What a filer said with a poll: its report, and how far it was with the hashes there. */
interface Report {
  readonly position: Position;
  readonly have: Caller['have'];
}

interface Held {
  /** The newest one. */
  latest: Report;
  /** The one that waits until this store has everything in it: then, and only then, their hashes can be compared. */
  candidate: Report | null;
  /** The newest one that this store covers, and whose hashes are its own. */
  settled: Position | null;
}

/**
 * The reports held here (DESIGN: Reports): what each origin has seen when it writes on. In memory only: after a restart nothing is
 * dropped until everybody has reported again, which takes a poll.
 */
export class Reports {
  readonly #held = new Map<Origin, Held>();

  /** Takes the report of a poll that was greeted: no hash that both sides could compare differs. */
  hear(origin: Origin, position: Position, have: Caller['have']): void {
    const latest = { position, have };
    const held = this.#held.get(origin);
    if (!held) this.#held.set(origin, { latest, candidate: latest, settled: null });
    else {
      held.latest = latest;
      held.candidate ??= latest;
      // It has given up a branch: what it had seen of that counts no more.
      if (held.settled && !positionCovers(position, held.settled)) this.#held.set(origin, { latest, candidate: latest, settled: null });
    }
  }

  /** What an origin reported last; null if it has not since this process started. */
  latest(origin: Origin): Position | null {
    return this.#held.get(origin)?.latest.position ?? null;
  }

  /** The newest report of an origin that this store covers, zeros included, and that is of the same history; null if there is none. */
  settled(origin: Origin): Position | null {
    return this.#held.get(origin)?.settled ?? null;
  }

  /** Looks which reports this store covers by now. */
  async settle(state: LogState, hashAt: HashAt): Promise<void> {
    for (const held of [...this.#held.values()]) {
      const { candidate } = held;
      if (candidate === null || !isCovered(candidate, state)) continue;
      if ((await findDivergence(candidate.have, state, hashAt)) === null) held.settled = candidate.position;
      held.candidate = held.latest === candidate ? null : held.latest;
    }
  }

  /** After this store has given up a branch nothing that was said before counts. */
  forget(): void {
    this.#held.clear();
  }
}

function isCovered({ position, have }: Report, { origins }: LogState): boolean {
  for (const [origin, seq] of position) if ((origins.get(origin)?.seq ?? -1) < seq) return false;
  for (const [origin, { seq }] of have) if ((origins.get(origin)?.seq ?? -1) < seq) return false;
  return true;
}
