import { FilerError, isFailure } from '../../src/core/errors.js';
import type { MasterPort, MemberList } from '../../src/core/cluster/member.js';
import type { Found } from '../../src/core/cluster/registry.js';
import type { ChangesPage, Peer } from '../../src/core/replication/peer.js';
import type { Random } from './random.js';
import type { VirtualTime } from './virtual-time.js';
import type { SimFiler } from './sim-filer.js';
import type { SimMaster } from './sim-master.js';

/** What the network must know of a process. */
export interface Node {
  readonly name: string;
  readonly isUp: boolean;
  readonly generation: number;
  onDeath(listener: () => void): () => void;
}

/** The longest that a message takes one way, milliseconds. */
const delayMs = 5;

/** Messages between nodes: they take time, get lost, come twice, and do not pass where the network is cut. */
export class Network {
  /** `from>to` names of links that drop everything, one way. */
  readonly cut = new Set<string>();
  loss = 0;
  duplicates = 0;
  delayMs = delayMs;
  readonly #lastPages = new Map<string, ChangesPage>();

  constructor(
    private readonly time: VirtualTime,
    private readonly random: Random,
    private readonly count: (name: string) => void,
  ) {}

  /** Cuts the link between two nodes, both ways. */
  part(a: Pick<Node, 'name'>, b: Pick<Node, 'name'>): this {
    this.cut.add(`${a.name}>${b.name}`).add(`${b.name}>${a.name}`);
    return this;
  }

  /** Opens the links between a node and everybody. */
  join({ name }: Pick<Node, 'name'>): void {
    for (const link of this.cut) if (link.split('>').includes(name)) this.cut.delete(link);
  }

  heal(): void {
    this.cut.clear();
    this.loss = 0;
    this.duplicates = 0;
    this.delayMs = delayMs;
  }

  peer(from: SimFiler, address: string, find: (address: string) => SimFiler | undefined): Peer {
    const call = <T>(signal: AbortSignal, work: (to: SimFiler, held: Held) => Promise<T> | T) => {
      const to = find(address);
      return this.call(from, to, address, signal, async (held) => {
        try {
          return await work(to as SimFiler, held);
        } catch (error) {
          if (isFailure(error) && !held.isOver) this.count(`a peer answered ${error.code}`);
          throw error;
        }
      });
    };
    return {
      address,
      info: (signal) => call(signal, (to) => to.live.info()),
      changes: async (request, caller, signal) => {
        const key = `${from.name}>${address}`;
        const stale = this.#lastPages.get(key);
        if (stale && this.random.chance(this.duplicates)) {
          this.#lastPages.delete(key);
          this.count('page that came twice');
          return stale;
        }
        const page = await call(signal, (to, held) => to.live.source.changes(request, caller, held.signal));
        const own = find(address)?.filer?.log.identity.origin;
        if (page.texts.some((text) => !text.includes(`"replication":{"origin":"${own}"`))) this.count('page relayed for others');
        if (page.texts.length > 0) this.#lastPages.set(key, page);
        return page;
      },
      hashes: (position, signal) => call(signal, (to) => to.live.source.hashes(position)),
      runs: (position, signal) => call(signal, (to) => to.live.source.runs(position)),
      snapshot: (after, limit, caller, signal) => call(signal, (to) => to.live.source.snapshot(after, limit, caller)),
    };
  }

  master(from: SimFiler, master: SimMaster): MasterPort {
    return {
      address: master.name,
      announce: (announcement, masters, signal) => this.call(from, master, master.name, signal, () => master.registry.announce(announcement, masters)),
      leave: ({ origin, instance }, signal) => this.call(from, master, master.name, signal, () => master.registry.leave(origin, instance)),
      members: (version, group, signal) =>
        this.call(from, master, master.name, signal, (held): Promise<MemberList> => master.members(version, group, held.signal)),
    };
  }

  /** Asks who answers at an address, as the master does when a filer turns up elsewhere. */
  probe(from: Node, to: SimFiler | undefined, address: string): Promise<Found | null> {
    const asked = this.call(from, to, address, new AbortController().signal, () => (to as SimFiler).live.info());
    return asked.then(({ origin, instance, state }) => ({ origin, instance, refused: state === 'refused' })).catch(() => null);
  }

  /** One request and its answer. A caller that has died meanwhile hears nothing, so that no dead process goes on. */
  async call<T>(from: Node, to: Node | undefined, address: string, signal: AbortSignal, work: (held: Held) => Promise<T> | T): Promise<T> {
    const { generation } = from;
    try {
      const answer = await this.#exchange(from, to, address, signal, work);
      if (from.generation === generation) return answer;
    } catch (error) {
      if (from.generation === generation) throw error;
    }
    return new Promise<never>(() => {});
  }

  async #exchange<T>(from: Node, to: Node | undefined, address: string, signal: AbortSignal, work: (held: Held) => Promise<T> | T): Promise<T> {
    const unreachable = () => new FilerError('PEER_UNREACHABLE', `${address} does not answer`);
    const passes = (a: Node, b: Node) => a.isUp && b.isUp && !this.cut.has(`${a.name}>${b.name}`) && !this.random.chance(this.loss);
    await this.time.sleep(this.random.next() * this.delayMs, signal);
    if (to === undefined || !passes(from, to)) {
      // A closed port answers at once, a cut network not at all.
      await this.time.sleep(to?.isUp ? 3000 : 1, signal);
      throw unreachable();
    }
    const { generation } = to;
    const held = new Held(from, signal);
    let hush = () => {};
    // A node that dies while it works never answers; the caller notices after a while.
    const death = new Promise<never>((_, reject) => {
      hush = to.onDeath(() => void this.time.schedule(this.random.next() * 1000, () => reject(unreachable())));
    });
    try {
      const answer = await Promise.race([Promise.resolve().then(() => work(held)), death]);
      await this.time.sleep(this.random.next() * this.delayMs, signal);
      if (!passes(to, from) || to.generation !== generation) throw unreachable();
      return answer;
    } finally {
      hush();
      held.release();
    }
  }
}

const hungUp = new FilerError('PEER_UNREACHABLE', 'the caller has hung up');

/** A request as the node that answers it sees it. Most answer at once and never ask whether the caller is still there. */
export class Held {
  #controller: AbortController | null = null;
  #release = () => {};

  constructor(
    private readonly from: Node,
    private readonly caller: AbortSignal,
  ) {}

  /** Aborts when the caller hangs up or dies. */
  get signal(): AbortSignal {
    if (this.#controller === null) {
      const { from, caller } = this;
      const controller = new AbortController();
      this.#controller = controller;
      const abort = () => controller.abort(caller.reason);
      caller.addEventListener('abort', abort, { once: true });
      const unplug = from.onDeath(() => controller.abort(hungUp));
      this.#release = () => {
        caller.removeEventListener('abort', abort);
        unplug();
        controller.abort(hungUp);
      };
    }
    return this.#controller.signal;
  }

  get isOver(): boolean {
    return this.#controller?.signal.aborted ?? false;
  }

  release(): void {
    this.#release();
  }
}
