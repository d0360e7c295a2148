import type { Dot } from '../clock/vector.js';
import { isOrigin, isSeq } from '../clock/vector.js';
import { isVersion, type Version } from '../clock/version.js';
import { sizeOf } from '../entry/entry.js';
import { joinPath, parsePath, type FullPath } from '../entry/path.js';
import { FilerError, isFailure } from '../errors.js';
import { operationOf, type Operation, type RefusedChange } from './change.js';
import { checkEntry, withoutApplied } from './codec.js';
import { readRefused } from './refused.js';

/* What a reader of a feed needs of a change's text, without the cost of decoding it whole as codec.ts does to apply it. */

/** Which change it is, and its version; 0 if it names none that is valid, as a refused one may. */
export interface Stamp extends Dot {
  readonly version: Version;
}

const stampPattern = /"replication":\{"origin":"([0-9a-f]{16})","seq":(\d{1,16}),"hash":"[0-9a-f]{12}","version":(\d{1,16})[,}]/y;

/** @throws FilerError BODY_INVALID */
export function stampOf(text: string): Stamp {
  // As codec.ts writes it: `replication` stands last, and in a JSON string its quotes would be escaped.
  stampPattern.lastIndex = Math.max(0, text.lastIndexOf('"replication":{'));
  const match = stampPattern.exec(text);
  const { origin, seq, version } = match ? { origin: match[1], seq: Number(match[2]), version: Number(match[3]) } : (parseChange(text).replication ?? {});
  if (!isOrigin(origin) || !isSeq(seq)) throw invalid(text);
  return { origin, seq, version: isVersion(version) ? version : 0 };
}

/** A change as one line of a listing tells it. */
export interface ChangeSummary {
  readonly version: Version;
  /** REFUSED: it breaks a rule, and only what could be read of it is told. */
  readonly operation: Operation | 'REFUSED';
  readonly oldPath: FullPath | null;
  readonly newPath: FullPath | null;
  readonly isDirectory: boolean;
  /** Bytes and chunks of the new entry, for a delete of the old one; null if nothing is known of it. */
  readonly size: number | null;
  readonly chunks: number | null;
}

/** @throws FilerError BODY_INVALID if it is no change at all */
export function summarize(text: string): ChangeSummary {
  const change = readOrRefuse(text);
  if ('refusal' in change) {
    const [oldPath = null, newPath = null] = change.paths;
    return { version: change.version, operation: 'REFUSED', oldPath, newPath, isDirectory: false, size: null, chunks: null };
  }
  const { oldPath, newPath, oldEntry, newEntry, version } = change;
  const entry = newEntry ?? oldEntry;
  const known = entry && (entry.attributes ?? entry.content ?? entry.chunks) !== undefined ? entry : null;
  return {
    version,
    operation: operationOf({ oldPath, newPath }),
    oldPath,
    newPath,
    isDirectory: entry?.isDirectory ?? false,
    size: known && sizeOf(known),
    chunks: known && (known.chunks?.length ?? 0),
  };
}

/** The paths of a change: one, or a rename's two; of a refused one those that can be read. @throws FilerError BODY_INVALID if it is no change at all */
export function pathsOf(text: string): readonly FullPath[] {
  const change = readOrRefuse(text);
  if ('refusal' in change) return change.paths;
  const { oldPath, newPath } = change;
  return [...new Set([oldPath, newPath])].filter((path) => path !== null);
}

/** What is told of a change; of one that breaks a rule what can be read. */
function readOrRefuse(text: string): ReturnType<typeof readChange> | RefusedChange {
  try {
    return readChange(text);
  } catch (error) {
    const refused = readRefused(withoutApplied(text), isFailure(error) ? error : invalid(text));
    if (refused === null) throw error;
    return refused;
  }
}

interface Parsed {
  readonly directory?: unknown;
  readonly tsNs?: unknown;
  readonly eventNotification?: { readonly oldEntry?: unknown; readonly newEntry?: unknown; readonly newParentPath?: unknown } | null;
  readonly replication?: { readonly origin?: unknown; readonly seq?: unknown; readonly version?: unknown } | null;
}

function readChange(text: string) {
  const { directory, tsNs, eventNotification, replication } = parseChange(text);
  const { oldEntry: before, newEntry: after, newParentPath } = eventNotification ?? {};
  const oldEntry = (before ?? null) === null ? null : checkEntry(before, 'oldEntry');
  const newEntry = (after ?? null) === null ? null : checkEntry(after, 'newEntry');
  const newDirectory = newParentPath || directory;
  // Cut as text: nanoseconds are more than a number holds.
  const version = replication?.version ?? Number(String(tsNs).slice(0, -3));
  if (typeof directory !== 'string' || typeof newDirectory !== 'string' || (oldEntry === null && newEntry === null) || !isVersion(version)) throw invalid(text);
  const oldPath = oldEntry && joinPath(parsePath(directory), oldEntry.name);
  const newPath = newEntry && joinPath(parsePath(newDirectory), newEntry.name);
  return { oldPath, newPath, oldEntry, newEntry, version };
}

function parseChange(text: string): Parsed {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw invalid(text);
  }
  if (typeof parsed !== 'object' || parsed === null) throw invalid(text);
  return parsed;
}

function invalid(text: string): FilerError {
  return new FilerError('BODY_INVALID', `"${text.slice(0, 80)}" is not a change`);
}
