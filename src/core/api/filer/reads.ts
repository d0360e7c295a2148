import { parsePosition } from '../../clock/vector.js';
import { limits } from '../../config/limits.js';
import { directoryBit, sizeOf, type Entry } from '../../entry/entry.js';
import { nameOf, root, type FullPath } from '../../entry/path.js';
import { FilerError } from '../../errors.js';
import type { Filer } from '../../filer.js';
import { invalidParameter, readBoolean, readDuration, readInteger, type Query } from '../../http/params.js';
import { json, type Request, type Response } from '../../http/router.js';
import { listingHeaders, listingPage } from '../../web/listing-page.js';
import type { Found } from '../../namespace/shown.js';
import { askedHeaders, wantsHtml } from './answer-headers.js';
import { checkRead, isFresh, isRangeFresh, validatorsOf } from './conditions.js';
import { entryToJson } from './entry-json.js';
import { contentTypeOf, returnedHeaders, returnedTags } from './file-headers.js';
import { parseNamePattern, type NamePattern } from './name-pattern.js';
import { minPositionHeader, type ListingJson } from './protocol.js';
import { byteRanges, rangesOf, type ByteRange } from './ranges.js';

/** Users' files must not act as pages of this server: no scripts, no forms, no foreign parts. */
const userContent = { 'Content-Security-Policy': "sandbox; default-src 'none'", 'X-Content-Type-Options': 'nosniff' };

/** How much of its directories a filer shows. */
export interface DirectoryOptions {
  /** Entries of one page, and the most a request may ask for (flag --dirListLimit); 1,000 and 10,000 if absent. */
  readonly dirListLimit?: number;
  /** False: no directory is listed (flag --disableDirListing). */
  readonly listed: boolean;
  /** False: nothing of a directory is shown at all (flag --exposeDirectoryData). */
  readonly exposed: boolean;
}

/**
 * Answers GET and HEAD of one path: a file's content, a directory's names, or the entry itself.
 * @throws FilerError ENTRY_NOT_FOUND, LISTING_DISABLED, PARAMETER_INVALID, POSITION_BEHIND, PRECONDITION_FAILED, CONTENT_NOT_HERE
 */
export async function read(filer: Filer, path: FullPath, request: Request, directories: DirectoryOptions): Promise<Response> {
  const { query, headers } = request;
  await waitForPosition(filer, request);
  const found = await filer.namespace.find(path);
  if (found === null) throw new FilerError('ENTRY_NOT_FOUND', `${path} does not exist`, { path });
  const isMetadata = readBoolean(query, 'metadata');
  if (found.isDirectory && (!directories.exposed || (!directories.listed && !isMetadata))) {
    throw new FilerError(
      'LISTING_DISABLED',
      `this filer shows no directories; it was started with ${directories.exposed ? '--disableDirListing' : '--exposeDirectoryData=false'}`,
    );
  }
  if (isMetadata) return shownJson(entryToJson(found), query);
  if (found.isDirectory) {
    const listing = await list(filer, found, query, directories.dirListLimit);
    const tags = { ...returnedTags(found.entry), Vary: 'Accept' };
    return wantsHtml(headers.accept) ? shownHtml(listing, query, tags) : shownJson(listing, query, tags);
  }
  return readFile(found, found.entry as Entry, request);
}

async function waitForPosition(filer: Filer, { headers, query, signal }: Request): Promise<void> {
  const position = headers[minPositionHeader.toLowerCase()];
  const waitMs = readDuration(query, 'wait', { msMax: limits.positionWaitMsMax, fallback: limits.positionWaitMs });
  if (typeof position === 'string') await filer.waitForPosition(parsePosition(position, minPositionHeader), waitMs, signal);
}

