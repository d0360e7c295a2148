import { setTimeout as delay } from 'node:timers/promises';
import { startCluster, type Cluster, type ClusterFiler } from '../support/cluster.js';
import { waitFor } from '../support/wait-for.js';
import { Random } from '../simulation/random.js';
import { verifyStore, type Verified } from './verify.js';
import { Writers, type Outcomes } from './writers.js';

export interface EndureOptions {
  /** Acknowledged writes, at least. */
  readonly writes: number;
  /** kill -9, at least. */
  readonly kills: number;
  /** Of the choice of paths, filers and victims; what happens when is up to the machine. */
  readonly seed: number;
  /** Clients that write at once. */
  readonly writers: number;
  readonly say: (line: string) => void;
}

export interface Endured extends Outcomes {
  readonly kills: number;
  /** Acknowledged deletes. */
  readonly deletes: number;
  /** From the first write to the last. */
  readonly seconds: number;
  readonly filers: readonly Verified[];
}

const downMsMax = 500;
const saidEveryMs = 5000;
/** Of one filer, on a machine that has much else to do. */
const startMs = 60_000;
const settledMs = 180_000;

/**
 * Three filers and a master take writes while one filer after the other is killed and started again. At the end all filers must be equal,
 * and each must have every acknowledged write.
 * @throws Error saying what is not so, and where the folders are kept
 */
export async function endure(options: EndureOptions): Promise<Endured> {
  const { seed, say } = options;
  say(`seed ${seed}`);
  const cluster = await startCluster({ filers: 3 });
  try {
    const endured = await run(cluster, options);
    await cluster.close();
    return endured;
  } catch (error) {
    for (const each of [...cluster.filers, ...cluster.masters]) if (each.running) await each.kill();
    say(`failed with seed ${seed}; the folders are kept in ${cluster.directory}`);
    throw error;
  }
}

async function killAndStart(victim: ClusterFiler, downMs: number, writers: Writers): Promise<void> {
  const killing = victim.kill();
  // What is under way goes unanswered; what would find nobody is not sent.
  writers.down.add(victim);
  await killing;
  await delay(downMs);
  await victim.start({ ready: false });
  // Not /readyz, which also wants it to have caught up.
  await victim.until('clients may write', async () => (await victim.store()).state === 'ready', startMs);
  writers.down.delete(victim);
}

async function run(cluster: Cluster, { writes, kills, seed, writers: count, say }: EndureOptions): Promise<Endured> {
  const random = new Random(seed);
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  const writers = new Writers(cluster.filers, seed, count);
  const { outcomes } = writers;
  let killed = 0;
  const progress = () =>
    `${seconds().toFixed(1)} s: ${outcomes.acknowledged} acknowledged (${Math.round(outcomes.acknowledged / seconds())}/s), ` +
    `${outcomes.unknown} unanswered, ${outcomes.refused} refused, ${outcomes.vain} deletes in vain, ${killed} kills`;
  const talk = setInterval(() => say(progress()), saidEveryMs);
  const acknowledged = async (least: number) => {
    await waitFor(() => writers.hasFailed || outcomes.acknowledged >= least, { what: `${least} acknowledged writes`, timeoutMs: 600_000 });
    writers.check();
  };
  try {
    while (killed < kills) {
      await acknowledged((writes * (killed + 1)) / (kills + 1));
      // Now and then two of the three at once.
      const victims = [...cluster.filers].sort(() => random.next() - 0.5).slice(0, killed + 1 < kills && random.chance(0.15) ? 2 : 1);
      await Promise.all(victims.map((victim) => killAndStart(victim, random.below(downMsMax), writers)));
      killed += victims.length;
    }
    await acknowledged(writes);
  } finally {
    clearInterval(talk);
    await writers.stop();
  }
  const took = seconds();
  say(progress());

  await cluster.converged(cluster.filers, settledMs);
  say(`${seconds().toFixed(1)} s: all filers at one position with one digest`);
  await Promise.all(cluster.filers.map((filer) => filer.stop()));
  const filers: Verified[] = [];
  for (const filer of cluster.filers) filers.push(await verifyStore(filer.directory, writers.acknowledged));
  say(`${seconds().toFixed(1)} s: read the stores; ${filers[0].entries} rows each`);
  const [first, ...others] = filers;
  for (const other of others) if (JSON.stringify(other) !== JSON.stringify(first)) throw new Error(`the filers differ: ${JSON.stringify(filers, null, 2)}`);
  const deletes = [...writers.acknowledged.values()].filter(({ content }) => content === null).length;
  return { ...outcomes, kills: killed, deletes, seconds: took, filers };
}
