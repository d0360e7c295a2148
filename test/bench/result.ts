import type { Cpu } from './support/program.js';

/** One side of a row: what it reached, round by round. */
export interface Side {
  readonly what: string;
  /** One value a round, in the unit of the row. */
  readonly values: readonly number[];
  /** Peak memory of each process of this side, bytes. */
  readonly peakBytes: Readonly<Record<string, number>>;
  /** CPU time of each process while it was measured, seconds, all rounds together. */
  readonly cpu: Readonly<Record<string, Cpu>>;
}

/** One row of the table. The ratio is kelp's median by the other's. */
export interface Row {
  readonly title: string;
  readonly unit: string;
  readonly digits: number;
  readonly kelp: Side;
  readonly against: Side;
  readonly aim: { readonly relation: '≥' | '≤'; readonly ratio: number; readonly peakBytesMax?: number };
  /** What else was seen. */
  readonly notes: readonly string[];
}

export interface RowOptions {
  /** A folder on a disk; its owner removes it. */
  readonly dir: string;
  readonly quick: boolean;
  /** A folder for CPU profiles of the filers; undefined = none. */
  readonly profile?: string;
  say(line: string): void;
}

/** Takes one measurement; some give more than one row. */
export interface Bench {
  readonly name: string;
  run(options: RowOptions): Promise<Row[]>;
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
};

export const ratioOf = (row: Row): number => median(row.kelp.values) / median(row.against.values);

/** Every process of kelp's side, the one with most memory. */
const mostBytes = (side: Side): number => Math.max(0, ...Object.values(side.peakBytes));

/** What the row falls short of; empty if it holds. */
export function shortOf(row: Row): string[] {
  const { relation, ratio, peakBytesMax } = row.aim;
  const reached = ratioOf(row);
  const short: string[] = [];
  if (relation === '≥' ? reached < ratio : reached > ratio) short.push(`${reached.toFixed(2)}x, aim ${relation} ${ratio}x`);
  if (peakBytesMax !== undefined && mostBytes(row.kelp) > peakBytesMax) short.push(`${megabytes(mostBytes(row.kelp))}, aim ≤ ${megabytes(peakBytesMax)}`);
  return short;
}

const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;

function sideLine(row: Row, side: Side): string {
  const show = (value: number) => value.toLocaleString('en-US', { maximumFractionDigits: row.digits, minimumFractionDigits: row.digits });
  const spread = side.values.length > 1 ? ` (${show(Math.min(...side.values))}–${show(Math.max(...side.values))})` : '';
  return `${show(median(side.values))} ${row.unit}${spread}`;
}

/** A row as people read it: what, both sides, the ratio, memory, and where the time went. */
export function formatRow(row: Row): string {
  const short = shortOf(row);
  const { relation, ratio } = row.aim;
  const lines = [
    row.title,
    ...[row.kelp, row.against].map((side) => {
      const memory = Object.entries(side.peakBytes).map(([name, bytes]) => `${name} ${megabytes(bytes)}`);
      return `  ${side.what.padEnd(34)} ${sideLine(row, side).padEnd(40)} peak ${memory.join(', ')}`;
    }),
    `  ${ratioOf(row).toFixed(2)}x, aim ${relation} ${ratio}x: ${short.length === 0 ? 'reached' : `SHORT (${short.join('; ')})`}`,
    `  cpu ${[...cpuLines(row.kelp), ...cpuLines(row.against)].join(' · ')}`,
    ...row.notes.map((note) => `  ${note}`),
  ];
  return lines.join('\n');
}

const cpuLines = (side: Side): string[] =>
  Object.entries(side.cpu).map(([name, { user, system }]) => `${name} ${user.toFixed(1)} s user + ${system.toFixed(1)} s system`);

/** Adds up the CPU of rounds, process by process. */
export function addCpu(total: Record<string, Cpu>, name: string, cpu: Cpu): void {
  const before = total[name] ?? { user: 0, system: 0 };
  total[name] = { user: before.user + cpu.user, system: before.system + cpu.system };
}
