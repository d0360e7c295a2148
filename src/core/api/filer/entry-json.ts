import { directoryBit, fileModeDefault, parentMode, sizeOf, type Attributes, type Entry } from '../../entry/entry.js';
import type { Found } from '../../namespace/shown.js';
import type { ChunkJson, EntryJson } from './protocol.js';

/** What `?metadata=true` and listings say of one path. An implied directory has default attributes. */
export function entryToJson(found: Found): EntryJson {
  const entry: Entry = found.entry ?? { name: '', isDirectory: true, attributes: { fileMode: parentMode(fileModeDefault) } };
  const { attributes = {}, chunks, extended } = entry;
  const mtime = timeText(attributes.mtime, attributes.mtimeNs);
  const mode = attributes.fileMode ?? 0;
  return {
    FullPath: found.path,
    Mtime: mtime,
    Crtime: timeText(attributes.crtime, attributes.crtimeNs),
    Ctime: otherTime(attributes, 'ctime', mtime),
    Atime: otherTime(attributes, 'atime', mtime),
    Mode: found.isDirectory ? (mode | directoryBit) >>> 0 : mode,
    Uid: attributes.uid ?? 0,
    Gid: attributes.gid ?? 0,
    Mime: attributes.mime ?? '',
    TtlSec: attributes.ttlSec ?? 0,
    UserName: attributes.userName ?? '',
    GroupNames: attributes.groupName ?? null,
    SymlinkTarget: attributes.symlinkTarget ?? '',
    Md5: attributes.md5 ?? null,
    FileSize: sizeOf(entry),
    Rdev: Number(attributes['rdev'] ?? 0),
    Inode: integer(attributes['inode']),
    Extended: extended ?? null,
    ...(chunks?.length ? { chunks: chunks.map((chunk) => inProtobufNames(chunk) as ChunkJson) } : {}),
    HardLinkId: (entry['hardLinkId'] as string | undefined) ?? null,
    HardLinkCounter: Number(entry['hardLinkCounter'] ?? 0),
    Content: entry.content ?? null,
    Remote: entry['remoteEntry'] ?? null,
    Quota: integer(entry['quota']),
    WORMEnforcedAtTsNs: integer(entry['wormEnforcedAtTsNs']),
  };
}

/** Milliseconds JavaScript's dates reach from 1970 in either direction. */
const dateMsMax = 8.64e15;

/** RFC 3339 with as many digits below the second as are not zero. A time nobody could mean is 1970. */
function timeText(seconds: unknown = 0, nanos: unknown = 0): string {
  const ms = Number(seconds) * 1000;
  const whole = new Date(Math.abs(ms) <= dateMsMax ? ms : 0).toISOString().slice(0, -'.000Z'.length);
  const digits = String(nanos).padStart(9, '0').replace(/0+$/, '');
  return digits === '' ? `${whole}Z` : `${whole}.${digits}Z`;
}

/** Ctime or Atime; entries that lack it mean their Mtime. */
function otherTime(attributes: Attributes, name: 'ctime' | 'atime', mtime: string): string {
  return attributes[name] === undefined ? mtime : timeText(attributes[name], attributes[`${name}Ns`]);
}

/** A 64-bit integer that came as text: a number if that is exact. */
function integer(value: unknown = 0): number | string {
  return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
}

/** Chunk fields that protobuf JSON writes as text though they are integers. */
const integers = new Set(['offset', 'size', 'modified_ts_ns', 'file_key']);

/** `modifiedTsNs` becomes `modified_ts_ns`, inner messages likewise. */
function inProtobufNames(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      const name = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      return [name, integers.has(name) ? integer(inner) : inProtobufNames(inner)];
    }),
  );
}
