import { expect } from 'chai';
import { decodeChange } from '../../../src/core/change/codec.js';
import { originStart } from '../../../src/core/log/log-state.js';
import type { ChangesRequest } from '../../../src/core/replication/peer.js';
import { Reports } from '../../../src/core/replication/reports.js';
import { Source } from '../../../src/core/replication/source.js';
import { openFiler, type MemoryFiler } from '../../support/memory-peer.js';
import { codeOf, failureOf, file, mode, never, p, pull } from '../../support/open-log.js';

const stranger = 'e'.repeat(16);

const put = (at: MemoryFiler, path: string, text = 'x') => at.core.tree.put(p(path), file(text), mode);
const ask = (from: MemoryFiler, more: Partial<ChangesRequest> = {}): ChangesRequest => ({
  origins: [from.origin],
  position: new Map(),
  limit: 1000,
  bytesMax: 1e6,
  waitMs: 0,
  ...more,
});

/** Two filers that know each other. */
async function two(): Promise<[MemoryFiler, MemoryFiler]> {
  const [a, b] = [await openFiler('a:1'), await openFiler('b:1')];
  for (const [at, other] of [
    [a, b],
    [b, a],
  ]) {
    await at.core.log.alone(async (draft) => {
      draft.know(other.origin);
      await draft.flush();
    });
  }
  return [a, b];
}

describe('Source.changes', () => {
  it('gives what the caller lacks of the asked origins, with position, head, digest and clock of one moment', async () => {
    const [a, b] = await two();
    await put(a, '/a');
    await put(b, '/b');
    await pull(b.core, a.core);
    const page = await a.source.changes(ask(a), b.caller(), never);
    expect(page.texts.map((text) => decodeChange(text).newPath)).to.deep.equal(['/a']);
    expect(page.texts[0]).to.match(/,"applied":"won"\}\}$/);
    expect(page.position).to.deep.equal(new Map([[a.origin, 1]]));
    expect(page.head).to.deep.equal(a.core.log.position);
    expect(page.digest).to.equal(a.core.log.digest);
    expect(page.report).to.deep.equal(a.core.log.position);
    await put(a, '/later');
    expect((await a.core.store.find('tree', [p('/later')]))[0].version).to.be.at.least(page.time);
  });

  it('waits for news, and answers with nothing at the time-out', async () => {
    const [a, b] = await two();
    const empty = a.source.changes(ask(a, { waitMs: 5000 }), b.caller(), never);
    await a.core.time.advance(5000);
    expect((await empty).texts).to.deep.equal([]);
    const news = a.source.changes(ask(a, { waitMs: 5000 }), b.caller(), never);
    await a.core.time.advance(10);
    await put(a, '/a');
    expect((await news).texts.length).to.equal(1);
  });

  it('ends held polls when this filer stops serving', async () => {
    const [a, b] = await two();
    const held = codeOf(() => a.source.changes(ask(a, { waitMs: 5000 }), b.caller(), never));
    await a.core.time.advance(10);
    a.endPolls();
    expect(await held).to.equal('STOPPING');
  });

  it('is refused while this filer serves nobody', async () => {
    const [a, b] = await two();
    a.isServing = false;
    expect(await codeOf(() => a.source.changes(ask(a), b.caller(), never))).to.equal('BOOTSTRAPPING');
    expect(await codeOf(() => a.source.snapshot(null, 10, b.caller()))).to.equal('BOOTSTRAPPING');
    expect([a.source.report(), a.source.followers.size]).to.deep.equal([null, 0]);
  });
});

