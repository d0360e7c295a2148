import type { Metric, Metrics } from './metrics.js';
import { processTable } from './process-table.js';

const labels = ['direction'] as const;

/** Every metric of a sync, by direction. */
export const syncMetricTable = {
  ...processTable,
  kelp_sync_up: { kind: 'gauge', help: '1 while the direction copies or follows.', labels },
  kelp_sync_behind_changes: { kind: 'gauge', help: 'Changes the source has and the link has not looked at yet.', labels },
  kelp_sync_lag_seconds: { kind: 'gauge', help: 'Age of the oldest of them; 0 when idle, NaN while the source is silent or being copied.', labels },
  kelp_sync_in_flight_changes: { kind: 'gauge', help: 'Changes on their way to the target.', labels },
  kelp_sync_rate: { kind: 'gauge', help: 'Changes posted per second while there are some, smoothed.', labels },
  kelp_sync_received_changes_total: { kind: 'counter', help: 'Changes and rows read from the source.', labels },
  kelp_sync_posted_changes_total: { kind: 'counter', help: 'Changes posted to the target.', labels },
  kelp_sync_posted_bytes_total: { kind: 'counter', help: 'Bytes of those.', labels },
  kelp_sync_outcomes_total: { kind: 'counter', help: 'What became of them in the target.', labels: ['direction', 'outcome'] },
  kelp_sync_withheld_changes_total: { kind: 'counter', help: 'Deletes that were not passed on because of --a.doDeleteFiles or --b.doDeleteFiles.', labels },
  kelp_sync_failed_changes_total: { kind: 'counter', help: 'How often the target refused a change.', labels },
  kelp_sync_quarantined_paths: { kind: 'gauge', help: 'Paths put aside because the target refused a change there, and those that wait for them.', labels },
  kelp_sync_retries_total: { kind: 'counter', help: 'How often the direction began again after a failure.', labels },
} as const satisfies Record<string, Metric>;

/** What the metrics read of one direction. */
export interface SyncFigures {
  readonly name: string;
  readonly state: string;
  readonly behind: number;
  readonly lagSeconds: number | null;
  readonly inFlight: number;
  readonly rate: number;
  readonly received: number;
  readonly posted: number;
  readonly bytes: number;
  readonly applied: number;
  readonly superseded: number;
  readonly unchanged: number;
  readonly conflicting: number;
  readonly withheld: number;
  readonly failed: number;
  readonly quarantined: number;
  readonly retries: number;
}

const outcomes = ['applied', 'superseded', 'unchanged', 'conflicting'] as const;

export function tellSync(metrics: Metrics<typeof syncMetricTable>, directions: () => readonly SyncFigures[]): void {
  const each = (value: (figures: SyncFigures) => number) => () =>
    directions().map((one): [{ direction: string }, number] => [{ direction: one.name }, value(one)]);
  metrics.read(
    'kelp_sync_up',
    each(({ state }) => (state === 'copying' || state === 'following' ? 1 : 0)),
  );
  metrics.read(
    'kelp_sync_behind_changes',
    each(({ behind }) => behind),
  );
  metrics.read(
    'kelp_sync_lag_seconds',
    each(({ lagSeconds }) => lagSeconds ?? NaN),
  );
  metrics.read(
    'kelp_sync_in_flight_changes',
    each(({ inFlight }) => inFlight),
  );
  metrics.read(
    'kelp_sync_rate',
    each(({ rate }) => rate),
  );
  metrics.read(
    'kelp_sync_received_changes_total',
    each(({ received }) => received),
  );
  metrics.read(
    'kelp_sync_posted_changes_total',
    each(({ posted }) => posted),
  );
  metrics.read(
    'kelp_sync_posted_bytes_total',
    each(({ bytes }) => bytes),
  );
  metrics.read('kelp_sync_outcomes_total', () =>
    directions().flatMap((one) =>
      outcomes.map((outcome): [{ direction: string; outcome: string }, number] => [{ direction: one.name, outcome }, one[outcome]]),
    ),
  );
  metrics.read(
    'kelp_sync_withheld_changes_total',
    each(({ withheld }) => withheld),
  );
  metrics.read(
    'kelp_sync_failed_changes_total',
    each(({ failed }) => failed),
  );
  metrics.read(
    'kelp_sync_quarantined_paths',
    each(({ quarantined }) => quarantined),
  );
  metrics.read(
    'kelp_sync_retries_total',
    each(({ retries }) => retries),
  );
}
