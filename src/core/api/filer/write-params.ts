import { FilerError } from '../../errors.js';
import { invalidParameter, type Query } from '../../http/params.js';

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

/** Seconds of `ttl`: a number with m, h, d, w, M (30 days) or y (365 days), minutes without; 0 = for ever. @throws FilerError PARAMETER_INVALID */
export function readTtl(query: Query): number {
  const text = query.get('ttl') ?? '';
  if (text === '') return 0;
  const [, count, unit = 'm'] = /^(\d{1,10})([mhdwMy])?$/.exec(text) ?? [];
  const seconds = count === undefined ? Infinity : Number(count) * (secondsPerUnit[unit] as number);
  if (seconds > ttlSecondsMax) throw invalidParameter('ttl', text, 'a number with m, h, d, w, M or y, at most 68 years');
  return seconds;
}

/** Writes that SeaweedFS knows and this version does not: ignored, they would do something else than asked. */
const unsupported: Readonly<Record<string, string>> = {
  'cp.from': 'read the file and PUT it under its new name',
  tagging: 'send Seaweed- headers with the content',
  op: 'read the file and PUT it whole',
};

/** @throws FilerError PARAMETER_INVALID */
export function refuseUnsupported(query: Query): void {
  for (const [name, cure] of Object.entries(unsupported)) {
    if (query.has(name)) throw new FilerError('PARAMETER_INVALID', `${name}: is not supported in this version; ${cure}`, { parameter: name });
  }
}
