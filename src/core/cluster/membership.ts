import { limits as defaults } from '../config/limits.js';
import { FilerError, isFailure, messageOf } from '../errors.js';
import type { Logger } from '../logger.js';
import { backoffMs, runLoop, type BackoffLimits } from '../loop.js';
import { nap } from '../nap.js';
import type { TimeSource } from '../time.js';
import { MemberLists, type MemberListsLimits } from './member-lists.js';
import type { Announcement, MasterPort, Member, MemberList } from './member.js';

export interface MembershipLimits extends MemberListsLimits {
  readonly backoffMsMin: number;
  readonly backoffMsMax: number;
  /** Least time between two questions to a master that does not hold them. */
  readonly listPauseMs: number;
  /** How long `stop` waits for masters to hear that the filer is gone. */
  readonly leaveMs: number;
}

export interface MembershipOptions {
  /** In the order in which a filer without a cluster asks them for one: the same at all filers. */
  readonly masters: readonly MasterPort[];
  readonly time: TimeSource;
  readonly logger: Logger;
  /** config/limits.ts if absent. */
  readonly limits?: MembershipLimits;
  readonly heartbeatMs: number;
  readonly group: string;
  /** What the filer says of itself now. Once `adopted` has resolved it carries the cluster id. */
  readonly announcement: () => Announcement;
  /** The list as the store kept it. */
  readonly saved: readonly Member[];
  /**
   * The list has changed in more than positions and times. It holds this filer too. Called one at a time, and again with
   * the next heartbeat if it rejects. `source` is the address of the master that brought the news.
   */
  readonly changed: (members: readonly Member[], source: string) => void | Promise<void>;
  /** The filer has no cluster id and a master gave it one: make it durable. */
  readonly adopted: (clusterId: string) => Promise<void>;
  /** A master refuses this filer (ORIGIN_IN_USE before all others); null once no master does any longer. */
  readonly refused: (error: FilerError | null) => void;
  /** A master has told its wall clock: seconds ahead of ours. */
  readonly clockHeard?: (master: string, seconds: number) => void;
}

/** One master as this filer knows it. */
interface Contact {
  readonly master: MasterPort;
  /** `refusing`: it is there, but takes no word from us, since our signatures do not pass. */
  state: 'unknown' | 'present' | 'absent' | 'refusing';
  /** Stays while the master is absent: that it has died does not make a copy an original. */
  refusal: FilerError | null;
  /** Version of the last list taken. */
  version: string | null;
  following: boolean;
  /** It has answered once, or failed to. */
  tried: boolean;
}

const refusals = ['ORIGIN_IN_USE', 'ADDRESS_IN_USE', 'CLUSTER_MISMATCH', 'TOPOLOGY_MIXED'] as const;

/**
 * A filer's side of the member list. It registers with every master, hears of changes by long-poll, and keeps the union.
 *
 *   join      no cluster id yet: one master after the other, in order, until one gives it. Asked at once, two would each make one.
 *   announce  each master: heartbeat, at once when asked; the answer carries the list too
 *   follow    each master that has accepted us once: the list, whenever it changes
 *   leave     at the end, each master in reach: this filer is down now
 *
 * Without any master the list stays as it was, and everything built on it goes on.
 */