function readFile(found: Found, entry: Entry, { method, headers, query }: Request): Response {
  const validators = validatorsOf(found);
  checkRead(headers, validators);
  const { etag, lastModified } = validators;
  const whole = {
    'Content-Type': contentTypeOf(found.path, entry),
    ...returnedHeaders(entry),
    ...askedHeaders(query, found.path),
    ...userContent,
    'Accept-Ranges': 'bytes',
    ...(etag === null ? {} : { ETag: etag }),
    ...(lastModified === null ? {} : { 'Last-Modified': lastModified }),
  };
  const { 'Content-Type': contentType, ...withoutType } = whole;
  if (isFresh(headers, validators)) return { status: 304, headers: withoutType };

  const size = sizeOf(entry);
  if (method === 'HEAD') return { status: 200, headers: { ...whole, 'Content-Length': String(size) } };
  if (!entry.content && (entry.chunks?.length || size > 0)) {
    throw new FilerError('CONTENT_NOT_HERE', `the content of ${found.path} is in chunks that kelp does not keep; ?metadata=true names them`, {
      path: found.path,
    });
  }
  const content = Buffer.from(entry.content ?? '', 'base64');
  const ranges = rangesOf(isRangeFresh(headers['if-range'], validators) ? headers.range : undefined, content.length);
  if (ranges === null) return { status: 200, headers: whole, body: content };
  if (ranges === 'unsatisfiable') {
    const failure = new FilerError('RANGE_INVALID', `${found.path} has ${content.length} bytes, none of them in that range`, { size: content.length });
    return json(failure.status, failure.toWire(), { 'Content-Range': `bytes */${content.length}` });
  }
  const [{ start, end }, ...others] = ranges as [ByteRange, ...ByteRange[]];
  if (others.length > 0) {
    const parts = byteRanges(content, ranges, contentType);
    return { status: 206, headers: { ...whole, 'Content-Type': parts.contentType }, body: parts.body };
  }
  return { status: 206, headers: { ...whole, 'Content-Range': `bytes ${start}-${end}/${content.length}` }, body: content.subarray(start, end + 1) };
}

async function list(filer: Filer, found: Found, query: Query, dirListLimit?: number): Promise<ListingJson> {
  const limit = readInteger(query, 'limit', { min: 1, max: dirListLimit ?? limits.listEntriesMax, fallback: dirListLimit ?? limits.listEntries });
  const after = query.get('lastFileName') ?? '';
  const pattern = readPattern(query, 'namePattern');
  const exclude = readPattern(query, 'namePatternExclude');
  const keep = (name: string) => (pattern?.matches(name) ?? true) && !exclude?.matches(name);
  const { entries, hasMore, last } = await filer.reads.run(false, limits.listBytes, () =>
    filer.namespace.list(found.path, { after, prefix: pattern?.prefix, limit, bytesMax: limits.listBytes }, keep),
  );
  const isAll = after === '' && pattern === null && exclude === null;
  return {
    Path: found.path === root ? '' : found.path,
    Entries: entries.map(entryToJson),
    Limit: limit,
    LastFileName: last,
    ShouldDisplayLoadMore: hasMore,
    EmptyFolder: found.children === 0 || (isAll && entries.length === 0 && !hasMore),
  };
}

function shownHtml({ Path, Entries, ShouldDisplayLoadMore, LastFileName }: ListingJson, query: Query, tags: Record<string, string>): Response {
  const entries = Entries.map((entry) => ({
    name: nameOf(entry.FullPath as FullPath),
    isDirectory: entry.Mode >= directoryBit,
    size: entry.FileSize,
    mtime: entry.Mtime,
  }));
  const next = new URLSearchParams({ lastFileName: LastFileName });
  for (const name of ['limit', 'namePattern', 'namePatternExclude']) {
    const value = query.get(name);
    if (value !== null) next.set(name, value);
  }
  const names = Path.split('/').filter((name) => name !== '');
  return { status: 200, headers: { ...tags, ...listingHeaders }, body: listingPage({ names, entries, more: ShouldDisplayLoadMore ? next.toString() : null }) };
}

function readPattern(query: Query, name: string): NamePattern | null {
  const text = query.get(name) ?? '';
  if (text === '') return null;
  const pattern = parseNamePattern(text);
  if (pattern === null) throw invalidParameter(name, text, 'a pattern of *, ?, [a-z] and \\x');
  return pattern;
}

function shownJson(value: unknown, query: Query, tags: Record<string, string> = {}): Response {
  const headers = { ...tags, 'Content-Type': 'application/json', 'X-Content-Type-Options': 'nosniff' };
  return { status: 200, headers, body: readBoolean(query, 'pretty') ? `${JSON.stringify(value, null, 2)}\n` : JSON.stringify(value) };
}
