import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect } from 'chai';
import type { ClusterSample } from '../../src/core/api/meta/cluster-view.js';
import { startCluster, type Cluster, type ClusterFiler } from '../support/cluster.js';
import { execute } from '../support/damage.js';
import { runKelp } from '../support/run-kelp.js';
import { waitFor } from '../support/wait-for.js';

/** Writes to a store as an operator with the shell of SQLite would; without the shell, through the driver in this process. */
async function behindTheBack(filer: ClusterFiler, sql: string): Promise<void> {
  const file = join(filer.directory, 'filer.db');
  const { error, status, stderr } = spawnSync('sqlite3', ['-bail', file], { input: `.timeout 5000\n${sql}`, encoding: 'utf8' });
  if (error) return execute(file, sql);
  if (status !== 0) throw new Error(stderr);
}

const damages: Readonly<Record<string, { sql: string; shows: RegExp }>> = {
  'a row deleted': { sql: `DELETE FROM entries WHERE name = 'f1'`, shows: /bucket \d+ of the digest is kept as \d+, its rows add up to \d+/ },
  'an entry changed': {
    sql: `UPDATE entries SET entry = replace(entry, '"uid"', '"UID"') || ' ' WHERE name = 'f1'`,
    shows: /\/d\/f1: its entry does not match/,
  },
  'a sum of a bucket changed': { sql: 'UPDATE buckets SET sum = sum + 1', shows: /bucket \d+ of the digest is kept as/ },
  'a hash of a row changed': { sql: `UPDATE entries SET h = h - 1 WHERE name = 'f1'`, shows: /\/d\/f1: what it adds to the digest|bucket \d+ of the digest/ },
};

describe('Damage to a store behind the back of its filer', function () {
  this.timeout(60_000);
  let cluster: Cluster;
  let [a, b]: ClusterFiler[] = [];

  before(async () => {
    cluster = await startCluster({ filers: 2, filerArgs: ['--scrub.interval=1s'] });
    [a, b] = cluster.filers;
    for (let n = 0; n < 5; n += 1) await a.put(`/d/f${n}`, `content ${n}`);
    await cluster.converged();
    const backup = join(cluster.directory, 'backup.db');
    await behindTheBack(a, `ATTACH '${backup}' AS kept; CREATE TABLE kept.e AS SELECT * FROM entries; CREATE TABLE kept.b AS SELECT * FROM buckets;`);
  });
  after(() => cluster?.close());

  const peers = async () => JSON.parse((await runKelp(['filer.peers', '--json', `--master=${cluster.master.address}`])).stdout) as ClusterSample;
  const readiness = async (filer: ClusterFiler) =>
    JSON.parse((await filer.request('GET', '/readyz')).text) as { ready: boolean; reasons: { code: string; error: string }[] };
  const repair = () =>
    behindTheBack(
      a,
      `ATTACH '${join(cluster.directory, 'backup.db')}' AS kept; REPLACE INTO entries SELECT * FROM kept.e; REPLACE INTO buckets SELECT * FROM kept.b;`,
    );

  for (const [harm, { sql, shows }] of Object.entries(damages)) {
    it(`is found by the scrub, shown everywhere, and forgotten when it is gone: ${harm}`, async () => {
      await behindTheBack(a, sql);
      const { reasons } = await waitFor(
        async () => {
          const found = await readiness(a);
          return found.ready ? null : found;
        },
        { what: 'the scrub to find it', timeoutMs: 20_000 },
      );
      expect(reasons[0]?.code).to.equal('DIGEST_MISMATCH');
      expect(reasons[0]?.error).to.match(shows).and.to.contain('kelp filer.store.id --check');
      expect(a.log()).to.contain('the store is damaged');
      expect((await readiness(b)).ready).to.equal(true);

      const seen = await peers();
      expect(seen.healthy).to.equal(false);
      for (const pair of seen.pairs) {
        expect(pair).to.include({ digest: 'damaged', healthy: false });
        expect(pair.error?.error).to.match(shows).and.to.contain(a.address);
      }
      const { code, stdout } = await runKelp(['filer.peers', `--filer=${b.address}`]);
      expect(code).to.equal(1);
      expect(stdout).to.contain('\tdamaged\t');

      await repair();
      await waitFor(async () => (await readiness(a)).ready, { what: 'the next scrub to find nothing', timeoutMs: 20_000 });
      expect((await peers()).pairs.map(({ digest }) => digest)).to.deep.equal(['equal', 'equal']);
    });
  }
});
