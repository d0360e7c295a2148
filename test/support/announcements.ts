import { emptyPosition } from '../../src/core/clock/vector.js';
import type { Announcement } from '../../src/core/cluster/member.js';

/** Origin or store id made of one digit or letter. */
export const hexId = (digit: string): string => digit.repeat(16);

/** An announcement of a filer with origin `aaaa…` on port 8888, but for what is named. */
export function announcementOf(fields: Partial<Announcement> = {}): Announcement {
  const origin = fields.origin ?? hexId('a');
  return {
    origin,
    storeId: origin,
    clusterId: null,
    address: '127.0.0.1:8888',
    engine: 'sqlite',
    kind: 'embedded',
    instance: `start-of-${origin.slice(0, 4)}`,
    position: emptyPosition,
    program: 'kelp test',
    group: '',
    ...fields,
  };
}
