import { expect } from 'chai';
import { hashesOf } from '../../../src/core/replication/branches.js';
import type { Caller } from '../../../src/core/replication/peer.js';
import { openFiler, type MemoryFiler } from '../../support/memory-peer.js';
import { changesFor, file, mode, p, pull } from '../../support/open-log.js';
import { alpha } from '../../support/store-values.js';

const put = (at: MemoryFiler, path: string) => at.core.tree.put(p(path), file('x'), mode);
const settle = (at: MemoryFiler) => at.reports.settle(at.core.log.state, hashesOf(at.core.store));

/** Says at `to` where `from` is, without a greeting, and tells the position. */
const tell = (from: MemoryFiler, to: MemoryFiler, more: Partial<Caller> = {}) => {
  const { report, have } = { ...from.caller(), ...more };
  to.reports.hear(from.origin, report ?? new Map(), have);
  return report;
};

describe('Reports', () => {
  let at: MemoryFiler;
  let peer: MemoryFiler;
  beforeEach(async () => {
    [at, peer] = [await openFiler('at:1'), await openFiler('peer:1')];
    await at.source.greet(peer.caller());
    at.reports.forget();
  });

  it('know nothing of who has not spoken', async () => {
    await settle(at);
    expect([at.reports.latest(peer.origin), at.reports.settled(peer.origin)]).to.deep.equal([null, null]);
  });

  it('settle one only when this store has everything in it', async () => {
    await put(peer, '/a');
    const report = tell(peer, at);
    await settle(at);
    expect([at.reports.latest(peer.origin), at.reports.settled(peer.origin)]).to.deep.equal([report, null]);
    await pull(peer.core, at.core);
    expect(at.reports.settled(peer.origin), 'not by itself').to.equal(null);
    await settle(at);
    expect(at.reports.settled(peer.origin)).to.deep.equal(report);
  });

  it('do not settle one that names an origin that is not known here, be it at 0', async () => {
    await peer.core.log.alone(async (draft) => {
      draft.know(alpha);
      await draft.flush();
    });
    const report = tell(peer, at);
    await settle(at);
    expect(at.reports.settled(peer.origin)).to.equal(null);
    await at.core.log.alone(async (draft) => {
      draft.know(alpha);
      await draft.flush();
    });
    await settle(at);
    expect(at.reports.settled(peer.origin)).to.deep.equal(report);
  });

  it('catch up with a peer that writes all the time', async () => {
    await put(peer, '/a');
    const first = tell(peer, at);
    await put(peer, '/b');
    const second = tell(peer, at);
    await at.core.log.apply((await changesFor(peer.core, at.core)).slice(0, 1));
    await settle(at);
    expect([at.reports.settled(peer.origin), at.reports.latest(peer.origin)]).to.deep.equal([first, second]);
    await pull(peer.core, at.core);
    await settle(at);
    expect(at.reports.settled(peer.origin)).to.deep.equal(second);
  });

  it('never settle one whose hashes are not those of this store', async () => {
    await put(peer, '/a');
    await pull(peer.core, at.core);
    tell(peer, at, { have: new Map([[peer.origin, { seq: 1, hash: '000000000001', run: '' }]]) });
    await settle(at);
    await settle(at);
    expect(at.reports.settled(peer.origin)).to.equal(null);
    tell(peer, at);
    await settle(at);
    expect(at.reports.settled(peer.origin), 'a later one of the same history').to.deep.equal(peer.caller().report);
  });

  it('compare hashes in the middle of the log too', async () => {
    await put(peer, '/a');
    const good = peer.caller();
    await put(peer, '/b');
    await pull(peer.core, at.core);
    tell(peer, at, { ...good, have: new Map([[peer.origin, { seq: 1, hash: '000000000001', run: '' }]]) });
    await settle(at);
    expect(at.reports.settled(peer.origin)).to.equal(null);
    tell(peer, at, good);
    await settle(at);
    expect(at.reports.settled(peer.origin)).to.deep.equal(good.report);
  });

  it('compare runs where this store no longer knows a hash', async () => {
    for (const path of ['/a', '/b', '/c']) await put(peer, path);
    await pull(peer.core, at.core);
    await at.core.log.alone(async (draft) => {
      await draft.trim(3);
      await draft.flush();
    });
    const [known] = at.core.log.state.origins.get(peer.origin)?.runs ?? [];
    const early = (run: string) => ({ report: new Map([[peer.origin, 1]]), have: new Map([[peer.origin, { seq: 1, hash: '000000000001', run }]]) });
    tell(peer, at, early('000000000002'));
    await settle(at);
    expect(at.reports.settled(peer.origin), 'in another run').to.equal(null);
    tell(peer, at, early(known?.hash ?? ''));
    await settle(at);
    expect(at.reports.settled(peer.origin)).to.deep.equal(new Map([[peer.origin, 1]]));
  });

  it('forget what was settled when the peer goes back behind it', async () => {
    await put(peer, '/a');
    const early = peer.caller();
    await put(peer, '/b');
    await pull(peer.core, at.core);
    tell(peer, at);
    await settle(at);
    tell(peer, at, early);
    expect(at.reports.settled(peer.origin)).to.equal(null);
    await settle(at);
    expect(at.reports.settled(peer.origin)).to.deep.equal(early.report);
  });

  it('forget everything on command', async () => {
    tell(peer, at);
    await settle(at);
    expect(at.reports.settled(peer.origin)).to.not.equal(null);
    at.reports.forget();
    await settle(at);
    expect([at.reports.latest(peer.origin), at.reports.settled(peer.origin)]).to.deep.equal([null, null]);
  });
});