describe('Source.snapshot', () => {
  it('gives every row once, in key order, page by page, with the position each was read at', async () => {
    const [a, b] = await two();
    for (const path of ['/1', '/d/2', '/d/3', '/e/f/4']) await put(a, path);
    await a.core.tree.remove(p('/1'), false);
    const rows = [];
    let after = null;
    do {
      const page = await a.source.snapshot(after, 2, b.caller());
      expect(page.position).to.deep.equal(a.core.log.position);
      expect(page.hashes.get(a.origin)).to.equal(a.core.log.state.origins.get(a.origin)?.hash);
      expect(page.versions.get(a.origin)).to.equal(a.core.log.state.origins.get(a.origin)?.version);
      expect([page.epoch, page.floor]).to.deep.equal([a.core.log.identity.epoch, 0]);
      rows.push(...page.rows);
      after = page.next;
    } while (after !== null);
    expect(rows).to.deep.equal(await a.core.store.scan('tree', null, 100, 1e6));
    expect(rows.some((row) => row.entry === null)).to.equal(true);
  });

  it('tells the runs with the first page only', async () => {
    const [a, b] = await two();
    for (const path of ['/1', '/2', '/3']) await put(a, path);
    const again = await a.restart();
    await put(again, '/4');
    const first = await again.source.snapshot(null, 2, b.caller());
    expect(first.runs).to.deep.equal(
      new Map([
        [a.origin, again.core.log.state.origins.get(a.origin)?.runs],
        [b.origin, []],
      ]),
    );
    expect(first.runs.get(a.origin)?.map(({ seq }) => seq)).to.deep.equal([1, 4]);
    expect((await again.source.snapshot(first.next, 2, b.caller())).runs).to.deep.equal(new Map());
  });
});

describe('Source.runs', () => {
  it('tells those of the origins asked for, up to the place asked for', async () => {
    const [a, b] = await two();
    for (const path of ['/1', '/2', '/3']) await put(a, path);
    const again = await a.restart();
    await put(again, '/4');
    const upTo = (seq: number) => again.source.runs(new Map([[a.origin, seq]])).get(a.origin);
    expect([0, 3, 4, 9].map((seq) => upTo(seq)?.map((run) => run.seq))).to.deep.equal([[], [1], [1, 4], [1, 4]]);
    const others = new Map([
      [b.origin, 5],
      [stranger, 5],
    ]);
    expect(again.source.runs(others)).to.deep.equal(new Map([...others.keys()].map((origin) => [origin, []])));
  });
});

