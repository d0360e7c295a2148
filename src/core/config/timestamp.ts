/** What a point in time may look like, for messages. */
export const timestampForm = 'RFC 3339 (2026-11-21T10:00:00Z) or whole microseconds since 1970';

const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)$/;

/** Microseconds since 1970 of an RFC 3339 time (digits below the microsecond are cut) or of a plain number of them; null if it is neither. */
export function parseTimestamp(text: string): number | null {
  if (/^\d{1,16}$/.test(text)) return Number.isSafeInteger(Number(text)) ? Number(text) : null;
  const match = rfc3339.exec(text);
  if (!match) return null;
  const [, year, month, day, hour, minute, second, fraction = '', zone = ''] = match;
  const local = `${year}-${month}-${day}T${hour}:${minute}:${second}`;
  const ms = Date.parse(`${local}${zone.toUpperCase()}`);
  // Date.parse takes the 31st of every month; written out again, it is another day.
  if (Number.isNaN(ms) || !new Date(Date.parse(`${local}Z`)).toISOString().startsWith(local)) return null;
  const micros = ms * 1000 + Number(fraction.padEnd(6, '0').slice(0, 6));
  return micros >= 0 ? micros : null;
}
