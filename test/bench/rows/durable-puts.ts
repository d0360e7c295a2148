import { join } from 'node:path';
import { Pool } from 'undici';
import { addCpu, type Bench, type Row, type RowOptions } from '../result.js';
import { EtcdProgram } from '../support/etcd.js';
import { KelpProgram } from '../support/kelp.js';
import { cpuOf, cpuSince, type Cpu, type Program } from '../support/program.js';

const inFlight = 64;
const valueBytes = 300;
/** Writes before it counts: a process that has run for a minute is what people have, not one whose code is not compiled yet. */
const warmUps = 10_000;

/** Acknowledged, durable writes of new paths by 64 clients at once. */
export const durablePuts: Bench = {
  name: 'durable-puts',
  run: async ({ dir, quick, profile, say }: RowOptions): Promise<Row[]> => {
    const [rounds, writes] = quick ? [3, 4000] : [5, 20_000];
    const kelp = await KelpProgram.filer('A', join(dir, 'a'), null, { profile });
    const etcd = await EtcdProgram.start(dir);
    const pool = new Pool(`http://${kelp.address}`, { connections: inFlight, pipelining: 1 });
    const value = Buffer.alloc(valueBytes, 'kelp');
    const cpu = { kelp: {} as Record<string, Cpu>, etcd: {} as Record<string, Cpu> };
    const rates = { kelp: [] as number[], etcd: [] as number[] };

    const put = async (path: string) => {
      const { statusCode, body } = await pool.request({ method: 'PUT', path, body: value });
      const text = await body.text();
      if (statusCode !== 201) throw new Error(`PUT ${path} gave ${statusCode}: ${text}`);
    };
    const etcdPut = async (path: string) => {
      await etcd.client.put(path).value(value).exec();
    };
    const measure = async (side: 'kelp' | 'etcd', program: Program, round: string, count: number, write: (path: string) => Promise<void>) => {
      const before = [program.cpu, cpuOf(process.pid)] as const;
      const started = performance.now();
      let next = 0;
      const client = async () => {
        for (let i = next++; i < count; i = next++) await write(`/bench/${round}-${Math.floor(i / 100)}/file-${i}`);
      };
      await Promise.all(Array.from({ length: inFlight }, client));
      const seconds = (performance.now() - started) / 1000;
      if (round === 'warm-up') return;
      rates[side].push(count / seconds);
      addCpu(cpu[side], program.name, cpuSince(before[0], program.cpu));
      addCpu(cpu[side], `${side === 'kelp' ? 'undici' : 'etcd3'} client`, cpuSince(before[1], cpuOf(process.pid)));
    };

    await measure('kelp', kelp.program, 'warm-up', warmUps, put);
    await measure('etcd', etcd.program, 'warm-up', warmUps, etcdPut);
    const commitsBefore = await commitsOf(kelp);
    for (let round = 1; round <= rounds; round++) {
      await measure('kelp', kelp.program, String(round), writes, put);
      await measure('etcd', etcd.program, String(round), writes, etcdPut);
      say(`round ${round}: kelp ${Math.round(rates.kelp.at(-1) ?? 0)}, etcd ${Math.round(rates.etcd.at(-1) ?? 0)} writes/s`);
    }
    const commits = (await commitsOf(kelp)) - commitsBefore;
    const row: Row = {
      title: `acknowledged durable PUTs, ${valueBytes} bytes, ${inFlight} connections, new paths (${rounds} x ${writes})`,
      unit: 'writes/s',
      digits: 0,
      kelp: { what: 'kelp filer', values: rates.kelp, peakBytes: { filer: kelp.program.peakBytes }, cpu: cpu.kelp },
      against: { what: 'etcd', values: rates.etcd, peakBytes: { etcd: etcd.program.peakBytes }, cpu: cpu.etcd },
      aim: { relation: '≥', ratio: 1.5 },
      notes: [`${((rounds * writes) / commits).toFixed(1)} writes a commit`],
    };
    await pool.close();
    await kelp.stop();
    await etcd.stop();
    return [row];
  },
};

async function commitsOf(kelp: KelpProgram): Promise<number> {
  const [, commits] = /^kelp_store_commits_total(?:\{[^}]*\})? (\d+)$/m.exec(await (await fetch(`http://${kelp.address}/metrics`)).text()) ?? [];
  return Number(commits);
}
