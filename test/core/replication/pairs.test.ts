import { expect } from 'chai';
import { missingOf, pairsOf, type Pair, type Probe } from '../../../src/core/replication/pairs.js';
import type { FilerInfo } from '../../../src/core/replication/peer.js';
import type { PeerReport } from '../../../src/core/replication/peer-report.js';
import { hexId } from '../../support/announcements.js';

const [a, b, c] = [hexId('a'), hexId('b'), hexId('c')];
type Text = Record<string, number>;
const position = (text: Text) => new Map(Object.entries(text));
const now = Date.parse('2026-11-22T10:00:00.000Z') * 1000;

function reportOf(origin: string, more: Partial<PeerReport> = {}): PeerReport {
  return {
    origin,
    storeId: origin,
    address: origin.slice(0, 1),
    state: 'following',
    position: position({}),
    behind: { events: 0, seconds: 0, bytes: 0 },
    ahead: { events: 0, seconds: 0, bytes: 0 },
    rate: 0,
    etaSeconds: 0,
    lastContact: '2026-11-22T09:59:58.000Z',
    error: null,
    skewSeconds: 0.25,
    digest: 'unknown',
    ...more,
  };
}

interface Told {
  at?: Text;
  peers?: PeerReport[];
  info?: Partial<FilerInfo>;
  state?: 'up' | 'down';
  silent?: boolean;
  heard?: Text;
}

/** A filer that answers, at a position, with reports on its peers; or one that does not. */
function probe(origin: string, { at = {}, peers = [], info = {}, state = 'up', silent = false, heard = {} }: Told = {}): Probe {
  const said = { origin, position: position(at), digest: 'd', quarantined: [], state: 'ready', time: now, ...info } as unknown as FilerInfo;
  return {
    origin,
    storeId: origin,
    address: origin.slice(0, 1),
    state,
    position: position(heard),
    lastHeard: '2026-11-22T09:59:00.000Z',
    answer: silent ? null : { info: said, peers },
    error: silent ? { code: 'PEER_UNREACHABLE', error: 'no answer' } : null,
  };
}

const pairs = (probes: Probe[], ages: Record<string, number | null> = {}, maxLag = 5) => pairsOf(probes, new Map(Object.entries(ages)), maxLag);
const pair = (all: Pair[], filer: string, peer: string): Pair => {
  const found = all.find((each) => each.filerOrigin === filer && each.peerOrigin === peer);
  if (!found) throw new Error('no such pair');
  return found;
};

