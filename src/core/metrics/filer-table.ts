import type { Metric } from './metrics.js';
import { processTable } from './process-table.js';

const requestBuckets = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 60];
const storeBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];
const groupBuckets = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000];

/** Every metric of a filer. Peers are told apart by origin, since an address may change. docs/metrics.md has the same table, with alarms. */
export const filerMetricTable = {
  ...processTable,
  kelp_ready: { kind: 'gauge', help: '1 if this filer takes writes of clients.' },
  kelp_event_loop_delay_seconds: { kind: 'gauge', help: 'Delay of the event loop since this was last asked for.', labels: ['stat'] },

  kelp_requests_total: { kind: 'counter', help: 'Requests answered, by route and status.', labels: ['method', 'route', 'status'] },
  kelp_request_seconds: {
    kind: 'histogram',
    help: 'Time from a request to its answer, held polls included; of an answer in pieces to its first.',
    labels: ['method', 'route'],
    buckets: requestBuckets,
  },

  kelp_store_seconds: {
    kind: 'histogram',
    help: 'Time of one operation of the store, waiting for its turn included.',
    labels: ['operation'],
    buckets: storeBuckets,
  },
  kelp_store_commits_total: { kind: 'counter', help: 'Transactions of the store.' },
  kelp_store_decisions_total: { kind: 'counter', help: 'Writes and pages of peers in those transactions.' },
  kelp_commit_decisions: { kind: 'histogram', help: 'Local writes that shared a transaction.', buckets: groupBuckets },
  kelp_write_queue_length: { kind: 'gauge', help: 'Writes and pages of peers that wait for their turn.' },
  kelp_changes_total: {
    kind: 'counter',
    help: 'Changes written to the log, made here, applied from peers or quarantined, and duplicates dropped.',
    labels: ['kind'],
  },
  kelp_quarantined_changes: { kind: 'gauge', help: 'Changes of peers that could not be applied and wait in quarantine.' },
  kelp_quarantine_retries_total: { kind: 'counter', help: 'Quarantined changes that were tried again.' },
  kelp_conflicts_total: { kind: 'counter', help: 'States overruled by a concurrent one and written to the conflict ledger since the start.' },
  kelp_conflicts_dropped_total: { kind: 'counter', help: 'Records of the conflict ledger that had to make room, in the life of the store.' },

  kelp_entries: { kind: 'gauge', help: 'Live entries in the store.' },
  kelp_tombstones: { kind: 'gauge', help: 'Deleted paths the store remembers.' },
  kelp_origins: { kind: 'gauge', help: 'Origins this store knows; at most 400 may be open.' },
  kelp_log_changes: { kind: 'gauge', help: 'Changes in the log.' },
  kelp_log_bytes: { kind: 'gauge', help: 'Bytes of text in the log.' },
  kelp_log_oldest_seconds: { kind: 'gauge', help: 'Age of the oldest change in the log by its version; 0 if the log is empty.' },

  kelp_feed_page_reads_total: { kind: 'counter', help: 'Pages of the feed read from the store; readers at one place share one.' },
  kelp_feed_waiters: { kind: 'gauge', help: 'Readers that wait for news.' },

  kelp_peers: { kind: 'gauge', help: 'Peers, by the state of following them.', labels: ['state'] },
  kelp_peer_behind_changes: { kind: 'gauge', help: 'Changes of the peer that are not applied here.', labels: ['peer'] },
  kelp_peer_behind_seconds: { kind: 'gauge', help: 'Age of the oldest change that is missing here; NaN while the peer is silent.', labels: ['peer'] },
  kelp_peer_ahead_changes: { kind: 'gauge', help: 'Changes here that the peer has not acknowledged.', labels: ['peer'] },
  kelp_peer_applied_changes_total: { kind: 'counter', help: 'Changes taken from this peer and applied.', labels: ['peer'] },
  kelp_peer_apply_rate: { kind: 'gauge', help: 'Changes of this peer applied per second while there were some, smoothed.', labels: ['peer'] },
  kelp_peer_retries_total: { kind: 'counter', help: 'How often following this peer began anew after a failure.', labels: ['peer'] },
  kelp_peer_stalls_total: { kind: 'counter', help: 'How often a page of this peer could not be written and was tried again.', labels: ['peer'] },
  kelp_peer_stalled: { kind: 'gauge', help: '1 while what the peer sends cannot be applied.', labels: ['peer'] },
  kelp_peer_digest: { kind: 'gauge', help: '1 for the verdict that stands: equal or different at one position, or unknown.', labels: ['peer', 'verdict'] },
  kelp_peer_skew_seconds: { kind: 'gauge', help: 'How far the clock of the peer is ahead.', labels: ['peer'] },

  kelp_scrub_runs_total: { kind: 'counter', help: 'Scrubs that came to their end.' },
  kelp_scrub_end_time_seconds: { kind: 'gauge', help: 'When the last scrub ended, seconds since 1970; 0 before the first.' },
  kelp_scrub_seconds: { kind: 'gauge', help: 'How long the last scrub took, its rests included.' },
  kelp_scrub_rows: { kind: 'gauge', help: 'Rows the last scrub has looked at.' },
  kelp_scrub_findings: { kind: 'gauge', help: 'What the last scrub has found damaged; 0 = nothing.' },

  kelp_connections: { kind: 'gauge', help: 'Open connections at the port.' },
  kelp_body_bytes: { kind: 'gauge', help: 'Bytes of request bodies in memory.' },
  kelp_answer_bytes: { kind: 'gauge', help: 'Bytes of answers their readers have not taken.' },
} as const satisfies Record<string, Metric>;
