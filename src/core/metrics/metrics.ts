import { limits } from '../config/limits.js';

/** What a metric is: its kind, what it counts, and the labels that tell its series apart. */
export interface Metric {
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels?: readonly string[];
  /** Upper bounds of a histogram, ascending, without the infinite one. */
  readonly buckets?: readonly number[];
}

type Table = Readonly<Record<string, Metric>>;
type Names<T extends Table, K extends Metric['kind']> = { [N in keyof T]: T[N]['kind'] extends K ? N : never }[keyof T] & string;
/** One value for each label of the metric. */
export type Labels<M extends Metric> = M extends { labels: readonly (infer L extends string)[] }
  ? Readonly<Record<L, string>>
  : Readonly<Record<never, string>>;

interface Series {
  value: number;
  /** Of a histogram: observations at most as great as each bound; `value` is their sum, `count` their number. */
  readonly under: number[];
  count: number;
}

/** Counts, and writes what it counted in Prometheus' text format. One per process; the table says what there is. */
export class Metrics<T extends Table> {
  readonly #table: T;
  /** Metric to label text (`{state="up"}`, or nothing) to what was counted. */
  readonly #series = new Map<string, Map<string, Series>>();
  /** The same by the label values as they come: every request is counted, and label texts are made once. */
  readonly #known = new Map<string, Map<string, Series>>();
  readonly #callbacks = new Map<string, () => Iterable<readonly [Readonly<Record<string, string>>, number]>>();

  constructor(table: T) {
    this.#table = table;
  }

  /** Adds to a counter. */
  count<N extends Names<T, 'counter'>>(name: N, labels: Labels<T[N]>, by = 1): void {
    this.#at(name, labels).value += by;
  }

  /** Sets a gauge. */
  set<N extends Names<T, 'gauge'>>(name: N, labels: Labels<T[N]>, value: number): void {
    this.#at(name, labels).value = value;
  }

  /** Takes a gauge or a counter that somebody else keeps from there, whenever the text is asked for. */
  read<N extends Names<T, 'gauge' | 'counter'>>(name: N, values: () => Iterable<readonly [Labels<T[N]>, number]>): void {
    this.#callbacks.set(name, values);
  }

  /** Adds an observation to a histogram. */
  observe<N extends Names<T, 'histogram'>>(name: N, labels: Labels<T[N]>, value: number): void {
    const series = this.#at(name, labels);
    series.value += value;
    series.count += 1;
    const bounds = this.#table[name]?.buckets ?? [];
    // Bounds ascend: those from the first one that is not below the value on count it.
    for (let at = bounds.length - 1; at >= 0 && value <= (bounds[at] as number); at--) series.under[at] = (series.under[at] ?? 0) + 1;
  }

  /** Prometheus' text format, version 0.0.4. */
  text(): string {
    const lines: string[] = [];
    for (const [name, metric] of Object.entries(this.#table)) {
      lines.push(`# HELP ${name} ${metric.help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`, `# TYPE ${name} ${metric.kind}`);
      for (const [labels, value] of this.#callbacks.get(name)?.() ?? []) lines.push(`${name}${formatLabels(metric, labels)} ${formatValue(value)}`);
      for (const [labels, series] of this.#series.get(name) ?? []) lines.push(...formatSeries(name, metric, labels, series));
    }
    return `${lines.join('\n')}\n`;
  }

  #at(name: string, labels: Readonly<Record<string, string>>): Series {
    const metric = this.#table[name];
    if (!metric) throw new TypeError(`there is no metric ${name}`);
    let values = '';
    for (const label of metric.labels ?? []) values += `${labels[label] ?? ''}\0`;
    const known = this.#known.get(name)?.get(values);
    if (known) return known;
    let all = this.#series.get(name);
    if (!all) this.#series.set(name, (all = new Map()));
    let key = formatLabels(metric, labels);
    // Labels can come from peers: past the limit they share one series.
    const isOther = !all.has(key) && all.size >= limits.seriesMax;
    if (isOther) key = formatLabels(metric, Object.fromEntries((metric.labels ?? []).map((label) => [label, 'other'])));
    let series = all.get(key);
    if (!series) all.set(key, (series = { value: 0, under: (metric.buckets ?? []).map(() => 0), count: 0 }));
    if (!isOther) this.#known.set(name, (this.#known.get(name) ?? new Map<string, Series>()).set(values, series));
    return series;
  }
}

function formatLabels(metric: Metric, labels: Readonly<Record<string, string>>): string {
  if (!metric.labels?.length) return '';
  return `{${metric.labels.map((label) => `${label}="${escapeLabel(labels[label] ?? '')}"`).join(',')}}`;
}

const formatValue = (value: number): string => (Number.isFinite(value) ? String(value) : Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf');

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function formatSeries(name: string, metric: Metric, labels: string, series: Series): string[] {
  if (metric.kind !== 'histogram') return [`${name}${labels} ${formatValue(series.value)}`];
  const bucket = (bound: number | '+Inf', count: number) => `${name}_bucket${labels === '' ? '{' : `${labels.slice(0, -1)},`}le="${bound}"} ${count}`;
  const buckets = (metric.buckets ?? []).map((bound, index) => bucket(bound, series.under[index] ?? 0));
  return [...buckets, bucket('+Inf', series.count), `${name}_sum${labels} ${series.value}`, `${name}_count${labels} ${series.count}`];
}
