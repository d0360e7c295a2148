import { contentHash, entryDigest } from '../change/digest.js';
import { operationOf, type Operation } from '../change/change.js';
import { narrow, pathsOfImported, type ImportedChange } from '../change/imported.js';
import { emptyPlan, type ImportPlan } from '../change/plan.js';
import { compareStates, isLive, type Row } from '../change/row.js';
import { vectorIncludes, type Dot, type Origin, type Vector } from '../clock/vector.js';
import type { Version } from '../clock/version.js';
import { limits } from '../config/limits.js';
import { sizeOf, type Entry } from '../entry/entry.js';
import { isReserved, type FullPath } from '../entry/path.js';
import { FilerError } from '../errors.js';
import type { ChangeLog } from './change-log.js';
import { checkpointPath, issueCheckpoint, mustBe } from './checkpoints.js';
import { overruled } from './conflicts.js';
import type { Draft } from './draft.js';

/*
 * Importing (DESIGN): changes of another cluster, out of a file, or of SeaweedFS come in through the same door, path by path.
 *
 *   under /.filer/                          left out
 *   covered by what is here, not greater    left out
 *   loses                                   left out, to the ledger
 *   no row, not above the floor             live: a new write of this filer; a deletion: left out
 *   wins                                    one change of this origin that keeps version, author and vector
 *
 * So importing the same again writes nothing, which also ends every loop between clusters.
 */

export interface ImportOptions {
  /** Where the link (checkpoints.ts) goes on after these changes; written with them. */
  readonly checkpoint?: { readonly link: string; readonly value: string };
  /** The clock moves past this, whatever the skew: for changes that were withheld. */
  readonly after?: Version;
  /** Refused unless this store writes under it still: a link goes on from what it knows of a store, which is nothing of another one. */
  readonly origin?: Origin;
  /** Changes that are decided while those before them are written; default `importStep`. */
  readonly step?: number;
}

/** What became of the changes. The first three and `quarantined` add up to all of them. */
export interface ImportResult {
  /** Written, at one path at least. */
  readonly applied: number;
  /** Not written, because something greater stands. */
  readonly superseded: number;
  /** Not written, because what they say is here already, is not for here (/.filer/), or was deleted and forgotten. */
  readonly unchanged: number;
  /** Of all of them, those that met a state which had not seen them, nor they it: who lost is in the ledger. */
  readonly conflicting: number;
  /** Written to the log, but waiting for a change that could not be applied. */
  readonly quarantined: number;
  /** The last change of this origin. */
  readonly position: Dot;
}

/** How far ahead of the clock a change may be that no link stands for, microseconds: whoever has written it by mistake should hear it. */
const aheadMax = 24 * 3600 * 1e6;

/**
 * Imports changes in their order, in one transaction.
 * @throws FilerError VERSION_AHEAD naming the change; PARAMETER_INVALID for a link; PRECONDITION_FAILED; BOOTSTRAPPING, QUARANTINE_FULL, OVERLOADED, STORE_FULL, STORE_FAILED: then nothing
 * was written
 */
export async function importChanges(log: ChangeLog, changes: readonly ImportedChange[], options: ImportOptions = {}): Promise<ImportResult> {
  const { checkpoint, after, origin: asked, step = limits.importStep } = options;
  const link = checkpoint ? checkpointPath(checkpoint.link) : null;
  return log.aloneForClient(async (draft) => {
    // Passed when it was asked, and maybe no more when its turn comes.
    draft.mustIssue();
    if (asked !== undefined) mustBe(draft, asked);
    if (link === null) refuseAhead(changes, draft.now);
    const counts = emptyCounts();
    const stepAt = (from: number) => changes.slice(from, from + step);
    await draft.load([...(link === null ? [] : [link]), ...stepAt(0).flatMap(pathsOfImported)]);
    let written: Promise<void> | null = null;
    for (let from = 0; from < changes.length; from += step) {
      importAll(draft, stepAt(from), counts);
      await written;
      if (from + step >= changes.length) break;
      // Asked for before this step is written, so that the next one is decided meanwhile: what this one has changed, the draft knows by itself.
      const loaded = draft.load(stepAt(from + step).flatMap(pathsOfImported));
      written = draft.flush({ more: true });
      // Awaited before anything else is written; a failure until then is not unhandled.
      written.catch(() => {});
      await loaded;
    }
    if (after !== undefined) draft.clock.advance(after);
    // If no page held anything but kelp's own entries, two idle clusters would tell each other of their checkpoints for ever.
    if (link !== null && checkpoint && !isReservedOnly(changes)) issueCheckpoint(draft, link, checkpoint.value, draft.now);
    draft.keepClock();
    await draft.flush();
    return resultOf(draft, counts);
  });
}

