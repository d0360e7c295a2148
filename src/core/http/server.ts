import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { limits } from '../config/limits.js';
import { FilerError, isFailure, messageOf } from '../errors.js';
import type { Logger } from '../logger.js';
import type { TimeSource } from '../time.js';
import { hostOf, refuseForeign } from './guard.js';
import { IncomingRequest } from './incoming.js';
import { json, Router, type Response, type Route } from './router.js';

export interface HttpServerOptions {
  readonly routes: readonly Route[];
  /** Names and addresses clients may call this process by, besides those of loopback. */
  readonly hosts: readonly string[];
  readonly time: Pick<TimeSource, 'sleep'>;
  readonly logger: Logger;
  /** Milliseconds; limits.drainMs if absent. */
  readonly drainMs?: number;
}

/**
 * One HTTP port. Every request passes the same guard, finds its row in the route table, and is answered with what the
 * handler returns, or with the status and JSON body of the failure it throws.
 */
export class HttpServer {
  readonly routes: readonly Route[];
  readonly #options: HttpServerOptions;
  readonly #router: Router;
  readonly #hosts: ReadonlySet<string>;
  readonly #server: Server;
  readonly #active = new Set<IncomingRequest>();
  #stopping: FilerError | null = null;

  constructor(options: HttpServerOptions) {
    this.#options = options;
    this.routes = options.routes;
    this.#router = new Router(options.routes);
    this.#hosts = new Set(['127.0.0.1', 'localhost', '[::1]', ...options.hosts.map(hostOf)]);
    this.#server = createServer({
      maxHeaderSize: limits.headerBytesMax,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      connectionsCheckingInterval: limits.connectionsCheckMs,
      keepAliveTimeout: limits.keepAliveServerMs,
      // TCP's own: finds readers whose machine is gone while their request is held.
      keepAlive: true,
      keepAliveInitialDelay: limits.keepAliveClientMs,
      // The guard counts Host headers itself, and answers in JSON.
      requireHostHeader: false,
      insecureHTTPParser: false,
    });
    this.#server.maxHeadersCount = limits.headersMax + 1;
    this.#server.maxConnections = limits.connectionsMax;
    this.#server.on('request', (incoming, outgoing) => void this.#serve(incoming, outgoing, null));
    this.#server.on('checkContinue', (incoming, outgoing) => void this.#serve(incoming, outgoing, () => outgoing.writeContinue()));
  }

  /** Requests being answered, held ones included. */
  get active(): number {
    return this.#active.size;
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
          `${shown} is in use; stop the process that listens there or choose another --port`,
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
    for (const request of this.#active) request.abort(this.#stopping);
    const drained = new AbortController();
    const late = this.#options.time.sleep(this.#options.drainMs ?? limits.drainMs, drained.signal).then(
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
    const request = new IncomingRequest(incoming, proceed);
    this.#active.add(request);
    // Not an event of ours to fail on: 'close' follows.
    outgoing.on('error', (error) => this.#options.logger.debug(`an answer could not be sent: ${messageOf(error)}`));
    outgoing.once('close', () => {
      this.#active.delete(request);
      request.abort();
      if (this.#stopping) setImmediate(() => this.#server.closeIdleConnections());
    });
    const response = await this.#answer(incoming, request);
    try {
      await this.#send(response, request, outgoing);
    } catch (error) {
      if (outgoing.destroyed) return;
      // What has begun cannot become an error any more; a cut connection shows the client that it is not whole.
      if (outgoing.headersSent) {
        if (!isFailure(error, 'STOPPING')) this.#bug(request, error);
        outgoing.destroy();
      } else {
        for (const name of outgoing.getHeaderNames()) outgoing.removeHeader(name);
        await this.#send(this.#failure(request, error), request, outgoing).catch(() => outgoing.destroy());
      }
    }
  }

  async #answer(incoming: IncomingMessage, request: IncomingRequest): Promise<Response> {
    try {
      if (this.#stopping) throw this.#stopping;
      refuseForeign(incoming, this.#hosts);
      const { route, parameter } = this.#router.match(request.method, request.rawPath);
      request.parameter = parameter;
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
    if (failure.status === 429 || failure.status === 503) headers['Retry-After'] = String(limits.retryAfterSeconds);
    if (failure.code === 'METHOD_NOT_ALLOWED') headers['Allow'] = String(failure.fields['allow']);
    return json(failure.status, failure.toWire(), headers);
  }

  #bug(request: IncomingRequest, error: unknown): void {
    this.#options.logger.error(
      `${request.method} ${request.rawPath.slice(0, 200)}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
  }

  async #send(response: Response, request: IncomingRequest, outgoing: ServerResponse): Promise<void> {
    const { status, headers = {}, body } = response;
    outgoing.statusCode = status;
    for (const name in headers) outgoing.setHeader(name, headers[name] as string);
    outgoing.setHeader('X-Content-Type-Options', 'nosniff');
    if (this.#stopping || request.bodyHeldBack) outgoing.setHeader('Connection', 'close');

    if (body === undefined || typeof body === 'string' || Buffer.isBuffer(body)) {
      const bodiless = status === 204 || status === 304;
      if (body !== undefined && !bodiless && !outgoing.hasHeader('Content-Length')) outgoing.setHeader('Content-Length', Buffer.byteLength(body));
      outgoing.end(bodiless ? undefined : body);
      // The next request on the connection, or its keep-alive, sets another time-out.
      if (!outgoing.writableFinished) outgoing.setTimeout(limits.stallMs);
      return;
    }
    if (request.method === 'HEAD') {
      await body[Symbol.asyncIterator]().return?.();
      outgoing.end();
      return;
    }
    outgoing.flushHeaders();
    for await (const chunk of body) {
      if (outgoing.destroyed) return;
      if (!outgoing.write(chunk)) await drain(outgoing);
    }
    outgoing.end();
  }
}

/** Until the reader has taken what was written, or is gone; one that takes nothing for too long is cut off. */
async function drain(outgoing: ServerResponse): Promise<void> {
  outgoing.setTimeout(limits.stallMs);
  await new Promise<void>((resolve) => {
    const done = () => {
      outgoing.off('drain', done);
      outgoing.off('close', done);
      resolve();
    };
    outgoing.once('drain', done);
    outgoing.once('close', done);
    if (outgoing.destroyed) done();
  });
  outgoing.setTimeout(0);
}
