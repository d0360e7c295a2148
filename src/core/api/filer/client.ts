import { formatPosition, parsePosition, type Position } from '../../clock/vector.js';
import { limits } from '../../config/limits.js';
import { encodeUrlPath, type FullPath } from '../../entry/path.js';
import { FilerError } from '../../errors.js';
import type { HttpAnswer, HttpClient, HttpRequest } from '../../http/client.js';
import { minPositionHeader, positionHeader, type EntryJson, type ListingJson } from './protocol.js';

export interface PutOptions {
  /** Permission bits. */
  readonly mode?: number;
  /** As in the query: `3d`. */
  readonly ttl?: string;
  /** RFC 3339; now if absent. */
  readonly mtime?: string;
  /** Content-Type, and headers to be kept: `Seaweed-…`, Cache-Control, Expires, Content-Disposition; conditions too. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface ReadOptions {
  /** What the filer must have first. */
  readonly minPosition?: Position;
  /** How long it may take until it has it, milliseconds. */
  readonly waitMs?: number;
  readonly signal?: AbortSignal;
}

export interface ListPageOptions extends ReadOptions {
  readonly limit?: number;
  readonly lastFileName?: string;
  readonly namePattern?: string;
  readonly namePatternExclude?: string;
}

/** What HEAD says of a file. */
export interface FileHead {
  readonly size: number;
  readonly contentType: string;
  readonly etag: string | null;
  /** HTTP date. */
  readonly lastModified: string | null;
}

/** A filer's tree over HTTP. Every method throws the FilerError the filer answers with, or PEER_UNREACHABLE; writes return their Filer-Position. */
export class TreeClient {
  constructor(
    private readonly http: HttpClient,
    /** host:port */
    readonly address: string,
  ) {}

  async put(path: FullPath, content: Buffer | string, options: PutOptions = {}): Promise<Position> {
    const { mode, ttl, mtime, headers, signal } = options;
    return this.#write({ method: 'PUT', path: encodeUrlPath(path), query: { mode: mode?.toString(8), ttl, mtime }, headers, body: content, signal });
  }

  /** @throws FilerError ENTRY_EXISTS */
  async mkdir(path: FullPath, options: Pick<PutOptions, 'mode' | 'mtime' | 'signal'> = {}): Promise<Position> {
    const { mode, mtime, signal } = options;
    return this.#write({ method: 'POST', path: `${encodeUrlPath(path)}/`, query: { mode: mode?.toString(8), mtime }, signal });
  }

  /** Writes a whole entry as `metadata` answers it, wherever it was; one that is there just so stays as it is. @throws FilerError IS_A_DIRECTORY, ENTRY_EXISTS */
  async putEntry(path: FullPath, entry: EntryJson, signal?: AbortSignal): Promise<{ readonly written: boolean }> {
    const { status } = await this.http.request({
      address: this.address,
      method: 'PUT',
      path: encodeUrlPath(path),
      query: { metadata: true },
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(entry),
      signal,
    });
    return { written: status === 201 };
  }

  /** @throws FilerError DIRECTORY_NOT_EMPTY unless `recursive` */
  async remove(path: FullPath, options: { recursive?: boolean; signal?: AbortSignal } = {}): Promise<Position> {
    const { recursive, signal } = options;
    return this.#write({ method: 'DELETE', path: encodeUrlPath(path), query: { recursive }, timeoutMs: limits.subtreeMs, signal });
  }

  async move(from: FullPath, to: FullPath, signal?: AbortSignal): Promise<Position> {
    return this.#write({ method: 'POST', path: encodeUrlPath(to), query: { 'mv.from': from }, timeoutMs: limits.subtreeMs, signal });
  }

