import { contentHash, entryDigest } from '../../src/core/change/digest.js';
import type { Row } from '../../src/core/change/row.js';
import type { Origin } from '../../src/core/clock/vector.js';
import { nameOf, type FullPath } from '../../src/core/entry/path.js';
import type { ConflictRecord, LogRecord, OriginState, QuarantineRecord, Run } from '../../src/core/store/store.js';

/* Values as a store is given them, whole but for what a test names. */

export const alpha: Origin = 'a000000000000000';
export const beta: Origin = 'b000000000000000';

export const path = (text: string): FullPath => text as FullPath;

/** A live row of a file whose entry is `entry`, or a small one. */
export function rowOf(at: string, fields: Partial<Row> = {}): Row {
  const version = fields.version ?? 1_763_763_267_123_456;
  const author = fields.author ?? alpha;
  const entry = fields.entry === undefined ? `{"isDirectory":${fields.isDirectory ?? false},"name":${JSON.stringify(nameOf(path(at)))}}` : fields.entry;
  const hash = entry === null ? '' : contentHash(entry);
  return {
    path: path(at),
    entry,
    isDirectory: false,
    version,
    author,
    vector: { [author]: version },
    dot: { origin: alpha, seq: 1 },
    contentHash: hash,
    h: entry === null ? 0 : entryDigest(path(at), version, author, hash),
    ...fields,
  };
}

export const tombstoneOf = (at: string, fields: Partial<Row> = {}): Row => rowOf(at, { ...fields, entry: null });

export function recordOf(index: number, fields: Partial<LogRecord> = {}): LogRecord {
  return {
    index,
    origin: alpha,
    seq: index,
    version: 1_763_763_267_000_000 + index,
    hash: `${index}`.padStart(12, '0'),
    applied: 'won',
    text: `{"change":${index}}`,
    ...fields,
  };
}

/** Runs that begin at these places. */
export const runsOf = (...seqs: number[]): Run[] => seqs.map((seq) => ({ seq, hash: seq.toString(16).padStart(12, '0') }));

export function originOf(origin: Origin, fields: Partial<OriginState> = {}): OriginState {
  return { origin, seq: 0, hash: '000000000000', version: 0, first: 1, firstHash: '000000000000', firstVersion: 0, runs: [], ...fields };
}

export function conflictOf(at: string, fields: Partial<ConflictRecord> = {}): ConflictRecord {
  // Seen at another time it is another conflict.
  const loser = rowOf(at, { version: 1_763_763_267_123_456 + (fields.seenAt ?? 0) });
  return {
    path: loser.path,
    type: 'update/update',
    winner: { dot: { origin: beta, seq: 3 }, version: 2 ** 52, author: beta, deleted: false },
    loser,
    seenAt: 1_763_763_268_000_000,
    seenBy: alpha,
    ...fields,
  };
}

/** What waits in the quarantine under `alpha:seq`. */
export function quarantinedOf(seq: number, fields: Partial<QuarantineRecord> = {}): QuarantineRecord {
  return {
    dot: { origin: alpha, seq },
    place: seq,
    version: 1_763_763_267_000_000 + seq,
    paths: [path(`/p${seq}`)],
    text: `{"change":${seq}}`,
    refusal: { code: 'BODY_INVALID', error: 'a rule' },
    waitsFor: null,
    since: 1_763_763_268_000_000,
    attempts: 0,
    ...fields,
  };
}
