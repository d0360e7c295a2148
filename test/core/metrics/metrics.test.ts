import { expect } from 'chai';
import { limits } from '../../../src/core/config/limits.js';
import { Metrics, type Metric } from '../../../src/core/metrics/metrics.js';
import { parseExposition } from '../../support/prometheus.js';

const table = {
  kelp_test_requests_total: { kind: 'counter', help: 'Requests.', labels: ['route', 'status'] },
  kelp_test_depth: { kind: 'gauge', help: 'Depth.' },
  kelp_test_seconds: { kind: 'histogram', help: 'Times.', labels: ['what'], buckets: [0.1, 1] },
} as const satisfies Record<string, Metric>;

describe('Metrics', () => {
  it('writes counters, gauges and histograms as Prometheus reads them', () => {
    const metrics = new Metrics(table);
    metrics.count('kelp_test_requests_total', { route: '/a', status: '200' });
    metrics.count('kelp_test_requests_total', { route: '/a', status: '200' }, 2);
    metrics.count('kelp_test_requests_total', { route: 'say "hi"\n', status: '500' });
    metrics.set('kelp_test_depth', {}, 7);
    for (const seconds of [0.05, 0.5, 5]) metrics.observe('kelp_test_seconds', { what: 'apply' }, seconds);
    expect(metrics.text().split('\n')).to.deep.equal([
      '# HELP kelp_test_requests_total Requests.',
      '# TYPE kelp_test_requests_total counter',
      'kelp_test_requests_total{route="/a",status="200"} 3',
      'kelp_test_requests_total{route="say \\"hi\\"\\n",status="500"} 1',
      '# HELP kelp_test_depth Depth.',
      '# TYPE kelp_test_depth gauge',
      'kelp_test_depth 7',
      '# HELP kelp_test_seconds Times.',
      '# TYPE kelp_test_seconds histogram',
      'kelp_test_seconds_bucket{what="apply",le="0.1"} 1',
      'kelp_test_seconds_bucket{what="apply",le="1"} 2',
      'kelp_test_seconds_bucket{what="apply",le="+Inf"} 3',
      'kelp_test_seconds_sum{what="apply"} 5.55',
      'kelp_test_seconds_count{what="apply"} 3',
      '',
    ]);
  });

  it('are read back by a parser that forgives nothing', () => {
    const metrics = new Metrics(table);
    metrics.observe('kelp_test_seconds', { what: 'a"b\\c\nd' }, 0.5);
    metrics.set('kelp_test_depth', {}, -Infinity);
    const text = metrics.text();
    expect(parseExposition(text).get('kelp_test_seconds')?.samples.at(-1)).to.deep.equal({
      name: 'kelp_test_seconds_count',
      labels: { what: 'a"b\\c\nd' },
      value: 1,
    });
    for (const [from, to] of [
      ['\n', '\r\n'],
      ['-Inf', '-Infinity'],
      ['le="1"', 'le="0.05"'],
      ['_count{what="a\\"b\\\\c\\nd"} 1', '_count{what="a\\"b\\\\c\\nd"} 2'],
      ['# HELP kelp_test_depth', '# HELP kelp_test_death'],
      ['kelp_test_depth -Inf', 'kelp_test_depth -Inf\nkelp_test_depth 1'],
    ] as const) {
      expect(text).to.contain(from);
      expect(() => parseExposition(text.replace(from, to)), to).to.throw();
    }
  });

  it('reads what others keep when the text is asked for', () => {
    const metrics = new Metrics(table);
    let depth = 1;
    metrics.read('kelp_test_depth', () => [[{}, depth]]);
    depth = 2;
    expect(metrics.text()).to.contain('\nkelp_test_depth 2\n');
  });

  it('keeps a bounded number of series', () => {
    const metrics = new Metrics(table);
    for (let i = 0; i < limits.seriesMax + 10; i++) metrics.count('kelp_test_requests_total', { route: `/${i}`, status: '200' });
    expect(metrics.text()).to.contain('{route="other",status="other"} 10\n');
  });
});
