import { expect } from 'chai';
import { limits as defaults } from '../../../src/core/config/limits.js';
import type { Member } from '../../../src/core/cluster/member.js';
import { FilerError } from '../../../src/core/errors.js';
import { silentLogger } from '../../../src/core/logger.js';
import { Aggregator, type Interruption } from '../../../src/core/replication/aggregator.js';
import { originStart } from '../../../src/core/log/log-state.js';
import { expectConsistent, expectSame } from '../../support/history.js';
import { ManualTime, passUntil } from '../../support/manual-time.js';
import { openFiler, type MemoryFiler } from '../../support/memory-peer.js';
import { file, mode, p, pull } from '../../support/open-log.js';

const limits = { ...defaults, msMin: defaults.backoffMsMin, msMax: defaults.backoffMsMax };
const put = (at: MemoryFiler, path: string, text = 'x') => at.core.tree.put(p(path), file(text), mode);

/** A filer with its aggregator, among others. */
interface Node {
  readonly filer: MemoryFiler;
  readonly aggregator: Aggregator;
  readonly interruptions: Interruption[];
  readonly heard: Map<string, number>;
}

const started: Aggregator[] = [];

afterEach(async () => {
  await Promise.all(started.splice(0).map((aggregator) => aggregator.stop()));
});

/** Some filers on one clock; `cut` holds the pairs that do not reach each other, as `from>to`. */
class Mesh {
  readonly time = new ManualTime();
  readonly nodes: Node[] = [];
  readonly cut = new Set<string>();

  async add(address: string, isStranger = false): Promise<Node> {
    const filer = await openFiler(address, 'ready', { time: this.time, isStranger });
    const interruptions: Interruption[] = [];
    const heard = new Map<string, number>();
    const { log, store, time } = filer.core;
    const aggregator = new Aggregator({
      log,
      store,
      time,
      logger: silentLogger,
      limits,
      kind: 'embedded',
      instance: `instance of ${address}`,
      connect: (to) => this.#peer(address, to),
      caller: () => filer.caller(),
      bootstrap: filer.bootstrap(),
      interrupted: (why) => interruptions.push(why),
      branches: () => new Map(),
      clockHeard: (origin, seconds) => heard.set(origin, seconds),
    });
    started.push(aggregator);
    aggregator.start();
    const node = { filer, aggregator, interruptions, heard };
    this.nodes.push(node);
    return node;
  }

  /** Makes all of them know and follow each other. */
  async connect(): Promise<void> {
    for (const { filer } of this.nodes) for (const other of this.nodes) if (other.filer !== filer) await filer.source.greet(other.filer.caller());
    for (const { aggregator } of this.nodes) aggregator.reconcile(this.members());
    await this.until('all to follow all', () => this.nodes.every(({ aggregator }) => aggregator.subscriptions.every(({ state }) => state === 'following')));
  }

  members(): Member[] {
    return this.nodes.map(({ filer }) => filer.member());
  }

  until(what: string, condition: () => unknown): Promise<void> {
    return passUntil(this.time, what, condition);
  }

  untilSame(...nodes: Node[]): Promise<void> {
    const [first, ...others] = nodes.length > 0 ? nodes : this.nodes;
    return this.until('one position', () => others.every(({ filer }) => filer.core.log.digest === first.filer.core.log.digest));
  }

  #peer(from: string, to: string) {
    const node = this.nodes.find(({ filer }) => filer.address === to);
    if (!node) throw new TypeError(`nobody is at ${to}`);
    const { peer } = node.filer;
    const reach = <T>(work: () => Promise<T>): Promise<T> =>
      this.cut.has(`${from}>${to}`) ? Promise.reject(new FilerError('PEER_UNREACHABLE', 'the network')) : work();
    return {
      address: to,
      info: (...args: Parameters<typeof peer.info>) => reach(() => peer.info(...args)),
      changes: (...args: Parameters<typeof peer.changes>) => reach(() => peer.changes(...args)),
      hashes: (...args: Parameters<typeof peer.hashes>) => reach(() => peer.hashes(...args)),
      runs: (...args: Parameters<typeof peer.runs>) => reach(() => peer.runs(...args)),
      snapshot: (...args: Parameters<typeof peer.snapshot>) => reach(() => peer.snapshot(...args)),
    };
  }
}

async function mesh(count: number): Promise<Mesh> {
  const made = new Mesh();
  for (let i = 0; i < count; i++) await made.add(`${'abcdef'[i]}:1`);
  await made.connect();
  return made;
}

