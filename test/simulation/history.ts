import { rowsOf } from '../../src/core/change/change.js';
import { decodeChange } from '../../src/core/change/codec.js';
import { isLive, type Row } from '../../src/core/change/row.js';
import { formatDot, formatPosition, vectorIncludes, type Dot, type Origin, type Position, type Seq } from '../../src/core/clock/vector.js';
import { childPath, root, type FullPath } from '../../src/core/entry/path.js';
import { isCheckpoint } from '../../src/core/log/checkpoints.js';
import { closingPath } from '../../src/core/log/closed.js';
import { partedMeta } from '../../src/core/log/log-state.js';
import { identityFromMeta } from '../../src/core/store/identity.js';
import { MemoryDisk, MemoryStore } from '../../src/core/store/memory/memory-store.js';
import type { LogRecord } from '../../src/core/store/store.js';
import { between, Chains, includedIn, type Tips, type Written } from './chains.js';
import { beforeOf, isAsBefore, isNamed, losersOf, type Before, type Loser } from './ledger.js';
import { fingerprint, isAlike, Model, order } from './model.js';
import type { SimFiler } from './sim-filer.js';
import { Violation } from './violation.js';

/** What is known of one filer's disk. */
interface Seen {
  content: MemoryDisk['content'];
  /** The last feed index looked at. */
  index: number;
  /** Per origin, the last seq after the last commit. */
  seqs: Map<Origin, Seq>;
  /** What `model` includes, but for `aside`. */
  tips: Tips;
  /** Quarantined changes. */
  aside: Set<Written>;
  /** Those of them that its program refuses, under origins without branches. */
  readonly unread: Set<Written>;
  model: Model;
  /** The last change of its own that a client was told of. */
  own: Dot | null;
  /** By path: the last two rows found alike, as they stood and as they must be. Rows never change, so the same two are alike again. */
  alike: Map<FullPath, readonly [Row, Row]>;
  /** The tree after the last commit. */
  rows: readonly Row[];
  /** The tree that a rejoin has emptied; null if none is under way. */
  emptied: readonly Row[] | null;
  phase: string | undefined;
  /** The store as the last commit left it. */
  before: Before;
  /** What its ledger must name. */
  losers: Loser[];
  /** True once something was committed to it. */
  isWritten: boolean;
  /** True if something was committed since the last check. */
  isStale: boolean;
}

/** Everything that was ever written and acknowledged, and whether the stores are true to it. */
export class History {
  readonly chains = new Chains();
  /** A client was told that these are durable. */
  readonly #acknowledged = new Set<Written>();
  /** Acknowledged changes whose last holder was wiped or rolled back. */
  readonly #lost = new Set<Written>();
  /** By filer and dot: the change it wrote last under it. */
  readonly #own = new Map<string, Written>();
  /** The first violation found between two checks. */
  violation: unknown = null;
  /** Changes that a filer's program refused, and gave up or may have given up: with a branch of their origin, or with its own when it rejoined. */
  readonly #refused = new Set<Written>();
  /** True once an operator has let a rejoin go on without what its peer had. */
  #hasForced = false;
  /** The greatest version of any tombstone that anybody has dropped. */
  #floor = 0;
  /** By path: the greatest state ever written. */
  readonly #greatest = new Model();
  /** By path: every deletion. */
  readonly #deletions = new Map<FullPath, Row[]>();
  readonly #seen = new WeakMap<SimFiler, Seen>();
  /** By position: the sums a digest is the hash of, empty ones left out. */
  readonly #sums = new Map<string, string>();

  constructor(private readonly count: (name: string) => void) {}

  /** What a client was told to be durable, and what comes before it in the same log. */
  get acknowledged(): Iterable<Written> {
    return this.#acknowledged;
  }

