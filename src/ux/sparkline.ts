const bars = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/** A bar for each value, from 0 to the greatest of them; null, not known, is a gap. */
export function sparkline(values: readonly (number | null)[]): string {
  const greatest = Math.max(0, ...values.map((value) => value ?? 0));
  const step = (value: number): number => (greatest === 0 ? 0 : Math.round((value / greatest) * (bars.length - 1)));
  return values.map((value) => (value === null ? ' ' : bars[step(value)])).join('');
}
