import { FilerError, isFailure, messageOf } from '../errors.js';
import { isEmptyPosition, positionCovers, positionDistance, emptyPosition, type Origin, type Position } from '../clock/vector.js';
import { withoutReplaced, type Member } from '../cluster/member.js';
import { renew, type ChangeLog } from '../log/change-log.js';
import { positionOf } from '../log/log-state.js';
import { backoffMs, isAbort, type BackoffLimits } from '../loop.js';
import type { Logger } from '../logger.js';
import type { Phase } from '../store/identity.js';
import type { OriginState, StoreReader } from '../store/store.js';
import type { TimeSource } from '../time.js';
import { Bootstrap, type BootstrapLimits } from './bootstrap.js';
import { checkPeer, sideOf, sideOfInfo, verdict } from './meeting.js';
import { marksOf, overlapWith, partedFrom } from './branches.js';
import type { Caller, FilerInfo, Peer } from './peer.js';
import { beginRejoin, finishRejoin, markShort, markTaken, rejoinFromMeta, type Rejoin } from './rejoin.js';

/* From an opened store to one that may serve: the phases of store/identity.ts, one step at a time. */

/** What a store in some phase does next, given the members that answer. */
export type Step =
  | { readonly kind: 'ready' }
  | { readonly kind: 'take'; readonly from: FilerInfo }
  | { readonly kind: 'rejoin'; readonly with: FilerInfo }
  | { readonly kind: 'abandon' }
  | { readonly kind: 'wait'; readonly why: string };

export interface Situation {
  readonly phase: Phase;
  /** What a rejoin must reach. */
  readonly goal: Position | null;
  /** Filers that are as far, but on another branch of some logs that must be reached: of these. */
  readonly strayed: ReadonlyMap<Origin, readonly Origin[]>;
  /** The lineage a rejoin goes to: what it was begun for; that of a restored store. */
  readonly lineage: string | null;
  /** Origins that this store has worked with. */
  readonly known: ReadonlySet<Origin>;
  /** One of those is a member, and has not answered that it can serve. */
  readonly isGroupAway: boolean;
  /** Where a snapshot is being taken from. */
  readonly source: { readonly origin: Origin; readonly epoch: string; readonly isLost: boolean } | null;
  /** An operator has said that this store is the first. */
  readonly force: boolean;
}

/** One that holds no change any more, but has dropped a tombstone, has its floor and its lineage to give. */
const hasData = (info: FilerInfo) => !isEmptyPosition(info.position) || info.floor > 0;

/** True if a peer has changes under this store's own origin that are not in its own log. */
const isPutBack = (info: FilerInfo, { identity, position }: ChangeLog) => (info.position.get(identity.origin) ?? 0) > (position.get(identity.origin) ?? 0);

/** The member that has most. */
function best(infos: readonly FilerInfo[]): FilerInfo | undefined {
  return [...infos].sort(
    (a, b) => positionDistance(b.position, emptyPosition) - positionDistance(a.position, emptyPosition) || (a.origin < b.origin ? -1 : 1),
  )[0];
}

/**
 * A restored store rejoins through those it has worked with. Through a stranger only where none of them is to be expected: in whose group
 * nobody waits for them, what it had deleted would be forgotten before they hear of it.
 */
function afterRestore({ lineage, known, isGroupAway, force }: Situation, serving: readonly FilerInfo[]): Step {
  const isOfGroup = (info: FilerInfo) => info.lineage === lineage || [info.origin, ...info.former].some((origin) => known.has(origin));
  const group = best(serving.filter(isOfGroup));
  if (group) return { kind: 'rejoin', with: group };
  const stranger = isGroupAway && !force ? undefined : best(serving.filter(hasData));
  if (stranger) return { kind: 'rejoin', with: stranger };
  // Those that hold nothing take a snapshot of it. Through one of them it would lose what it knows of others' logs, and who comes back late would revive what it had deleted.
  if (force || (serving.length > 0 && !isGroupAway)) return { kind: 'ready' };
  const whom = serving.length > 0 ? 'one of those that it has worked with' : 'a member that can serve';
  return { kind: 'wait', why: `this store was restored or copied; read-only until ${whom} is reached (--force goes on without)` };
}

