import type { Origin } from '../clock/vector.js';
import { parseListVersion, type ListVersion } from './list-version.js';
import type { Member, MemberList } from './member.js';

/** What one master last said, put on the local clock. */
interface Word {
  readonly version: ListVersion | null;
  /** Members of this list, and when the master heard of each, on the local monotonic clock. */
  readonly heard: ReadonlyMap<Origin, { readonly member: Member; readonly heardAt: number }>;
  /** Whom of those we keep this start of that master has ever listed: only they can be missing from its list because they left. */
  readonly listed: ReadonlySet<Origin>;
  /** False while the master cannot be reached: its word then counts only for members nobody else knows. */
  readonly reachable: boolean;
}

/** A member as merged, and since when no reachable master knows it (null = one does). */
interface Kept {
  readonly member: Member;
  readonly unknownSince: number | null;
}

export interface MemberListsLimits {
  readonly memberDownMs: number;
  readonly forgetAfterMs: number;
}

/**
 * The union of what several masters say. Pure: times come in as parameters, milliseconds on a clock that never steps.
 *
 * For each origin the newest word of a reachable master stands. A member that no reachable master knows is kept, because
 * a master that has just started knows nobody yet: as it was at first, as down after a while, until its time is up. It leaves
 * when a master that had listed it since its start no longer does and no other reachable one has it. With no master in reach
 * everything stays as it is.
 */
export class MemberLists {
  readonly #words = new Map<string, Word>();
  #kept = new Map<Origin, Kept>();

  constructor(
    saved: readonly Member[],
    private readonly limits: MemberListsLimits,
  ) {
    for (const member of saved) this.#kept.set(member.origin, { member, unknownSince: null });
  }

  /** By origin. */
  get members(): Member[] {
    return [...this.#kept.values()].map(({ member }) => member).sort((a, b) => (a.origin < b.origin ? -1 : 1));
  }

  /** Takes a list as it arrived from `master`; one that is older than what that master said before is dropped. */
  take(master: string, list: MemberList, now: number): void {
    const before = this.#words.get(master);
    const version = parseListVersion(list.version);
    const last = before?.version ?? null;
    const sameStart = last !== null && last.epoch === version?.epoch;
    if (sameStart && last.n > version.n) return;
    const heard = new Map<Origin, { member: Member; heardAt: number }>();
    for (const member of list.members) {
      // Masters' clocks differ; how long ago it was does not.
      const ageMs = Math.max(0, list.time / 1000 - member.lastHeard);
      heard.set(member.origin, { member, heardAt: now - ageMs });
    }
    const stillKept = sameStart ? [...(before?.listed ?? [])].filter((origin) => this.#kept.has(origin)) : [];
    const listed = new Set([...stillKept, ...heard.keys()]);
    this.#words.set(master, { version, heard, listed, reachable: true });
    this.#merge(now);
  }

  /** `master` cannot be reached, or serves another cluster now. */
  lose(master: string): void {
    const word = this.#words.get(master);
    if (word) this.#words.set(master, { ...word, reachable: false });
  }

  #merge(now: number): void {
    const words = [...this.#words.values()].filter((word) => word.reachable);
    const merged = new Map<Origin, Kept>();
    const newest = new Map<Origin, number>();
    for (const { heard } of words) {
      for (const [origin, { member, heardAt }] of heard) {
        if ((newest.get(origin) ?? -Infinity) >= heardAt) continue;
        newest.set(origin, heardAt);
        merged.set(origin, { member, unknownSince: null });
      }
    }
    for (const [origin, kept] of this.#kept) {
      if (merged.has(origin) || words.some(({ listed }) => listed.has(origin))) continue;
      const unknownSince = kept.unknownSince ?? now;
      const unknownMs = now - unknownSince;
      if (unknownMs >= this.limits.forgetAfterMs) continue;
      const member: Member = unknownMs >= this.limits.memberDownMs ? { ...kept.member, state: 'down' } : kept.member;
      merged.set(origin, { member, unknownSince });
    }
    this.#kept = merged;
  }
}
