import type { Metric } from './metrics.js';

/** Every metric of a filer. Peers are told apart by origin, since an address may change. */
export const filerMetricTable = {
  kelp_requests_total: { kind: 'counter', help: 'Requests answered, by route and status.', labels: ['method', 'route', 'status'] },

  kelp_store_commits_total: { kind: 'counter', help: 'Transactions of the store.' },
  kelp_store_decisions_total: { kind: 'counter', help: 'Writes in those transactions; divided by them it is the size of a group.' },
  kelp_write_queue_length: { kind: 'gauge', help: 'Writes and pages of peers that wait for their turn.' },
  kelp_changes_total: { kind: 'counter', help: 'Changes written to the log, made here or applied from peers, and duplicates dropped.', labels: ['kind'] },

  kelp_entries: { kind: 'gauge', help: 'Live entries in the store.' },
  kelp_tombstones: { kind: 'gauge', help: 'Deleted paths the store remembers.' },
  kelp_log_changes: { kind: 'gauge', help: 'Changes in the log.' },
  kelp_log_bytes: { kind: 'gauge', help: 'Bytes of text in the log.' },
  kelp_origins: { kind: 'gauge', help: 'Origins this store knows.' },

  kelp_feed_page_reads_total: { kind: 'counter', help: 'Pages of the feed read from the store; readers at one place share one.' },
  kelp_feed_waiters: { kind: 'gauge', help: 'Readers that wait for news.' },

  kelp_peers: { kind: 'gauge', help: 'Peers, by the state of following them.', labels: ['state'] },
  kelp_peer_behind_changes: { kind: 'gauge', help: 'Changes of the peer that are not applied here.', labels: ['peer'] },
  kelp_peer_behind_seconds: { kind: 'gauge', help: 'Age of the oldest change that is missing here; NaN while the peer is silent.', labels: ['peer'] },
  kelp_peer_ahead_changes: { kind: 'gauge', help: 'Changes here that the peer has not acknowledged.', labels: ['peer'] },
  kelp_peer_stalled: { kind: 'gauge', help: '1 while what the peer sends cannot be applied.', labels: ['peer'] },
  kelp_peer_digest: { kind: 'gauge', help: '1 for the verdict that stands: equal or different at one position, or unknown.', labels: ['peer', 'verdict'] },
  kelp_peer_skew_seconds: { kind: 'gauge', help: 'How far the clock of the peer is ahead.', labels: ['peer'] },

  kelp_ready: { kind: 'gauge', help: '1 if this filer takes writes of clients.' },
  kelp_event_loop_delay_seconds: { kind: 'gauge', help: 'Delay of the event loop since this was last asked for.', labels: ['stat'] },
} as const satisfies Record<string, Metric>;