/** Pure: the next step towards `ready`. */
export function nextStep(situation: Situation, answers: readonly FilerInfo[]): Step {
  const { phase, goal, strayed, lineage, source, force } = situation;
  const serving = answers.filter((info) => info.state === 'ready');
  if (phase === 'ready') return { kind: 'ready' };
  if (phase === 'restored') return afterRestore(situation, serving);
  if (source) {
    const same = serving.find((info) => info.origin === source.origin);
    if (same && same.head.startsWith(source.epoch)) return { kind: 'take', from: same };
    if (same || source.isLost) return { kind: 'abandon' };
    return { kind: 'wait', why: `the source of the snapshot, ${source.origin}, does not answer` };
  }
  const able = serving.filter(hasData);
  // What only a member that is gone for ever had, no waiting brings back: an operator may go on without.
  const fit = able.filter((info) => goal === null || (positionCovers(info.position, goal) && !strayed.has(info.origin)));
  // A store that was of the lineage that is given up has most, and would only have to be left again.
  const from = best(fit.filter((info) => info.lineage === lineage)) ?? best(fit) ?? (force ? best(able) : undefined);
  if (from) return { kind: 'take', from };
  // One that is empty and cannot serve waits itself, whatever floor it has: two such would wait for each other.
  const holders = answers.filter((info) => hasData(info) && (info.state === 'ready' || info.state === 'readonly' || !isEmptyPosition(info.position)));
  if (phase === 'fresh' && holders.length === 0) return { kind: 'ready' };
  // Those that can serve hold nothing, so there is nothing to take.
  const isNothingToTake = serving.length > 0 && holders.length === 0;
  if (isNothingToTake && (phase === 'bootstrapping' || (goal !== null && isEmptyPosition(goal)))) return { kind: 'ready' };
  if (force) return { kind: 'ready' };
  return {
    kind: 'wait',
    why: `${goal ? 'no member that can serve has everything this store must reach' : 'no member that holds entries can serve yet'} (--force goes on without)`,
  };
}

export interface JoiningLimits extends BackoffLimits, BootstrapLimits {
  /** A source that has not answered for this long is lost. */
  readonly peerSilentMs: number;
}

export interface JoiningOptions {
  readonly log: ChangeLog;
  readonly store: Pick<StoreReader, 'findRecord'>;
  readonly time: TimeSource;
  readonly logger: Logger;
  readonly limits: JoiningLimits;
  readonly force: boolean;
  readonly kind: 'embedded' | 'shared';
  readonly instance: string;
  readonly members: () => readonly Member[];
  readonly connect: (address: string) => Peer;
  readonly caller: () => Caller;
  /** The origin or the phase has changed: tell the master, refuse or take writes. */
  readonly changed: () => void;
}

export class Joining {
  readonly bootstrap: Bootstrap;
  #rejoin: Rejoin | null;
  /** What keeps this store from being filled, in one line; '' = nothing does. */
  waitsFor = '';
  #saidWhy = '';
  #sourceSeen: number;

  constructor(private readonly options: JoiningOptions) {
    const { log, store, time, logger, limits, caller } = options;
    this.bootstrap = new Bootstrap({ log, store, time, logger, limits, caller });
    const { openedMeta } = log;
    // What was under way counts only in the phase that began it: a copy starts over.
    const { phase } = log.identity;
    this.#rejoin = phase === 'rejoining' ? rejoinFromMeta(openedMeta) : null;
    if (!openedMeta.has('restored')) this.bootstrap.resume(openedMeta.get('bootstrap'));
    this.#sourceSeen = time.monotonic();
  }

  /** Takes steps until the store is ready. Rejects only with the signal's reason. */
  async untilReady(signal: AbortSignal): Promise<void> {
    const { log, time, limits, logger } = this.options;
    for (let failures = 0; log.identity.phase !== 'ready';) {
      signal.throwIfAborted();
      try {
        const waiting = await this.#step(signal);
        failures = waiting ? failures + 1 : 0;
        if (!waiting) continue;
      } catch (error) {
        if (isAbort(error, signal) || signal.aborted) throw signal.reason;
        failures += 1;
        if (isFailure(error, 'OFFSET_UNKNOWN', 'LOG_TRIMMED', 'ORIGIN_DIVERGED')) await this.bootstrap.abandon();
        if (failures === 1 || !isFailure(error))
          logger.warn(`joining: ${isFailure(error) ? error.message : error instanceof Error ? error.stack : messageOf(error)}`);
      }
      await time.sleep(
        backoffMs(Math.max(1, failures), limits, () => time.random()),
        signal,
      );
    }
  }

