import Pool from 'undici/lib/dispatcher/pool.js';
import { limits } from '../config/limits.js';
import { FilerError, failures, isFailure, messageOf, type FailureCode } from '../errors.js';
import type { Signer } from '../security/signer.js';
import { exchange, type Exchanged } from './exchange.js';

export interface HttpClientOptions {
  /** Connections to one address. A held long-poll takes one, so a peer needs two. */
  readonly connections: number;
  readonly connectMs?: number;
  readonly answerBytesMax?: number;
  /** Signs requests to the parts of filers and masters that ask for it; absent = nothing is signed. */
  readonly signer?: Signer;
  /** Hears every failure that an address answers with. */
  readonly failed?: (address: string, failure: FilerError) => void;
}

export interface HttpRequest {
  /** host:port */
  readonly address: string;
  readonly method: string;
  /** Encoded, without the query. */
  readonly path: string;
  /** Absent values are left out. */
  readonly query?: Readonly<Record<string, string | number | boolean | null | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** Store id of the filer that is asked, for the signature; absent for a master, and for the question who it is. */
  readonly audience?: string;
  /** Until the answer begins, milliseconds: for a long-poll the hold time and some more. */
  readonly timeoutMs?: number;
  /** Between two pieces of the answer, milliseconds. */
  readonly bodyMs?: number;
  /** Hears the headers of a good answer before its body has come; what it throws ends the request. */
  readonly begun?: (headers: HttpAnswer['headers']) => void;
  readonly signal?: AbortSignal;
}

/** An answer below 300, or 304; its body has been read to the end. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Of the body, bytes. */
  readonly length: number;
  /** The body in pieces, as it came. One reader may have them, to write into them; then nothing else may be asked for. */
  pieces(): readonly Buffer[];
  text(): string;
  /** @throws FilerError PEER_UNREACHABLE if it is not JSON: a cut answer looks like a whole one until it is parsed */
  json(): unknown;
  bytes(): Buffer;
}

/** How transport errors read; others show their own message. */
const causes: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the connection broke',
  EPIPE: 'the connection broke',
  ENOTFOUND: 'unknown host',
  EAI_AGAIN: 'the host name could not be looked up',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to the network',
  UND_ERR_SOCKET: 'the connection broke',
  UND_ERR_CONNECT_TIMEOUT: 'no connection in time',
  UND_ERR_HEADERS_TIMEOUT: 'no answer in time',
  UND_ERR_BODY_TIMEOUT: 'the answer stopped in the middle',
  UND_ERR_RES_EXCEEDED_MAX_SIZE: 'the answer is too large',
  UND_ERR_HEADERS_OVERFLOW: 'the headers of the answer are too large',
};

/** HTTP to other processes of kelp: one pool of kept connections per address, every time-out and size set, no redirects followed. */
export class HttpClient {
  /** Least recently used first. */
  readonly #pools = new Map<string, Pool>();
  readonly #closing = new Set<Promise<void>>();
  readonly #options: HttpClientOptions;
  #closed = false;

  constructor(options: HttpClientOptions) {
    this.#options = options;
  }

  /** True if requests to this path are signed. */
  signs(path: string): boolean {
    return this.#options.signer?.signs(path) ?? false;
  }

