import { isRefused, pathsOf } from '../change/change.js';
import type { ReceiveChange } from '../change/refused.js';
import type { Dot } from '../clock/vector.js';
import type { QuarantineRecord } from '../store/store.js';
import type { Draft } from './draft.js';
import { HeldPaths } from './quarantine.js';

/** What became of the quarantine when it was gone through. */
export interface Released {
  /** In the tree now. */
  readonly applied: readonly Dot[];
  /** Tried, and refused again. */
  readonly refused: readonly Dot[];
}

/**
 * Goes through the quarantine in the order of coming: tries those again that `chosen` names, and lets go what waits for nothing any more.
 * Does not flush.
 */
export async function releaseQuarantined(draft: Draft, receive: ReceiveChange, chosen: (record: QuarantineRecord) => boolean): Promise<Released> {
  const { quarantine } = draft;
  const records = [...quarantine.records.values()];
  const changes = records.map((record) => (record.refusal === null || chosen(record) ? receive(record.text) : null));
  await draft.load(changes.flatMap((change) => (change === null ? [] : pathsOf(change))));
  const held = new HeldPaths();
  const applied: Dot[] = [];
  const refused: Dot[] = [];
  for (const [i, record] of records.entries()) {
    const change = changes[i] ?? null;
    const attempts = record.attempts + (chosen(record) ? 1 : 0);
    let kept: QuarantineRecord = record;
    if (change !== null && isRefused(change)) {
      refused.push(record.dot);
      // It may be refused for another reason now, and more of it may be readable.
      kept = { ...record, paths: change.paths, refusal: change.refusal, waitsFor: null, attempts };
    } else if (change !== null) {
      const waitsFor = held.holder(pathsOf(change));
      if (waitsFor === null) {
        draft.join(change);
        quarantine.drop(record.dot);
        applied.push(record.dot);
        continue;
      }
      kept = { ...record, paths: pathsOf(change), refusal: null, waitsFor, attempts };
    }
    held.add(kept);
    if (kept !== record) quarantine.set(kept);
  }
  return { applied, refused };
}