export class Membership {
  readonly #options: MembershipOptions;
  readonly #limits: MembershipLimits;
  readonly #backoff: BackoffLimits;
  readonly #lists: MemberLists;
  readonly #contacts: readonly Contact[];
  readonly #stopped = new AbortController();
  readonly #naps = new Set<() => void>();
  readonly #loops = new Set<Promise<void>>();
  readonly #firstRound: Promise<void>;
  #stopping: Promise<void> | null = null;
  #endFirstRound = () => {};
  #asked = 0;
  #published: string;
  #publishing: Promise<void> = Promise.resolve();
  #refusal: FilerError | null = null;
  /** When a master was last known to be in reach, monotonic milliseconds; at first, when this filer began to look for one. */
  #presentAt: number;

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#limits = options.limits ?? defaults;
    this.#backoff = { msMin: this.#limits.backoffMsMin, msMax: this.#limits.backoffMsMax };
    this.#lists = new MemberLists(options.saved, this.#limits);
    this.#contacts = options.masters.map((master) => ({ master, state: 'unknown', refusal: null, version: null, following: false, tried: false }));
    this.#published = essence(this.#lists.members);
    this.#presentAt = options.time.monotonic();
    this.#firstRound = new Promise((resolve) => {
      this.#endFirstRound = resolve;
    });
    if (this.#contacts.length === 0) this.#endFirstRound();
  }

  /** As last heard, this filer among them; positions and times are as fresh as the last heartbeat. */
  get members(): readonly Member[] {
    return this.#lists.members;
  }

  /** Why a master refuses this filer, if one does. */
  get refusal(): FilerError | null {
    return this.#refusal;
  }

  /** Why no master takes this filer, if all that are in reach refuse it; an absent master refuses nobody. */
  get outcast(): FilerError | null {
    const present = this.#contacts.filter(({ state }) => state === 'present');
    return present.length > 0 && present.every(({ refusal }) => refusal !== null) ? this.#refusal : null;
  }

  /** How long no master has been in reach, milliseconds; 0 while one is. */
  get silentMs(): number {
    return this.#contacts.some(({ state }) => state === 'present') ? 0 : this.#options.time.monotonic() - this.#presentAt;
  }

  /** Masters by address: `present` if the last heartbeat was answered. */
  get masters(): { address: string; state: Contact['state'] }[] {
    return this.#contacts.map(({ master, state }) => ({ address: master.address, state }));
  }

  start(): void {
    this.#run(async (signal) => {
      await this.#join(signal);
      for (const contact of this.#contacts) this.#loop((stop) => this.#heartbeat(contact, stop));
    });
  }

  /** Resolves once every master has answered or failed to, and what they said is in the list. @throws the signal's reason if it aborts first */
  async firstRound(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const stop = () => reject(signal.reason);
      signal.addEventListener('abort', stop, { once: true });
      void this.#firstRound.then(() => {
        signal.removeEventListener('abort', stop);
        resolve();
      });
    });
  }

  /** Ends requests in flight, tells the masters that this filer is down; resolves when every loop has ended. Again: changes nothing. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#stopped.abort();
    while (this.#loops.size > 0) await Promise.all(this.#loops);
    await this.#publishing;
    await this.#leave();
  }

  /** Last of all, so that no heartbeat overtakes it. A master that does not hear it takes this filer for down when it falls silent. */
  async #leave(): Promise<void> {
    const { time, announcement, logger } = this.#options;
    const taken = this.#contacts.filter(({ state, refusal, following }) => state === 'present' && refusal === null && following);
    if (taken.length === 0) return;
    const late = new AbortController();
    const done = new AbortController();
    const over = () => late.abort(new FilerError('PEER_UNREACHABLE', `no answer within ${this.#limits.leaveMs} ms`));
    // Rejects only when everything is said first.
    time.sleep(this.#limits.leaveMs, done.signal).then(over, () => {});
    const said = taken.map(async ({ master }) => {
      try {
        await master.leave(announcement(), late.signal);
      } catch (error) {
        logger.debug(`master ${master.address} was not told that this filer stops: ${messageOf(error)}`);
      }
    });
    await Promise.all(said);
    done.abort();
  }

  /** Tells every master at once, because what the filer says of itself has changed. */
  announceSoon(): void {
    this.#asked += 1;
    for (const wake of [...this.#naps]) wake();
  }

  async #join(signal: AbortSignal): Promise<void> {
    const { time, announcement } = this.#options;
    for (let round = 1; this.#contacts.length > 0 && announcement().clusterId === null; round++) {
      for (const contact of this.#contacts) {
        await this.#announce(contact, signal).catch((error: unknown) => {
          // Noted by then; the next master may do better.
          if (signal.aborted) throw error;
        });
        if (announcement().clusterId !== null) return;
      }
      await time.sleep(
        backoffMs(round, this.#backoff, () => time.random()),
        signal,
      );
    }
  }

  async #heartbeat(contact: Contact, signal: AbortSignal): Promise<void> {
    const asked = this.#asked;
    await this.#announce(contact, signal);
    if (!contact.following) {
      contact.following = true;
      this.#loop((stop) => this.#follow(contact, stop));
    }
    // Asked again while the request was under way: what it said is old already.
    if (asked !== this.#asked) return;
    const { time, heartbeatMs } = this.#options;
    // A little early, never late: filers that started together should not stay in step.
    await nap(time, heartbeatMs * (0.8 + 0.2 * time.random()), signal, (wake) => {
      this.#naps.add(wake);
      return () => this.#naps.delete(wake);
    });
  }

  /** @throws what went wrong, after taking note of it */
  async #announce(contact: Contact, signal: AbortSignal): Promise<void> {
    try {
      await this.#tell(contact, signal);
    } finally {
      contact.tried = true;
      if (this.#contacts.every(({ tried }) => tried)) this.#endFirstRound();
    }
  }

  async #tell(contact: Contact, signal: AbortSignal): Promise<void> {
    const { announcement, adopted, logger } = this.#options;
    const { master } = contact;
    let list: MemberList;
    try {
      list = await master.announce(announcement(), this.#othersFor(master), signal);
    } catch (error) {
      if (!signal.aborted) this.#failed(contact, error);
      throw error;
    }
    this.#present(contact);
    try {
      if (list.clusterId !== null && announcement().clusterId === null) await adopted(list.clusterId);
      if (await this.#take(contact, list)) this.#refuse(contact, null);
    } catch (error) {
      if (!signal.aborted) logger.error(`cannot take over what master ${master.address} says: ${messageOf(error)}`);
      throw error;
    }
  }

  /** The other masters, told to one that may have to make a cluster id. */
  #othersFor(master: MasterPort): string[] {
    if (this.#options.announcement().clusterId !== null) return [];
    return this.#contacts.filter((contact) => contact.master !== master).map((contact) => contact.master.address);
  }

  /** One question for the list. Its failures are not told: the heartbeat to the same master tells them. */
  async #follow(contact: Contact, signal: AbortSignal): Promise<void> {
    const { time, group } = this.#options;
    const { master, version } = contact;
    const asked = time.monotonic();
    const list = await master.members(version, group, signal);
    await this.#take(contact, list);
    const pauseMs = this.#limits.listPauseMs - (time.monotonic() - asked);
    if (contact.version === version && pauseMs > 0) await time.sleep(pauseMs, signal);
  }

  /** False if the list is not for us. */
  async #take(contact: Contact, list: MemberList): Promise<boolean> {
    const { announcement, time } = this.#options;
    const { master } = contact;
    const clusterId = announcement().clusterId;
    if (clusterId !== null && list.clusterId !== null && list.clusterId !== clusterId) {
      // Its members are strangers, whatever it thinks of us.
      this.#lists.lose(master.address);
      this.#refuse(
        contact,
        new FilerError(
          'CLUSTER_MISMATCH',
          `master ${master.address} serves cluster ${list.clusterId}, this filer belongs to ${clusterId}; take it out of --master, or name the master of its own cluster`,
          { clusterId: list.clusterId },
        ),
      );
      return false;
    }
    this.#options.clockHeard?.(master.address, (list.time - time.micros()) / 1e6);
    this.#lists.take(master.address, list, time.monotonic());
    contact.version = list.version;
    await this.#publish(master.address);
    return true;
  }

  /** Hands the list on if it has changed; one call at a time, in order. */
  #publish(source: string): Promise<void> {
    const turn = this.#publishing.then(async () => {
      const members = this.#lists.members;
      const now = essence(members);
      if (now === this.#published) return;
      await this.#options.changed(members, source);
      this.#published = now;
    });
    // The caller sees a failure; the next turn must come all the same.
    this.#publishing = turn.catch(() => {});
    return turn;
  }

  #failed(contact: Contact, error: unknown): void {
    const { logger } = this.#options;
    const { address } = contact.master;
    if (isFailure(error, ...refusals)) {
      this.#present(contact);
      // What it said while it was ours counts no more.
      if (error.code === 'CLUSTER_MISMATCH') this.#lists.lose(address);
      this.#refuse(contact, error);
      return;
    }
    this.#lists.lose(address);
    const state = isFailure(error, 'SIGNATURE_INVALID') ? 'refusing' : 'absent';
    if (contact.state === state) return;
    if (contact.state === 'present') this.#presentAt = this.#options.time.monotonic();
    contact.state = state;
    const others = this.#contacts.some((each) => each.state === 'present') ? 'the other masters' : 'the last list';
    const line = `master ${address} ${state === 'absent' ? 'is absent' : 'refuses this filer'}: ${messageOf(error)}; going on with ${others}`;
    if (state === 'absent') logger.warn(line);
    else logger.error(line);
  }

  #present(contact: Contact): void {
    if (contact.state === 'absent') this.#options.logger.info(`master ${contact.master.address} is back`);
    if (contact.state === 'refusing') this.#options.logger.info(`master ${contact.master.address} accepts this filer again`);
    contact.state = 'present';
  }

  #refuse(contact: Contact, error: FilerError | null): void {
    const { logger, refused } = this.#options;
    const { address } = contact.master;
    if (error && contact.refusal?.code !== error.code) logger.error(`master ${address} refuses this filer: ${error.message}`);
    if (!error && contact.refusal) logger.info(`master ${address} accepts this filer again`);
    contact.refusal = error;
    const all = this.#contacts.flatMap(({ refusal }) => refusal ?? []);
    // A copy must not serve, whatever other masters think of it.
    const first = all.find(({ code }) => code === 'ORIGIN_IN_USE') ?? all[0] ?? null;
    const same = first?.code === this.#refusal?.code && first?.message === this.#refusal?.message;
    this.#refusal = first;
    if (!same) refused(first);
  }

  #loop(step: (signal: AbortSignal) => Promise<void>): void {
    const { time, logger } = this.#options;
    const failed = (error: unknown) => logger.debug(messageOf(error));
    this.#run((signal) => runLoop({ time, signal, backoff: this.#backoff, logger, step, failed }));
  }

  #run(work: (signal: AbortSignal) => Promise<void>): void {
    const { signal } = this.#stopped;
    const loop: Promise<void> = work(signal)
      .catch((error: unknown) => {
        if (!signal.aborted) throw error;
      })
      .finally(() => this.#loops.delete(loop));
    this.#loops.add(loop);
  }
}

/** All of a list but what changes with every heartbeat. */
function essence(members: readonly Member[]): string {
  return JSON.stringify(members.map(({ position: _position, lastHeard: _lastHeard, ...rest }) => rest));
}
