import { createServer, type RequestListener, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { limits } from '../../../src/core/config/limits.js';
import { FilerError } from '../../../src/core/errors.js';
import { HttpClient, type HttpRequest } from '../../../src/core/http/client.js';

/* The other side here is not kelp: what it does to a client, kelp's own server does not. */
describe('HttpClient', () => {
  let server: Server;
  let http: HttpClient;
  let address: string;
  let listener: RequestListener;

  beforeEach(async () => {
    server = createServer((incoming, outgoing) => listener(incoming, outgoing));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    http = new HttpClient({ connections: 2, answerBytesMax: 1000 });
  });
  afterEach(async () => {
    await http.close();
    server.closeAllConnections();
    server.close();
  });

  const get = (fields: Partial<HttpRequest> = {}) => http.request({ address, method: 'GET', path: '/x', ...fields });
  const failure = async (answer: Promise<unknown>): Promise<FilerError> => {
    const outcome = await answer.catch((error: unknown) => error);
    expect(outcome).to.be.instanceOf(FilerError);
    return outcome as FilerError;
  };

  it('sends method, query, headers and body', async () => {
    listener = (incoming, outgoing) => {
      incoming.resume();
      outgoing.end(JSON.stringify([incoming.method, incoming.url, incoming.headers['filer-origin']]));
    };
    const answer = await get({ method: 'PUT', query: { a: 'b c&', none: null, n: 3, yes: true }, headers: { 'Filer-Origin': 'o' }, body: 'text' });
    expect(answer.json()).to.deep.equal(['PUT', '/x?a=b%20c%26&n=3&yes=true', 'o']);
  });

  it('rebuilds the failure it is answered with', async () => {
    listener = (_, outgoing) => outgoing.writeHead(410).end('{"error":"gone","code":"LOG_TRIMMED","first":40}');
    expect(await failure(get())).to.deep.include({ code: 'LOG_TRIMMED', message: 'gone', fields: { first: 40 } });
  });

  it('falls back on the status when no code comes with it', async () => {
    for (const [status, code] of [
      [404, 'ENTRY_NOT_FOUND'],
      [503, 'OVERLOADED'],
      [418, 'PARAMETER_INVALID'],
      [599, 'INTERNAL'],
    ] as const) {
      listener = (_, outgoing) => outgoing.writeHead(status).end('<html>');
      expect((await failure(get())).code).to.equal(code);
    }
  });

  it('tells of a good answer before its body has come, and of no refusal', async () => {
    const told: unknown[] = [];
    listener = (_, outgoing) => {
      outgoing.writeHead(200, { 'X-Place': '7' }).flushHeaders();
      begun = (headers) => {
        told.push(headers['x-place']);
        outgoing.end('whole');
      };
    };
    let begun: NonNullable<HttpRequest['begun']> = () => {};
    expect((await get({ begun: (headers) => begun(headers) })).text()).to.equal('whole');
    listener = (_, outgoing) => outgoing.writeHead(404).end();
    await failure(get({ begun: () => told.push('refusal') }));
    expect(told).to.deep.equal(['7']);
  });

  it('gives back 304 and follows no redirect', async () => {
    listener = (_, outgoing) => outgoing.writeHead(304).end();
    expect((await get()).status).to.equal(304);
    listener = (_, outgoing) => outgoing.writeHead(302, { Location: '/elsewhere' }).end();
    expect((await failure(get())).code).to.equal('PEER_UNREACHABLE');
  });

  describe('calls the peer unreachable', () => {
    const cases: [what: string, listener: RequestListener, why: RegExp][] = [
      ['when it does not answer in time', () => {}, /no answer in time/],
      ['when the answer stops in the middle', (_, outgoing) => void outgoing.writeHead(200, { 'Content-Length': 10 }).write('abc'), /stopped in the middle/],
      ['when the connection breaks', (incoming) => incoming.socket.destroy(), /connection broke/],
      ['when the answer is too large', (_, outgoing) => outgoing.end('x'.repeat(2000)), /too large/],
      [
        'when the headers are too large',
        (_, outgoing) => outgoing.writeHead(200, { 'X-Long': 'x'.repeat(limits.headerBytesMax) }).end(),
        /headers of the answer are too large/,
      ],
    ];
    for (const [what, behave, why] of cases) {
      it(what, async () => {
        listener = behave;
        const error = await failure(get({ timeoutMs: 300, bodyMs: 300 }));
        expect(error).to.deep.include({ code: 'PEER_UNREACHABLE', fields: { peer: address } });
        expect(error.message).to.match(why).and.contain(address);
        expect(error.cause).to.be.instanceOf(Error);
      });
    }

    it('when nobody listens', async () => {
      server.close();
      await once(server, 'close');
      expect((await failure(get())).message).to.equal(`cannot reach ${address} (connection refused)`);
    });

    it('when its JSON is cut', async () => {
      listener = (_, outgoing) => outgoing.end('[1,2');
      const answer = await get();
      expect(() => answer.json())
        .to.throw(FilerError)
        .with.property('code', 'PEER_UNREACHABLE');
    });
  });

  it('ends with the reason of the signal', async () => {
    listener = () => {};
    const reader = new AbortController();
    const answer = get({ signal: reader.signal }).catch((error: unknown) => error);
    const reason = new Error('enough');
    reader.abort(reason);
    expect(await answer).to.equal(reason);
  });

  it('ends so while it waits for a connection too, and the next one gets it', async () => {
    const held: (() => void)[] = [];
    listener = (_, outgoing) => void held.push(() => outgoing.end('answered'));
    const under = [get(), get()];
    const reader = new AbortController();
    const waiting = get({ signal: reader.signal });
    const reason = new Error('enough');
    reader.abort(reason);
    expect(await waiting.catch((error: unknown) => error)).to.equal(reason);
    const next = get();
    while (held.length < 3) {
      await new Promise((resolve) => setImmediate(resolve));
      if (held.length === 2) for (const answer of held) answer();
    }
    held[2]?.();
    expect((await Promise.all([...under, next])).map((answer) => answer.text())).to.deep.equal(['answered', 'answered', 'answered']);
  });

  it('takes no requests once closed', async () => {
    await http.close();
    expect((await failure(get())).code).to.equal('STOPPING');
  });
});
