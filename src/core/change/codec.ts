import { FilerError } from '../errors.js';
import { isOrigin, isSeq, vectorIncludes, type Vector } from '../clock/vector.js';
import { isVersion } from '../clock/version.js';
import type { Entry } from '../entry/entry.js';
import { joinPath, parsePath, type FullPath } from '../entry/path.js';
import { canonicalJson } from './canonical.js';
import { appliedWords, type Applied, type Change } from './change.js';
import { contentHash } from './digest.js';

/*
 * One change is one line of JSON, in the log, in the feed, in files. It is what `weed filer.meta.tail` prints, plus
 * `replication`, which stands last:
 *
 *   {"directory":D,"tsNs":"…","eventNotification":{"oldEntry":{…},"newEntry":{…},"newParentPath":D,…},
 *    "replication":{"origin":…,"seq":…,"hash":…,"version":…,"author":…,"vector":{…},"clusters":[…]}}
 *
 * A change that begins a run names it after its clusters, as "run". `newEntry` is canonical JSON. Since `replication` is last, the
 * local word `applied` is put in front of the closing braces when a change is sent, and cut off there when it is received: the rest of
 * the text is never rebuilt.
 */

const end = '}}';
const appliedEnd = new RegExp(`,"applied":"(?:${appliedWords.join('|')})"\\}\\}$`);

/** The text of a change as the feed sends it. */
export function withApplied(text: string, applied: Applied): string {
  return `${text.slice(0, -end.length)},"applied":"${applied}"${end}`;
}

/** The text of a change as the log keeps it. */
export function withoutApplied(text: string): string {
  return text.endsWith('"}}') ? text.replace(appliedEnd, end) : text;
}

/** Everything that goes into a change's text but is not needed to apply it. */
export interface ChangeNotes {
  /** The old entry, for readers; its content is left out. */
  oldEntry: Entry | null;
  deleteChunks: boolean;
  /** Ids of the stores the change was made in. */
  signatures: readonly string[];
}

function nameIn(path: FullPath): [directory: string, name: string] {
  const slash = path.lastIndexOf('/');
  return [slash <= 0 ? '/' : path.slice(0, slash), path.slice(slash + 1)];
}

/** Canonical JSON of a vector. Most hold their author alone. */
function vectorJson(vector: Vector): string {
  let only: string | null = null;
  for (const origin in vector) {
    if (only !== null) return canonicalJson(vector);
    only = origin;
  }
  return only !== null && isOrigin(only) ? `{"${only}":${vector[only]}}` : canonicalJson(vector);
}

/** Writes a change as one line of JSON, without line feed. */
export function encodeChange(change: Omit<Change, 'text'>, notes: ChangeNotes): string {
  const { oldPath, newPath, version } = change;
  const [directory, name] = nameIn((oldPath ?? newPath) as FullPath);
  const directoryText = JSON.stringify(directory);
  let event = '';
  if (oldPath !== null) {
    const { content: _content, ...rest } = notes.oldEntry ?? { name, isDirectory: false };
    event = `"oldEntry":${canonicalJson({ ...rest, name })},`;
  }
  if (newPath !== null) {
    const [newDirectory] = nameIn(newPath);
    event += `"newEntry":${change.newEntry},"newParentPath":${newDirectory === directory ? directoryText : JSON.stringify(newDirectory)},`;
  }
  const oldVector = change.oldVector === null ? '' : `,"oldVector":${vectorJson(change.oldVector)}`;
  const clusters = change.clusters.length === 0 ? '[]' : JSON.stringify(change.clusters);
  return (
    `{"directory":${directoryText},"tsNs":"${version}000","eventNotification":{${event}"deleteChunks":${notes.deleteChunks},` +
    `"isFromOtherCluster":${change.clusters.length > 0},"signatures":${JSON.stringify(notes.signatures)}},` +
    `"replication":{"origin":"${change.origin}","seq":${change.seq},"hash":"${change.hash}","version":${version},"author":"${change.author}",` +
    `"vector":${vectorJson(change.vector)}${oldVector},"clusters":${clusters}${change.run === '' ? '' : `,"run":"${change.run}"`}}}`
  );
}

export const invalid = (field: string, problem: string) => new FilerError('BODY_INVALID', `${field}: ${problem}`);

export type Fields = Record<string, unknown>;

/** @throws FilerError BODY_INVALID */
export function objectAt(value: unknown, field: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(field, 'must be an object');
  return value as Fields;
}

export function checkVector(value: unknown, field: string): Vector {
  const vector = objectAt(value, field);
  for (const author in vector)
    if (!isOrigin(author) || !isVersion(vector[author])) throw invalid(`${field}.${author.slice(0, 20)}`, 'must be 16 hex digits and a version');
  return vector as Vector;
}

/**
 * Checks the shape of an entry that came from outside and names the field that is wrong.
 * @throws FilerError BODY_INVALID
 */
