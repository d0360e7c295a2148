import { decodeChange } from '../../../src/core/change/codec.js';
import { rowsOf } from '../../../src/core/change/change.js';
import { isLive, type Row } from '../../../src/core/change/row.js';
import { formatPosition, vectorIncludes, type Dot, type Origin, type Seq } from '../../../src/core/clock/vector.js';
import { isReserved } from '../../../src/core/entry/path.js';
import { checkpointPath, checkpointValue } from '../../../src/core/log/checkpoints.js';
import type { MemoryDisk } from '../../../src/core/store/memory/memory-store.js';
import { linkName, parseLinkState, type LinkState } from '../../../src/core/sync/link.js';
import { isInScope, mapPath, type Scope } from '../../../src/core/sync/scope.js';
import { fingerprint } from '../model.js';
import type { SimFiler } from '../sim-filer.js';
import { Violation } from '../violation.js';
import { isAtLeast } from './across.js';
import type { SimCluster } from './sim-cluster.js';

/** One link, by the places of its clusters. */
export interface Link {
  readonly source: SimCluster;
  readonly target: SimCluster;
  readonly scope: Scope;
}

/** What is known of one filer's disk. */
interface Seen {
  readonly content: MemoryDisk['content'];
  /** The last feed index looked at. */
  index: number;
  /** By link: its checkpoint as it was looked at, and how far it was, by origin. */
  readonly checkpoints: Map<string, { value: string; readonly upto: Map<Origin, Seq> }>;
}

/** What crosses between clusters, looked at after every commit: a change is written once in a log, and no checkpoint is ahead of what is there. */
export class Crossings {
  /** The first violation found between two checks. */
  violation: unknown = null;
  /** True once a link was too far behind the log of its source: then nothing is deleted that was deleted meanwhile. */
  isExpired = false;
  /** True once that may happen: a store was lost, or put back. Who is filled by a snapshot has no log before it. */
  mayExpire = false;
  readonly #seen = new WeakMap<SimFiler, Seen>();
  /** Links that have begun. */
  readonly #begun = new Set<string>();
  /** States as they stand in the log of one origin. */
  readonly #written = new Set<string>();

  constructor(
    private readonly links: () => readonly Link[],
    private readonly count: (name: string) => void,
  ) {}

  /** The log of a source no longer reaches back to a link. */
  expired(): void {
    this.count('link expired');
    this.isExpired = true;
    if (!this.mayExpire) this.violation ??= new Violation('I14', 'a log has not waited for its link');
  }

  /** A transaction of this filer is durable. */
  committed(cluster: SimCluster, filer: SimFiler): void {
    try {
      const { content } = filer.disk;
      let seen = this.#seen.get(filer);
      if (seen?.content !== content) seen = { content, index: content.head, checkpoints: new Map() };
      this.#seen.set(filer, seen);
      if (content.head === seen.index && seen.checkpoints.size > 0) return;
      this.#once(filer, seen);
      if (content.meta.get('phase') === 'ready') this.#checkpoints(cluster, filer, seen);
    } catch (error) {
      this.violation ??= error;
    }
  }

  /** I11: a state is in the log of an origin once. */
  #once({ name, disk }: SimFiler, seen: Seen): void {
    const { log, meta, head } = disk.content;
    const own = meta.get('origin');
    for (let at = log.length - 1; at >= 0; at--) {
      const record = log[at] as (typeof log)[number];
      if (record.index <= seen.index) break;
      if (record.origin !== own) continue;
      for (const row of rowsOf(decodeChange(record.text))) {
        const state = `${own} ${row.path} ${row.version} ${row.author} ${isLive(row)}`;
        if (this.#written.has(state)) throw new Violation('I11', `${name} has written "${fingerprint(row)}" a second time`);
        this.#written.add(state);
      }
    }
    seen.index = head;
  }

  /** Everything up to a checkpoint is in the cluster that holds it. */
  #checkpoints(cluster: SimCluster, filer: SimFiler, seen: Seen): void {
    for (const { source, target, scope } of this.links()) {
      if (target !== cluster || source.master.clusterId === null || target.master.clusterId === null) continue;
      const link = linkName({ source: source.master.clusterId, target: target.master.clusterId, scope });
      const value = checkpointValue(filer.disk.content.areas.tree.get(checkpointPath(link)) ?? null);
      const known = seen.checkpoints.get(link);
      if (value === null || value === known?.value) continue;
      // What was deleted and forgotten before it began, it does not know of.
      if (!this.#begun.has(link)) this.isExpired ||= source.filers.some(({ disk }) => Number(disk.content.meta.get('floor') ?? 0) > 0);
      this.#begun.add(link);
      const state = parseLinkState(value);
      const upto = known?.upto ?? new Map<Origin, Seq>();
      if (state.phase === 'feed' && !this.isExpired) this.#reached({ source, target, scope }, filer, state, upto);
      seen.checkpoints.set(link, { value, upto });
    }
  }

  #reached({ source, target, scope }: Link, filer: SimFiler, { position, refused }: LinkState, upto: Map<Origin, Seq>): void {
    for (const [origin, seq] of position) {
      const since = upto.get(origin) ?? 0;
      for (let at: Dot | null | undefined = source.history.chains.find({ origin, seq }); at && at.seq > since; at = source.history.chains.find(at)?.previous) {
        for (const row of source.history.chains.find(at)?.rows ?? []) {
          if (isReserved(row.path) || !isInScope(scope, row.path) || refused.length > 0) continue;
          if (target.filers.some(({ disk }) => isThere(disk, scope, row)) || source.filers.some(({ disk }) => isForgotten(disk, row))) continue;
          throw new Violation('checkpoint', `${filer.name} is told to be at ${formatPosition(position)} of ${source.name}, and lacks "${fingerprint(row)}"`);
        }
      }
      upto.set(origin, Math.max(since, seq));
    }
  }
}

/** True if a store includes a state of the source: it stands there, or was overruled, or deleted and forgotten. */
function isThere({ content }: MemoryDisk, scope: Scope, row: Row): boolean {
  const path = mapPath(scope, row.path);
  if (path === null) return true;
  const standing = content.areas.tree.get(path);
  if (!isLive(row) && (!scope.deletes || !isLive(standing))) return true;
  if (standing !== undefined && (isAtLeast(standing, row) || vectorIncludes(standing.vector, row.author, row.version))) return true;
  return isForgotten({ content }, row);
}

/** True if it may have been deleted, and the tombstone dropped. */
function isForgotten({ content }: Pick<MemoryDisk, 'content'>, row: Row): boolean {
  return row.version <= Number(content.meta.get('floor') ?? 0);
}
