import { parseTimestamp, timestampForm } from '../../config/timestamp.js';
import { parsePath, type FullPath } from '../../entry/path.js';
import { FilerError } from '../../errors.js';
import { invalidParameter, readBoolean, readWord, type Query } from '../../http/params.js';
import type { Moment } from '../../namespace/mutations.js';

const secondsPerUnit: Readonly<Record<string, number>> = { m: 60, h: 3600, d: 86_400, w: 7 * 86_400, M: 30 * 86_400, y: 365 * 86_400 };
/** Seconds are a signed 32-bit integer in an entry. */
const ttlSecondsMax = 2 ** 31 - 1;

/** Permission bits of `mode`, in octal; undefined if absent. @throws FilerError PARAMETER_INVALID */
export function readMode(query: Query): number | undefined {
  const text = query.get('mode');
  if (text === null) return undefined;
  const mode = /^[0-7]{1,12}$/.test(text) ? parseInt(text, 8) : Infinity;
  if (mode > 0o777) throw invalidParameter('mode', text, 'octal permission bits from 0 to 0777');
  return mode;
}

/**
 * Seconds of `ttl`: a number with m, h, d, w, M (30 days) or y (365 days), minutes without; 0 = for ever; undefined if absent.
 * @throws FilerError PARAMETER_INVALID
 */
export function readTtl(query: Query): number | undefined {
  const text = query.get('ttl') ?? '';
  if (text === '') return undefined;
  const [, count, unit = 'm'] = /^(\d{1,10})([mhdwMy])?$/.exec(text) ?? [];
  const seconds = count === undefined ? Infinity : Number(count) * (secondsPerUnit[unit] as number);
  if (seconds > ttlSecondsMax) throw invalidParameter('ttl', text, 'a number with m, h, d, w, M or y, at most 68 years');
  return seconds;
}

/** `mtime`, to the nanosecond: when a file was last changed before it came here; undefined if absent. @throws FilerError PARAMETER_INVALID */
export function readMtime(query: Query): Moment | undefined {
  const text = query.get('mtime');
  if (text === null) return undefined;
  const micros = parseTimestamp(text);
  if (micros === null) throw invalidParameter('mtime', text, `${timestampForm}, from 1970 on`);
  const [, digits] = /\.(\d{1,9})/.exec(text) ?? [];
  return { seconds: Math.floor(micros / 1_000_000), nanos: digits === undefined ? (micros % 1_000_000) * 1000 : Number(digits.padEnd(9, '0')) };
}

/** True for `op=append`. @throws FilerError PARAMETER_INVALID */
export function isAppend(query: Query): boolean {
  return query.get('op') !== '' && readWord(query, 'op', ['append']) !== null;
}

/** What a write with `mv.from` or `cp.from` moves or copies; null if it has neither. */
export interface TransferParams {
  readonly kind: 'move' | 'copy';
  readonly from: FullPath;
  readonly overwrite: boolean;
}

/** @throws FilerError PARAMETER_INVALID, PATH_INVALID */
export function readTransfer(query: Query): TransferParams | null {
  const move = query.get('mv.from');
  const copy = query.get('cp.from');
  if (move !== null && copy !== null) throw new FilerError('PARAMETER_INVALID', 'mv.from, cp.from: give one of them', { parameter: 'cp.from' });
  if (move !== null) return { kind: 'move', from: parsePath(move), overwrite: true };
  return copy === null ? null : { kind: 'copy', from: parsePath(copy), overwrite: readBoolean(query, 'overwrite') };
}

/** Names of the tags that `DELETE ?tagging=A,B` takes away, without their prefix; null = all. @throws FilerError PARAMETER_INVALID */
export function readTagNames(query: Query): string[] | null {
  const names = (query.get('tagging') ?? '').split(',').filter((name) => name !== '');
  return names.length === 0 ? null : names;
}

const conditions = 'say If-Match or If-Unmodified-Since';
/** What SeaweedFS's writes know and ours do not: ignored, it would do something else than asked. */
const unsupported: Readonly<Record<string, string>> = {
  offset: 'append with op=append, or PUT the file whole',
  dataOnly: 'copy the whole entry, then set its tags',
  'copy.srcInode': conditions,
  'copy.srcMtime': conditions,
  'copy.srcSize': conditions,
  'copy.dstInode': conditions,
  'copy.dstMtime': conditions,
  'copy.dstSize': conditions,
};

/** @throws FilerError PARAMETER_INVALID */
export function refuseUnsupported(query: Query): void {
  if (query.isEmpty) return;
  for (const [name, cure] of Object.entries(unsupported)) {
    if (query.has(name)) throw new FilerError('PARAMETER_INVALID', `${name}: is not supported; ${cure}`, { parameter: name });
  }
}
