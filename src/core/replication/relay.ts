import type { Origin, Position } from '../clock/vector.js';

export interface RelaySituation {
  readonly own: Origin;
  readonly position: Position;
  /** Members this filer subscribes to, whether it reaches them or not. */
  readonly members: ReadonlySet<Origin>;
  /** Peers that answer now, with the last position each has told. */
  readonly following: readonly { readonly origin: Origin; readonly head: Position }[];
  /** Who relays whom so far. */
  readonly current: ReadonlyMap<Origin, Origin>;
  /** Origin to the only peer that may relay it: others may still have the branch of its log that this store has given up. */
  readonly branches: ReadonlyMap<Origin, Origin>;
}

/**
 * Who is asked for the changes of filers that cannot be asked themselves (down, cut off, renewed, wiped): orphaned origin to
 * relaying peer. One peer each, so that nothing travels twice: one that is known to be ahead, the same as before while
 * it is. If nobody is known to be ahead, members that do not answer are still watched through one peer, which will have their
 * news first or hear of it; origins that are nobody's any more are not.
 */
export function assignRelays(situation: RelaySituation): Map<Origin, Origin> {
  const { own, position, members, following, current, branches } = situation;
  const followed = new Set(following.map(({ origin }) => origin));
  const orphans = new Set<Origin>(members);
  for (const { head } of following) for (const origin of head.keys()) orphans.add(origin);
  const relays = new Map<Origin, Origin>();
  for (const orphan of orphans) {
    if (orphan === own || followed.has(orphan)) continue;
    const have = position.get(orphan) ?? 0;
    const only = branches.get(orphan);
    const able = only !== undefined && members.has(only) ? following.filter(({ origin }) => origin === only) : following;
    const ahead = able.filter(({ head }) => (head.get(orphan) ?? 0) > have);
    const candidates = ahead.length > 0 ? ahead : members.has(orphan) ? able : [];
    const before = current.get(orphan);
    const via = candidates.find(({ origin }) => origin === before) ?? candidates[0];
    if (via) relays.set(orphan, via.origin);
  }
  return relays;
}