/** Changes that come in steps while those before them are written. */
export interface ImportSteps {
  /** What is there now for the same transaction; null = nothing. */
  take(): readonly ImportedChange[] | null;
  /** As `take`, but waits for something until `written` settles. */
  next(written: Promise<unknown>): Promise<readonly ImportedChange[] | null>;
  /** The link whose checkpoint is written with them; null = none. */
  readonly link: string | null;
  /** Where it goes on, asked when all of them have been taken; null = nothing to go by. */
  mark(): string | null;
}

/**
 * Imports changes in their order, in one transaction, for a store nobody else uses: it waits for whoever brings them.
 * @throws FilerError as importChanges: then nothing of all that was taken was written; what `steps` throws
 */
export async function importSteps(log: ChangeLog, first: readonly ImportedChange[], steps: ImportSteps): Promise<ImportResult> {
  return log.aloneForClient(async (draft) => {
    draft.mustIssue();
    const counts = emptyCounts();
    const link = steps.link === null ? null : checkpointPath(steps.link);
    let isOnlyReserved = true;
    let written: Promise<void> = Promise.resolve();
    await draft.loadNew([...(link === null ? [] : [link]), ...first.flatMap(pathsOfImported)]);
    for (let step: readonly ImportedChange[] | null = first; step !== null;) {
      // Asked for before this step is decided: of what the next one looks at, it changes nothing that is not loaded already.
      let next = steps.take();
      let loaded = next && draft.loadNew(next.flatMap(pathsOfImported));
      loaded?.catch(() => {});
      if (link === null) refuseAhead(step, draft.now);
      importAll(draft, step, counts);
      isOnlyReserved &&= isReservedOnly(step);
      await written;
      written = draft.flush({ more: true });
      written.catch(() => {});
      if (next === null) {
        // Nothing is there yet: it may come while this step is written.
        next = await steps.next(written);
        loaded = next && draft.loadNew(next.flatMap(pathsOfImported));
      }
      await loaded;
      step = next;
    }
    await written;
    const mark = steps.mark();
    if (link !== null && mark !== null && !isOnlyReserved) issueCheckpoint(draft, link, mark, draft.now);
    draft.keepClock();
    await draft.flush();
    return resultOf(draft, counts);
  });
}

type ImportCounts = { -readonly [K in keyof Omit<ImportResult, 'position'>]: number };

const emptyCounts = (): ImportCounts => ({ applied: 0, superseded: 0, unchanged: 0, conflicting: 0, quarantined: 0 });

function importAll(draft: Draft, changes: readonly ImportedChange[], counts: ImportCounts): void {
  for (const change of changes) {
    const { outcome, conflicting } = importOne(draft, change);
    counts[outcome] += 1;
    if (conflicting) counts.conflicting += 1;
  }
}

const isReservedOnly = (changes: readonly ImportedChange[]): boolean => changes.every((change) => pathsOfImported(change).every(isReserved));

function resultOf(draft: Draft, counts: ImportCounts): ImportResult {
  const { origin } = draft.identity;
  return { ...counts, position: { origin, seq: draft.origins.get(origin)?.seq ?? 0 } };
}

function refuseAhead(changes: readonly ImportedChange[], now: Version): void {
  const index = changes.findIndex(({ version }) => version > now + aheadMax);
  if (index < 0) return;
  throw new FilerError(
    'VERSION_AHEAD',
    `changes[${index}].replication.version: is more than a day ahead of the clock here; nothing could be written over it until then. Check both clocks`,
    { index },
  );
}

/**
 * Tells what importing batches one after the other would do, and writes nothing: it is all done in one transaction, which is taken back.
 * @throws FilerError as importChanges; what `batches` throws
 */
export async function planImport(log: ChangeLog, batches: AsyncIterable<readonly ImportedChange[]> | Iterable<readonly ImportedChange[]>): Promise<ImportPlan> {
  const counts = { ...emptyPlan, bytes: { ...emptyPlan.bytes } };
  try {
    await log.aloneForClient(async (draft) => {
      draft.mustIssue();
      for await (const changes of batches) {
        refuseAhead(changes, draft.now);
        await draft.load(changes.flatMap(pathsOfImported));
        for (const change of changes) {
          // What a deletion deletes is gone afterwards.
          const entry = change.newEntry ?? draft.row(change.oldPath as FullPath)?.entry ?? null;
          const planned = importOne(draft, change);
          const { operation } = planned;
          const size = entry === null ? 0 : sizeOf(JSON.parse(entry) as Entry);
          if (planned.conflicting) {
            counts.conflicts += 1;
            counts.bytes.conflicts += size;
          }
          if (operation !== null && !(operation === 'DELETE' && entry === null && change.newPath === null)) {
            counts[countOf[operation]] += 1;
            counts.bytes[countOf[operation]] += size;
          } else counts[planned.outcome === 'superseded' ? 'superseded' : 'unchanged'] += 1;
        }
        await draft.flush({ evict: true });
      }
      throw new PlanMade();
    });
  } catch (error) {
    if (!(error instanceof PlanMade)) throw error;
  }
  return counts;
}

