import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { receiveChange } from '../../src/core/change/refused.js';
import type { FilerError } from '../../src/core/errors.js';
import type { FilerProcess } from '../../src/core/filer-process.js';
import { filerMetricTable } from '../../src/core/metrics/filer-table.js';
import { masterMetricTable } from '../../src/core/metrics/master-table.js';
import type { Metric } from '../../src/core/metrics/metrics.js';
import { ForgedLog } from '../support/forged-log.js';
import { ask, never } from '../support/open-log.js';
import { Processes } from '../support/processes.js';
import { parseExposition, valueIn, type Family } from '../support/prometheus.js';
import { waitFor } from '../support/wait-for.js';

const tables: Readonly<Record<string, Readonly<Record<string, Metric>>>> = { filer: filerMetricTable, master: masterMetricTable };

describe('metrics', () => {
  describe('of a filer and its master', () => {
    const processes = new Processes();
    let a: FilerProcess;
    let families: Map<string, Family>;
    let ofMaster: Map<string, Family>;

    const read = async (process: { readonly address: string }) => parseExposition((await processes.send(process, 'GET', '/metrics')).text());
    const valueOf = (name: string, labels: Record<string, string> = {}) => valueIn(families, name, labels);

    before(async () => {
      const master = await processes.master();
      const masters = [master.address];
      a = await processes.filer({ masters, limits: { scrubIntervalMs: 20 } });
      const b = await processes.filer({ masters });
      await waitFor(() => a.filer.aggregator.subscriptions.some(({ state }) => state === 'following'), { what: 'a to follow b' });
      await Promise.all(Array.from({ length: 8 }, (_, n) => processes.send(a, 'PUT', `/d/a${n}`, 'x')));
      await processes.send(b, 'PUT', '/d/"quoted"\\b', 'y');
      await waitFor(() => a.filer.log.totals.appliedChanges > 0 && (a.filer.scrub.report?.rows ?? 0) > 0, { what: 'a change of b and a scrub' });
      families = await read(a);
      ofMaster = await read(master);
    });
    after(() => processes.stopAll());

    it('are what the table says, every one, in strict text form', () => {
      for (const [table, found] of [
        [filerMetricTable, families],
        [masterMetricTable, ofMaster],
      ] as const) {
        expect([...found.keys()]).to.deep.equal(Object.keys(table));
        for (const [name, { kind, help, labels = [] }] of Object.entries<Metric>(table)) {
          expect(found.get(name)).to.include({ kind, help });
          for (const sample of found.get(name)?.samples ?? []) expect(Object.keys(sample.labels).filter((label) => label !== 'le')).to.deep.equal(labels);
        }
      }
    });

    it('have a value for everything that has happened, and zeros for what has not', () => {
      for (const [name, { samples }] of families) expect(samples, name).not.to.be.empty;
      expect(valueOf('kelp_ready')).to.equal(1);
      expect(valueOf('kelp_changes_total', { kind: 'local' })).to.equal(9);
      expect(valueOf('kelp_commit_decisions_sum')).to.equal(8);
      expect(valueOf('kelp_commit_decisions_count')).to.be.within(1, 8);
      expect(valueOf('kelp_request_seconds_count', { method: 'PUT', route: '*' })).to.equal(8);
      expect(valueOf('kelp_store_seconds_count', { operation: 'transaction' })).to.be.above(1);
      expect(valueOf('kelp_log_oldest_seconds')).to.be.within(0.0001, 600);
      expect(valueOf('kelp_scrub_rows')).to.be.above(0);
      expect(valueOf('kelp_scrub_findings')).to.equal(0);
      expect(valueOf('kelp_memory_bytes', { kind: 'rss' })).to.be.above(1e7);
      const peer = a.filer.aggregator.subscriptions[0]?.origin ?? '';
      expect(valueOf('kelp_peer_applied_changes_total', { peer })).to.be.above(0);
      expect(valueOf('kelp_peer_stalls_total', { peer })).to.equal(0);
    });
  });

  describe('of a filer that is left alone', () => {
    const processes = new Processes();
    const log = new ForgedLog('f'.repeat(16));
    let a: FilerProcess;

    before(async () => {
      // So that nothing but what a test does moves a number.
      a = await processes.filer({ limits: { upkeepMs: 3600_000, quarantineRetryMs: 3600_000, expiryCheckMs: 3600_000 } });
    });
    after(() => processes.stopAll());

    const read = async () => parseExposition((await processes.send(a, 'GET', '/metrics')).text());
    const status = async (method: string, path: string, body?: string, headers?: Record<string, string>) =>
      processes.send(a, method, path, body, headers).then(
        (answer) => answer.status,
        (error: FilerError) => error.status,
      );
    /** What `work` moves: the difference of one series, which counts as 0 where it is not there. */
    const moved = async (work: () => Promise<unknown>) => {
      const before = await read();
      await work();
      const after = await read();
      return (name: string, labels: Record<string, string> = {}) => (valueIn(after, name, labels) ?? 0) - (valueIn(before, name, labels) ?? 0);
    };

    /** Keeps the door shut until `work` has seen what it wants; resolves with how long it was shut, seconds. */
    const whileShut = async (work: () => Promise<void>): Promise<number> => {
      let open = () => {};
      const opened = new Promise<void>((resolve) => (open = resolve));
      let started = 0;
      const shut = a.filer.log.alone(async () => {
        started = performance.now();
        await opened;
      });
      await waitFor(() => started > 0, { what: 'the door to be shut' });
      await work();
      const seconds = (performance.now() - started) / 1000;
      open();
      await shut;
      return seconds;
    };

    it('count requests by method, route and status, and how long they took', async () => {
      const requests = await moved(async () => {
        for (const path of ['/r1', '/r2', '/r3']) expect(await status('PUT', path, 'x')).to.equal(201);
        expect(await status('PUT', '/r1/below', 'x')).to.equal(409);
        for (const path of ['/none', '/nothing']) expect(await status('GET', path)).to.equal(404);
        expect(await status('GET', '/.filer/v1/changes?offset=now&live=long-poll&timeout=1s')).to.equal(204);
      });
      const counted = (method: string, route: string, code: string) => requests('kelp_requests_total', { method, route, status: code });
      expect([counted('PUT', '*', '201'), counted('PUT', '*', '409'), counted('GET', '*', '404')]).to.deep.equal([3, 1, 2]);
      expect(requests('kelp_request_seconds_count', { method: 'PUT', route: '*' })).to.equal(4);
      const poll = { method: 'GET', route: '/.filer/v1/changes' };
      expect([counted('GET', poll.route, '204'), requests('kelp_request_seconds_count', poll)]).to.deep.equal([1, 1]);
      // A hold is jittered: 0.8 to 1 of what was asked for.
      expect(requests('kelp_request_seconds_sum', poll)).to.be.at.least(0.75);
      expect([requests('kelp_request_seconds_bucket', { ...poll, le: '0.5' }), requests('kelp_request_seconds_bucket', { ...poll, le: '60' })]).to.deep.equal([
        0, 1,
      ]);
    });

    it('count transactions, what shared them, and what waits for its turn', async () => {
      let waiting: number | undefined;
      let seconds = 0;
      const commits = await moved(async () => {
        let writes: Promise<unknown>[] = [];
        seconds = await whileShut(async () => {
          writes = Array.from({ length: 12 }, (_, n) => processes.send(a, 'PUT', `/group${n}`, 'x'));
          await waitFor(() => a.filer.log.queued === 12, { what: 'all writes to wait' });
          waiting = valueIn(await read(), 'kelp_write_queue_length');
        });
        await Promise.all(writes);
      });
      expect(waiting).to.equal(12);
      // What kept the door shut is a transaction too.
      expect([commits('kelp_store_commits_total'), commits('kelp_store_decisions_total')]).to.deep.equal([2, 13]);
      expect([commits('kelp_commit_decisions_count'), commits('kelp_commit_decisions_sum')]).to.deep.equal([1, 12]);
      expect(['8', '16', '+Inf'].map((le) => commits('kelp_commit_decisions_bucket', { le }))).to.deep.equal([0, 1, 1]);
      expect([commits('kelp_changes_total', { kind: 'local' }), commits('kelp_write_queue_length')]).to.deep.equal([12, 0]);
      expect(commits('kelp_store_seconds_count', { operation: 'transaction' })).to.equal(2);
      expect(commits('kelp_store_seconds_sum', { operation: 'transaction' })).to.be.at.least(seconds);
      expect(commits('kelp_store_seconds_bucket', { operation: 'transaction', le: '0.0005' })).to.equal(0);
    });

    it('tell what the log holds and how far back it goes, and what the tree holds', async () => {
      const { counts } = await processes.meta(a).info(never);
      let grown = { ...counts };
      const tree = await moved(async () => {
        await processes.send(a, 'PUT', '/l1', 'x'.repeat(3000));
        await processes.send(a, 'PUT', '/l2', 'y');
        await processes.send(a, 'DELETE', '/l2');
        grown = (await processes.meta(a).info(never)).counts;
      });
      expect([tree('kelp_log_changes'), tree('kelp_entries'), tree('kelp_tombstones')]).to.deep.equal([3, 1, 1]);
      const { log: own, feed } = a.filer;
      const { records } = await feed.read(ask({ bytesMax: 1e6 }), never);
      const bytes = records.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
      const oldest = (records[0]?.version ?? 0) / 1e6;
      await waitFor(() => Date.now() / 1000 - oldest > 0.5, { what: 'an age that no other change has' });
      const asked = Date.now() / 1000;
      const families = await read();
      const answered = Date.now() / 1000;
      expect([valueIn(families, 'kelp_log_bytes'), grown.bytes]).to.deep.equal([bytes, bytes]);
      expect(tree('kelp_log_bytes')).to.equal(grown.bytes - counts.bytes);
      expect(valueIn(families, 'kelp_log_changes')).to.equal(records.length);
      expect(valueIn(families, 'kelp_entries')).to.equal(own.state.counts.entries);
      // Two clocks that may differ by a moment.
      expect(valueIn(families, 'kelp_log_oldest_seconds')).to.be.within(asked - oldest - 0.05, answered - oldest + 0.05);
    });

    it('count the readers that wait', async () => {
      const ended = new AbortController();
      const polls = [1, 2, 3].map(() => fetch(`http://${a.address}/.filer/v1/changes?offset=now&live=long-poll&timeout=60s`, { signal: ended.signal }));
      await waitFor(async () => valueIn(await read(), 'kelp_feed_waiters') === 3, { what: 'three readers' });
      ended.abort();
      await Promise.allSettled(polls);
      await waitFor(async () => valueIn(await read(), 'kelp_feed_waiters') === 0, { what: 'them to be gone' });
    });

    it('count what is quarantined, tried again and let go, what is applied, and what came twice', async () => {
      log.put('/q/good');
      log.putBad('/q/bad');
      log.put('/q/bad/below');
      const changes = log.texts.map((text) => receiveChange(text));
      const kinds = ['local', 'applied', 'duplicate', 'quarantined'];
      const came = await moved(() => a.filer.log.apply(changes));
      expect(kinds.map((kind) => came('kelp_changes_total', { kind }))).to.deep.equal([0, 1, 0, 2]);
      expect([came('kelp_quarantined_changes'), came('kelp_quarantine_retries_total'), came('kelp_origins')]).to.deep.equal([2, 0, 1]);
      const again = await moved(() => a.filer.log.apply(changes));
      expect(kinds.map((kind) => again('kelp_changes_total', { kind }))).to.deep.equal([0, 0, 3, 0]);
      const retried = await moved(() => processes.send(a, 'POST', '/.filer/v1/quarantine?action=retry'));
      expect([retried('kelp_quarantined_changes'), retried('kelp_quarantine_retries_total')]).to.deep.equal([0, 1]);
      const dropped = await moved(() => processes.send(a, 'POST', `/.filer/v1/quarantine/${log.origin}:2?action=drop`));
      expect(dropped('kelp_quarantined_changes')).to.equal(-2);
      expect(valueIn(await read(), 'kelp_quarantined_changes')).to.equal(0);
    });

    it('tell how long the event loop stood still since they were last asked for', async () => {
      const began = performance.now();
      await read();
      // Again, if it stands still before its clock has ticked since it was last asked for: that is not seen.
      const { families, most } = await waitFor(
        async () => {
          const started = performance.now();
          while (performance.now() - started < 300);
          const families = await read();
          const most = (performance.now() - began) / 1000;
          return (valueIn(families, 'kelp_event_loop_delay_seconds', { stat: 'max' }) ?? 0) >= 0.25 ? { families, most } : null;
        },
        { what: 'a delay of 300 ms to be seen' },
      );
      const delay = (stat: string) => valueIn(families, 'kelp_event_loop_delay_seconds', { stat }) ?? NaN;
      expect(delay('max')).to.be.at.most(most);
      expect(delay('p50')).to.be.at.most(delay('p99'));
      expect(delay('p99')).to.be.at.most(delay('max'));
      await waitFor(async () => (valueIn(await read(), 'kelp_event_loop_delay_seconds', { stat: 'max' }) ?? NaN) < 0.25, { what: 'that to be past' });
    });
  });

  it('are all in docs/metrics.md, with kind, labels and meaning, and nothing else is', () => {
    const lines = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8').split('\n');
    const rows = lines.filter((line) => line.startsWith('| `kelp_')).map((line) => line.split('|').map((cell) => cell.trim()));
    const documented = rows.map(([, name = '', who, kind, labels, meaning, alarm]) => {
      expect(alarm, `${name} says nothing of an alarm`).to.match(/\S/);
      return [name.replaceAll('`', ''), { who, kind, labels, meaning }] as const;
    });
    const whoHas = (name: string) =>
      Object.keys(tables)
        .filter((who) => name in (tables[who] ?? {}))
        .join(', ');
    const inCode = Object.entries<Metric>({ ...filerMetricTable, ...masterMetricTable }).map(
      ([name, { kind, labels, help }]) => [name, { who: whoHas(name), kind, labels: labels?.join(', ') ?? '-', meaning: help }] as const,
    );
    expect(Object.fromEntries(documented)).to.deep.equal(Object.fromEntries(inCode));
    expect(documented).to.have.length(inCode.length);
  });

  it('are named as Prometheus asks: units and totals last, help that is a sentence', () => {
    for (const [name, { kind, help }] of Object.entries<Metric>({ ...filerMetricTable, ...masterMetricTable })) {
      expect(name).to.match(/^kelp_[a-z]+(_[a-z]+)*$/);
      expect(name.endsWith('_total'), name).to.equal(kind === 'counter');
      expect(help, name).to.match(/^[A-Z0-9].*\.$/);
    }
  });
});