describe('Source.greet', () => {
  it('makes the caller known, durably, before it answers, once', async () => {
    const [a, b] = [await openFiler('a:1'), await openFiler('b:1')];
    await a.source.greet(b.caller());
    expect(a.core.disk.content.origins.get(b.origin)).to.deep.equal(originStart(b.origin));
    expect(a.core.log.position.get(b.origin)).to.equal(0);
    const { transactions } = a.core.store;
    await a.source.greet(b.caller());
    expect(a.core.store.transactions).to.equal(transactions);
  });

  it('remembers who follows, how far it is, and its last report', async () => {
    const [a, b] = await two();
    await put(b, '/b');
    await a.source.greet(b.caller());
    expect(a.source.followers.get(b.origin)).to.deep.include({ address: 'b:1', position: b.core.log.position, report: b.core.log.position });
    const report = b.core.log.position;
    b.isServing = false;
    await put(b, '/b2');
    await a.source.greet(b.caller());
    expect(a.source.followers.get(b.origin)).to.deep.include({ position: b.core.log.position, report });
  });

  it('refuses another cluster, a copy of itself and a caller with another history', async () => {
    const [a, b] = await two();
    await put(a, '/a');
    await a.core.log.alone(async (draft) => {
      draft.setIdentity({ clusterId: 'c'.repeat(16) });
      await draft.flush();
    });
    expect(await codeOf(() => a.source.greet({ ...b.caller(), clusterId: 'd'.repeat(16) }))).to.equal('CLUSTER_MISMATCH');
    expect(await codeOf(() => a.source.greet({ ...b.caller(), origin: a.origin }))).to.equal('ORIGIN_IN_USE');
    const have = new Map([
      [a.origin, { seq: 1, hash: '000000000001', run: '' }],
      [b.origin, { seq: 0, hash: '', run: '' }],
    ]);
    const failure = await failureOf(() => a.source.greet({ ...b.caller(), have }));
    expect([failure.code, failure.fields]).to.deep.equal(['ORIGIN_DIVERGED', { origin: a.origin }]);
    expect(a.source.followers.size).to.equal(0);
  });

  describe('between lineages', () => {
    /** Two that know each other and hold something; and one of another lineage. */
    const strangers = async (work: boolean): Promise<[MemoryFiler, MemoryFiler]> => {
      const [a, b] = await two();
      await a.source.greet(b.caller());
      await put(a, '/a');
      const stranger = await openFiler('c:1', 'ready', { isStranger: true });
      if (work) await put(stranger, '/c');
      return [a, stranger];
    };

    it('refuses a caller that must join first, and does not make it known', async () => {
      for (const work of [true, false]) {
        const [a, stranger] = await strangers(work);
        expect(await codeOf(() => a.source.greet(stranger.caller()))).to.equal('ORIGIN_DIVERGED');
        expect(a.core.log.position.has(stranger.origin)).to.equal(false);
      }
    });

    it('says so when it is itself that must join first', async () => {
      const [a, stranger] = await strangers(true);
      expect(await codeOf(() => stranger.source.greet(a.caller()))).to.equal('BOOTSTRAPPING');
      expect(stranger.strangers.map(({ origin }) => origin)).to.deep.equal([a.origin]);
      expect(stranger.core.log.position.has(a.origin)).to.equal(false);
    });

    it('serves a caller that takes a snapshot, whatever lineage it comes from', async () => {
      const [a, stranger] = await strangers(false);
      await stranger.setPhase('bootstrapping');
      await a.source.greet(stranger.caller());
      expect(a.core.log.position.get(stranger.origin)).to.equal(0);
    });

    it('makes a caller known that is to take over its lineage, and serves it only then', async () => {
      const pair = await Promise.all(['a:1', 'b:1'].map((address) => openFiler(address, 'ready', { isStranger: true })));
      const [first, second] = pair.sort((x, y) => (x.core.log.identity.lineage < y.core.log.identity.lineage ? -1 : 1));
      expect(await codeOf(() => second.source.greet(first.caller())), 'not known there yet').to.equal('BOOTSTRAPPING');
      expect(second.strangers).to.deep.equal([]);
      expect(await codeOf(() => first.source.greet(second.caller()))).to.equal('BOOTSTRAPPING');
      expect(first.core.log.position.get(second.origin)).to.equal(0);
      expect(await codeOf(() => second.source.greet(first.caller())), 'known there').to.equal('BOOTSTRAPPING');
      expect(second.strangers.map(({ origin }) => origin)).to.deep.equal([first.origin]);
      await second.core.log.alone(async (draft) => {
        draft.setIdentity({ lineage: first.core.log.identity.lineage });
        await draft.flush();
      });
      await first.source.greet(second.caller());
      expect([...first.source.followers.keys()]).to.deep.equal([second.origin]);
    });
  });

  it('knows a limited number of origins, and remembers a limited number of followers', async () => {
    const a = await openFiler('a:1');
    const { log, feed, store, time } = a.core;
    const hooks = { mustServe: () => {}, serving: () => never, metStranger: () => {}, heard: () => {}, parted: () => {} };
    const source = new Source({ log, feed, store, time, reports: new Reports() }, hooks, { originsOpenMax: 3, snapshotBytes: 1e6, membersMax: 1 });
    const callers = await Promise.all(['b:1', 'c:1', 'd:1'].map(async (address) => (await openFiler(address)).caller()));
    await source.greet(callers[0]);
    await source.greet(callers[1]);
    expect(await codeOf(() => source.greet(callers[2]))).to.equal('TOO_MANY_ORIGINS');
    expect([...source.followers.keys()]).to.deep.equal([callers[1].origin]);
  });
});
