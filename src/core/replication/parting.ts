import { FilerError } from '../errors.js';
import { positionCovers, type Dot, type Origin, type Position, type Seq } from '../clock/vector.js';
import { isRefused, rowsOf, type ReceivedChange } from '../change/change.js';
import type { ReceiveChange } from '../change/refused.js';
import { isLive, type Row } from '../change/row.js';
import type { Entry } from '../entry/entry.js';
import type { FullPath } from '../entry/path.js';
import type { ChangeLog } from '../log/change-log.js';
import { leftToForgotten } from '../log/conflicts.js';
import { isInDoubt, type Doubt } from '../log/doubt.js';
import type { Draft } from '../log/draft.js';
import { originAt, originStart } from '../log/log-state.js';
import { runsUpTo } from '../log/runs.js';
import type { Logger } from '../logger.js';
import type { OriginState, StoreReader } from '../store/store.js';
import type { TimeSource } from '../time.js';
import type { Branch } from './branches.js';
import type { FilerInfo } from './peer.js';

/*
 * Parted histories (DESIGN §6): two logs under one origin, because a store went back to an older state and nothing showed it.
 *
 *   a meeting shows it ──► give up: the branch leaves the log, its rows lose their dots ──► follow the other branch
 *                          (the owner of the origin also takes a new one)                        │ level with that peer
 *                                                              rows still without a dot are written again, as new changes
 *
 * Who gives up is found in branches.ts.
 */

type Store = Pick<StoreReader, 'findRecord'>;

type LogStore = Pick<StoreReader, 'findRecord' | 'readLog'>;

export interface PartingLimits {
  readonly draftRows: number;
  /** For so long the other branch is waited for alone, milliseconds. */
  readonly peerSilentMs: number;
}

export interface PartingOptions {
  readonly log: ChangeLog;
  readonly store: LogStore;
  readonly time: Pick<TimeSource, 'randomHex' | 'micros' | 'monotonic'>;
  readonly logger: Logger;
  readonly limits: PartingLimits;
}

export class Parting {
  /** What this store must have before it writes its rows again: where the peer was when it was first followed again. */
  #goal: { readonly peer: Origin; readonly position: Position } | null = null;
  /** Logs of which a branch was given up here, each with the peer that has the other one. Replaced as a whole. */
  #awaited: ReadonlyMap<Origin, { readonly peer: Origin; readonly common: Seq; readonly since: number }> = new Map();
  #branches: ReadonlyMap<Origin, Origin> = new Map();

  constructor(private readonly options: PartingOptions) {}

