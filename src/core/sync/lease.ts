import { positionCovers, type Origin, type Position } from '../clock/vector.js';
import { FilerError, isFailure } from '../errors.js';
import type { TimeSource } from '../time.js';
import { parseLinkState } from './link.js';
import type { SyncFiler } from './sync-filer.js';

/*
 * Who runs a link: a note in the store of the filer that is written to, so that it is no change. It asks for one runner and promises
 * nothing: two at two filers do no harm, since what is imported twice is written once.
 */

export interface Holder {
  /** Random word of one run. */
  readonly runner: string;
  /** Host and process, for people. */
  readonly who: string;
  /** On the clock of the filer that keeps the note, microseconds since 1970. */
  readonly until: number;
}

export interface LeaseLimits {
  /** How long a lease is good, and how often it is renewed, milliseconds. */
  readonly leaseMs: number;
  readonly leaseRenewMs: number;
}

export class Lease {
  constructor(
    private readonly link: string,
    /** What the filer writes under that keeps the note. */
    private readonly origin: Origin,
    private readonly me: { readonly runner: string; readonly who: string },
    private readonly limits: LeaseLimits,
    private readonly time: Pick<TimeSource, 'sleep' | 'monotonic'>,
  ) {}

  get #key(): string {
    return `filer.sync.${this.link}`;
  }

  /**
   * Takes or renews the lease at a filer; who holds it if that is another, null if it is ours now.
   * @throws FilerError PRECONDITION_FAILED if the filer's store is another one; what the filer answers
   */
  async take(filer: SyncFiler, signal: AbortSignal): Promise<Holder | null> {
    const [{ time, origin }, value] = await Promise.all([filer.info(signal), filer.value(this.#key, signal)]);
    if (origin !== this.origin)
      throw new FilerError(
        'PRECONDITION_FAILED',
        `${filer.address} writes under ${origin} now: its store is another one; the link goes on from the checkpoint there`,
      );
    const holder = value && readHolder(value.toString('utf8'));
    if (holder && holder.runner !== this.me.runner && holder.until > time) return holder;
    await filer.setValue(this.#key, JSON.stringify({ ...this.me, until: time + this.limits.leaseMs * 1000 }), signal);
    return null;
  }

  /**
   * Renews it until `signal` aborts. One renewal that fails is no harm. Where nothing is written, it is found out here that the store is another one, or
   * that the filer is gone, and with it maybe what only it had.
   * @throws FilerError PRECONDITION_FAILED; PEER_UNREACHABLE if the lease has run out
   */
  async keep(filer: SyncFiler, signal: AbortSignal): Promise<void> {
    const { time, limits } = this;
    let renewedAt = time.monotonic();
    try {
      for (;;) {
        await time.sleep(limits.leaseRenewMs, signal);
        const failure = await this.#renew(filer, signal);
        if (failure === null) renewedAt = time.monotonic();
        else if (time.monotonic() - renewedAt >= limits.leaseMs)
          throw new FilerError('PEER_UNREACHABLE', `${filer.address}: the lease has run out (${failure.message})`, {}, { cause: failure });
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** Why it could not be renewed; null if it was. @throws FilerError PRECONDITION_FAILED */
  async #renew(filer: SyncFiler, signal: AbortSignal): Promise<FilerError | null> {
    try {
      await this.take(filer, signal);
      return null;
    } catch (error) {
      if (!isFailure(error) || error.code === 'PRECONDITION_FAILED') throw error;
      return error;
    }
  }

  /** Gives it back, so that the next one need not wait. */
  async release(filer: SyncFiler, signal: AbortSignal): Promise<void> {
    const value = await filer.value(this.#key, signal);
    if (value && readHolder(value.toString('utf8'))?.runner === this.me.runner) await filer.setValue(this.#key, null, signal);
  }
}

/** Null if it is no lease: anything may stand under a key. */
function readHolder(text: string): Holder | null {
  try {
    const { runner, who, until } = JSON.parse(text) as Partial<Holder>;
    return typeof runner === 'string' && typeof who === 'string' && typeof until === 'number' ? { runner, who, until } : null;
  } catch {
    return null;
  }
}

/** The failure of a link that another one runs. */
export function heldBy(link: string, holder: Holder, address: string): FilerError {
  return new FilerError('STORE_LOCKED', `link ${link} is run by ${holder.who} at ${address}; waiting for it`, { holder: holder.who });
}

/**
 * Passes if nobody has brought a link further than `position`. A second runner, at another filer of the target, may have, and the source's log was trimmed
 * up to its checkpoint, which every filer of the target has then: the run ends here and begins again from there.
 * @throws FilerError POSITION_BEHIND; what the filer answers
 */
export async function mustBeLast(to: SyncFiler, link: string, position: Position, signal: AbortSignal): Promise<void> {
  const found = (await to.checkpoints(signal)).find((one) => one.link === link);
  const state = found && parseLinkState(found.value);
  if (state?.phase === 'feed' && positionCovers(state.position, position) && !positionCovers(position, state.position))
    throw new FilerError('POSITION_BEHIND', `somebody else has brought link ${link} further at ${to.address}; goes on from there`);
}
