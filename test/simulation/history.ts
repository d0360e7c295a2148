import { decodeChange } from '../../src/core/change/codec.js';
import { rowsOf, type Change } from '../../src/core/change/change.js';
import { compareStates, isLive, type Row } from '../../src/core/change/row.js';
import { digestOf } from '../../src/core/change/digest.js';
import { formatPosition, type Dot, type Origin, type Position, type Seq } from '../../src/core/clock/vector.js';
import { childPath, root, type FullPath } from '../../src/core/entry/path.js';
import { identityFromMeta } from '../../src/core/store/identity.js';
import { MemoryDisk, MemoryStore } from '../../src/core/store/memory/memory-store.js';
import type { SimFiler } from './sim-filer.js';

/** An invariant of DESIGN §3 does not hold. */
export class Violation extends Error {
  constructor(
    readonly invariant: string,
    message: string,
  ) {
    super(`${invariant} ${message}`);
  }
}

const key = (origin: Origin, seq: Seq) => `${origin}:${seq}`;

interface Seen {
  content: MemoryDisk['content'];
  index: number;
  /** Per origin, the last seq met in this log. */
  seqs: Map<Origin, Seq>;
  /** What was checked already: origins and how far. */
  checked: Map<Origin, Seq>;
}

/** Everything that was ever written and acknowledged, and whether the stores are true to it. */
export class History {
  readonly changes = new Map<string, Change>();
  /** Per origin: acknowledged up to here. */
  readonly acknowledged = new Map<Origin, Seq>();
  /** Acknowledged changes whose last holder was wiped or rolled back. */
  readonly lost = new Set<string>();
  readonly #seen = new Map<SimFiler, Seen>();
  readonly #digests = new Map<string, string>();

  /** A client was told that this change, and so everything before it in that log, is durable. */
  acknowledge(filer: SimFiler, { origin, seq }: Dot): void {
    this.acknowledged.set(origin, Math.max(seq, this.acknowledged.get(origin) ?? 0));
    this.#collect(filer, this.#seenOf(filer));
  }

  /** The stores are about to lose what only `filer` holds beyond `kept`. */
  losing(filer: SimFiler, all: readonly SimFiler[], kept: Position): void {
    const others = all.filter((other) => other !== filer).map((other) => positionOn(other.disk));
    for (const [origin, upto] of this.acknowledged) {
      for (let seq = 1; seq <= upto; seq++) {
        const isHeld = [kept, ...others].some((position) => (position.get(origin) ?? 0) >= seq);
        if (!isHeld) this.lost.add(key(origin, seq));
      }
    }
  }

  /** I2, I4, I5, I6 on what has changed; `deep` checks everything, and I1 and I8 too. */
  async check(filer: SimFiler, deep: boolean): Promise<void> {
    const { disk } = filer;
    const { content } = disk;
    const seen = this.#seenOf(filer);
    this.#collect(filer, seen);
    const identity = identityFromMeta(content.meta);
    if (identity === null) return;
    for (const { origin, seq } of content.origins.values()) {
      const from = deep ? 0 : Math.min(seen.checked.get(origin) ?? 0, seq);
      for (let at = from + 1; at <= seq; at++) this.#included(filer, origin, at);
      seen.checked.set(origin, seq);
    }
    const digest = digestOf(content.buckets);
    if (identity.phase === 'ready') {
      const position = formatPosition(new Map([...positionOn(disk)].filter(([, seq]) => seq > 0)));
      const before = this.#digests.get(position);
      if (before !== undefined && before !== digest) throw new Violation('I2', `${filer.name}: another digest at position ${position}`);
      this.#digests.set(position, digest);
    }
    if (!deep) return;
    const reader = new MemoryStore(peek(disk));
    const recount = await reader.recount();
    if (digestOf(recount.buckets) !== digest) throw new Violation('I2', `${filer.name}: the kept digest is not that of the rows`);
    if (JSON.stringify([...recount.children].sort()) !== JSON.stringify([...content.children.counts].sort()))
      throw new Violation('I8', `${filer.name}: counts of children differ from the rows`);
    await this.#reachable(filer, reader);
    const own = this.acknowledged.get(identity.origin) ?? 0;
    const has = content.origins.get(identity.origin)?.seq ?? 0;
    if (has < own && !this.lost.has(key(identity.origin, own)))
      throw new Violation('I1', `${filer.name}: acknowledged ${identity.origin}:${own}, but has only ${has}`);
  }

