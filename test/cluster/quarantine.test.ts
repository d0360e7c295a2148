import { expect } from 'chai';
import type { ConflictReport, QuarantinedReport } from '../../src/core/api/meta/ask-filer.js';
import { startCluster, type Cluster, type ClusterFiler } from '../support/cluster.js';
import { ForgedPeer } from '../support/forged-peer.js';
import { runKelp } from '../support/run-kelp.js';

describe('A peer that sends a change which breaks a rule', function () {
  this.timeout(180_000);
  let cluster: Cluster;
  let peer: ForgedPeer;
  let [a, b]: ClusterFiler[] = [];

  const applied = (filer: ClusterFiler, seq: number) => filer.until(`seq ${seq} of the peer`, async () => (await filer.store()).position[peer.origin] === seq);
  const quarantined = async (filer: ClusterFiler) => (await filer.json<{ quarantine: QuarantinedReport[] }>('/.filer/v1/quarantine')).quarantine;
  const dots = async (filer: ClusterFiler) => (await quarantined(filer)).map(({ dot, waitsFor }) => [dot, waitsFor]);
  const kelp = (...args: string[]) => runKelp(args);
  const own = async (filer: ClusterFiler) => (await filer.store()).origin;

  before(async () => {
    cluster = await startCluster({ filers: 2 });
    [a, b] = cluster.filers;
    await a.put('/same', 'of a');
    await b.put('/b', 'of b');
    await cluster.converged();
    peer = await ForgedPeer.start(cluster.master.address, (await a.store()).clusterId as string, [await own(a), await own(b)]);
    peer.log.put('/ok/1');
    peer.log.putBad('/held');
    peer.log.put('/same', { entry: { content: Buffer.from('of the peer').toString('base64'), attributes: { fileSize: '11' } } });
    peer.log.put('/held/below');
    peer.log.put('/ok/2');
    await Promise.all([a, b].map((filer) => applied(filer, 5)));
  });

  after(async () => {
    await peer?.close();
    await cluster?.close();
  });

  it('is followed on: its other changes are there, that one and what is below it wait', async () => {
    for (const filer of [a, b]) {
      expect(await filer.list('/ok')).to.have.length(2);
      expect(await filer.get('/held/below')).to.equal(null);
      expect(await dots(filer)).to.deep.equal([
        [`${peer.origin}:2`, null],
        [`${peer.origin}:4`, `${peer.origin}:2`],
      ]);
    }
    const [refused] = await quarantined(a);
    expect(refused).to.deep.include({ code: 'BODY_INVALID', paths: ['/held'], attempts: 0, origin: peer.origin, seq: 2 });
    expect(refused.change).to.deep.equal(JSON.parse(peer.log.texts[1] as string));
  });

  it('holds what other filers write below it later, but no client', async () => {
    // Two changes: the directory, which is missing there, and the file.
    await b.put('/held/by-b', 'x');
    await a.until('the change of b', async () => (await dots(a)).length === 4);
    expect(await a.get('/held/by-b')).to.equal(null);
    await a.put('/held/by-a', 'x');
    expect(await a.get('/held/by-a')).to.equal('x');
    await b.until('the change of a', async () => (await dots(b)).length === 4);
  });

  it('shows in filer.peers, /readyz, /metrics, GET store and GET digest', async () => {
    const peers = await kelp('filer.peers', `--master=${cluster.master.address}`);
    expect(peers.code).to.equal(1);
    expect(peers.stdout).to.include(`2 changes of ${peer.address} quarantined`);
    expect(peers.stderr).to.include(`4 changes are quarantined at ${a.address}; see kelp filer.quarantine --filer=${a.address}`);
    const ready = await a.json<{ ready: boolean; warnings: unknown }>('/readyz');
    expect(ready).to.deep.include({ ready: true, warnings: [{ code: 'QUARANTINED', error: '4 changes are quarantined; see kelp filer.quarantine' }] });
    expect((await a.request('GET', '/metrics')).text).to.include('\nkelp_quarantined_changes 4\n');
    const expected = (await dots(a)).map(([dot]) => dot);
    expect((await a.store()).quarantined).to.deep.equal(expected);
    expect((await a.json<{ quarantined: string[] }>('/.filer/v1/digest')).quarantined).to.deep.equal(expected);
  });

  it('is tried again at a restart and by command, and listed by it', async () => {
    await a.restart();
    await a.until('the attempt', async () => (await quarantined(a))[0]?.attempts === 1);
    const listed = await kelp('filer.quarantine', `--filer=${a.address}`);
    expect(listed.code).to.equal(1);
    expect(listed.stdout.split('\n')[1]).to.match(
      new RegExp(`^${peer.origin}:2\t/held\t20\\S+\t1\tBODY_INVALID\tchange.newEntry.attributes: must be an object$`),
    );
    const retried = await kelp('filer.quarantine', `--filer=${a.address}`, `--retry=${peer.origin}:2`);
    expect(retried).to.deep.include({ code: 1, stdout: `refused\t${peer.origin}:2\n`, stderr: '4 changes are still quarantined\n' });
    const shown = JSON.parse((await kelp('filer.quarantine', `--filer=${a.address}`, `--show=${peer.origin}:2`)).stdout) as QuarantinedReport;
    expect(shown.attempts).to.equal(2);
    expect((await kelp('filer.quarantine', `--filer=${a.address}`, `--drop=${peer.origin}:3`)).code).to.equal(1);
    expect((await kelp('filer.quarantine', `--filer=${a.address}`, '--drop=x')).code).to.equal(2);
  });

  it('lets go what waited when it is dropped, and the filers agree again', async () => {
    for (const filer of [a, b]) {
      const dropped = await kelp('filer.quarantine', `--filer=${filer.address}`, `--drop=${peer.origin}:2`, '--json');
      expect(dropped.code).to.equal(0);
      expect(JSON.parse(dropped.stdout)).to.deep.include({ dropped: [`${peer.origin}:2`], refused: [], left: 0 });
      expect(await kelp('filer.quarantine', `--filer=${filer.address}`)).to.deep.include({ code: 0, stdout: '' });
    }
    await cluster.converged();
    for (const filer of [a, b]) expect(await filer.list('/held')).to.have.length(3);
  });

  it('has what it overruled listed by filer.conflicts, and brought back by it everywhere', async () => {
    const listed = await kelp('filer.conflicts', `--filer=${a.address}`, '--path=/same', '--json');
    const { conflicts } = JSON.parse(listed.stdout) as { conflicts: ConflictReport[] };
    expect(listed.code).to.equal(1);
    expect(conflicts).to.have.length(1);
    const [{ id, loser }] = conflicts as [ConflictReport];
    expect(loser.dot).to.equal(`${peer.origin}:3`);
    expect((await kelp('filer.conflicts', `--filer=${a.address}`)).stdout.split('\n')[1]).to.match(new RegExp(`^${id}\t20\\S+\tupdate/update\t/same\t`));
    expect(JSON.parse((await kelp('filer.conflicts', `--filer=${a.address}`, `--show=${id}`)).stdout)).to.deep.equal(conflicts[0]);
    expect(await b.get('/same')).to.equal('of a');
    const restored = await kelp('filer.conflicts', `--filer=${a.address}`, `--restore=${id}`);
    expect(restored.code).to.equal(0);
    expect(restored.stdout).to.match(new RegExp(`^${await own(a)}:\\d+\n$`));
    await cluster.converged();
    for (const filer of [a, b]) expect(await filer.get('/same')).to.equal('of the peer');
    expect((await kelp('filer.conflicts', `--filer=${a.address}`, '--restore=0000000000000000')).code).to.equal(1);
    expect(await kelp('filer.conflicts', `--filer=${a.address}`, '--path=/none')).to.deep.include({ code: 0, stdout: '' });
  });
});
