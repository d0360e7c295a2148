import { setMaxListeners } from 'node:events';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Compiled } from './compiled.js';
import { essential } from './coverage.js';
import { installPlainAbort } from './plain-abort.js';
import { runSeed, runSeeds, type SeedResult } from './run-seeds.js';

/*
 * npm run sim -- --seeds 2000 [--from 1] [--steps 100] [--workers 2] [--stop]
 * npm run sim -- --seed 17 --verbose
 *
 * npm run sim:clusters does the same with several clusters and syncs between them.
 *
 * Says on stdout what failed and how to run it again, how often what matters has happened, and a last line; exit 1 if anything failed, or
 * if in many long histories something essential never happened.
 */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    steps: { type: 'string', default: '100' },
    workers: { type: 'string', default: String(Math.min(2, availableParallelism())) },
    verbose: { type: 'boolean', default: false },
    stop: { type: 'boolean', default: false },
    clusters: { type: 'boolean', default: false },
  },
});
const subject = values.clusters ? 'clusters' : 'cluster';
const progressEvery = 200;
/** From so many steps in all on everything essential happens, and what did not counts as a failure. */
const essentialFromSteps = { cluster: 100_000, clusters: 15_000 };
/** From so many steps in all on it pays to compile first. */
const compiledFromSteps = 20_000;
const from = Number(values.seed ?? values.from);
const seeds = Array.from({ length: values.seed === undefined ? Number(values.seeds) : 1 }, (_, i) => from + i);
const steps = Number(values.steps);
const started = Date.now();
const elapsed = () => (Date.now() - started) / 1000;
const seconds = () => `${elapsed().toFixed(1)} s`;
const totals = new Map<string, number>();
let done = 0;
let failed = 0;

function took({ seed, violation, coverage }: SeedResult): boolean {
  done += 1;
  for (const [name, times] of Object.entries(coverage)) totals.set(name, (totals.get(name) ?? 0) + times);
  if (violation !== null) {
    failed += 1;
    const again = [`npm run ${values.clusters ? 'sim:clusters' : 'sim'} --`, ...(steps === 100 ? [] : [`--steps ${steps}`]), `--seed ${seed} --verbose`].join(
      ' ',
    );
    console.log(`seed ${seed}: ${violation}\n  again: ${again}`);
  }
  if (done % progressEvery === 0 && done < seeds.length) console.error(`${done} of ${seeds.length} seeds, ${failed} failed, ${seconds()}`);
  return violation === null || !values.stop;
}

if (values.seed === undefined) {
  const compiled = seeds.length * steps < compiledFromSteps ? null : await Compiled.make();
  await runSeeds(seeds, { subject, steps, workers: Number(values.workers), compiled }, took).finally(() => compiled?.remove());
} else {
  setMaxListeners(0);
  installPlainAbort();
  took(await runSeed(subject, from, steps, values.verbose));
}
console.log(JSON.stringify(Object.fromEntries([...totals].sort(([a], [b]) => (a < b ? -1 : 1))), null, 2));
const never = done * steps < essentialFromSteps[subject] ? [] : essential[subject].filter((name) => !totals.has(name));
if (never.length > 0) console.log(`never happened: ${never.join('; ')}`);
const rate = (count: number) => (count / elapsed()).toFixed(1);
console.log(`${done - failed} of ${done} seeds hold, ${seconds()}: ${rate(done)} seeds and ${rate(done * steps)} steps a second`);
process.exit(failed > 0 || never.length > 0 ? 1 : 0);
