import { parseArgs } from 'node:util';
import { runSeed } from './run-seeds.js';

/*
 * npm run sim -- --seeds 2000 [--from 1] [--steps 100] [--stop]
 * npm run sim -- --seed 17 --verbose
 */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    steps: { type: 'string', default: '100' },
    verbose: { type: 'boolean', default: false },
    stop: { type: 'boolean', default: false },
  },
});
const from = Number(values.seed ?? values.from);
const count = values.seed === undefined ? Number(values.seeds) : 1;
const started = Date.now();
let failed = 0;
const totals: Record<string, number> = {};
for (let seed = from; seed < from + count; seed++) {
  const result = await runSeed(seed, Number(values.steps), values.verbose);
  for (const [name, times] of Object.entries(result.coverage)) totals[name] = (totals[name] ?? 0) + times;
  if (result.violation === null) continue;
  failed += 1;
  console.log(`seed ${seed}: ${result.violation}`);
  if (values.stop) break;
}
console.log(JSON.stringify(totals));
console.log(
  `${count - failed} of ${count} seeds hold, ${((Date.now() - started) / 1000).toFixed(1)} s${failed > 0 ? '; run one again with --seed N --verbose' : ''}`,
);
process.exit(failed > 0 ? 1 : 0);
