import { isRefused, pathsOf, rowsOf, type Applied, type Change, type ReceivedChange } from '../change/change.js';
import { isLive, joinRows, type Row } from '../change/row.js';
import type { Origin } from '../clock/vector.js';
import type { Version } from '../clock/version.js';
import type { FullPath } from '../entry/path.js';
import type { ConflictRecord } from '../store/store.js';
import type { Accounting } from './accounting.js';
import type { QuarantineDraft } from './quarantine.js';
import type { DraftSteps } from './recent-steps.js';
import type { TreeDraft } from './tree-draft.js';

export interface JoinsParts {
  readonly tree: TreeDraft;
  readonly quarantine: QuarantineDraft;
  readonly steps: DraftSteps;
  readonly accounting: Accounting;
  /** The wall clock when the transaction began. */
  readonly now: Version;
  /** This store's own origin. */
  readonly by: () => Origin;
}

/** How one transaction joins states into its tree; what they overrule goes to the ledger. The paths must be loaded. */
export class Joins {
  #conflicts: ConflictRecord[] = [];
  /** Conflicts taken for the ledger so far. */
  noted = 0;

  constructor(private readonly parts: JoinsParts) {}

  /** Joins a change if it is good and nothing holds its paths, else puts it aside. @throws FilerError QUARANTINE_FULL */
  joinOrQuarantine(change: ReceivedChange): Applied {
    const { quarantine, now } = this.parts;
    if (isRefused(change)) quarantine.add(change, null, now);
    else {
      const waitsFor = quarantine.records.size === 0 ? null : quarantine.holder(pathsOf(change));
      if (waitsFor === null) return this.join(change);
      quarantine.add(change, waitsFor, now);
    }
    return 'quarantined';
  }

  /** Joins the states a change brings, path by path. */
  join(change: Change): Applied {
    const incoming = rowsOf(change, this.parts.accounting.entryDigest);
    let won = 0;
    const isRename = incoming.length === 2;
    for (const row of incoming) if (this.joinRow(row, isRename)) won += 1;
    return won === incoming.length ? 'won' : won === 0 ? 'lost' : 'partly';
  }

  /** Joins one state. Returns true if it stands. */
  joinRow(incoming: Row, isRename: boolean): boolean {
    const { tree, steps, accounting, now } = this.parts;
    const local = tree.row(incoming.path);
    const by = this.parts.by();
    steps.meet(local, incoming);
    const conflict = accounting.overruled(local, incoming, isRename, now, by);
    if (conflict) this.#conflicts.push(conflict);
    const joined = joinRows(local, incoming);
    if (joined !== local) this.setRow(incoming.path, joined);
    const won = joined.version === incoming.version && joined.author === incoming.author && joined.contentHash === incoming.contentHash;
    if (won && joined !== local) {
      const below = isLive(joined)
        ? accounting.childOfDeleted(joined, (path) => tree.row(path), now, by)
        : tree.children(joined.path) > 0
          ? accounting.deletedAboveLive(joined, local, now, by)
          : null;
      if (below) this.#conflicts.push(below);
    }
    return won;
  }

  /** Replaces a row as it is, null drops it. */
  setRow(path: FullPath, row: Row | null): void {
    this.parts.steps.move();
    this.parts.tree.set(path, row);
  }

  /** Puts a state that lost into the ledger. */
  note(conflict: ConflictRecord): void {
    this.#conflicts.push(conflict);
  }

  /** What is to be written to the ledger since this was last asked for. */
  takeConflicts(): readonly ConflictRecord[] {
    const conflicts = this.#conflicts;
    this.noted += conflicts.length;
    this.#conflicts = [];
    return conflicts;
  }
}
