import { once } from 'node:events';
import { connect } from 'node:net';
import { expect } from 'chai';
import { FilerError } from '../../../src/core/errors.js';
import { HttpClient } from '../../../src/core/http/client.js';
import { empty, json, type Request, type Response, type Route } from '../../../src/core/http/router.js';
import { HttpServer, type ServerLimits } from '../../../src/core/http/server.js';
import { silentLogger } from '../../../src/core/logger.js';
import { realTime } from '../../../src/core/time.js';
import { rawHttp } from '../../support/raw-http.js';
import { waitFor } from '../../support/wait-for.js';

describe('HttpServer under load', () => {
  let server: HttpServer;
  let http: HttpClient;
  let address: string;
  let port: number;
  /** Called by GET /call and PUT /call. */
  let handler: (request: Request) => Promise<Response>;

  const routes: Route[] = [
    { method: 'GET', path: '/call', role: 'open', summary: '', handler: (request) => handler(request) },
    { method: 'PUT', path: '/call', role: 'open', summary: '', handler: (request) => handler(request) },
    { method: 'GET', path: '/health', role: 'open', summary: '', handler: async () => empty(204) },
    { method: 'GET', path: '*', role: 'client', summary: '', handler: async () => empty(204) },
  ];

  beforeEach(() => {
    http = new HttpClient({ connections: 4 });
  });
  afterEach(async () => {
    await http.close();
    await server.stop();
  });

  const start = async (less: Partial<ServerLimits>) => {
    server = new HttpServer({ routes, hosts: [], time: realTime, logger: silentLogger, drainMs: 300, limits: less });
    ({ port } = await server.listen('127.0.0.1', 0));
    address = `127.0.0.1:${port}`;
  };
  const failure = async (answer: Promise<unknown>): Promise<FilerError> => {
    const outcome = await answer.catch((error: unknown) => error);
    expect(outcome).to.be.instanceOf(FilerError);
    return outcome as FilerError;
  };
  /** A connection that sends what it is told, and keeps what comes back. */
  const open = async (text: string) => {
    const socket = connect(port, '127.0.0.1');
    const state = { socket, text: '', closed: false };
    socket.setEncoding('latin1').on('data', (more: string) => (state.text += more));
    socket.on('error', () => {}).on('close', () => (state.closed = true));
    await once(socket, 'connect');
    socket.write(text);
    return state;
  };
  const get = 'GET /call HTTP/1.1\r\nHost: localhost\r\n\r\n';
  const put = (length: number, body: string) => `PUT /call HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\n\r\n${body}`;

  it('refuses bodies beyond what all of them may take, and takes them again when others have ended', async () => {
    await start({ bodiesBytes: 12_000 });
    handler = async (request) => json(200, (await request.body(100_000)).length);
    const slow = await open(put(9000, 'x'.repeat(8000)));
    await waitFor(() => server.held.bodyBytes > 8000, { what: 'the body that does not end' });
    const error = await failure(http.request({ address, method: 'PUT', path: '/call', body: Buffer.alloc(4000) }));
    expect(error).to.deep.include({ code: 'OVERLOADED' });
    slow.socket.write('x'.repeat(1000));
    await waitFor(() => slow.text.endsWith('9000'), { what: 'the answer to the slow one' });
    await waitFor(() => server.held.bodyBytes === 0, { what: 'the memory to be given back' });
    expect((await http.request({ address, method: 'PUT', path: '/call', body: Buffer.alloc(4000) })).json()).to.equal(4000);
    slow.socket.destroy();
  });

  it('counts what the pieces of a body cost, not only their bytes', async () => {
    await start({ bodiesBytes: 50_000 });
    handler = async (request) => json(200, (await request.body(100_000)).length);
    const pieces = '1\r\nx\r\n'.repeat(1000);
    const answer = await rawHttp(port, 'PUT /call HTTP/1.1', 'Host: localhost', 'Connection: close', 'Transfer-Encoding: chunked', '', `${pieces}0`);
    expect(answer).to.match(/^HTTP\/1.1 503 [^]*\r\nRetry-After: 1\r\n/);
  });

  it('lets a body that has been coming for long make room', async () => {
    await start({ bodiesBytes: 10_000, slowMs: 0 });
    handler = async (request) => json(200, (await request.body(100_000)).length);
    const slow = await open(put(9000, 'x'.repeat(8000)));
    await waitFor(() => server.held.bodyBytes > 8000, { what: 'the body that does not end' });
    expect((await http.request({ address, method: 'PUT', path: '/call', body: Buffer.alloc(4000) })).json()).to.equal(4000);
    await waitFor(() => slow.text.startsWith('HTTP/1.1 503'), { what: 'the refusal of the slow one' });
    slow.socket.destroy();
  });

  it('refuses answers beyond what readers that do not take theirs may hold, but for peers and small ones', async () => {
    const page = Buffer.alloc(20_000_000, 'x');
    await start({ answersBytes: 50_000_000, answersBytesForPeers: 20_000_000 });
    handler = async ({ query }) => (query.has('small') ? json(200, 'small') : { status: 200, body: page, forPeer: query.has('peer') });
    const stuck = await open(get);
    stuck.socket.pause();
    await waitFor(() => server.held.answerBytes === page.length, { what: 'the answer nobody takes' });
    expect((await failure(http.request({ address, method: 'GET', path: '/call' }))).code).to.equal('OVERLOADED');
    expect((await http.request({ address, method: 'GET', path: '/call', query: { small: 1 } })).json()).to.equal('small');
    expect((await http.request({ address, method: 'GET', path: '/call', query: { peer: 1 } })).bytes().length).to.equal(page.length);
    stuck.socket.destroy();
    await waitFor(() => server.held.answerBytes === 0, { what: 'the memory to be given back' });
    expect((await http.request({ address, method: 'GET', path: '/call' })).bytes().length).to.equal(page.length);
  });

  it('cuts off a reader that takes nothing', async () => {
    await start({ stallMs: 100 });
    handler = async () => ({ status: 200, body: Buffer.alloc(20_000_000) });
    const stuck = await open(get);
    stuck.socket.pause();
    await waitFor(() => server.active === 1, { what: 'the request' });
    await waitFor(() => server.active === 0 && server.held.answerBytes === 0, { what: 'the server to give up' });
    stuck.socket.destroy();
  });

  it('refuses what is pipelined beyond the limit, after the answers to the rest', async () => {
    await start({ pipelinedMax: 2 });
    const finish: (() => void)[] = [];
    handler = async () => {
      await new Promise<void>((resolve) => finish.push(resolve));
      return empty(204);
    };
    const client = await open(get.repeat(3));
    await waitFor(() => server.active === 3, { what: 'the requests' });
    for (const each of finish) each();
    await waitFor(() => client.closed, { what: 'the connection to be closed' });
    expect(client.text.match(/HTTP\/1.1 \d+/g)).to.deep.equal(['HTTP/1.1 204', 'HTTP/1.1 204', 'HTTP/1.1 503']);
    expect(finish.length, 'requests that reached the handler').to.equal(2);
  });

  it('cuts off whoever goes on pipelining, and forgets what was asked there', async () => {
    await start({ pipelinedMax: 2 });
    handler = () => new Promise(() => {});
    const client = await open(get.repeat(50));
    await waitFor(() => client.closed, { what: 'the connection to be closed' });
    await waitFor(() => server.active === 0, { what: 'the requests to be forgotten' });
  });

  it('closes the connection that has been idle for longest when there are too many', async () => {
    await start({ connectionsMax: 3 });
    handler = async () => empty(204);
    const [first, second, third] = [await open(get), await open(get), await open(get)];
    await waitFor(() => third.text !== '', { what: 'the last answer' });
    const fourth = await open(get);
    await waitFor(() => fourth.text !== '', { what: 'an answer to one more' });
    await waitFor(() => first.closed, { what: 'the oldest to be closed' });
    expect([second.closed, third.closed, fourth.closed, server.held.connections]).to.deep.equal([false, false, false, 3]);
    for (const each of [second, third, fourth]) each.socket.destroy();
  });

  it('answers peers and health checks when all connections are busy, and clients with when to come back', async () => {
    await start({ connectionsMax: 2 });
    handler = () => new Promise(() => {});
    const busy = [await open(get), await open(get)];
    await waitFor(() => server.active === 2, { what: 'the requests' });
    const health = await rawHttp(port, 'GET /health HTTP/1.1', 'Host: localhost', 'Connection: close');
    const tree = await rawHttp(port, 'GET /some/file HTTP/1.1', 'Host: localhost');
    expect(health).to.match(/^HTTP\/1.1 204 /);
    expect(tree).to.match(/^HTTP\/1.1 503 [^]*\r\nRetry-After: 1\r\n/);
    for (const each of busy) each.socket.destroy();
  });
});
