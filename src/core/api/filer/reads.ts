import { parsePosition } from '../../clock/vector.js';
import { limits } from '../../config/limits.js';
import { sizeOf, type Entry } from '../../entry/entry.js';
import { nameOf, root, type FullPath } from '../../entry/path.js';
import { FilerError } from '../../errors.js';
import type { Filer } from '../../filer.js';
import { invalidParameter, readBoolean, readDuration, readInteger, type Query } from '../../http/params.js';
import { json, type Request, type Response } from '../../http/router.js';
import type { Found } from '../../namespace/shown.js';
import { checkRead, isFresh, isRangeFresh, validatorsOf } from './conditions.js';
import { entryToJson } from './entry-json.js';
import { contentTypeOf, returnedHeaders, returnedTags } from './file-headers.js';
import { parseNamePattern, type NamePattern } from './name-pattern.js';
import { minPositionHeader, type ListingJson } from './protocol.js';
import { rangeOf } from './ranges.js';

/** Users' files must not act as pages of this server: no scripts, no forms, no foreign parts. */
const userContent = { 'Content-Security-Policy': "sandbox; default-src 'none'", 'X-Content-Type-Options': 'nosniff' };

/**
 * Answers GET and HEAD of one path: a file's content, a directory's names, or the entry itself.
 * @throws FilerError ENTRY_NOT_FOUND, PARAMETER_INVALID, POSITION_BEHIND, PRECONDITION_FAILED, CONTENT_NOT_HERE
 */
export async function read(filer: Filer, path: FullPath, request: Request): Promise<Response> {
  const { query } = request;
  await waitForPosition(filer, request);
  const found = await filer.namespace.find(path);
  if (found === null) throw new FilerError('ENTRY_NOT_FOUND', `${path} does not exist`, { path });
  if (readBoolean(query, 'metadata')) return shownJson(entryToJson(found), query);
  if (found.isDirectory) return shownJson(await list(filer, found, query), query, returnedTags(found.entry));
  return readFile(found, found.entry as Entry, request);
}

async function waitForPosition(filer: Filer, { headers, query, signal }: Request): Promise<void> {
  const position = headers[minPositionHeader.toLowerCase()];
  const waitMs = readDuration(query, 'wait', { msMax: limits.positionWaitMsMax, fallback: limits.positionWaitMs });
  if (typeof position === 'string') await filer.waitForPosition(parsePosition(position, minPositionHeader), waitMs, signal);
}

function readFile(found: Found, entry: Entry, { method, headers }: Request): Response {
  const validators = validatorsOf(found);
  checkRead(headers, validators);
  const { etag, lastModified } = validators;
  const answered = {
    ...returnedHeaders(entry),
    ...userContent,
    'Accept-Ranges': 'bytes',
    ...(etag === null ? {} : { ETag: etag }),
    ...(lastModified === null ? {} : { 'Last-Modified': lastModified }),
  };
  if (isFresh(headers, validators)) return { status: 304, headers: answered };

  const whole = { ...answered, 'Content-Type': contentTypeOf(found.path, entry) };
  const size = sizeOf(entry);
  if (method === 'HEAD') return { status: 200, headers: { ...whole, 'Content-Length': String(size) } };
  if (!entry.content && (entry.chunks?.length || size > 0)) {
    throw new FilerError('CONTENT_NOT_HERE', `the content of ${found.path} is in chunks that kelp does not keep; ?metadata=true names them`, {
      path: found.path,
    });
  }
  const content = Buffer.from(entry.content ?? '', 'base64');
  const range = rangeOf(isRangeFresh(headers['if-range'], validators) ? headers.range : undefined, content.length);
  if (range === null) return { status: 200, headers: whole, body: content };
  if (range === 'unsatisfiable') {
    const failure = new FilerError('RANGE_INVALID', `${found.path} has ${content.length} bytes, none of them in that range`, { size: content.length });
    return json(failure.status, failure.toWire(), { 'Content-Range': `bytes */${content.length}` });
  }
  const { start, end } = range;
  return { status: 206, headers: { ...whole, 'Content-Range': `bytes ${start}-${end}/${content.length}` }, body: content.subarray(start, end + 1) };
}

async function list(filer: Filer, found: Found, query: Query): Promise<ListingJson> {
  const limit = readInteger(query, 'limit', { min: 1, max: limits.listEntriesMax, fallback: limits.listEntries });
  const after = query.get('lastFileName') ?? '';
  const pattern = readPattern(query, 'namePattern');
  const exclude = readPattern(query, 'namePatternExclude');
  const keep = (name: string) => (pattern?.matches(name) ?? true) && !exclude?.matches(name);
  const { entries, hasMore } = await filer.reads.run(false, () =>
    filer.namespace.list(found.path, { after, prefix: pattern?.prefix, limit, bytesMax: limits.listBytes }, keep),
  );
  const last = entries.at(-1);
  const isAll = after === '' && pattern === null && exclude === null;
  return {
    Path: found.path === root ? '' : found.path,
    Entries: entries.map(entryToJson),
    Limit: limit,
    LastFileName: last ? nameOf(last.path) : '',
    ShouldDisplayLoadMore: hasMore,
    EmptyFolder: found.children === 0 || (isAll && last === undefined),
  };
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
