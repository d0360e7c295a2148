import { expect } from 'chai';
import { limits } from '../../../src/core/config/limits.js';
import { DigestComparison } from '../../../src/core/replication/digest-comparison.js';
import { ManualTime } from '../../support/manual-time.js';
import { openFiler, type MemoryFiler } from '../../support/memory-peer.js';
import { file, mode, p, pull } from '../../support/open-log.js';

const put = (at: MemoryFiler, path: string) => at.core.tree.put(p(path), file(path), mode);
const damaged = '0'.repeat(16);

describe('DigestComparison', () => {
  let time: ManualTime;
  let [at, peer]: MemoryFiler[] = [];
  let digests: DigestComparison;

  beforeEach(async () => {
    time = new ManualTime();
    [at, peer] = [await openFiler('at:1', 'ready', { time }), await openFiler('peer:1', 'ready', { time })];
    digests = new DigestComparison(at.core.log, time, limits);
  });

  const hear = (digest = peer.core.log.digestToTell()) => digests.hear(peer.core.log.position, digest);

  it('compares two that are level at once, again and again', async () => {
    expect(digests.verdict()).to.equal('unknown');
    hear();
    expect(digests.verdict()).to.equal('equal');
    hear(damaged);
    expect(digests.verdict()).to.equal('different');
    await put(peer, '/a');
    await pull(peer.core, at.core);
    hear();
    expect(digests.verdict()).to.equal('equal');
  });

  it('comes to a verdict though both write all the time and are never level', async () => {
    for (const [round, told] of [undefined, damaged, undefined].entries()) {
      for (let i = 0; i < 5; i++) {
        await put(peer, `/p${i}`);
        hear(told);
        await put(at, `/a${i}`);
        await put(peer, `/q${i}`);
        await pull(peer.core, at.core);
        digests.verdict();
        await time.advance(300);
      }
      expect(digests.verdict()).to.equal(round === 1 ? 'different' : 'equal');
    }
  });

  it('keeps what it heard while it lags, and compares when it has come so far', async () => {
    await put(at, '/own');
    await put(peer, '/a');
    hear();
    for (let i = 0; i < 3; i++) {
      await put(peer, `/b${i}`);
      hear();
      expect(digests.verdict()).to.equal('unknown');
    }
    await pull(peer.core, at.core);
    await put(peer, '/c');
    hear();
    expect(digests.verdict()).to.equal('equal');
  });

  it('lets a verdict stand for a while only', async () => {
    hear();
    expect(digests.verdict()).to.equal('equal');
    await put(peer, '/a');
    hear();
    await time.advance(limits.digestVerdictMs);
    expect(digests.verdict()).to.equal('equal');
    await time.advance(1);
    expect(digests.verdict()).to.equal('unknown');
  });

  it('has no verdict while either tree is not what its position says', async () => {
    hear();
    expect(digests.verdict()).to.equal('equal');
    hear('');
    expect(digests.verdict()).to.equal('unknown');
    hear();
    expect(digests.verdict()).to.equal('equal');
    await at.setPhase('restored');
    expect(digests.verdict()).to.equal('unknown');
    expect(at.core.log.digestToTell()).to.equal('');
  });

  it('does not compare with what the peer said before its history may have become another', async () => {
    hear(damaged);
    digests.forget();
    expect(digests.verdict()).to.equal('unknown');
  });
});
