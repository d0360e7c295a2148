import { digestOf } from '../../src/core/change/digest.js';
import type { Origin, Position } from '../../src/core/clock/vector.js';
import type { Member } from '../../src/core/cluster/member.js';
import { limits } from '../../src/core/config/limits.js';
import { FilerError } from '../../src/core/errors.js';
import { silentLogger } from '../../src/core/logger.js';
import { positionOf } from '../../src/core/log/log-state.js';
import { Bootstrap, type BootstrapLimits } from '../../src/core/replication/bootstrap.js';
import type { Caller, ChangesPage, ChangesRequest, FilerInfo, FilerState, Peer, SnapshotPage } from '../../src/core/replication/peer.js';
import { sideOf } from '../../src/core/replication/meeting.js';
import { Reports } from '../../src/core/replication/reports.js';
import { Source } from '../../src/core/replication/source.js';
import type { FullPath } from '../../src/core/entry/path.js';
import type { Phase } from '../../src/core/store/identity.js';
import { openLog, type OpenLog, type OpenOptions } from './open-log.js';

export const smallPages: BootstrapLimits = { snapshotRows: 3, pageChanges: 2, pageBytes: 1e6, draftRows: 2, draftBytes: 1e6 };

/** One call of a peer, as its caller made it. */
export type Call =
  { kind: 'info' } | { kind: 'hashes' } | { kind: 'runs' } | { kind: 'changes'; request: ChangesRequest } | { kind: 'snapshot'; after: FullPath | null };

/** A filer's core that others reach through memory: its real Source behind the interface of a peer. */
export class MemoryFiler {
  readonly source: Source;
  readonly calls: Call[] = [];
  readonly strangers: Caller[] = [];
  readonly parted: Caller[] = [];
  readonly reports = new Reports();
  /** Called before a call is answered; what it throws is the answer. */
  before: (call: Call) => void | Promise<void> = () => {};
  /** Told of every caller that was greeted. */
  heard: (origin: Origin, position: Position, digest: string) => void = () => {};
  isServing = true;
  isReachable = true;
  #serving = new AbortController();

  constructor(
    readonly core: OpenLog,
    readonly address: string,
  ) {
    const { log, feed, store, time } = core;
    this.source = new Source(
      { log, feed, store, time, reports: this.reports },
      {
        mustServe: () => {
          if (!this.isServing) throw new FilerError('BOOTSTRAPPING', 'this filer is not ready; ask another one');
        },
        serving: () => this.#serving.signal,
        metStranger: (caller) => this.strangers.push(caller),
        heard: (origin, position, digest) => this.heard(origin, position, digest),
        parted: (caller) => this.parted.push(caller),
      },
      { originsOpenMax: limits.originsOpenMax, snapshotBytes: limits.snapshotBytes, membersMax: limits.membersMax },
    );
  }

  get origin(): Origin {
    return this.core.log.identity.origin;
  }

  /** Ends held polls, as when it stops to serve. */
  endPolls(): void {
    this.#serving.abort(new FilerError('STOPPING', 'this filer is stopping; use another one'));
    this.#serving = new AbortController();
  }

  caller(): Caller {
    const { identity, origins } = this.core.log.state;
    return {
      origin: identity.origin,
      address: this.address,
      clusterId: identity.clusterId,
      have: new Map([...origins.values()].map(({ origin, seq, hash, runs }) => [origin, { seq, hash, run: runs.at(-1)?.hash ?? '' }])),
      report: this.source.report(),
      digest: this.core.log.digestToTell(),
      former: identity.former,
      lineage: sideOf(this.core.log.state).lineage,
    };
  }

