import { identityFromMeta } from '../../src/core/store/identity.js';
import { isEmptyPosition, type Position } from '../../src/core/clock/vector.js';
import { partedMeta } from '../../src/core/log/log-state.js';
import { parseSnapshotProgress, type SnapshotProgress } from '../../src/core/replication/snapshot-progress.js';
import { positionOn } from './history.js';
import type { SimFiler } from './sim-filer.js';

/** What must have happened in many long histories, or that they hold says less than it seems to. */
export const essential = {
  cluster: [
    'acknowledged change given up with a branch',
    'acknowledged change given up with its origin',
    'a peer answered ORIGIN_CLOSED',
    "branch given up, another's",
    'branch given up, its own',
    'branch written again',
    'change quarantined',
    'conflict met in a page',
    'conflict met in a snapshot',
    'conflict met when released',
    'conflict not written again by a rejoin',
    'conflict overruled by a rejoin',
    'conflict recorded',
    'expired file deleted',
    'feed read answered LOG_TRIMMED',
    'killed after a commit',
    'killed before a commit',
    'log trimmed',
    'master came back empty',
    'no master was left',
    'page relayed for others',
    'page that came twice',
    'quarantine let go',
    'rejoin: copy',
    'rejoin: met another lineage',
    'rejoin: restored',
    'snapshot in place',
    'snapshot resumed after a crash, in place',
    'snapshot resumed after a crash, staged',
    'snapshot staged',
    'store rolled back unnoticed',
    'tombstones collected',
  ],
  clusters: [
    'a sync was answered LOG_TRIMMED',
    'conflict recorded',
    'did homeLoss',
    'did killSync',
    'expired file deleted',
    'import: applied',
    'import: conflicting',
    'import: superseded',
    'link expired',
    'log trimmed',
    'tombstones collected',
  ],
} as const;

interface Seen {
  origin: string;
  epoch: string;
  phase: string;
  /** The progress of a snapshot as it stands in the store. */
  text: string | undefined;
  progress: SnapshotProgress | null;
  /** The process that moved it last. */
  generation: number;
  conflicts: number;
  floor: number;
  /** Index of the first record of the log. */
  first: number;
  /** Whom it gave up a branch to. */
  partedFrom: string | undefined;
  quarantined: number;
  /** By origin. */
  position: Position;
}

/**
 * How often what matters has happened: read off what the filers commit, so that it needs no word from the core. A history that
 * holds proves nothing of what never happened in it.
 */
export class Coverage {
  readonly counts: Record<string, number> = {};
  readonly #seen = new WeakMap<SimFiler, Seen>();

  readonly count = (name: string): void => {
    this.counts[name] = (this.counts[name] ?? 0) + 1;
  };

  /** Looks at what a transaction of this filer has changed. */
  committed(filer: SimFiler): void {
    const { meta, conflicts, quarantine } = filer.disk.content;
    const identity = identityFromMeta(meta);
    if (identity === null) return;
    const text = meta.get('bootstrap');
    const before = this.#seen.get(filer);
    const { origin, epoch, phase, floor } = identity;
    const first = filer.disk.content.log[0]?.index ?? filer.disk.content.head + 1;
    const moved = text !== before?.text;
    const progress = text === undefined ? null : moved ? parseSnapshotProgress(text) : (before?.progress ?? null);
    const generation = moved || !before ? filer.generation : before.generation;
    const partedFrom = meta.get(partedMeta);
    const position = positionOn(filer.disk);
    this.#seen.set(filer, {
      origin,
      epoch,
      phase,
      text,
      progress,
      generation,
      conflicts: conflicts.size,
      floor,
      first,
      partedFrom,
      position,
      quarantined: quarantine.size,
    });
    if (!before) return;
    if (quarantine.size > before.quarantined) this.count('change quarantined');
    if (quarantine.size < before.quarantined) this.count('quarantine let go');
    if (conflicts.size > before.conflicts) this.count('conflict recorded');
    if (origin === before.origin && epoch === before.epoch && floor > before.floor) this.count('tombstones collected');
    if (origin === before.origin && epoch === before.epoch && first > before.first) this.count('log trimmed');
    if (origin !== before.origin && phase === 'rejoining') this.count(before.phase === 'ready' ? 'rejoin: met another lineage' : `rejoin: ${filer.nature}`);
    if (phase === 'ready' && before.phase === 'ready' && before.generation === generation) {
      const isShorter = [...before.position].some(([one, seq]) => (position.get(one) ?? 0) < seq);
      if (isShorter || origin !== before.origin) this.count(`branch given up, ${origin === before.origin ? "another's" : 'its own'}`);
      if (before.partedFrom !== undefined && partedFrom === undefined) this.count('branch written again');
    }
    if (before.phase === 'rejoining' && phase === 'ready') this.count('rejoin finished');
    if (before.phase === 'ready' && phase === 'bootstrapping') this.count('ready but empty, fills itself');
    if (before.progress === null || origin !== before.origin) return;
    const area = before.progress.area === 'tree' ? 'in place' : 'staged';
    if (progress === null) {
      const isTaken = area === 'in place' ? !isEmptyPosition(positionOn(filer.disk)) : epoch !== before.epoch;
      this.count(isTaken ? `snapshot ${area}` : `snapshot abandoned, ${area}`);
    } else if (before.generation !== generation && progress.source === before.progress.source) this.count(`snapshot resumed after a crash, ${area}`);
  }
}
