import { isLive, type Row } from '../../../src/core/change/row.js';
import { formatDot, vectorIncludes } from '../../../src/core/clock/vector.js';
import type { Entry } from '../../../src/core/entry/entry.js';
import { isReserved, type FullPath } from '../../../src/core/entry/path.js';
import type { MemoryDisk } from '../../../src/core/store/memory/memory-store.js';
import type { Written } from '../chains.js';
import { fingerprint, order } from '../model.js';
import type { SimFiler } from '../sim-filer.js';
import { Violation } from '../violation.js';
import type { SimCluster } from './sim-cluster.js';

/** What became of every acknowledged write, wherever it was made: in all clusters together nothing may be lost that one of them still has. */
export class Accounts {
  /** States that nobody has any more: the last store that had them was wiped, or put back. */
  readonly #gone = new Set<Row>();

  constructor(private readonly clusters: readonly SimCluster[]) {}

  /** A store has lost something. */
  lost(): void {
    const disks = this.clusters.flatMap(({ filers }) => filers.map(({ disk }) => disk));
    for (const { row } of this.#acknowledged()) if (!this.#gone.has(row) && !disks.some((disk) => holds(disk, row))) this.#gone.add(row);
  }

  /**
   * Once all is the same: what was acknowledged stands, or something greater does; and what was deleted is not back, unless a cluster may have forgotten.
   * @throws Violation I13, I6
   */
  final(mayForget: boolean): void {
    const greatest = new Map<FullPath, Row>();
    for (const { rows } of this.#written()) for (const row of rows) if (isGreater(row, greatest.get(row.path))) greatest.set(row.path, row);
    for (const { cluster, change, row } of this.#acknowledged()) {
      const [first] = cluster.filers as [SimFiler];
      // The tombstone was dropped.
      if (!isLive(row) && (mayForget || !isLive(first.disk.content.areas.tree.get(row.path)))) continue;
      if (this.#gone.has(row) || holds(first.disk, row) || isGreater(greatest.get(row.path) as Row, row)) continue;
      throw new Violation('I13', `"${fingerprint(row)}" was acknowledged as ${formatDot(change)} in ${cluster.name} and is gone, though it was somewhere`);
    }
    if (!mayForget) this.#revived();
  }

  /** A content that was deleted or overwritten by somebody who had seen it does not stand again, unless it was moved. */
  #revived(): void {
    const first = new Map<string, Row | null>();
    for (const { rows } of this.#written()) {
      for (const row of rows) {
        const content = contentOf(row);
        if (content === null) continue;
        const known = first.get(content);
        if (known === undefined || (known !== null && known.path === row.path && row.version < known.version)) first.set(content, row);
        else if (known !== null && known.path !== row.path) first.set(content, null);
      }
    }
    const homes = new Map(this.clusters.flatMap((cluster) => [...cluster.history.chains.all()].map(({ origin }) => [origin, cluster])));
    const acknowledged = [...this.#acknowledged()];
    for (const { filers } of this.clusters) {
      for (const standing of filers[0]?.disk.content.areas.tree.values() ?? []) {
        const content = contentOf(standing);
        const put = content === null ? null : first.get(content);
        if (!put || put.version === standing.version) continue;
        // It came where tombstones of its time were forgotten, and was written anew there (DESIGN: Importing): that is newer than what was on its way to overrule it.
        if (homes.get(standing.author) !== homes.get(put.author)) continue;
        const over = acknowledged.find(
          ({ row }) => row.path === put.path && contentOf(row) !== content && !this.#gone.has(row) && vectorIncludes(row.vector, put.author, put.version),
        );
        if (over) throw new Violation('I6', `"${fingerprint(standing)}" is back, which "${fingerprint(over.row)}" had seen and overruled`);
      }
    }
  }

  *#written(): Iterable<Written> {
    for (const { history } of this.clusters) yield* history.chains.all();
  }

  *#acknowledged(): Iterable<{ cluster: SimCluster; change: Written; row: Row }> {
    for (const cluster of this.clusters)
      for (const change of cluster.history.acknowledged) for (const row of change.rows) if (!isReserved(row.path)) yield { cluster, change, row };
  }
}

/** True if a store has a state, or one that overruled it. */
function holds({ content }: MemoryDisk, row: Row): boolean {
  const { tree, staging, remembered } = content.areas;
  for (const area of [tree, staging, remembered]) {
    const standing = area.get(row.path);
    if (standing !== undefined && (order(standing, row) >= 0 || vectorIncludes(standing.vector, row.author, row.version))) return true;
  }
  return false;
}

const isGreater = (row: Row, than: Row | undefined): boolean => than === undefined || order(row, than) > 0;

/** The content of a file; null for all else. */
function contentOf(row: Row): string | null {
  return isLive(row) && !row.isDirectory ? ((JSON.parse(row.entry) as Entry).content ?? null) : null;
}
