import { hash } from 'node:crypto';
import { formatDot } from '../../clock/vector.js';
import { limits } from '../../config/limits.js';
import { fileModeDefault, parentMode } from '../../entry/entry.js';
import { joinPath, nameOf, parsePath, refuseReserved, root, type FullPath } from '../../entry/path.js';
import { FilerError, isFailure } from '../../errors.js';
import type { Filer } from '../../filer.js';
import { readBoolean } from '../../http/params.js';
import { empty, json, type Request, type Response } from '../../http/router.js';
import type { Written } from '../../namespace/namespace.js';
import { isConditional, writeCondition } from './conditions.js';
import { keptHeaders, keptMime } from './file-headers.js';
import { readFormFile } from './form.js';
import { positionHeader, type WrittenJson } from './protocol.js';
import { readMode, readTtl, refuseUnsupported } from './write-params.js';

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
    if (request.query.has('mv.from')) return this.#move(target, request);
    if (target.isInto) throw new FilerError('PATH_INVALID', `the path of a file may not end in "/"; drop it, or make a directory with POST`);
    return this.#putFile(target.path, request, keptMime(request.headers['content-type']), await this.#body(request, this.contentBytesMax));
  }

  /** @throws FilerError */
  async post(target: Target, request: Request): Promise<Response> {
    this.#admit(request);
    if (request.query.has('mv.from')) return this.#move(target, request);
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
    const recursive = readBoolean(request.query, 'recursive');
    return empty(204, this.#position(await this.filer.namespace.remove(path, recursive, writeCondition(request.headers) ?? undefined)));
  }

  #admit({ query }: Request): void {
    refuseUnsupported(query);
    this.filer.mustWrite();
  }

  async #putFile(path: FullPath, { headers, query }: Request, mime: string, content: Buffer): Promise<Response> {
    const md5 = checkedMd5(content, headers['content-md5']);
    const spec = {
      mode: readMode(query),
      ttlSec: readTtl(query),
      mime,
      extended: keptHeaders(headers),
      content: content.toString('base64'),
      size: content.length,
      md5,
    };
    // Once more: reading the body took as long as the client liked.
    this.filer.mustWrite();
    const written = await this.filer.namespace.put(path, spec, fileModeDefault, writeCondition(headers) ?? undefined);
    const answer: WrittenJson = { name: nameOf(path), size: content.length };
    return json(201, answer, { 'Content-MD5': md5, ...this.#position(written) });
  }

  async #mkdir(path: FullPath, { headers, query }: Request): Promise<Response> {
    refuseCondition(headers);
    if (path === root) throw new FilerError('ENTRY_EXISTS', 'the root is always there');
    const written = await this.filer.namespace.mkdir(path, readMode(query) ?? parentMode(fileModeDefault) & 0o777, readTtl(query));
    const answer: WrittenJson = { name: nameOf(path) };
    return json(201, answer, this.#position(written));
  }

  async #move({ path, isInto }: Target, { headers, query }: Request): Promise<Response> {
    refuseCondition(headers);
    const from = parsePath(query.get('mv.from') ?? '');
    refuseReserved(from);
    if (from === root) throw new FilerError('PATH_INVALID', 'the root cannot be moved; move what is in it');
    const to = isInto ? parsePath(joinPath(path, nameOf(from))) : path;
    refuseReserved(to);
    return empty(204, this.#position(await this.filer.namespace.move(from, to)));
  }

  /** A write that found nothing to change is covered by what this filer has. */
  #position({ dot }: Written): Record<string, string> {
    const { log, namespace } = this.filer;
    return { [positionHeader]: formatDot(dot ?? { origin: log.identity.origin, seq: namespace.ownSeq }) };
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
    const limit = this.contentBytesMax;
    throw new FilerError('BODY_TOO_LARGE', `a file may have at most ${limit} bytes here; raise --saveToFilerLimit`, { limit }, { cause: error });
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

/** Ignored, a condition would let a write through that should not be. @throws FilerError PARAMETER_INVALID */
function refuseCondition(headers: Request['headers']): void {
  if (isConditional(headers)) throw new FilerError('PARAMETER_INVALID', 'mkdir and move take no conditions in this version; leave out the If- headers');
}
