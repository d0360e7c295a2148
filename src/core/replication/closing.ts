import { FilerError } from '../errors.js';
import type { Dot, Origin } from '../clock/vector.js';
import type { Version } from '../clock/version.js';
import { isLive } from '../change/row.js';
import type { ChangeLog } from '../log/change-log.js';
import { closingPath } from '../log/closed.js';
import type { Logger } from '../logger.js';
import type { TimeSource } from '../time.js';

/*
 * Closing an origin that is not heard of any more (DESIGN: Closing), so that tombstones and log need not wait for it for ever. Should
 * its owner come back it is told, and rejoins under a new origin: nothing it had is lost.
 *
 *   heard      members that are up, filers that ask, filers that answer ─► when, kept in the store
 *   silent     not heard for forgetAfterMs ─► the lowest live filer writes the closing entry, the others apply it
 *   command    the filer that is asked writes it at once
 */

export interface ClosingLimits {
  readonly forgetAfterMs: number;
}

export const heardMeta = 'heard';

/** Times of hearing are written down when one has moved by this part of forgetAfterMs. */
const heardParts = 100;

export class Closing {
  /** When each origin was last heard of, microseconds since 1970. */
  readonly #heard: Map<Origin, Version>;
  #written: ReadonlyMap<Origin, Version>;

  constructor(
    private readonly log: ChangeLog,
    private readonly time: Pick<TimeSource, 'micros'>,
    private readonly logger: Logger,
    private readonly limits: ClosingLimits,
    /** Origins whose owners are there now, the local one among them. */
    private readonly live: () => Iterable<Origin>,
    /** The origins of those who could close one: they live, and serve. */
    private readonly able: () => readonly Origin[],
  ) {
    const { at = 0, heard = {} } = JSON.parse(log.openedMeta.get(heardMeta) ?? '{}') as { at?: Version; heard?: Record<Origin, Version> };
    // While this filer was stopped it could hear nobody: that is no silence of theirs.
    const stopped = Math.max(0, time.micros() - at);
    this.#heard = new Map(Object.entries(heard).map(([origin, when]) => [origin, when + stopped]));
    this.#written = new Map(this.#heard);
  }

  /** When `origin` was last heard of, microseconds since 1970; null if it is not known here. */
  lastHeard(origin: Origin): Version | null {
    return this.#heard.get(origin) ?? null;
  }

  /** Closes whoever has been silent for too long, if that falls to this filer. Tells whom. */
  async closeSilent(): Promise<Origin[]> {
    const { origins, closed, identity } = this.log.state;
    const now = this.time.micros();
    for (const origin of this.live()) this.#heard.set(origin, now);
    // Met for the first time: its silence begins now.
    for (const origin of origins.keys()) if (!this.#heard.has(origin)) this.#heard.set(origin, now);
    for (const origin of this.#heard.keys()) if (!origins.has(origin) || closed.has(origin)) this.#heard.delete(origin);
    await this.#write();
    const own = identity.origin;
    const silent = [...origins.keys()].filter((origin) => {
      const heard = this.#heard.get(origin);
      return origin !== own && heard !== undefined && now - heard > this.limits.forgetAfterMs * 1000;
    });
    if (silent.length === 0 || this.able().some((origin) => origin < own)) return [];
    for (const origin of silent) {
      this.logger.warn(`origin ${origin} was not heard of for too long and is closed; should its filer come back, it rejoins`);
      await this.#commit(origin);
    }
    return silent;
  }

  /**
   * Closes an origin by command. Resolves with the dot of the entry that says so; closing it again changes nothing.
   * @throws FilerError ENTRY_NOT_FOUND if it is not known here, PARAMETER_INVALID if it is this filer's own; what a write throws
   */
  async close(origin: Origin): Promise<Dot | null> {
    const { origins, identity } = this.log.state;
    if (origin === identity.origin) throw new FilerError('PARAMETER_INVALID', `${origin} is this filer's own origin; ask another filer to close it`);
    if (!origins.has(origin)) throw new FilerError('ENTRY_NOT_FOUND', `origin ${origin} is not known here`);
    return this.#commit(origin);
  }

  #commit(origin: Origin): Promise<Dot | null> {
    const path = closingPath(origin);
    return this.log.commit({
      paths: [path],
      bytes: 500,
      decide: (draft) => {
        const row = draft.row(path);
        if (isLive(row)) return row.dot;
        const seconds = String(Math.floor(this.time.micros() / 1e6));
        return draft.issue({ kind: 'put', path, entry: { name: '', isDirectory: false, attributes: { mtime: seconds, crtime: seconds, fileMode: 0o600 } } });
      },
    });
  }

  async #write(): Promise<void> {
    const step = (this.limits.forgetAfterMs * 1000) / heardParts;
    const isMoved = [...this.#heard].some(([origin, at]) => at - (this.#written.get(origin) ?? 0) > step) || this.#heard.size !== this.#written.size;
    if (!isMoved) return;
    const heard = new Map(this.#heard);
    await this.log.alone(async (draft) => {
      draft.setMeta(heardMeta, JSON.stringify({ at: this.time.micros(), heard: Object.fromEntries(heard) }));
      await draft.flush();
    });
    this.#written = heard;
  }
}
