import { anySignal } from '../abort.js';
import { FilerError } from '../errors.js';
import type { Origin, Position } from '../clock/vector.js';
import { isWithin, type FullPath } from '../entry/path.js';
import type { ChangeLog } from '../log/change-log.js';
import { withApplied } from '../change/codec.js';
import type { Feed, FeedPage, FeedQuery } from '../log/feed.js';
import type { Draft } from '../log/draft.js';
import { positionOf } from '../log/log-state.js';
import { appliedPosition } from '../log/quarantine.js';
import { runsUpTo } from '../log/runs.js';
import type { Run, StoreReader } from '../store/store.js';
import type { TimeSource } from '../time.js';
import { findDivergence, mayMerge, sideOf, sideOfCaller, verdict } from './meeting.js';
import { hashesAt, hashesOf } from './branches.js';
import type { Caller, ChangesPage, ChangesRequest, SnapshotPage } from './peer.js';
import type { Reports } from './reports.js';

/** What is known of a filer that asks us. */
export interface Follower {
  readonly origin: Origin;
  readonly address: string;
  /** What it had when it last asked. */
  position: Position;
  /** Its last report (DESIGN: Reports); null if it never gave one. */
  report: Position | null;
  /** Monotonic milliseconds. */
  lastContact: number;
}

export interface SourceHooks {
  /** Throws BOOTSTRAPPING, ORIGIN_IN_USE or STOPPING while this filer serves nobody. */
  mustServe(): void;
  /** Aborts when this filer stops serving, so that held polls end. */
  serving(): AbortSignal;
  /** The caller is of another lineage, and it is this filer that gives way. */
  metStranger(caller: Caller): void;
  /** A filer that asked was greeted: where it is, and its digest there ('' = none to compare). */
  heard(origin: Origin, position: Position, digest: string): void;
  /** The caller has other changes under an origin than this filer. */
  parted(caller: Caller): void;
}

export interface SourceLimits {
  readonly originsOpenMax: number;
  readonly snapshotBytes: number;
  readonly membersMax: number;
}

/** What this filer gives to others: feed and snapshot. */
export class Source {
  readonly followers = new Map<Origin, Follower>();

  constructor(
    private readonly parts: { log: ChangeLog; feed: Feed; store: StoreReader; reports: Reports; time: Pick<TimeSource, 'monotonic'> },
    private readonly hooks: SourceHooks,
    private readonly limits: SourceLimits,
  ) {}

  /** This filer's report, if it may give one: cut before the oldest quarantined change of each origin, whose effect it has not seen. */
  report(): Position | null {
    const { log } = this.parts;
    try {
      this.hooks.mustServe();
    } catch {
      return null;
    }
    return appliedPosition(log.position, log.state.quarantine);
  }

  /**
   * Answers a poll: what the caller lacks of the asked origins, waiting for news if there is nothing.
   * @throws FilerError as `greet` does; LOG_TRIMMED, OVERLOADED
   */
  async changes(request: ChangesRequest, caller: Caller, signal: AbortSignal): Promise<ChangesPage> {
    const { log } = this.parts;
    const { position, ...rest } = request;
    const page = await this.read({ start: { kind: 'position', position }, ...rest }, caller, signal);
    const texts = page.records.map((record) => withApplied(record.text, record.applied));
    // Cut from the same state as the position: together they must be true of one moment.
    const head = positionOf(page.state.origins);
    return {
      texts,
      position: page.position,
      head,
      digest: log.digestToTell(page.state),
      time: log.clock.now(),
      report: this.report(),
      bytes: texts.reduce((sum, text) => sum + text.length, 0),
    };
  }

  /**
   * Reads one page of the feed; a held read ends when this filer stops serving. No caller = a reader that is no peer: it
   * is not made known, and waits on the places that are left to such.
   * @throws FilerError as `greet` does; LOG_TRIMMED, OVERLOADED; OFFSET_UNKNOWN if the feed was begun anew meanwhile
   */
  async read(query: Omit<FeedQuery, 'forPeer'>, caller: Caller | null, signal: AbortSignal): Promise<FeedPage> {
    const { feed, log } = this.parts;
    const { epoch } = log.identity;
    await this.#meet(caller);
    const held = anySignal(signal, this.hooks.serving());
    const page = await feed.read({ ...query, forPeer: caller !== null }, held.signal).finally(held.release);
    // A snapshot was merged while this read was held: what it brought is in no feed, so the page would pass it by in silence.
    if (log.identity.epoch !== epoch) throw new FilerError('OFFSET_UNKNOWN', 'the feed of this filer was begun anew meanwhile; ask again with position=');
    return page;
  }

