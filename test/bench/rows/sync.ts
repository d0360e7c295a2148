import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'undici';
import { kelpBin } from '../../support/run-kelp.js';
import { waitFor } from '../../support/wait-for.js';
import { addCpu, percentile, type Bench, type Row, type RowOptions } from '../result.js';
import { KelpProgram, settled } from '../support/kelp.js';
import { cpuSince, Program, type Cpu } from '../support/program.js';

const inFlight = 64;
const value = Buffer.alloc(300, 'kelp');

/** What a peer in the cluster reaches, and what `filer.sync` to another cluster does, both from the same filer: throughput, and lag when idle. */
export const sync: Bench = {
  name: 'sync',
  run: async ({ dir, quick, profile, say }: RowOptions): Promise<Row[]> => {
    const [rounds, count, samples] = quick ? [1, 5000, 50] : [3, 20_000, 100];
    const [masterA, masterB] = (await Promise.all(['master-a', 'master-b'].map((name) => KelpProgram.master(join(dir, name))))) as [KelpProgram, KelpProgram];
    const [source, peer, target] = (await Promise.all([
      KelpProgram.filer('source', join(dir, 'source'), masterA, { profile }),
      KelpProgram.filer('peer', join(dir, 'peer'), masterA, { profile }),
      KelpProgram.filer('target', join(dir, 'target'), masterB, { profile }),
    ])) as [KelpProgram, KelpProgram, KelpProgram];
    await settled(source, peer);
    const args = [kelpBin, 'filer.sync', `--a=${source.address}`, `--b=${target.address}`, '--isActivePassive', '--logLevel=warn'];
    const runner = Program.start('kelp filer.sync', process.execPath, args);
    const pools = new Map([source, peer, target].map((filer) => [filer, new Pool(`http://${filer.address}`, { connections: inFlight, pipelining: 1 })]));
    const ask = async (filer: KelpProgram, method: 'PUT' | 'GET' | 'HEAD', path: string, body?: Buffer) => {
      runner.mustRun();
      const answer = await (pools.get(filer) as Pool).request({ method, path, body });
      return { status: answer.statusCode, headers: answer.headers, text: await answer.body.text() };
    };
    const has = (filer: KelpProgram, path: string) =>
      waitFor(async () => (await ask(filer, 'HEAD', path)).status === 200, { what: `${path} at ${filer.program.name}`, timeoutMs: 300_000, everyMs: 5 });
    await ask(source, 'PUT', '/first', value);
    await Promise.all([has(peer, '/first'), has(target, '/first')]);

    const write = async (top: string) => {
      for (let at = 0; at < count; at += inFlight)
        await Promise.all(
          Array.from({ length: Math.min(inFlight, count - at) }, (_, index) => ask(source, 'PUT', `${top}/${(at + index) % 100}/${at + index}`, value)),
        );
      await ask(source, 'PUT', `${top}/last`, value);
    };
    const rates = { sync: [] as number[], peer: [] as number[] };
    const cpu = { sync: {} as Record<string, Cpu>, peer: {} as Record<string, Cpu> };
    /** Lets a stopped process go on, until what was written meanwhile is at `filer`. */
    const goOn = async (stopped: Program, filer: KelpProgram, top: string): Promise<number> => {
      const started = performance.now();
      stopped.child.kill('SIGCONT');
      await has(filer, `${top}/last`);
      return count / ((performance.now() - started) / 1000);
    };
    for (let round = 0; round < rounds; round += 1) {
      const top = `/bench/${round}`;
      for (const stopped of [peer.program, runner]) stopped.child.kill('SIGSTOP');
      await write(top);
      const before = { peer: peer.program.cpu, sync: runner.cpu, target: target.program.cpu };
      rates.peer.push(await goOn(peer.program, peer, top));
      rates.sync.push(await goOn(runner, target, top));
      addCpu(cpu.peer, 'peer', cpuSince(before.peer, peer.program.cpu));
      addCpu(cpu.sync, 'sync', cpuSince(before.sync, runner.cpu));
      addCpu(cpu.sync, 'target', cpuSince(before.target, target.program.cpu));
      say(`round ${round + 1}: peer ${Math.round(rates.peer.at(-1) ?? 0)}, sync ${Math.round(rates.sync.at(-1) ?? 0)} changes/s`);
    }

    const offsets = new Map<KelpProgram, string>();
    for (const filer of [peer, target]) offsets.set(filer, String((await ask(filer, 'GET', '/.filer/v1/changes?offset=now')).headers['stream-next-offset']));
    /** Holds a poll at a filer's feed until a page has come that names `name`. */
    const seenAt = async (filer: KelpProgram, name: string) => {
      for (;;) {
        const { headers, text } = await ask(filer, 'GET', `/.filer/v1/changes?offset=${offsets.get(filer)}&live=long-poll&timeout=10s`);
        offsets.set(filer, String(headers['stream-next-offset']));
        if (text.includes(`"name":"${name}"`)) return performance.now();
      }
    };
    const lags = { sync: [] as number[], peer: [] as number[] };
    for (let sample = 0; sample < samples; sample += 1) {
      const name = `sample-${sample}`;
      const seen = Promise.all([seenAt(peer, name), seenAt(target, name)]);
      // Until the polls are held and everybody is at rest.
      await delay(30);
      const started = performance.now();
      await ask(source, 'PUT', `/idle/${name}`, value);
      const [atPeer, atTarget] = await seen;
      lags.peer.push(atPeer - started);
      lags.sync.push(atTarget - started);
    }
    const peak = { sync: { sync: runner.peakBytes, target: target.program.peakBytes }, peer: { peer: peer.program.peakBytes } };
    await runner.stop();
    await Promise.all([...pools.values()].map((pool) => pool.close()));
    await Promise.all([source, peer, target].map((filer) => filer.stop()));
    await Promise.all([masterA.stop(), masterB.stop()]);
    const sides = (what: string, of: { readonly sync: number[]; readonly peer: number[] }) => ({
      kelp: { what: `filer.sync to another cluster${what}`, values: of.sync, peakBytes: peak.sync, cpu: cpu.sync },
      against: { what: `a peer in the cluster${what}`, values: of.peer, peakBytes: peak.peer, cpu: cpu.peer },
    });
    return [
      {
        title: `filer.sync beside a peer: ${count} files written while both stood still (${rounds} rounds)`,
        unit: 'changes/s',
        digits: 0,
        ...sides('', rates),
        aim: { relation: '≥', ratio: 0.5 },
        notes: [],
      },
      {
        title: `filer.sync beside a peer: PUT until the poll of a reader there, idle, p50 (${samples} samples)`,
        unit: 'ms',
        digits: 2,
        ...sides(', p50', { sync: [percentile(lags.sync, 0.5)], peer: [percentile(lags.peer, 0.5)] }),
        aim: { relation: '≤', ratio: 2 },
        notes: [`p99: sync ${percentile(lags.sync, 0.99).toFixed(1)} ms, peer ${percentile(lags.peer, 0.99).toFixed(1)} ms`],
      },
    ];
  },
};
