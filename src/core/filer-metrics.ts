import { isFailure } from './errors.js';
import type { Filer } from './filer.js';
import type { Request, Response, Route } from './http/router.js';
import type { HeldByPort } from './http/server.js';
import { filerMetricTable } from './metrics/filer-table.js';
import { Metrics } from './metrics/metrics.js';
import { tellProcess, type ProcessFigures } from './metrics/process-table.js';
import type { PeerReport } from './replication/peer-report.js';
import { subscriptionStates, type Subscription } from './replication/subscription.js';
import { storeMeta, type FeedIndex, type Store } from './store/store.js';
import type { TimeSource } from './time.js';

const verdicts = ['equal', 'different', 'unknown'] as const;

/** What is told of each peer, from its report and from the loop that follows it. */
const ofReport = {
  kelp_peer_behind_changes: ({ behind }: PeerReport) => behind.events,
  kelp_peer_behind_seconds: ({ behind }: PeerReport) => behind.seconds ?? NaN,
  kelp_peer_ahead_changes: ({ ahead }: PeerReport) => ahead.events,
  kelp_peer_stalled: ({ state }: PeerReport) => (state === 'stalled' ? 1 : 0),
  kelp_peer_skew_seconds: ({ skewSeconds }: PeerReport) => skewSeconds,
};
const ofSubscription = {
  kelp_peer_applied_changes_total: ({ appliedChanges }: Subscription) => appliedChanges,
  kelp_peer_apply_rate: ({ rate }: Subscription) => rate,
  kelp_peer_retries_total: ({ retries }: Subscription) => retries,
  kelp_peer_stalls_total: ({ stalls }: Subscription) => stalls,
};
const entriesOf = <T extends object>(table: T) => Object.entries(table) as [keyof T, T[keyof T]][];

export interface FilerMetricsOptions {
  readonly program: string;
  readonly store: Pick<Store, 'load' | 'readLog'>;
  readonly time: Pick<TimeSource, 'micros' | 'monotonic'>;
  readonly process: ProcessFigures;
  /** Milliseconds by name of the statistic. */
  readonly loopDelay: () => Readonly<Record<string, number>>;
}

/** What one filer counts. Most is read from its parts when it is asked for; requests, store and groups are counted as they come. */
export class FilerMetrics {
  readonly #metrics = new Metrics(filerMetricTable);
  /** As of the last `text`. */
  #peers: readonly PeerReport[] = [];
  #conflictsDropped = 0;
  /** The oldest change in the log and its version, microseconds; null = the log is empty. */
  #oldest: { readonly first: FeedIndex; readonly version: number } | null = null;

  /** Times the operations of the store; it is there before the filer is. */
  readonly observeStore = (operation: string, seconds: number): void => this.#metrics.observe('kelp_store_seconds', { operation }, seconds);

