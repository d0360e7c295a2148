import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { limits as defaults } from '../config/limits.js';
import { FilerError, isFailure, messageOf } from '../errors.js';
import type { Logger } from '../logger.js';
import type { TimeSource } from '../time.js';
import type { Verifier } from '../security/verifier.js';
import { ByteBudget } from './byte-budget.js';
import { Connections } from './connections.js';
import { admit, hostOf, refuseForeign } from './guard.js';
import { IncomingRequest } from './incoming.js';
import { openFilesMax } from './open-files.js';
import { send } from './outgoing.js';
import { json, Router, type Response, type Route } from './router.js';

export interface HttpServerOptions {
  readonly routes: readonly Route[];
  /** The flag that says its port, for messages; --port if absent. */
  readonly portFlag?: string;
  /** Names and addresses clients may call this process by, besides those of loopback. */
  readonly hosts: readonly string[];
  readonly time: Pick<TimeSource, 'sleep' | 'monotonic'>;
  readonly logger: Logger;
  /** Milliseconds; limits.drainMs if absent. */
  readonly drainMs?: number;
  /** Instead of those of config/limits.ts. */
  readonly limits?: Partial<ServerLimits>;
  /** Checks the signatures of peers and operators; absent = none are asked for. */
  readonly verifier?: Verifier;
}

export interface HeldByPort {
  readonly connections: number;
  readonly bodyBytes: number;
  readonly answerBytes: number;
}

/** The limits of a port, by their names in config/limits.ts. */
export type ServerLimits = {
  readonly [
    K in
      | 'connectionsMax'
      | 'connectionsKept'
      | 'pipelinedMax'
      | 'headersTimeoutMs'
      | 'requestTimeoutMs'
      | 'connectionsCheckMs'
      | 'keepAliveServerMs'
      | 'bodiesBytes'
      | 'answersBytes'
      | 'answersBytesForPeers'
      | 'answerBytesFree'
      | 'slowMs'
      | 'stallMs'
  ]: number;
};

/**
 * One HTTP port. Every request passes the same guard, finds its row in the route table, and is answered with what the
 * handler returns, or with the status and JSON body of the failure it throws.
 */
export class HttpServer {
  readonly routes: readonly Route[];
  /** Connections it keeps at one time: as many as it may, or as the system lets it have. */
  readonly connectionsMax: number;
  readonly #options: HttpServerOptions;
  readonly #router: Router;
  readonly #hosts: ReadonlySet<string>;
  readonly #server: Server;
  readonly #active = new Set<IncomingRequest>();
  readonly #limits: ServerLimits;
  readonly #connections: Connections;
  readonly #bodies: ByteBudget;
  readonly #answers: ByteBudget;
  #stopping: FilerError | null = null;

