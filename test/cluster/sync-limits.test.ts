import { rm } from 'node:fs/promises';
import { expect } from 'chai';
import { startCluster, type Cluster, type ClusterFiler } from '../support/cluster.js';
import { freePort } from '../support/free-port.js';
import { Proxy } from '../support/proxy.js';
import { runKelp, startKelp, type Finished, type Started } from '../support/run-kelp.js';
import { waitFor } from '../support/wait-for.js';

/*
 * Two clusters of one filer each, `/x` of the first the same as all of the second, and the way to both through proxies that can be cut: with one filer a
 * side there is no other way to be learned. The logs hold little.
 */

const untilMs = 90_000;
const logBytesMax = 60_000;

describe('filer.sync at its limits', function () {
  this.timeout(240_000);
  let [clusterA, clusterB]: Cluster[] = [];
  let [a, b]: ClusterFiler[] = [];
  const proxies: Proxy[] = [];
  let sync: Started | null = null;

  before(async () => {
    const filerArgs = ['--log.retention=1s', `--log.maxBytes=${logBytesMax}`];
    [clusterA, clusterB] = [await startCluster({ filers: 1, filerArgs }), await startCluster({ filers: 1, filerArgs })];
    [a, b] = [clusterA.filers[0], clusterB.filers[0]];
    for (const { address } of [a, b]) proxies.push(await Proxy.before(Number(address.split(':')[1])));
  });
  after(async () => {
    await sync?.kill('SIGKILL');
    await Promise.all(proxies.map((proxy) => proxy.close()));
    await Promise.all([clusterA?.close(), clusterB?.close()]);
  });

  const args = (...more: string[]) => [`--a=${proxies[0]?.address}`, `--b=${proxies[1]?.address}`, '--a.path=/x', '--b.path=/', ...more];
  const start = async (...more: string[]): Promise<Started> => {
    sync = startKelp(['filer.sync', ...args('--json', ...more)]);
    await sync.waitForLine(/"state":"following".*"state":"following"/, untilMs);
    return sync;
  };
  const kelp = (...more: string[]): Promise<Finished> => runKelp(more, { timeoutMs: untilMs + 30_000 });
  const ok = async (...more: string[]): Promise<string> => {
    const { code, stdout, stderr } = await kelp(...more);
    expect(code, `${more.join(' ')}: ${stdout}${stderr}${clusterA.logs()}${clusterB.logs()}`).to.equal(0);
    return stdout;
  };
  const once = () => ok('filer.sync', ...args('--once', `--timeout=${untilMs / 1000}s`));
  const has = (filer: ClusterFiler, path: string, content: string) =>
    waitFor(async () => (await filer.get(path)) === content, { what: `${path} at ${filer.address}`, timeoutMs: untilMs });
  const linkHolders = async (filer: ClusterFiler): Promise<string[]> => {
    const { heldBy } = JSON.parse(await ok('filer.log', `--filer=${filer.address}`, '--json')) as { heldBy: { origin: string; reason: string }[] };
    return heldBy.filter(({ reason }) => reason === 'link').map(({ origin }) => origin);
  };
  const heldLink = async (filer: ClusterFiler): Promise<string> => {
    await waitFor(async () => (await linkHolders(filer)).length > 0, { what: 'the log to be held for the link', timeoutMs: untilMs });
    return (await linkHolders(filer))[0];
  };
  type Links = { readonly link: string; readonly quarantined: { readonly path: string; readonly error: string | null }[] }[];
  const links = async (filer: ClusterFiler): Promise<Links> => JSON.parse(await ok('filer.sync.checkpoints', `--filer=${filer.address}`, '--json')) as Links;

  it('tells at /metrics and /status how far each direction is, and zero when idle', async () => {
    const port = await freePort();
    await a.put('/x/first', '1');
    await b.put('/back', '1');
    await start(`--metricsPort=${port}`);
    await Promise.all([has(b, '/first', '1'), has(a, '/x/back', '1')]);
    const ask = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).text();
    type Status = { readonly directions: Record<string, unknown>[] };
    const idle = async () => {
      const { directions } = JSON.parse(await ask('/status')) as Status;
      return (
        directions.length === 2 &&
        directions.every(
          ({ state, lagSeconds, behind, inFlight, etaSeconds }) =>
            state === 'following' && [lagSeconds, behind, inFlight, etaSeconds].every((one) => one === 0),
        )
      );
    };
    await waitFor(idle, { what: '/status to say that nothing is left', timeoutMs: untilMs });
    const metrics = await ask('/metrics');
    for (const direction of ['a to b', 'b to a']) {
      for (const line of [`kelp_sync_up{direction="${direction}"} 1`, `kelp_sync_lag_seconds{direction="${direction}"} 0`]) expect(metrics).to.include(line);
      expect(Number(new RegExp(`kelp_sync_posted_changes_total{direction="${direction}"} (\\d+)`).exec(metrics)?.[1])).to.be.at.least(1);
    }
    expect(JSON.parse(await ask('/healthz'))).to.deep.equal({ ok: true });
  });

  it('goes on when the way between the clusters is there again, and what both wrote meanwhile has one winner', async () => {
    for (const cut of [[1], [0], [0, 1]]) {
      for (const one of cut) proxies[one]?.cut();
      const name = cut.join('-');
      await a.put(`/x/cut-${name}-a`, 'a');
      await b.put(`/cut-${name}-b`, 'b');
      await a.put('/x/both', `a during ${name}`);
      await b.put('/both', `b during ${name}`);
      for (const one of cut) proxies[one]?.heal();
      await Promise.all([has(b, `/cut-${name}-a`, 'a'), has(a, `/x/cut-${name}-b`, 'b'), has(a, '/x/both', `b during ${name}`)]);
      expect(await b.get('/both')).to.equal(`b during ${name}`);
    }
    expect((await sync?.kill('SIGTERM'))?.code).to.equal(143);
  });

  it('shows at the command what the target refuses, and why, until it is there under another name', async () => {
    await a.put('/x/healthz', 'reserved there');
    await a.put('/x/after', '1');
    const { code, stderr } = await kelp('filer.sync', ...args('--once', `--timeout=${untilMs / 1000}s`));
    expect([code, /not equal: 1 paths are quarantined/.test(stderr)], stderr).to.deep.equal([1, true]);
    expect(await b.get('/after')).to.equal('1');
    const [{ link, quarantined } = { link: '', quarantined: [] }] = await links(b);
    expect(quarantined.map(({ path }) => path)).to.deep.equal(['/x/healthz']);
    expect(quarantined[0]?.error).to.match(/\/healthz is not part of the tree/);
    expect(await ok('filer.sync.checkpoints', `--filer=${b.address}`, `--link=${link}`)).to.match(/^quarantined\t\/x\/healthz\t.*is not part of the tree/m);
    await a.move('/x/healthz', '/x/health');
    await once();
    expect(await b.get('/health')).to.equal('reserved there');
    expect((await links(b))[0]?.quarantined).to.deep.equal([]);
  });

  it('finds in the log what it missed while it was away, up to the limit of the log', async () => {
    await a.put('/x/while-away', '1');
    const link = await heldLink(a);
    expect((await links(b))[0]?.link).to.equal(link);
    // Older than --log.retention, and still there.
    await waitFor(
      async () => {
        const { oldest } = JSON.parse(await ok('filer.log', `--filer=${a.address}`, '--json')) as { oldest: string | null };
        return oldest !== null && Date.now() - Date.parse(oldest) > 4000;
      },
      { what: 'the change to be older than the log keeps others', timeoutMs: untilMs },
    );
    const running = await start();
    await has(b, '/while-away', '1');
    await running.kill('SIGTERM');
    expect(running.output.stderr).to.not.include('LINK_EXPIRED');
  });

  it('says LINK_EXPIRED beyond that limit, copies again, and deletes nothing', async () => {
    await a.put('/x/deleted', '1');
    await once();
    await a.remove('/x/deleted');
    for (let i = 0; i < 60; i += 1) await a.put('/filler', 'x'.repeat((2 * logBytesMax) / 60));
    const trimmed = async () => (JSON.parse(await ok('filer.log', `--filer=${a.address}`, '--json')) as { bytes: number }).bytes <= logBytesMax;
    await waitFor(trimmed, { what: 'the log to go on without the link', timeoutMs: untilMs });
    expect(await linkHolders(a)).to.deep.equal([]);
    await a.put('/x/after-that', '1');
    const running = await start();
    await has(b, '/after-that', '1');
    await running.kill('SIGTERM');
    expect(`${running.output.stdout}${running.output.stderr}`).to.match(
      /the log of a no longer reaches back to this link's checkpoint; it is copied again, and nothing is deleted/,
    );
    expect(await b.get('/deleted')).to.equal('1');
    // A tombstone proves the deletion: a repair brings it.
    const verify = ['filer.sync.verify', `--a=${a.address}`, `--b=${b.address}`, '--a.path=/x', '--b.path=/'];
    expect((await kelp(...verify)).code).to.equal(1);
    expect(await ok(...verify, '--repair')).to.match(/^\[REPAIRED\] \/x\/deleted deleted from b$/m);
    expect(await b.get('/deleted')).to.equal(null);
    await ok(...verify);
  });

  it('brings back from the other cluster what was lost at home', async () => {
    const before = await b.tree();
    await a.kill();
    await rm(a.directory, { recursive: true, force: true });
    await a.start();
    expect(await a.tree()).to.deep.equal([]);
    await once();
    expect(await a.tree('/x')).to.deep.equal(before.map((path) => `/x${path}`));
    expect(await b.tree()).to.deep.equal(before);
  });

  it('is waited for no more when it is forgotten at the command', async () => {
    await a.put('/x/more', '1');
    const link = await heldLink(a);
    const { stderr } = await kelp('filer.sync.checkpoints', `--filer=${a.address}`, `--forget=${link}`);
    expect(stderr).to.include(`${link} is forgotten; nothing here waits for it`);
    expect(await linkHolders(a)).to.deep.equal([]);
    expect((await kelp('filer.sync.checkpoints', `--filer=${a.address}`, `--forget=${link}`)).code).to.equal(1);
  });
});
