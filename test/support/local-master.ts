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
  readonly registry: Registry;
  readonly #polls: LongPoll;
  readonly #stopped = new AbortController();
  /** False: nobody gets through, held requests included. */
  #reachable = true;
  #cut = new AbortController();

  constructor(
    private readonly time: TimeSource,
    readonly address: string,
    options: Partial<RegistryOptions> = {},
  ) {
    this.#polls = new LongPoll(time, limits.waitersMax);
    this.registry = new Registry({
      time,
      limits,
      logger: silentLogger,
      clusterId: null,
      saveClusterId: async () => {},
      probe: async () => null,
      loopbackAllowed: true,
      ...options,
    });
    this.registry.watch(() => this.#polls.wake());
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

  set reachable(value: boolean) {
    this.#reachable = value;
    if (value) return;
    this.#cut.abort(this.#unreachable());
    this.#cut = new AbortController();
  }

  async announce(announcement: Announcement): Promise<MemberList> {
    if (!this.#reachable) throw this.#unreachable();
    return this.registry.announce(announcement);
  }

  async members(version: string | null, group: string, signal: AbortSignal): Promise<MemberList> {
    if (!this.#reachable) throw this.#unreachable();
    return heldList(this.registry, this.#polls, version, group, limits.longPollMs, AbortSignal.any([signal, this.#cut.signal]));
  }

  #unreachable(): FilerError {
    return new FilerError('PEER_UNREACHABLE', `cannot reach ${this.address} (cut off)`, { peer: this.address });
  }
}
