import type { Metric, Metrics } from './metrics.js';

/** What every process tells of itself. */
export const processTable = {
  kelp_build_info: { kind: 'gauge', help: 'Always 1; the labels say what runs.', labels: ['version', 'node'] },
  kelp_uptime_seconds: { kind: 'gauge', help: 'Time since the process started.' },
  kelp_memory_bytes: {
    kind: 'gauge',
    help: 'Memory: rss is what the system counts, heap what JavaScript uses, external buffers and SQLite.',
    labels: ['kind'],
  },
  kelp_cpu_seconds_total: { kind: 'counter', help: 'Processor time of all threads.' },
} as const satisfies Record<string, Metric>;

/** Process of node, as far as it is told. */
export interface ProcessFigures {
  readonly version: string;
  uptime(): number;
  memoryUsage(): { readonly rss: number; readonly heapUsed: number; readonly external: number };
  cpuUsage(): { readonly user: number; readonly system: number };
}

/** `program` is name and version. */
export function tellProcess(metrics: Metrics<typeof processTable>, program: string, figures: ProcessFigures): void {
  metrics.read('kelp_build_info', () => [[{ version: program.split(' ').at(-1) ?? program, node: figures.version }, 1]]);
  metrics.read('kelp_uptime_seconds', () => [[{}, figures.uptime()]]);
  metrics.read('kelp_memory_bytes', () => {
    const { rss, heapUsed, external } = figures.memoryUsage();
    return [
      [{ kind: 'rss' }, rss],
      [{ kind: 'heap' }, heapUsed],
      [{ kind: 'external' }, external],
    ];
  });
  metrics.read('kelp_cpu_seconds_total', () => {
    const { user, system } = figures.cpuUsage();
    return [[{}, (user + system) / 1e6]];
  });
}
