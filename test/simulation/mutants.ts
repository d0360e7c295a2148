import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { brokenRules, type BrokenRule } from './broken-rules.js';

/*
 * npm run mutants [-- --seeds 500] [--only NAME] [--from 1]
 *
 * Breaks one rule at a time in a copy of the core and lets the simulation look for it, seed after seed. A rule whose loss goes
 * unnoticed is a hole in the simulation. Prints which seed and which invariant caught each; exit 1 if any survived, or if the
 * core as it is does not hold.
 */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '500' },
    from: { type: 'string', default: '1' },
    only: { type: 'string' },
  },
});
const root = fileURLToPath(new URL('../..', import.meta.url));
/** A core that is left whole must hold for this many seeds. */
const saneSeeds = 10;
const minutesMax = 30;

interface Verdict {
  readonly seed: number;
  /** The invariant, or BUG if the core threw. */
  readonly invariant: string;
  readonly message: string;
}

/** Copies what the simulation needs, breaks the rule there (null = none), and runs it. Resolves null if nothing was noticed. */
async function seek(rule: BrokenRule | null, seeds: number): Promise<Verdict | null> {
  const folder = await mkdtemp(join(tmpdir(), 'kelp-mutant-'));
  try {
    for (const part of ['package.json', 'tsconfig.json', 'src', 'test/simulation']) await cp(join(root, part), join(folder, part), { recursive: true });
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
    for (const { file, find, replace } of rule?.patches ?? []) {
      const parts = (await readFile(join(folder, file), 'utf8')).split(find);
      if (parts.length !== 2) throw new Error(`${rule?.name}: found ${parts.length - 1} times in ${file}, must stand there once: ${find}`);
      await writeFile(join(folder, file), parts.join(replace));
    }
    const output = await run(folder, ['--seeds', String(seeds), '--from', values.from, '--workers', '1', '--stop']);
    const [, seed, invariant, message] = /^seed (\d+): (\S+) (.*)$/m.exec(output) ?? [];
    if (seed === undefined && !/seeds hold/.test(output))
      throw new Error(`${rule?.name ?? 'the whole core'}: the simulation did not end: ${output.slice(-500)}`);
    return seed === undefined ? null : { seed: Number(seed), invariant: invariant as string, message: message as string };
  } finally {
    await rm(folder, { recursive: true });
  }
}

function run(folder: string, flags: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    const args = ['--import', 'tsx', 'test/simulation/run.ts', ...flags];
    // A failing simulation exits 1: what it says is what counts.
    execFile(process.execPath, args, { cwd: folder, timeout: minutesMax * 60_000, maxBuffer: 64 * 1024 * 1024 }, (_error, stdout, stderr) =>
      resolve(stdout || stderr),
    );
  });
}

const whole = await seek(null, saneSeeds);
if (whole) {
  console.log(`the core as it is fails at seed ${whole.seed}: ${whole.invariant} ${whole.message}`);
  process.exit(1);
}
const chosen = brokenRules.filter(({ name }) => values.only === undefined || name === values.only);
if (chosen.length === 0) throw new Error(`no rule is called ${values.only}; one of: ${brokenRules.map(({ name }) => name).join(' ')}`);
const width = Math.max(...chosen.map(({ name }) => name.length));
const survivors: string[] = [];
const left = [...chosen];
const work = async () => {
  for (let rule = left.shift(); rule !== undefined; rule = left.shift()) {
    const verdict = await seek(rule, Number(values.seeds));
    if (verdict === null) survivors.push(rule.name);
    const found = verdict ? `seed ${String(verdict.seed).padStart(4)}  ${verdict.invariant.padEnd(4)}` : 'SURVIVED';
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
