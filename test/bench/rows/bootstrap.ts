import { join } from 'node:path';
import { rm } from 'node:fs/promises';
import { waitFor } from '../../support/wait-for.js';
import { addCpu, type Bench, type Row, type RowOptions } from '../result.js';
import { fillStore } from '../support/fill.js';
import { KelpProgram } from '../support/kelp.js';
import { cpuSince, type Cpu } from '../support/program.js';
import { exportCsv, importCsv, schemaOf } from '../support/sqlite-shell.js';

/** A fresh filer takes the snapshot of a great one. */
export const bootstrap: Bench = {
  name: 'bootstrap',
  run: async ({ dir, quick, profile, say }: RowOptions): Promise<Row[]> => {
    const [rounds, count] = quick ? [2, 100_000] : [2, 1_000_000];
    await fillStore(join(dir, 'A'), count);
    say(`${count} entries are there`);
    const store = join(dir, 'A', 'filer.db');
    const csv = join(dir, 'entries.csv');
    exportCsv(store, csv, 'SELECT * FROM entries ORDER BY bucket, directory, name');
    const schema = schemaOf(store, 'entries');

    const master = await KelpProgram.master(join(dir, 'master'));
    const source = await KelpProgram.filer('A', join(dir, 'A'), master, { profile });
    const goal = await source.info();
    const seconds = { kelp: [] as number[], sqlite: [] as number[] };
    const cpu = { kelp: {} as Record<string, Cpu>, sqlite: {} as Record<string, Cpu> };
    const peak = { source: 0, fresh: 0, sqlite3: 0 };
    for (let round = 1; round <= rounds; round++) {
      const sourceBefore = source.program.cpu;
      const started = performance.now();
      const fresh = await KelpProgram.filer(`B${round}`, join(dir, `B${round}`), master, { wait: false, profile });
      await waitFor(
        async () => {
          fresh.program.mustRun();
          const { state, position } = await fresh.info();
          // Not /readyz: that waits for the filer of the round before too, until the master has noticed that it is gone.
          return state === 'ready' && position[goal.origin] === goal.position[goal.origin];
        },
        { what: 'the fresh filer to be filled', timeoutMs: 900_000, everyMs: 50 },
      );
      seconds.kelp.push((performance.now() - started) / 1000);
      addCpu(cpu.kelp, 'source', cpuSince(sourceBefore, source.program.cpu));
      addCpu(cpu.kelp, 'fresh filer', fresh.program.cpu);
      peak.source = Math.max(peak.source, source.program.peakBytes);
      peak.fresh = Math.max(peak.fresh, fresh.program.peakBytes);
      const reached = await fresh.info();
      if (reached.digest !== goal.digest || reached.counts.entries !== goal.counts.entries)
        throw new Error('the fresh filer is level with A, but its tree is another one');
      await fresh.stop();
      await rm(join(dir, `B${round}`), { recursive: true });

      const imported = await importCsv(join(dir, `import-${round}.db`), [{ name: 'entries', schema, csv }]);
      await rm(join(dir, `import-${round}.db`));
      seconds.sqlite.push(imported.seconds);
      addCpu(cpu.sqlite, 'sqlite3', imported.cpu);
      peak.sqlite3 = Math.max(peak.sqlite3, imported.peakBytes);
      say(`round ${round}: kelp ${seconds.kelp.at(-1)?.toFixed(1)} s, sqlite3 ${seconds.sqlite.at(-1)?.toFixed(1)} s`);
    }
    await source.stop();
    await master.stop();
    return [
      {
        title: `bootstrap of ${goal.counts.entries} entries, from the start of the process until it takes writes (${rounds} rounds)`,
        unit: 's',
        digits: 2,
        kelp: { what: 'kelp, snapshot of a peer', values: seconds.kelp, peakBytes: { source: peak.source, 'fresh filer': peak.fresh }, cpu: cpu.kelp },
        against: { what: 'sqlite3 .import, entries alone', values: seconds.sqlite, peakBytes: { sqlite3: peak.sqlite3 }, cpu: cpu.sqlite },
        aim: { relation: '≤', ratio: 3, peakBytesMax: 300e6 },
        notes: [],
      },
    ];
  },
};
