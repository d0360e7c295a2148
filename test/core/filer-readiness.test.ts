import { expect } from 'chai';
import { readinessOf, type ReadinessParts } from '../../src/core/filer-readiness.js';
import { FilerError } from '../../src/core/errors.js';
import type { PeerReport } from '../../src/core/replication/peer-report.js';

const [a, b] = ['a000000000000000', 'b000000000000000'];
const none = { events: 0, seconds: 0, bytes: 0 };

const peer = (change: Partial<PeerReport> = {}): PeerReport => ({
  origin: a,
  storeId: 'a111111111111111',
  address: 'host:1',
  state: 'following',
  position: new Map(),
  behind: none,
  ahead: none,
  rate: 0,
  etaSeconds: 0,
  lastContact: null,
  error: null,
  skewSeconds: 0,
  digest: 'equal',
  ...change,
});

const parts = (change: Partial<ReadinessParts> = {}): ReadinessParts => ({
  admission: { mustWrite: () => {}, isRefused: false },
  waitsFor: '',
  damage: null,
  membership: { outcast: null, silentMs: 0 },
  members: [
    { origin: a, state: 'up' },
    { origin: b, state: 'down' },
  ],
  peers: [peer()],
  quarantined: 0,
  memberDownMs: 15_000,
  ...change,
});

const codes = (change: Partial<ReadinessParts>, lagSecondsMax = 5) => readinessOf(parts(change), lagSecondsMax).reasons.map(({ code }) => code);

const refusing = (error: Error): ReadinessParts['admission'] => ({
  mustWrite: () => {
    throw error;
  },
  isRefused: error instanceof FilerError && error.code === 'ORIGIN_IN_USE',
});

describe('readinessOf', () => {
  it('finds nothing to say of a filer that writes and follows everybody', () => {
    expect(readinessOf(parts(), 5)).to.deep.equal({ ready: true, reasons: [], warnings: [] });
  });

  it('gives the reason why clients may not write', () => {
    const admission = refusing(new FilerError('BOOTSTRAPPING', 'this filer is bootstrapping'));
    expect(readinessOf(parts({ admission }), 5)).to.deep.equal({
      ready: false,
      reasons: [{ code: 'BOOTSTRAPPING', error: 'this filer is bootstrapping' }],
      warnings: [],
    });
    expect(readinessOf(parts({ admission, waitsFor: 'nobody can serve' }), 5).reasons[1]).to.deep.equal({ code: 'BOOTSTRAPPING', error: 'nobody can serve' });
    expect(codes({ admission: refusing(new TypeError('broken')) })).to.deep.equal(['INTERNAL']);
  });

  it('names the refusal of a master once', () => {
    const outcast = new FilerError('ORIGIN_IN_USE', 'held by host:2');
    const membership = { outcast, silentMs: 0 };
    expect(codes({ membership })).to.deep.equal(['ORIGIN_IN_USE']);
    expect(codes({ membership, admission: refusing(outcast) })).to.deep.equal(['ORIGIN_IN_USE']);
  });

  it('counts a lag beyond the bound, and one that nobody knows', () => {
    const lagging = (seconds: number | null) => ({ peers: [peer({ behind: { events: 1, seconds, bytes: 1 } })] });
    expect(codes(lagging(5))).to.deep.equal([]);
    expect(readinessOf(parts(lagging(5.01)), 5).reasons).to.deep.equal([{ code: 'POSITION_BEHIND', error: '5.0 s behind host:1, more than 5 s' }]);
    expect(codes(lagging(5.01), 6)).to.deep.equal([]);
    expect(readinessOf(parts(lagging(null)), 5).reasons[0]?.error).to.include('an unknown time behind host:1');
  });

  it('wants every member that is up followed, and no other', () => {
    const error = { code: 'PEER_UNREACHABLE', error: 'nobody there' };
    const lost = (origin: string, seconds: number | null = 0) => peer({ origin, state: 'retrying', error, behind: { ...none, seconds } });
    expect(readinessOf(parts({ peers: [lost(a)] }), 5).reasons).to.deep.equal([{ code: 'PEER_UNREACHABLE', error: 'host:1 is not followed: nobody there' }]);
    expect(codes({ peers: [peer({ state: 'connecting' })] })).to.deep.equal(['BOOTSTRAPPING']);
    expect(codes({ peers: [lost(b)] })).to.deep.equal([]);
  });

  it('takes a silent peer for down only when no master can say so', () => {
    const peers = [peer({ state: 'retrying', behind: { ...none, seconds: null } })];
    const silent = (silentMs: number) => codes({ peers, membership: { outcast: null, silentMs } });
    expect(silent(14_999)).to.deep.equal(['BOOTSTRAPPING']);
    expect(silent(15_000)).to.deep.equal([]);
  });

  it('is not ready while its own store fails, though the peer is not asked meanwhile and no master is there', () => {
    const error = { code: 'STORE_FULL', error: 'the disk of the store is full' };
    const peers = [peer({ state: 'stalled', error, behind: { events: 1, seconds: null, bytes: 1 } })];
    expect(codes({ peers, membership: { outcast: null, silentMs: 60_000 } })).to.deep.equal(['STORE_FULL']);
  });

  it('tells of damage, and of digests that differ at one position', () => {
    expect(codes({ damage: 'bucket 7 differs', peers: [peer({ digest: 'different' })] })).to.deep.equal(['DIGEST_MISMATCH', 'DIGEST_MISMATCH']);
  });

  it('warns of what is quarantined, and stays ready', () => {
    const warned = (quarantined: number) => readinessOf(parts({ quarantined }), 5);
    expect(warned(1)).to.deep.equal({
      ready: true,
      reasons: [],
      warnings: [{ code: 'QUARANTINED', error: '1 change is quarantined; see kelp filer.quarantine' }],
    });
    expect(warned(2).warnings[0]?.error).to.include('2 changes are quarantined');
  });
});
