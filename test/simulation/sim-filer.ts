import { isRefused, type ReceivedChange } from '../../src/core/change/change.js';
import { readRefused, receiveChange } from '../../src/core/change/refused.js';
import { FilerError } from '../../src/core/errors.js';
import { Filer } from '../../src/core/filer.js';
import type { FilerLimits } from '../../src/core/filer-options.js';
import { limits } from '../../src/core/config/limits.js';
import type { MasterPort } from '../../src/core/cluster/member.js';
import { createLogger, silentLogger } from '../../src/core/logger.js';
import type { Peer } from '../../src/core/replication/peer.js';
import type { StoreTransaction } from '../../src/core/store/store.js';
import type { TimeSource } from '../../src/core/time.js';
import { MemoryDisk, MemoryStore } from '../../src/core/store/memory/memory-store.js';
import type { Random } from './random.js';
import type { VirtualTime } from './virtual-time.js';

/**
 * Small pages, so that histories of a few dozen changes cross their borders; and times that let logs be trimmed, tombstones be
 * collected and the silent be closed within the minutes a history takes.
 */
export const simLimits = {
  ...limits,
  pageChanges: 4,
  snapshotRows: 3,
  draftRows: 4,
  groupDecisions: 8,
  logRetentionMs: 5000,
  logRetentionMaxMs: 40_000,
  logBytesMax: 12_000,
  trimRecords: 5,
  tombstoneRetentionMs: 2000,
  collectRows: 3,
  forgetAfterMs: 60_000,
  quarantineRetryMs: 2000,
  quarantineRetryMsMax: 10_000,
  // Longer than in life: filers that wait for an operator, or just wait, would make most of the work of a history.
  peerStartingMs: 3000,
  upkeepMs: 3000,
  expiryCheckMs: 2500,
};

export interface Surroundings {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly verbose: boolean;
  readonly limits: FilerLimits;
  connect(from: SimFiler, address: string): Peer;
  masters(from: SimFiler): MasterPort[];
  /** A transaction is on the disk; its process may be about to die. */
  committed(filer: SimFiler): void;
  /** Counts what has happened. */
  count(name: string): void;
}

/** A store whose commits wait for their disk. */
class SlowStore extends MemoryStore {
  constructor(
    private readonly time: Pick<TimeSource, 'sleep'>,
    private readonly nextMs: () => number,
    ...store: ConstructorParameters<typeof MemoryStore>
  ) {
    super(...store);
  }

  override transaction<T>(work: (tx: StoreTransaction) => Promise<T>): Promise<T> {
    const ms = this.nextMs();
    return ms > 0 ? this.time.sleep(ms).then(() => super.transaction(work)) : super.transaction(work);
  }
}

/** A filer process on a disk: the real core, started, crashed, moved; the disk wiped, restored, copied. */
export class SimFiler {
  skewMs = 0;
  disk = new MemoryDisk();
  address: string;
  /** Counts process starts; what belongs to an older one is dead. */
  generation = 0;
  filer: Filer | null = null;
  backup: MemoryDisk | null = null;
  force = false;
  /** Of 256 changes, how many this filer's program refuses: of every one the same filers think alike. */
  refuses = 0;
  /** How often its disk was put back so that nothing shows it. */
  wentBack = 0;
  /** The longest that a commit waits for the disk, milliseconds. */
  commitMs = 0;
  /** What its disk is, should it find that it is not what it was. */
  nature: 'restored' | 'copy' = 'restored';
  /** Dies at its next commit: before or after it is written. */
  #trap: 'before' | 'after' | null = null;
  readonly #onDeath = new Set<() => void>();

  constructor(
    readonly name: string,
    private readonly around: Surroundings,
  ) {
    this.address = `${name}:8888`;
  }

  get isUp(): boolean {
    return this.filer !== null;
  }

  /** The running filer. */
  get live(): Filer {
    if (this.filer === null) throw new Error(`${this.name} is not running`);
    return this.filer;
  }

  async start(): Promise<void> {
    if (this.filer !== null) return;
    const generation = ++this.generation;
    const isDead = () => this.generation !== generation;
    const { time, random, verbose } = this.around;
    const source = time.source(this, isDead);
    const store = new SlowStore(source, () => (this.commitMs === 0 ? 0 : this.commitMs * random.next()), this.disk, {
      beforeCommit: () => this.#commitFault('before', isDead),
      afterCommit: () => {
        this.around.committed(this);
        this.#commitFault('after', isDead);
      },
    });
    this.#trap = null;
    const logger = verbose
      ? createLogger({
          level: 'debug',
          write: (line) => console.error(`      ${time.now.toFixed(0)} ${this.name} ${line.slice(25)}`),
          now: () => new Date(time.now),
        })
      : silentLogger;
    const filer = await Filer.open({
      store,
      time: source,
      logger,
      limits: this.around.limits,
      address: this.address,
      program: 'simulation',
      group: '',
      instance: random.hex(8),
      masters: this.around.masters(this),
      connect: (address) => this.around.connect(this, address),
      force: this.force,
      receive: (line, field) => this.#receive(line, field),
    });
    if (isDead()) return;
    this.filer = filer;
    filer.start();
  }

  /** kill -9. What it was doing has no effect any more. */
  crash(): void {
    for (let deleted = this.filer?.expiry.deleted ?? 0; deleted > 0; deleted--) this.around.count('expired file deleted');
    this.generation += 1;
    this.filer = null;
    this.disk.owner = null;
    for (const listener of this.#onDeath) listener();
  }

  /** Calls `listener` whenever the process dies; returns what takes that back. */
  onDeath(listener: () => void): () => void {
    this.#onDeath.add(listener);
    return () => this.#onDeath.delete(listener);
  }

  #receive(line: string, field?: string): ReceivedChange {
    const change = receiveChange(line, field);
    if (isRefused(change) || Number.parseInt(change.hash.slice(0, 2), 16) >= this.refuses) return change;
    return readRefused(change.text, new FilerError('BODY_INVALID', `${field ?? 'change'}: this program does not know it`)) ?? change;
  }

  crashAtNextCommit(when: 'before' | 'after'): void {
    this.#trap = when;
  }

  #commitFault(when: 'before' | 'after', isDead: () => boolean): void {
    if (isDead()) throw new Error('this process is dead');
    if (this.#trap !== when) return;
    this.#trap = null;
    this.crash();
    this.around.count(`killed ${when} a commit`);
    throw new Error(`killed ${when} a commit`);
  }
}
