import { hash } from 'node:crypto';
import { canonicalJson } from '../../change/canonical.js';
import { formatDot } from '../../clock/vector.js';
import { limits } from '../../config/limits.js';
import { fileModeDefault, parentMode, sizeOf } from '../../entry/entry.js';
import { joinPath, nameOf, parsePath, refuseReserved, root, type FullPath } from '../../entry/path.js';
import { FilerError, isFailure, messageOf } from '../../errors.js';
import type { Filer } from '../../filer.js';
import { readBoolean } from '../../http/params.js';
import { empty, json, type Request, type Response } from '../../http/router.js';
import type { Written } from '../../namespace/namespace.js';
import type { Found } from '../../namespace/shown.js';
import { writeCondition } from './conditions.js';
import { entryFromJson } from './entry-from-json.js';
import { entryToJson } from './entry-json.js';
import { keptHeaders, keptMime, tagsIn, withoutTags } from './file-headers.js';
import { readFormFile } from './form.js';
import { positionHeader, type WrittenJson } from './protocol.js';
import { isAppend, readMode, readMtime, readTagNames, readTransfer, readTtl, refuseUnsupported, type TransferParams } from './write-params.js';

/** Where a write goes. */
export interface Target {
  readonly path: FullPath;
  /** True if the client ended the path with a slash: it means a directory. */
  readonly isInto: boolean;
}

/** The writes of the tree. Each refuses what is wrong before it reads a body, and answers when the change is durable. */
export class TreeWrites {
  constructor(
    private readonly filer: Filer,
    /** Bytes of one file. */
    private readonly contentBytesMax: number,
  ) {}

  /** @throws FilerError */
  async put(target: Target, request: Request): Promise<Response> {
    this.#admit(request);
    if (request.query.has('tagging')) return this.#setTags(target.path, request);
    if (readBoolean(request.query, 'metadata')) return this.#putEntry(target.path, request);
    const transfer = readTransfer(request.query);
    if (transfer) return this.#transfer(target, transfer, request);
    if (target.isInto) throw new FilerError('PATH_INVALID', `the path of a file may not end in "/"; drop it, or make a directory with POST`);
    return this.#putFile(target.path, request, keptMime(request.headers['content-type']), await this.#body(request, this.contentBytesMax));
  }

  /** @throws FilerError */
  async post(target: Target, request: Request): Promise<Response> {
    this.#admit(request);
    if (request.query.has('tagging')) throw new FilerError('PARAMETER_INVALID', 'tagging: is not for POST; set tags with PUT', { parameter: 'tagging' });
    const transfer = readTransfer(request.query);
    if (transfer) return this.#transfer(target, transfer, request);
    if (target.isInto && !hasBody(request)) return this.#mkdir(target.path, request);
    const body = await this.#body(request, this.contentBytesMax + limits.formExtraBytes);
    const file = await readFormFile(body, request.headers['content-type'], this.contentBytesMax).catch((error: unknown) => this.#nameFlag(error));
    if (!target.isInto) return this.#putFile(target.path, request, keptMime(file.mime), file.content);
    if (file.name === '') throw new FilerError('BODY_INVALID', 'the file of the form has no name; POST it to a path of its own');
    const path = parsePath(joinPath(target.path, file.name));
    refuseReserved(path);
    return this.#putFile(path, request, keptMime(file.mime), file.content);
  }

  /** @throws FilerError */
  async remove({ path }: Target, request: Request): Promise<Response> {
    this.#admit(request);
    const { headers, query } = request;
    if (query.has('tagging')) return this.#removeTags(path, request);
    const recursive = readBoolean(query, 'recursive');
    return empty(204, this.#position(await this.filer.namespace.remove(path, recursive, writeCondition(headers))));
  }

  #admit({ query }: Request): void {
    refuseUnsupported(query);
    this.filer.admission.mustWrite();
  }

  async #putFile(path: FullPath, { headers, query }: Request, mime: string, content: Buffer): Promise<Response> {
    const md5 = checkedMd5(content, headers['content-md5']);
    const spec = {
      mode: readMode(query),
      mtime: readMtime(query),
      ttlSec: readTtl(query),
      mime,
      extended: keptHeaders(headers),
      content: content.toString('base64'),
      size: content.length,
      md5,
    };
    // Once more: reading the body took as long as the client liked.
    this.filer.admission.mustWrite();
    const { namespace } = this.filer;
    const condition = writeCondition(headers);
    if (isAppend(query)) {
      const written = await namespace.append(path, spec, fileModeDefault, this.contentBytesMax, condition);
      return this.#wroteFile(path, written, written.size, written.md5);
    }
    return this.#wroteFile(path, await namespace.put(path, spec, fileModeDefault, condition), content.length, md5);
  }

