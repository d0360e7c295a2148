import { directoryBit, type Attributes, type Chunk, type Entry } from '../../entry/entry.js';
import { FilerError } from '../../errors.js';

/*
 * The way back from what `?metadata=true` answers: the entry that is shown like this. Empty fields are left out; which fields there are is
 * said by `EntryJson`.
 */

type Values = Readonly<Record<string, unknown>>;

const invalid = (field: string, rule: string): FilerError => new FilerError('BODY_INVALID', `${field}: must be ${rule}`, { field });

/** @throws FilerError BODY_INVALID naming the field */
export function entryFromJson(body: unknown): Entry {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw invalid('the body', 'a JSON object, as GET ?metadata=true answers');
  const values = body as Values;
  const mode = whole(values, 'Mode', 2 ** 32 - 1);
  const content = base64(values, 'Content');
  const attributes: Attributes = {
    fileSize: filled(whole(values, 'FileSize'), String),
    ...time(values, 'Mtime', 'mtime'),
    ...time(values, 'Crtime', 'crtime'),
    ...otherTime(values, 'Ctime', 'ctime'),
    ...otherTime(values, 'Atime', 'atime'),
    fileMode: mode,
    uid: filled(whole(values, 'Uid', 2 ** 32 - 1)),
    gid: filled(whole(values, 'Gid', 2 ** 32 - 1)),
    mime: text(values, 'Mime'),
    ttlSec: filled(whole(values, 'TtlSec', 2 ** 31 - 1)),
    userName: text(values, 'UserName'),
    groupName: texts(values, 'GroupNames'),
    symlinkTarget: text(values, 'SymlinkTarget'),
    md5: base64(values, 'Md5'),
    rdev: filled(whole(values, 'Rdev')),
    inode: big(values, 'Inode'),
  };
  const isDirectory = mode >= directoryBit;
  return {
    name: '',
    isDirectory,
    attributes,
    extended: extended(values),
    chunks: chunks(values),
    content,
    hardLinkId: base64(values, 'HardLinkId'),
    hardLinkCounter: filled(whole(values, 'HardLinkCounter')),
    remoteEntry: values.Remote ?? undefined,
    quota: big(values, 'Quota'),
    wormEnforcedAtTsNs: big(values, 'WORMEnforcedAtTsNs'),
  };
}

function filled(value: number): number | undefined;
function filled<T>(value: number, make: (value: number) => T): T | undefined;
function filled(value: number, make: (value: number) => unknown = (same) => same): unknown {
  return value === 0 ? undefined : make(value);
}

function whole(values: Values, name: string, max: number = Number.MAX_SAFE_INTEGER): number {
  const value = values[name] ?? 0;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > max) throw invalid(name, `a whole number up to ${max}`);
  return value;
}

/** A 64-bit integer, a number or decimal text; text as entries keep it. */
function big(values: Values, name: string): string | undefined {
  const value = String(values[name] ?? 0);
  if (!/^-?\d{1,20}$/.test(value)) throw invalid(name, 'a 64-bit integer');
  return value === '0' ? undefined : value;
}

function text(values: Values, name: string): string | undefined {
  const value = values[name] ?? '';
  if (typeof value !== 'string') throw invalid(name, 'a text');
  return value || undefined;
}

function texts(values: Values, name: string): string[] | undefined {
  const value = values[name] ?? [];
  if (!Array.isArray(value) || !value.every((one) => typeof one === 'string')) throw invalid(name, 'a list of texts');
  return value.length === 0 ? undefined : value;
}

const base64Pattern = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

function base64(values: Values, name: string): string | undefined {
  const value = text(values, name);
  if (value !== undefined && !base64Pattern.test(value)) throw invalid(name, 'base64');
  return value;
}

function extended(values: Values): Record<string, string> | undefined {
  const value = values.Extended ?? {};
  if (typeof value !== 'object' || Array.isArray(value)) throw invalid('Extended', 'an object of names and base64');
  const names = Object.keys(value);
  for (const name of names) base64Of(value as Values, name);
  return names.length === 0 ? undefined : (value as Record<string, string>);
}

function base64Of(extended: Values, name: string): void {
  const value = extended[name];
  if (typeof value !== 'string' || !base64Pattern.test(value)) throw invalid(`Extended.${name.slice(0, 80)}`, 'base64');
}

const rfc3339 = /^(-?\d{4,6}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/;

/** Seconds and nanoseconds; 1970 is no time at all. */
function time(values: Values, name: string, attribute: 'mtime' | 'crtime' | 'ctime' | 'atime'): Attributes {
  const value = values[name] ?? '1970-01-01T00:00:00Z';
  const [, whole = '', fraction = ''] = rfc3339.exec(String(value)) ?? [];
  const ms = Date.parse(`${whole}Z`);
  if (Number.isNaN(ms)) throw invalid(name, 'a time such as 2026-11-22T10:00:00.5Z');
  const nanos = Number(fraction.padEnd(9, '0'));
  return { [attribute]: ms === 0 ? undefined : String(ms / 1000), [`${attribute}Ns`]: nanos || undefined };
}

/** Ctime or Atime, which need not be kept if they are the Mtime. */
function otherTime(values: Values, name: 'Ctime' | 'Atime', attribute: 'ctime' | 'atime'): Attributes {
  return values[name] === undefined || values[name] === values.Mtime ? {} : time(values, name, attribute);
}

/** Chunks have the field names of protobuf: `modified_ts_ns` is kept as `modifiedTsNs`, integers as text. */
function chunks(values: Values): Chunk[] | undefined {
  const list = values.chunks ?? [];
  if (!Array.isArray(list)) throw invalid('chunks', 'a list');
  const made = list.map((chunk: unknown, index) => {
    if (typeof chunk !== 'object' || chunk === null || Array.isArray(chunk)) throw invalid(`chunks[${index}]`, 'an object');
    return inJsonNames(chunk as Values) as Chunk;
  });
  return made.length === 0 ? undefined : made;
}

/** Fields of chunks that protobuf JSON writes as text though they are integers. */
const integers = new Set(['offset', 'size', 'modifiedTsNs', 'fileKey']);

function inJsonNames(value: Values): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      const name = key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
      if (integers.has(name)) return [name, String(inner)];
      return [name, typeof inner === 'object' && inner !== null && !Array.isArray(inner) ? inJsonNames(inner as Values) : inner];
    }),
  );
}
