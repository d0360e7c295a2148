import { expect } from 'chai';
import { decodeChange } from '../../src/core/change/codec.js';
import { pathsOf } from '../../src/core/change/change.js';
import { formatDot } from '../../src/core/clock/vector.js';
import { isReserved, isWithin, parsePath } from '../../src/core/entry/path.js';
import type { FilerProcess } from '../../src/core/filer-process.js';
import { silentLogger } from '../../src/core/logger.js';
import { parseScope, withSync } from '../../src/core/sync-process.js';
import { realTime } from '../../src/core/time.js';
import { Processes } from '../support/processes.js';
import { waitFor } from '../support/wait-for.js';

/*
 * Three clusters of one filer each, in a ring and in a full mesh, every link active-active, each cluster with another directory. Real stores
 * and real HTTP. KELP_SYNC_CHANGES says how many changes are made in all; the long form is 10000.
 */

const changes = Number(process.env.KELP_SYNC_CHANGES ?? 1000);
const untilMs = Math.max(120_000, changes * 60);
const tops = ['/x', '/y/deep', '/z'] as const;
const inFlight = 16;

/** Each cluster with the next; a ring of three that goes both ways is a mesh. */
const pairs = [
  [0, 1],
  [1, 2],
  [2, 0],
] as const;

describe('three clusters', function () {
  this.timeout(untilMs * 2);
  const processes = new Processes();
  after(() => processes.stopAll());

  for (const shape of ['a full mesh', 'a ring one way'])
    it(`have each change once in every log of ${shape}, paths remapped, and then rest`, async () => {
      const filers = await Promise.all([0, 1, 2].map(async () => processes.filer({ masters: [(await processes.master()).address] })));
      const ended = new AbortController();
      const running = pairs.map(([from, to]) => link(filers, from, to, shape === 'a ring one way', ended.signal));
      const perCluster = Math.floor(changes / 3);
      await Promise.all(filers.map((filer, index) => write(filer, index, perCluster)));
      await waitFor(async () => new Set(await Promise.all(filers.map(treeOf))).size === 1, { what: 'three equal trees', timeoutMs: untilMs });
      // What is on its way still, or goes round, would be written within a poll after the last of these.
      for (const [index, filer] of filers.entries()) {
        await processes.send(filer, 'PUT', `${tops[index]}/last-${index}`, 'x');
        const there = () => Promise.all(filers.map((one, at) => has(one, `${tops[at]}/last-${index}`)));
        await waitFor(async () => (await there()).every(Boolean), { what: 'the last files to be everywhere', timeoutMs: untilMs });
      }
      const logs = await Promise.all(filers.map(logOf));
      ended.abort();
      await Promise.all(running);
      for (const [index, log] of logs.entries()) {
        expect(log.length, `cluster ${index}: changes that stand twice in its log`).to.equal(new Set(log).size);
        // A change that another one had overruled before it came by the longer way need not be there.
        const made = perCluster * 3;
        expect(log.length, `cluster ${index}: changes in its log`).to.be.within(Math.floor(made * 0.8), made + 20);
      }
      expect(new Set(await Promise.all(filers.map(treeOf))).size).to.equal(1);
    });

  function link(filers: readonly FilerProcess[], from: number, to: number, passive: boolean, signal: AbortSignal): Promise<void> {
    const direction = (one: number, other: number) => ({
      scope: parseScope({ from: ['from', tops[one] as string], to: ['to', tops[other] as string], excludes: ['excludes', ''], deletes: true, ttlSec: 0 }),
      start: { initial: 'copy', since: null } as const,
    });
    const options = {
      a: { addresses: [filers[from]!.address] },
      b: { addresses: [filers[to]!.address] },
      aToB: direction(from, to),
      bToA: passive ? null : direction(to, from),
      changesMax: 100,
      bytesPerSecond: null,
      maxDelete: null,
      port: null,
      program: 'test',
      time: realTime,
      logger: silentLogger,
    };
    return withSync(options, signal, (sync) => sync.run(signal));
  }

  /** So many changes below the cluster's directory, at names of its own: four of five create, the others update, move and delete those. */
  async function write(filer: FilerProcess, index: number, count: number): Promise<void> {
    const top = `${tops[index]}/${index}`;
    const files = Math.floor(count * 0.8);
    const steps: (() => Promise<unknown>)[] = Array.from({ length: files }, (_, file) => () => processes.send(filer, 'PUT', `${top}/${file}`, `${file}`));
    const later = Array.from({ length: count - files }, (_, step) => {
      const path = `${top}/${step}`;
      if (step % 3 === 0) return () => processes.send(filer, 'PUT', path, 'changed');
      if (step % 3 === 1) return () => processes.send(filer, 'DELETE', path);
      return () => processes.send(filer, 'POST', `${path}-moved?mv.from=${path}`);
    });
    for (const part of [steps, later])
      for (let at = 0; at < part.length; at += inFlight) await Promise.all(part.slice(at, at + inFlight).map((step) => step()));
  }

  const has = (filer: FilerProcess, path: string): Promise<boolean> =>
    processes.send(filer, 'HEAD', path).then(
      () => true,
      () => false,
    );

  /** Names, versions and authors below the cluster's directory, as text that is the same in all of them. */
  async function treeOf(filer: FilerProcess, index: number): Promise<string> {
    const top = parsePath(tops[index] as string);
    const lines: string[] = [];
    for (let after: Awaited<ReturnType<typeof page>>['next'] = null; ;) {
      const got = await page(after);
      for (const { path, entry, version, author } of got.rows)
        if (entry !== null && path !== top && isWithin(path, top)) lines.push(`${path.slice(top.length)} ${version} ${author}`);
      after = got.next;
      if (after === null) return lines.sort().join('\n');
    }
    function page(from: Parameters<ReturnType<Processes['meta']>['snapshot']>[0]) {
      return processes.meta(filer).snapshot(from, 10_000, null);
    }
  }

  /** What stands in a filer's log outside its own entries and the directories above its tree: which paths were given which version. */
  async function logOf(filer: FilerProcess, index: number): Promise<string[]> {
    const top = parsePath(tops[index] as string);
    const found: string[] = [];
    for (let position = new Map<string, number>() as ReadonlyMap<string, number>; ;) {
      const { texts, position: next, upToDate } = await processes.meta(filer).feed({ position, limit: 5000, waitMs: 0 });
      for (const text of texts) {
        const change = decodeChange(text);
        const paths = pathsOf(change).filter((path) => !isReserved(path) && path !== top && isWithin(path, top));
        if (paths.length > 0) found.push(`${paths.join(' ')} ${formatDot({ origin: change.author, seq: change.version })}`);
      }
      position = next;
      if (upToDate) return found;
    }
  }
});
