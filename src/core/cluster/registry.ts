import { FilerError } from '../errors.js';
import type { Logger } from '../logger.js';
import type { TimeSource } from '../time.js';
import type { Origin } from '../clock/vector.js';
import { formatListVersion } from './list-version.js';
import type { Announcement, Member, MemberList } from './member.js';
import { checkAddress } from './registered-address.js';

export interface RegistryLimits {
  /** A member not heard of for this long is down. */
  readonly memberDownMs: number;
  /** A member not heard of for this long leaves. */
  readonly forgetAfterMs: number;
  readonly membersMax: number;
}

export interface RegistryOptions {
  readonly time: Pick<TimeSource, 'micros' | 'monotonic' | 'randomHex'>;
  readonly limits: RegistryLimits;
  readonly logger: Logger;
  /** The master's own; null until it has one. */
  readonly clusterId: string | null;
  /** Makes a new cluster id durable before anybody hears of it. */
  readonly saveClusterId: (clusterId: string) => Promise<void>;
  /** Who answers at an address; null if no filer does. Rejects if it cannot be told just now. */
  readonly probe: (address: string) => Promise<{ origin: Origin; instance: string } | null>;
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

/** Turns a registration may take: each one finds that somebody else registered the same origin meanwhile. */
const attemptsMax = 4;

/**
 * The master's list of filers. In memory only: filers register every few seconds and keep the last list themselves.
 *
 *              announce                     silent for memberDownMs, or its address taken by another origin
 *   (absent) ─────────────► up ──────────────────────────────────────────────────────────────► down
 *       ▲                   ▲ └── announce ──┘                                                   │ │
 *       │                   └──────────────────────────── announce ──────────────────────────────┘ │
 *       └──────────────── silent for forgetAfterMs, or forgotten by command ───────────────────────┘
 *
 * Everything but the cluster id's save and the probe happens between two awaits, so lists are whole and versions never repeat.
 */
export class Registry {
  readonly #options: RegistryOptions;
  readonly #members = new Map<Origin, Held>();
  readonly #watchers = new Set<() => void>();
  readonly #epoch: string;
  #n = 0;
  #clusterId: string | null;
  #adopting: Promise<void> | null = null;

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#epoch = options.time.randomHex(4);
    this.#clusterId = options.clusterId;
  }

  get clusterId(): string | null {
    return this.#clusterId;
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
   * Registers a filer or hears of it again. The origin is who it is; the address may change.
   * @throws FilerError ORIGIN_IN_USE if another live process holds the origin, CLUSTER_MISMATCH, TOPOLOGY_MIXED, PARAMETER_INVALID
   * for an address peers could not use, TOO_MANY_ORIGINS; OVERLOADED, STORE_FAILED if it cannot be decided or kept just now
   */
  async announce(announcement: Announcement): Promise<MemberList> {
    checkAddress(announcement.address, this.#options.loopbackAllowed);
    let cleared: Announcement | null = null;
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      // Judged again after every await: others registered meanwhile.
      this.#refuseForeign(announcement);
      const holder = this.#members.get(announcement.origin)?.announcement;
      if (holder && hasMoved(holder, announcement) && !(cleared && isSameProcess(cleared, holder))) {
        await this.#refuseCopy(holder, announcement);
        cleared = holder;
      } else if (this.#clusterId === null) {
        await this.#adopt(announcement.clusterId ?? this.#options.time.randomHex(8));
      } else {
        this.#record(announcement);
        return this.list(announcement.group);
      }
    }
    throw new FilerError('OVERLOADED', `origin ${announcement.origin} registers from several addresses at once; stop all but one of them`);
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
        this.#markDown(origin, held, 'fell silent');
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
        `filer ${origin} belongs to cluster ${clusterId}, this master to ${this.#clusterId}; name the master of its own cluster`,
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
          `the ${kind} store ${storeId} at ${address} does not go with the ${other.kind} store ${other.storeId} at ${other.address}: all filers have stores of their own, or all share one; forget the filers that are gone`,
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
    if (!found || found.origin !== holder.origin || found.instance === newcomer.instance) {
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

  /** Takes the first id that comes; others that come meanwhile wait and are compared with it. */
  async #adopt(clusterId: string): Promise<void> {
    this.#adopting ??= this.#options
      .saveClusterId(clusterId)
      .then(() => {
        this.#clusterId = clusterId;
        this.#options.logger.info(`this is the master of cluster ${clusterId}`);
        this.#changed();
      })
      .finally(() => {
        this.#adopting = null;
      });
    await this.#adopting;
  }

  #record(announcement: Announcement): void {
    const { time, logger } = this.#options;
    const { origin, address } = announcement;
    for (const [other, held] of this.#members) {
      // One port, one process: whoever was there before is gone, its store wiped or renewed.
      if (other !== origin && held.announcement.address === address) this.#markDown(other, held, `gave way to filer ${origin}`);
    }
    const before = this.#members.get(origin);
    this.#members.set(origin, { announcement, state: 'up', lastHeard: Math.floor(time.micros() / 1000), heardAt: time.monotonic() });
    if (before?.state === 'up' && saysTheSame(before.announcement, announcement)) return;
    if (!before) logger.info(`filer ${origin} joined from ${address}`);
    else if (before.state === 'down') logger.info(`filer ${origin} is back at ${address}`);
    this.#changed();
  }

  #markDown(origin: Origin, held: Held, why: string): void {
    if (held.state === 'down') return;
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