  /** A client was told that this change, and so everything before it in that log, is durable. */
  acknowledge(filer: SimFiler, dot: Dot): void {
    // Not its own if what was asked for had been done by another filer already.
    const tip = this.chains.tipsOf(filer.disk.content, filer.name).get(dot.origin);
    const change = this.#own.get(ownKey(filer, dot)) ?? between(undefined, tip)?.find(({ seq }) => seq === dot.seq);
    if (!change) throw new Violation('I1', `${filer.name}: acknowledged ${formatDot(dot)}, which is in no log`);
    for (let at: Written | null = change; at !== null && !this.#acknowledged.has(at); at = at.previous) this.#acknowledged.add(at);
    const seen = this.#seenOf(filer);
    if (seen.own?.origin !== dot.origin || seen.own.seq < dot.seq) seen.own = dot;
  }

  /** A transaction of this filer is durable. Whatever the process does next, its tree must be true to its position now. */
  committed(filer: SimFiler): void {
    try {
      const seen = this.#seenOf(filer);
      const appended = this.#collect(filer, seen);
      if (seen.isWritten && appended.length === 0 && isAsBefore(seen.before, filer.disk.content)) return;
      seen.isStale = true;
      // Of a disk that is new here nobody saw what its first transaction found, and the whole of its log is new.
      if (seen.isWritten) {
        this.#ledger(filer, seen, appended);
        this.#mustHaveSeen(filer, seen.before, appended);
      }
      seen.isWritten = true;
      this.#compare(filer, seen);
      this.#rejoined(filer, seen);
      seen.before = beforeOf(filer.disk.content);
      seen.rows = [...filer.disk.content.areas.tree.values()];
      seen.phase = filer.disk.content.meta.get('phase');
      for (const { origin, seq } of filer.disk.content.origins.values()) seen.seqs.set(origin, seq);
    } catch (error) {
      this.violation ??= error;
    }
  }

  /** The stores are about to lose what only `filer` holds, but for what `kept` has. */
  losing(filer: SimFiler, all: readonly SimFiler[], kept: MemoryDisk | null): void {
    const { content } = filer.disk;
    // What a rejoin remembers is not in the position, nor is what was given up with a branch and not written again yet.
    const [remembered] = content.areas.remembered.values();
    const holdsMore = remembered !== undefined || content.meta.has(partedMeta);
    const held = includedIn(this.chains.tipsOf(content, filer.name));
    const others = all.filter((other) => other !== filer).map(({ disk }) => disk);
    const safe = new Set([...others, ...(kept ? [kept] : [])].flatMap((disk) => [...includedIn(this.chains.tipsOf(disk.content, 'another'))]));
    // A deletion that a rejoin has brought into another log stands in no position any more under its own dot.
    const isKept = (row: Row) => !isLive(row) && [...others, ...(kept ? [kept] : [])].some((disk) => keeps(disk, row));
    for (const change of this.#acknowledged) {
      if (safe.has(change) || change.rows.some(isKept)) continue;
      if (holdsMore || held.has(change) || change.rows.some((row) => !isLive(row) && keeps(filer.disk, row))) this.#lost.add(change);
    }
  }

  /** I1, I2 and I8 where something was committed; I4, I5 and I6 are looked at after every commit. */
  async check(filer: SimFiler): Promise<void> {
    if (this.violation) throw this.violation;
    const seen = this.#seenOf(filer);
    const { content } = filer.disk;
    const identity = identityFromMeta(content.meta);
    if (identity === null || !seen.isStale) return;
    seen.isStale = false;
    this.#compare(filer, seen);
    const reader = new MemoryStore(peek(filer.disk));
    const recount = await reader.recount();
    if (recount.buckets.some((sum, bucket) => sum !== content.buckets[bucket]))
      throw new Violation('I2', `${filer.name}: the kept digest is not that of the rows`);
    const counts = content.meta.get('counts');
    if (counts !== undefined && counts !== JSON.stringify(recount.counts))
      throw new Violation('I2', `${filer.name}: counts ${counts} are kept, ${JSON.stringify(recount.counts)} are there`);
    const kept = content.children.counts;
    if (kept.size !== recount.children.size || [...kept].some(([path, count]) => recount.children.get(path) !== count))
      throw new Violation('I8', `${filer.name}: counts of children differ from the rows`);
    // Undotted rows are in no position, and quarantined changes not in the tree.
    if (identity.phase === 'ready' && !content.meta.has(partedMeta) && content.quarantine.size === 0) {
      const position = [...seen.tips.values()]
        .map(({ origin, seq, hash }) => `${origin}:${seq}:${hash}`)
        .sort()
        .join('~');
      const sums = content.buckets.flatMap((sum, bucket) => (sum === 0 ? [] : [`${bucket}=${sum}`])).join();
      const before = this.#sums.get(position);
      if (before !== undefined && before !== sums) throw new Violation('I2', `${filer.name}: another digest at position ${position}`);
      this.#sums.set(position, sums);
    }
    await this.#reachable(filer, reader);
    const has = content.origins.get(identity.origin)?.seq ?? 0;
    if (seen.own?.origin === identity.origin && has < seen.own.seq)
      throw new Violation('I1', `${filer.name}: acknowledged ${formatDot(seen.own)}, but has only ${has}`);
  }

  /** I13: at the end every acknowledged write stands or is beaten by a greater one. */
  final(filer: SimFiler): void {
    const greatest = this.#greatest;
    const included = includedIn(this.chains.tipsOf(filer.disk.content, filer.name));
    for (const change of this.#acknowledged) {
      if (included.has(change) || this.#lost.has(change) || this.#refused.has(change)) continue;
      // Given up, with its origin or with a branch of it, and written again, under a greater version.
      this.count(this.chains.hasParted(change.origin) ? 'acknowledged change given up with a branch' : 'acknowledged change given up with its origin');
      for (const row of change.rows) {
        if (isCheckpoint(row.path) || this.#mayBeForgotten(row, change.origin)) continue;
        if (order(greatest.rows.get(row.path) as Row, row) > 0) continue;
        // It was forgotten, and whoever knew that by his position was lost, or had emptied his store for one who was.
        if (this.#hasForced && !isLive(row) && row.version <= this.#floor) continue;
        const standing = filer.disk.content.areas.tree.get(row.path);
        if (isLive(row) && (standing === undefined || order(standing, row) < 0))
          throw new Violation('I13', `${formatDot(change)} ${row.path} was acknowledged and is gone`);
        if (!isLive(row) && isLive(standing) && vectorIncludes(row.vector, standing.author, standing.version))
          throw new Violation('I6', `${formatDot(change)} deleted ${row.path}, was acknowledged, and is undone`);
      }
    }
  }

  /** What the ledger was to name is still there. */
  ledgers(filers: readonly SimFiler[]): void {
    for (const filer of filers) {
      const { content, losers } = this.#seenOf(filer);
      for (const loser of losers)
        if (!isNamed(content, loser)) throw new Violation('ledger', `${filer.name}: the entry that named "${fingerprint(loser.row)}" is gone`);
    }
  }

  #seenOf(filer: SimFiler): Seen {
    const { content } = filer.disk;
    let seen = this.#seen.get(filer);
    if (!seen || seen.content !== content || content.head < seen.index) {
      const index = content.log[0] ? content.log[0].index - 1 : content.head;
      const [rows, phase] = [[...content.areas.tree.values()], content.meta.get('phase')];
      seen = {
        content,
        index,
        seqs: new Map(),
        tips: new Map(),
        aside: new Set(),
        unread: new Set(),
        model: new Model(),
        own: null,
        alike: new Map(),
        rows,
        emptied: null,
        phase,
        before: beforeOf(content),
        losers: [],
        isWritten: false,
        isStale: true,
      };
      this.#seen.set(filer, seen);
    }
    return seen;
  }

  /** Takes up what is new in the log; I5, I10. */
  #collect(filer: SimFiler, seen: Seen): readonly LogRecord[] {
    const { log, origins } = filer.disk.content;
    let start = log.length;
    while (start > 0 && (log[start - 1] as LogRecord).index > seen.index) start -= 1;
    const appended = log.slice(start);
    for (const record of appended) {
      const last = seen.seqs.get(record.origin);
      if (last !== undefined && record.seq !== last + 1 && record.seq !== origins.get(record.origin)?.first)
        throw new Violation('I5', `${filer.name}: ${record.origin}:${record.seq} follows ${last}`);
      seen.seqs.set(record.origin, record.seq);
      seen.index = record.index;
      const { change, isNew } = this.chains.add(record, filer.name);
      if (record.origin === filer.disk.content.meta.get('origin')) this.#own.set(ownKey(filer, record), change);
      if (!isNew) continue;
      for (const row of change.rows) {
        this.#greatest.add(row);
        if (!isLive(row)) this.#deletions.set(row.path, [...(this.#deletions.get(row.path) ?? []), row]);
      }
    }
    return appended;
  }

  /** Of two concurrent states that meet, the one that is overruled stands in the ledger of the filer where they met. */
  #ledger(filer: SimFiler, seen: Seen, appended: readonly LogRecord[]): void {
    const { content } = filer.disk;
    for (const loser of losersOf(seen.before, content, appended, content.meta.get('origin'))) {
      this.count(`conflict ${loser.how}`);
      if (!isNamed(content, loser)) throw new Violation('ledger', `${filer.name}: "${fingerprint(loser.row)}" was ${loser.how}, and no entry names it`);
      seen.losers.push(loser);
    }
  }

  /** A store that is being filled writes nothing of its own, but what a rejoin writes again: it has not seen yet what it would write over. */
  #mustHaveSeen({ name, disk }: SimFiler, { phase, taken }: Before, appended: readonly LogRecord[]): void {
    if (phase === undefined || phase === 'ready' || (phase === 'rejoining' && taken !== undefined)) return;
    const own = appended.find(({ origin }) => origin === disk.content.meta.get('origin'));
    if (own) throw new Violation('phase', `${name}: wrote ${formatDot(own)} while it was ${phase}`);
  }

