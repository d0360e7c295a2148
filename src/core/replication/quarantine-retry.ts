import { formatDot, type Dot } from '../clock/vector.js';
import { FilerError, isFailure, messageOf } from '../errors.js';
import type { ChangeLog } from '../log/change-log.js';
import { releaseQuarantined, type Released } from '../log/release.js';
import type { Logger } from '../logger.js';
import { isAbort } from '../loop.js';
import type { QuarantineRecord } from '../store/store.js';
import type { TimeSource } from '../time.js';

export interface QuarantineRetryOptions {
  readonly log: ChangeLog;
  readonly time: Pick<TimeSource, 'sleep'>;
  readonly logger: Logger;
  /** How soon it tries again, and how seldom in the end, milliseconds. */
  readonly limits: { readonly quarantineRetryMs: number; readonly quarantineRetryMsMax: number };
}

/** Tries again what is quarantined: when it starts, from time to time, and when an operator says so. */
export class QuarantineRetry {
  /** Changes that were tried again since the start. */
  retries = 0;
  #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(private readonly options: QuarantineRetryOptions) {}

  start(): void {
    this.#stop = new AbortController();
    this.#running = this.#loop(this.#stop.signal);
  }

  /** Resolves when the step in flight has ended. */
  async stop(): Promise<void> {
    this.#stop.abort(new FilerError('STOPPING', 'this filer is stopping'));
    await this.#running;
  }

  /** What is quarantined, in the order of coming. */
  list(): QuarantineRecord[] {
    return [...this.options.log.state.quarantine.values()];
  }

  /**
   * Tries one change again, or all of them (null), and lets go what waits for nothing any more.
   * @throws FilerError ENTRY_NOT_FOUND if that change is not quarantined; OVERLOADED; STORE_FULL, STORE_FAILED
   */
  async retry(dot: Dot | null): Promise<Released> {
    return this.options.log.aloneForClient(async (draft) => {
      const wanted = dot === null ? null : formatDot(dot);
      if (wanted !== null) mustBeQuarantined(draft.quarantine.records, wanted);
      const released = await releaseQuarantined(draft, this.options.log.receive, (record) => wanted === null || formatDot(record.dot) === wanted);
      await draft.flush();
      this.#count(released);
      return released;
    });
  }

  /**
   * Takes a change out without effect, and lets go what waited for it alone. Where others could apply it, this filer's tree differs from
   * theirs from now on.
   * @throws FilerError ENTRY_NOT_FOUND if it is not quarantined; OVERLOADED; STORE_FULL, STORE_FAILED
   */
  async drop(dot: Dot): Promise<Released> {
    const released = await this.options.log.aloneForClient(async (draft) => {
      mustBeQuarantined(draft.quarantine.records, formatDot(dot));
      draft.quarantine.drop(dot);
      const rest = await releaseQuarantined(draft, this.options.log.receive, () => false);
      await draft.flush();
      return rest;
    });
    this.options.logger.warn(`${formatDot(dot)} was dropped from the quarantine without effect: this tree differs from that of a filer that has applied it`);
    return released;
  }

  async #loop(signal: AbortSignal): Promise<void> {
    const { log, time, limits } = this.options;
    for (let inVain = 0; !signal.aborted;) {
      inVain = log.state.quarantine.size > 0 && (await this.#tryAll()) ? inVain + 1 : 0;
      const pauseMs = Math.min(limits.quarantineRetryMsMax, limits.quarantineRetryMs * 2 ** Math.min(inVain, 30));
      await time.sleep(pauseMs, signal).catch(() => {});
    }
  }

  /** True if that was in vain. */
  async #tryAll(): Promise<boolean> {
    const { log, logger } = this.options;
    try {
      const released = await log.alone(async (draft) => {
        const ended = await releaseQuarantined(draft, log.receive, () => true);
        await draft.flush();
        return ended;
      });
      this.#count(released);
      const { applied, refused } = released;
      if (applied.length > 0) logger.info(`${applied.length} quarantined changes are applied now, the first is ${formatDot(applied[0] as Dot)}`);
      if (refused.length > 0)
        logger.warn(`${refused.length} quarantined changes are refused again, the first is ${formatDot(refused[0] as Dot)}; see kelp filer.quarantine`);
      return applied.length === 0;
    } catch (error) {
      if (!isAbort(error, this.#stop.signal) && !isFailure(error, 'STOPPING')) logger.warn(`the quarantine could not be tried again: ${messageOf(error)}`);
      return true;
    }
  }

  #count({ applied, refused }: Released): void {
    this.retries += applied.length + refused.length;
  }
}

function mustBeQuarantined(records: ReadonlyMap<string, unknown>, dot: string): void {
  if (!records.has(dot)) throw new FilerError('ENTRY_NOT_FOUND', `${dot} is not quarantined here; GET quarantine lists what is`);
}
