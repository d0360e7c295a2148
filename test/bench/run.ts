import { mkdir, mkdtemp, rm, statfs } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { formatRow, ratioOf, shortOf, type Row } from './result.js';
import { accounting } from './rows/accounting.js';
import { bootstrap } from './rows/bootstrap.js';
import { catchUp } from './rows/catch-up.js';
import { durablePuts } from './rows/durable-puts.js';
import { replay, start, tail } from './rows/replay.js';
import { sync } from './rows/sync.js';
import { visibility } from './rows/visibility.js';
import { setUp } from './setup.js';

/*
 * npm run bench -- [--setup] [--row NAME]… [--quick] [--json] [--dir FOLDER] [--profile FOLDER]
 *
 * Both sides of a row are measured in turn, in one run, on one disk: other machines and other hours give other numbers, the ratio
 * is what counts. Rows are printed as they come; --json prints them all at the end.
 */

const benches = [durablePuts, catchUp, visibility, bootstrap, accounting, replay, tail, start, sync];
const tmpfsMagic = 0x01021994;

const { values } = parseArgs({
  options: {
    setup: { type: 'boolean' },
    row: { type: 'string', multiple: true },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    dir: { type: 'string', default: tmpdir() },
    profile: { type: 'string' },
  },
});

async function run(): Promise<void> {
  const unknown = values.row?.filter((name) => !benches.some((bench) => bench.name === name)) ?? [];
  if (unknown.length > 0) throw new Error(`no row ${unknown.join(', ')}; there are ${benches.map((bench) => bench.name).join(', ')}`);
  await mkdir(values.dir, { recursive: true });
  if ((await statfs(values.dir)).type === tmpfsMagic)
    throw new Error(`${values.dir} is in memory: nothing is durable there; name a folder on a disk with --dir`);
  const cores = cpus();
  const machine = `${cores.length} cores (${cores[0]?.model ?? 'unknown'}), node ${process.version}, ${process.platform}, ${values.dir}`;
  if (!values.json) console.log(`${machine}\n`);
  const rows: Row[] = [];
  for (const bench of benches.filter(({ name }) => values.row?.includes(name) ?? true)) {
    const dir = await mkdtemp(join(values.dir, `kelp-bench-${bench.name}-`));
    try {
      const taken = await bench.run({ dir, quick: values.quick, profile: values.profile, say: (line) => console.error(`${bench.name}: ${line}`) });
      rows.push(...taken);
      if (!values.json) console.log(`${taken.map(formatRow).join('\n\n')}\n`);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  }
  if (values.json) console.log(JSON.stringify({ machine, rows: rows.map((row) => ({ ...row, ratio: ratioOf(row), short: shortOf(row) })) }, null, 2));
}

if (values.setup) setUp();
else await run();
