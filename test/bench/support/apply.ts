import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeChange } from '../../../src/core/change/codec.js';
import type { Change } from '../../../src/core/change/change.js';
import { limits } from '../../../src/core/config/limits.js';
import { parsePath } from '../../../src/core/entry/path.js';
import { fullAccounting, type Accounting } from '../../../src/core/log/accounting.js';
import { ChangeLog } from '../../../src/core/log/change-log.js';
import { silentLogger } from '../../../src/core/logger.js';
import { Namespace } from '../../../src/core/namespace/namespace.js';
import { MemoryDisk, MemoryStore } from '../../../src/core/store/memory/memory-store.js';
import { openStore } from '../../../src/core/store/open-store.js';
import { realTime } from '../../../src/core/time.js';
import { Program } from './program.js';

/** What one run took. */
export interface Applied {
  readonly accounting: 'full' | 'none';
  readonly changes: number;
  readonly seconds: number;
  /** CPU time of the process meanwhile, its threads included, seconds. */
  readonly cpuSeconds: { readonly user: number; readonly system: number };
  readonly conflicts: number;
}

const noAccounting: Accounting = {
  entryDigest: () => 0,
  bucketOf: () => null,
  overruled: () => null,
  childOfDeleted: () => null,
  deletedAboveLive: () => null,
};

/** Applies the same pages of two peers `rounds` times with and without digest and ledger, in turn, in a process of its own. */
export async function applyInTurn(dir: string, rounds: number, changes: number, profile?: string): Promise<{ runs: Applied[]; peakBytes: number }> {
  const node = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  const program = Program.start('apply', process.execPath, [...node, '--import', 'tsx', fileURLToPath(import.meta.url), dir, String(rounds), String(changes)]);
  let text = '';
  program.child.stdout?.on('data', (more: string) => (text += more));
  let peakBytes = 0;
  const watch = setInterval(() => (peakBytes = Math.max(peakBytes, program.peakBytes)), 100);
  await program.ended().finally(() => clearInterval(watch));
  return { runs: JSON.parse(text) as Applied[], peakBytes };
}

/**
 * The pages of two peers that do not see each other: new files, every fourth change an update, every tenth at a path that the other writes too.
 */
async function pagesOf(count: number): Promise<Change[][]> {
  const feeds = await Promise.all(
    ['a', 'b'].map(async (name) => {
      const store = new MemoryStore(new MemoryDisk());
      const log = await ChangeLog.open({ store, time: realTime, limits, logger: silentLogger });
      const tree = new Namespace(log, store, realTime, limits);
      const put = (path: string, text: string) =>
        tree.put(parsePath(path), { content: Buffer.from(text).toString('base64'), size: text.length, md5: '' }, 0o660);
      for (let at = 0; at < count; at += limits.groupDecisions) {
        await Promise.all(
          Array.from({ length: Math.min(limits.groupDecisions, count - at) }, (_, i) => {
            const n = at + i;
            const file = n % 10 === 0 ? `/shared/d${n % 500}/f${n}` : `/${name}/d${Math.floor(n / 100)}/f${n % 4 === 3 ? n - 1 : n}`;
            return put(file, `${name} ${n} `.padEnd(64, 'kelp '));
          }),
        );
      }
      const records = await store.readLog({ after: 0, limit: Infinity, bytesMax: Infinity });
      const changes = records.map(({ text }) => decodeChange(text));
      return Array.from({ length: Math.ceil(changes.length / limits.pageChanges) }, (_, i) =>
        changes.slice(i * limits.pageChanges, (i + 1) * limits.pageChanges),
      );
    }),
  );
  const [a = [], b = []] = feeds;
  return Array.from({ length: Math.max(a.length, b.length) }, (_, i) => [a[i] ?? [], b[i] ?? []]).flat();
}

async function applyAll(dir: string, pages: readonly Change[][], accounting: Applied['accounting']): Promise<Applied> {
  const store = await openStore({ directory: await mkdtemp(join(dir, 'store-')), time: realTime });
  const [used, more] = accounting === 'full' ? [fullAccounting, {}] : [noAccounting, { recentSteps: 0 }];
  const log = await ChangeLog.open({ store, time: realTime, limits: { ...limits, ...more }, logger: silentLogger, accounting: used });
  const before = process.cpuUsage();
  const started = performance.now();
  for (const page of pages) await log.apply(page);
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(before);
  const { conflicts, appliedChanges: changes } = log.totals;
  await log.close();
  await store.close();
  return { accounting, changes, seconds, cpuSeconds: { user: user / 1e6, system: system / 1e6 }, conflicts };
}

async function run(dir: string, rounds: number, count: number): Promise<void> {
  const pages = await pagesOf(count / 2);
  const runs: Applied[] = [];
  for (let round = 0; round <= rounds; round++) {
    // Who goes first changes from round to round; the first round only warms up.
    const order = round % 2 === 0 ? (['full', 'none'] as const) : (['none', 'full'] as const);
    for (const accounting of order) {
      const folder = await mkdtemp(join(dir, 'apply-'));
      const applied = await applyAll(folder, pages, accounting);
      if (round > 0) runs.push(applied);
      await rm(folder, { recursive: true, force: true });
    }
  }
  process.stdout.write(JSON.stringify(runs));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await run(process.argv[2] as string, Number(process.argv[3]), Number(process.argv[4]));
