import { isLive } from '../../src/core/change/row.js';
import type { Origin } from '../../src/core/clock/vector.js';
import type { FullPath } from '../../src/core/entry/path.js';
import { closedBy } from '../../src/core/log/closed.js';
import type { MemoryDisk } from '../../src/core/store/memory/memory-store.js';
import type { Area } from '../../src/core/store/store.js';
import type { Clients } from './clients.js';
import type { History } from './history.js';
import type { Network } from './network.js';
import type { Random } from './random.js';
import type { SimFiler } from './sim-filer.js';
import type { SimMaster } from './sim-master.js';
import type { VirtualTime } from './virtual-time.js';

export interface HazardsOptions {
  readonly random: Random;
  readonly time: VirtualTime;
  readonly network: Network;
  readonly history: History;
  readonly clients: Clients;
  readonly filers: SimFiler[];
  readonly masters: readonly SimMaster[];
  readonly count: (name: string) => void;
  readonly say: (text: string) => void;
}

/** Fewer cannot have parties. */
const filersMin = 3;

/** What happens to stores, and sequences of events that single ones would hardly ever make up: each lies in wait for one rule. */
export class Hazards {
  /** What happens at the next commit of a snapshot's page, by where its pages go. */
  readonly #ambushes = new Map<Area, 'reader' | 'source' | 'source, wiped' | 'reader and source, wiped'>();

  constructor(private readonly options: HazardsOptions) {}

  /** What befalls one process, whatever world it is in. */
  befall(filer: SimFiler, what: 'pause' | 'crash' | 'crashAtCommit' | 'backup'): Promise<void> | undefined {
    const { random, time } = this.options;
    // What needs no time takes none, not that of a promise: else what runs beside it would draw its random numbers in another order.
    if (what === 'pause') return time.advance(random.pick([100, 1000, 2500]));
    if (what === 'crash') filer.crash();
    else if (what === 'crashAtCommit') filer.crashAtNextCommit(random.pick(['before', 'after']));
    else filer.backup = filer.disk.clone();
    return undefined;
  }

  isolate(filer: SimFiler): void {
    const { filers, masters, network, count } = this.options;
    // A copy that nothing shows would report in its name what it has not seen (docs/protocol.md): where it cannot say so, that is not to be noticed.
    const origin = originOn(filer.disk);
    if (filers.some((other) => other !== filer && origin !== '' && originOn(other.disk) === origin)) return count('kept within reach of its copy');
    for (const node of [...filers, ...masters]) network.part(filer, node);
  }

  wipe(filer: SimFiler): void {
    filer.crash();
    this.options.history.losing(filer, this.options.filers, null);
    filer.disk.wipe();
  }

  restore(filer: SimFiler): void {
    if (filer.backup === null) return;
    filer.crash();
    this.options.history.losing(filer, this.options.filers, filer.backup);
    filer.disk.restore(filer.backup);
    filer.nature = 'restored';
  }

  /** Puts a store back to an older state, and nothing shows it. */
  rollBack(filer: SimFiler, to: MemoryDisk): void {
    const { count, history, filers } = this.options;
    if (!canGoBack(to)) return;
    // Nor to before somebody was closed: it would take from him, and hand on, what was deleted meanwhile. DESIGN has no rule for that.
    const closings = (disk: MemoryDisk) => [...disk.content.areas.tree.values()].filter((row) => isLive(row) && closedBy(row.path) !== null);
    if (closings(filer.disk).length > closings(to).length) return;
    filer.crash();
    count('store rolled back unnoticed');
    history.losing(filer, filers, to);
    history.chains.mayPart(originOn(to));
    filer.disk.restore(to);
    filer.disk.restored = false;
    filer.wentBack += 1;
  }

  /** Its own work is on the new disk and nowhere else: what the rejoin must bring back. */
  async replaceDisk(filer: SimFiler): Promise<void> {
    const { time, clients, network } = this.options;
    this.isolate(filer);
    await time.advance(100);
    for (let i = 0; i < 4; i++) clients.operate(filer);
    await time.advance(10);
    await this.#copyInPlace(filer);
    network.heal();
  }

