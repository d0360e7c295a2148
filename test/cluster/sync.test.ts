import { expect } from 'chai';
import { startCluster, type Cluster, type ClusterFiler } from '../support/cluster.js';
import { runKelp, startKelp, type Started } from '../support/run-kelp.js';
import { waitFor } from '../support/wait-for.js';

/* Two clusters of two filers each, and `kelp filer.sync` between them, all of them processes. */

const untilMs = 90_000;

describe('filer.sync between two clusters', function () {
  this.timeout(240_000);
  let a: Cluster;
  let b: Cluster;
  let all: ClusterFiler[] = [];
  let sync: Started | null = null;

  before(async () => {
    // One after the other: a slow machine starts four processes at a time in good time, eight it may not.
    a = await startCluster({ filers: 2 });
    b = await startCluster({ filers: 2 });
    all = [...a.filers, ...b.filers];
  });

  after(async () => {
    await sync?.kill('SIGKILL');
    await Promise.all([a?.close(), b?.close()]);
  });

  /** Only the first filer of each side is named. */
  const args = (...more: string[]) => ['filer.sync', `--a=${a.filers[0]?.address}`, `--b=${b.filers[0]?.address}`, ...more];
  const once = async () => {
    const { code, stdout, stderr } = await runKelp(args('--once', `--timeout=${untilMs / 1000}s`), { timeoutMs: untilMs + 30_000 });
    expect(code, `${stdout}${stderr}${a.logs()}${b.logs()}`).to.equal(0);
  };
  const start = async () => {
    sync = startKelp(args('--json'));
    await sync.waitForLine(/"state":"following".*"state":"following"/, untilMs);
  };
  const contents = async (filer: ClusterFiler) => {
    const tree = await filer.tree();
    return Promise.all(tree.map(async (path) => [path, path.endsWith('/') ? '' : await filer.get(path)]));
  };
  const expectEqual = async () => {
    const [first, ...others] = await Promise.all(all.filter(({ running }) => running).map(contents));
    for (const other of others) expect(other).to.deep.equal(first);
    return first ?? [];
  };
  /** Writes to the same paths on every filer that runs, and removes and moves some. */
  const contend = async (round: number) => {
    await Promise.all(
      all
        .filter(({ running }) => running)
        .map(async (filer, index) => {
          for (let file = 0; file < 20; file += 1) await filer.put(`/shared/${file}`, `round ${round}, filer ${index}, file ${file}`);
          await filer.put(`/own/${round}-${index}`, 'kept');
          await filer.put(`/away/${round}-${index}`, 'to be removed');
          await filer.remove(`/away/${round}-${index}`);
        }),
    );
  };

  it('copies what both have, and makes one tree of both', async () => {
    await contend(0);
    await once();
    const tree = await expectEqual();
    expect(tree.filter(([path]) => path?.startsWith('/own/') && path !== '/own/').map(([path]) => path)).to.deep.equal([
      '/own/0-0',
      '/own/0-1',
      '/own/0-2',
      '/own/0-3',
    ]);
    expect(tree.filter(([path]) => path?.startsWith('/away/') && path !== '/away/')).to.deep.equal([]);
  });

  it('goes on after kill -9 where it was, through writes on all filers', async () => {
    await start();
    for (let round = 1; round <= 2; round += 1) {
      const writes = contend(round);
      await sync?.kill('SIGKILL');
      await start();
      await writes;
    }
    await sync?.kill('SIGTERM');
    await once();
    const tree = await expectEqual();
    expect(tree.filter(([path]) => /^\/own\/./.test(path ?? '')).length).to.equal(12);
    expect(tree.filter(([path]) => /^\/shared\/./.test(path ?? '')).length).to.equal(20);
  });

  it('goes on at another filer when the one it works with is lost, on either side', async () => {
    await start();
    const [a1, a2] = a.filers as [ClusterFiler, ClusterFiler];
    const [b1, b2] = b.filers as [ClusterFiler, ClusterFiler];
    await a1.kill();
    await a2.put('/after/a1-was-lost', 'a2');
    await waitFor(async () => (await b1.get('/after/a1-was-lost')) === 'a2', { what: 'b to have what a2 wrote', timeoutMs: untilMs });
    await b1.kill();
    await b2.put('/after/b1-was-lost', 'b2');
    await a2.put('/after/both-were-lost', 'a2');
    const arrived = async () => (await a2.get('/after/b1-was-lost')) === 'b2' && (await b2.get('/after/both-were-lost')) === 'a2';
    await waitFor(arrived, { what: 'the two that are left to have the same', timeoutMs: untilMs });
    await Promise.all([a1.start(), b1.start()]);
    await sync?.kill('SIGTERM');
    await once();
    await expectEqual();
  });

  it('keeps in the cluster that is written to where each link goes on, for every filer of it', async () => {
    type Links = { readonly link: string; readonly phase: string; readonly position: string }[];
    const ask = async (filer: ClusterFiler | undefined, ...more: string[]) => {
      const { code, stdout, stderr } = await runKelp(['filer.sync.checkpoints', `--filer=${filer?.address}`, '--json', ...more], { timeoutMs: untilMs });
      expect(code, stderr).to.equal(0);
      return JSON.parse(stdout) as Links;
    };
    const [first, second] = [await ask(b.filers[0]), await ask(b.filers[1])];
    expect(first.map(({ phase }) => phase)).to.deep.equal(['feed']);
    expect(second).to.deep.equal(first);
    const [{ link, position } = { link: '', position: '' }] = first;
    const [origin] = position.split(':');
    expect((await ask(b.filers[1], `--set=${link}`, `--position=${origin}:1`))[0]?.position).to.equal(`${origin}:1`);
    expect(await ask(b.filers[1], `--reset=${link}`)).to.deep.equal([]);
    await once();
    await expectEqual();
    expect((await ask(b.filers[0])).map((one) => [one.link, one.phase])).to.deep.equal([[link, 'feed']]);
  });

  it('says who runs a link, and a run that is told to stop gives it back', async () => {
    await start();
    const second = startKelp(args());
    await second.waitForLine(/is run by .*process \d+/, untilMs);
    const { code } = await sync!.kill('SIGINT');
    expect(code).to.equal(130);
    await second.kill('SIGTERM');
    await once();
  });
});
