import type { Random } from '../simulation/random.js';
import { CrashDisk, survivals, type Survival, type SyncFilter } from './crash-disk.js';
import { Promises } from './promises.js';
import { readTrace, type TraceEvent } from './trace.js';

/** One power cut: where in the run, what the process had promised by then, and what is left of its files. */
export interface PowerCut {
  /** Events before it. */
  readonly at: number;
  readonly survival: Survival;
  readonly promises: Promises;
  /** Path to content. */
  readonly files: ReadonlyMap<string, Buffer>;
}

/** All that a process and its restarts did, by their traces in order. */
export async function readRun(traces: readonly string[]): Promise<TraceEvent[]> {
  const events: TraceEvent[] = [];
  for (const trace of traces) for await (const event of readTrace(trace)) events.push(event);
  return events;
}

/**
 * Cuts the power at `count` places of a run, in order: half of them anywhere in the work on files below `folder`, a quarter right after
 * something was promised, a quarter where names are made, moved and dropped. Every way of surviving comes in turn.
 */
export function* powerCuts(events: readonly TraceEvent[], folder: string, count: number, random: Random, counts?: SyncFilter): Generator<PowerCut> {
  const places = choosePlaces(events, folder, count, random);
  const disk = new CrashDisk(folder, counts);
  const promises = new Promises();
  let made = 0;
  for (const [at, event] of events.entries()) {
    disk.take(event);
    promises.take(event);
    for (let times = places.get(at) ?? 0; times > 0; times -= 1) {
      const survival = survivals[made++ % survivals.length] as Survival;
      yield { at: at + 1, survival, promises, files: disk.crash(survival, random) };
    }
  }
  if (disk.isBusy) throw new Error('a process ended in the middle of a write; what it left is not known');
}

/** Index of the event before the cut, and how often it is cut there. */
function choosePlaces(events: readonly TraceEvent[], folder: string, count: number, random: Random): Map<number, number> {
  const disk = new CrashDisk(folder);
  const promises = new Promises();
  const work: number[] = [];
  const promised: number[] = [];
  const names: number[] = [];
  for (const [at, event] of events.entries()) {
    const { name, rest } = event.call;
    if (promises.take(event)) promised.push(at);
    if (disk.pathOf(event.call) === null) continue;
    if (/^(unlink|rename|mkdir)$/.test(name) || (name === 'openat' && /O_CREAT/.test(rest))) names.push(at);
    else if (/^(p?write(64)?|ftruncate|fsync|fdatasync)$/.test(name)) work.push(at);
  }
  const places = new Map<number, number>();
  for (let i = 0; i < count; i += 1) {
    const at = random.pick([work, promised, work, names][i % 4] as number[]);
    places.set(at, (places.get(at) ?? 0) + 1);
  }
  return places;
}
