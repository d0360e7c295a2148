import { isOrigin, isSeq } from '../clock/vector.js';
import { isVersion } from '../clock/version.js';
import { joinPath, parsePath, type FullPath } from '../entry/path.js';
import { isFailure, type FilerError } from '../errors.js';
import { canonicalJson } from './canonical.js';
import type { ReceivedChange, RefusedChange } from './change.js';
import { decodeChange, isChainHash, isOneLine, isRunId, withoutApplied } from './codec.js';
import { contentHash, type ChainLink } from './digest.js';

/*
 * A change has an envelope and a content. The envelope is what its place in the log needs: one line of JSON with `replication` last, and
 * in that origin, seq and hash. Without it nothing can be said of the change, and the stream stops. With it, a content that breaks a rule
 * is refused: the log goes on, and the change waits in the quarantine.
 */

/** Reads a peer's change from its text, and decides whether it is refused. @throws FilerError BODY_INVALID if its envelope cannot be read */
export type ReceiveChange = (line: string, field?: string) => ReceivedChange;

/**
 * Reads one change that a peer has sent, as decodeChange does; one that is refused comes back as such.
 * @throws FilerError BODY_INVALID if its envelope cannot be read
 */
export function receiveChange(line: string, field = 'change'): ReceivedChange {
  try {
    return decodeChange(line, field);
  } catch (error) {
    const refused = isFailure(error) ? readRefused(withoutApplied(line), error) : null;
    if (refused === null) throw error;
    return refused;
  }
}

type Fields = Readonly<Record<string, unknown>>;

const objectOf = (value: unknown): Fields | null => (typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : null);

/** What can be read of a change, as the log keeps it, that was refused for `error`; null if its envelope cannot. */
export function readRefused(text: string, error: FilerError): RefusedChange | null {
  const change = objectOf(parsed(text));
  const replication = objectOf(change?.replication);
  if (change === null || replication === null || !isOneLine(text, change)) return null;
  const { origin, seq, hash, version, author } = replication;
  const { run = '' } = replication;
  if (!isOrigin(origin) || !isSeq(seq) || seq === 0 || !isChainHash(hash)) return null;
  const event = objectOf(change.eventNotification) ?? {};
  const oldEntry = objectOf(event.oldEntry);
  const newEntry = objectOf(event.newEntry);
  const oldPath = oldEntry && pathFrom(change.directory, oldEntry.name);
  const newPath = newEntry && pathFrom(event.newParentPath || change.directory, newEntry.name);
  const content = newEntry && contentOf(newEntry);
  // All of it, or a good change would be taken for one of another log.
  const isWhole = [oldPath, newPath].every((path) => path === null || path.isExact) && (oldEntry ?? newEntry) !== null;
  const isRead = (event.oldEntry ?? null) === oldEntry && (event.newEntry ?? null) === newEntry && (newEntry === null) === (content === null);
  const link: ChainLink | null =
    isWhole && isRead && isVersion(version) && isOrigin(author) && (run === '' || isRunId(run))
      ? { seq, version, author, oldPath: oldPath?.path ?? null, newPath: newPath?.path ?? null, contentHash: content ?? '', run }
      : null;
  return {
    origin,
    seq,
    hash,
    version: isVersion(version) ? version : 0,
    paths: [...new Set([oldPath, newPath].flatMap((path) => path?.path ?? []))],
    run: isRunId(run) ? run : '',
    link,
    text,
    refusal: { code: error.code, error: error.message },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** A path as far as it can be read; exact = it stands there in the one spelling a path has. */
interface ReadPath {
  readonly path: FullPath | null;
  readonly isExact: boolean;
}

function pathFrom(directory: unknown, name: unknown): ReadPath {
  try {
    const parent = parsePath(String(directory));
    return { path: joinPath(parent, String(name)), isExact: parent === directory && typeof name === 'string' };
  } catch {
    return { path: null, isExact: false };
  }
}

/** The content hash of an entry whose fields may be wrong; null if it cannot be made. */
function contentOf(entry: Fields): string | null {
  try {
    return contentHash(canonicalJson({ ...entry, isDirectory: entry.isDirectory ?? false }));
  } catch {
    return null;
  }
}
