import type { NameFilter } from '../../namespace/namespace.js';

/*
 * Go's `path.Match` for one name: `*` any characters, `?` one, `[a-z]` and `[^a-z]` one of a class, `\x` x itself. Matched by hand in time
 * (name × pattern): a regular expression, also the one a glob library makes, takes exponential time for patterns like `*a*a*a*b`.
 */

/** One character of the pattern; null = `*`. */
type Step = { readonly negated: boolean; readonly ranges: readonly (readonly [low: string, high: string])[] } | null;

export interface NamePattern {
  /** What every matching name starts with: the part before the first wildcard. */
  readonly prefix: string;
  readonly matches: NameFilter;
}

/** Null if `text` is malformed: a class without end, an escape of nothing. */
export function parseNamePattern(text: string): NamePattern | null {
  const steps = parseSteps([...text]);
  if (steps === null) return null;
  const literals = steps.map(literalOf);
  const end = literals.indexOf(null);
  return { prefix: literals.slice(0, end < 0 ? literals.length : end).join(''), matches: (name) => matchSteps(steps, [...name]) };
}

const anyCharacter: Step = { negated: true, ranges: [] };

function literalOf(step: Step): string | null {
  const [range, more] = step?.ranges ?? [];
  return step === null || step.negated || more !== undefined || range === undefined || range[0] !== range[1] ? null : range[0];
}

function parseSteps(text: readonly string[]): Step[] | null {
  const steps: Step[] = [];
  for (let at = 0; at < text.length; at++) {
    const character = text[at] as string;
    if (character === '*') {
      if (steps.at(-1) !== null) steps.push(null);
    } else if (character === '?') {
      steps.push(anyCharacter);
    } else if (character === '[') {
      const parsed = parseClass(text, at + 1);
      if (parsed === null) return null;
      steps.push(parsed.step);
      at = parsed.end;
    } else {
      const literal = character === '\\' ? text[++at] : character;
      if (literal === undefined) return null;
      steps.push({ negated: false, ranges: [[literal, literal]] });
    }
  }
  return steps;
}

/** The class that begins behind its `[`; `end` is the place of its `]`. */
function parseClass(text: readonly string[], start: number): { step: Step; end: number } | null {
  const ranges: [string, string][] = [];
  const negated = text[start] === '^';
  let at = negated ? start + 1 : start;
  const take = (): string | null => {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '-' || text[at] === ']') return null;
    return text[at++] ?? null;
  };
  while (text[at] !== ']' || ranges.length === 0) {
    const low = take();
    if (low === null) return null;
    let high: string | null = low;
    if (text[at] === '-') {
      at += 1;
      high = take();
      if (high === null) return null;
    }
    ranges.push([low, high]);
  }
  return { step: { negated, ranges }, end: at };
}

function fits(step: NonNullable<Step>, character: string): boolean {
  const code = character.codePointAt(0) as number;
  return step.ranges.some(([low, high]) => code >= (low.codePointAt(0) as number) && code <= (high.codePointAt(0) as number)) !== step.negated;
}

function matchSteps(steps: readonly Step[], name: readonly string[]): boolean {
  let at = 0;
  let next = 0;
  /** Where to go on after the last `*` if what follows it does not fit: only the last one ever needs another try. */
  let star = -1;
  let retry = 0;
  while (at < name.length) {
    const step = steps[next];
    if (step === null) {
      star = next++;
      retry = at;
    } else if (step !== undefined && fits(step, name[at] as string)) {
      next += 1;
      at += 1;
    } else if (star >= 0) {
      next = star + 1;
      at = ++retry;
    } else {
      return false;
    }
  }
  return next === steps.length || (next === steps.length - 1 && steps[next] === null);
}
