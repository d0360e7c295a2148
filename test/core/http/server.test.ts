import { once } from 'node:events';
import { connect } from 'node:net';
import { expect } from 'chai';
import { limits } from '../../../src/core/config/limits.js';
import { FilerError } from '../../../src/core/errors.js';
import { HttpClient } from '../../../src/core/http/client.js';
import { LongPoll } from '../../../src/core/http/long-poll.js';
import { empty, json, type Request, type Response, type Route } from '../../../src/core/http/router.js';
import { HttpServer } from '../../../src/core/http/server.js';
import { createLogger, type Logger } from '../../../src/core/logger.js';
import { realTime } from '../../../src/core/time.js';
import { rawHttp } from '../../support/raw-http.js';
import { waitFor } from '../../support/wait-for.js';

describe('HttpServer', () => {
  let server: HttpServer;
  let http: HttpClient;
  let address: string;
  let port: number;
  let lines: string[];
  let logger: Logger;
  let polls: LongPoll;
  /** Called by GET /call and PUT /call. */
  let handler: (request: Request) => Promise<Response>;

  const routes: Route[] = [
    { method: 'GET', path: '/call', role: 'open', summary: '', handler: (request) => handler(request) },
    { method: 'PUT', path: '/call', role: 'open', summary: '', handler: (request) => handler(request) },
    { method: 'PUT', path: '/small', role: 'open', summary: '', handler: async (request) => json(200, (await request.body(10)).length) },
    { method: 'PUT', path: '/json', role: 'open', summary: '', handler: async (request) => json(200, await request.json(100)) },
    { method: 'GET', path: '/held', role: 'open', summary: '', handler: async ({ signal }) => json(200, await polls.until(() => false, 60_000, signal)) },
  ];

  beforeEach(async () => {
    lines = [];
    logger = createLogger({ level: 'debug', write: (line) => lines.push(line), now: () => new Date() });
    polls = new LongPoll(realTime, 10);
    server = new HttpServer({ routes, hosts: ['filer.example'], time: realTime, logger, drainMs: 300 });
    ({ port } = await server.listen('127.0.0.1', 0));
    address = `127.0.0.1:${port}`;
    http = new HttpClient({ connections: 4 });
  });
  afterEach(async () => {
    await http.close();
    await server.stop();
  });

  const failure = async (answer: Promise<unknown>): Promise<FilerError> => {
    const outcome = await answer.catch((error: unknown) => error);
    expect(outcome).to.be.instanceOf(FilerError);
    return outcome as FilerError;
  };

  describe('answers', () => {
    it('what the handler returns, to HEAD without the body, and always with nosniff', async () => {
      handler = async () => json(200, { a: 1 }, { 'Filer-Head': 'x:1' });
      const answer = await http.request({ address, method: 'GET', path: '/call' });
      expect(answer.json()).to.deep.equal({ a: 1 });
      expect(answer.headers).to.include({ 'filer-head': 'x:1', 'x-content-type-options': 'nosniff', 'content-type': 'application/json' });
      const head = await http.request({ address, method: 'HEAD', path: '/call' });
      expect([head.text(), head.headers['content-length']]).to.deep.equal(['', '7']);
    });

    it('204 without a length', async () => {
      handler = async () => empty(204);
      const answer = await http.request({ address, method: 'GET', path: '/call' });
      expect([answer.status, answer.headers['content-length']]).to.deep.equal([204, undefined]);
    });

    it('failures with their status, code and fields, and says when to come back', async () => {
      handler = async () => Promise.reject(new FilerError('LOG_TRIMMED', 'position 12 is gone', { first: 40 }));
      expect(await failure(http.request({ address, method: 'GET', path: '/call' }))).to.deep.include({
        code: 'LOG_TRIMMED',
        message: 'position 12 is gone',
        fields: { first: 40 },
      });
      handler = async () => Promise.reject(new FilerError('OVERLOADED', 'too much'));
      expect(await rawHttp(port, 'GET /call HTTP/1.1', 'Host: localhost', 'Connection: close')).to.match(/^HTTP\/1.1 503 [^]*\r\nRetry-After: 1\r\n/);
    });

    it('a bug with 500, telling the log what and the client nothing', async () => {
      handler = async () => Promise.reject(new TypeError('secret detail'));
      const error = await failure(http.request({ address, method: 'GET', path: '/call' }));
      expect(error.code).to.equal('INTERNAL');
      expect(error.message).not.to.contain('secret');
      expect(lines.join()).to.contain('GET /call: TypeError: secret detail').and.contain('server.test.ts');
    });

    it('a header that cannot be sent with 500 instead of dying', async () => {
      handler = async () => json(200, {}, { 'Filer-Name': 'line\nbreak' });
      expect((await failure(http.request({ address, method: 'GET', path: '/call' }))).code).to.equal('INTERNAL');
    });

    it('405 with the methods there are', async () => {
      expect(await rawHttp(port, 'OPTIONS /call HTTP/1.1', 'Host: localhost', 'Connection: close')).to.match(
        /^HTTP\/1.1 405 [^]*\r\nAllow: GET, HEAD, PUT\r\n/,
      );
    });

    it('a stream no faster than it is read, and ends it when the reader goes', async () => {
      let sent = 0;
      let ended = false;
      const chunk = Buffer.alloc(256 * 1024);
      async function* endless(): AsyncGenerator<Buffer> {
        try {
          for (;;) {
            sent += 1;
            yield chunk;
          }
        } finally {
          ended = true;
        }
      }
      handler = async () => ({ status: 200, body: endless() });
      const socket = connect(port, '127.0.0.1');
      socket.write('GET /call HTTP/1.1\r\nHost: localhost\r\n\r\n');
      await once(socket, 'readable');
      let before = -1;
      await waitFor(
        () => {
          const still = sent === before;
          before = sent;
          return still;
        },
        { what: 'the stream to stop at a reader that does not read', everyMs: 100 },
      );
      expect(sent).to.be.below(200);
      socket.destroy();
      await waitFor(() => ended, { what: 'the stream to end' });
    });
  });

  describe('bodies', () => {
    it('are refused by their declared length before a byte is read', async () => {
      const error = await failure(http.request({ address, method: 'PUT', path: '/small', body: Buffer.alloc(5_000_000) }));
      expect(error).to.deep.include({ code: 'BODY_TOO_LARGE', fields: { limit: 10 } });
    });

    it('are refused while they stream in, and the answer still arrives', async () => {
      const chunks = Array.from({ length: 50 }, () => `1000\r\n${'x'.repeat(4096)}`);
      expect(await rawHttp(port, 'PUT /small HTTP/1.1', 'Host: localhost', 'Connection: close', 'Transfer-Encoding: chunked', '', ...chunks, '0'))
        .to.contain(' 413 ')
        .and.contain('BODY_TOO_LARGE');
    });

    it('are not asked for when they would be refused', async () => {
      const head = ['PUT /small HTTP/1.1', 'Host: localhost', 'Expect: 100-continue'];
      const refused = await rawHttp(port, ...head, 'Content-Length: 99');
      expect(refused)
        .to.match(/^HTTP\/1.1 413 /)
        .and.match(/\r\nConnection: close\r\n/);
      const accepted = await rawHttp(port, ...head, 'Connection: close', 'Content-Length: 4', '', 'ab');
      expect(accepted).to.match(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 /);
    });

    it('that are not JSON are 400', async () => {
      expect((await failure(http.request({ address, method: 'PUT', path: '/json', body: '{"a":' }))).code).to.equal('BODY_INVALID');
      expect((await http.request({ address, method: 'PUT', path: '/json', body: '{"a":1}' })).json()).to.deep.equal({ a: 1 });
    });

    it('that break off leave the handler with a failure', async () => {
      let outcome: unknown;
      handler = async (request) => {
        outcome = await request.body(100).catch((error: FilerError) => error.code);
        return empty(204);
      };
      const socket = connect(port, '127.0.0.1');
      socket.write('PUT /call HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\nabc');
      await waitFor(() => server.active === 1, { what: 'the request' });
      socket.destroy();
      expect(await waitFor(() => outcome, { what: 'the body to fail' })).to.equal('BODY_INVALID');
    });
  });

  describe('refuses', () => {
    // From 22 on Node itself answers.
    const nodeCounts = Number.parseInt(process.versions.node, 10) >= 22;
    const cases: [what: string, head: string[], status: number, code: string | null][] = [
      ['a request without a Host', ['GET /call HTTP/1.1'], 400, 'PARAMETER_INVALID'],
      ['two Hosts', ['GET /call HTTP/1.1', 'Host: localhost', 'Host: localhost'], 400, 'PARAMETER_INVALID'],
      ['an empty Host', ['GET /call HTTP/1.1', 'Host:'], 400, 'PARAMETER_INVALID'],
      ['a Host of somebody else', ['GET /call HTTP/1.1', 'Host: evil.example'], 403, 'HOST_REFUSED'],
      ['a Host that only begins like ours', ['GET /call HTTP/1.1', 'Host: localhost.evil.example'], 403, 'HOST_REFUSED'],
      ['a proxy request', ['GET http://localhost/call HTTP/1.1', 'Host: localhost'], 400, 'PATH_INVALID'],
      ['a target without a slash', ['OPTIONS * HTTP/1.1', 'Host: localhost'], 400, 'PATH_INVALID'],
      ['a write from another site', ['PUT /call HTTP/1.1', 'Host: localhost', 'Origin: http://evil.example', 'Content-Length: 0'], 403, 'HOST_REFUSED'],
      [
        'a write from another port of this machine',
        ['PUT /call HTTP/1.1', 'Host: localhost:1', 'Origin: http://localhost:2', 'Content-Length: 0'],
        403,
        'HOST_REFUSED',
      ],
      ['a write from a page without an origin', ['PUT /call HTTP/1.1', 'Host: localhost', 'Origin: null', 'Content-Length: 0'], 403, 'HOST_REFUSED'],
      ['a write a browser calls cross-site', ['PUT /call HTTP/1.1', 'Host: localhost', 'Sec-Fetch-Site: cross-site', 'Content-Length: 0'], 403, 'HOST_REFUSED'],
      [
        'more headers than it may have',
        ['GET /call HTTP/1.1', 'Host: localhost', ...Array.from({ length: limits.headersMax + 50 }, (_, i) => `X-${i}: 1`)],
        ...(nodeCounts ? ([431, null] as const) : ([400, 'PARAMETER_INVALID'] as const)),
      ],
      ['headers beyond their bytes', ['GET /call HTTP/1.1', 'Host: localhost', `X: ${'x'.repeat(limits.headerBytesMax)}`], 431, null],
      ['what is no HTTP', ['hello'], 400, null],
      ['length and chunks at once', ['PUT /call HTTP/1.1', 'Host: localhost', 'Content-Length: 1', 'Transfer-Encoding: chunked'], 400, null],
    ];
    for (const [what, head, status, code] of cases) {
      it(what, async () => {
        handler = async () => empty(204);
        const answer = await rawHttp(port, ...head, 'Connection: close');
        expect(answer).to.match(new RegExp(`^HTTP/1.1 ${status} `));
        if (code) expect(answer).to.contain(`"code":"${code}"`).and.contain('X-Content-Type-Options: nosniff');
      });
    }

    it('nothing its own page or a command sends', async () => {
      handler = async () => empty(204);
      const own: string[][] = [
        ['GET /call HTTP/1.1', 'Host: LOCALHOST:1234'],
        ['GET /call HTTP/1.1', 'Host: [::1]:8888'],
        ['GET /call HTTP/1.1', 'Host: filer.example'],
        ['GET /call HTTP/1.1', 'Host: localhost', 'Origin: http://evil.example', 'Sec-Fetch-Site: cross-site'],
        ['PUT /call HTTP/1.1', 'Host: localhost:8888', 'Origin: http://localhost:8888', 'Sec-Fetch-Site: same-origin', 'Content-Length: 0'],
        ['PUT /call HTTP/1.1', 'Host: localhost', 'Sec-Fetch-Site: none', 'Content-Length: 0'],
      ];
      for (const head of own) expect(await rawHttp(port, ...head, 'Connection: close'), head.join()).to.match(/^HTTP\/1.1 204 /);
    });

    it('odd targets without falling over', async () => {
      for (const target of ['//evil.example/call', '/%00', '/%', '/..%2f..', '/call?limit=%ff&limit', '/?', '/#x']) {
        expect(await rawHttp(port, `GET ${target} HTTP/1.1`, 'Host: localhost', 'Connection: close'), target)
          .to.match(/^HTTP\/1.1 [245]\d\d /)
          .and.not.match(/^HTTP\/1.1 500/);
      }
    });
  });

  describe('listening', () => {
    it('names the address and the cure when it is taken', async () => {
      const second = new HttpServer({ routes, hosts: [], time: realTime, logger });
      const error = await failure(second.listen('127.0.0.1', port));
      expect(error.code).to.equal('ADDRESS_IN_USE');
      expect(error.message).to.contain(`127.0.0.1:${port} is in use`).and.contain('--port');
      await second.stop();
    });

    it('calls an address that is not ours wrong usage', async () => {
      const second = new HttpServer({ routes, hosts: [], time: realTime, logger });
      expect((await failure(second.listen('192.0.2.1', 0))).code).to.equal('USAGE');
    });
  });

  describe('stopping', () => {
    it('ends held requests at once and idle connections with them', async () => {
      handler = async () => empty(204);
      await http.request({ address, method: 'GET', path: '/call' });
      const held = failure(http.request({ address, method: 'GET', path: '/held' }));
      await waitFor(() => polls.count === 1, { what: 'the held request' });
      await server.stop();
      expect((await held).code).to.equal('STOPPING');
      expect(polls.count).to.equal(0);
      expect((await failure(http.request({ address, method: 'GET', path: '/call' }))).code).to.equal('PEER_UNREACHABLE');
    });

    it('lets a request under way end', async () => {
      let finish = () => {};
      handler = async () => {
        await new Promise<void>((resolve) => (finish = resolve));
        return json(200, 'done');
      };
      const answer = http.request({ address, method: 'GET', path: '/call' });
      await waitFor(() => server.active === 1, { what: 'the request' });
      const stopped = server.stop();
      finish();
      expect((await answer).json()).to.equal('done');
      await stopped;
    });

    it('cuts off what does not end in time, and says so', async () => {
      handler = () => new Promise(() => {});
      const answer = failure(http.request({ address, method: 'GET', path: '/call' }));
      await waitFor(() => server.active === 1, { what: 'the request' });
      await server.stop();
      expect((await answer).code).to.equal('PEER_UNREACHABLE');
      expect(lines.join()).to.contain('1 requests did not end in time');
    });

    it('tells a handler when its client goes away', async () => {
      const gone = new AbortController();
      const answer = http.request({ address, method: 'GET', path: '/held', signal: gone.signal }).catch((error: unknown) => error);
      await waitFor(() => polls.count === 1, { what: 'the held request' });
      gone.abort(new Error('enough'));
      expect(await answer).to.have.property('message', 'enough');
      await waitFor(() => polls.count === 0, { what: 'the server to notice' });
    });
  });
});
