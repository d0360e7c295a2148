import { isRefused, rowsOf } from '../change/change.js';
import type { ReceiveChange } from '../change/refused.js';
import { compareStates, isLive, joinRows, type Row } from '../change/row.js';
import { positionFromJson, positionToJson, vectorIncludes, type Dot, type Origin, type Position, type Seq } from '../clock/vector.js';
import type { Entry } from '../entry/entry.js';
import type { FullPath } from '../entry/path.js';
import type { ChangeLog } from '../log/change-log.js';
import { isCheckpoint } from '../log/checkpoints.js';
import { leftAside, leftToForgotten } from '../log/conflicts.js';
import { isInDoubt, type Doubt } from '../log/doubt.js';
import type { Draft } from '../log/draft.js';
import { originStart } from '../log/log-state.js';
import type { OriginState } from '../store/store.js';
import type { TimeSource } from '../time.js';
import { scanArea, type BootstrapLimits } from './bootstrap.js';
import type { Overlap } from './branches.js';
import type { FilerInfo } from './peer.js';

/*
 * Rejoin: the one cure for a store that was restored, copied or closed, or that meets a lineage to which it gives way (meeting.ts).
 *
 *   begin   new origin; remember all rows, and which of them the peer has; become empty     one transaction
 *   take    a snapshot that reaches at least the peer's position                            bootstrap.ts
 *   finish  write each row that the peer lacked and that still stands as a new change       a transaction a batch
 *
 * The phase stands in the store, so a crash at any point goes on there. What is remembered stays until the end: a copy of the store
 * that was made in between begins the second step anew, and nobody else has what it has written in the third one.
 */

/**
 * How far a rejoin is; kept in meta `rejoin` and, once taken, `rejoinTaken` (the path of the last row written again), which a copy of
 * the store loses at its first open.
 */
export interface Rejoin {
  /** What the snapshot must reach: what the peer had is not written again, and may be nowhere else by now. */
  readonly goal: Position;
  /** Of the origins of the goal, as far as it was told: which branch of their logs that is. */
  readonly marks: ReadonlyMap<Origin, OriginState>;
  /** The origin of the peer it was begun with. */
  readonly peer: Origin;
  /** The lineage of the peer it was begun for; null if none was told. */
  readonly lineage: string | null;
  /** What of the remembered rows the peer had. */
  readonly overlap: ReadonlyMap<Origin, Overlap>;
  /** True if it goes on though nobody has what the peer had: then that is looked at too. */
  readonly isShort: boolean;
  /** Then: the origins in whose logs whoever is taken instead is on another branch than the peer was. */
  readonly strayed: readonly Origin[];
  /** The same of rows that had no dot any more. */
  readonly doubts: readonly Doubt[];
  /** False while the snapshot is being taken, true while remembered rows are written again. */
  readonly taken: boolean;
  /** The last remembered row that was looked at again, in key order; null before the first. */
  after: FullPath | null;
}

function rejoinToMeta({ goal, marks, peer, lineage, overlap, isShort, strayed, doubts }: Rejoin): string {
  const maps = { marks: Object.fromEntries(marks), overlap: Object.fromEntries(overlap) };
  return JSON.stringify({ goal: positionToJson(goal), ...maps, peer, lineage, isShort, strayed, doubts });
}

/** Reads back how far a rejoin was when the store was opened; null if none was under way. */
export function rejoinFromMeta(meta: ReadonlyMap<string, string>): Rejoin | null {
  const text = meta.get('rejoin');
  if (text === undefined) return null;
  const { goal, marks, peer, lineage, overlap, isShort, strayed, doubts } = JSON.parse(text) as {
    goal: unknown;
    marks?: Record<Origin, OriginState>;
    peer?: Origin;
    lineage?: string | null;
    overlap?: Record<Origin, Overlap>;
    isShort?: boolean;
    strayed?: readonly Origin[];
    doubts?: readonly Doubt[];
  };
  const after = meta.has('restored') ? undefined : meta.get('rejoinTaken');
  return {
    goal: positionFromJson(goal, 'goal'),
    marks: new Map(Object.entries(marks ?? {})),
    peer: peer ?? '',
    lineage: lineage ?? null,
    overlap: new Map(Object.entries(overlap ?? {})),
    isShort: isShort ?? false,
    strayed: strayed ?? [],
    doubts: doubts ?? [],
    taken: after !== undefined,
    after: after === undefined || after === '' ? null : (after as FullPath),
  };
}

/** What is known of the peer when a rejoin begins. */
export interface RejoinPeer extends Pick<FilerInfo, 'origin' | 'position' | 'lineage'> {
  /** What of this store's history it has. */
  readonly overlap: ReadonlyMap<Origin, Overlap>;
  /** On which branch of every log it is. */
  readonly marks: ReadonlyMap<Origin, OriginState>;
}

