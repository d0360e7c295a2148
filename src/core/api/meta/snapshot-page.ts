import { canonicalJson } from '../../change/canonical.js';
import { checkEntry, checkVector } from '../../change/codec.js';
import { contentHash, entryDigest } from '../../change/digest.js';
import type { Row } from '../../change/row.js';
import { formatDot, isOrigin, isSeq, positionToJson, type Dot, type Origin } from '../../clock/vector.js';
import { isVersion, type Version } from '../../clock/version.js';
import { joinPath, nameOf, parentOf, parsePath, type FullPath } from '../../entry/path.js';
import { FilerError, messageOf } from '../../errors.js';
import type { SnapshotPage } from '../../replication/peer.js';
import { Fields, invalidField, listOf, objectOf } from './fields.js';

/*
 * A page of a snapshot, one row a line:
 *
 *   {"position":{},"hashes":{},"versions":{},"runs":{},"floor":0,"closed":[],"quarantined":[],"aside":[],"epoch":"…","entries":[
 *   {"directory":"/a","name":"b","entry":{…},"dot":"o:7","version":…,"author":"…","vector":{…}},
 *   {"directory":"/a","name":"c","deleted":true,"dot":"o:8",…}
 *   ],"next":"opaque"|null}
 *
 * `quarantined` is each such change as one text, as it stands in the log: it could not be applied, and may not be a change that parses.
 * `aside` is the dots of those, on every page but the first. Entries are in the canonical form the store keeps, so they go out as they are. What follows from the fields (content hash,
 * digest) is not sent: the reader adds it up itself.
 */

export function encodeSnapshotPage(page: SnapshotPage): string {
  const head = JSON.stringify({
    position: positionToJson(page.position),
    hashes: sorted(page.hashes),
    versions: sorted(page.versions),
    runs: sorted(page.runs),
    floor: page.floor,
    closed: page.closed,
    quarantined: page.quarantined,
    aside: page.aside.map(formatDot),
    epoch: page.epoch,
  });
  return `${head.slice(0, -1)},"entries":[\n${page.rows.map(encodeRow).join(',\n')}\n],"next":${page.next === null ? 'null' : `"${formatAfter(page.next)}"`}}`;
}

function encodeRow(row: Row): string {
  const state = row.entry === null ? '"deleted":true' : `"entry":${row.entry}`;
  // Nobody serves a snapshot while a row is undotted.
  const dot = row.dot === null ? '' : `"dot":"${formatDot(row.dot)}",`;
  return (
    `{"directory":${JSON.stringify(parentOf(row.path))},"name":${JSON.stringify(nameOf(row.path))},${state},${dot}` +
    `"version":${row.version},"author":"${row.author}","vector":${JSON.stringify(row.vector)}}`
  );
}

function sorted<T>(map: ReadonlyMap<string, T>): Record<string, T> {
  return Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Where a page ends, as `after=` takes it: nothing a reader should look into. */
export function formatAfter(path: FullPath): string {
  return Buffer.from(path, 'utf8').toString('base64url');
}

/** Null if it is nothing that `formatAfter` made. */
export function parseAfter(text: string): FullPath | null {
  try {
    const path = parsePath(Buffer.from(text, 'base64url').toString('utf8'));
    return formatAfter(path) === text ? path : null;
  } catch {
    return null;
  }
}

// ---- reading

const isHash = (value: unknown): value is string => typeof value === 'string' && /^[0-9a-f]{12}$/.test(value);
const isVersionOrZero = (value: unknown): value is Version => value === 0 || isVersion(value);

/**
 * Reads a page that another filer sent. Every field is checked; hashes and digests are made here.
 * @throws FilerError PEER_UNREACHABLE if the page is not whole; BODY_INVALID naming the field
 */
export function decodeSnapshotPage(body: string, from: string): SnapshotPage {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch (error) {
    throw new FilerError('PEER_UNREACHABLE', `the answer of ${from} broke off in the middle of a page`, { peer: from }, { cause: error });
  }
  const page = new Fields(parsed);
  const next = page.nullable('next', (name) => {
    const path = parseAfter(page.text(name, Infinity));
    return path ?? fail('next', 'must be what the filer gave');
  });
  const decode = rowReader();
  return {
    position: page.position('position'),
    hashes: page.byOrigin('hashes', 'must be 12 hex digits', isHash),
    versions: page.byOrigin('versions', 'must be microseconds since 1970, at most 2^52', isVersionOrZero),
    runs: page.runs('runs'),
    floor: page.whole('floor'),
    closed: page.origins('closed'),
    quarantined: page.texts('quarantined'),
    aside: listOf(page.get('aside'), 'aside').map((dot, i) => dotFrom(dot, `aside[${i}]`)),
    epoch: page.hex('epoch', 8),
    rows: listOf(page.get('entries'), 'entries').map(decode),
    next,
  };
}

/** Reads rows one after another. Most are in the directory of the one before, so its check is kept. */
function rowReader(): (value: unknown, index: number) => Row {
  let checked: FullPath | null = null;
  return (value, index) => {
    const at = `entries[${index}]`;
    const row = objectOf(value, at);
    const { directory, name, version, author } = row;
    if (typeof directory !== 'string') throw invalidField(`${at}.directory`, 'must be a path');
    if (typeof name !== 'string') throw invalidField(`${at}.name`, 'must be a name');
    if (checked !== directory) checked = directoryFrom(directory, at);
    const path = pathFrom(checked, name, at);
    if (!isVersion(version)) throw invalidField(`${at}.version`, 'must be microseconds since 1970, at most 2^52');
    if (!isOrigin(author)) throw invalidField(`${at}.author`, 'must be 16 hex digits');
    const vector = checkVector(row.vector, `${at}.vector`);
    if (!((vector[author] ?? 0) >= version)) throw invalidField(`${at}.vector`, 'must include the state itself');
    const dot = dotFrom(row.dot, `${at}.dot`);
    if (row.entry === undefined) {
      if (row.deleted !== true) throw invalidField(at, 'must hold an entry or be deleted');
      return { path, entry: null, isDirectory: false, version, author, vector, dot, contentHash: '', h: 0 };
    }
    if (row.deleted !== undefined) throw invalidField(`${at}.deleted`, 'must be absent where there is an entry');
    const entry = checkEntry(row.entry, `${at}.entry`);
    if (entry.name !== name) throw invalidField(`${at}.entry.name`, 'must be the name of the row');
    const text = canonicalJson(entry);
    const hash = contentHash(text);
    return { path, entry: text, isDirectory: entry.isDirectory, version, author, vector, dot, contentHash: hash, h: entryDigest(path, version, author, hash) };
  };
}

function directoryFrom(text: string, at: string): FullPath {
  let path: FullPath;
  try {
    path = parsePath(text);
  } catch (error) {
    throw invalidField(`${at}.directory`, messageOf(error));
  }
  return path === text ? path : fail(`${at}.directory`, 'must be in normal form');
}

function pathFrom(directory: FullPath, name: string, at: string): FullPath {
  try {
    return joinPath(directory, name);
  } catch (error) {
    throw invalidField(`${at}.name`, messageOf(error));
  }
}

function fail(field: string, rule: string): never {
  throw invalidField(field, rule);
}

function dotFrom(value: unknown, field: string): Dot {
  if (typeof value === 'string' && value.charCodeAt(16) === 58 && /^\d{1,16}$/.test(value.slice(17))) {
    const origin: Origin = value.slice(0, 16);
    const seq = Number(value.slice(17));
    if (isOrigin(origin) && isSeq(seq) && seq > 0) return { origin, seq };
  }
  throw invalidField(field, 'must be origin:seq');
}
