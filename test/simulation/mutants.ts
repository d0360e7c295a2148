import { rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { brokenRules as rulesOfOneCluster, type BrokenRule } from './broken-rules.js';
import { brokenSyncRules } from './clusters/broken-rules.js';
import { Compiled } from './compiled.js';
import { runSeeds, type SeedResult, type Subject } from './run-seeds.js';

/*
 * npm run mutants [-- --seeds 500] [--steps 100] [--only NAME,NAME] [--from 1]
 *
 * Breaks one rule at a time in a copy of the core and lets the simulation look for it, seed after seed. A rule whose loss goes
 * unnoticed is a hole in the simulation. Prints which seed and which invariant caught each; exit 1 if any survived, or if the
 * core as it is does not hold.
 */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '500' },
    from: { type: 'string', default: '1' },
    steps: { type: 'string', default: '100' },
    only: { type: 'string' },
  },
});
/** A core that is left whole must hold for this many seeds. */
const saneSeeds = 10;

interface Verdict {
  readonly seed: number;
  /** Begins with the invariant, or with BUG if the core threw. */
  readonly violation: string;
}

const core = await Compiled.make();
process.on('exit', () => rmSync(core.folder, { recursive: true, force: true }));

const brokenRules = [...rulesOfOneCluster, ...brokenSyncRules];

/** Runs the simulation on the core with this rule broken, null = none. Resolves null if nothing was noticed. */
async function seek(rule: BrokenRule | null, subject: Subject, count: number): Promise<Verdict | null> {
  const compiled = await core.patched(rule?.patches ?? []);
  const seeds = Array.from({ length: count }, (_, i) => Number(values.from) + i);
  let found: Verdict | null = null;
  const took = ({ seed, violation }: SeedResult) => {
    if (violation === null) return true;
    found ??= { seed, violation };
    return false;
  };
  await runSeeds(seeds, { subject, steps: Number(values.steps), workers: 1, compiled }, took).finally(() => compiled.remove());
  return found;
}

for (const subject of ['cluster', 'clusters'] as const) {
  const whole = await seek(null, subject, saneSeeds);
  if (whole) {
    console.log(`the core as it is fails at seed ${whole.seed}: ${whole.violation}`);
    process.exit(1);
  }
}
const only = values.only?.split(',');
const chosen = brokenRules.filter(({ name }) => only === undefined || only.includes(name));
if (chosen.length !== (only?.length ?? chosen.length))
  throw new Error(`not every rule is called so: ${values.only}; one of: ${brokenRules.map(({ name }) => name).join(' ')}`);
const width = Math.max(...chosen.map(({ name }) => name.length));
const survivors: string[] = [];
const left = [...chosen];
const work = async () => {
  for (let rule = left.shift(); rule !== undefined; rule = left.shift()) {
    const verdict = await seek(rule, rule.subject ?? 'cluster', Number(values.seeds));
    if (verdict === null) survivors.push(rule.name);
    const found = verdict ? `seed ${String(verdict.seed).padStart(4)}  ${verdict.violation.split(' ')[0]?.padEnd(4)}` : 'SURVIVED';
    console.log(`${rule.name.padEnd(width)}  ${found.padEnd(15)}  ${rule.why}`);
  }
};
await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, work));
console.log(
  survivors.length === 0
    ? `all ${chosen.length} broken rules were noticed`
    : `${survivors.length} of ${chosen.length} were not noticed: ${survivors.join(' ')}`,
);
process.exit(survivors.length === 0 ? 0 : 1);
