import { decodeChange } from '../../src/core/change/codec.js';
import { rowsOf } from '../../src/core/change/change.js';
import { isLive, type Row } from '../../src/core/change/row.js';
import { ancestorsOf, type FullPath } from '../../src/core/entry/path.js';
import { formatDot, type Origin, type Seq } from '../../src/core/clock/vector.js';
import { partedMeta } from '../../src/core/log/log-state.js';
import type { MemoryDisk } from '../../src/core/store/memory/memory-store.js';
import type { LogRecord, QuarantineRecord } from '../../src/core/store/store.js';
import { join, order } from './model.js';

type Content = MemoryDisk['content'];

const inSnapshot = 'met in a snapshot';

/** What a transaction may have changed of a store, as it stood before. */
export interface Before {
  readonly tree: ReadonlyMap<FullPath, Row>;
  readonly staging: ReadonlyMap<FullPath, Row>;
  readonly remembered: ReadonlyMap<FullPath, Row>;
  readonly epoch: string | undefined;
  readonly origin: string | undefined;
  readonly phase: string | undefined;
  /** What is known of a rejoin that is under way; undefined = none is. */
  readonly rejoin: string | undefined;
  /** How far a rejoin has written again; undefined = it has not begun to. */
  readonly taken: string | undefined;
  readonly floor: string | undefined;
  readonly counts: string | undefined;
  readonly buckets: readonly number[];
  readonly parted: string | undefined;
  /** By origin. */
  readonly seqs: ReadonlyMap<Origin, Seq>;
  /** By origin: the hash of its last change. */
  readonly hashes: ReadonlyMap<Origin, string>;
  /** By dot as text. */
  readonly quarantine: ReadonlyMap<string, QuarantineRecord>;
}

export function beforeOf({ areas, meta, buckets, origins, quarantine }: Content): Before {
  const map = (rows: Iterable<Row>) => new Map([...rows].map((row) => [row.path, row]));
  const [tree, staging, remembered] = [map(areas.tree.values()), map(areas.staging.values()), map(areas.remembered.values())];
  const seqs = new Map([...origins.values()].map(({ origin, seq }) => [origin, seq]));
  const hashes = new Map([...origins.values()].map(({ origin, hash }) => [origin, hash]));
  return { tree, staging, remembered, ...wordsOf(meta), buckets: [...buckets], seqs, hashes, quarantine: new Map(quarantine) };
}

/** True if a store still is as it was: most transactions only note a time or what a peer has reported. */
export function isAsBefore(before: Before, { areas, meta, buckets, origins, quarantine }: Content): boolean {
  const areSame = (was: ReadonlyMap<FullPath, Row>, rows: Iterable<Row>) => {
    let count = 0;
    for (const row of rows) {
      if (was.get(row.path) !== row) return false;
      count += 1;
    }
    return count === was.size;
  };
  const words = wordsOf(meta);
  return (
    (Object.keys(words) as (keyof typeof words)[]).every((word) => words[word] === before[word]) &&
    before.buckets.every((sum, bucket) => sum === buckets[bucket]) &&
    before.seqs.size === origins.size &&
    [...origins.values()].every(({ origin, seq, hash }) => before.seqs.get(origin) === seq && before.hashes.get(origin) === hash) &&
    before.quarantine.size === quarantine.size &&
    [...quarantine].every(([dot, record]) => before.quarantine.get(dot) === record) &&
    areSame(before.tree, areas.tree.values()) &&
    areSame(before.staging, areas.staging.values()) &&
    areSame(before.remembered, areas.remembered.values())
  );
}

const wordsOf = (meta: Content['meta']) => ({
  epoch: meta.get('epoch'),
  origin: meta.get('origin'),
  phase: meta.get('phase'),
  rejoin: meta.get('rejoin'),
  taken: meta.get('rejoinTaken'),
  floor: meta.get('floor'),
  counts: meta.get('counts'),
  parted: meta.get(partedMeta),
});

/** A state that was overruled by one that had not seen it, or a deletion of what it had not seen: the ledger must name it. */
export interface Loser {
  readonly path: FullPath;
  readonly row: Row;
  readonly how: string;
}

/**
 * The losers of one transaction, found from the rows before and after it, what it appended to the log and what it remembered. Says
 * the ledger's rule a second time: wherever two states meet of which neither includes the other, and that are not two directories
 * or two deletions, the lesser is kept.
 */
