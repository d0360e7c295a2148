import { execFileSync } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { kelpBin } from '../../support/run-kelp.js';
import { addCpu, type Bench, type Row, type RowOptions } from '../result.js';
import { fillStore } from '../support/fill.js';
import { KelpProgram } from '../support/kelp.js';
import { cpuSince, peakBytesOf, Program, type Cpu } from '../support/program.js';
import { exportCsv, importCsv, schemaOf, sqlite } from '../support/sqlite-shell.js';

/** Recorded changes into a folder and into a running filer, against the sqlite3 shell that imports the rows they make. */
export const replay: Bench = {
  name: 'replay',
  run: async ({ dir, quick, profile, say }: RowOptions): Promise<Row[]> => {
    const [rounds, count] = quick ? [1, 100_000] : [3, 400_000];
    await fillStore(join(dir, 'A'), count);
    const store = join(dir, 'A', 'filer.db');
    const csv = { entries: join(dir, 'entries.csv'), log: join(dir, 'log.csv') };
    exportCsv(store, csv.entries, 'SELECT e.* FROM entries AS e ORDER BY seq');
    exportCsv(store, csv.log, 'SELECT * FROM log ORDER BY idx');
    const tables = (['entries', 'log'] as const).map((name) => ({ name, csv: csv[name], schema: schemaOf(store, name) }));
    const lines = join(dir, 'changes.jsonl');
    sqlite(store, '.mode list', `.output ${lines}`, 'SELECT text FROM log ORDER BY idx');
    const total = Number(sqlite(store, 'SELECT count(*) FROM log'));
    say(`${total} changes are recorded`);

    const rates = { folder: [] as number[], filer: [] as number[], sqlite: [] as number[] };
    const cpu = { folder: {} as Record<string, Cpu>, filer: {} as Record<string, Cpu>, sqlite: {} as Record<string, Cpu> };
    const peak = { folder: 0, client: 0, filer: 0, sqlite3: 0 };
    for (let round = 1; round <= rounds; round++) {
      const folder = join(dir, `folder-${round}`);
      const offline = await replayed(['--store', folder], lines, profile);
      rates.folder.push(total / offline.seconds);
      addCpu(cpu.folder, 'replay', offline.cpu);
      peak.folder = Math.max(peak.folder, offline.peakBytes);
      if (Number(sqlite(join(folder, 'filer.db'), 'SELECT count(*) FROM log')) !== total) throw new Error('the folder does not hold all changes');
      await rm(folder, { recursive: true });

      const filer = await KelpProgram.filer(`F${round}`, join(dir, `F${round}`), null, { profile });
      const before = filer.program.cpu;
      const online = await replayed(['--filer', filer.address], lines, profile);
      rates.filer.push(total / online.seconds);
      addCpu(cpu.filer, 'replay', online.cpu);
      addCpu(cpu.filer, 'filer', cpuSince(before, filer.program.cpu));
      peak.client = Math.max(peak.client, online.peakBytes);
      peak.filer = Math.max(peak.filer, filer.program.peakBytes);
      const info = await filer.info();
      if (info.position[info.origin] !== total) throw new Error('the filer does not hold all changes');
      await filer.stop();
      await rm(join(dir, `F${round}`), { recursive: true });

      const imported = await importCsv(join(dir, `import-${round}.db`), tables);
      await rm(join(dir, `import-${round}.db`));
      rates.sqlite.push(total / imported.seconds);
      addCpu(cpu.sqlite, 'sqlite3', imported.cpu);
      peak.sqlite3 = Math.max(peak.sqlite3, imported.peakBytes);
      say(`round ${round}: folder ${rate(rates.folder)}, filer ${rate(rates.filer)}, sqlite3 ${rate(rates.sqlite)} changes/s`);
    }
    const against = { what: 'sqlite3 .import, same tables', values: rates.sqlite, peakBytes: { sqlite3: peak.sqlite3 }, cpu: cpu.sqlite };
    const common = { unit: 'changes/s', digits: 0, against, notes: [] };
    return [
      {
        ...common,
        title: `replay of ${total} recorded creates into a folder, from the start of the process (${rounds} rounds)`,
        kelp: { what: 'kelp filer.meta.replay --store', values: rates.folder, peakBytes: { replay: peak.folder }, cpu: cpu.folder },
        aim: { relation: '≥', ratio: 0.5, peakBytesMax: 200e6 },
      },
      {
        ...common,
        title: `replay of ${total} recorded creates into a running filer, from the start of the process (${rounds} rounds)`,
        kelp: { what: 'kelp filer.meta.replay --filer', values: rates.filer, peakBytes: { replay: peak.client, filer: peak.filer }, cpu: cpu.filer },
        aim: { relation: '≥', ratio: 0.3 },
      },
    ];
  },
};

