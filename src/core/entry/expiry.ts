import type { Attributes, Entry } from './entry.js';

/*
 * When a file expires: crtime + ttl, whole microseconds since 1970. It follows from the entry, so it is in no digest, on no wire and
 * in no snapshot; stores keep it beside the row only to find what is due. Directories do not expire, as in SeaweedFS.
 */

/** Seconds: crtime is believed up to 2^52 microseconds, as versions are. */
const crtimeMax = Math.floor(2 ** 52 / 1e6);
/** Seconds of a ttl are a signed 32-bit integer. */
const ttlMax = 2 ** 31 - 1;

/** Null: never. A time nobody could mean expires nothing: it must not delete a file. */
export function expiryOf(attributes: Attributes | undefined): number | null {
  const ttl = whole(attributes?.ttlSec);
  const crtime = whole(attributes?.crtime);
  if (ttl === null || ttl === 0 || ttl > ttlMax || crtime === null || crtime === 0 || crtime > crtimeMax) return null;
  const nanos = whole(attributes?.crtimeNs) ?? 0;
  return (crtime + ttl) * 1_000_000 + (nanos < 1e9 ? Math.floor(nanos / 1000) : 0);
}

/** When a row with this canonical entry expires; null: never, or it is no file. */
export function expiryOfRow(row: { readonly entry: string | null; readonly isDirectory: boolean }): number | null {
  // Most entries have no ttl, and need not be parsed to know it: the canonical form has no empty fields and no white space.
  if (row.entry === null || row.isDirectory || !row.entry.includes('"ttlSec":')) return null;
  return expiryOf((JSON.parse(row.entry) as Entry).attributes);
}

/** A whole number, or its decimal digits as text, of at most ten digits: what the stores' migration reads in SQL too. */
function whole(value: unknown): number | null {
  return (typeof value === 'number' || typeof value === 'string') && /^\d{1,10}$/.test(String(value)) ? Number(value) : null;
}
