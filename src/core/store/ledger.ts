import { canonicalJson } from '../change/canonical.js';
import { contentHash } from '../change/digest.js';
import { limits } from '../config/limits.js';
import type { ConflictRecord } from './store.js';

/** How much of the conflict ledger is kept; beyond it the oldest records make room. */
export interface LedgerLimits {
  readonly perPath: number;
  /** Bytes of text. */
  readonly bytesMax: number;
  /** Records seen longer than this before the newest go with the next one that comes, milliseconds. */
  readonly retentionMs: number;
}

export const ledgerLimits: LedgerLimits = { perPath: limits.conflictsPerPath, bytesMax: limits.conflictBytes, retentionMs: limits.conflictRetentionMs };

/** Records seen before this are too old, microseconds since 1970; `records` are those that come now. */
export function oldestKept(records: readonly ConflictRecord[], { retentionMs }: LedgerLimits): number {
  return Math.max(...records.map(({ seenAt }) => seenAt)) - retentionMs * 1000;
}

/** A record as it is kept. One conflict has one key whenever it is seen, so that one that is met again is kept once, as it was first seen. */
export interface LedgerLine {
  readonly key: string;
  readonly text: string;
  readonly bytes: number;
}

/** Names a record for good. */
export const conflictId = (record: ConflictRecord): string => ledgerLine(record).key;

export function ledgerLine(record: ConflictRecord): LedgerLine {
  const text = canonicalJson(record);
  return { key: contentHash(canonicalJson({ ...record, seenAt: 0 })), text, bytes: Buffer.byteLength(text) };
}