  /** Begins to read from a filer. Call once. */
  watch(filer: Filer, options: FilerMetricsOptions): { counted(routes: readonly Route[]): Route[]; text(): Promise<string> } {
    const { program, process, loopDelay, time } = options;
    tellProcess(this.#metrics, program, process);
    this.#metrics.read('kelp_ready', () => [[{}, filer.state === 'ready' ? 1 : 0]]);
    this.#metrics.read('kelp_event_loop_delay_seconds', () => Object.entries(loopDelay()).map(([stat, ms]) => [{ stat }, ms / 1000] as const));
    this.#tellLog(filer, time);
    this.#tellPeers(filer);
    this.#tellScrub(filer);
    return {
      counted: (routes) => routes.map((route) => ({ ...route, handler: (request) => this.#count(route, request, time) })),
      text: async () => {
        this.#peers = await filer.status.peers();
        await this.#lookAtStore(filer, options.store);
        return this.#metrics.text();
      },
    };
  }

  #tellLog({ log, feed, quarantine }: Filer, time: FilerMetricsOptions['time']): void {
    const metrics = this.#metrics;
    log.grouped = (decisions) => metrics.observe('kelp_commit_decisions', {}, decisions);
    metrics.read('kelp_store_commits_total', () => [[{}, log.totals.commits]]);
    metrics.read('kelp_store_decisions_total', () => [[{}, log.totals.decisions]]);
    metrics.read('kelp_write_queue_length', () => [[{}, log.queued]]);
    metrics.read('kelp_changes_total', () => [
      [{ kind: 'local' }, log.totals.localChanges],
      [{ kind: 'applied' }, log.totals.appliedChanges],
      [{ kind: 'duplicate' }, log.totals.duplicateChanges],
      [{ kind: 'quarantined' }, log.totals.quarantinedChanges],
    ]);
    metrics.read('kelp_quarantined_changes', () => [[{}, log.state.quarantine.size]]);
    metrics.read('kelp_quarantine_retries_total', () => [[{}, quarantine.retries]]);
    metrics.read('kelp_conflicts_total', () => [[{}, log.totals.conflicts]]);
    metrics.read('kelp_conflicts_dropped_total', () => [[{}, this.#conflictsDropped]]);
    metrics.read('kelp_entries', () => [[{}, log.state.counts.entries]]);
    metrics.read('kelp_tombstones', () => [[{}, log.state.counts.tombstones]]);
    metrics.read('kelp_origins', () => [[{}, log.state.origins.size]]);
    metrics.read('kelp_log_changes', () => [[{}, log.state.counts.changes]]);
    metrics.read('kelp_log_bytes', () => [[{}, log.state.counts.bytes]]);
    metrics.read('kelp_log_oldest_seconds', () => [[{}, this.#oldest ? Math.max(0, (time.micros() - this.#oldest.version) / 1e6) : 0]]);
    metrics.read('kelp_feed_page_reads_total', () => [[{}, feed.reads]]);
    metrics.read('kelp_feed_waiters', () => [[{}, log.waiters.count]]);
  }

  #tellPeers({ aggregator }: Filer): void {
    const metrics = this.#metrics;
    for (const [name, value] of entriesOf(ofReport)) metrics.read(name, () => this.#peers.map((peer) => [{ peer: peer.origin }, value(peer)] as const));
    for (const [name, value] of entriesOf(ofSubscription))
      metrics.read(name, () => aggregator.subscriptions.map((each) => [{ peer: each.origin }, value(each)] as const));
    metrics.read('kelp_peers', () => subscriptionStates.map((state) => [{ state }, this.#peers.filter((peer) => peer.state === state).length]));
    metrics.read('kelp_peer_digest', () =>
      this.#peers.flatMap((peer) => verdicts.map((verdict) => [{ peer: peer.origin, verdict }, peer.digest === verdict ? 1 : 0] as const)),
    );
  }

  #tellScrub({ scrub }: Filer): void {
    const metrics = this.#metrics;
    metrics.read('kelp_scrub_runs_total', () => [[{}, scrub.runs]]);
    metrics.read('kelp_scrub_end_time_seconds', () => [[{}, (scrub.report?.endedAt ?? 0) / 1e6]]);
    metrics.read('kelp_scrub_seconds', () => [[{}, scrub.report?.seconds ?? 0]]);
    metrics.read('kelp_scrub_rows', () => [[{}, scrub.report?.rows ?? 0]]);
    metrics.read('kelp_scrub_findings', () => [[{}, scrub.report?.found ?? 0]]);
  }

  /** Where to ask what the port holds, once there is one. */
  followPort(held: () => HeldByPort): void {
    const metrics = this.#metrics;
    metrics.read('kelp_connections', () => [[{}, held().connections]]);
    metrics.read('kelp_body_bytes', () => [[{}, held().bodyBytes]]);
    metrics.read('kelp_answer_bytes', () => [[{}, held().answerBytes]]);
  }

  /** What only the store knows. The oldest change is read again only when the log was trimmed. */
  async #lookAtStore({ log }: Filer, store: FilerMetricsOptions['store']): Promise<void> {
    this.#conflictsDropped = Number((await store.load()).meta.get(storeMeta.conflictsDropped) ?? 0);
    const { first, head } = log.state;
    if (first > head) this.#oldest = null;
    else if (this.#oldest?.first !== first) {
      const [record] = await store.readLog({ after: first - 1, limit: 1, bytesMax: 1 });
      this.#oldest = record ? { first, version: record.version } : null;
    }
  }

  async #count(route: Route, request: Request, time: FilerMetricsOptions['time']): Promise<Response> {
    const started = time.monotonic();
    const { method } = request;
    let status = 500;
    try {
      const response = await route.handler(request);
      status = response.status;
      return response;
    } catch (error) {
      if (isFailure(error)) status = error.status;
      throw error;
    } finally {
      this.#metrics.count('kelp_requests_total', { method, route: route.path, status: String(status) });
      this.#metrics.observe('kelp_request_seconds', { method, route: route.path }, (time.monotonic() - started) / 1000);
    }
  }
}