  /**
   * @throws FilerError PEER_UNREACHABLE with `peer`; the failure the other side answered with; the signal's reason if it aborts
   */
  async request(request: HttpRequest): Promise<HttpAnswer> {
    const { address, method, path, query, headers = {}, body, audience, begun, signal, timeoutMs = limits.answerMs, bodyMs = limits.bodyMs } = request;
    signal?.throwIfAborted();
    const target = path + formatQuery(query ?? {});
    let exchanged: Exchanged;
    try {
      exchanged = await exchange(this.#pool(address), {
        request: {
          method: method as 'GET',
          path: target,
          headers: { ...headers, ...this.#options.signer?.sign({ method, target, address, headers, body, audience }) },
          body: body ?? null,
          headersTimeout: timeoutMs,
          bodyTimeout: bodyMs,
        },
        signal,
        begun: (code, told) => {
          if (code < 300) begun?.(told);
        },
      });
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw unreachable(address, error);
    }
    const { status, pieces } = exchanged;
    if (status >= 400) {
      const failure = refusal(address, method, path, status, joined(pieces));
      this.#options.failed?.(address, failure);
      throw failure;
    }
    if (status >= 300 && status !== 304)
      throw new FilerError('PEER_UNREACHABLE', `${address} answers with a redirect, which is not followed; name the right address`, { peer: address });
    const bytes = () => joined(pieces);
    const text = () => bytes().toString('utf8');
    return {
      status,
      headers: exchanged.headers,
      length: pieces.reduce((sum, piece) => sum + piece.length, 0),
      pieces: () => pieces,
      bytes,
      text,
      json: () => {
        try {
          return JSON.parse(text()) as unknown;
        } catch (error) {
          throw new FilerError('PEER_UNREACHABLE', `${address} answers with something that is not JSON; is it kelp?`, { peer: address }, { cause: error });
        }
      },
    };
  }

  /** Ends requests in flight and closes every connection. */
  async close(): Promise<void> {
    this.#closed = true;
    const pools = [...this.#pools.values()];
    this.#pools.clear();
    await Promise.all([...this.#closing, ...pools.map((pool) => pool.destroy())]);
  }

  #pool(address: string): Pool {
    if (this.#closed) throw new FilerError('STOPPING', 'this client is closed');
    let pool = this.#pools.get(address);
    if (pool) {
      this.#pools.delete(address);
    } else {
      pool = new Pool(`http://${address}`, {
        connections: this.#options.connections,
        pipelining: 1,
        connect: { timeout: this.#options.connectMs ?? limits.connectMs },
        // Also the most, whatever the server offers: the client must give a connection up before the server does.
        keepAliveTimeout: limits.keepAliveClientMs,
        keepAliveMaxTimeout: limits.keepAliveClientMs,
        maxHeaderSize: limits.headerBytesMax,
        maxResponseSize: this.#options.answerBytesMax ?? limits.answerBytesMax,
      });
      this.#retireOldest();
    }
    this.#pools.set(address, pool);
    return pool;
  }

  #retireOldest(): void {
    if (this.#pools.size < limits.poolsMax) return;
    const [address, pool] = this.#pools.entries().next().value as [string, Pool];
    this.#pools.delete(address);
    // Lets requests in flight end.
    const closing = pool.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}

/** Of small bodies there is one piece, which need not be copied. */
const joined = (pieces: readonly Buffer[]): Buffer => (pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces));

function formatQuery(query: NonNullable<HttpRequest['query']>): string {
  const pairs = Object.entries(query).filter(([, value]) => value !== null && value !== undefined);
  if (pairs.length === 0) return '';
  return `?${pairs.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`).join('&')}`;
}

function unreachable(address: string, error: unknown): FilerError {
  if (isFailure(error)) return error;
  const code = (error as { code?: unknown } | null)?.code;
  const why = (typeof code === 'string' ? causes[code] : undefined) ?? messageOf(error);
  return new FilerError('PEER_UNREACHABLE', `cannot reach ${address} (${why})`, { peer: address }, { cause: error });
}

function refusal(address: string, method: string, path: string, status: number, bytes: Buffer): FilerError {
  const context = `${address} answers ${status} to ${method} ${path.slice(0, 200)}`;
  let body: unknown;
  try {
    body = JSON.parse(bytes.toString('utf8'));
  } catch {
    // An answer to HEAD, or not kelp's: the status has to do.
    body = null;
  }
  return FilerError.fromWire(body, codeOf(status), context);
}

/** The first code with that status; one nobody uses says no more than that it failed. */
function codeOf(status: number): FailureCode {
  const codes = Object.keys(failures) as FailureCode[];
  return codes.find((code) => failures[code].status === status) ?? (status >= 500 ? 'INTERNAL' : 'PARAMETER_INVALID');
}