  constructor(options: HttpServerOptions) {
    this.#options = options;
    this.routes = options.routes;
    this.#router = new Router(options.routes);
    this.#hosts = new Set(['127.0.0.1', 'localhost', '[::1]', ...options.hosts.map(hostOf)]);
    const limits = (this.#limits = { ...defaults, ...options.limits });
    this.connectionsMax = Math.max(1, Math.min(limits.connectionsMax, openFilesMax() - defaults.filesKept));
    this.#connections = new Connections(this.connectionsMax, limits.connectionsKept);
    this.#bodies = new ByteBudget(limits.bodiesBytes, limits.slowMs, options.time);
    this.#answers = new ByteBudget(limits.answersBytes, limits.slowMs, options.time);
    this.#server = createServer({
      maxHeaderSize: defaults.headerBytesMax,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      connectionsCheckingInterval: limits.connectionsCheckMs,
      keepAliveTimeout: limits.keepAliveServerMs,
      // TCP's own: finds readers whose machine is gone while their request is held.
      keepAlive: true,
      keepAliveInitialDelay: defaults.keepAliveClientMs,
      // The guard counts Host headers itself, and answers in JSON.
      requireHostHeader: false,
      insecureHTTPParser: false,
    });
    this.#server.maxHeadersCount = defaults.headersMax + 1;
    this.#server.on('connection', (socket) => this.#connections.add(socket));
    this.#server.on('request', (incoming, outgoing) => void this.#serve(incoming, outgoing, null));
    this.#server.on('checkContinue', (incoming, outgoing) => void this.#serve(incoming, outgoing, () => outgoing.writeContinue()));
  }

  /** Requests being answered, held ones included. */
  get active(): number {
    return this.#active.size;
  }

  /** True if an answer of so many bytes to a client could go out now. */
  hasRoom(bytes: number): boolean {
    const { answersBytes, answersBytesForPeers } = this.#limits;
    return this.#answers.hasRoom(bytes, answersBytes - answersBytesForPeers);
  }

  /** What clients make this port hold. */
  get held(): HeldByPort {
    return { connections: this.#connections.count, bodyBytes: this.#bodies.used, answerBytes: this.#answers.used };
  }

  /**
   * Port 0 takes any free one. Resolves with the real address once connections are accepted.
   * @throws FilerError ADDRESS_IN_USE; USAGE if the address cannot be bound for another reason
   */
  async listen(host: string, port: number): Promise<{ host: string; port: number }> {
    const shown = `${hostOf(host)}:${port}`;
    try {
      this.#server.listen(port, host);
      await once(this.#server, 'listening');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') {
        throw new FilerError(
          'ADDRESS_IN_USE',
          `${shown} is in use; stop the process that listens there or choose another ${this.#options.portFlag ?? '--port'}`,
          { address: shown },
          { cause: error },
        );
      }
      throw new FilerError(
        'USAGE',
        `cannot listen on ${shown} (${messageOf(error)}); choose another --ip.bind or --port`,
        { address: shown },
        { cause: error },
      );
    }
    if (this.connectionsMax < this.#limits.connectionsMax)
      this.#options.logger.warn(
        `the system lets this process open ${openFilesMax()} files: it takes ${this.connectionsMax} connections; raise ulimit -n for ${this.#limits.connectionsMax}`,
      );
    this.#server.on('error', (error) => this.#options.logger.error(`the listening socket failed: ${messageOf(error)}`));
    return { host, port: (this.#server.address() as AddressInfo).port };
  }

  /** Takes no new requests, ends held ones, waits for the rest up to the drain limit, then closes every connection. */
  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = new FilerError('STOPPING', 'this process is stopping; ask another one or try again');
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    // Half a head is no request yet, and would only be waited for.
    this.#connections.closeIdle();
    for (const request of this.#active) request.abort(this.#stopping);
    const drained = new AbortController();
    const late = this.#options.time.sleep(this.#options.drainMs ?? defaults.drainMs, drained.signal).then(
      () => {
        if (this.#active.size > 0) this.#options.logger.warn(`${this.#active.size} requests did not end in time and were cut off`);
        this.#server.closeAllConnections();
      },
      // Only the abort below gets here.
      () => {},
    );
    await closed;
    drained.abort();
    await late;
  }

  /** Never rejects. */
  async #serve(incoming: IncomingMessage, outgoing: ServerResponse, proceed: (() => void) | null): Promise<void> {
    const request = new IncomingRequest(incoming, proceed, this.#bodies);
    const { socket } = incoming;
    const ended = () => {
      this.#active.delete(request);
      this.#connections.end(socket, ended);
      request.release();
      request.abort();
      if (this.#stopping) setImmediate(() => this.#server.closeIdleConnections());
    };
    this.#active.add(request);
    const pipelined = this.#connections.begin(socket, ended);
    // Not an event of ours to fail on: 'close' follows.
    outgoing.on('error', (error) => this.#options.logger.debug(`an answer could not be sent: ${messageOf(error)}`));
    outgoing.once('close', ended);
    // It does not wait for its refusal.
    if (pipelined > 2 * this.#limits.pipelinedMax) socket.destroy();
    const response = await this.#answer(incoming, request, pipelined);
    try {
      await this.#send(response, request, outgoing);
    } catch (error) {
      if (outgoing.destroyed) return;
      // What has begun cannot become an error any more; a cut connection shows the client that it is not whole.
      if (outgoing.headersSent) {
        if (!isFailure(error)) this.#bug(request, error);
        outgoing.destroy();
      } else {
        for (const name of outgoing.getHeaderNames()) outgoing.removeHeader(name);
        await this.#send(this.#failure(request, error), request, outgoing).catch(() => outgoing.destroy());
      }
    }
  }

  async #answer(incoming: IncomingMessage, request: IncomingRequest, pipelined: number): Promise<Response> {
    try {
      if (this.#stopping) throw this.#stopping;
      if (pipelined > this.#limits.pipelinedMax) {
        request.isLast = true;
        throw new FilerError('OVERLOADED', `a connection may have ${this.#limits.pipelinedMax} requests under way; use more connections`);
      }
      refuseForeign(incoming, this.#hosts);
      const { route, parameter } = this.#router.match(request.method, request.rawPath);
      request.parameter = parameter;
      if (route.role === 'client' && this.#connections.isLate(incoming.socket)) {
        request.isLast = true;
        throw new FilerError('OVERLOADED', 'all connections are busy here; try again in a second, or ask another one');
      }
      admit(request, route, this.#options.verifier ?? null);
      return await route.handler(request);
    } catch (error) {
      return this.#failure(request, error);
    }
  }

  #failure(request: IncomingRequest, error: unknown): Response {
    if (!(error instanceof FilerError)) {
      if (!request.signal.aborted) this.#bug(request, error);
      error = new FilerError('INTERNAL', 'this is a bug of kelp; the log of this process has the details');
    }
    const failure = error as FilerError;
    const headers: Record<string, string> = {};
    if (failure.status === 429 || failure.status === 503) headers['Retry-After'] = String(defaults.retryAfterSeconds);
    if (failure.code === 'METHOD_NOT_ALLOWED') headers['Allow'] = String(failure.fields['allow']);
    return json(failure.status, failure.toWire(), headers);
  }

  #bug(request: IncomingRequest, error: unknown): void {
    this.#options.logger.error(
      `${request.method} ${request.rawPath.slice(0, 200)}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
  }

  #send(response: Response, request: IncomingRequest, outgoing: ServerResponse): Promise<void> {
    return send(response, { request, outgoing, answers: this.#answers, limits: this.#limits, last: this.#stopping !== null || request.isLast });
  }
}