describe('pairs of filers', () => {
  it('are one for each filer and each of its peers, by address', () => {
    const all = pairs([probe(c), probe(a), probe(b)]).map(({ filer, peer }) => filer + peer);
    expect(all).to.deep.equal(['ab', 'ac', 'ba', 'bc', 'ca', 'cb']);
  });

  it('show no lag at equal positions, whatever the report said a moment ago', () => {
    const late = reportOf(b, { behind: { events: 3, seconds: 9, bytes: 30 } });
    const { behind, lagSeconds, digest, healthy, contactSeconds, skewSeconds } = pair(
      pairs([probe(a, { at: { b: 5 }, peers: [late] }), probe(b, { at: { b: 5, a: 0 } })]),
      a,
      b,
    );
    expect({ behind, lagSeconds, digest, healthy, contactSeconds, skewSeconds }).to.deep.equal({
      behind: 0,
      lagSeconds: 0,
      digest: 'equal',
      healthy: true,
      contactSeconds: 2,
      skewSeconds: 0.25,
    });
  });

  it('count what the peer has now, not what the filer has heard of, and age it by the oldest missing change', () => {
    const probes = [probe(a, { at: { [a]: 1, [b]: 5 }, peers: [reportOf(b)] }), probe(b, { at: { [a]: 1, [b]: 9, [c]: 2 } })];
    expect(missingOf(probes)).to.deep.equal([
      { origin: b, seq: 6, holder: 'b' },
      { origin: c, seq: 1, holder: 'b' },
    ]);
    const found = pair(pairs(probes, { [`${b}:6`]: 2, [`${c}:1`]: 7 }), a, b);
    expect(found).to.include({ behind: 6, lagSeconds: 7, healthy: false, state: 'following' });
    expect(pair(pairs(probes, { [`${b}:6`]: 2, [`${c}:1`]: 7 }, 10), a, b).healthy).to.equal(true);
    expect(pair(pairs(probes, { [`${b}:6`]: 2, [`${c}:1`]: 7 }), b, a)).to.include({ behind: 0, lagSeconds: 0 });
  });

  it('take the filer at its word for the lag if the age of what is missing cannot be found out', () => {
    const report = reportOf(b, { behind: { events: 1, seconds: 3, bytes: 1 }, rate: 2 });
    const probes = [probe(a, { peers: [report] }), probe(b, { at: { [b]: 4 } })];
    expect(pair(pairs(probes, { [`${b}:1`]: null }), a, b)).to.include({ lagSeconds: 3, etaSeconds: 2, rate: 2 });
  });

  it('never show a lag of 0 for a filer that does not answer, and count what it has not acknowledged', () => {
    const onC = reportOf(c, { ahead: { events: 4, seconds: 1, bytes: 40 }, position: position({ [b]: 2 }) });
    const probes = [
      probe(a, { at: { [a]: 10, [b]: 3 }, peers: [reportOf(b), onC] }),
      probe(b, { at: { [a]: 10, [b]: 3 }, peers: [reportOf(a)] }),
      probe(c, { silent: true, heard: { [a]: 5 } }),
    ];
    // It has acknowledged a:6 to a, and was heard with b:2.
    expect(pair(pairs(probes), c, a)).to.include({ state: 'unreachable', behind: 5, lagSeconds: null, digest: 'unknown', healthy: false, etaSeconds: null });
    expect(pair(pairs(probes), a, c)).to.include({ state: 'unreachable', behind: 0, lagSeconds: null, healthy: false });
    expect(pair(pairs(probes), a, b)).to.include({ healthy: true });
  });

  it('know nothing between two filers that do not answer', () => {
    expect(pair(pairs([probe(a, { silent: true }), probe(b, { silent: true })]), a, b)).to.include({ behind: null, lagSeconds: null, state: 'unreachable' });
  });

  it('do not hold a filer that is down against the others', () => {
    const probes = [probe(a, { peers: [reportOf(b, { state: 'down' })] }), probe(b, { silent: true, state: 'down' })];
    expect(pair(pairs(probes), a, b)).to.include({ state: 'down', lagSeconds: null, healthy: true });
    expect(pair(pairs(probes), a, b).error?.error).to.contain('last heard 2026-11-22T09:59:00.000Z');
  });

  it('are not healthy while a filer cannot reach a peer that answers us, does not know it, is not ready, or differs', () => {
    const up = probe(b);
    const broken: [Probe, Partial<Pair>][] = [
      [probe(a, { peers: [reportOf(b, { state: 'down', error: { code: 'PEER_UNREACHABLE', error: 'refused' } })] }), { state: 'down' }],
      [probe(a, { peers: [reportOf(b, { state: 'stalled' })] }), { state: 'stalled' }],
      [probe(a), { state: 'unknown' }],
      [probe(a, { info: { state: 'bootstrapping' } }), { state: 'bootstrapping' }],
      [probe(a, { info: { digest: 'other' }, peers: [reportOf(b)] }), { state: 'following', digest: 'different' }],
      [probe(a, { at: { [a]: 1 }, peers: [reportOf(b, { digest: 'different' })] }), { state: 'following', digest: 'different' }],
    ];
    for (const [filer, expected] of broken) expect(pair(pairs([filer, up]), a, b)).to.include({ ...expected, healthy: false });
  });

  it('show damage at either of the two before anything else, and why', () => {
    const damaged = probe(a, { info: { damage: 'the store is damaged (x)' }, peers: [reportOf(b)] });
    for (const found of [pair(pairs([damaged, probe(b, { peers: [reportOf(a)] })]), a, b), pair(pairs([damaged, probe(b, { peers: [reportOf(a)] })]), b, a)]) {
      expect(found).to.include({ state: 'following', digest: 'damaged', healthy: false });
      expect(found.error).to.deep.equal({ code: 'DIGEST_MISMATCH', error: 'a: the store is damaged (x)' });
    }
    const different = pair(pairs([probe(a, { info: { digest: 'other' }, peers: [reportOf(b)] }), probe(b)]), a, b);
    expect(different.error?.error).to.match(/^a and b hold different trees at one position; run kelp filer.store.id --check/);
  });

  it('do not compare digests where changes are quarantined', () => {
    const probes = [probe(a, { info: { digest: 'other', quarantined: [`${b}:1`] }, peers: [reportOf(b)] }), probe(b)];
    expect(pair(pairs(probes), a, b)).to.deep.include({
      digest: 'unknown',
      healthy: false,
      error: { code: 'QUARANTINED', error: '1 change of b quarantined' },
    });
    expect(pair(pairs(probes), b, a)).to.include({ digest: 'unknown' });
  });
});