  /**
   * Answers one page of the snapshot: rows in key order, with the position at which they were read. No caller = a reader
   * that is no peer and is not made known.
   * @throws FilerError as `greet` does
   */
  async snapshot(after: FullPath | null, limit: number, caller: Caller | null): Promise<SnapshotPage> {
    await this.#meet(caller);
    const { log, store } = this.parts;
    const { identity, closed, partedFrom } = log.state;
    if (partedFrom !== null) throw new FilerError('BOOTSTRAPPING', 'this filer gives up a branch of its history; take the snapshot from another one');
    // Before the rows: what is let go meanwhile may be missing in them.
    const aside = after === null ? [] : [...log.state.quarantine.values()].map(({ dot }) => dot);
    const read = async () => ({
      ...(await store.scanWithOrigins(after, limit, this.limits.snapshotBytes)),
      quarantined: after === null ? [...log.state.quarantine.values()].map(({ text }) => text) : [],
    });
    // Rows, position and quarantine of the first page must be of one commit: nothing is written meanwhile.
    const { rows, origins, quarantined } = after === null ? await log.aloneForClient(read) : await read();
    // Rejoining empties the tree and renews the epoch: a page from both sides of that must not go out.
    if (log.identity.epoch !== identity.epoch) throw new FilerError('BOOTSTRAPPING', 'this filer has just begun to rejoin; take the snapshot from another one');
    this.hooks.mustServe();
    return {
      position: new Map(origins.map(({ origin, seq }) => [origin, seq])),
      hashes: new Map(origins.map(({ origin, hash }) => [origin, hash])),
      versions: new Map(origins.map(({ origin, version }) => [origin, version])),
      runs: new Map(after === null ? origins.map(({ origin, runs }) => [origin, runs]) : []),
      floor: identity.floor,
      closed: [...closed.keys()].sort(),
      quarantined,
      aside,
      rows,
      epoch: identity.epoch,
      next: rows.at(-1)?.path ?? null,
    };
  }

  /**
   * What stands at one path, as a page of the snapshot with one row or none, for a reader that is no peer. Of the quarantined changes only those that
   * the path waits for.
   * @throws FilerError as `greet` does
   */
  async row(path: FullPath): Promise<SnapshotPage> {
    this.hooks.mustServe();
    const { log, store } = this.parts;
    const { identity, closed, partedFrom, origins, quarantine } = log.state;
    if (partedFrom !== null) throw new FilerError('BOOTSTRAPPING', 'this filer gives up a branch of its history; ask another one');
    // Everything up to the position is in a row that is read after it.
    const [row] = await store.find('tree', [path]);
    this.hooks.mustServe();
    if (log.identity.epoch !== identity.epoch) throw new FilerError('BOOTSTRAPPING', 'this filer has just begun to rejoin; ask another one');
    const states = [...origins.values()];
    return {
      position: new Map(states.map(({ origin, seq }) => [origin, seq])),
      hashes: new Map(states.map(({ origin, hash }) => [origin, hash])),
      versions: new Map(states.map(({ origin, version }) => [origin, version])),
      runs: new Map(),
      floor: identity.floor,
      closed: [...closed.keys()].sort(),
      quarantined: [...quarantine.values()].filter(({ paths }) => paths.some((held) => isWithin(path, held))).map(({ text }) => text),
      aside: [],
      rows: row ? [row] : [],
      epoch: identity.epoch,
      next: null,
    };
  }

  /** The chain hashes known here at a position; null where none is known. */
  hashes(position: Position): Promise<Map<Origin, string | null>> {
    return hashesAt(this.parts.log.state, this.parts.store, position);
  }

  /** The runs known here of the origins of a position, up to there. */
  runs(position: Position): Map<Origin, readonly Run[]> {
    const { origins } = this.parts.log.state;
    return new Map([...position].map(([origin, seq]) => [origin, runsUpTo(origins.get(origin)?.runs ?? [], seq)]));
  }

