import { FilerError } from '../errors.js';
import type { Logger } from '../logger.js';
import type { TimeSource } from '../time.js';
import type { Origin } from '../clock/vector.js';
import { formatListVersion } from './list-version.js';
import type { Announcement, Member, MemberList } from './member.js';
import { checkAddress, isUsableAddress } from './registered-address.js';

export interface RegistryLimits {
  /** A member not heard of for this long is down. */
  readonly memberDownMs: number;
  /** A member not heard of for this long leaves. */
  readonly forgetAfterMs: number;
  readonly membersMax: number;
  /** How often a master without a cluster id stands back for another one that is choosing, and for how long at most. */
  readonly standBacksMax: number;
  readonly standBackMs: number;
}

/** Who answers at an address. */
export interface Found {
  readonly origin: Origin;
  readonly instance: string;
  /** It knows that it is a copy: a master has refused it. */
  readonly refused: boolean;
}

/** What another master says of its cluster id. */
export interface OtherMaster {
  /** First part of its list's version: random for each start. */
  readonly epoch: string;
  readonly clusterId: string | null;
  /** It is about to make an id, unless it hears of one. */
  readonly choosing: boolean;
}

export interface RegistryOptions {
  readonly time: Pick<TimeSource, 'micros' | 'monotonic' | 'random' | 'randomHex' | 'sleep'>;
  readonly limits: RegistryLimits;
  readonly logger: Logger;
  /** The master's own; null until it has one. */
  readonly clusterId: string | null;
  /** Makes a new cluster id durable before anybody hears of it. */
  readonly saveClusterId: (clusterId: string) => Promise<void>;
  /** Who answers at an address; null if no filer does. Rejects if it cannot be told just now. */
  readonly probe: (address: string) => Promise<Found | null>;
  /** Asks another master for its cluster id; null if none answers there. */
  readonly askMaster: (address: string) => Promise<OtherMaster | null>;
  /** True if this master itself can only be reached from its own machine. */
  readonly loopbackAllowed: boolean;
}

/** A member, and when it was last heard of on the clock that never steps. */
interface Held {
  readonly announcement: Announcement;
  readonly state: 'up' | 'down';
  readonly lastHeard: number;
  readonly heardAt: number;
}

/** Turns a registration may take: each one finds that somebody else registered the same origin or address meanwhile. */
const attemptsMax = 6;

/**
 * The master's list of filers. In memory only: filers register every few seconds and keep the last list themselves.
 *
 *              announce              silent for memberDownMs, has stopped, or its address taken by another origin
 *   (absent) ─────────────► up ──────────────────────────────────────────────────────────────► down
 *       ▲                   ▲ └── announce ──┘                                                   │ │
 *       │                   └──────────────────────────── announce ──────────────────────────────┘ │
 *       └──────────────── silent for forgetAfterMs, or forgotten by command ───────────────────────┘
 *
 * Everything but the cluster id's choice and the probes happens between two awaits, so lists are whole and versions never repeat.
 *
 * Masters that have no cluster id yet must not make two. Each says that it is choosing before it asks the others, until its choice
 * stands; it takes the id of one that has it, and stands back for one that is choosing. So of two that can reach each other at least
 * one sees the other, and one that comes later sees what was chosen without it.
 */