  /** What the filer misses is soon to be had only from stores that took a snapshot of it, and no longer have it in their logs. */
  async strand(filer: SimFiler, other: SimFiler): Promise<void> {
    const { time, clients, network, filers, random } = this.options;
    if (filer === other || filers.length < filersMin) return;
    this.isolate(filer);
    await time.advance(100);
    for (let i = 0; i < 4; i++) clients.operate(random.pick(filers));
    await time.advance(1000);
    this.wipe(other);
    await other.start();
    await time.advance(4000);
    network.heal();
  }

  /**
   * Longer than logs reach back and than silence is borne; meanwhile both sides write. It begins when all have met: whom nobody knows, since
   * the only one who did went back to an older state, nobody waits for either. DESIGN has no rule for that.
   */
  async absence(filer: SimFiler, other: SimFiler): Promise<void> {
    const { time, clients, network, random } = this.options;
    await this.#meet(4000);
    this.isolate(filer);
    for (let i = 0; i < 6; i++) {
      clients.operate(filer);
      clients.operate(other);
      await time.advance(random.pick([2000, 20_000]));
    }
    network.heal();
  }

  /**
   * A store goes back and writes on with its clock behind what it has issued, so that versions repeat; some peers have the branch that
   * went, in part or in whole, and some get the other one first. Logs may no longer reach back to where the two part.
   */
  async part(filer: SimFiler, late: SimFiler): Promise<void> {
    const { network, random, time, clients } = this.options;
    if (!filer.isUp || filer.live.state !== 'ready') return;
    filer.skewMs += 50_000;
    clients.operate(filer);
    await time.advance(50);
    filer.skewMs -= 50_000;
    const backup = filer.disk.clone();
    if (filer !== late && random.chance(0.7)) this.isolate(late);
    for (let i = random.below(5); i >= 0; i--) clients.operate(filer);
    await time.advance(random.pick([20, 200, 1000, 9000]));
    if (random.chance(0.5)) this.isolate(filer);
    this.rollBack(filer, backup);
    await filer.start();
    for (let i = random.below(5); i >= 0; i--) clients.operate(filer);
    await time.advance(random.pick([20, 200]));
    // Before it met anybody, this shows: dots do not tell what of it the others lack.
    if (random.chance(0.2)) await this.#copyInPlace(filer);
    if (random.chance(0.7)) network.heal();
  }

  /** Two filers get one branch each of a third one's log, and meet while its owner is away. */
  async partOthers(filer: SimFiler, late: SimFiler): Promise<void> {
    const { network, time, clients, random, filers } = this.options;
    if (filer === late || filers.length < filersMin) return;
    await this.#meet(1000);
    if (!filer.isUp || filer.live.state !== 'ready') return;
    const backup = filer.disk.clone();
    this.isolate(late);
    for (let i = random.below(3); i >= 0; i--) clients.operate(filer);
    await time.advance(1000);
    this.rollBack(filer, backup);
    network.heal();
    for (const other of filers) if (other !== filer && other !== late) network.part(filer, other).part(late, other);
    await filer.start();
    for (let i = random.below(3); i >= 0; i--) clients.operate(filer);
    await time.advance(6000);
    network.heal();
    this.isolate(filer);
    await time.advance(6000);
    network.heal();
  }

  /** All have begun alone and hold something, and meet one by one while messages and disks are slow: what they know of each other is old when they act on it. */
  async meetAsStrangers(): Promise<void> {
    const { filers, masters, network, time, clients, random } = this.options;
    for (const filer of filers) this.isolate(filer);
    await this.startAll();
    await time.advance(1000);
    for (const filer of filers) for (let i = random.below(4); i >= 0; i--) clients.operate(filer);
    await time.advance(random.pick([100, 9000]));
    network.delayMs = random.pick([5, 50, 200, 600]);
    for (const filer of filers) filer.commitMs = random.pick([0, 100, 400]);
    for (let i = random.pick([0, 3, 6]); i > 0; i--) {
      network.join(random.pick([...filers, ...masters]));
      await time.advance(random.pick([0, 100, 1000]));
    }
    network.cut.clear();
    await time.advance(random.pick([1000, 5000]));
    for (const filer of filers) filer.commitMs = 0;
    network.heal();
  }