  info(): FilerInfo {
    const { log, feed, store, time } = this.core;
    const { state } = log;
    const { storeId, origin, former, clusterId, floor, phase } = state.identity;
    const states: Record<Phase, FilerState> = {
      fresh: 'starting',
      ready: 'ready',
      bootstrapping: 'bootstrapping',
      restored: 'readonly',
      rejoining: 'rejoining',
    };
    return {
      storeId,
      origin,
      clusterId,
      instance: `instance of ${this.address}`,
      engine: store.engine,
      kind: store.kind,
      address: this.address,
      state: states[phase],
      program: 'test',
      protocol: 1,
      position: positionOf(state.origins),
      hashes: new Map([...state.origins.values()].map((known) => [known.origin, known.hash])),
      floor,
      head: feed.formatOffset(state.head),
      first: feed.formatOffset(state.first - 1),
      digest: digestOf(state.buckets),
      damage: null,
      quarantined: [...state.quarantine.keys()],
      counts: state.counts,
      time: time.micros(),
      former,
      lineage: sideOf(state).lineage,
    };
  }

  member(): Member {
    const { storeId, origin, clusterId } = this.core.log.identity;
    return {
      origin,
      storeId,
      clusterId,
      address: this.address,
      engine: 'memory',
      kind: 'embedded',
      instance: `instance of ${this.address}`,
      position: this.core.log.position,
      program: 'test',
      group: '',
      state: 'up',
      lastHeard: 0,
    };
  }

  /** This filer as others see it. */
  get peer(): Peer {
    return {
      address: this.address,
      info: (signal) => this.#answer({ kind: 'info' }, signal, async () => this.info()),
      changes: (request, caller, signal): Promise<ChangesPage> =>
        this.#answer({ kind: 'changes', request }, signal, () => this.source.changes(request, caller, signal)),
      hashes: (position, signal) => this.#answer({ kind: 'hashes' }, signal, () => this.source.hashes(position)),
      runs: (position, signal) => this.#answer({ kind: 'runs' }, signal, async () => this.source.runs(position)),
      snapshot: (after, limit, caller, signal): Promise<SnapshotPage> =>
        this.#answer({ kind: 'snapshot', after }, signal, () => this.source.snapshot(after, limit, caller)),
    };
  }

  /** A bootstrap of this filer, as its process has it. */
  bootstrap(pages: Partial<BootstrapLimits> = {}): Bootstrap {
    const bootstrap = new Bootstrap({
      log: this.core.log,
      store: this.core.store,
      time: this.core.time,
      logger: silentLogger,
      limits: { ...smallPages, ...pages },
      caller: () => this.caller(),
    });
    bootstrap.resume(this.core.log.openedMeta.get('bootstrap'));
    return bootstrap;
  }

  /** Crashes and starts again over the same disk. */
  async restart(): Promise<MemoryFiler> {
    return openFiler(this.address, this.core.log.identity.phase, { disk: this.core.disk, time: this.core.time });
  }

  async setPhase(phase: Phase): Promise<void> {
    await this.core.log.alone(async (draft) => {
      draft.setIdentity({ phase });
      await draft.flush();
    });
  }

  async #answer<T>(call: Call, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    this.calls.push(call);
    await this.before(call);
    if (!this.isReachable) throw new FilerError('PEER_UNREACHABLE', `${this.address} does not answer`);
    return work();
  }
}

/** Takes from a filer what it knows of runs: as a store has it that an older kelp has written. */
export async function forgetRuns({ core }: MemoryFiler): Promise<void> {
  await core.log.alone(async (draft) => {
    for (const state of draft.origins.values()) draft.setOrigin({ ...state, runs: [] });
    await draft.flush();
  });
}

/** What filers opened here are of unless told otherwise, as if all had begun together. */
const sharedLineage = '5'.repeat(16);

/** Opens a filer's core in a phase, reachable through memory; `isStranger` = of a lineage of its own, as every new store is. */
export async function openFiler(address: string, phase: Phase = 'ready', options: OpenOptions & { isStranger?: boolean } = {}): Promise<MemoryFiler> {
  const filer = new MemoryFiler(await openLog(options), address);
  if (options.disk === undefined) {
    await filer.core.log.alone(async (draft) => {
      draft.setIdentity({ phase, ...(options.isStranger === true ? {} : { lineage: sharedLineage }) });
      await draft.flush();
    });
  }
  return filer;
}
