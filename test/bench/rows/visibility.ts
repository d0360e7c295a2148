import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'undici';
import { addCpu, percentile, type Bench, type Row, type RowOptions } from '../result.js';
import { EtcdProgram } from '../support/etcd.js';
import { KelpProgram, settled } from '../support/kelp.js';
import { cpuSince, type Cpu } from '../support/program.js';

const warmUps = 3000;

async function warmUp(write: (name: string) => Promise<unknown>): Promise<void> {
  for (let i = 0; i < warmUps; i++) await write(`file-${i}`);
}

/** A PUT at one filer until a reader of another one has it, with nothing else going on. */
export const visibility: Bench = {
  name: 'visibility',
  run: async ({ dir, quick, profile }: RowOptions): Promise<Row[]> => {
    const [rounds, samples] = quick ? [2, 50] : [3, 100];
    const master = await KelpProgram.master(join(dir, 'master'));
    const [a, b] = await Promise.all(['A', 'B'].map((name) => KelpProgram.filer(name, join(dir, name), master, { profile })));
    await settled(a, b);
    const etcd = await EtcdProgram.start(dir);
    const [writes, reads] = [a, b].map(({ address }) => new Pool(`http://${address}`, { connections: 1, pipelining: 1 })) as [Pool, Pool];
    const value = Buffer.alloc(300, 'kelp');

    let offset = 'now';
    /** Holds a poll at B's feed, and resolves when a page that names `path` has come. */
    const seenAtB = async (path: string) => {
      const query = `offset=${offset}&live=long-poll&timeout=10s`;
      const { statusCode, headers, body } = await reads.request({ method: 'GET', path: `/.filer/v1/changes?${query}` });
      const text = await body.text();
      offset = String(headers['stream-next-offset']);
      if (statusCode !== 200 || !text.includes(`"name":"${path}"`)) throw new Error(`the feed of B gave ${statusCode} and not ${path}: ${text.slice(0, 300)}`);
    };
    const kelpSample = async (name: string): Promise<number> => {
      const seen = seenAtB(name);
      // Until the poll is held and everybody is at rest.
      await delay(10);
      const started = performance.now();
      const put = writes.request({ method: 'PUT', path: `/bench/${name}`, body: value }).then(({ body }) => body.dump());
      await seen;
      const ms = performance.now() - started;
      await put;
      return ms;
    };

    const watcher = await etcd.client.watch().prefix('/bench/').create();
    let watched: (key: string) => void = () => {};
    watcher.on('put', ({ key }) => watched(key.toString()));
    const etcdSample = async (name: string): Promise<number> => {
      await delay(10);
      const seen = new Promise<void>((resolve) => (watched = (key) => key === `/bench/${name}` && resolve()));
      const started = performance.now();
      const put = etcd.client.put(`/bench/${name}`).value(value).exec();
      await seen;
      const ms = performance.now() - started;
      await put;
      return ms;
    };

    // Both sides are warm, as a process is that has run for a minute, and the feed of B has an offset.
    await warmUp((name) => writes.request({ method: 'PUT', path: `/warm/${name}`, body: value }).then(({ body }) => body.dump()));
    await warmUp((name) => etcd.client.put(`/warm/${name}`).value(value).exec());
    await settled(a, b);
    const first = await reads.request({ method: 'GET', path: '/.filer/v1/changes?offset=now' });
    offset = String(first.headers['stream-next-offset']);
    await first.body.dump();
    for (let i = 0; i < 50; i++) {
      await kelpSample(`warm-${i}`);
      await etcdSample(`warm-${i}`);
    }
    const before = { a: a.program.cpu, b: b.program.cpu, etcd: etcd.program.cpu };
    const kelpMs: number[][] = [];
    const etcdMs: number[][] = [];
    for (let round = 0; round < rounds; round++) {
      const [mine, theirs]: [number[], number[]] = [[], []];
      for (let i = 0; i < samples; i++) {
        mine.push(await kelpSample(`file-${round}-${i}`));
        theirs.push(await etcdSample(`file-${round}-${i}`));
      }
      kelpMs.push(mine);
      etcdMs.push(theirs);
    }
    const cpu = { kelp: {} as Record<string, Cpu>, etcd: {} as Record<string, Cpu> };
    addCpu(cpu.kelp, 'A', cpuSince(before.a, a.program.cpu));
    addCpu(cpu.kelp, 'B', cpuSince(before.b, b.program.cpu));
    addCpu(cpu.etcd, 'etcd', cpuSince(before.etcd, etcd.program.cpu));
    const peak = { kelp: { A: a.program.peakBytes, B: b.program.peakBytes }, etcd: { etcd: etcd.program.peakBytes } };
    await watcher.cancel();
    await Promise.all([writes.close(), reads.close(), a.stop(), b.stop(), etcd.stop()]);
    await master.stop();

    const rowOf = (name: string, values: (ms: number[]) => number, ratio: number): Row => ({
      title: `PUT until visible at another filer, idle, ${name} (${rounds} x ${samples})`,
      unit: 'ms',
      digits: 2,
      kelp: { what: 'kelp, PUT at A until the poll at B', values: kelpMs.map(values), peakBytes: peak.kelp, cpu: cpu.kelp },
      against: { what: 'etcd, put until watch', values: etcdMs.map(values), peakBytes: peak.etcd, cpu: cpu.etcd },
      aim: { relation: '≤', ratio },
      notes: [],
    });
    return [rowOf('p50', (ms) => percentile(ms, 0.5), 1.5), rowOf('p99', (ms) => percentile(ms, 0.99), 3)];
  },
};
