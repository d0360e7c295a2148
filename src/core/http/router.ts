import type { IncomingHttpHeaders } from 'node:http';
import { FilerError } from '../errors.js';
import type { Query } from './params.js';

export type Method = 'GET' | 'PUT' | 'POST' | 'DELETE';

/** Who may ask: anybody; clients of the tree; other filers and masters; operators. */
export type Role = 'open' | 'client' | 'peer' | 'admin';

/** One request as handlers see it. */
export interface Request {
  /** As sent; a handler of GET sees HEAD too and may spare itself the body. */
  readonly method: string;
  /** The target up to the "?", undecoded. */
  readonly rawPath: string;
  /** What stands for `:name` in the route's path, decoded; '' if the route has none. */
  readonly parameter: string;
  readonly query: Query;
  readonly headers: IncomingHttpHeaders;
  /** Aborts when the client goes away (AbortError) and when the server stops (FilerError STOPPING). Held answers watch it; a write that is under way need not. */
  readonly signal: AbortSignal;
  readonly remoteAddress: string;
  /**
   * The whole body; at most `bytesMax` bytes are ever held.
   * @throws FilerError BODY_TOO_LARGE; BODY_INVALID if the client breaks off; OVERLOADED if the bodies of all requests take too much;
   * SIGNATURE_INVALID if it is not the body that was signed
   */
  body(bytesMax: number): Promise<Buffer>;
  /** The body as JSON. @throws FilerError BODY_TOO_LARGE, BODY_INVALID, OVERLOADED, SIGNATURE_INVALID */
  json(bytesMax: number): Promise<unknown>;
}

export interface Response {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** An iterable is sent chunk by chunk, no faster than it is read, and is returned early if the reader goes away. */
  /** Pieces go out as one body of known length, without being put together. */
  readonly body?: Buffer | string | readonly Buffer[] | AsyncIterable<Buffer | string>;
  /** It may take of the memory that is kept for answers to peers. */
  readonly forPeer?: boolean;
}

/** One row of a process' route table. The table is data, so that a test can walk it. */
export interface Route {
  readonly method: Method;
  /** Exact (`/.filer/v1/store`), with one parameter at the end (`/cluster/filers/:origin`), or `*`: whatever no other row names. */
  readonly path: string;
  readonly role: Role;
  /** True if callers ask here whom they have reached, so that they cannot name it in their signature yet. */
  readonly firstContact?: boolean;
  readonly summary: string;
  readonly handler: (request: Request) => Promise<Response>;
}

export function json(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  return { status, headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(value) };
}

export function empty(status: number, headers: Readonly<Record<string, string>> = {}): Response {
  return { status, headers };
}

export interface Match {
  readonly route: Route;
  readonly parameter: string;
}

type Rows = Map<Method, Route>;

/** Finds the row for a request. The more exact pattern wins; a method it lacks may still be answered by `*`. */
export class Router {
  readonly #exact = new Map<string, Rows>();
  readonly #below = new Map<string, Rows>();
  readonly #rest: Rows = new Map();

  constructor(readonly routes: readonly Route[]) {
    for (const route of routes) {
      const rows = this.#rowsFor(route.path);
      if (rows.has(route.method)) throw new TypeError(`two routes for ${route.method} ${route.path}`);
      rows.set(route.method, route);
    }
  }

  /** @throws FilerError ENTRY_NOT_FOUND; METHOD_NOT_ALLOWED with `allow`; PARAMETER_INVALID for a parameter that is not percent-encoded UTF-8 */
  match(method: string, rawPath: string): Match {
    const slash = rawPath.lastIndexOf('/') + 1;
    const last = rawPath.slice(slash);
    const below = last === '' ? undefined : this.#below.get(rawPath.slice(0, slash));
    const asked = (method === 'HEAD' ? 'GET' : method) as Method;

    const exact = this.#exact.get(rawPath)?.get(asked);
    if (exact) return { route: exact, parameter: '' };
    const parametric = below?.get(asked);
    if (parametric) return { route: parametric, parameter: decodeParameter(last) };
    const rest = this.#rest.get(asked);
    if (rest) return { route: rest, parameter: '' };

    const methods = new Set([this.#exact.get(rawPath), below, this.#rest].flatMap((rows) => [...(rows?.keys() ?? [])]));
    if (methods.size === 0) throw new FilerError('ENTRY_NOT_FOUND', `nothing is at ${rawPath.slice(0, 80)}`);
    const allow = [...methods].flatMap((one) => (one === 'GET' ? ['GET', 'HEAD'] : [one])).join(', ');
    throw new FilerError('METHOD_NOT_ALLOWED', `${method} is not answered here; use ${allow}`, { allow });
  }

  #rowsFor(path: string): Rows {
    if (path === '*') return this.#rest;
    const [, prefix] = /^(\/(?:[^:*]*\/)?):\w+$/.exec(path) ?? [];
    if (prefix === undefined && !/^\/[^:*]*$/.test(path)) throw new TypeError(`"${path}" is not a route path`);
    const table = prefix === undefined ? this.#exact : this.#below;
    const rows: Rows = table.get(prefix ?? path) ?? new Map();
    table.set(prefix ?? path, rows);
    return rows;
  }
}

function decodeParameter(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new FilerError('PARAMETER_INVALID', 'the last part of the path is not valid percent-encoded UTF-8');
  }
}
