import { versionMax } from './clock/version.js';
import type { Announcement, Member } from './cluster/member.js';
import type { Admission } from './filer-admission.js';
import type { FilerOptions } from './filer-options.js';
import type { ChangeLog } from './log/change-log.js';
import type { Feed } from './log/feed.js';
import { positionOf } from './log/log-state.js';
import type { Aggregator } from './replication/aggregator.js';
import type { Joining } from './replication/joining.js';
import { reportLog, type LogReport } from './replication/log-report.js';
import { sideOf } from './replication/meeting.js';
import { reportPeer, type PeerReport } from './replication/peer-report.js';
import type { Caller, FilerInfo } from './replication/peer.js';
import type { Source } from './replication/source.js';
import type { Scrub } from './store/scrub.js';
import type { Surroundings, Upkeep } from './upkeep.js';

export interface FilerStatusParts {
  readonly options: Pick<FilerOptions, 'store' | 'time' | 'limits' | 'address' | 'program' | 'group' | 'instance'>;
  readonly log: ChangeLog;
  readonly feed: Feed;
  readonly source: Source;
  readonly aggregator: Aggregator;
  readonly joining: Joining;
  readonly scrub: Scrub;
  readonly upkeep: Upkeep;
  readonly admission: Admission;
  readonly members: () => readonly Member[];
}

/** What a filer says of itself: to masters, to peers, to operators. */
export class FilerStatus {
  constructor(private readonly parts: FilerStatusParts) {}

  /** `GET store`. */
  info(): FilerInfo {
    const { log, options, feed, scrub, admission } = this.parts;
    const { state } = log;
    const { storeId, origin, former, clusterId, floor } = state.identity;
    const { lineage } = sideOf(state);
    return {
      storeId,
      origin,
      clusterId,
      instance: options.instance,
      engine: options.store.engine,
      kind: options.store.kind,
      address: options.address,
      state: admission.state,
      program: options.program,
      protocol: 1,
      position: positionOf(state.origins),
      hashes: new Map([...state.origins.values()].map((known) => [known.origin, known.hash])),
      floor,
      head: feed.formatOffset(state.head),
      first: feed.formatOffset(state.first - 1),
      digest: state.partedFrom === null ? log.digest : '',
      damage: scrub.damage,
      quarantined: [...state.quarantine.keys()],
      counts: state.counts,
      time: options.time.micros(),
      former,
      lineage,
    };
  }

  /** How this filer names itself to a peer that it asks. */
  caller(): Caller {
    const { log, options, source } = this.parts;
    const { identity, origins } = log.state;
    const report = source.report();
    return {
      origin: identity.origin,
      address: options.address,
      clusterId: identity.clusterId,
      have: new Map([...origins.values()].map(({ origin, seq, hash, runs }) => [origin, { seq, hash, run: runs.at(-1)?.hash ?? '' }])),
      report,
      digest: report === null ? '' : log.digestToTell(),
      former: identity.former,
      lineage: sideOf(log.state).lineage,
    };
  }

  /** How this filer registers with a master. */
  announcement(): Announcement {
    const { log, options } = this.parts;
    const { identity } = log;
    const { address, store, instance, program, group } = options;
    return {
      origin: identity.origin,
      storeId: identity.storeId,
      clusterId: identity.clusterId,
      address,
      engine: store.engine,
      kind: store.kind,
      instance,
      position: log.position,
      program,
      group,
    };
  }

  /** What every peer is to this filer, and this filer to every peer. */
  peers(): Promise<PeerReport[]> {
    const { log, aggregator, source, options } = this.parts;
    const parts = { log, store: options.store, time: options.time, peerSilentMs: options.limits.peerSilentMs };
    return Promise.all(aggregator.subscriptions.map((subscription) => reportPeer(subscription, source.followers.get(subscription.origin), parts)));
  }

  /** What the log holds, who keeps it from shrinking, and how long each peer may stay away. */
  async log(): Promise<LogReport> {
    const { log, upkeep, feed, source, members } = this.parts;
    const { time, limits, store } = this.parts.options;
    const acknowledged = new Map(
      [...source.followers.values()].map(({ origin, position, lastContact }) => [origin, { position, age: (time.monotonic() - lastContact) / 1000 }]),
    );
    const [oldest] = await store.tombstones(versionMax, null, 1);
    return reportLog({
      state: log.state,
      now: time.micros(),
      formatOffset: (index) => feed.formatOffset(index),
      oldestAt: upkeep.retention.oldestAt,
      oldestTombstone: oldest?.version ?? null,
      limits,
      members: members(),
      acknowledged,
      logHeldBy: await upkeep.logHeldBy(),
      tombstonesHeldBy: await upkeep.tombstonesHeldBy(),
    });
  }

  /** What this filer knows of the others at the moment. */
  surroundings(): Surroundings {
    const { aggregator, source, joining, admission } = this.parts;
    const { time, limits } = this.parts.options;
    const members = this.parts.members();
    const since = time.monotonic() - limits.peerSilentMs;
    const asked = [...source.followers.values()].filter(({ lastContact }) => lastContact >= since).map(({ origin }) => origin);
    const answered = aggregator.subscriptions.filter(({ lastContact }) => lastContact !== null && lastContact >= since).map(({ origin }) => origin);
    const up = members.filter(({ state }) => state === 'up').map(({ origin }) => origin);
    const others = up.filter((origin) => origin !== this.parts.log.identity.origin);
    const unable = new Set(aggregator.subscriptions.filter((one) => answered.includes(one.origin) && one.peerState !== 'ready').map(({ origin }) => origin));
    return {
      members,
      following: aggregator.subscriptions.filter(({ state }) => state === 'following').map(({ origin, head }) => ({ origin, head })),
      heard: [...asked, ...answered, ...up],
      nobodyServes: others.length > 0 && others.every((origin) => unable.has(origin)),
      isStaging: joining.bootstrap.progress !== null,
      isRefused: admission.isRefused,
    };
  }
}
