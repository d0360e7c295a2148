import { median, type Bench, type Row, type RowOptions } from '../result.js';
import { applyInTurn, type Applied } from '../support/apply.js';

/** What digest and ledger cost where it counts: changes of peers that are applied one page after another. */
export const accounting: Bench = {
  name: 'accounting',
  run: async ({ dir, quick, profile, say }: RowOptions): Promise<Row[]> => {
    const [rounds, count] = quick ? [3, 20_000] : [7, 50_000];
    const { runs, peakBytes } = await applyInTurn(dir, rounds, count, profile);
    const [full, none] = (['full', 'none'] as const).map((which) => runs.filter(({ accounting: used }) => used === which)) as [Applied[], Applied[]];
    const rates = (side: readonly Applied[]) => side.map(({ changes, seconds }) => changes / seconds);
    const cpu = (side: readonly Applied[]) => ({
      apply: { user: side.reduce((sum, run) => sum + run.cpuSeconds.user, 0), system: side.reduce((sum, run) => sum + run.cpuSeconds.system, 0) },
    });
    const ratios = full.map((run, i) => (none[i] as Applied).seconds / run.seconds);
    const cpuRatios = full.map((run, i) => totalCpu(none[i] as Applied) / totalCpu(run));
    ratios.forEach((ratio, i) => say(`round ${i + 1}: ${ratio.toFixed(2)}x, by CPU time ${(cpuRatios[i] as number).toFixed(2)}x`));
    return [
      {
        title: `pages of two peers applied with digest and ledger, and without (${rounds} x ${full[0]?.changes ?? 0} changes)`,
        unit: 'changes/s',
        digits: 0,
        kelp: { what: 'kelp', values: rates(full), peakBytes: { apply: peakBytes }, cpu: cpu(full) },
        against: { what: 'kelp, no digest, no ledger', values: rates(none), peakBytes: { apply: peakBytes }, cpu: cpu(none) },
        aim: { relation: '≥', ratio: 0.8 },
        notes: [
          `round by round ${spread(ratios)}, by CPU time ${spread(cpuRatios)}; ${full[0]?.conflicts ?? 0} conflicts to the ledger, ${none[0]?.conflicts ?? 0} without`,
        ],
      },
    ];
  },
};

const totalCpu = ({ cpuSeconds: { user, system } }: Applied) => user + system;

const spread = (values: readonly number[]) => `${median(values).toFixed(2)}x (${Math.min(...values).toFixed(2)}–${Math.max(...values).toFixed(2)})`;
