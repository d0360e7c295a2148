import type { Origin } from '../../clock/vector.js';
import type { Announcement, MasterPort, MemberList } from '../../cluster/member.js';
import { limits } from '../../config/limits.js';
import { FilerError, isFailure } from '../../errors.js';
import type { HttpAnswer, HttpClient } from '../../http/client.js';
import { filersPath, memberListFromJson, registrationToJson, statusFromJson, statusPath, type ClusterStatus, type Registration } from './protocol.js';

/** A master over HTTP. Its client must have two connections to an address: one is held by the question for the list. */
export class MasterClient implements MasterPort {
  constructor(
    private readonly http: HttpClient,
    /** host:port */
    readonly address: string,
  ) {}

  async announce(announcement: Announcement, masters: readonly string[] = [], signal?: AbortSignal): Promise<MemberList> {
    return this.#read(await this.#put({ announcement, state: 'up', masters }, signal), memberListFromJson);
  }

  async leave(announcement: Announcement, signal?: AbortSignal): Promise<void> {
    await this.#put({ announcement, state: 'down', masters: [] }, signal);
  }

  async members(version: string | null, group: string, signal?: AbortSignal): Promise<MemberList> {
    const answer = await this.http.request({
      address: this.address,
      method: 'GET',
      path: filersPath,
      query: { live: 'long-poll', version, group, timeout: `${limits.longPollMs}ms` },
      timeoutMs: limits.longPollMs + limits.answerMs,
      signal,
    });
    return this.#read(answer, memberListFromJson);
  }

  /** The list as it is now. @throws FilerError PEER_UNREACHABLE */
  async list(group: string, signal?: AbortSignal): Promise<MemberList> {
    return this.#read(await this.http.request({ address: this.address, method: 'GET', path: filersPath, query: { group }, signal }), memberListFromJson);
  }

  /** Takes a filer off the list. @throws FilerError ENTRY_NOT_FOUND, PEER_UNREACHABLE */
  async forget(origin: Origin, signal?: AbortSignal): Promise<void> {
    await this.http.request({ address: this.address, method: 'DELETE', path: `${filersPath}/${origin}`, signal });
  }

  /** @throws FilerError PEER_UNREACHABLE, also if the answer does not begin within `timeoutMs` */
  async status(signal?: AbortSignal, timeoutMs: number = limits.answerMs): Promise<ClusterStatus> {
    return this.#read(await this.http.request({ address: this.address, method: 'GET', path: statusPath, timeoutMs, signal }), statusFromJson);
  }

  #put(registration: Registration, signal?: AbortSignal): Promise<HttpAnswer> {
    return this.http.request({
      address: this.address,
      method: 'PUT',
      path: `${filersPath}/${registration.announcement.origin}`,
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(registrationToJson(registration)),
      signal,
    });
  }

  /** What the master says is checked like a stranger's word; what does not read is as good as no answer. */
  #read<T>(answer: HttpAnswer, parse: (body: unknown) => T): T {
    const body = answer.json();
    try {
      return parse(body);
    } catch (error) {
      if (!isFailure(error)) throw error;
      throw new FilerError('PEER_UNREACHABLE', `${this.address} does not answer like a master (${error.message})`, { peer: this.address }, { cause: error });
    }
  }
}