export function losersOf(before: Before, { areas, meta, origins, quarantine }: Content, appended: readonly LogRecord[], own: string | undefined): Loser[] {
  const losers: Loser[] = [];
  const now = new Map(before.tree);
  const meet = (incoming: Row, how: string): void => {
    const standing = now.get(incoming.path);
    if (standing && areAtOdds(standing, incoming)) losers.push({ path: incoming.path, row: order(incoming, standing) > 0 ? standing : incoming, how });
    now.set(incoming.path, standing ? join(standing, incoming) : incoming);
    const stands = standing === undefined || order(incoming, standing) > 0;
    // In a snapshot a directory's deletion may come after what lies below it.
    if (!stands || !isLive(incoming) || how === inSnapshot) return;
    const above = ancestorsOf(incoming.path).map((path) => now.get(path));
    const deleted = above.find((row) => row !== undefined && !isLive(row) && !((row.vector[incoming.author] ?? 0) >= incoming.version));
    if (deleted) losers.push({ path: incoming.path, row: deleted, how: `${how} below a deletion` });
  };
  const isEmpty = [...areas.staging.values()].length === 0;
  // Thrown away, it would leave the epoch as it was; a rejoin empties everything; who gives up a branch throws away too.
  const isGivenUp = meta.get('origin') !== before.origin || [...before.seqs].some(([origin, seq]) => (origins.get(origin)?.seq ?? 0) < seq);
  const isMerged = before.staging.size > 0 && isEmpty && meta.get('epoch') !== before.epoch && meta.get('phase') === 'ready' && !isGivenUp;
  for (const row of isMerged ? before.staging.values() : []) {
    const standing = before.tree.get(row.path);
    if (!standing) continue;
    // The greater one may have been seen and forgotten by the side that has the other: then it does not stand, and none is a loser.
    const stands = areas.tree.get(row.path);
    if (stands === undefined || (order(stands, row) >= 0 && order(stands, standing) >= 0)) meet(row, inSnapshot);
  }
  // Let go, unless a snapshot brought what they bring, or the branch they were on was given up.
  const released = isMerged || isGivenUp ? [] : [...before.quarantine.values()].filter(({ dot }) => !quarantine.has(formatDot(dot)));
  for (const { text } of released.sort((a, b) => a.place - b.place)) for (const row of rowsOf(decodeChange(text))) meet(row, 'met when released');
  for (const record of appended) {
    if (quarantine.has(formatDot(record))) continue;
    const rows = rowsOf(decodeChange(record.text));
    for (const row of rows) {
      if (record.origin === own) now.set(row.path, row);
      else meet(row, 'met in a page');
    }
  }
  for (const row of before.remembered.values()) {
    if (isLeftToPeer(row, before)) continue;
    const [standing, stands] = [before.tree.get(row.path), areas.tree.get(row.path)];
    if (!standing || !areAtOdds(standing, row)) continue;
    // Rows are remembered until the last of them is done, and each is written again before that.
    const isWritten = stands !== standing && stands?.dot?.origin === own && stands?.contentHash === row.contentHash;
    if (isWritten) losers.push({ path: row.path, row: standing, how: 'overruled by a rejoin' });
    else if (!areas.remembered.get(row.path)) losers.push({ path: row.path, row, how: 'not written again by a rejoin' });
  }
  return losers;
}

/** True for a remembered row that the peer of the rejoin had: it comes with the snapshot, and is not looked at. */
function isLeftToPeer({ dot }: Row, { rejoin }: Before): boolean {
  if (dot === null || rejoin === undefined) return false;
  const { overlap, isShort } = JSON.parse(rejoin) as { overlap: Record<Origin, { common: Seq }>; isShort: boolean };
  return !isShort && dot.seq <= (overlap[dot.origin]?.common ?? 0);
}

/** Neither includes the other, and one of them is lost by the other's standing. */
function areAtOdds(a: Row, b: Row): boolean {
  const covers = (one: Row, other: Row) => Object.entries(other.vector).every(([author, version]) => (one.vector[author] ?? 0) >= version);
  if (covers(a, b) || covers(b, a) || order(a, b) === 0) return false;
  return isLive(a) || isLive(b) ? !(isLive(a) && isLive(b) && a.isDirectory && b.isDirectory) : false;
}

/** True if the ledger names the loser. */
export function isNamed({ conflicts }: Content, { path, row }: Loser): boolean {
  for (const { record } of conflicts.values()) {
    const { loser } = record;
    if (record.path !== path) continue;
    if (loser.path === row.path && loser.version === row.version && loser.author === row.author && loser.contentHash === row.contentHash) return true;
  }
  return false;
}