/**
 * Remembers every row, takes a new origin (and `storeId`, if given) and becomes empty. What the peer has is remembered too: it may lose all
 * before its snapshot is here. `before` is a rejoin that was under way, and in whose logs the peer is on another branch than its peer: what
 * that remembers is kept. Resolves with what has begun, and with how many quarantined changes are given up: those that the peer is not known to
 * have and that this program cannot read.
 */
export async function beginRejoin(
  log: ChangeLog,
  peer: RejoinPeer,
  before: Pick<Rejoin, 'overlap' | 'doubts' | 'strayed'> | null,
  storeId: string | null,
  time: Pick<TimeSource, 'randomHex'>,
  limits: BootstrapLimits,
): Promise<{ rejoin: Rejoin; unread: number }> {
  const { lineage, marks } = peer;
  const { identity, origins } = log.state;
  // A peer of another lineage may give that up before its snapshot is wanted, and its changes with it: what this store never had need not be
  // reached. One that was being filled holds rows of origins it does not name yet.
  const isStranger = identity.phase === 'ready' && lineage !== identity.lineage;
  const had = [...peer.position].map(([origin, seq]): [Origin, Seq] => [origin, Math.min(seq, origins.get(origin)?.seq ?? 0)]);
  const goal = isStranger ? new Map(had.filter(([, seq]) => seq > 0)) : peer.position;
  const reached = new Map([...marks].filter(([origin]) => goal.has(origin)));
  // What an earlier peer had, this one may lack.
  const { overlap, doubts, strayed } = before ?? { overlap: peer.overlap, doubts: log.state.doubts, strayed: [] };
  const isShort = before !== null;
  const rejoin: Rejoin = { goal, marks: reached, peer: peer.origin, lineage, overlap, isShort, strayed, doubts, taken: false, after: null };
  // Rows of a store that is being filled are not its own work, but of a snapshot.
  const isOwnWork = identity.phase === 'ready' || identity.phase === 'restored';
  const unread = await log.alone(async (draft) => {
    if (before === null)
      for await (const rows of scanArea(draft, 'tree', limits.draftRows, limits.draftBytes)) {
        const kept = isOwnWork ? rows : rows.filter((row) => !hadBy(overlap, row));
        // A checkpoint says what this store had, tombstones too, which are dropped by now: the others have not seen those, and must be told again.
        await draft.tx.write({ rows: { remembered: isStranger ? kept.filter(({ path }) => !isCheckpoint(path)) : kept } });
      }
    const count = await rememberWaiting(draft, overlap, log.receive);
    const { origin, former } = draft.identity;
    await draft.empty(time.randomHex(4));
    await draft.tx.clear('staging');
    const fresh = time.randomHex(8);
    draft.setIdentity({ origin: fresh, former: [...former, origin], lineage: fresh, phase: 'rejoining', ...(storeId === null ? {} : { storeId }) });
    draft.setOrigin(originStart(fresh));
    draft.setMeta('bootstrap', null);
    draft.setMeta('rejoin', rejoinToMeta(rejoin));
    draft.setMeta('rejoinTaken', null);
    await draft.flush();
    return count;
  });
  return { rejoin, unread };
}

/** Remembers what good changes would have brought that only wait here: if the peer lacks them, they may be nowhere else. Tells of how many that is not known. */
async function rememberWaiting(draft: Draft, overlap: Rejoin['overlap'], receive: ReceiveChange): Promise<number> {
  const lacking = [...draft.quarantine.records.values()].filter((record) => !hadBy(overlap, record)).map(({ text }) => receive(text));
  const rows = lacking.flatMap((change) => (isRefused(change) ? [] : rowsOf(change)));
  const paths = [...new Set(rows.map((row) => row.path))];
  const known = new Map((await draft.tx.find('remembered', paths)).map((row) => [row.path, row]));
  for (const row of rows) {
    const before = known.get(row.path);
    // Of what the peer has, nothing would be written again.
    known.set(row.path, before === undefined || hadBy(overlap, before) ? row : joinRows(before, row));
  }
  await draft.tx.write({ rows: { remembered: [...known.values()] } });
  return lacking.filter((change) => isRefused(change)).length;
}

/** From now on also what the peer had is looked at: what is taken does not reach it, or is on another branch of the logs `strayed`. */
export async function markShort(log: ChangeLog, rejoin: Rejoin, strayed: readonly Origin[]): Promise<Rejoin> {
  const short = { ...rejoin, isShort: true, strayed };
  await log.alone(async (draft) => {
    draft.setMeta('rejoin', rejoinToMeta(short));
    await draft.flush();
  });
  return short;
}

/** The snapshot is here: from now on only remembered rows are left to write. */
export async function markTaken(log: ChangeLog, rejoin: Rejoin): Promise<Rejoin> {
  await log.alone(async (draft) => {
    draft.setMeta('rejoinTaken', '');
    await draft.flush();
  });
  return { ...rejoin, taken: true };
}