  /** I4 and I6: what the position covers is in the tree; and in a store that serves, nothing else is. */
  #compare(filer: SimFiler, seen: Seen): void {
    const { content } = filer.disk;
    const tips = this.chains.tipsOf(content, filer.name);
    const position = positionOn(filer.disk);
    const wentOn = [...seen.tips].every(([origin, tip]) => between(tip, tips.get(origin)) !== null);
    if (!wentOn) {
      seen.tips = new Map();
      seen.aside = new Set();
      seen.model = new Model();
    }
    for (const [origin, tip] of tips) for (const change of between(seen.tips.get(origin), tip) ?? []) seen.aside.add(change);
    // Of what is new and what was quarantined, all that is not quarantined now has its effect.
    for (const change of seen.aside) {
      const waiting = content.quarantine.get(formatDot(change));
      if (waiting?.refusal) (this.chains.isDoubtful(change.origin) ? this.#refused : seen.unread).add(change);
      if (waiting) continue;
      seen.aside.delete(change);
      seen.unread.delete(change);
      for (const row of change.rows) seen.model.add(row);
    }
    seen.tips = tips;
    const held = new Set([...seen.aside].flatMap(({ rows }) => rows.map((row) => row.path)));
    const { tree } = content.areas;
    const floor = Number(content.meta.get('floor') ?? 0);
    this.#floor = Math.max(this.#floor, floor);
    const isReady = content.meta.get('phase') === 'ready';
    for (const expected of seen.model.rows.values()) {
      const standing = tree.get(expected.path);
      const before = seen.alike.get(expected.path);
      if (before !== undefined && before[0] === standing && before[1] === expected) continue;
      if (standing !== undefined && isAlike(standing, expected, this.chains.ambiguous.has(expected.path) || held.has(expected.path) ? null : this.#floor)) {
        seen.alike.set(expected.path, [standing, expected]);
        continue;
      }
      // Dropped, or never taken over: everybody who may still write has seen it.
      if (!isLive(standing) && !isLive(expected) && expected.version <= floor) continue;
      if (standing === undefined && this.#wentWithBranch(expected, floor)) continue;
      const isBehind = standing === undefined || order(standing, expected) < 0;
      // Of a branch that was given up, and to be written again; or of a change that is quarantined here, which a later page of a snapshot held.
      if (!isBehind && standing.dot !== null && content.quarantine.has(formatDot(standing.dot))) continue;
      if (standing?.dot === null) continue;
      if (!isBehind && !isReady) continue;
      const isRevived = isLive(standing) && !isLive(expected);
      // Of a filer that was closed while it was away, and that has filled another one since: what was deleted meanwhile is forgotten (docs/protocol.md).
      if (isRevived && standing.dot !== null && isClosedIn(content, standing.dot.origin) && expected.version <= floor) {
        this.count('what a closed filer has handed on, and what had deleted it was forgotten');
        continue;
      }
      throw new Violation(
        isRevived ? 'I6' : isBehind ? 'I4' : 'I2',
        `${filer.name} at ${formatPosition(position)}: must have "${fingerprint(expected)}", has ${standing ? `"${fingerprint(standing)}"` : 'nothing'}`,
      );
    }
    if (!isReady) return;
    for (const row of tree.values())
      if (row.dot !== null && !content.quarantine.has(formatDot(row.dot)) && !seen.model.rows.has(row.path))
        throw new Violation('I2', `${filer.name} at ${formatPosition(position)}: nobody wrote "${fingerprint(row)}"`);
  }

  /** True if who gave it up cannot know whether others had it, deleted it and forgot that: then it is left out, and stands in the ledger. */
  #mayBeForgotten({ version }: Row, origin: Origin): boolean {
    return this.chains.isDoubtful(origin) && version <= this.#floor;
  }

  /** True if what deleted a row here is in no position any more, and its tombstone had been dropped before its branch was given up: the deletion stays. */
  #wentWithBranch(row: Row, floor: number): boolean {
    const deletions = this.#deletions.get(row.path) ?? [];
    return deletions.some((one) => one.dot !== null && this.chains.isDoubtful(one.dot.origin) && one.version <= floor && order(one, row) > 0);
  }

