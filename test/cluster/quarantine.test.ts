import { expect } from 'chai';
import type { ConflictReport, QuarantinedReport } from '../../src/core/api/meta/ask-filer.js';
import { startCluster, type Cluster, type ClusterFiler } from '../support/cluster.js';
import { ForgedPeer } from '../support/forged-peer.js';
import { runKelp } from '../support/run-kelp.js';
import { expectSame } from '../support/trees.js';

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

/*
 * Whether a change is refused follows from its text and the program alone (src/core/change/refused.ts), and what is quarantined is tried at every
 * open. So a change that was refused becomes good by another program, and that tries it when it starts; there an operator's retry finds
 * something to apply only if the program has changed under a running process. Both are real processes here, and the change is one that a real
 * filer has written: an entry nested deeper than the one of them reads.
 */
describe('A change that one program refuses and another one reads', function () {
  this.timeout(60_000);
  let cluster: Cluster;
  let [writer, reader]: ClusterFiler[] = [];

  const shallow = `--import=${new URL('../support/shallow-json.mjs', import.meta.url).href}`;
  const nested = (depth: number): unknown => (depth === 0 ? 'core' : { in: nested(depth - 1) });
  /** Writes an entry that is nested too deep for the reader; returns its dot. */
  const writeDeep = async (name: string): Promise<string> => {
    const newEntry = { name, isDirectory: false, attributes: { fileMode: 432, mtime: '1763763267' }, content: 'ZGVlcA==', remoteEntry: nested(20) };
    const event = { directory: '/deep', eventNotification: { newEntry, newParentPath: '/deep' }, tsNs: '1763763267123456000' };
    const { text } = await writer.expect(200, 'POST', '/.filer/v1/changes', { body: JSON.stringify([event]) });
    return (JSON.parse(text) as { position: string }).position;
  };
  const quarantine = async () => (await reader.json<{ quarantine: QuarantinedReport[] }>('/.filer/v1/quarantine')).quarantine;
  const dots = async () => (await quarantine()).map(({ dot, waitsFor }) => [dot, waitsFor]);
  const heard = (position: string) =>
    reader.until(`${position} to be here`, async () => {
      const [origin = '', seq] = position.split(':');
      return ((await reader.store()).position[origin] ?? 0) >= Number(seq);
    });
  const changeProgram = async (levels: number) => {
    const before = reader.started.output.stderr.length;
    reader.started.process.kill('SIGUSR2');
    await reader.until('the other program', () => reader.started.output.stderr.slice(before).includes(`reads ${levels} levels`));
  };
  const retried = async (path: string) => JSON.parse((await reader.expect(200, 'POST', `/.filer/v1/quarantine${path}?action=retry`)).text) as unknown;
  const verdict = () => reader.metric('kelp_peer_digest', { verdict: 'equal' });

  before(async () => {
    // The second filer's first start is of the other program.
    cluster = await startCluster({ filers: 2, under: (name, start) => (name === 'filer-2' && start === 1 ? ['env', `NODE_OPTIONS=${shallow}`] : []) });
    [writer, reader] = cluster.filers;
    await writer.mkdir('/deep');
    await cluster.converged();
  });
  after(() => cluster?.close());

  it('is applied by a retry over HTTP, with what waited for it, and nothing else is', async () => {
    const [first, second] = [await writeDeep('1'), await writeDeep('2')];
    const waiting = await writer.put('/deep/1', 'written over');
    await heard(waiting);
    expect(await dots()).to.deep.equal([
      [first, null],
      [second, null],
      [waiting, first],
    ]);
    const [refused] = await quarantine();
    expect(refused).to.deep.include({ code: 'BODY_INVALID', paths: ['/deep/1'], attempts: 0 });
    expect(refused.error).to.match(/newEntry: may be nested at most 8 deep$/);
    expect(await retried(''), 'by the same program').to.deep.equal({ applied: [], refused: [first, second], dropped: [], left: 3 });
    expect([await reader.list('/deep'), await verdict()]).to.deep.equal([[], 0]);

    await changeProgram(100);
    expect(await retried(`/${first}`)).to.deep.equal({ applied: [first, waiting], refused: [], dropped: [], left: 1 });
    expect(await reader.get('/deep/1')).to.equal('written over');
    expect([await reader.list('/deep'), await dots()]).to.deep.equal([['1'], [[second, null]]]);
    expect(await reader.metric('kelp_quarantined_changes')).to.equal(1);
  });

  it('is applied by kelp filer.quarantine --retry, which exits 0 when nothing is left; then the filers are equal', async () => {
    const [[second] = []] = await dots();
    const left = await runKelp(['filer.quarantine', `--filer=${reader.address}`, '--retry=all']);
    expect(left).to.deep.include({ code: 0, stdout: `applied\t${second}\n`, stderr: 'nothing is quarantined any more\n' });
    expect(await runKelp(['filer.quarantine', `--filer=${reader.address}`])).to.deep.include({ code: 0, stdout: '' });
    await expectSame(cluster, [writer, reader]);
    expect(await reader.get('/deep/2')).to.equal('deep');
    const metadata = async (filer: ClusterFiler) => (await filer.expect(200, 'GET', '/deep/2?metadata=true')).text;
    expect(await metadata(reader)).to.equal(await metadata(writer));
    await reader.until('digests to be compared again', async () => (await verdict()) === 1);
    expect((await runKelp(['filer.peers', `--master=${cluster.master.address}`])).code).to.equal(0);
  });

  it('is applied by a restart with a program that reads it, and by none before', async () => {
    await changeProgram(8);
    const third = await writeDeep('3');
    await heard(third);
    expect(await dots()).to.deep.equal([[third, null]]);
    await reader.restart();
    await reader.started.waitForLine(new RegExp(`1 quarantined changes are applied now, the first is ${third}$`));
    await expectSame(cluster, [writer, reader]);
    expect([await reader.get('/deep/3'), await dots()]).to.deep.equal(['deep', []]);
    expect(await reader.metric('kelp_quarantine_retries_total')).to.equal(1);
  });
});