  async #meet(caller: Caller | null): Promise<void> {
    if (caller === null) this.hooks.mustServe();
    else await this.greet(caller);
  }

  /**
   * Meets a caller: checks that the two may exchange changes, and makes its origin known here, durably, before anything
   * is answered: from then on no tombstone it has not seen is dropped.
   * @throws FilerError CLUSTER_MISMATCH, ORIGIN_IN_USE, ORIGIN_CLOSED, ORIGIN_DIVERGED, TOO_MANY_ORIGINS, BOOTSTRAPPING
   */
  async greet(caller: Caller): Promise<void> {
    this.hooks.mustServe();
    const { log, store, reports, time } = this.parts;
    const { identity, origins, closed } = log.state;
    if (caller.clusterId !== null && identity.clusterId !== null && caller.clusterId !== identity.clusterId) {
      throw new FilerError('CLUSTER_MISMATCH', `the caller belongs to cluster ${caller.clusterId}, this filer to ${identity.clusterId}`);
    }
    if (caller.origin === identity.origin) throw new FilerError('ORIGIN_IN_USE', `origin ${caller.origin} is this filer's own; stop one of the two`);
    if (closed.has(caller.origin))
      throw new FilerError('ORIGIN_CLOSED', `origin ${caller.origin} was closed, by command or because it was not heard of for too long; it rejoins`, {
        origin: caller.origin,
      });
    await this.#checkLineage(caller);
    // Who has more of this filer's own log than it has itself has met it before it went back to an older state.
    const isAhead = (caller.have.get(identity.origin)?.seq ?? 0) > (origins.get(identity.origin)?.seq ?? 0);
    const diverged = isAhead ? identity.origin : await findDivergence(caller.have, log.state, hashesOf(store));
    if (diverged !== null) {
      this.hooks.parted(caller);
      throw new FilerError('ORIGIN_DIVERGED', `two logs were written under origin ${diverged}; one of the two filers gives up its own`, { origin: diverged });
    }
    if (!origins.has(caller.origin)) await log.aloneForClient((draft) => this.#know(draft, caller.origin));
    const position = new Map([...caller.have].map(([origin, { seq }]) => [origin, seq]));
    const known = this.followers.get(caller.origin);
    this.followers.delete(caller.origin);
    this.followers.set(caller.origin, {
      origin: caller.origin,
      address: caller.address,
      position,
      report: caller.report ?? known?.report ?? null,
      lastContact: time.monotonic(),
    });
    this.hooks.heard(caller.origin, position, caller.digest);
    if (caller.report !== null) reports.hear(caller.origin, caller.report, caller.have);
    const oldest = this.followers.keys().next().value;
    if (this.followers.size > this.limits.membersMax && oldest !== undefined) this.followers.delete(oldest);
  }

  /** Passes if the caller is of this filer's lineage, or has none yet; else one of the two gives way first. */
  async #checkLineage(caller: Caller): Promise<void> {
    const { log } = this.parts;
    const them = sideOfCaller(caller);
    const decided = verdict(sideOf(log.state), them);
    if (decided === 'follow') return;
    if (decided !== 'wait') {
      if (decided !== 'introduce') this.hooks.metStranger(caller);
      throw new FilerError('BOOTSTRAPPING', 'this filer is of another lineage and joins the others first');
    }
    if (!mayMerge(sideOf(log.state), them)) throw new FilerError('ORIGIN_DIVERGED', 'the caller is of another lineage; it must join the others first');
    // Known before it takes over this lineage: from then on nothing is dropped that it has not seen.
    await log.aloneForClient(async (draft) => {
      if (mayMerge(sideOf(draft), them)) await this.#know(draft, caller.origin);
    });
    throw new FilerError('BOOTSTRAPPING', 'the caller is of another lineage and takes over that of this filer first');
  }

  async #know(draft: Draft, origin: Origin): Promise<void> {
    // Not before: others that nobody knows may ask at the same moment.
    const open = draft.origins.size - draft.closed.size;
    if (!draft.origins.has(origin) && open >= this.limits.originsOpenMax)
      throw new FilerError('TOO_MANY_ORIGINS', `${open} origins are open here already; close those that are gone with filer.peers --forget`);
    draft.know(origin);
    await draft.flush();
  }
}
