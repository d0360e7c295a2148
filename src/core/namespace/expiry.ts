import type { Origin } from '../clock/vector.js';
import { versionMax } from '../clock/version.js';
import { isLive } from '../change/row.js';
import type { ChangeLog } from '../log/change-log.js';
import type { Draft } from '../log/draft.js';
import type { Logger } from '../logger.js';
import { runLoop } from '../loop.js';
import type { ExpiringFile, StoreReader } from '../store/store.js';
import type { TimeSource } from '../time.js';
import { isExpired } from './shown.js';

/*
 * Files whose time is up are hidden at once, everywhere; they are deleted, by changes like any other, by one filer (DESIGN: TTL):
 *
 *   every expiryCheckMs    due by the version clock ─► those in this filer's charge ─► one decision a batch
 */

/** What of a member counts here. */
export interface Neighbour {
  readonly origin: Origin;
  readonly state: 'up' | 'down';
}

export interface ExpiryOptions {
  readonly log: ChangeLog;
  readonly store: Pick<StoreReader, 'expired'>;
  readonly time: TimeSource;
  readonly logger: Logger;
  readonly limits: {
    /** How often it looks, milliseconds. */
    readonly expiryCheckMs: number;
    /** Rows, and bytes of their entries, in one decision. */
    readonly draftRows: number;
    readonly draftBytes: number;
    readonly backoffMsMin: number;
    readonly backoffMsMax: number;
  };
  /** The member list, this filer in it or not. */
  readonly members: () => readonly Neighbour[];
  /** True while clients may write here. */
  readonly mayWrite: () => boolean;
}

/** True if the filer of `own` deletes what `author` wrote: the author itself, and for one that is no member the lowest live origin. */
export function isInCharge(own: Origin, author: Origin, members: readonly Neighbour[]): boolean {
  if (author === own) return true;
  return !members.some(({ origin }) => origin === author) && members.every(({ origin, state }) => state !== 'up' || own <= origin);
}

/** The loop that deletes files whose time is up. */
export class Expiry {
  /** Files deleted since the start. */
  deleted = 0;
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(private readonly options: ExpiryOptions) {}

  start(): void {
    const { time, logger, limits } = this.options;
    const { signal } = this.#stop;
    this.#running = runLoop({
      time,
      signal,
      logger,
      backoff: { msMin: limits.backoffMsMin, msMax: limits.backoffMsMax },
      step: async () => {
        await time.sleep(limits.expiryCheckMs, signal);
        await this.sweep(signal);
      },
    });
  }

  /** Resolves when the step in flight has ended. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** Deletes everything that is due and in this filer's charge. @throws FilerError STORE_FAILED, OVERLOADED, STOPPING */
  async sweep(signal: AbortSignal): Promise<void> {
    const { log, store, limits, members, mayWrite } = this.options;
    const others = members().map(({ origin }) => origin);
    let after: ExpiringFile | null = null;
    do {
      if (!mayWrite()) return;
      const own = log.identity.origin;
      const notBy = new Set(others.filter((origin) => origin !== own));
      const due: ExpiringFile[] = await store.expired({ now: log.clock.believed(), after, notBy, limit: limits.draftRows });
      const mine = due.filter(({ author }) => isInCharge(own, author, members()));
      for (const batch of batchesOf(mine, limits.draftBytes)) {
        const paths = batch.map(({ path }) => path);
        this.deleted += await log.commit({ paths, bytes: batch.length * 1000, decide: (draft) => this.#delete(draft, batch) });
      }
      after = due.length < limits.draftRows ? null : (due.at(-1) ?? null);
    } while (after !== null && !signal.aborted);
  }

  /** What has changed since it was found is left alone. */
  #delete(draft: Draft, batch: readonly ExpiringFile[]): number {
    if (draft.identity.phase !== 'ready') return 0;
    const now = this.options.log.clock.believed();
    let deleted = 0;
    for (const { path, version, author } of batch) {
      const row = draft.row(path);
      // Above the greatest version nothing can be written any more; the file stays hidden.
      if (!isLive(row) || row.version !== version || row.author !== author || version >= versionMax || !isExpired(row, now)) continue;
      draft.issue({ kind: 'delete', path });
      deleted += 1;
    }
    return deleted;
  }
}

/** In order, at most `bytesMax` bytes of entries in each, but at least one file. */
function batchesOf(files: readonly ExpiringFile[], bytesMax: number): ExpiringFile[][] {
  const batches: ExpiringFile[][] = [];
  let room = 0;
  for (const file of files) {
    const last = batches.at(-1);
    if (last && file.bytes <= room) last.push(file);
    else {
      batches.push([file]);
      room = bytesMax;
    }
    room -= file.bytes;
  }
  return batches;
}