  /** The content of a file; of a directory, its listing as text. @throws FilerError ENTRY_NOT_FOUND, CONTENT_NOT_HERE */
  async get(path: FullPath, options: ReadOptions = {}): Promise<Buffer> {
    return (await this.#read('GET', path, options)).bytes();
  }

  /** The content of a file. @throws FilerError ENTRY_NOT_FOUND, CONTENT_NOT_HERE, IS_A_DIRECTORY */
  async content(path: FullPath, options: ReadOptions = {}): Promise<Buffer> {
    const answer = await this.#read('GET', path, options);
    // Only files are read in ranges.
    if (answer.headers['accept-ranges'] === undefined) throw new FilerError('IS_A_DIRECTORY', `${path} is a directory; name a file`, { path });
    return answer.bytes();
  }

  /** @throws FilerError ENTRY_NOT_FOUND */
  async head(path: FullPath, options: ReadOptions = {}): Promise<FileHead> {
    const { headers } = await this.#read('HEAD', path, options);
    return {
      size: Number(headers['content-length'] ?? 0),
      contentType: String(headers['content-type'] ?? ''),
      etag: textOrNull(headers['etag']),
      lastModified: textOrNull(headers['last-modified']),
    };
  }

  /** The entry itself. @throws FilerError ENTRY_NOT_FOUND */
  async metadata(path: FullPath, options: ReadOptions = {}): Promise<EntryJson> {
    const body = (await this.#read('GET', path, options, { metadata: true })).json();
    if (typeof (body as Partial<EntryJson> | null)?.FullPath !== 'string') throw this.#notAFiler('an entry without FullPath');
    return body as EntryJson;
  }

  /** One page of a directory. @throws FilerError ENTRY_NOT_FOUND; PARAMETER_INVALID if it is a file */
  async list(directory: FullPath, options: ListPageOptions = {}): Promise<ListingJson> {
    const { limit, lastFileName, namePattern, namePatternExclude, ...read } = options;
    // Only the content of a file has an ETag; it may look like a listing.
    const answer = await this.#read('GET', directory, read, { limit, lastFileName, namePattern, namePatternExclude });
    if (answer.headers['etag'] !== undefined) throw new FilerError('PARAMETER_INVALID', `${directory} is a file, not a directory`, { path: directory });
    const body = answer.json();
    if (!Array.isArray((body as Partial<ListingJson> | null)?.Entries)) throw this.#notAFiler('a listing without Entries');
    return body as ListingJson;
  }

  /** Every name of a directory, page by page; what changes meanwhile may be seen or not. */
  async *listAll(directory: FullPath, options: Omit<ListPageOptions, 'lastFileName'> = {}): AsyncGenerator<EntryJson, void, undefined> {
    let lastFileName: string | undefined;
    for (;;) {
      const page = await this.list(directory, { ...options, lastFileName });
      yield* page.Entries;
      // A page may be empty though more follow: the filer looks at so many names only.
      if (!page.ShouldDisplayLoadMore || page.LastFileName === (lastFileName ?? '')) return;
      lastFileName = page.LastFileName;
    }
  }

  async #write(request: Omit<HttpRequest, 'address'>): Promise<Position> {
    const { headers } = await this.http.request({ ...request, address: this.address });
    try {
      return parsePosition(String(headers[positionHeader.toLowerCase()]), positionHeader);
    } catch (error) {
      throw this.#notAFiler('a write without Filer-Position', error);
    }
  }

  async #read(method: 'GET' | 'HEAD', path: FullPath, options: ReadOptions, query: HttpRequest['query'] = {}): Promise<HttpAnswer> {
    const { minPosition, waitMs = limits.positionWaitMs, signal } = options;
    const waits = minPosition !== undefined && minPosition.size > 0;
    return this.http.request({
      address: this.address,
      method,
      path: encodeUrlPath(path),
      query: { ...query, wait: waits ? `${waitMs}ms` : undefined },
      headers: waits ? { [minPositionHeader]: formatPosition(minPosition) } : undefined,
      timeoutMs: limits.answerMs + (waits ? waitMs : 0),
      signal,
    });
  }

  #notAFiler(what: string, cause?: unknown): FilerError {
    return new FilerError('PEER_UNREACHABLE', `${this.address} answers with ${what}; is it a filer?`, { peer: this.address }, { cause });
  }
}

function textOrNull(header: string | string[] | undefined): string | null {
  return typeof header === 'string' ? header : null;
}
