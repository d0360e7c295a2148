import { FilerError, isFailure } from './errors.js';
import { clockMax } from './clock/version.js';
import type { ChangeLog } from './log/change-log.js';
import type { ClockWatch } from './replication/clock-watch.js';
import type { FilerState } from './replication/peer.js';
import type { TimeSource } from './time.js';

/** What a filer lets in: client writes, and peers that ask for feed and snapshot. */
export class Admission {
  /** Why nobody is let in: a master or a peer has refused this filer. */
  #refusal: FilerError | null = null;
  /** It is about to be filled, to rejoin, or to become one with others, though its store is still ready. */
  #joins = false;
  readonly #running = new AbortController();
  #serving = new AbortController();

  constructor(
    private readonly log: ChangeLog,
    private readonly time: Pick<TimeSource, 'micros'>,
    private readonly clockWatch: Pick<ClockWatch, 'tooFarAhead'>,
  ) {}

  /** Aborts when the filer stops. */
  get running(): AbortSignal {
    return this.#running.signal;
  }

  /** Aborts when peers that are being served must go to another filer. */
  get serving(): AbortSignal {
    return this.#serving.signal;
  }

  get isRefused(): boolean {
    return this.#refusal !== null;
  }

  /** What this filer says of itself in `GET store`. */
  get state(): FilerState {
    if (this.#refusal) return 'refused';
    const { phase } = this.log.identity;
    if (phase === 'restored') return 'readonly';
    return phase === 'fresh' || (phase === 'ready' && this.#joins) ? 'starting' : phase;
  }

  /**
   * Passes if clients may write here now.
   * @throws FilerError BOOTSTRAPPING, ORIGIN_IN_USE, CLOCK_SKEWED, STOPPING
   */
  mustWrite(): void {
    this.#running.signal.throwIfAborted();
    if (this.#refusal) throw this.#refusal;
    const { phase } = this.log.identity;
    if (phase === 'restored') {
      throw new FilerError(
        'BOOTSTRAPPING',
        'this store was restored or copied and is read-only until it has rejoined; start a member that can serve, or restart with --force',
      );
    }
    if (phase !== 'ready') throw new FilerError('BOOTSTRAPPING', `this filer is ${this.state}; write to another one, or wait for /readyz`);
    if (this.log.state.partedFrom !== null)
      throw new FilerError(
        'BOOTSTRAPPING',
        'this filer gives up a branch of its history and follows the others first; write to another one, or wait for /readyz',
      );
    if (this.time.micros() > clockMax) throw new FilerError('CLOCK_SKEWED', 'the clock of this filer is beyond the year 2111; set it');
    const ahead = this.clockWatch.tooFarAhead();
    if (ahead !== null)
      throw new FilerError('CLOCK_SKEWED', `the clock of this filer is ${ahead.toFixed(1)} s ahead of the others; set it, or write to another filer`);
  }

  mayWrite(): boolean {
    try {
      this.mustWrite();
      return true;
    } catch {
      return false;
    }
  }

  /**
   * Passes if peers may have feed and snapshot.
   * @throws FilerError BOOTSTRAPPING, ORIGIN_IN_USE, STOPPING
   */
  mustServe(): void {
    this.#running.signal.throwIfAborted();
    if (this.#refusal) throw this.#refusal;
    if (this.log.identity.phase !== 'ready' || this.#serving.signal.aborted)
      throw new FilerError('BOOTSTRAPPING', `this filer is ${this.state}; ask another one`);
  }

  /** Serves peers from now on. */
  serve(): void {
    this.#joins = false;
    this.#serving = new AbortController();
  }

  /** Ends what peers are being served, and says so to whoever asks: nobody may count on what this filer has now. */
  serveNoMore(): void {
    this.#joins = true;
    this.#serving.abort(new FilerError('BOOTSTRAPPING', 'this filer joins the others first; ask another one'));
  }

  /** Says that a master has refused this filer, or (null) that it is on good terms with all of them. */
  refuse(error: FilerError | null): void {
    const before = this.#refusal;
    this.#refusal = error !== null && isFailure(error, 'ORIGIN_IN_USE') ? error : null;
    if (this.#refusal && !before) this.#serving.abort(this.#refusal);
    else if (before && !this.#refusal && !this.#joins) this.serve();
  }

  /** Lets nobody in any more. */
  stop(): void {
    const stopping = new FilerError('STOPPING', 'this filer is stopping; use another one');
    this.#running.abort(stopping);
    this.#serving.abort(stopping);
  }
}
