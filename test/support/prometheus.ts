export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly kind: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

/** The value of one series; labels that are not named do not matter. NaN is one that has no value. */
export function valueIn(families: ReadonlyMap<string, Family>, name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
  const samples = [...families.values()].flatMap((family) => family.samples);
  return samples.find((each) => each.name === name && Object.entries(labels).every(([label, value]) => each.labels[label] === value))?.value;
}

const sampleLine = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const labelPart = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/y;
const number = /^([+-]?Inf|NaN|[+-]?\d+(\.\d+)?(e[+-]?\d+)?)$/;

/**
 * Reads Prometheus' text format 0.0.4 as strictly as it is written down: HELP, then TYPE, then the samples of that family alone; no series
 * twice; histograms that rise up to +Inf, with the sum and the count. Throws at the first line that is wrong.
 */
export function parseExposition(text: string): Map<string, Family> {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const families = new Map<string, Family & { samples: Sample[] }>();
  const seen = new Set<string>();
  let current: string | null = null;
  let help: [string, string] | null = null;
  for (const [index, line] of text.slice(0, -1).split('\n').entries()) {
    const wrong = (why: string) => new Error(`line ${index + 1}: ${why}: ${line}`);
    const [, word, name = '', rest = ''] = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line) ?? [];
    if (word === 'HELP') {
      if (families.has(name)) throw wrong('a family stands twice');
      help = [name, rest];
    } else if (word === 'TYPE') {
      if (help?.[0] !== name) throw wrong('no HELP before TYPE');
      if (!['counter', 'gauge', 'histogram'].includes(rest)) throw wrong('not a type');
      families.set(name, { kind: rest, help: help[1], samples: [] });
      [current, help] = [name, null];
    } else {
      const sample = readSample(line);
      if (!sample) throw wrong('not a sample');
      const family: (Family & { samples: Sample[] }) | undefined = current === null ? undefined : families.get(current);
      const suffixes = family?.kind === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
      if (!family || !suffixes.some((suffix) => sample.name === current + suffix)) throw wrong('a sample outside its family');
      const key = JSON.stringify([sample.name, Object.entries(sample.labels).sort()]);
      if (seen.has(key)) throw wrong('a series stands twice');
      seen.add(key);
      if (family.kind === 'counter' && !(sample.value >= 0)) throw wrong('a counter below 0');
      family.samples.push(sample);
    }
  }
  for (const [name, { kind, samples }] of families) if (kind === 'histogram') checkHistogram(name, samples);
  return families;
}

function readSample(line: string): Sample | null {
  const [, name, inner, value = ''] = sampleLine.exec(line) ?? [];
  if (name === undefined || !number.test(value)) return null;
  const labels: Record<string, string> = {};
  labelPart.lastIndex = 0;
  for (let at = 0; inner !== undefined && at < inner.length; at = labelPart.lastIndex) {
    const [, label, text = ''] = labelPart.exec(inner) ?? [];
    if (label === undefined || label in labels) return null;
    labels[label] = text.replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c));
  }
  return { name, labels, value: Number(value.replace('Inf', 'Infinity')) };
}

function checkHistogram(name: string, samples: readonly Sample[]): void {
  const groups = new Map<string, { last: number; bound: number; infinite: number | null; sum: boolean; count: number | null }>();
  for (const { name: full, labels, value } of samples) {
    const { le, ...others } = labels;
    const key = JSON.stringify(Object.entries(others).sort());
    const group = groups.get(key) ?? { last: 0, bound: -Infinity, infinite: null, sum: false, count: null };
    groups.set(key, group);
    if (full === `${name}_sum`) group.sum = true;
    else if (full === `${name}_count`) group.count = value;
    else {
      const bound = Number(String(le).replace('Inf', 'Infinity'));
      if (!(bound > group.bound) || value < group.last) throw new Error(`${name}${key}: buckets do not rise at ${le}`);
      [group.last, group.bound] = [value, bound];
      if (bound === Infinity) group.infinite = value;
    }
  }
  for (const [key, { infinite, sum, count }] of groups)
    if (infinite === null || !sum || infinite !== count) throw new Error(`${name}${key}: +Inf, sum and count do not fit together`);
}
