import { heldList } from '../../src/core/api/master/handlers.js';
import type { Announcement, MasterPort, MemberList } from '../../src/core/cluster/member.js';
import { Registry, type RegistryOptions } from '../../src/core/cluster/registry.js';
import { limits } from '../../src/core/config/limits.js';
import { FilerError } from '../../src/core/errors.js';
import { LongPoll } from '../../src/core/http/long-poll.js';
import { silentLogger } from '../../src/core/logger.js';
import type { TimeSource } from '../../src/core/time.js';

/** The real registry, reached without a network that could fail, unless `reachable` is false. */
export class LocalMaster implements MasterPort {
  registry: Registry;
  readonly #polls: LongPoll;
  readonly #stopped = new AbortController();
  /** False: nobody gets through, held requests included. */
  #reachable = true;
  /** True: a farewell is never answered. */
  hangs = false;
  #cut = new AbortController();

  constructor(
    private readonly time: TimeSource,
    readonly address: string,
    private readonly options: Partial<RegistryOptions> = {},
  ) {
    this.#polls = new LongPoll(time, limits.waitersMax);
    this.registry = this.#open(options);
  }

  /** It is another start, with another folder. */
  set clusterId(clusterId: string) {
    this.registry = this.#open({ ...this.options, clusterId });
    this.#hangUp();
  }

  #open(options: Partial<RegistryOptions>): Registry {
    const registry = new Registry({
      time: this.time,
      limits,
      logger: silentLogger,
      clusterId: null,
      saveClusterId: async () => {},
      probe: async () => null,
      askMaster: async () => null,
      loopbackAllowed: true,
      ...options,
    });
    registry.watch(() => this.#polls.wake());
    return registry;
  }

  /** Looks for silent members every second, until stopped. */
  async run(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      await this.time.sleep(limits.expireCheckMs, this.#stopped.signal).catch(() => {});
      this.registry.expire();
    }
  }

  stop(): void {
    this.#stopped.abort();
  }

  get isReachable(): boolean {
    return this.#reachable;
  }

  set reachable(value: boolean) {
    this.#reachable = value;
    if (!value) this.#hangUp();
  }

  async announce(announcement: Announcement, masters: readonly string[] = []): Promise<MemberList> {
    if (!this.#reachable) throw this.#unreachable();
    return this.registry.announce(announcement, masters);
  }

  async leave({ origin, instance }: Announcement, signal: AbortSignal): Promise<void> {
    if (this.hangs) return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    if (!this.#reachable) throw this.#unreachable();
    this.registry.leave(origin, instance);
  }

  async members(version: string | null, group: string, signal: AbortSignal): Promise<MemberList> {
    if (!this.#reachable) throw this.#unreachable();
    return heldList(this.registry, this.#polls, version, group, limits.longPollMs, AbortSignal.any([signal, this.#cut.signal]));
  }

  /** Ends what is held. */
  #hangUp(): void {
    this.#cut.abort(this.#unreachable());
    this.#cut = new AbortController();
  }

  #unreachable(): FilerError {
    return new FilerError('PEER_UNREACHABLE', `cannot reach ${this.address} (cut off)`, { peer: this.address });
  }
}