  /** I13 and I6 of one filer: once it has rejoined, everything it had stands, is beaten, or was a deletion of something else. */
  #rejoined(filer: SimFiler, seen: Seen): void {
    const phase = filer.disk.content.meta.get('phase');
    if (phase === 'rejoining' && seen.phase !== 'rejoining') {
      seen.emptied = withoutWaiting(seen.rows, seen.before);
      for (const change of seen.unread) this.#refused.add(change);
      seen.unread.clear();
    }
    if (phase !== 'ready' || seen.emptied === null) return;
    if (filer.force) this.#hasForced = true;
    const { areas, quarantine } = filer.disk.content;
    for (const row of seen.emptied) {
      const standing = areas.tree.get(row.path);
      // Another lineage has not seen what it tells of.
      if (isCheckpoint(row.path)) continue;
      // Came back with the snapshot as a change that this filer's program refuses, though an older one has written it: it stands aside.
      if (row.dot !== null && quarantine.has(formatDot(row.dot))) continue;
      if (standing !== undefined && order(standing, row) >= 0) continue;
      const isLeftOut = row.dot !== null && this.#mayBeForgotten(row, row.dot.origin);
      if (isLeftOut && (!isLive(row) || isNamed(filer.disk.content, { path: row.path, row, how: 'left out by a rejoin' }))) continue;
      // It was deleted since, and the tombstone was dropped.
      const isForgotten = (deletion: Row) => deletion.version <= this.#floor && order(deletion, row) >= 0;
      if (!isLive(standing) && this.#deletions.get(row.path)?.some(isForgotten)) continue;
      if (!isLive(row) && (!isLive(standing) || !vectorIncludes(row.vector, standing.author, standing.version))) continue;
      throw new Violation(isLive(row) ? 'I13' : 'I6', `${filer.name} has rejoined and lost "${fingerprint(row)}"`);
    }
    seen.emptied = null;
  }

