import { isLive } from '../change/row.js';
import { positionCovers, type Dot, type Position } from '../clock/vector.js';
import { childPath, nameOf, reservedDirectory, type FullPath } from '../entry/path.js';
import { FilerError } from '../errors.js';
import type { ChangeLog } from '../log/change-log.js';
import { checkpointPath, checkpointValue, issueCheckpoint } from '../log/checkpoints.js';
import type { LogState } from '../log/log-state.js';
import type { StoreReader } from '../store/store.js';
import type { TimeSource } from '../time.js';

/*
 * Links of filer.sync that read from this cluster (DESIGN: Tombstones, Retention): each is one replicated entry `/.filer/links/LINK`, written
 * when it begins, and tells each filer that it can reach how far it is.
 *
 *   entry and report       log and tombstones wait for what the report says
 *   entry, no report       both wait for all of it: as after a restart, or if the runner cannot reach this filer
 *   log trimmed past it    nothing waits any more (the hard limits win): the link copies again, and deletes nothing
 */

const directory = childPath(reservedDirectory, 'links');
const page = { limit: 1000, bytesMax: 1024 * 1024 };

export interface LinkReport {
  /** Everything up to here is in the target, and its checkpoint says so. */
  readonly position: Position;
  /** What of it everybody in the target has seen, and nothing older is on its way back; null = not told yet. */
  readonly seen: Position | null;
}

/** A link as this filer knows it. */
export interface KnownLink {
  /** 16 hex digits. */
  readonly link: string;
  /** What it says of itself. */
  readonly about: string;
  readonly report: LinkReport | null;
}

/** @throws FilerError PARAMETER_INVALID if `link` is not the name of one */
function linkPath(link: string): FullPath {
  return childPath(directory, nameOf(checkpointPath(link)));
}

export class Links {
  /** What the entries say, by link. */
  #abouts: ReadonlyMap<string, string> = new Map();
  readonly #reports = new Map<string, LinkReport>();

  constructor(
    private readonly log: ChangeLog,
    private readonly store: Pick<StoreReader, 'list'>,
    private readonly time: Pick<TimeSource, 'micros'>,
  ) {}

  /** Reads the entries. Every link that was announced here, or has arrived by now, counts from then on. */
  async refresh(): Promise<void> {
    const abouts = new Map<string, string>();
    for (let after = '', more = true; more;) {
      const listed = await this.store.list(directory, { after, ...page });
      for (const { name, row } of listed.names) {
        const about = checkpointValue(row);
        if (about !== null) abouts.set(name, about);
      }
      after = listed.names.at(-1)?.name ?? '';
      more = listed.more && after !== '';
    }
    this.#abouts = abouts;
    for (const link of [...this.#reports.keys()]) if (!abouts.has(link)) this.#reports.delete(link);
  }

  /** Writes the entry of a link, unless it is there. @throws FilerError PARAMETER_INVALID; what a write throws */
  async announce(link: string, about: string): Promise<Dot | null> {
    const path = linkPath(link);
    const dot = await this.log.commit({ paths: [path], bytes: about.length + 500, decide: (draft) => issueCheckpoint(draft, path, about, this.time.micros()) });
    await this.refresh();
    return dot;
  }

  /** Nothing waits for a link any more. @throws FilerError ENTRY_NOT_FOUND, PARAMETER_INVALID; what a write throws */
  async forget(link: string): Promise<Dot> {
    const path = linkPath(link);
    const dot = await this.log.commit({
      paths: [path],
      bytes: 500,
      decide: (draft) => {
        if (!isLive(draft.row(path))) throw new FilerError('ENTRY_NOT_FOUND', `no link ${link} reads from this cluster; kelp filer.log names those that do`);
        return draft.issue({ kind: 'delete', path });
      },
    });
    await this.refresh();
    return dot;
  }

  /** A link says how far it is. False if no entry of it is here: then nothing waits for it. */
  report(link: string, { position, seen }: LinkReport): boolean {
    if (!this.#abouts.has(link)) return false;
    // As a peer's report: it says nothing of what is not here yet.
    const settled = seen !== null && positionCovers(this.log.position, seen) ? seen : (this.#reports.get(link)?.seen ?? null);
    // One that was set back, or copies again, has less than before.
    this.#reports.set(link, { position, seen: settled !== null && positionCovers(position, settled) ? settled : null });
    return true;
  }

  /** All of them, by name. */
  list(): KnownLink[] {
    return [...this.#abouts].map(([link, about]) => ({ link, about, report: this.#reports.get(link) ?? null }));
  }

  /** Those that log and tombstones wait for. */
  waitedFor(state: Pick<LogState, 'origins'>): KnownLink[] {
    return this.list().filter(({ report }) => report === null || !isBehindLog(report.position, state));
  }
}

function isBehindLog(position: Position, { origins }: Pick<LogState, 'origins'>): boolean {
  for (const { origin, first } of origins.values()) if ((position.get(origin) ?? 0) < first - 1) return true;
  return false;
}
