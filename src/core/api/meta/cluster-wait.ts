import { parsePosition, type Position } from '../../clock/vector.js';
import { limits } from '../../config/limits.js';
import { FilerError, isFailure, messageOf } from '../../errors.js';
import { unionOf, waitingFor, type Goal, type Seen, type Waiting } from '../../replication/goal.js';
import type { Signer } from '../../security/signer.js';
import type { TimeSource } from '../../time.js';
import { ClusterView } from './cluster-view.js';

export type { Waiting } from '../../replication/goal.js';

export interface ClusterWaitOptions {
  /** host:port of each; who has the list of members. */
  readonly masters: readonly string[];
  /** The filers to wait for instead of all that are up. */
  readonly filers: readonly string[] | null;
  readonly group: string;
  readonly condition: 'synced' | 'ready';
  /** Each must have everything up to here, instead of the condition; null = the condition counts. */
  readonly position: string | null;
  readonly timeoutMs: number;
  readonly signer?: Signer;
  readonly time: TimeSource;
  /** Who is waited for now. */
  readonly progress: (waiting: readonly Waiting[]) => void;
}

export interface WaitResult {
  readonly done: boolean;
  readonly seconds: number;
  /** Addresses of all filers that were looked at last. */
  readonly filers: readonly string[];
  /** Empty when done. */
  readonly waiting: readonly Waiting[];
}

/**
 * Looks at filers again and again until all have reached the goal, or the time is over.
 * @throws FilerError PEER_UNREACHABLE if nobody could be reached all the time; SIGNATURE_INVALID, CLUSTER_MISMATCH; PARAMETER_INVALID; the signal's reason
 */
export async function waitForCluster(options: ClusterWaitOptions, signal: AbortSignal): Promise<WaitResult> {
  const { masters, group, condition, position, timeoutMs, signer, time, progress } = options;
  const goal: Goal = position === null ? { kind: condition } : { kind: 'position', position: parsePosition(position, '--position') };
  const view = new ClusterView({ masters, filer: null, group, maxLagMs: limits.lagMs, signer, time });
  const started = time.monotonic();
  let start: Position | null = null;
  let hasReached = false;
  try {
    for (;;) {
      const looked = await look(view, options.filers, goal, signal).catch((error: unknown) => {
        if (!isFailure(error, 'PEER_UNREACHABLE')) throw error;
        return error;
      });
      const seconds = Math.round(time.monotonic() - started) / 1000;
      const isOver = seconds * 1000 >= timeoutMs;
      const seen = looked instanceof FilerError ? [] : looked;
      hasReached ||= seen.some(({ info }) => info !== null) || (options.filers === null && !(looked instanceof FilerError));
      if (isOver && !hasReached)
        throw looked instanceof FilerError ? looked : new FilerError('PEER_UNREACHABLE', `no filer answers: ${seen.map(({ error }) => error).join('; ')}`);
      const filers = seen.map(({ address }) => address);
      start ??= seen.length > 0 ? unionOf(seen) : null;
      const waiting = seen.length > 0 ? waitingFor(goal, seen, start) : [{ filer: '-', why: looked instanceof FilerError ? looked.message : 'no filer is up' }];
      if (waiting.length === 0) return { done: true, seconds, filers, waiting };
      if (isOver) return { done: false, seconds, filers, waiting };
      progress(waiting);
      await time.sleep(Math.min(limits.waitLookMs, Math.max(1, timeoutMs - seconds * 1000)), signal);
    }
  } finally {
    await view.close();
  }
}

async function look(view: ClusterView, filers: readonly string[] | null, goal: Goal, signal: AbortSignal): Promise<Seen[]> {
  const found = filers === null ? await ofMasters(view, signal) : await Promise.all(filers.map((address) => ofOne(view, address, signal)));
  if (goal.kind !== 'ready') return found;
  return Promise.all(found.map((seen) => withReadiness(view, seen, signal)));
}

async function ofMasters(view: ClusterView, signal: AbortSignal): Promise<Seen[]> {
  const { probes } = await view.look(signal);
  const up = probes.filter(({ state }) => state === 'up');
  return up.map(({ address, answer, error }) => ({ address, info: answer?.info ?? null, reasons: [], error: error?.error ?? null }));
}

async function ofOne(view: ClusterView, address: string, signal: AbortSignal): Promise<Seen> {
  try {
    const info = await view.ask(address, (client, within) => client.info(within), signal);
    return { address, info, reasons: [], error: null };
  } catch (error) {
    signal.throwIfAborted();
    // No waiting makes a signature fit.
    if (!isFailure(error) || error.code === 'SIGNATURE_INVALID') throw error;
    return { address, info: null, reasons: [], error: messageOf(error) };
  }
}

async function withReadiness(view: ClusterView, seen: Seen, signal: AbortSignal): Promise<Seen> {
  if (seen.info === null) return seen;
  try {
    const { ready, reasons } = await view.ask(seen.address, (client, within) => client.readiness(undefined, within), signal);
    return ready ? seen : { ...seen, reasons: reasons.map(({ error }) => error) };
  } catch (error) {
    signal.throwIfAborted();
    if (!isFailure(error)) throw error;
    return { ...seen, info: null, error: messageOf(error) };
  }
}
