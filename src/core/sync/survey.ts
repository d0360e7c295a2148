import { isRefused } from '../change/change.js';
import { addPlans, emptyPlan, type ImportPlan } from '../change/plan.js';
import { receiveChange } from '../change/refused.js';
import type { Row } from '../change/row.js';
import { emptyPosition, positionCovers, positionDistance } from '../clock/vector.js';
import type { Version } from '../clock/version.js';
import { root } from '../entry/path.js';
import { FilerError, isFailure } from '../errors.js';
import type { LinkState } from './link.js';
import { partsOf, type PostLimits } from './posting.js';
import { isInScope, mapChange, mapPath, mapRow, type Mapped, type MappedChange, type Scope } from './scope.js';
import type { ReaderLimits, SourceReader } from './source-reader.js';
import type { SyncFiler } from './sync-filer.js';

/* What a link would do, told before it does it: what it has yet to bring is read, compared with the target, and nothing is written. */

export interface SurveyOptions {
  /** The direction, for messages. */
  readonly name: string;
  readonly reader: SourceReader;
  readonly to: SyncFiler;
  readonly state: LinkState;
  readonly since: Version | null;
  readonly scope: Scope;
  /** Id of the source cluster. */
  readonly source: string;
  readonly limits: ReaderLimits & PostLimits;
}

/** What one direction would write. Each request's worth is compared with the target as it is now. */
export interface Forecast extends ImportPlan {
  readonly name: string;
  readonly link: string;
  /** What it goes on with. */
  readonly phase: LinkState['phase'];
  /** Changes and rows of the source that were looked at. */
  readonly read: number;
  /** Deletes that would be withheld. */
  readonly withheld: number;
  /** Changes that the target cannot have. */
  readonly refused: number;
}

/** How much a run may delete: no more than `count` entries, or no more than this part of those in scope if that is more. */
export interface MaxDelete {
  readonly count: number;
  /** 0 to 1; null = only `count` counts. */
  readonly part: number | null;
}

interface MappedAll {
  readonly changes: readonly MappedChange[];
  readonly withheld: number;
  readonly refused: number;
}

/** What becomes of changes and rows of the source. */
export function mapAll(scope: Scope, source: string, texts: readonly string[], rows: readonly Row[]): MappedAll {
  const mapped: Mapped[] = [];
  let refused = 0;
  const take = (map: () => Mapped): void => {
    try {
      mapped.push(map());
    } catch (error) {
      if (!isFailure(error)) throw error;
      refused += 1;
    }
  };
  for (const row of rows) take(() => mapRow(scope, row, source));
  for (const text of texts) {
    const change = receiveChange(text);
    if (isRefused(change)) refused += change.paths.some((path) => isInScope(scope, path)) ? 1 : 0;
    else take(() => mapChange(scope, change, source));
  }
  const changes = mapped.filter((one) => one.kind === 'change');
  return { changes, withheld: mapped.filter((one) => one.kind === 'withheld' || (one.kind === 'change' && one.isCut)).length, refused };
}

/** What the link has yet to bring, page by page, up to what the source had when its feed was first asked. */
async function* outstanding({ reader, state, since, limits }: SurveyOptions, signal: AbortSignal): AsyncGenerator<{ texts: readonly string[]; rows: Row[] }> {
  const { phase } = state;
  let { position } = state;
  if (phase !== 'feed') {
    for (let { after } = state; ;) {
      const from = after;
      const page = await reader.ask((filer) => filer.snapshot(from, limits.snapshotRows, null, signal), signal);
      if (from === null) ({ position } = page);
      yield { texts: page.quarantined, rows: phase === 'again' ? page.rows.filter((row) => row.entry !== null) : [...page.rows] };
      after = page.next;
      if (after === null) break;
    }
  }
  let page = await reader.feed(await reader.begin(position, since, signal), signal);
  const { head } = page;
  for (;;) {
    yield { texts: page.texts, rows: [] };
    if (page.upToDate || positionCovers(page.position, head)) return;
    page = await reader.feed({ position: page.position, since: since ?? undefined, waitMs: 0 }, signal);
  }
}

