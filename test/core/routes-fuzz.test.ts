import { expect } from 'chai';
import fc from 'fast-check';
import { request } from 'node:http';
import type { FilerProcess } from '../../src/core/filer-process.js';
import { failures } from '../../src/core/errors.js';
import type { Route } from '../../src/core/http/router.js';
import type { Master } from '../../src/core/master.js';
import { filerHeaders } from '../../src/core/api/meta/protocol.js';
import { Processes } from '../support/processes.js';

/* Every route of filer and master, asked with nonsense and half-sense. */

interface Asked {
  readonly method: string;
  readonly target: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

interface Answered {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

const origin = fc.constantFrom('1111111111111111', 'abcdefabcdefabcd', '0', 'zz', '');
const value = fc.oneof(
  fc.constantFrom(
    '',
    '-1',
    '0',
    '1',
    '10001',
    'now',
    'true',
    'y',
    'long-poll',
    '1ms',
    '5s',
    '-5s',
    '1e9',
    '9'.repeat(20),
    '2026-11-21T10:00:00Z',
    '/',
    '/a',
    '../..',
    '%00',
    '%',
    '%ff',
    '%2F',
  ),
  fc.constantFrom('0123456789abcdef:1', '0123456789abcdef:1~0123456789abcdef:2', '0123456789abcdef:0:000000000000', '000000000000000000000000', 'L2E'),
  origin,
  fc.string({ maxLength: 20 }).map(encodeURIComponent),
);
const parameter = fc.constantFrom(
  ...[
    'offset',
    'position',
    'since',
    'until',
    'scope',
    'origins',
    'pathPrefix',
    'limit',
    'maxBytes',
    'cursor',
    'after',
    'recompute',
    'bucket',
    'path',
    'maxLag',
    'version',
    'group',
  ],
  ...[
    'mode',
    'ttl',
    'op',
    'recursive',
    'mv.from',
    'cp.from',
    'overwrite',
    'tagging',
    'metadata',
    'lastFileName',
    'namePattern',
    'namePatternExclude',
    'pretty',
    'wait',
    '__proto__',
  ],
);
// Held requests wait as long as they are told, so that time is always short.
const query = fc
  .array(fc.tuple(parameter, value), { maxLength: 4 })
  .map((pairs) => ['timeout=5ms', 'wait=5ms', ...pairs.map(([name, text]) => `${name}=${text}`)].join('&'));
const live = fc.constantFrom('', '', '&live=long-poll', '&live=x');
const header = fc.constantFrom(
  ...Object.values(filerHeaders),
  ...[
    'Filer-Min-Position',
    'If-Match',
    'If-None-Match',
    'If-Modified-Since',
    'Range',
    'Content-MD5',
    'Content-Type',
    'Accept',
    'Origin',
    'Sec-Fetch-Site',
    'Seaweed-x',
    'X-HTTP-Method-Override',
  ],
);
const headerValue = fc.oneof(
  fc.constantFrom(
    'bytes=0-1',
    'bytes=5-',
    '*',
    '"x"',
    'multipart/form-data; boundary=x',
    'application/json',
    'text/html',
    '127.0.0.1:1',
    'http://evil.example',
  ),
  origin,
  fc.stringMatching(/^[ -~]{0,30}$/),
);
const headers = fc.array(fc.tuple(header, headerValue), { maxLength: 4 }).map((pairs) => Object.fromEntries(pairs));
const body = fc.oneof(
  fc.constantFrom(
    '',
    '{}',
    '[]',
    'null',
    '{',
    '{"address":"127.0.0.1:1"}',
    '--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\nhi\r\n--x--\r\n',
  ),
  fc.json({ maxDepth: 3 }),
  fc.string({ maxLength: 100 }),
);
const rest = fc.oneof(
  fc
    .array(fc.oneof(value, fc.constantFrom('a', 'b', '.filer', 'healthz', '..', '%2e%2e', 'x'.repeat(300))), { maxLength: 4 })
    .map((names) => `/${names.join('/')}`),
  fc.constantFrom('/', '//', '/a/', '/.filer/v1/nothing'),
);

function targetFor(route: Route): fc.Arbitrary<string> {
  if (route.path === '*') return rest;
  if (!route.path.includes(':')) return fc.constant(route.path);
  return fc.oneof(value, origin).map((last) => route.path.replace(/:\w+$/, last.replace('/', '')));
}

const askedFor = (route: Route): fc.Arbitrary<Asked> =>
  fc
    .record({
      method: fc.oneof(
        { weight: 8, arbitrary: fc.constant(route.method as string) },
        { weight: 1, arbitrary: fc.constantFrom('HEAD', 'POST', 'DELETE', 'PUT', 'PATCH', 'OPTIONS') },
      ),
      path: targetFor(route),
      query,
      live,
      headers,
      body,
    })
    .map(({ path, query: text, live: how, ...asked }) => ({ ...asked, target: `${path}?${text}${how}` }));

function send(address: string, asked: Asked): Promise<Answered> {
  const [host, port] = address.split(':');
  return new Promise((resolve, reject) => {
    const isSafe = asked.method === 'GET' || asked.method === 'HEAD';
    // Said, or Node sends the bodies of some methods without saying where they end.
    const headers = isSafe ? asked.headers : { ...asked.headers, 'Content-Length': Buffer.byteLength(asked.body) };
    const outgoing = request({ host, port, method: asked.method, path: asked.target, headers, agent: false, timeout: 5000 }, (incoming) => {
      let text = '';
      incoming.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, type: incoming.headers['content-type'] ?? '', text }));
      incoming.on('error', reject);
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer')));
    outgoing.on('error', reject);
    outgoing.end(isSafe ? undefined : asked.body);
  });
}

/** May be answered to anything, because it says what is so and not that something broke. */
const honest = new Set([502, 503, 507]);

function checkAnswer(asked: Asked, answer: Answered): void {
  const shown = `${asked.method} ${asked.target} ${JSON.stringify(asked.headers)}: ${answer.status} ${answer.text.slice(0, 200)}`;
  if (answer.status >= 500) expect(honest.has(answer.status), shown).to.equal(true);
  if (answer.status < 400 || asked.method === 'HEAD') return;
  const parsed = JSON.parse(answer.text) as { error?: unknown; code?: unknown };
  expect(answer.type, shown).to.equal('application/json');
  expect(parsed.error, shown).to.be.a('string').and.not.equal('');
  expect(Object.keys(failures), shown).to.include(parsed.code);
}

describe('every route', () => {
  const processes = new Processes();
  let master: Master;
  let filer: FilerProcess;

  before(async () => {
    master = await processes.master();
    // It serves nobody else, so whatever changes was changed by a request.
    filer = await processes.filer();
    await processes.send(filer, 'PUT', '/a/b', 'content');
  });
  after(() => processes.stopAll());

  it('of a filer answers anything with a status that fits and JSON that names it, and a refusal changes nothing', async function () {
    this.timeout(60_000);
    for (const route of filer.routes) {
      await fc.assert(
        fc.asyncProperty(askedFor(route), async (asked) => {
          const before = filer.filer.log.digest;
          const answer = await send(filer.address, asked);
          checkAnswer(asked, answer);
          // Whoever asked with the headers of a peer is known, and may be closed.
          const mayWrite =
            ['*', '/.filer/v1/checkpoints/:link', '/.filer/v1/links/:link', '/.filer/v1/closed/:origin'].includes(route.path) && answer.status < 300;
          if (!mayWrite) expect(filer.filer.log.digest, `${asked.method} ${asked.target} ${answer.status}`).to.equal(before);
        }),
        { numRuns: 80, interruptAfterTimeLimit: 2000 },
      );
    }
    expect((await processes.send(filer, 'GET', '/healthz')).status).to.equal(200);
    const { digest, recomputed } = await processes.meta(filer).digest(true);
    expect(recomputed?.digest).to.equal(digest);
  });

  it('of a master does too', async function () {
    this.timeout(60_000);
    for (const route of master.routes) {
      await fc.assert(
        fc.asyncProperty(askedFor(route), async (asked) => {
          checkAnswer(asked, await send(master.address, asked));
        }),
        { numRuns: 80, interruptAfterTimeLimit: 2000 },
      );
    }
    expect((await processes.send(master, 'GET', '/healthz')).status).to.equal(200);
  });
});
