import { anySignal } from '../../abort.js';
import { stampOf } from '../../change/summary.js';
import { isOrigin, positionToJson, type Origin } from '../../clock/vector.js';
import type { Member } from '../../cluster/member.js';
import { limits } from '../../config/limits.js';
import { FilerError, isFailure, messageOf } from '../../errors.js';
import { HttpClient } from '../../http/client.js';
import { keyOf, missingOf, pairsOf, type Ages, type Missing, type Pair, type Probe } from '../../replication/pairs.js';
import type { Signer } from '../../security/signer.js';
import type { TimeSource } from '../../time.js';
import { MasterClient } from '../master/client.js';
import { MetaClient } from './client.js';

export interface ClusterViewOptions {
  /** host:port of each; who has the list of members. */
  readonly masters: readonly string[];
  /** A filer to ask for its peers instead of a master for its list; null = the masters. */
  readonly filer: string | null;
  readonly group: string;
  /** Beyond it a pair is not healthy. */
  readonly maxLagMs: number;
  readonly signer?: Signer;
  readonly time: TimeSource;
}

/** One filer as it was found. */
export interface FilerView {
  readonly origin: Origin;
  readonly storeId: string;
  readonly address: string;
  /** What is said of it: by the master, or by the filers that follow it. */
  readonly member: 'up' | 'down';
  /** What it says itself; `unreachable` if it does not answer. */
  readonly state: string;
  readonly program: string | null;
  readonly position: Record<Origin, number> | null;
  readonly digest: string | null;
  /** What its last scrub found wrong with its store; null = nothing. */
  readonly damage: string | null;
  /** Dots of what it could not apply, and of what waits for that. */
  readonly quarantined: readonly string[];
  readonly counts: Readonly<Record<string, number>> | null;
  readonly error: { readonly code: string; readonly error: string } | null;
}

/** A cluster at one moment. */
export interface ClusterSample {
  readonly clusterId: string | null;
  readonly filers: readonly FilerView[];
  readonly pairs: readonly Pair[];
  /** True if every filer that is up answers, is ready and whole, and all are in step. */
  readonly healthy: boolean;
  /** Masters that did not answer, and why. */
  readonly silentMasters: readonly { readonly address: string; readonly error: string }[];
}

type Listed = Omit<Probe, 'answer' | 'error'>;

/** Looks at a whole cluster: asks for the members, then all of them at once. Keeps connections between samples; the caller closes it. */
export class ClusterView {
  readonly #http: HttpClient;
  /** From the last time anybody had the list, so that a watcher goes on when its master stops. */
  #clusterId: string | null = null;
  #members: readonly Listed[] | null = null;

  constructor(private readonly options: ClusterViewOptions) {
    this.#http = new HttpClient({ connections: 3, connectMs: limits.probeMs, signer: options.signer });
  }