const rate = (values: readonly number[]) => Math.round(values.at(-1) ?? 0);

async function replayed(args: readonly string[], lines: string, profile: string | undefined): Promise<{ seconds: number; peakBytes: number; cpu: Cpu }> {
  const node = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  const started = performance.now();
  const program = Program.start('replay', process.execPath, [...node, kelpBin, 'filer.meta.replay', lines, ...args]);
  const seen = { peakBytes: 0, cpu: { user: 0, system: 0 } };
  const look = setInterval(() => {
    try {
      seen.peakBytes = peakBytesOf(program.child.pid as number) || seen.peakBytes;
      seen.cpu = program.cpu;
    } catch {
      // It has just ended: what was seen last has to do.
    }
  }, 50);
  await program.ended().finally(() => clearInterval(look));
  return { seconds: (performance.now() - started) / 1000, ...seen };
}

/** What a feed of a filer gives a pipe. */
export const tail: Bench = {
  name: 'tail',
  run: async ({ dir, quick, profile, say }: RowOptions): Promise<Row[]> => {
    const [rounds, count] = quick ? [1, 200_000] : [3, 500_000];
    await fillStore(join(dir, 'A'), count);
    const filer = await KelpProgram.filer('A', join(dir, 'A'), null, { profile });
    const { origin, position } = await filer.info();
    const total = position[origin] as number;
    const rates: number[] = [];
    const cpu: Record<string, Cpu> = {};
    for (let round = 1; round <= rounds; round++) {
      const before = filer.program.cpu;
      const started = performance.now();
      const command = [process.execPath, kelpBin, 'filer.meta.tail', `--filer=${filer.address}`, '--position=', '--no-follow'];
      const lines = Number(execFileSync('sh', ['-c', '"$@" | wc -l', 'sh', ...command], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
      if (lines !== total) throw new Error(`${lines} lines came of ${total} changes`);
      rates.push(total / ((performance.now() - started) / 1000));
      addCpu(cpu, 'filer', cpuSince(before, filer.program.cpu));
      say(`round ${round}: ${rate(rates)} changes/s`);
    }
    const peakBytes = { filer: filer.program.peakBytes };
    await filer.stop();
    return [
      {
        title: `filer.meta.tail of ${total} changes into a pipe, from the start of the process (${rounds} rounds)`,
        unit: 'changes/s',
        digits: 0,
        kelp: { what: 'kelp filer.meta.tail | wc -l', values: rates, peakBytes, cpu },
        against: { what: 'what it must reach', values: [100_000], peakBytes: {}, cpu: {} },
        aim: { relation: '≥', ratio: 1 },
        notes: [],
      },
    ];
  },
};

/** How long the smallest command takes from start to exit. */
export const start: Bench = {
  name: 'start',
  run: async ({ dir, quick }: RowOptions): Promise<Row[]> => {
    const rounds = quick ? 5 : 15;
    await fillStore(join(dir, 'A'), 1);
    const times = { kelp: [] as number[], node: [] as number[] };
    const timed = (args: readonly string[]): number => {
      const started = performance.now();
      execFileSync(process.execPath, args, { stdio: 'ignore' });
      return performance.now() - started;
    };
    for (let round = 0; round < rounds; round++) {
      times.node.push(timed(['-e', '0']));
      times.kelp.push(timed([kelpBin, 'filer.store.id', `--store=${join(dir, 'A')}`]));
    }
    return [
      {
        title: `filer.store.id of a folder, from start to exit (${rounds} rounds)`,
        unit: 'ms',
        digits: 0,
        kelp: { what: 'kelp filer.store.id --store', values: times.kelp, peakBytes: {}, cpu: {} },
        against: { what: 'node -e 0', values: times.node, peakBytes: {}, cpu: {} },
        aim: { relation: '≤', ratio: 6 },
        notes: [],
      },
    ];
  },
};