export class Registry {
  readonly #options: RegistryOptions;
  readonly #members = new Map<Origin, Held>();
  readonly #watchers = new Set<() => void>();
  readonly #epoch: string;
  #n = 0;
  #clusterId: string | null;
  #adopting: Promise<void> | null = null;
  /** Registrations that are choosing a cluster id. */
  #choosing = 0;

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#epoch = options.time.randomHex(4);
    this.#clusterId = options.clusterId;
  }

  get clusterId(): string | null {
    return this.#clusterId;
  }

  /** True while this master is about to make a cluster id: another one that has none must wait. */
  get choosing(): boolean {
    return this.#choosing > 0;
  }

  /** Rises when a member joins, leaves or changes in anything but its position and when it was heard, and with the cluster id. */
  get version(): string {
    return formatListVersion({ epoch: this.#epoch, n: this.#n });
  }

  get counts(): { up: number; down: number } {
    let up = 0;
    for (const held of this.#members.values()) if (held.state === 'up') up += 1;
    return { up, down: this.#members.size - up };
  }

  /** Calls `listener` after every rise of the version. Returns what takes that back. */
  watch(listener: () => void): () => void {
    this.#watchers.add(listener);
    return () => this.#watchers.delete(listener);
  }

  /** The filers of one group, the asking one included, by origin. */
  list(group: string): MemberList {
    const members: Member[] = [];
    for (const { announcement, state, lastHeard } of this.#members.values()) {
      if (announcement.group === group) members.push({ ...announcement, state, lastHeard });
    }
    members.sort((a, b) => (a.origin < b.origin ? -1 : 1));
    return { clusterId: this.#clusterId, version: this.version, time: this.#options.time.micros(), members };
  }

  /**
   * Registers a filer or hears of it again. The origin is who it is; the address may change. `masters` are the others it registers
   * with: asked for their cluster id if neither this one nor the filer has any.
   * @throws FilerError ORIGIN_IN_USE if another live process holds the origin, ADDRESS_IN_USE if another filer answers at its address,
   * CLUSTER_MISMATCH, TOPOLOGY_MIXED, PARAMETER_INVALID for an address peers could not use, TOO_MANY_ORIGINS; OVERLOADED, STORE_FAILED
   * if it cannot be decided or kept just now
   */
  async announce(announcement: Announcement, masters: readonly string[] = []): Promise<MemberList> {
    checkAddress(announcement.address, this.#options.loopbackAllowed);
    let cleared: Announcement | null = null;
    let evicted: Announcement | null = null;
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      // Judged again after every await: others registered meanwhile.
      this.#refuseForeign(announcement);
      const holder = this.#members.get(announcement.origin)?.announcement;
      const rival = this.#rivalOf(announcement);
      if (holder && hasMoved(holder, announcement) && !(cleared && isSameProcess(cleared, holder))) {
        await this.#refuseCopy(holder, announcement);
        cleared = holder;
      } else if (rival && !(evicted && isSameProcess(evicted, rival))) {
        await this.#refuseIntruder(rival, announcement);
        evicted = rival;
      } else if (this.#clusterId === null) {
        await (announcement.clusterId === null ? this.#choose(masters) : this.#adopt(announcement.clusterId));
      } else {
        this.#record(announcement);
        return this.list(announcement.group);
      }
    }
    throw new FilerError('OVERLOADED', `origin ${announcement.origin} registers from several addresses at once; stop all but one of them`);
  }

  /** Takes a filer that stops for down at once, unless another process holds its origin by now. */
  leave(origin: Origin, instance: string): void {
    const held = this.#members.get(origin);
    if (held?.announcement.instance !== instance) return;
    const { time } = this.#options;
    // Its last word, so that it counts as newer than what other masters heard before.
    this.#members.set(origin, { ...held, lastHeard: Math.floor(time.micros() / 1000), heardAt: time.monotonic() });
    this.#markDown(origin, 'has stopped');
  }

  /** Marks the silent as down and drops the long silent. */
  expire(): void {
    const { time, limits, logger } = this.#options;
    const now = time.monotonic();
    for (const [origin, held] of this.#members) {
      const silentMs = now - held.heardAt;
      if (silentMs >= limits.forgetAfterMs) {
        logger.info(`filer ${origin} at ${held.announcement.address} was not heard of for too long and is forgotten`);
        this.#members.delete(origin);
        this.#changed();
      } else if (silentMs >= limits.memberDownMs) {
        this.#markDown(origin, 'fell silent');
      }
    }
  }

  /** Takes a filer off the list; one that is alive comes back with its next heartbeat. False if it was not on it. */
  forget(origin: Origin): boolean {
    if (!this.#members.delete(origin)) return false;
    this.#options.logger.info(`filer ${origin} is forgotten by command`);
    this.#changed();
    return true;
  }

  #refuseForeign(announcement: Announcement): void {
    const { origin, clusterId, address, kind, storeId, group } = announcement;
    if (clusterId !== null && this.#clusterId !== null && clusterId !== this.#clusterId) {
      throw new FilerError(
        'CLUSTER_MISMATCH',
        `filer ${origin} belongs to cluster ${clusterId}, this master to ${this.#clusterId}; start the filer with --master and its own cluster's master, or, if this master has lost its folder, start it with an empty --mdir and --clusterId=${clusterId}`,
        {
          clusterId: this.#clusterId,
          theirs: clusterId,
        },
      );
    }
    for (const { announcement: other } of this.#members.values()) {
      // Whoever stood at this address or under this origin before is replaced, not mixed with.
      if (other.group !== group || other.origin === origin || other.address === address) continue;
      if (other.kind !== kind || (kind === 'shared' && other.storeId !== storeId)) {
        throw new FilerError(
          'TOPOLOGY_MIXED',
          `the ${kind} store ${storeId} at ${address} does not go with the ${other.kind} store ${other.storeId} at ${other.address}: all filers have stores of their own, or all share one; stop the wrong one, and if it is ${other.address} take it off the list with kelp filer.peers --forget=${other.origin}`,
          { storeId, other: { storeId: other.storeId, origin: other.origin, address: other.address, kind: other.kind } },
        );
      }
    }
    if (!this.#members.has(origin) && this.#members.size >= this.#options.limits.membersMax) {
      throw new FilerError('TOO_MANY_ORIGINS', `the list holds ${this.#members.size} filers, the most it may; forget those that are gone`);
    }
  }

  /** Asks where the origin was registered from: if it still lives there in another process, the newcomer is a copy. */
  async #refuseCopy(holder: Announcement, newcomer: Announcement): Promise<void> {
    const found = await this.#options.probe(holder.address);
    // One that is refused elsewhere is itself the copy: it came here first only because this master has just started.
    if (!found || found.origin !== holder.origin || found.instance === newcomer.instance || found.refused) {
      this.#options.logger.info(`filer ${newcomer.origin} moved from ${holder.address} to ${newcomer.address}`);
      return;
    }
    throw new FilerError(
      'ORIGIN_IN_USE',
      `origin ${holder.origin} is alive at ${holder.address}; the store at ${newcomer.address} is a copy: give it ids of its own with filer.store.id --regenerate`,
      {
        origin: holder.origin,
        address: holder.address,
        instance: found.instance,
      },
    );
  }

  /** The filer that is up at the address of another one that registers. */
  #rivalOf({ origin, address }: Announcement): Announcement | null {
    for (const [other, { announcement, state }] of this.#members)
      if (other !== origin && state === 'up' && announcement.address === address) return announcement;
    return null;
  }

  /** Asks who is at an address that two filers give: if the one that had it is still there, the newcomer has the wrong one. */
  async #refuseIntruder(holder: Announcement, newcomer: Announcement): Promise<void> {
    const found = await this.#options.probe(holder.address);
    if (found?.origin !== holder.origin) return;
    throw new FilerError(
      'ADDRESS_IN_USE',
      `filer ${holder.origin} answers at ${holder.address}, which filer ${newcomer.origin} gives as its own; start that one with an --ip and --port by which it can be reached`,
      { origin: holder.origin, address: holder.address },
    );
  }

  /** Takes the cluster id of another master, or makes one. @throws FilerError OVERLOADED if others keep choosing too */
  async #choose(masters: readonly string[]): Promise<void> {
    const { askMaster, time, loopbackAllowed, limits } = this.#options;
    const asked = masters.filter((address) => isUsableAddress(address, loopbackAllowed));
    for (let standBacks = 0; standBacks < limits.standBacksMax; standBacks++) {
      this.#choosing += 1;
      try {
        const found = await Promise.all(asked.map((address) => askMaster(address)));
        // A filer may name this master by two names.
        const others = found.filter((other) => other !== null && other.epoch !== this.#epoch);
        const chosen = others.find((other) => other?.clusterId)?.clusterId ?? null;
        if (chosen !== null || !others.some((other) => other?.choosing)) return await this.#adopt(chosen ?? time.randomHex(8));
      } finally {
        this.#choosing -= 1;
      }
      await time.sleep(limits.standBackMs * time.random());
      if (this.#clusterId !== null) return;
    }
    throw new FilerError('OVERLOADED', 'several masters choose the cluster id at once; try again');
  }

  /** Takes the first id that comes; others that come meanwhile wait and are compared with it. */
  async #adopt(clusterId: string): Promise<void> {
    if (this.#clusterId !== null) return;
    this.#adopting ??= this.#keep(clusterId);
    await this.#adopting;
  }

  async #keep(clusterId: string): Promise<void> {
    const { saveClusterId, logger } = this.#options;
    this.#choosing += 1;
    try {
      await saveClusterId(clusterId);
      this.#clusterId = clusterId;
      logger.info(`this is the master of cluster ${clusterId}`);
      this.#changed();
    } finally {
      this.#adopting = null;
      this.#choosing -= 1;
    }
  }

  #record(announcement: Announcement): void {
    const { time, logger } = this.#options;
    const { origin, address } = announcement;
    for (const [other, held] of this.#members) {
      // One port, one process: whoever was there before is gone, its store wiped or renewed.
      if (other !== origin && held.announcement.address === address) this.#markDown(other, `gave way to filer ${origin}`);
    }
    const before = this.#members.get(origin);
    this.#members.set(origin, { announcement, state: 'up', lastHeard: Math.floor(time.micros() / 1000), heardAt: time.monotonic() });
    if (before?.state === 'up' && saysTheSame(before.announcement, announcement)) return;
    if (!before) logger.info(`filer ${origin} joined from ${address}`);
    else if (before.state === 'down') logger.info(`filer ${origin} is back at ${address}`);
    this.#changed();
  }

  #markDown(origin: Origin, why: string): void {
    const held = this.#members.get(origin);
    if (!held || held.state === 'down') return;
    this.#options.logger.info(`filer ${origin} at ${held.announcement.address} is down: it ${why}`);
    this.#members.set(origin, { ...held, state: 'down' });
    this.#changed();
  }

  #changed(): void {
    this.#n += 1;
    for (const listener of this.#watchers) listener();
  }
}

function hasMoved(from: Announcement, to: Announcement): boolean {
  return from.address !== to.address && from.instance !== to.instance;
}

function isSameProcess(a: Announcement, b: Announcement): boolean {
  return a.address === b.address && a.instance === b.instance;
}

/** True if nothing but the position differs. */
function saysTheSame(a: Announcement, b: Announcement): boolean {
  return (Object.keys(b) as (keyof Announcement)[]).every((key) => key === 'position' || a[key] === b[key]);
}