const stateAt = ({ aggregator }: Node, { filer }: Node) => aggregator.subscriptions.find(({ origin }) => origin === filer.origin)?.state;

describe('Aggregator', () => {
  it('follows every member but itself, and all come to the same tree', async () => {
    const all = await mesh(3);
    for (const { filer } of all.nodes) for (let i = 0; i < 5; i++) await put(filer, `/d${i}/${filer.address}`, filer.address);
    await all.untilSame();
    const [a, b, c] = all.nodes;
    await expectSame(a.filer.core, b.filer.core);
    await expectSame(a.filer.core, c.filer.core);
    expect(a.aggregator.subscriptions.map(({ origin }) => origin).sort()).to.deep.equal([b.filer.origin, c.filer.origin].sort());
    expect([...a.heard.keys()].sort()).to.deep.equal([b.filer.origin, c.filer.origin].sort());
    for (const { filer } of all.nodes) await expectConsistent(filer.core);
  });

  it('gets the changes of one it cannot reach through another, each of them once', async () => {
    const all = await mesh(3);
    const [a, b, c] = all.nodes;
    all.cut.add('a:1>c:1');
    c.filer.endPolls();
    await all.until('the cut to show', () => stateAt(a, c) === 'down');
    for (let i = 0; i < 20; i++) await put(c.filer, `/c/${i}`);
    await all.untilSame(a, c);
    expect(a.filer.core.log.totals.duplicateChanges).to.equal(0);
    all.cut.clear();
    await put(c.filer, '/c/again');
    await all.until('the way to be open', () => stateAt(a, c) === 'following');
    await all.untilSame();
    expect(b.filer.core.log.totals.duplicateChanges).to.equal(0);
  });

  it('gets what a dead filer has told another one', async () => {
    const all = await mesh(2);
    const [a, b] = all.nodes;
    const dead = await openFiler('dead:1', 'ready', { time: all.time });
    await dead.source.greet(b.filer.caller());
    await put(dead, '/last/words');
    await pull(dead.core, b.filer.core);
    await put(b.filer, '/b');
    await all.untilSame(a, b);
    expect(await a.filer.core.tree.find(p('/last/words'))).to.not.equal(null);
  });

  it('keeps a subscription while its member stays, takes another for another address, and ends those of members that left', async () => {
    const all = await mesh(3);
    const [a, b, c] = all.nodes;
    const [toB] = a.aggregator.subscriptions;
    a.aggregator.reconcile(all.members().map((member) => ({ ...member, lastHeard: 5 })));
    expect(a.aggregator.subscriptions[0]).to.equal(toB);
    const moved = await openFiler('b:2', 'ready', { time: all.time, disk: b.filer.core.disk });
    expect(moved.origin).to.equal(b.filer.origin);
    all.nodes[1] = { ...b, filer: moved };
    a.aggregator.reconcile(all.members());
    await all.until('the new address', () => stateAt(a, all.nodes[1]) === 'following');
    expect(a.aggregator.subscriptions.length).to.equal(2);
    expect(a.aggregator.subscriptions.find(({ origin }) => origin === moved.origin)).to.not.equal(toB);
    a.aggregator.reconcile([a.filer.member(), c.filer.member()]);
    expect(a.aggregator.subscriptions.map(({ origin }) => origin)).to.deep.equal([c.filer.origin]);
  });

  it('does not ask at an address for one that another has replaced there', async () => {
    const all = await mesh(2);
    const [a, b] = all.nodes;
    const down: Member = { ...b.filer.member(), state: 'down' };
    const other: Member = { ...b.filer.member(), origin: 'f'.repeat(16) };
    const followed = (members: Member[]) => {
      a.aggregator.reconcile(members);
      return a.aggregator.subscriptions.map(({ origin }) => origin);
    };
    expect(followed([down]), 'away').to.deep.equal([down.origin]);
    expect(followed([down, other])).to.deep.equal([other.origin]);
    expect(followed([down, { ...other, state: 'down' }]), 'who is there cannot be told').to.have.members([down.origin, other.origin]);
  });

  it('follows nobody before it starts and after it has stopped', async () => {
    const all = await mesh(2);
    const [a] = all.nodes;
    await a.aggregator.stop();
    a.aggregator.reconcile(all.members());
    expect(a.aggregator.subscriptions).to.deep.equal([]);
  });

  for (const [kind, ownWork] of [
    ['rejoin', true],
    ['bootstrap', false],
  ] as const) {
    it(`asks for a ${kind} when ${ownWork ? 'it has worked alone' : 'it is empty'} and meets a cluster`, async () => {
      const all = await mesh(2);
      await put(all.nodes[0].filer, '/a');
      const alone = await all.add('z:1', true);
      if (ownWork) await put(alone.filer, '/z');
      alone.aggregator.reconcile(all.members());
      await all.until('the interruption', () => alone.interruptions.length > 0);
      expect(alone.interruptions[0].kind).to.equal(kind);
      expect(alone.filer.core.log.state.head).to.equal(ownWork ? 1 : 0);
    });
  }

  it('takes over the lineage of one that has begun alone too, once it is known there', async () => {
    const all = new Mesh();
    const pair = [await all.add('a:1', true), await all.add('b:1', true)];
    const [first, second] = pair.sort((x, y) => (x.filer.core.log.identity.lineage < y.filer.core.log.identity.lineage ? -1 : 1));
    for (const { filer } of pair) await put(filer, `/${filer.address}`);
    second.aggregator.reconcile(all.members());
    await all.until('the interruption', () => second.interruptions.length > 0);
    expect([second.interruptions[0].kind, first.filer.core.log.position.get(second.filer.origin)]).to.deep.equal(['adopt', 0]);
    expect(second.filer.core.log.state.head, 'nothing is applied before').to.equal(1);
    first.aggregator.reconcile(all.members());
    await all.until('the other to wait', () => stateAt(first, second) === 'bootstrapping');
    expect([first.interruptions, first.filer.core.log.state.head]).to.deep.equal([[], 1]);
  });

  it('does not follow who is not ready, another cluster or another log under one origin', async () => {
    const all = await mesh(2);
    const [a, b] = all.nodes;
    const errorAt = () => a.aggregator.subscriptions[0].error?.code;
    const expectError = async (code: string) => {
      b.filer.endPolls();
      await all.until(code, () => errorAt() === code);
    };
    await b.filer.setPhase('rejoining');
    await expectError('BOOTSTRAPPING');
    await b.filer.setPhase('ready');
    for (const [node, clusterId] of [
      [a, 'a'],
      [b, 'b'],
    ] as const) {
      await node.filer.core.log.alone(async (draft) => {
        draft.setIdentity({ clusterId: clusterId.repeat(16) });
        await draft.flush();
      });
    }
    await expectError('CLUSTER_MISMATCH');
    await b.filer.core.log.alone(async (draft) => {
      draft.setIdentity({ clusterId: null });
      draft.setOrigin({ ...originStart(a.filer.origin), seq: 7, hash: '777777777777' });
      await draft.flush();
    });
    await expectError('ORIGIN_DIVERGED');
    expect(a.aggregator.subscriptions[0].error?.message).to.match(/this filer gives up its own/);
    // b has seven changes of a's origin, a itself has none: a went back to an older state.
    expect(a.interruptions.at(-1)).to.deep.include({
      kind: 'parted',
      branch: { origin: a.filer.origin, common: 0, foreign: 1, hash: '0'.repeat(12), isOurs: true },
    });
  });

  it('stages a snapshot when a peer’s log no longer reaches back, merges it, and goes on following', async () => {
    const all = await mesh(2);
    const [a, b] = all.nodes;
    all.cut.add('a:1>b:1');
    b.filer.endPolls();
    for (let i = 0; i < 12; i++) await put(b.filer, `/b/${i}`);
    await put(a.filer, '/a');
    await b.filer.core.log.alone(async (draft) => {
      await draft.jump([draft.origins.get(b.filer.origin) ?? originStart(b.filer.origin)]);
      await draft.flush();
    });
    all.cut.clear();
    await all.untilSame();
    await put(b.filer, '/b/later');
    await all.untilSame();
    await all.until('it to follow again', () => stateAt(a, b) === 'following');
    await expectSame(a.filer.core, b.filer.core);
    await expectConsistent(a.filer.core);
    expect(a.filer.core.log.state.origins.get(b.filer.origin)?.first).to.be.above(1);
  });

  it('comes to one tree through a network that fails at random', async () => {
    const all = await mesh(3);
    for (const { filer } of all.nodes) {
      filer.before = () => {
        if (all.time.random() < 0.3) throw new FilerError('PEER_UNREACHABLE', 'the network');
      };
    }
    for (let i = 0; i < 60; i++) {
      await put(all.nodes[i % 3].filer, `/d/${i % 5}`, String(i));
      await all.time.advance(30);
    }
    for (const { filer } of all.nodes) filer.before = () => {};
    await all.untilSame();
    const [a, b, c] = all.nodes;
    await expectSame(a.filer.core, b.filer.core);
    await expectSame(a.filer.core, c.filer.core);
  });
});