  /**
   * Begins a rejoin with a peer: this store was closed, restored or copied, or is of another lineage. From before this call until its store is
   * emptied this filer must say that it is not ready: of filers that each find that they must rejoin through the next, all round, the last
   * to say so finds that the next one has said so already. Else all would wait for each other, and what each counted on the next to have would be gone.
   * Resolves with false, and nothing has begun, if the peer is no longer what it was when it was looked at.
   * @throws FilerError as the peer answers: then nothing has begun
   */
  async rejoinWith(looked: FilerInfo, signal: AbortSignal): Promise<boolean> {
    const { log, store, time, logger, limits, changed, connect } = this.options;
    const peer = connect(looked.address);
    // First: from the second look on it should be a short time until the peer is counted on.
    const marks = await marksOf(looked, peer, signal);
    const info = { ...(await peer.info(signal)), address: looked.address };
    if (info.state !== 'ready' || info.origin !== looked.origin || info.lineage !== looked.lineage) return false;
    // What stands here on another branch of a log is not covered, whatever its dot: the peer has other changes under it.
    const overlap = await overlapWith(info, peer, log.state, store, signal);
    const isDouble = this.options
      .members()
      .some(
        (member) => member.storeId === log.identity.storeId && member.origin !== log.identity.origin && member.state === 'up' && member.kind === 'embedded',
      );
    logger.warn(
      `rejoins through ${info.address}: takes a new origin and its snapshot, then writes its own work again (kelp filer.store.id --regenerate does the same by hand)`,
    );
    const earlier = log.identity.phase === 'rejoining' ? this.#rejoin : null;
    const before = earlier && { ...earlier, strayed: await partedFrom(info, peer, earlier.marks, signal) };
    const { rejoin, unread } = await beginRejoin(log, { ...info, overlap, marks }, before, isDouble ? time.randomHex(8) : null, time, limits);
    if (unread > 0)
      logger.error(`${unread} quarantined changes that this program cannot read, and ${info.address} is not known to have, are given up with the old origin`);
    this.#rejoin = rejoin;
    this.bootstrap.progress = null;
    changed();
    return true;
  }

  /** An empty store that was ready gives up its readiness to be filled, unless something was written meanwhile. */
  async bootstrapAgain(): Promise<void> {
    await this.options.log.alone(async (draft) => {
      if (isEmptyPosition(positionOf(draft.origins))) draft.setIdentity({ phase: 'bootstrapping' });
      await draft.flush();
    });
    this.options.changed();
  }

  /** Takes over the lineage of a peer that knows this store, as it is; unless something was dropped or met meanwhile. */
  async adopt(info: FilerInfo): Promise<void> {
    const { log, logger, changed } = this.options;
    const isAdopted = await log.alone(async (draft) => {
      if (info.lineage === null || verdict(sideOf(draft), sideOfInfo(info)) !== 'adopt') return false;
      draft.setIdentity({ lineage: info.lineage });
      draft.know(info.origin);
      await draft.flush();
      return true;
    });
    if (isAdopted) logger.info(`is of one lineage with ${info.address} from now on`);
    changed();
  }