  /** I13: at the end every acknowledged change stands or is beaten by a greater one. */
  final(position: Position, filer: SimFiler): void {
    for (const [origin, upto] of this.acknowledged) {
      for (let seq = 1; seq <= upto; seq++) {
        if ((position.get(origin) ?? 0) >= seq || this.lost.has(key(origin, seq))) continue;
        const change = this.changes.get(key(origin, seq));
        if (!change) throw new Violation('I13', `acknowledged ${origin}:${seq} was never seen in a log`);
        // Given up with its origin and written again: the content must stand under a greater version, or have been deleted by one.
        for (const row of rowsOf(change))
          if (isLive(row) && !this.#isBeaten(row) && !this.#stands(filer, row))
            throw new Violation('I13', `${origin}:${seq} ${row.path} was acknowledged and is gone`);
      }
    }
  }

  /** True if somebody wrote something greater at the same path. */
  #isBeaten(row: Row): boolean {
    for (const change of this.changes.values()) for (const other of rowsOf(change)) if (other.path === row.path && compareStates(other, row) > 0) return true;
    return false;
  }

  #seenOf(filer: SimFiler): Seen {
    const { content } = filer.disk;
    let seen = this.#seen.get(filer);
    if (!seen || seen.content !== content || content.head < seen.index) {
      seen = { content, index: content.log[0] ? content.log[0].index - 1 : content.head, seqs: new Map(), checked: new Map() };
      this.#seen.set(filer, seen);
    }
    return seen;
  }

  #stands(filer: SimFiler, row: Row): boolean {
    const standing = filer.disk.content.areas.tree.get(row.path);
    return standing !== undefined && compareStates(standing, row) >= 0;
  }

  #collect(filer: SimFiler, seen: Seen): void {
    const { log } = filer.disk.content;
    let low = 0;
    let high = log.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((log[middle]?.index ?? 0) <= seen.index) low = middle + 1;
      else high = middle;
    }
    for (const record of log.slice(low)) {
      const last = seen.seqs.get(record.origin);
      if (last !== undefined && record.seq !== last + 1 && record.seq !== filer.disk.content.origins.get(record.origin)?.first)
        throw new Violation('I5', `${filer.name}: ${record.origin}:${record.seq} follows ${last}`);
      seen.seqs.set(record.origin, record.seq);
      seen.index = record.index;
      const known = this.changes.get(key(record.origin, record.seq));
      if (known === undefined) this.changes.set(key(record.origin, record.seq), decodeChange(record.text));
      else if (known.text !== record.text) throw new Violation('I10', `${filer.name}: two changes ${record.origin}:${record.seq}`);
    }
  }

  #included(filer: SimFiler, origin: Origin, seq: Seq): void {
    const change = this.changes.get(key(origin, seq));
    if (!change) throw new Violation('I4', `${filer.name}: position covers ${origin}:${seq}, which nobody wrote`);
    for (const row of rowsOf(change)) {
      const standing = filer.disk.content.areas.tree.get(row.path);
      if (standing === undefined || compareStates(standing, row) < 0) {
        const revived = standing !== undefined && isLive(standing) && !isLive(row);
        throw new Violation(
          revived ? 'I6' : 'I4',
          `${filer.name}: knows ${origin}:${seq} ${row.path}@${row.version}${isLive(row) ? '' : ' deleted'}, but has ${standing ? `${standing.version}${isLive(standing) ? '' : ' deleted'}` : 'nothing'}`,
        );
      }
    }
  }

  async #reachable(filer: SimFiler, reader: MemoryStore): Promise<void> {
    const shown = new Set<FullPath>();
    const stack: FullPath[] = [root];
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      const { names } = await reader.list(at, { after: '', limit: 1_000_000, bytesMax: 1e9 });
      for (const listed of names) {
        const path = childPath(at, listed.name);
        shown.add(path);
        if (listed.children > 0 || (isLive(listed.row) && listed.row.isDirectory)) stack.push(path);
      }
    }
    for (const row of filer.disk.content.areas.tree.values())
      if (isLive(row) && !shown.has(row.path)) throw new Violation('I8', `${filer.name}: ${row.path} is live but not listed from the root`);
  }
}

/** The disk's content, to look at beside the process that has it open. */
function peek(disk: MemoryDisk): MemoryDisk {
  const view = new MemoryDisk();
  view.content = disk.content;
  return view;
}

export function positionOn(disk: MemoryDisk): Position {
  return new Map([...disk.content.origins.values()].map(({ origin, seq }) => [origin, seq]));
}
