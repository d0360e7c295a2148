import type { Metric } from './metrics.js';
import { processTable } from './process-table.js';

/** Every metric of a master, by name. Units stand last in the name: seconds, bytes; counters end in total. */
export const masterMetricTable = {
  ...processTable,
  kelp_master_members: { kind: 'gauge', help: 'Filers in the list.', labels: ['state'] },
  kelp_master_announcements_total: { kind: 'counter', help: 'Registrations and heartbeats, by outcome: ok or the code of the refusal.', labels: ['outcome'] },
  kelp_master_long_polls: { kind: 'gauge', help: 'Requests held until the list changes.' },
} as const satisfies Record<string, Metric>;
