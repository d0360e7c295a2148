import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect } from 'chai';
import { limits } from '../../src/core/config/limits.js';
import { startCluster, type Cluster, type ClusterFiler } from '../support/cluster.js';
import { execute } from '../support/damage.js';
import { tell } from '../support/load.js';
import { waitFor } from '../support/wait-for.js';

/** Writes to a store as an operator with the shell of SQLite would; without the shell, through the driver in this process. */
async function behindTheBack(filer: ClusterFiler, sql: string): Promise<void> {
  const file = join(filer.directory, 'filer.db');
  const { error, status, stderr } = spawnSync('sqlite3', ['-bail', file], { input: `.timeout 5000\n${sql}`, encoding: 'utf8' });
  if (error) return execute(file, sql);
  if (status !== 0) throw new Error(stderr);
}

describe('Digests of filers that are compared all the time', function () {
  this.timeout(120_000);
  let cluster: Cluster;
  let filers: readonly ClusterFiler[] = [];
  let [a, b, c]: ClusterFiler[] = [];
  let names: ReadonlyMap<string, string>;
  let written = 0;
  let stopWriting = false;
  let writers: Promise<void>[] = [];

  before(async () => {
    cluster = await startCluster({ filers: 3 });
    filers = cluster.filers;
    [a, b, c] = cluster.filers;
    const letters = ['a', 'b', 'c'];
    names = new Map(await Promise.all(filers.map(async (filer, i) => [(await filer.store()).origin, letters[i] as string] as const)));
  });
  after(async () => {
    stopWriting = true;
    await Promise.all(writers).catch(() => {});
    await cluster?.close();
  });

  /** Every filer is written to without a pause, partly at the same paths. */
  const startWriting = () => {
    stopWriting = false;
    writers = filers.map(async (filer, i) => {
      for (let n = 0; !stopWriting; n += 1) {
        await filer.put(n % 2 === 0 ? `/shared/f${n % 20}` : `/own-${i}/f${n % 500}`, `${i} ${n}`);
        written += 1;
      }
    });
  };

  /** What each filer says of each other, as `a>b equal`. */
  const verdicts = async (): Promise<string[]> => {
    const said = await Promise.all(
      filers.map(async (filer, i) => {
        const { peers } = await filer.json<{ peers: { origin: string; digest: string }[] }>('/.filer/v1/peers');
        return peers.map(({ origin, digest }) => `${'abc'[i] ?? ''}>${names.get(origin) ?? origin} ${digest}`);
      }),
    );
    return said.flat().sort();
  };

  const seen = async (what: string, expected: readonly string[]): Promise<void> => {
    const started = performance.now();
    const before = written;
    let last: string[] = [];
    await waitFor(
      async () => {
        last = await verdicts();
        return expected.every((verdict) => last.includes(verdict));
      },
      { what, timeoutMs: 60_000, everyMs: 50 },
    ).catch((error: Error) => {
      error.message += `; last: ${last.join(', ')}${cluster.logs()}`;
      throw error;
    });
    tell(`${what}: ${((performance.now() - started) / 1000).toFixed(1)} s, ${written - before} writes meanwhile`);
  };

  const all = (verdict: (pair: string) => string) => ['a>b', 'a>c', 'b>a', 'b>c', 'c>a', 'c>b'].map((pair) => `${pair} ${verdict(pair)}`);

  it('are found equal while every filer is written to', async () => {
    startWriting();
    const started = performance.now();
    await waitFor(() => written > 100 && performance.now() - started > limits.digestVerdictMs, {
      what: 'the verdicts from before the writes to be forgotten',
      timeoutMs: 60_000,
    });
    await seen(
      'all equal',
      all(() => 'equal'),
    );
  });

  it('are found different while every filer is written to, once damage has met a write', async () => {
    await behindTheBack(c, `DELETE FROM entries WHERE directory = '/shared' AND name IN ('f0', 'f2', 'f4')`);
    await seen(
      'c different',
      all((pair) => (pair.includes('c') ? 'different' : 'equal')),
    );
    const before = written;
    await waitFor(() => written > before + 100, { what: 'the writers to go on' });
    expect(JSON.parse((await a.request('GET', '/readyz')).text)).to.deep.include({ ready: false });
    expect(a.log()).to.contain('has another digest at the same position');
    const { origin } = await c.store();
    // Of a verdict that is renewed all the time, and of the two that do not stand.
    for (const [verdict, value] of Object.entries({ different: 1, equal: 0, unknown: 0 }))
      expect(await a.metric('kelp_peer_digest', { peer: origin, verdict }), verdict).to.equal(value);
    expect(await a.metric('kelp_peer_digest', { peer: (await b.store()).origin, verdict: 'equal' })).to.equal(1);
    stopWriting = true;
    await Promise.all(writers);
  });

  it('are found different by all with the first write that meets damage in an idle cluster', async () => {
    await cluster.converged([a, b]);
    await seen('a and b equal when idle', ['a>b equal', 'b>a equal']);
    await behindTheBack(b, `DELETE FROM entries WHERE directory = '/own-0' AND name = 'f1'`);
    await a.put('/own-0/f1', 'once more');
    await seen(
      'b different when idle',
      all(() => 'different'),
    );
  });
});