export function checkEntry(value: unknown, field: string): Entry {
  const entry = objectAt(value, field);
  if (typeof entry.name !== 'string' || entry.name === '') throw invalid(`${field}.name`, 'must be a name');
  if (entry.isDirectory === undefined || entry.isDirectory === null) entry.isDirectory = false;
  if (typeof entry.isDirectory !== 'boolean') throw invalid(`${field}.isDirectory`, 'must be true or false');
  if (entry.attributes != null) objectAt(entry.attributes, `${field}.attributes`);
  if (entry.extended != null) {
    const extended = objectAt(entry.extended, `${field}.extended`);
    for (const key in extended) if (typeof extended[key] !== 'string') throw invalid(`${field}.extended.${key.slice(0, 40)}`, 'must be base64 text');
  }
  if (entry.chunks != null) {
    if (!Array.isArray(entry.chunks)) throw invalid(`${field}.chunks`, 'must be an array');
    entry.chunks.forEach((chunk, i) => objectAt(chunk, `${field}.chunks[${i}]`));
  }
  if (entry.content != null && typeof entry.content !== 'string') throw invalid(`${field}.content`, 'must be base64 text');
  return entry as Entry;
}

/** The path that a directory and a name make, both as they stand in a change. @throws FilerError BODY_INVALID */
export function pathAt(directory: unknown, name: unknown, field: string): FullPath {
  if (typeof directory !== 'string') throw invalid(`${field}.directory`, 'must be a path');
  if (typeof name !== 'string') throw invalid(`${field}.name`, 'must be a name');
  try {
    // Checked for the rules, compared for the form: a path has one spelling in the protocol.
    const parent = parsePath(directory);
    if (parent !== directory) throw invalid(`${field}.directory`, `"${directory.slice(0, 80)}" is not in normal form (${parent})`);
    return joinPath(parent, name);
  } catch (error) {
    throw error instanceof FilerError && error.code !== 'BODY_INVALID' ? invalid(field, error.message) : error;
  }
}

const hashPattern = /^[0-9a-f]{12}$/;

export const isChainHash = (value: unknown): value is string => typeof value === 'string' && hashPattern.test(value);

const runPattern = /^[0-9a-f]{16}$/;

export const isRunId = (value: unknown): value is string => typeof value === 'string' && runPattern.test(value);

/** True if a change goes on to others as it came, one line, with `applied` put in front of its last two braces. */
export function isOneLine(text: string, parsed: object): boolean {
  return text.endsWith(end) && !text.includes('\n') && !text.includes('\r') && Object.keys(parsed).at(-1) === 'replication';
}

/**
 * Reads one change from its text, every field checked. `field` is the name the caller gives it in messages.
 * @throws FilerError BODY_INVALID naming the field
 */
export function decodeChange(line: string, field = 'change'): Change {
  const text = withoutApplied(line);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw invalid(field, `is not JSON (${(error as Error).message})`);
  }
  const change = objectAt(parsed, field);
  const event = objectAt(change.eventNotification, `${field}.eventNotification`);
  const replication = objectAt(change.replication, `${field}.replication`);
  if (!isOneLine(text, change)) throw invalid(field, 'must be one line of JSON with replication as its last field');
  const { origin, seq, hash, version, author, clusters, run } = replication;
  if (!isOrigin(origin)) throw invalid(`${field}.replication.origin`, 'must be 16 hex digits');
  if (!isSeq(seq) || seq === 0) throw invalid(`${field}.replication.seq`, 'must be a whole number above 0');
  if (!isChainHash(hash)) throw invalid(`${field}.replication.hash`, 'must be 12 hex digits');
  if (!isVersion(version)) throw invalid(`${field}.replication.version`, 'must be microseconds since 1970, at most 2^52');
  if (!isOrigin(author)) throw invalid(`${field}.replication.author`, 'must be 16 hex digits');
  if (clusters !== undefined && !(Array.isArray(clusters) && clusters.every((c) => typeof c === 'string')))
    throw invalid(`${field}.replication.clusters`, 'must be an array of text');
  if (run !== undefined && !isRunId(run)) throw invalid(`${field}.replication.run`, 'must be 16 hex digits');
  const vectorAt = (name: 'vector' | 'oldVector'): Vector => {
    const vector = checkVector(replication[name], `${field}.replication.${name}`);
    if (!vectorIncludes(vector, author, version)) throw invalid(`${field}.replication.${name}`, 'must include the change itself');
    return vector;
  };
  const vector = vectorAt('vector');

  const hasOld = event.oldEntry != null;
  const hasNew = event.newEntry != null;
  if (!hasOld && !hasNew) throw invalid(`${field}.eventNotification`, 'must hold oldEntry, newEntry or both');
  const oldPath = hasOld ? pathAt(change.directory, objectAt(event.oldEntry, `${field}.oldEntry`).name, `${field}.oldEntry`) : null;
  let newPath: FullPath | null = null;
  let newEntry: string | null = null;
  let isDirectory = false;
  if (hasNew) {
    const entry = checkEntry(event.newEntry, `${field}.newEntry`);
    newPath = pathAt(event.newParentPath || change.directory, entry.name, `${field}.newEntry`);
    newEntry = canonicalJson(entry, `${field}.newEntry`);
    isDirectory = entry.isDirectory;
  }
  const isRename = oldPath !== null && newPath !== null && oldPath !== newPath;
  const oldVector = isRename ? vectorAt('oldVector') : null;
  return {
    origin,
    seq,
    hash,
    version,
    author,
    oldPath,
    newPath,
    newEntry,
    isDirectory,
    contentHash: newEntry === null ? '' : contentHash(newEntry),
    vector,
    oldVector,
    clusters: (clusters as string[] | undefined) ?? [],
    run: run ?? '',
    text,
  };
}
