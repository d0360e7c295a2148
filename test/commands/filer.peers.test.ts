import { expect } from 'chai';
import type { ClusterSample } from '../../src/core/api/meta/cluster-view.js';
import { freePort, startCluster, type Cluster, type ClusterFiler } from '../support/cluster.js';
import { runKelp, startKelp, type Started } from '../support/run-kelp.js';
import { waitFor } from '../support/wait-for.js';

describe('kelp filer.peers', function () {
  this.timeout(90_000);
  let cluster: Cluster;
  let master: string;
  let [a, b, c]: ClusterFiler[] = [];

  before(async () => {
    cluster = await startCluster({ filers: 3 });
    [a, b, c] = cluster.filers;
    master = `--master=${cluster.master.address}`;
    await a.put('/docs/x', 'one');
    await cluster.converged();
  });
  after(() => cluster?.close());

  const sample = async (...args: string[]): Promise<ClusterSample> => JSON.parse((await runKelp(['filer.peers', '--json', ...args])).stdout) as ClusterSample;
  const pair = ({ pairs }: ClusterSample, filer: ClusterFiler, peer: ClusterFiler) => {
    const found = pairs.find((each) => each.filer === filer.address && each.peer === peer.address);
    if (!found) throw new Error(`no row of ${filer.name} and ${peer.name}`);
    return found;
  };

  describe('of a healthy cluster', () => {
    it('shows every filer with each of its peers, level and equal, and exits 0', async () => {
      const { code, stdout, stderr } = await waitFor(
        async () => {
          const finished = await runKelp(['filer.peers', master]);
          return finished.code === 0 ? finished : null;
        },
        { what: 'all filers to be in step' },
      );
      expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
      const [heading, ...rows] = stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.split('\t'));
      expect(heading).to.deep.equal(['FILER', 'PEER', 'STATE', 'BEHIND', 'LAG', 'RATE', 'ETA', 'DIGEST', 'CONTACT', 'SKEW', 'ERROR']);
      expect(rows).to.have.length(6);
      for (const [, , state, behind, lag, , , digest, contact, , error] of rows) {
        expect({ state, behind, lag, digest, error }).to.deep.equal({ state: 'following', behind: '0', lag: '0s', digest: 'equal', error: '-' });
        expect(contact).to.match(/ ago$/);
      }
    });

    it('shows the same through any one filer', async () => {
      for (const filer of cluster.filers) {
        const { clusterId, filers, pairs, healthy } = await sample(`--filer=${filer.address}`);
        expect({ pairs: pairs.length, healthy }).to.deep.equal({ pairs: 6, healthy: true });
        expect(clusterId).to.equal((await a.store()).clusterId);
        expect(filers.map(({ address }) => address)).to.have.members(cluster.filers.map(({ address }) => address));
      }
    });
  });

  describe('while one filer hangs', () => {
    let watch: Started;
    const latest = (): ClusterSample => {
      const [line] = watch.output.stdout.split('\n').slice(-2);
      return JSON.parse(line) as ClusterSample;
    };

    before(async () => {
      watch = startKelp(['filer.peers', master, '--watch', '--json']);
      await waitFor(() => latest().healthy, { what: 'a first sample' });
    });
    after(async () => {
      c.resume();
      await watch.kill();
    });

    it('says so within two seconds, with an unknown lag', async () => {
      const paused = performance.now();
      c.pause();
      const seen = await waitFor(() => (latest().healthy ? null : latest()), { what: 'the filer to be missed' });
      // Some more for machines that are busy with other things.
      expect(performance.now() - paused).to.be.below(3500);
      for (const peer of [a, b]) {
        for (const row of [pair(seen, c, peer), pair(seen, peer, c)]) expect(row).to.include({ state: 'unreachable', lagSeconds: null, healthy: false });
      }
      expect(pair(seen, c, a).error?.error).to.equal(`${c.address} gives no answer within 1 s`);
      expect(pair(seen, a, b).healthy).to.equal(true);
    });

    it('counts what it has not acknowledged as behind, never the lag as 0, and exits 1', async () => {
      for (let n = 0; n < 7; n += 1) await a.put(`/f${n}`, 'x');
      await cluster.converged([a, b]);
      const seen = await sample(master);
      for (const peer of [a, b]) expect(pair(seen, c, peer)).to.include({ behind: 7, lagSeconds: null, state: 'unreachable' });
      expect(pair(seen, b, a)).to.include({ behind: 0, lagSeconds: 0 });
      const { code, stdout } = await runKelp(['filer.peers', `--filer=${b.address}`]);
      expect(code).to.equal(1);
      expect(stdout.split('\n').filter((line) => line.includes('\tunreachable\t') && line.includes('\tunknown\t'))).to.have.length(4);
    });

    it('shows it level again when it goes on', async () => {
      c.resume();
      const seen = await waitFor(() => (pair(latest(), c, a).behind === 0 && latest().healthy ? latest() : null), {
        what: 'all to be in step again',
        timeoutMs: 20_000,
      });
      for (const peer of [a, b]) expect(pair(seen, c, peer)).to.include({ behind: 0, lagSeconds: 0, digest: 'equal' });
    });

    it('ends at Ctrl-C with 130', async () => {
      expect((await watch.kill('SIGINT')).code).to.equal(130);
    });
  });

  describe('when processes are gone', () => {
    it('does not count a filer that is down, shows it as such, and forgets it by command', async () => {
      const { origin } = await c.store();
      await c.kill();
      const seen = await waitFor(
        async () => {
          const now = await sample(master);
          return now.healthy ? now : null;
        },
        { what: 'the filer to be down', timeoutMs: 40_000, everyMs: 500 },
      );
      expect(pair(seen, a, c)).to.include({ state: 'down', lagSeconds: null });
      expect(pair(seen, c, a)).to.include({ state: 'down', lagSeconds: null });

      const { code, stdout } = await runKelp(['filer.peers', master, `--forget=${origin}`]);
      const [closedBy] = [a, b].filter(({ address }) => stdout.includes(address));
      expect({ code, stdout }).to.deep.equal({
        code: 0,
        stdout: `${origin} is off the list of ${cluster.master.address}, and closed at ${closedBy.address}\n`,
      });
      expect((await sample(master)).filers).to.have.length(2);
      for (const filer of [a, b])
        await filer.until('the closing entry', async () => (await filer.json<{ closed: string[] }>('/.filer/v1/log')).closed.includes(origin));
      expect((await runKelp(['filer.peers', master, `--forget=${origin}`])).code).to.equal(1);
      expect((await runKelp(['filer.peers', master, '--forget=x'])).code).to.equal(2);
    });

    it('goes on with the filers it knows when the master stops, and says so', async () => {
      const watch = startKelp(['filer.peers', master, '--watch']);
      await watch.waitForLine(/"state":"following"/, 60_000);
      await cluster.master.kill();
      // Without --json too: a pipe takes a line of JSON for each sample.
      await watch.waitForLine(new RegExp(`^{.*"silentMasters":\\[{"address":"${cluster.master.address}","error":"cannot reach`), 60_000);
      expect((await watch.kill('SIGTERM')).code).to.equal(143);
      await cluster.master.start();
    });

    it('exits 3 with a cure when nobody can be reached', async () => {
      const nobody = `127.0.0.1:${await freePort()}`;
      const { code, stdout, stderr } = await runKelp(['filer.peers', `--master=${nobody}`]);
      expect({ code, stdout }).to.deep.equal({ code: 3, stdout: '' });
      expect(stderr).to.match(/no master answers: .*\(connection refused\); name one with --master, or any filer with --filer/);
      expect((await runKelp(['filer.peers', `--filer=${nobody}`])).code).to.equal(3);
    });
  });
});