  /**
   * @throws FilerError PEER_UNREACHABLE if nobody who has the list can be reached and none was known before; SIGNATURE_INVALID if it is
   *   refused; the signal's reason
   */
  async sample(signal: AbortSignal): Promise<ClusterSample> {
    const { maxLagMs } = this.options;
    const { probes: judged, silentMasters } = await this.look(signal);
    const pairs = pairsOf(judged, await this.#agesOf(missingOf(judged), judged, signal), maxLagMs / 1000);
    const fit = judged.every(
      ({ answer, state }) => state === 'down' || (answer?.info.state === 'ready' && answer.info.damage === null && answer.info.quarantined.length === 0),
    );
    return { clusterId: this.#clusterId, filers: judged.map(viewOf), pairs, healthy: fit && pairs.every(({ healthy }) => healthy), silentMasters };
  }

  /**
   * Asks all at once, without comparing them.
   * @throws FilerError as `sample`
   */
  async look(signal: AbortSignal): Promise<{ probes: Probe[]; silentMasters: ClusterSample['silentMasters'] }> {
    const { filer } = this.options;
    const silentMasters = filer === null ? await this.#askMasters(signal) : await this.#askFiler(filer, signal);
    const probes = await Promise.all((this.#members ?? []).map((member) => this.#probe(member, signal)));
    // Without a master, the filers say who is gone: one that nobody has heard for as long as a master would wait.
    const judged = filer === null ? probes : probes.map((probe) => (probe.answer || isHeard(probe, probes) ? probe : { ...probe, state: 'down' as const }));
    return { probes: judged, silentMasters };
  }

  /** Asks one filer, within the time of a probe. @throws FilerError PEER_UNREACHABLE, and what the filer answers */
  ask<T>(address: string, question: (client: MetaClient, signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    return this.#soon(address, signal, (within) => question(new MetaClient(this.#http, address), within));
  }

  /**
   * Takes a filer off the list of every master, and closes its origin at a filer that is up, so that neither logs nor tombstones wait
   * for it any longer. Returns the masters that had it, and the filer that closed it; null if none could be asked.
   * @throws FilerError USAGE; ENTRY_NOT_FOUND if none had it; PEER_UNREACHABLE if none can be reached
   */
  async forget(origin: string, signal: AbortSignal): Promise<{ masters: string[]; closedBy: string | null }> {
    if (!isOrigin(origin))
      throw new FilerError('USAGE', `--forget: '${(origin as string).slice(0, 60)}' is not an origin (16 lower-case hex digits); --json shows them`);
    const { masters } = this.options;
    // Before it leaves the list, which says who could close it.
    await this.#askMasters(signal);
    const ended = await Promise.allSettled(
      masters.map((address) => this.#soon(address, signal, (within) => new MasterClient(this.#http, address).forget(origin, within))),
    );
    const forgotten = masters.filter((_, index) => ended[index]?.status === 'fulfilled');
    const failed = ended.filter((one) => one.status === 'rejected').map(({ reason }) => reason as unknown);
    signal.throwIfAborted();
    const reached = failed.find((error) => !isFailure(error, 'ENTRY_NOT_FOUND'));
    if (forgotten.length === 0 && failed.length > 0) throw reached ?? failed[0];
    return { masters: forgotten, closedBy: await this.#close(origin, signal) };
  }

  /** The first filer that is up, knows the origin and answers; it tells the others. */
  async #close(origin: Origin, signal: AbortSignal): Promise<string | null> {
    for (const member of this.#members ?? []) {
      if (member.origin === origin || member.state === 'down') continue;
      try {
        await this.ask(member.address, (client, within) => client.close(origin, within), signal);
        return member.address;
      } catch (error) {
        signal.throwIfAborted();
        if (!isFailure(error)) throw error;
      }
    }
    return null;
  }

  close(): Promise<void> {
    return this.#http.close();
  }

  async #askMasters(signal: AbortSignal): Promise<ClusterSample['silentMasters']> {
    const { masters, group } = this.options;
    const asked = await Promise.allSettled(
      masters.map((address) => this.#soon(address, signal, (within) => new MasterClient(this.#http, address).list(group, within))),
    );
    signal.throwIfAborted();
    const lists = asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const silent = asked.flatMap((one, index) => (one.status === 'rejected' ? [{ address: masters[index] as string, error: messageOf(one.reason) }] : []));
    if (lists.length === 0 && this.#members === null) {
      const refused = asked.map((one) => (one.status === 'rejected' ? (one.reason as unknown) : null)).find((error) => isFailure(error, 'SIGNATURE_INVALID'));
      if (refused) throw refused;
      const why = silent.map(({ error }) => error).join('; ');
      throw new FilerError('PEER_UNREACHABLE', `no master answers: ${why || 'none is named'}; name one with --master, or any filer with --filer`);
    }
    const [first, ...others] = [...new Set(lists.flatMap(({ clusterId }) => clusterId ?? []))];
    if (others.length > 0)
      throw new FilerError('CLUSTER_MISMATCH', `these masters belong to clusters ${[first, ...others].join(' and ')}; name those of one cluster`);
    this.#clusterId = first ?? this.#clusterId;
    if (lists.length > 0) this.#members = newest(lists.flatMap(({ members }) => members));
    return silent;
  }

  async #askFiler(address: string, signal: AbortSignal): Promise<[]> {
    const client = new MetaClient(this.#http, address);
    try {
      const [info, { peers }] = await this.#soon(client.address, signal, (within) => Promise.all([client.info(within), client.peers(within)]));
      this.#clusterId = info.clusterId ?? this.#clusterId;
      const known = peers.map(({ origin, storeId, address, position, lastContact }) => ({
        origin,
        storeId,
        address,
        state: 'up' as const,
        position,
        lastHeard: lastContact,
      }));
      // By the address that was named: the one it tells its peers may not lead there from here.
      this.#members = [{ origin: info.origin, storeId: info.storeId, address, state: 'up', position: info.position, lastHeard: null }, ...known];
    } catch (error) {
      if (this.#members === null || !isFailure(error)) throw error;
    }
    return [];
  }

  async #probe(member: Listed, signal: AbortSignal): Promise<Probe> {
    const client = new MetaClient(this.#http, member.address);
    try {
      const [info, { peers }] = await this.#soon(client.address, signal, (within) => Promise.all([client.info(within), client.peers(within)]));
      if (info.origin !== member.origin) throw new FilerError('PEER_UNREACHABLE', `at ${member.address} is now filer ${info.origin}, not ${member.origin}`);
      // Who answers is up, however long the list takes to say so.
      return { ...member, state: 'up', answer: { info, peers }, error: null };
    } catch (error) {
      signal.throwIfAborted();
      if (!isFailure(error)) throw error;
      return { ...member, answer: null, error: { code: error.code, error: error.message } };
    }
  }

  /** How old the changes are that somebody lacks: each is asked for at a filer that has it. */
  async #agesOf(missing: readonly Missing[], probes: readonly Probe[], signal: AbortSignal): Promise<Ages> {
    const clocks = new Map(probes.map((probe) => [probe.origin, probe.answer?.info.time]));
    const ages = await Promise.all(
      missing.map(async (each): Promise<[string, number | null]> => {
        const { origin, seq, holder } = each;
        const request = { origins: [origin], position: new Map([[origin, seq - 1]]), limit: 1, waitMs: 0 };
        try {
          const { texts, time } = await this.#soon(holder, signal, (within) => new MetaClient(this.#http, holder).feed(request, within));
          // Its writer's clock gave the version; the holder's must do if the writer does not answer.
          const version = texts[0] === undefined ? 0 : stampOf(texts[0]).version;
          return [keyOf(each), version === 0 ? null : Math.max(0, ((clocks.get(origin) ?? time) - version) / 1e6)];
        } catch (error) {
          signal.throwIfAborted();
          if (!isFailure(error)) throw error;
          return [keyOf(each), null];
        }
      }),
    );
    return new Map(ages);
  }

  /** Gives `work` the time of one probe. */
  async #soon<T>(address: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const late = new AbortController();
    const done = new AbortController();
    const both = anySignal(signal, late.signal);
    const over = () => late.abort(new FilerError('PEER_UNREACHABLE', `${address} gives no answer within ${limits.probeMs / 1000} s`, { peer: address }));
    // Rejects only when the work is done first.
    this.options.time.sleep(limits.probeMs, done.signal).then(over, () => {});
    try {
      return await work(both.signal);
    } finally {
      done.abort();
      both.release();
    }
  }
}

/** Of each origin the member that was heard last. */
function newest(members: readonly Member[]): Listed[] {
  const byOrigin = new Map<Origin, Member>();
  for (const member of members) if ((byOrigin.get(member.origin)?.lastHeard ?? -1) < member.lastHeard) byOrigin.set(member.origin, member);
  return [...byOrigin.values()].map(({ origin, storeId, address, state, position, lastHeard }) => ({
    origin,
    storeId,
    address,
    state,
    position,
    lastHeard: new Date(lastHeard).toISOString(),
  }));
}

/** True if a filer that answers has heard of this one within the time a master waits. */
function isHeard({ origin }: Probe, probes: readonly Probe[]): boolean {
  return probes.some(({ answer }) => {
    const contact = answer?.peers.find((report) => report.origin === origin)?.lastContact;
    return answer && contact ? answer.info.time / 1000 - Date.parse(contact) <= limits.memberDownMs : false;
  });
}

function viewOf({ origin, storeId, address, state, answer, error }: Probe): FilerView {
  const info = answer?.info;
  return {
    origin,
    storeId,
    address,
    member: state,
    state: info?.state ?? (state === 'down' ? 'down' : 'unreachable'),
    program: info?.program ?? null,
    position: info ? positionToJson(info.position) : null,
    digest: info?.digest ?? null,
    damage: info?.damage ?? null,
    quarantined: info?.quarantined ?? [],
    counts: info ? { ...info.counts } : null,
    error,
  };
}
