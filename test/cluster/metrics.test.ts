import { expect } from 'chai';
import { startCluster, type Cluster, type ClusterFiler } from '../support/cluster.js';
import { MasterView } from '../support/master-view.js';
import type { Proxy } from '../support/proxy.js';

const missed = 40;
/** All of them take minutes on the slow way, what a filer says of itself does not take a second. */
const content = Buffer.alloc(30_000, 'x').toString();
const slowBytesPerSecond = 20_000;

describe('What two filers count of each other while they are level, cut off, and slow to hear', function () {
  this.timeout(120_000);
  let cluster: Cluster;
  const views: MasterView[] = [];
  let [writer, reader]: ClusterFiler[] = [];
  let [toWriter, toReader]: Proxy[] = [];
  let [ofWriter, ofReader]: { peer: string }[] = [];

  const seconds = () => Date.now() / 1000;
  const verdict = async (filer: ClusterFiler, of: { peer: string }) => {
    const found: string[] = [];
    for (const verdict of ['equal', 'different', 'unknown']) if ((await filer.metric('kelp_peer_digest', { ...of, verdict })) === 1) found.push(verdict);
    return found.join();
  };
  const log = async (filer: ClusterFiler) => [await filer.metric('kelp_log_bytes'), await filer.metric('kelp_log_changes')];

  before(async () => {
    cluster = await startCluster({ filers: 0 });
    for (let number = 0; number < 2; number += 1) {
      const view = await MasterView.of(cluster.master.address);
      views.push(view);
      await cluster.addFiler({ masters: [view.address] });
    }
    [writer, reader] = cluster.filers;
    [toWriter, toReader] = [await views[1].to(writer), await views[0].to(reader)];
    [ofWriter, ofReader] = [{ peer: (await writer.store()).origin }, { peer: (await reader.store()).origin }];
    await writer.put('/same', 'base');
    await cluster.converged();
  });

  after(async () => {
    await cluster?.close();
    await Promise.all(views.map((view) => view.close()));
  });

  /** Each with what it tells of the other, once it finds their digests equal. */
  async function bothEqual() {
    const sides = [
      [writer, ofReader],
      [reader, ofWriter],
    ] as const;
    for (const [filer, of] of sides) await filer.until('equal digests', async () => (await verdict(filer, of)) === 'equal');
    return sides;
  }

  it('nothing, while both are level', async () => {
    for (const [filer, of] of await bothEqual()) {
      for (const name of ['behind_changes', 'behind_seconds', 'ahead_changes', 'stalled'])
        expect(await filer.metric(`kelp_peer_${name}`, of), name).to.equal(0);
      expect(await filer.metric('kelp_conflicts_total')).to.equal(0);
      expect(await filer.metric('kelp_peers', { state: 'following' })).to.equal(1);
    }
    expect(await reader.metric('kelp_peer_applied_changes_total', ofWriter)).to.equal(1);
    expect(await writer.metric('kelp_peer_applied_changes_total', ofReader)).to.equal(0);
    expect(await writer.metric('kelp_peer_apply_rate', ofReader), 'nothing was ever applied').to.equal(0);
    expect(await reader.metric('kelp_peer_apply_rate', ofWriter)).to.be.above(0);
  });

  it('retries while the way is cut: the peer is down, its lag and its digest are not known', async () => {
    const before = await reader.metric('kelp_peer_retries_total', ofWriter);
    for (const way of [toWriter, toReader]) way.cut();
    await reader.until('the third retry', async () => (await reader.metric('kelp_peer_retries_total', ofWriter)) >= before + 3);
    await reader.until('it to be down', async () => (await reader.metric('kelp_peers', { state: 'down' })) === 1);
    expect(await reader.metric('kelp_peers', { state: 'following' })).to.equal(0);
    expect(await reader.metric('kelp_peer_behind_seconds', ofWriter)).to.be.NaN;
    expect(await verdict(reader, ofWriter)).to.equal('unknown');
    const [bytes, changes] = await log(reader);

    for (let i = 0; i < 3; i += 1) await writer.put(`/while-cut-${i}`, 'x');
    await writer.put('/same', 'by the writer');
    await reader.put('/same', 'by the reader');
    expect(await writer.metric('kelp_peer_ahead_changes', ofReader)).to.equal(4);
    expect(await reader.metric('kelp_peer_ahead_changes', ofWriter)).to.equal(1);
    const [bytesNow, changesNow] = await log(reader);
    expect(changesNow - changes).to.equal(1);
    expect(bytesNow)
      .to.be.above(bytes)
      .and.to.equal((await reader.store()).counts.bytes);
  });

  it('what was applied and overruled, and no lag, once they are level again', async () => {
    for (const way of [toWriter, toReader]) way.heal();
    await cluster.converged();
    for (const [filer, of] of await bothEqual()) {
      for (const name of ['behind_changes', 'behind_seconds', 'ahead_changes']) expect(await filer.metric(`kelp_peer_${name}`, of), name).to.equal(0);
      expect(await filer.metric('kelp_conflicts_total'), 'one write of two').to.equal(1);
      const { counts } = await filer.store();
      expect(await log(filer)).to.deep.equal([counts.bytes, counts.changes]);
      expect(counts.changes).to.equal(6);
    }
    expect(await reader.metric('kelp_peer_applied_changes_total', ofWriter)).to.equal(5);
    expect(await writer.metric('kelp_peer_applied_changes_total', ofReader)).to.equal(1);
    expect(await writer.metric('kelp_peer_apply_rate', ofReader)).to.be.above(0);
    expect(await reader.metric('kelp_peers', { state: 'down' })).to.equal(0);
  });

  it('every change that is missing, and since when that is known, while the way is slow', async () => {
    await reader.stop();
    for (let i = 0; i < missed; i += 1) await writer.put(`/missed-${i}`, content);
    toWriter.bytesPerSecond = slowBytesPerSecond;
    const began = seconds();
    await reader.start({ ready: false });
    await reader.until('word of what is missing', async () => (await reader.metric('kelp_peer_behind_changes', ofWriter)) > 0);
    const heard = seconds();
    expect(await reader.metric('kelp_peer_behind_changes', ofWriter)).to.equal(missed);
    await reader.until('the lag to grow', async () => (await reader.metric('kelp_peer_behind_seconds', ofWriter)) > 1);
    const asked = seconds();
    const lag = await reader.metric('kelp_peer_behind_seconds', ofWriter);
    // Until they are here nobody knows how old they are.
    expect(lag).to.be.within(asked - heard - 0.1, seconds() - began + 0.1);
    expect(await reader.metric('kelp_peer_applied_changes_total', ofWriter), 'none of it is here').to.equal(0);
    expect(await verdict(reader, ofWriter)).to.equal('unknown');

    toWriter.bytesPerSecond = Infinity;
    await cluster.converged();
    await reader.until('equal digests', async () => (await verdict(reader, ofWriter)) === 'equal');
    expect(await reader.metric('kelp_peer_behind_seconds', ofWriter)).to.equal(0);
    expect(await reader.metric('kelp_peer_applied_changes_total', ofWriter)).to.equal(missed);
    expect((await log(reader))[1]).to.equal(6 + missed);
    expect((await log(reader))[0]).to.be.above((missed * content.length * 4) / 3);
  });
});