/** Takes a transaction back that has done its work. */
class PlanMade extends FilerError {
  constructor() {
    super('STOPPING', 'the plan is made');
  }
}

const countOf = { CREATE: 'creates', UPDATE: 'updates', DELETE: 'deletes', RENAME: 'renames' } as const;

type Fate = 'wins' | 'covered' | 'loses' | 'forgotten' | 'reserved';

interface Imported {
  readonly outcome: 'applied' | 'superseded' | 'unchanged' | 'quarantined';
  readonly conflicting: boolean;
  /** What is written; null if nothing is. */
  readonly operation: Operation | null;
}

function importOne(draft: Draft, change: ImportedChange): Imported {
  if (isFresh(draft, change)) return adoptAt(draft, change, false);
  const incoming = rowsOfImported(change);
  const fates = new Map<FullPath, Fate>();
  let conflicting = false;
  for (const row of incoming) {
    const local = draft.row(row.path);
    const fate = fateOf(local, row, draft.identity.floor);
    fates.set(row.path, fate);
    if (fate !== 'wins' && fate !== 'loses') continue;
    const conflict = overruled(local, row, incoming.length === 2, draft.now, draft.identity.origin);
    if (conflict === null) continue;
    conflicting = true;
    // Of a winner it is noted when it is joined, and has a dot.
    if (fate === 'loses') draft.note(conflict);
  }
  let operation: Operation | null = null;
  for (const row of incoming) {
    if (fates.get(row.path) !== 'forgotten' || !isLive(row)) continue;
    // With what it has seen: then the same change finds itself covered when it comes again.
    draft.reissue({ kind: 'put', path: row.path, entry: JSON.parse(row.entry) as Entry }, row);
    operation = 'CREATE';
  }
  const left = narrow(change, (path) => fates.get(path) === 'wins');
  if (left !== null) return adoptAt(draft, left, conflicting);
  if (operation !== null) return { outcome: 'applied', conflicting, operation };
  return { outcome: [...fates.values()].includes('loses') ? 'superseded' : 'unchanged', conflicting, operation };
}

/** True if there is nothing at its only path that it could be compared with: most of what is imported, and it needs no state of its own. */
function isFresh(draft: Draft, change: ImportedChange): boolean {
  const [path, other] = pathsOfImported(change) as [FullPath, FullPath?];
  return other === undefined && draft.row(path) === null && change.version > draft.identity.floor && !isReserved(path);
}

function adoptAt(draft: Draft, change: ImportedChange, conflicting: boolean): Imported {
  const operation = operationAt(draft, change);
  return { outcome: draft.adopt(change) === 'quarantined' ? 'quarantined' : 'applied', conflicting, operation };
}

/** A create may find an entry here, and then is an update. */
function operationAt(draft: Draft, change: ImportedChange): Operation {
  const operation = operationOf(change);
  return operation === 'CREATE' && isLive(draft.row(change.newPath as FullPath)) ? 'UPDATE' : operation;
}

function fateOf(local: Row | null, incoming: Row, floor: Version): Fate {
  if (isReserved(incoming.path)) return 'reserved';
  if (local === null) return incoming.version > floor ? 'wins' : 'forgotten';
  if (compareStates(incoming, local) > 0) return 'wins';
  return vectorIncludes(local.vector, incoming.author, incoming.version) ? 'covered' : 'loses';
}

/** The states a change brings: one, or for a rename two, the old path's first. None has a dot: what loses gets none. */
function rowsOfImported({ version, author, oldPath, newPath, newEntry, isDirectory, vector, oldVector }: ImportedChange): Row[] {
  const dot = null;
  const tombstone = (path: FullPath, of: Vector): Row => ({ path, entry: null, isDirectory: false, version, author, vector: of, dot, contentHash: '', h: 0 });
  if (newPath === null || newEntry === null) return [tombstone(oldPath as FullPath, vector)];
  const hash = contentHash(newEntry);
  const h = entryDigest(newPath, version, author, hash);
  const live: Row = { path: newPath, entry: newEntry, isDirectory, version, author, vector, dot, contentHash: hash, h };
  return oldPath === null || oldPath === newPath ? [live] : [tombstone(oldPath, oldVector ?? vector), live];
}