  /**
   * Logs of which a branch was given up here, each with the peer that has the other one: any other peer may still have the branch that was
   * given up, hand it on once more, and so without end. Until the log goes on here, or the peer has had its time. The same map until it changes.
   */
  branches(): ReadonlyMap<Origin, Origin> {
    const { log, time, limits } = this.options;
    const isOver = (origin: Origin, { common, since }: { common: Seq; since: number }) =>
      (log.position.get(origin) ?? 0) > common || time.monotonic() - since > limits.peerSilentMs;
    const awaited = [...this.#awaited].filter(([origin, one]) => !isOver(origin, one));
    if (awaited.length < this.#awaited.size) this.#await(new Map(awaited));
    return this.#branches;
  }

  /**
   * True if deletions of this store's branch may be forgotten here. What they deleted is not here any more and stands on the other branch, so without
   * a snapshot of the peer the two would differ for ever: then the store rejoins.
   */
  async mayHaveForgotten({ origin, common }: Branch): Promise<boolean> {
    const { log, store } = this.options;
    const { origins, identity } = log.state;
    const { seq: end, first } = origins.get(origin) ?? originStart(origin);
    if (identity.floor === 0 || end <= common) return false;
    if (common + 1 < first) return true;
    for (let seq = common + 1; seq <= end; seq++) {
      const change = await readChange({ origin, seq }, store, log.receive);
      if (change === null || (change.version <= identity.floor && (isRefused(change) || change.newEntry === null || change.oldVector !== null))) return true;
    }
    return false;
  }

  /** Gives up this store's branch, all in one transaction. What was staged is thrown away, and the feed begun anew. */
  async giveUp(branch: Branch, to: FilerInfo): Promise<void> {
    const { log, store, time, logger } = this.options;
    const { origin } = branch;
    const rows = await log.alone(async (draft) => {
      const state = await stateAt(branch, draft, store);
      const doubt = await doubtOf({ ...branch, common: state.seq }, draft, store, log.receive);
      const waiting = waitingIn({ ...branch, common: state.seq }, draft, log.receive);
      const undotted = await draft.giveUp(state);
      await draft.load(waiting.map((row) => row.path));
      for (const row of waiting) draft.joinRow(row);
      const count = undotted + waiting.length;
      const { identity } = draft;
      const isOwn = identity.origin === origin;
      const fresh = time.randomHex(8);
      draft.setIdentity({ epoch: time.randomHex(4), ...(isOwn ? { origin: fresh, former: [...identity.former, origin] } : {}) });
      if (isOwn) draft.setOrigin(originStart(fresh));
      await draft.tx.clear('staging');
      draft.setMeta('bootstrap', null);
      if (count > 0) draft.setPartedFrom(to.origin, doubt);
      await draft.flush();
      return count;
    });
    this.#goal = null;
    // From where the log stands by now: it may have gone back further than to what is common.
    this.#await(new Map(this.#awaited).set(origin, { peer: to.origin, common: log.position.get(origin) ?? 0, since: time.monotonic() }));
    logger.warn(
      `this store and ${to.address} have other changes under origin ${origin} after ${branch.common}, as after a store was put back in place: gives up its own, follows the others', then writes ${rows} entries again`,
    );
  }

  /**
   * Writes again what is left of a branch that was given up, once this store is level with the peer that has the other one, or if that is
   * gone, with everybody it follows.
   */
  async finish(following: readonly { readonly origin: Origin; readonly head: Position }[], isForced: boolean): Promise<void> {
    const { log, logger } = this.options;
    const { partedFrom } = log.state;
    if (partedFrom === null) return;
    if (!isForced && !this.#isLevel(partedFrom, following)) return;
    const { written, left } = await log.alone((draft) => this.#writeAgain(draft));
    this.#goal = null;
    logger.info(`level with the others: ${written} entries of the branch that was given up still stood and are written again`);
    if (left > 0)
      logger.warn(`${left} more are as old as deletions that the others have forgotten, and may have been deleted: left out, see kelp filer.conflicts`);
  }

  #await(awaited: ReadonlyMap<Origin, { readonly peer: Origin; readonly common: Seq; readonly since: number }>): void {
    this.#awaited = awaited;
    this.#branches = new Map([...awaited].map(([origin, { peer }]) => [origin, peer]));
  }

  #isLevel(partedFrom: Origin, following: readonly { readonly origin: Origin; readonly head: Position }[]): boolean {
    const { position } = this.options.log;
    const peer = following.find(({ origin }) => origin === partedFrom);
    if (peer) {
      // A peer that is written to is never caught up with; where it was once is enough, as long as it still is there.
      if (this.#goal?.peer !== partedFrom || !positionCovers(peer.head, this.#goal.position)) this.#goal = { peer: partedFrom, position: peer.head };
      return positionCovers(position, this.#goal.position);
    }
    return following.length > 0 && following.every(({ head }) => positionCovers(position, head));
  }

  async #writeAgain(draft: Draft): Promise<{ written: number; left: number }> {
    const { limits, time } = this.options;
    const { doubts } = draft;
    const { floor, origin } = draft.identity;
    // What stood here before is in no position, so no digest of a position before can be told from it.
    draft.steps.lose();
    let written = 0;
    let left = 0;
    let after: FullPath | null = null;
    for (;;) {
      const rows = await draft.tx.undotted(after, limits.draftRows);
      if (rows.length === 0) break;
      await draft.load(rows.map((row) => row.path));
      for (const row of rows) {
        const { path } = row;
        if (row.version <= floor && isInDoubt(row, doubts, (author) => draft.origins.has(author))) {
          draft.note(leftToForgotten(row, floor, time.micros(), origin));
          draft.setRow(path, null);
          left += 1;
          continue;
        }
        written += 1;
        draft.reissue(isLive(row) ? { kind: 'put', path, entry: JSON.parse(row.entry) as Entry } : { kind: 'delete', path });
      }
      after = rows.at(-1)?.path ?? null;
      await draft.flush({ evict: true });
    }
    draft.clearParted();
    await draft.flush();
    return { written, left };
  }
}

/** What good changes of a branch would have brought that only wait here: nobody else need have them. */
function waitingIn({ origin, common }: Branch, draft: Draft, receive: ReceiveChange): Row[] {
  const texts = [...draft.quarantine.records.values()].filter(({ dot }) => dot.origin === origin && dot.seq > common).map(({ text }) => text);
  const changes = texts.map((text) => receive(text));
  return changes.flatMap((change) => (isRefused(change) ? [] : rowsOf(change))).map((row) => ({ ...row, dot: null }));
}

/** Which changes of a branch the others may have had; null if that is known of all. */
async function doubtOf({ origin, common, foreign }: Branch, draft: Draft, store: LogStore, receive: ReceiveChange): Promise<Doubt | null> {
  const end = draft.origins.get(origin)?.seq ?? 0;
  if (foreign <= common + 1 || end === common) return null;
  // What was imported kept its version, which is no sign of its place.
  for (let seq = foreign; seq <= end; seq++) {
    const change = await readChange({ origin, seq }, store, receive);
    if (change && !isRefused(change) && change.author === origin) return { origin, before: change.version };
  }
  return { origin, before: Number.MAX_SAFE_INTEGER };
}

/** One change out of the log; null if that does not have it. */
async function readChange(dot: Dot, store: LogStore, receive: ReceiveChange): Promise<ReceivedChange | null> {
  const found = await store.findRecord(dot);
  const [record] = found ? await store.readLog({ after: found.index - 1, upto: found.index, limit: 1, bytesMax: 1 }) : [];
  return record ? receive(record.text) : null;
}

/** What the store knows of an origin once the branch is gone. */
async function stateAt({ origin, common, hash }: Branch, draft: Draft, store: Store): Promise<OriginState> {
  const known = draft.origins.get(origin);
  if (!known) throw new FilerError('ENTRY_NOT_FOUND', `origin ${origin} is not known here`);
  const { seq, first, firstHash, firstVersion } = known;
  const runs = runsUpTo(known.runs, common);
  if (common === seq) return known;
  if (common >= first) {
    const record = await store.findRecord({ origin, seq: common });
    if (record) return { ...known, seq: common, hash: record.hash, version: record.version, runs };
  }
  if (common > 0 && common === first - 1) return { ...known, seq: common, hash: firstHash, version: firstVersion, runs };
  // Its log no longer reaches back to there, the peer's does. From the beginning it must not be taken again where that can be helped: a peer
  // may still have all of it, also what was deleted since and forgotten. No change up to there has a greater version than `firstVersion`.
  if (common > 0 && hash !== null) return originAt({ origin, seq: common, hash, version: firstVersion, runs });
  return originStart(origin);
}