/** A link whose log no longer reaches back would copy again. */
async function* outstandingOrAgain(options: SurveyOptions, signal: AbortSignal): ReturnType<typeof outstanding> {
  try {
    yield* outstanding(options, signal);
  } catch (error) {
    if (!isFailure(error, 'LINK_EXPIRED')) throw error;
    yield* outstanding({ ...options, since: null, state: { ...options.state, phase: 'again', position: emptyPosition, after: null } }, signal);
  }
}

/** @throws FilerError what source and target answer */
export async function forecast(options: SurveyOptions, signal: AbortSignal): Promise<Omit<Forecast, 'name' | 'link'>> {
  const { scope, source, state } = options;
  let plan = emptyPlan;
  let [read, withheld, refused] = [0, 0, 0];
  for await (const { texts, rows } of outstandingOrAgain(options, signal)) {
    const mapped = mapAll(scope, source, texts, rows);
    read += texts.length + rows.length;
    withheld += mapped.withheld;
    refused += mapped.refused;
    plan = addPlans(plan, await planOf(options, mapped.changes, signal));
  }
  return { phase: state.phase, read, withheld, refused, ...plan };
}

/**
 * Lets a run pass whose deletes are within bounds.
 * @throws FilerError TOO_MANY_DELETES; what source and target answer
 */
export async function refuseDeletes(options: SurveyOptions, { count, part }: MaxDelete, signal: AbortSignal): Promise<void> {
  const { reader, to, scope, source, state, name } = options;
  const info = await reader.ask((filer) => filer.info(signal), signal);
  // There are not so many deletes in it.
  const changes = options.since === null ? positionDistance(info.position, state.position) : Infinity;
  if ((state.phase === 'feed' ? changes : info.counts.tombstones) <= count) return;
  let deletes = 0;
  for await (const { texts, rows } of outstandingOrAgain(options, signal)) {
    // What only creates need not be read: most of a long way to catch up.
    const mayRemove = texts.filter((text) => text.includes('"oldEntry"'));
    const removing = mapAll(
      scope,
      source,
      mayRemove,
      rows.filter(({ entry }) => entry === null),
    ).changes.filter(({ operation }) => operation === 'DELETE');
    deletes += (await planOf(options, removing, signal)).deletes;
  }
  if (deletes <= count) return;
  const entries = await entriesInScope(options, signal);
  if (part !== null && deletes <= part * entries) return;
  throw new FilerError(
    'TOO_MANY_DELETES',
    `${name}: this run would delete ${deletes} of ${entries} entries at ${to.address}, more than --maxDelete allows; look at it with --plan, and let it with --force`,
    { deletes, entries },
  );
}

async function entriesInScope({ to, scope, limits }: SurveyOptions, signal: AbortSignal): Promise<number> {
  if (scope.to === root && scope.excludes.length === 0) return (await to.info(signal)).counts.entries;
  // What is excluded may stand in the target all the same, and is not the link's.
  const excludes = scope.excludes.flatMap((excluded) => mapPath({ ...scope, excludes: [] }, excluded) ?? []);
  let entries = 0;
  for (let after: Row['path'] | null = null; ;) {
    const page = await to.snapshot(after, limits.snapshotRows, null, signal);
    entries += page.rows.filter(({ path, entry }) => entry !== null && isInScope({ from: scope.to, excludes }, path)).length;
    after = page.next;
    if (after === null) return entries;
  }
}

async function planOf({ to, limits }: SurveyOptions, changes: readonly MappedChange[], signal: AbortSignal): Promise<ImportPlan> {
  let plan = emptyPlan;
  for (const part of partsOf(changes, limits))
    plan = addPlans(
      plan,
      await to.planImport(
        part.map(({ text }) => text),
        signal,
      ),
    );
  return plan;
}
