import type { IncomingHttpHeaders } from 'node:http';
import { validateHeaderValue } from 'node:http';
import mime from 'mime';
import type { Entry } from '../../entry/entry.js';
import { nameOf, type FullPath } from '../../entry/path.js';

/*
 * Headers that belong to a file: sent with its content, kept with the entry as extended attributes, returned with the content.
 * Only these: an entry that came by replication may carry any attribute, and must not set headers of its choice here.
 */
const keptNames = /^(seaweed-[!#$%&'*+.^_`|~0-9a-z-]+|cache-control|expires|content-disposition)$/i;
/** Of those, the ones a directory has too. */
const tagPrefix = 'seaweed-';

const anyType = 'application/octet-stream';

/** The tags among the headers of a request, as extended attributes. */
export function tagsIn(headers: IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(Object.entries(keptHeaders(headers)).filter(([name]) => isTag(name)));
}

/** Extended attributes without these tags, named without their prefix and in any case; null = without any. */
export function withoutTags(extended: Readonly<Record<string, string>>, names: readonly string[] | null): Record<string, string> {
  const gone = names && new Set(names.map((name) => tagPrefix + name.toLowerCase()));
  return Object.fromEntries(Object.entries(extended).filter(([name]) => !isTag(name) || (gone !== null && !gone.has(name.toLowerCase()))));
}

/** The headers of a write that are kept, as extended attributes. */
export function keptHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    // Node reads header bytes as Latin-1; written the same way they come back as they were.
    if (typeof value === 'string' && keptNames.test(name)) kept[canonicalName(name)] = Buffer.from(value, 'latin1').toString('base64');
  }
  return kept;
}

/** The kept headers of an entry, for an answer with its content. */
export function returnedHeaders(entry: Entry): Record<string, string> {
  const returned: Record<string, string> = {};
  for (const [name, value] of Object.entries(entry.extended ?? {})) {
    const text = Buffer.from(value, 'base64').toString('latin1');
    if (keptNames.test(name) && isHeaderValue(text)) returned[name] = text;
  }
  return returned;
}

/** The tags of an entry, for an answer that is not its content. */
export function returnedTags(entry: Entry | null): Record<string, string> {
  return entry === null ? {} : Object.fromEntries(Object.entries(returnedHeaders(entry)).filter(([name]) => isTag(name)));
}

/** The media type to keep: none for what says nothing. */
export function keptMime(contentType: string | undefined): string {
  return contentType === undefined || contentType.toLowerCase() === anyType ? '' : contentType;
}

/** What a file is sent as: the type it came with, else that of its extension. */
export function contentTypeOf(path: FullPath, entry: Entry): string {
  const kept = entry.attributes?.mime;
  return kept && isHeaderValue(kept) ? kept : (mime.getType(nameOf(path)) ?? anyType);
}

const isTag = (name: string): boolean => name.toLowerCase().startsWith(tagPrefix);

/** `seaweed-color` as Go spells it: `Seaweed-Color`. HTTP does not keep the case, attributes have one. */
function canonicalName(name: string): string {
  return name.replace(/(^|-)[a-z]/g, (start) => start.toUpperCase());
}

function isHeaderValue(text: string): boolean {
  try {
    validateHeaderValue('value', text);
    return true;
  } catch {
    return false;
  }
}
