import { join } from 'node:path';
import { request } from 'undici';
import { waitFor } from '../../support/wait-for.js';
import { addCpu, type Bench, type Row, type RowOptions } from '../result.js';
import { fillStore } from '../support/fill.js';
import { KelpProgram, settled } from '../support/kelp.js';
import { cpuSince, type Cpu } from '../support/program.js';
import { exportCsv, importCsv, schemaOf } from '../support/sqlite-shell.js';

/** A filer that knows its peer but has none of its changes follows the feed from the start. */
export const catchUp: Bench = {
  name: 'catch-up',
  run: async ({ dir, quick, profile, say }: RowOptions): Promise<Row[]> => {
    const [rounds, count] = quick ? [1, 50_000] : [3, 200_000];
    const master = await KelpProgram.master(join(dir, 'master'));
    const followers = Array.from({ length: rounds }, (_, i) => `B${i + 1}`);

    // All meet while there is nothing: they know each other's origins then, and need no snapshot later.
    const everybody = await Promise.all(['A', ...followers].map((name) => KelpProgram.filer(name, join(dir, name), master)));
    await settled(...everybody);
    await Promise.all(everybody.map((filer) => filer.stop()));
    await fillStore(join(dir, 'A'), count);
    say(`${count} changes are logged`);

    const csv = { entries: join(dir, 'entries.csv'), log: join(dir, 'log.csv') };
    const store = join(dir, 'A', 'filer.db');
    exportCsv(store, csv.entries, 'SELECT e.* FROM entries AS e ORDER BY seq');
    exportCsv(store, csv.log, 'SELECT * FROM log ORDER BY idx');
    const tables = (['entries', 'log'] as const).map((name) => ({ name, csv: csv[name], schema: schemaOf(store, name) }));

    const source = await KelpProgram.filer('A', join(dir, 'A'), master, { profile });
    const goal = await source.info();
    const total = goal.position[goal.origin] as number;
    const rates = { kelp: [] as number[], sqlite: [] as number[] };
    const cpu = { kelp: {} as Record<string, Cpu>, sqlite: {} as Record<string, Cpu> };
    const peak = { source: 0, follower: 0, sqlite3: 0 };
    let slowestHealth = 0;
    for (const [i, name] of followers.entries()) {
      const sourceBefore = source.program.cpu;
      const started = performance.now();
      const follower = await KelpProgram.filer(name, join(dir, name), master, { wait: false, profile });
      const health = watchHealth(follower.address);
      await waitFor(
        async () => {
          follower.program.mustRun();
          return (await follower.info()).position[goal.origin] === total;
        },
        { what: `${name} to catch up`, timeoutMs: 300_000, everyMs: 20 },
      );
      rates.kelp.push(total / ((performance.now() - started) / 1000));
      slowestHealth = Math.max(slowestHealth, await health.stop());
      addCpu(cpu.kelp, 'source', cpuSince(sourceBefore, source.program.cpu));
      addCpu(cpu.kelp, 'follower', follower.program.cpu);
      peak.source = Math.max(peak.source, source.program.peakBytes);
      peak.follower = Math.max(peak.follower, follower.program.peakBytes);
      const reached = await follower.info();
      if (reached.digest !== goal.digest || reached.counts.entries !== goal.counts.entries)
        throw new Error(`${name} is level with A, but its tree is another one`);
      await follower.stop();

      const imported = await importCsv(join(dir, `import-${i}.db`), tables);
      rates.sqlite.push(total / imported.seconds);
      addCpu(cpu.sqlite, 'sqlite3', imported.cpu);
      peak.sqlite3 = Math.max(peak.sqlite3, imported.peakBytes);
      say(`round ${i + 1}: kelp ${Math.round(rates.kelp.at(-1) ?? 0)}, sqlite3 ${Math.round(rates.sqlite.at(-1) ?? 0)} changes/s`);
    }
    await source.stop();
    await master.stop();
    return [
      {
        title: `catch-up of ${total} logged creates over HTTP, from the start of the process (${rounds} rounds)`,
        unit: 'changes/s',
        digits: 0,
        kelp: { what: 'kelp, from a peer', values: rates.kelp, peakBytes: { source: peak.source, follower: peak.follower }, cpu: cpu.kelp },
        against: { what: 'sqlite3 .import, same tables', values: rates.sqlite, peakBytes: { sqlite3: peak.sqlite3 }, cpu: cpu.sqlite },
        aim: { relation: '≥', ratio: 0.4 },
        notes: [`slowest /healthz of the follower meanwhile: ${slowestHealth.toFixed(0)} ms`],
      },
    ];
  },
};

/** Asks /healthz again and again; `stop` gives the longest it took once it answered at all, milliseconds. */
function watchHealth(address: string): { stop(): Promise<number> } {
  let slowest = 0;
  let watching = true;
  let hasAnswered = false;
  const loop = (async () => {
    while (watching) {
      const asked = performance.now();
      try {
        await (await request(`http://${address}/healthz`)).body.dump();
        hasAnswered = true;
      } catch (error) {
        if (hasAnswered) throw error;
      }
      if (hasAnswered) slowest = Math.max(slowest, performance.now() - asked);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  return {
    stop: async () => {
      watching = false;
      await loop;
      return slowest;
    },
  };
}
