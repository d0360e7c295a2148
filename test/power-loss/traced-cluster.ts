import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startCluster, type Cluster, type ClusterFiler, type Reply } from '../support/cluster.js';
import { type Random } from '../simulation/random.js';
import { straceInto } from './trace.js';

/** `normal` breaks the promise that a commit is on the disk; then the write-ahead log is synced at the end alone. */
export type Sabotage = 'none' | 'normal';

/** A write that was answered with 2xx. */
export interface Acknowledged {
  /** Its last change. */
  readonly dot: string;
  readonly path: string;
  /** What a PUT has put there; null for the others. */
  readonly content: string | null;
}

export interface TracedRun {
  readonly cluster: Cluster;
  readonly acknowledged: readonly Acknowledged[];
  /** Trace files of one process, in the order of its starts. */
  traces(name: string): Promise<string[]>;
}

const preload = (file: string) => `--import=${fileURLToPath(new URL(file, import.meta.url))}`;

/**
 * Runs a master and two filers under strace, has clients write to both, with restarts between, and ends them. `tracesIn` is a folder for
 * the traces. The cluster's folders are left as they are.
 */
export async function traceRun(tracesIn: string, random: Random, writes: number, sabotage: Sabotage = 'none'): Promise<TracedRun> {
  const nodeOptions = preload(sabotage === 'normal' ? './synchronous-normal.mjs' : './small-wal.mjs');
  const cluster = await startCluster({
    filers: 2,
    env: { NODE_OPTIONS: nodeOptions },
    under: (name, start) => straceInto(join(tracesIn, `${name}.${String(start).padStart(2, '0')}`)),
  });
  const acknowledged: Acknowledged[] = [];
  try {
    await work(cluster, random, writes, acknowledged);
  } catch (error) {
    await cluster.close();
    throw error;
  }
  const traces = async (name: string) =>
    (await readdir(tracesIn))
      .filter((file) => file.startsWith(`${name}.`))
      .sort()
      .map((file) => join(tracesIn, file));
  return { cluster, acknowledged, traces };
}

async function work(cluster: Cluster, random: Random, writes: number, acknowledged: Acknowledged[]): Promise<void> {
  const [a, b] = cluster.filers as [ClusterFiler, ClusterFiler];
  const write = (filer: ClusterFiler, share: number) => clients(filer, random, Math.ceil(writes * share), acknowledged);
  await Promise.all([write(a, 0.2), write(b, 0.2)]);
  // One of them away: a long page when it comes back, and a store that was closed in order.
  await Promise.all([a.stop(), write(b, 0.15)]);
  await a.start();
  await Promise.all([write(a, 0.1), write(b, 0.05)]);
  await cluster.converged();
  // At rest, so that no write is cut off half-way: a store that was not closed.
  await b.kill();
  await write(a, 0.1);
  await b.start();
  await Promise.all([write(a, 0.1), write(b, 0.1)]);
  await cluster.converged();
  await Promise.all([a.stop(), b.stop()]);
  await cluster.master.stop();
}

/** Clients at work: bursts that share commits, and single writes between them. */
async function clients(filer: ClusterFiler, random: Random, count: number, acknowledged: Acknowledged[]): Promise<void> {
  for (let left = count; left > 0;) {
    const burst = Math.min(left, random.pick([1, 1, 4, 24]));
    await Promise.all(Array.from({ length: burst }, () => request(filer, random, acknowledged)));
    left -= burst;
  }
}

const weights = { put: 58, big: 4, mkdir: 8, remove: 10, removeAll: 5, move: 8, moveDirectory: 7 };
let contents = 0;

async function request(filer: ClusterFiler, random: Random, acknowledged: Acknowledged[]): Promise<void> {
  const kind = random.weighted(weights);
  const isPut = kind === 'put' || kind === 'big';
  const path = kind === 'mkdir' || kind === 'removeAll' || kind === 'moveDirectory' ? directory(random) : `${directory(random)}/f${random.below(6)}`;
  // Of its own, so that a log shows which write it was.
  const text = `${(contents += 1)} ${'.'.repeat(kind === 'big' ? 30_000 : random.below(300))}`;
  const reply = await send();
  if (reply.status === 201 || reply.status === 204) acknowledged.push({ dot: String(reply.headers['filer-position']), path, content: isPut ? text : null });
  // The paths are few, so that some requests do not fit what is there.
  else if (reply.status < 400 || reply.status > 409) throw new Error(`${filer.name}: ${kind} of ${path} was answered ${reply.status}: ${reply.text}`);

  function send(): Promise<Reply> {
    switch (kind) {
      case 'put':
      case 'big':
        return filer.request('PUT', path, { body: text });
      case 'mkdir':
        return filer.request('POST', `${path}/`);
      case 'remove':
        return filer.request('DELETE', path);
      case 'removeAll':
        return filer.request('DELETE', `${path}?recursive=true`);
      case 'move':
        return filer.request('POST', `${directory(random)}/f${random.below(6)}?mv.from=${encodeURIComponent(path)}`);
      case 'moveDirectory':
        return filer.request('POST', `${directory(random)}?mv.from=${encodeURIComponent(path)}`);
    }
  }
}

function directory(random: Random): string {
  return Array.from({ length: 1 + random.below(3) }, () => `/d${random.below(5)}`).join('');
}
