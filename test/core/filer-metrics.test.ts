import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import type { FilerProcess } from '../../src/core/filer-process.js';
import { filerMetricTable } from '../../src/core/metrics/filer-table.js';
import { masterMetricTable } from '../../src/core/metrics/master-table.js';
import type { Metric } from '../../src/core/metrics/metrics.js';
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
