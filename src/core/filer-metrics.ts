import { isFailure } from './errors.js';
import type { Filer } from './filer.js';
import type { Request, Response, Route } from './http/router.js';
import { filerMetricTable } from './metrics/filer-table.js';
import { Metrics } from './metrics/metrics.js';
import type { PeerReport } from './replication/peer-report.js';
import { subscriptionStates } from './replication/subscription.js';

const verdicts = ['equal', 'different', 'unknown'] as const;

/** What one filer counts. Most is read from its parts when it is asked for; only requests are counted as they come. */
export class FilerMetrics {
  readonly #metrics = new Metrics(filerMetricTable);
  /** As of the last `text`. */
  #peers: readonly PeerReport[] = [];

  constructor(
    private readonly filer: Filer,
    /** Milliseconds by name of the statistic. */
    loopDelay: () => Readonly<Record<string, number>>,
  ) {
    const { log, feed } = filer;
    const metrics = this.#metrics;
    metrics.read('kelp_store_commits_total', () => [[{}, log.totals.commits]]);
    metrics.read('kelp_store_decisions_total', () => [[{}, log.totals.decisions]]);
    metrics.read('kelp_write_queue_length', () => [[{}, log.queued]]);
    metrics.read('kelp_changes_total', () => [
      [{ kind: 'local' }, log.totals.localChanges],
      [{ kind: 'applied' }, log.totals.appliedChanges],
      [{ kind: 'duplicate' }, log.totals.duplicateChanges],
    ]);
    metrics.read('kelp_entries', () => [[{}, log.state.counts.entries]]);
    metrics.read('kelp_tombstones', () => [[{}, log.state.counts.tombstones]]);
    metrics.read('kelp_log_changes', () => [[{}, log.state.counts.changes]]);
    metrics.read('kelp_log_bytes', () => [[{}, log.state.counts.bytes]]);
    metrics.read('kelp_origins', () => [[{}, log.state.origins.size]]);
    metrics.read('kelp_feed_page_reads_total', () => [[{}, feed.reads]]);
    metrics.read('kelp_feed_waiters', () => [[{}, log.waiters.count]]);
    metrics.read('kelp_peers', () => subscriptionStates.map((state) => [{ state }, this.#peers.filter((peer) => peer.state === state).length]));
    metrics.read('kelp_peer_behind_changes', () => this.#perPeer((peer) => peer.behind.events));
    metrics.read('kelp_peer_behind_seconds', () => this.#perPeer((peer) => peer.behind.seconds ?? NaN));
    metrics.read('kelp_peer_ahead_changes', () => this.#perPeer((peer) => peer.ahead.events));
    metrics.read('kelp_peer_stalled', () => this.#perPeer((peer) => (peer.state === 'stalled' ? 1 : 0)));
    metrics.read('kelp_peer_skew_seconds', () => this.#perPeer((peer) => peer.skewSeconds));
    metrics.read('kelp_peer_digest', () =>
      this.#peers.flatMap((peer) => verdicts.map((verdict) => [{ peer: peer.origin, verdict }, peer.digest === verdict ? 1 : 0] as const)),
    );
    metrics.read('kelp_ready', () => [[{}, filer.state === 'ready' ? 1 : 0]]);
    metrics.read('kelp_event_loop_delay_seconds', () => Object.entries(loopDelay()).map(([stat, ms]) => [{ stat }, ms / 1000] as const));
  }

  /** The same routes, each counting how it was answered. */
  counted(routes: readonly Route[]): Route[] {
    return routes.map((route) => ({ ...route, handler: (request) => this.#count(route, request) }));
  }

  /** Prometheus' text format. */
  async text(): Promise<string> {
    this.#peers = await this.filer.peers();
    return this.#metrics.text();
  }

  async #count(route: Route, request: Request): Promise<Response> {
    let status = 500;
    try {
      const response = await route.handler(request);
      status = response.status;
      return response;
    } catch (error) {
      if (isFailure(error)) status = error.status;
      throw error;
    } finally {
      this.#metrics.count('kelp_requests_total', { method: request.method, route: route.path, status: String(status) });
    }
  }

  #perPeer(value: (peer: PeerReport) => number): (readonly [{ peer: string }, number])[] {
    return this.#peers.map((peer) => [{ peer: peer.origin }, value(peer)] as const);
  }
}