/**
 * Writes what was remembered and still stands as new changes; what loses goes to the ledger. Goes on after `rejoin.after`, and moves it
 * with every batch. Ends with the phase `ready` and nothing remembered.
 */
export async function finishRejoin(
  log: ChangeLog,
  rejoin: Rejoin,
  now: () => number,
  limits: BootstrapLimits,
): Promise<{ written: number; overruled: number }> {
  const total = { written: 0, overruled: 0 };
  for (let isDone = false; !isDone;) {
    const last = await log.alone(async (draft) => {
      const rows = await draft.tx.scan('remembered', rejoin.after, limits.draftRows, limits.draftBytes);
      const lacking = rejoin.isShort ? rows : rows.filter((row) => !hadBy(rejoin.overlap, row));
      await draft.load(lacking.map((row) => row.path));
      for (const row of lacking) {
        const standing = draft.row(row.path);
        const { floor, origin } = draft.identity;
        const wasThere = hadBy(rejoin.overlap, row);
        // It is there, or was seen and deleted there.
        if (wasThere && (standing === null ? isSeen(draft, rejoin, row) : compareStates(row, standing) === 0)) continue;
        // Deletions up to the floor are forgotten: this may be one of them, or one may have been of this.
        if (!wasThere && !isLive(standing) && row.version <= floor && mayBeKnown(rejoin, row, (author) => draft.origins.has(author))) {
          draft.note(leftToForgotten(row, floor, now(), origin));
          total.overruled += 1;
          continue;
        }
        const isWritten = rewrite(draft, row);
        const stands = draft.row(row.path);
        // Whoever hears of the new change finds that it has seen what stood here: only this filer knows that it had not.
        const [winner, loser] = isWritten ? [row, standing] : [standing, row];
        if (winner !== null && loser !== null && stands !== null) draft.note(leftAside(winner, loser, stands, now(), origin));
        if (isWritten) total.written += 1;
        else total.overruled += 1;
      }
      const path = rows.at(-1)?.path ?? null;
      if (path === null) {
        await draft.tx.clear('remembered');
        draft.setIdentity({ phase: 'ready' });
        draft.setMeta('rejoin', null);
      }
      draft.setMeta('rejoinTaken', path);
      draft.keepClock();
      await draft.flush();
      return path;
    });
    rejoin.after = last ?? rejoin.after;
    isDone = last === null;
  }
  return total;
}

/** True if the peer certainly had a change. */
function hadBy(overlap: Rejoin['overlap'], { dot }: { readonly dot: Dot | null }): boolean {
  return dot !== null && dot.seq <= (overlap.get(dot.origin)?.common ?? 0);
}

/** True if the snapshot that was taken has seen the change that made a row. */
function isSeen({ origins }: Draft, { strayed }: Rejoin, { dot }: Row): boolean {
  return dot !== null && !strayed.includes(dot.origin) && dot.seq <= (origins.get(dot.origin)?.seq ?? 0);
}

/** True if the others may have had what a remembered row says. */
function mayBeKnown({ overlap, doubts }: Rejoin, row: Row, isOrigin: (origin: Origin) => boolean): boolean {
  const { dot } = row;
  if (dot === null) return isInDoubt(row, doubts, isOrigin);
  const there = overlap.get(dot.origin);
  return there !== undefined && dot.seq > there.common && dot.seq < there.foreign;
}

/** Writes a remembered row as a new change if it still stands. */
function rewrite(draft: Draft, row: Row): boolean {
  const standing = draft.row(row.path);
  if (isLive(row)) {
    // A greater deletion counts if it knew this very state, from a store that has brought it back before. A smaller one did not, whatever its
    // vector says: it may be of the same version and author, on the other of two branches.
    if (standing !== null && compareStates(row, standing) <= 0 && (isLive(standing) || vectorIncludes(standing.vector, row.author, row.version))) return false;
    draft.reissue({ kind: 'put', path: row.path, entry: JSON.parse(row.entry) as Entry }, row);
    return true;
  }
  if (standing === null || (!isLive(standing) && compareStates(row, standing) > 0)) {
    // The peer lacks what it deleted, or has it in quarantine, and somebody who was cut off may bring that. As it is, and not as a new
    // deletion: that would beat what was made there since.
    const { path, version, author, vector } = row;
    draft.adopt({ version, author, vector, oldPath: path, newPath: null, newEntry: null, isDirectory: false, oldVector: null, clusters: [], oldEntry: null });
    return true;
  }
  // A deletion counts only against what it had seen.
  if (!isLive(standing)) return false;
  if (vectorIncludes(row.vector, standing.author, standing.version)) {
    draft.reissue({ kind: 'delete', path: row.path }, row);
    return true;
  }
  // Against that it counts though: somebody who was cut off may bring it, and it may be greater than what stands, but not than the deletion.
  if (compareStates(row, standing) > 0) draft.reissue({ kind: 'put', path: row.path, entry: JSON.parse(standing.entry) as Entry }, row);
  return false;
}
