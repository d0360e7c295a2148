import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { limits } from '../config/limits.js';
import { FilerError } from '../errors.js';
import type { ByteBudget, Holding } from './byte-budget.js';
import { Query } from './params.js';
import type { Request } from './router.js';

/** A request over node:http. */
export class IncomingRequest implements Request {
  readonly rawPath: string;
  parameter = '';
  /** Its connection is closed after the answer. */
  isLast = false;
  /** What its answer holds, until it has been taken. */
  heldAnswer: Holding | null = null;
  readonly #search: string;
  /** Made for those who ask: most requests are answered without, and an abort costs more than the rest of them. */
  #gone: AbortController | null = null;
  #ended: { readonly reason: unknown } | null = null;
  #query: Query | undefined;
  #heldBody: Holding | null = null;
  /** Throws if a body is not the one that was signed; null = no signature was asked for. */
  #checkBody: ((body: Buffer) => void) | null = null;

  constructor(
    private readonly incoming: IncomingMessage,
    /** Asks the client for the body it holds back (Expect: 100-continue); null once asked, or if it does not wait. */
    private proceed: (() => void) | null,
    /** What the bodies of all requests share. */
    private readonly bodies: ByteBudget,
  ) {
    const url = incoming.url ?? '';
    const mark = url.indexOf('?');
    this.rawPath = mark < 0 ? url : url.slice(0, mark);
    this.#search = mark < 0 ? '' : url.slice(mark + 1);
  }

  get method(): string {
    return this.incoming.method ?? '';
  }

  /** Path and query as they were sent. */
  get target(): string {
    return this.incoming.url ?? '';
  }

  get query(): Query {
    return (this.#query ??= new Query(this.#search));
  }

  get headers(): IncomingHttpHeaders {
    return this.incoming.headers;
  }

  get signal(): AbortSignal {
    if (this.#gone === null) {
      this.#gone = new AbortController();
      if (this.#ended) this.#gone.abort(this.#ended.reason);
    }
    return this.#gone.signal;
  }

  get remoteAddress(): string {
    return this.incoming.socket.remoteAddress ?? '';
  }

  /** True while the client holds its body back: it must not be expected to send it, nor another request, after the answer. */
  get bodyHeldBack(): boolean {
    return this.proceed !== null;
  }

  /** From now on no body is handed out that `check` throws at. */
  expectBody(check: (body: Buffer) => void): void {
    this.#checkBody = check;
  }

  async body(bytesMax: number): Promise<Buffer> {
    const body = await this.#read(bytesMax);
    this.#checkBody?.(body);
    return body;
  }

  async #read(bytesMax: number): Promise<Buffer> {
    if (Number(this.headers['content-length'] ?? 0) > bytesMax) throw tooLarge(bytesMax);
    const { incoming } = this;
    const chunks: Buffer[] = [];
    let bytes = 0;
    let refused = false;
    // By its events: an iterator over a stream costs as much as the rest of a small request.
    return new Promise((resolve, reject) => {
      // The rest runs into the void, for as long as the server's request time-out lets it, so that the client hears the answer.
      const refuse = (why: FilerError) => {
        refused = true;
        chunks.length = 0;
        held.close();
        reject(why);
      };
      const held = (this.#heldBody = this.bodies.open(() => refuse(overloaded(this.bodies.bytesMax))));
      this.#proceed();
      const brokeOff = (cause?: unknown) => reject(new FilerError('BODY_INVALID', 'the body broke off', {}, { cause }));
      incoming.on('data', (chunk: Buffer) => {
        if (refused) return;
        bytes += chunk.length;
        if (bytes > bytesMax) refuse(tooLarge(bytesMax));
        else if (!held.take(chunk.length + limits.bodyPieceBytes)) refuse(overloaded(this.bodies.bytesMax));
        else chunks.push(chunk);
      });
      incoming.once('end', () => {
        if (refused) return;
        // What is made of it waits for the store, not for the client.
        held.keep();
        held.giveBack(held.bytes - bytes);
        resolve(Buffer.concat(chunks, bytes));
      });
      incoming.once('error', brokeOff);
      incoming.once('close', () => {
        if (!incoming.readableEnded) brokeOff();
      });
      // Too late for events.
      if (incoming.readableEnded) resolve(Buffer.alloc(0));
      else if (incoming.destroyed) brokeOff();
    });
  }

  async json(bytesMax: number): Promise<unknown> {
    const body = await this.body(bytesMax);
    try {
      return JSON.parse(body.toString('utf8')) as unknown;
    } catch (error) {
      throw new FilerError('BODY_INVALID', `the body is not JSON (${(error as Error).message.slice(0, 100)})`, {}, { cause: error });
    }
  }

  /** The client went away, or the server stops. */
  abort(reason?: unknown): void {
    this.#ended ??= { reason };
    this.#gone?.abort(reason);
  }

  /** Closes its connection at once. */
  cutOff(): void {
    this.incoming.socket.destroy();
  }

  /** It has been answered, or its client is gone: neither body nor answer is of use any more. */
  release(): void {
    this.#heldBody?.close();
    this.heldAnswer?.close();
  }

  #proceed(): void {
    this.proceed?.();
    this.proceed = null;
  }
}

function tooLarge(bytesMax: number): FilerError {
  return new FilerError('BODY_TOO_LARGE', `the body may have at most ${bytesMax} bytes`, { limit: bytesMax });
}

function overloaded(bytesMax: number): FilerError {
  return new FilerError('OVERLOADED', `the bodies of requests take ${bytesMax} bytes here already; try again in a second`);
}
