/**
 * One file or directory as it travels: the field names and types are those of SeaweedFS's protobuf JSON. 64-bit integers are
 * decimal strings, bytes are base64, empty fields are left out. Unknown fields are kept as they came.
 */
export interface Entry {
  name: string;
  isDirectory: boolean;
  attributes?: Attributes;
  /** Extended attributes: name to base64. */
  extended?: Record<string, string>;
  /** References to content kept elsewhere. kelp carries them, it never follows them. */
  chunks?: Chunk[];
  /** Inline content, base64. */
  content?: string;
  [field: string]: unknown;
}

export interface Attributes {
  /** Bytes. */
  fileSize?: string;
  /** Seconds since 1970; the fraction is in `mtimeNs`. */
  mtime?: string;
  mtimeNs?: number;
  /** Seconds since 1970; kept over updates. */
  crtime?: string;
  crtimeNs?: number;
  /** Go's mode bits: directory is 0x80000000. */
  fileMode?: number;
  uid?: number;
  gid?: number;
  mime?: string;
  /** Seconds an entry lives after crtime; 0 = for ever. */
  ttlSec?: number;
  userName?: string;
  groupName?: string[];
  symlinkTarget?: string;
  /** MD5 of the content, base64. */
  md5?: string;
  [field: string]: unknown;
}

export interface Chunk {
  fileId?: string;
  /** Bytes. */
  offset?: string;
  /** Bytes. */
  size?: string;
  modifiedTsNs?: string;
  eTag?: string;
  [field: string]: unknown;
}

/** Go's directory bit. */
export const directoryBit = 0x80000000;
export const fileModeDefault = 0o660;

/** Mode of a directory that is made because a child needs it: the file's, with search permission. */
export function parentMode(mode: number): number {
  return (directoryBit | mode | 0o111) >>> 0;
}

/** Bytes of a file: what is inline, what the chunks reach to, what the attributes say, whichever is most. */
export function sizeOf(entry: Entry): number {
  const inline = entry.content ? Math.floor((entry.content.length * 3) / 4) - (entry.content.endsWith('==') ? 2 : entry.content.endsWith('=') ? 1 : 0) : 0;
  const chunks = (entry.chunks ?? []).reduce((end, chunk) => Math.max(end, Number(chunk.offset ?? 0) + Number(chunk.size ?? 0)), 0);
  return Math.max(inline, chunks, Number(entry.attributes?.fileSize ?? 0));
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === '' || value === 0 || value === '0' || value === false) return true;
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

/** The entry under `name` and without empty fields, as a writer puts it into a change: equal entries then have equal content hashes. */
export function withoutEmpty(entry: Entry, name = entry.name): Entry {
  const kept: Record<string, unknown> = {};
  // In the order of the canonical form, which then needs no copy of its own.
  for (const field of inOrder(Object.keys(entry))) {
    if (field === 'name') kept.name = name;
    else if (field === 'isDirectory') kept.isDirectory = entry.isDirectory;
    else {
      const value = field === 'attributes' ? attributesWithoutEmpty(entry.attributes ?? {}) : entry[field];
      if (!isEmpty(value)) keep(kept, field, value);
    }
  }
  return kept as Entry;
}

function attributesWithoutEmpty(attributes: Attributes): Attributes {
  const kept: Record<string, unknown> = {};
  for (const name of inOrder(Object.keys(attributes))) {
    const value = attributes[name];
    if (!isEmpty(value)) keep(kept, name, value);
  }
  return kept;
}

/** Sorts what is not in order: most writers make it so. */
function inOrder(names: string[]): string[] {
  for (let i = 1; i < names.length; i++) if ((names[i] as string) < (names[i - 1] as string)) return names.sort();
  return names;
}

/** Sets a field whatever its name is: an assignment to "__proto__" would set none. */
function keep(fields: Record<string, unknown>, name: string, value: unknown): void {
  if (name === '__proto__') Object.defineProperty(fields, name, { value, enumerable: true, configurable: true, writable: true });
  else fields[name] = value;
}