  #wroteFile(path: FullPath, written: Written, size: number, md5: string): Response {
    const answer: WrittenJson = { name: nameOf(path), size };
    return json(201, answer, { 'Content-MD5': md5, [positionHeader]: this.#positionOf(written) });
  }

  /** Writes what `GET ?metadata=true` answered here or elsewhere, all of it. */
  async #putEntry(path: FullPath, request: Request): Promise<Response> {
    const body = await this.#body(request, limits.entryJsonExtraBytes + Math.ceil(this.contentBytesMax / 3) * 4);
    const entry = entryFromJson(parseBody(body));
    const size = entry.content === undefined ? 0 : Buffer.byteLength(entry.content, 'base64');
    if (size > this.contentBytesMax) throw tooLarge(this.contentBytesMax);
    this.filer.admission.mustWrite();
    const shown = canonicalJson(entryToJson({ path, isDirectory: entry.isDirectory, entry, row: null, children: 0 }));
    const isSame = (found: Found): boolean => found.entry !== null && canonicalJson(entryToJson(found)) === shown;
    const written = await this.filer.namespace.putEntry(path, entry, isSame, writeCondition(request.headers));
    const answer: WrittenJson = { name: nameOf(path), ...(entry.isDirectory ? {} : { size: sizeOf(entry) }) };
    return json(written.dot === null ? 200 : 201, answer, this.#position(written));
  }

  async #mkdir(path: FullPath, { headers, query }: Request): Promise<Response> {
    if (path === root) throw new FilerError('ENTRY_EXISTS', 'the root is always there');
    // Checked, though directories do not expire.
    readTtl(query);
    const written = await this.filer.namespace.mkdir(path, readMode(query) ?? parentMode(fileModeDefault) & 0o777, writeCondition(headers), readMtime(query));
    const answer: WrittenJson = { name: nameOf(path) };
    return json(201, answer, this.#position(written));
  }

  async #transfer({ path, isInto }: Target, { kind, from, overwrite }: TransferParams, { headers }: Request): Promise<Response> {
    refuseReserved(from);
    if (from === root) throw new FilerError('PATH_INVALID', 'the root cannot be moved or copied; take what is in it');
    const to = isInto ? parsePath(joinPath(path, nameOf(from))) : path;
    refuseReserved(to);
    const { namespace } = this.filer;
    const condition = writeCondition(headers);
    return empty(204, this.#position(kind === 'move' ? await namespace.move(from, to, condition) : await namespace.copy(from, to, overwrite, condition)));
  }

  async #setTags(path: FullPath, { headers }: Request): Promise<Response> {
    const tags = tagsIn(headers);
    return empty(202, this.#position(await this.filer.namespace.tag(path, (before) => ({ ...before, ...tags }), writeCondition(headers))));
  }

  async #removeTags(path: FullPath, { headers, query }: Request): Promise<Response> {
    const names = readTagNames(query);
    const written = await this.filer.namespace.tag(path, (before) => withoutTags(before, names), writeCondition(headers));
    return empty(written.dot === null ? 304 : 202, this.#position(written));
  }

  #position(written: Written): Record<string, string> {
    return { [positionHeader]: this.#positionOf(written) };
  }

  /** A write that found nothing to change is covered by what this filer has. */
  #positionOf({ dot }: Written): string {
    const { log, namespace } = this.filer;
    return formatDot(dot ?? { origin: log.identity.origin, seq: namespace.ownSeq });
  }

  async #body(request: Request, bytesMax: number): Promise<Buffer> {
    try {
      return await request.body(bytesMax);
    } catch (error) {
      return this.#nameFlag(error);
    }
  }

  #nameFlag(error: unknown): never {
    if (!isFailure(error, 'BODY_TOO_LARGE')) throw error;
    throw tooLarge(this.contentBytesMax, error);
  }
}

function tooLarge(limit: number, cause?: unknown): FilerError {
  return new FilerError('BODY_TOO_LARGE', `a file may have at most ${limit} bytes here; raise --saveToFilerLimit`, { limit }, { cause });
}

function parseBody(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new FilerError('BODY_INVALID', `the body is not JSON (${messageOf(error)}); send what GET ?metadata=true answers`, {}, { cause: error });
  }
}

function hasBody({ headers }: Request): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** The MD5 of the content, base64. `claimed` is base64 or hex. @throws FilerError DIGEST_MISMATCH */
function checkedMd5(content: Buffer, claimed: string | string[] | undefined): string {
  const base64 = hash('md5', content, 'base64');
  if (claimed !== undefined && claimed !== base64 && String(claimed).toLowerCase() !== Buffer.from(base64, 'base64').toString('hex')) {
    throw new FilerError('DIGEST_MISMATCH', `Content-MD5 does not fit: ${base64} is what came; send the file again`, { md5: base64 });
  }
  return base64;
}
