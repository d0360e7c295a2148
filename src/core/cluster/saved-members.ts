import type { Origin } from '../clock/vector.js';
import type { Member } from './member.js';

/** Addresses and ids of the others, without what changes from second to second. */
export function membersToText(members: readonly Member[]): string {
  const kept = members.map(({ position: _position, lastHeard: _lastHeard, state: _state, ...member }) => member);
  return JSON.stringify(kept.sort((a, b) => (a.origin < b.origin ? -1 : 1)));
}

/** The list as it was kept; nobody has been heard of yet, so all count as up until shown otherwise. */
export function membersFromText(text: string): Member[] {
  const kept = JSON.parse(text) as Omit<Member, 'position' | 'lastHeard' | 'state'>[];
  return kept.map((member) => ({ ...member, position: new Map<Origin, number>(), lastHeard: 0, state: 'up' }));
}
