import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import fresh from 'fresh';
import type { Entry } from '../../entry/entry.js';
import { FilerError } from '../../errors.js';
import type { Precondition } from '../../namespace/namespace.js';
import type { Found } from '../../namespace/shown.js';

/** What conditions compare: both null for a path that has no content of its own. */
export interface Validators {
  /** Quoted. */
  readonly etag: string | null;
  /** HTTP date. */
  readonly lastModified: string | null;
}

const none: Validators = { etag: null, lastModified: null };

/** The ETag is the MD5 of the content; of chunks it is that of the only one, or the MD5 of all their MD5s with their number. */
export function validatorsOf(found: Found | null): Validators {
  if (found === null || found.isDirectory || found.entry === null) return none;
  const seconds = Number(found.entry.attributes?.mtime ?? 0);
  const modified = new Date(seconds * 1000);
  // Whole seconds: a date with more could not make the round trip through a header.
  return { etag: `"${tagOf(found.entry)}"`, lastModified: Number.isNaN(modified.getTime()) ? null : modified.toUTCString() };
}

function tagOf(entry: Entry): string {
  const { attributes, chunks = [], content = '' } = entry;
  if (attributes?.md5) return Buffer.from(attributes.md5, 'base64').toString('hex');
  if (chunks.length === 0) return createHash('md5').update(content, 'base64').digest('hex');
  const sums = chunks.map((chunk) => Buffer.from(chunk.eTag ?? '', 'base64'));
  return sums.length === 1 ? (sums[0] as Buffer).toString('hex') : `${createHash('md5').update(Buffer.concat(sums)).digest('hex')}-${sums.length}`;
}

/**
 * Refuses a read of a file that is not what the client believes. Dates nobody can read are ignored, as HTTP asks.
 * @throws FilerError PRECONDITION_FAILED
 */
export function checkRead(headers: IncomingHttpHeaders, validators: Validators): void {
  if (!matches(headers, true, validators)) throw failed(validators);
}

/** True if the client has what it asks for: answer 304. */
export function isFresh(headers: IncomingHttpHeaders, { etag, lastModified }: Validators): boolean {
  return fresh(headers, { etag: etag ?? undefined, 'last-modified': lastModified ?? undefined });
}

/**
 * The condition of a write, checked in the transaction that writes; undefined if the request has none. It is about the path written to:
 * of a move or a copy the target. `If-None-Match: *` writes only what is not there yet, `If-Match` only over what the client has seen.
 */
export function writeCondition(headers: IncomingHttpHeaders): Precondition | undefined {
  if (!isConditional(headers)) return undefined;
  return (found) => {
    const validators = validatorsOf(found);
    const { etag, lastModified } = validators;
    const noneMatch = headers['if-none-match'];
    const since = noneMatch === undefined ? dateOf(headers['if-modified-since']) : null;
    const isUnwanted = noneMatch !== undefined && found !== null && (noneMatch.trim() === '*' || (etag !== null && tagsIn(noneMatch, true).includes(etag)));
    const isOld = since !== null && lastModified !== null && Date.parse(lastModified) <= since;
    if (!matches(headers, found !== null, validators) || isUnwanted || isOld) throw failed(validators);
  };
}

/** True if the request says when it should be done. */
function isConditional(headers: IncomingHttpHeaders): boolean {
  return (['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since'] as const).some((name) => headers[name] !== undefined);
}

/** True if the file is still the one that `If-Range` names, so that a part of it fits to what the client has. */
export function isRangeFresh(ifRange: string | string[] | undefined, { etag, lastModified }: Validators): boolean {
  return ifRange === undefined || ifRange === etag || ifRange === lastModified;
}

function matches(headers: IncomingHttpHeaders, exists: boolean, { etag, lastModified }: Validators): boolean {
  const match = headers['if-match'];
  if (match !== undefined) return match.trim() === '*' ? exists : etag !== null && tagsIn(match, false).includes(etag);
  const since = dateOf(headers['if-unmodified-since']);
  return since === null || (exists && (lastModified === null || Date.parse(lastModified) <= since));
}

/** The quoted tags of a list; weak ones only where they may be compared. */
function tagsIn(list: string, weakToo: boolean): string[] {
  return [...list.matchAll(/(W\/)?("[^"]*")/g)].flatMap(([, weak, tag]) => (weak === undefined || weakToo ? [tag as string] : []));
}

function dateOf(text: string | undefined): number | null {
  const ms = Date.parse(text ?? '');
  return Number.isNaN(ms) ? null : ms;
}

function failed({ etag }: Validators): FilerError {
  return new FilerError(
    'PRECONDITION_FAILED',
    `the condition does not hold: what is here has ${etag === null ? 'no ETag' : `the ETag ${etag}`}; read it again first`,
    { etag },
  );
}