  /** I8: every live row is listed from the root, a hidden file's name too. */
  async #reachable(filer: SimFiler, reader: MemoryStore): Promise<void> {
    const shown = new Set<FullPath>();
    const stack: FullPath[] = [root];
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      const { names } = await reader.list(at, { after: '', limit: 1_000_000, bytesMax: 1e9 });
      for (const { name, row, children } of names) {
        const path = childPath(at, name);
        shown.add(path);
        if (children > 0 && !isLive(row)) this.count('implied directory');
        if (children > 0 && isLive(row) && !row.isDirectory) this.count('hidden file');
        if (children > 0 || (isLive(row) && row.isDirectory)) stack.push(path);
      }
    }
    for (const row of filer.disk.content.areas.tree.values())
      if (isLive(row) && !shown.has(row.path)) throw new Violation('I8', `${filer.name}: ${row.path} is live but not listed from the root`);
  }
}

/** True if a store that is no part of a snapshot holds this very deletion. */
function keeps({ content }: MemoryDisk, row: Row): boolean {
  const isWhole = content.meta.get('phase') === 'ready';
  const held = [content.areas.remembered.get(row.path), isWhole ? content.areas.tree.get(row.path) : undefined];
  return held.some((one) => one !== undefined && !isLive(one) && one.version === row.version && one.author === row.author);
}

/** Without what a deletion that only waited in the quarantine was to delete: a rejoin remembers that one as well. */
function withoutWaiting(rows: readonly Row[], { quarantine }: Before): readonly Row[] {
  const good = [...quarantine.values()].filter(({ refusal }) => refusal === null);
  const deletions = good.flatMap(({ text }) => rowsOf(decodeChange(text))).filter((row) => !isLive(row));
  const isDeletedBy = (row: Row, one: Row) => one.path === row.path && order(one, row) > 0 && vectorIncludes(one.vector, row.author, row.version);
  return rows.filter((row) => !deletions.some((one) => isDeletedBy(row, one)));
}

const isClosedIn = (content: MemoryDisk['content'], origin: Origin) => isLive(content.areas.tree.get(closingPath(origin)));

const ownKey = (filer: SimFiler, dot: Dot) => `${filer.name} ${formatDot(dot)}`;

/** The disk's content, to look at beside the process that has it open. */
function peek(disk: MemoryDisk): MemoryDisk {
  const view = new MemoryDisk();
  view.content = disk.content;
  return view;
}

export function positionOn(disk: MemoryDisk): Position {
  return new Map([...disk.content.origins.values()].map(({ origin, seq }) => [origin, seq]));
}