  /** Returns true if there was nothing to do yet. */
  async #step(signal: AbortSignal): Promise<boolean> {
    const { log, time, logger, limits, force, connect } = this.options;
    const { phase } = log.identity;
    if (phase === 'rejoining' && this.#rejoin?.taken) {
      const { written, overruled } = await finishRejoin(log, this.#rejoin, () => time.micros(), limits);
      logger.info(`rejoined: ${written} of its own entries written again, ${overruled} overruled`);
      this.#rejoin = null;
      this.options.changed();
      return false;
    }
    const answers = await this.#probe(signal);
    const { progress } = this.bootstrap;
    const now = time.monotonic();
    if (progress && answers.some((info) => info.origin === progress.source)) this.#sourceSeen = now;
    const source = progress && { origin: progress.source, epoch: progress.epoch, isLost: now - this.#sourceSeen > limits.peerSilentMs };
    const { goal = null } = this.#rejoin ?? {};
    const lineage = phase === 'restored' ? log.identity.lineage : (this.#rejoin?.lineage ?? null);
    const strayed = source === null ? await this.#strayed(answers, signal) : new Map<Origin, readonly Origin[]>();
    const known = this.#known();
    const isServing = new Set(answers.filter(({ state }) => state === 'ready').map(({ origin }) => origin));
    const isGroupAway = withoutReplaced(this.options.members()).some(({ origin }) => known.has(origin) && !isServing.has(origin));
    const step = nextStep({ phase, goal, strayed, lineage, known, isGroupAway, source, force }, answers);
    this.waitsFor = step.kind === 'wait' ? step.why : '';
    await this.#mayFallShort(step, strayed);
    switch (step.kind) {
      case 'wait':
        if (step.why !== this.#saidWhy) logger.warn(step.why);
        this.#saidWhy = step.why;
        return true;
      case 'abandon':
        await this.bootstrap.abandon();
        this.#sourceSeen = now;
        return false;
      case 'ready':
        if (phase === 'rejoining' && this.#rejoin) this.#rejoin = await markTaken(log, this.#rejoin);
        else await this.#setPhase('ready');
        return false;
      case 'rejoin':
        return !(await this.rejoinWith(step.with, signal));
      case 'take':
        if (isPutBack(step.from, log)) {
          logger.warn(`${step.from.address} has changes of this filer that it lacks itself: it was put back to an older state, and takes a new origin`);
          await log.alone((draft) => renew(draft, time, true));
          this.bootstrap.progress = null;
          this.options.changed();
          return false;
        }
        if (phase === 'fresh') await this.#setPhase('bootstrapping');
        this.#sourceSeen = now;
        try {
          await this.bootstrap.take(connect(step.from.address), step.from, 'tree', signal);
        } catch (error) {
          if (!isFailure(error, 'ORIGIN_CLOSED')) throw error;
          return !(await this.rejoinWith(step.from, signal));
        }
        if (this.#rejoin) this.#rejoin = await markTaken(log, this.#rejoin);
        this.options.changed();
        return false;
    }
  }

  async #setPhase(phase: Phase): Promise<void> {
    await this.options.log.alone(async (draft) => {
      const { phase: before, origin } = draft.identity;
      // A restored store that goes on alone holds what is older than its lineage expects, and writes on that.
      draft.setIdentity({ phase, ...(before === 'restored' ? { lineage: origin } : {}) });
      await draft.flush();
    });
    this.options.changed();
  }

  /** What an operator lets a rejoin go on with may lack what the peer had. */
  async #mayFallShort(step: Step, strayed: Situation['strayed']): Promise<void> {
    const rejoin = this.#rejoin;
    if (rejoin === null || rejoin.isShort || this.bootstrap.progress || (step.kind !== 'take' && step.kind !== 'ready')) return;
    const isReached = step.kind === 'take' ? positionCovers(step.from.position, rejoin.goal) && !strayed.has(step.from.origin) : isEmptyPosition(rejoin.goal);
    const logs = (step.kind === 'take' ? strayed.get(step.from.origin) : undefined) ?? [];
    if (!isReached) this.#rejoin = await markShort(this.options.log, rejoin, logs);
  }

  /** Whose changes this store has, or was to have. */
  #known(): Set<Origin> {
    const { identity, origins, closed } = this.options.log.state;
    return new Set([...origins.keys()].filter((origin) => origin !== identity.origin && !identity.former.includes(origin) && !closed.has(origin)));
  }

  /** Which of those that serve are on another branch of some logs than a rejoin must reach, and of which; without any: those that do not say. */
  async #strayed(answers: readonly FilerInfo[], signal: AbortSignal): Promise<Map<Origin, readonly Origin[]>> {
    const strayed = new Map<Origin, readonly Origin[]>();
    if (this.#rejoin === null) return strayed;
    const { goal, marks, peer } = this.#rejoin;
    const { force } = this.options;
    const own = marks.get(peer);
    for (const info of answers.filter(({ state, position }) => state === 'ready' && (force || positionCovers(position, goal)))) {
      // The peer itself had all of it. Should it have given up a branch since, what was on that is written again there.
      const counting = info.origin !== peer ? marks : own ? new Map([[peer, own]]) : new Map<Origin, OriginState>();
      try {
        const parted = await partedFrom(info, this.options.connect(info.address), counting, signal);
        if (parted.length > 0) strayed.set(info.origin, parted);
      } catch (error) {
        if (!isFailure(error) || signal.aborted) throw error;
        strayed.set(info.origin, []);
      }
    }
    return strayed;
  }

  /** Asks every member what it is; those that do not answer, or must not be talked to, are left out. */
  async #probe(signal: AbortSignal): Promise<FilerInfo[]> {
    const { members, connect, log, kind, instance } = this.options;
    const { origin, clusterId } = log.identity;
    const asked = withoutReplaced(members())
      .filter((member) => member.origin !== origin && !log.state.closed.has(member.origin))
      .map(async (member) => {
        try {
          const info = await connect(member.address).info(signal);
          checkPeer(info, member, { origin, clusterId, kind, instance });
          // It was reached here; the address it has for itself may be another.
          return { ...info, address: member.address };
        } catch (error) {
          if (error instanceof FilerError) return null;
          throw error;
        }
      });
    return (await Promise.all(asked)).filter((info) => info !== null);
  }
}