  /** A change that a filer has put aside is deleted, and the deletion forgotten where it may be; meanwhile the filer writes there, by a slow clock. */
  async putAside(filer: SimFiler, other: SimFiler): Promise<void> {
    const { time, clients, filers } = this.options;
    if (filer === other || filers.length < filersMin) return;
    await this.#meet(2000);
    const before = { refuses: filer.refuses, skew: filer.skewMs, otherSkew: other.skewMs };
    filer.crash();
    filer.refuses = 256;
    // Further apart than a version clock follows; neither is so far from the others that it takes no writes.
    filer.skewMs = -40_000;
    other.skewMs = 40_000;
    await filer.start();
    await time.advance(1000);
    const path = '/held' as FullPath;
    clients.write(other, 'put', path);
    await time.advance(300);
    clients.write(other, 'remove', path);
    await time.advance(9000);
    clients.write(filer, 'put', path);
    await time.advance(1000);
    filer.crash();
    filer.refuses = before.refuses;
    filer.skewMs = before.skew;
    other.skewMs = before.otherSkew;
    await filer.start();
  }

  /** A filer is closed while it is away with a write that nobody has; what it wrote over is deleted and forgotten before it is heard again. */
  async closeAway(filer: SimFiler, other: SimFiler): Promise<void> {
    const { time, clients, filers, network, random } = this.options;
    if (filer === other || filers.length < filersMin) return;
    await this.#meet(2000);
    const path = '/closing' as FullPath;
    clients.write(other, 'put', path);
    await time.advance(1000);
    this.isolate(filer);
    clients.write(filer, 'put', path);
    await time.advance(1000);
    clients.write(other, 'remove', path);
    const origin = originOn(filer.disk);
    // Somebody may know the deletion and not the closing, and so take what the closed one has written.
    const unaware = random.chance(0.5) ? filers.find((one) => one !== filer && one !== other) : undefined;
    if (unaware) {
      await time.advance(1000);
      this.isolate(unaware);
    }
    if (other.isUp) clients.attempt(other, () => other.live.upkeep.closing.close(origin));
    await time.advance(12_000);
    if (unaware) {
      for (const link of [`${filer.name}>${unaware.name}`, `${unaware.name}>${filer.name}`]) network.cut.delete(link);
      await time.advance(3000);
    }
    // It must hear of it: whoever is filled by it before that, or has forgotten the closing, hands on what it wrote. DESIGN has no rule for that.
    await this.#meet(4000);
  }

  /** Something is to happen the next time that somebody takes a snapshot. */
  lieInWait(): void {
    const { random } = this.options;
    this.#ambushes.set(random.pick(['tree', 'staging', 'staging']), random.pick(['reader', 'source', 'source, wiped', 'reader and source, wiped']));
  }

  /** Strikes if `filer` commits while it takes a snapshot. */
  spring(filer: SimFiler): void {
    const { filers, random, count, say } = this.options;
    // Not what the store says of it: that may be what is broken.
    const progress = filer.filer?.joining.bootstrap.progress;
    const ambush = progress && this.#ambushes.get(progress.area);
    if (!ambush) return;
    this.#ambushes.delete(progress.area);
    count(`ambush of ${ambush}, ${progress.area}`);
    say(`ambush of ${ambush} while ${filer.name} takes a snapshot into its ${progress.area}`);
    const source = filers.find((other) => other.isUp && other.live.log.identity.origin === progress.source);
    if (ambush.startsWith('reader')) filer.crashAtNextCommit(random.pick(['before', 'after']));
    if (ambush === 'source') source?.crash();
    else if (ambush.endsWith('wiped') && source) this.wipe(source);
  }

  async startAll(): Promise<void> {
    for (const filer of this.options.filers) await filer.start();
  }

  /** The same disk again, and that shows. */
  async #copyInPlace(filer: SimFiler): Promise<void> {
    filer.backup = filer.disk.clone();
    this.restore(filer);
    await filer.start();
  }

  /** Everybody who is there may meet everybody. */
  async #meet(ms: number): Promise<void> {
    const { network, masters, time } = this.options;
    network.heal();
    for (const master of masters) if (!master.isUp) master.start();
    await this.startAll();
    await time.advance(ms);
  }
}

/** A store that was put back in the midst of being filled or of rejoining would do that once more: the model leaves it out too. */
export function canGoBack({ content }: MemoryDisk): boolean {
  return content.meta.get('phase') === 'ready' && !content.meta.has('bootstrap');
}

export function originOn({ content }: MemoryDisk): Origin {
  return content.meta.get('origin') ?? '';
}
