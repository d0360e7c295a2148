import { expect } from 'chai';
import { encodeChangePage } from '../../../../src/core/change/page.js';
import type { MetaClient } from '../../../../src/core/api/meta/client.js';
import { filerHeaders } from '../../../../src/core/api/meta/protocol.js';
import type { Origin } from '../../../../src/core/clock/vector.js';
import { FilerError } from '../../../../src/core/errors.js';
import type { FilerProcess } from '../../../../src/core/filer-process.js';
import type { HttpAnswer } from '../../../../src/core/http/client.js';
import { failureOf } from '../../../support/open-log.js';
import { Processes } from '../../../support/processes.js';
import { waitFor } from '../../../support/wait-for.js';

const stranger: Origin = 'eeeeeeeeeeeeeeee';

describe('GET changes', () => {
  const processes = new Processes();
  let filer: FilerProcess;
  let meta: MetaClient;
  let own: Origin;

  before(async () => {
    filer = await processes.filer();
    meta = processes.meta(filer);
    own = filer.filer.log.identity.origin;
    for (const name of ['a', 'b', 'c']) await put(`/docs/${name}`, name);
  });
  after(() => processes.stopAll());

  const put = (path: string, content: string) => processes.send(filer, 'PUT', path, content);
  const changes = (query: string): Promise<HttpAnswer> => processes.send(filer, 'GET', `/.filer/v1/changes?${query}`);
  const names = (texts: readonly string[]) =>
    texts.map((text) => (JSON.parse(text) as { eventNotification: { newEntry: { name: string } } }).eventNotification.newEntry.name);
  const namesAt = async (query: string) => names(((await changes(query)).json() as unknown[]).map((change) => JSON.stringify(change)));

  it('answers with one change a line, from the start, and where to go on', async () => {
    const answer = await changes('offset=-1');
    expect(answer.text()).to.match(/^\[\n(\{.*\},?\n){4}\]$/);
    expect(answer.headers).to.include({ 'content-type': 'application/json', 'stream-up-to-date': 'true' });
    const next = String(answer.headers['stream-next-offset']);
    expect(next).to.equal(filer.filer.info().head);
    expect((await changes(`offset=${next}`)).json()).to.deep.equal([]);
  });

  it('tells position, head, digest and time on every answer, a 204 too', async () => {
    for (const query of ['offset=-1', 'offset=now&live=long-poll&timeout=1ms']) {
      const { headers, status } = await changes(query);
      expect(status).to.equal(query.includes('live') ? 204 : 200);
      expect(headers[filerHeaders.position.toLowerCase()], query).to.equal(`${own}:4`);
      expect(headers[filerHeaders.head.toLowerCase()]).to.equal(`${own}:4`);
      expect(headers[filerHeaders.digest.toLowerCase()]).to.equal(filer.filer.log.digest);
      expect(Number(headers[filerHeaders.time.toLowerCase()])).to.be.greaterThan(1.7e15);
      expect(headers['stream-next-offset']).to.equal(filer.filer.info().head);
      expect(headers['stream-up-to-date']).to.equal('true');
      expect(headers['stream-cursor']).to.match(/^\d+$/);
    }
  });

  it('pages by offset and by position, each change once', async () => {
    const byOffset: string[] = [];
    for (let offset = '-1', done = false; !done;) {
      const page = await meta.feed({ offset, limit: 1, waitMs: 0 });
      byOffset.push(...names(page.texts));
      [offset, done] = [page.next, page.upToDate];
    }
    const byPosition: string[] = [];
    for (let position = new Map() as ReadonlyMap<Origin, number>, done = false; !done;) {
      const page = await meta.feed({ position, bytesMax: 1, waitMs: 0 });
      byPosition.push(...names(page.texts));
      [position, done] = [page.position, page.upToDate];
    }
    expect(byOffset).to.deep.equal(['docs', 'a', 'b', 'c']);
    expect(byPosition).to.deep.equal(byOffset);
  });

  it('narrows by path, time and origin', async () => {
    expect(names((await meta.feed({ pathPrefix: '/docs/b', waitMs: 0 })).texts)).to.deep.equal(['b']);
    expect(names((await meta.feed({ pathPrefix: '/doc', waitMs: 0 })).texts)).to.deep.equal([]);
    expect(names((await meta.feed({ scope: 'local', waitMs: 0 })).texts)).to.have.length(4);
    expect(names((await meta.feed({ origins: [stranger], waitMs: 0 })).texts)).to.deep.equal([]);
    const [, , third] = (await meta.feed({ waitMs: 0 })).texts.map((text) => (JSON.parse(text) as { replication: { version: number } }).replication.version);
    expect(names((await meta.feed({ since: third, waitMs: 0 })).texts)).to.deep.equal(['b', 'c']);
    const bounded = await meta.feed({ until: third, waitMs: 0 });
    expect(names(bounded.texts)).to.deep.equal(['docs', 'a', 'b']);
    expect(bounded.ended).to.equal(true);
  });

  it('keeps to `since` when a reader goes on by offset', async () => {
    const far = (await meta.feed({ waitMs: 0 })).time + 1e12;
    const page = await meta.feed({ offset: (await meta.feed({ limit: 1, waitMs: 0 })).next, since: far, waitMs: 0 });
    expect(page.texts).to.deep.equal([]);
  });

  it('wakes who waits as soon as something is written', async () => {
    const waiting = meta.feed({ offset: 'now', waitMs: 20_000 });
    await waitFor(() => filer.filer.log.waiters.count > 0, { what: 'the poll to be held' });
    await put('/docs/d', 'd');
    expect(names((await waiting).texts)).to.deep.equal(['d']);
  });

  it('ends a bounded follow when its time has passed', async () => {
    const page = await meta.feed({ offset: 'now', until: filer.filer.log.clock.now() + 100_000, waitMs: 20_000 });
    expect(page.ended).to.equal(true);
  });

  it('gives one text and one store read to all who read at one place', async () => {
    const before = filer.filer.feed.reads;
    const bodies = await Promise.all(Array.from({ length: 20 }, () => changes('offset=-1&limit=3')));
    expect(new Set(bodies.map((body) => body.text())).size).to.equal(1);
    expect(filer.filer.feed.reads - before).to.be.at.most(1);
  });

  it('starts at the first of offset, position and since that is there', async () => {
    const { next } = await meta.feed({ limit: 1, waitMs: 0 });
    expect(await namesAt(`offset=${next}&position=${own}:3&limit=1`)).to.deep.equal(['a']);
    expect(await namesAt(`offset=now&position=${own}:3`)).to.deep.equal([]);
    // -1 is no place: readers of Durable Streams begin with it whatever else they ask for.
    expect(await namesAt(`offset=-1&position=${own}:3&limit=1`)).to.deep.equal(['c']);
    expect(await namesAt(`position=${own}:2&since=2100-01-01T00:00:00Z&limit=1`)).to.deep.equal([]);
    expect(await namesAt(`position=${own}:2&limit=1`)).to.deep.equal(['b']);
    expect(await namesAt('limit=2')).to.deep.equal(['docs', 'a']);
    expect(await namesAt(`origins=${own},${stranger},${own}&scope=all&limit=1`)).to.deep.equal(['docs']);
  });

  it('moves the cursor on, whatever it is given', async () => {
    const cursor = async (query: string) => Number((await changes(`offset=now${query}`)).headers['stream-cursor']);
    const now = await cursor('');
    expect(await cursor(`&cursor=${now}`)).to.be.above(now);
    expect(await cursor('&cursor=1')).to.be.at.least(now);
    expect(await cursor(`&cursor=${2 ** 51}`)).to.equal(2 ** 51 + 1);
  });

  it('refuses values that make no sense, naming the parameter', async () => {
    const wrong = [
      'offset=x',
      'offset=',
      'position=x',
      `position=${own}`,
      `position=${own}:9007199254740993`,
      `position=${own}:1~${own}:2`,
      'since=yesterday',
      'until=-1',
      'scope=some',
      'origins=me',
      'origins=',
      `origins=${stranger},%20${stranger}`,
      `origins=${stranger}&scope=local`,
      'pathPrefix=docs',
      'pathPrefix=',
      'limit=0',
      'limit=10001',
      'limit=1.5',
      'limit=1&limit=2',
      'maxBytes=0',
      'maxBytes=1e3',
      'timeout=61s',
      'timeout=-1s',
      'live=always',
      'cursor=x',
      'cursor=-1',
      'cursor=9007199254740993',
    ];
    for (const query of wrong) {
      const { code, message } = await failureOf(() => changes(query));
      expect(code, query).to.equal('PARAMETER_INVALID');
      expect(message, query).to.match(new RegExp(`^${query.split('=')[0]}: `));
    }
  });

  it('refuses a request that is wrong before it says that it serves nobody', async () => {
    filer.filer.admission.refuse(new FilerError('ORIGIN_IN_USE', 'another process has this origin; stop it'));
    try {
      expect((await failureOf(() => changes('limit=0'))).code).to.equal('PARAMETER_INVALID');
      for (const query of ['', 'live=sse', 'live=long-poll&offset=now']) expect((await failureOf(() => changes(query))).code, query).to.equal('ORIGIN_IN_USE');
    } finally {
      filer.filer.admission.refuse(null);
    }
  });

  it('answers 410 for an offset of another feed', async () => {
    const { head } = filer.filer.info();
    for (const offset of [`${'0'.repeat(8)}${head.slice(8)}`, `${head.slice(0, 8)}${'9'.repeat(15).padStart(16, '0')}`])
      for (const live of ['', '&live=long-poll', '&live=sse'])
        expect((await failureOf(() => changes(`offset=${offset}${live}`))).code).to.equal('OFFSET_UNKNOWN');
  });

  it('answers HEAD with where the feed ends, at once', async () => {
    for (const query of ['', '?live=long-poll&timeout=60s', '?live=sse']) {
      const answer = await processes.send(filer, 'HEAD', `/.filer/v1/changes${query}`);
      expect([answer.status, answer.headers['stream-next-offset'], answer.length], query).to.deep.equal([200, filer.filer.info().head, 0]);
    }
  });

  it('ends a poll of a bounded read that has come to its end, and says that nothing follows', async () => {
    const { status, headers } = await changes('offset=now&live=long-poll&timeout=60s&until=1');
    expect([status, headers['stream-closed'], headers['stream-next-offset']]).to.deep.equal([204, 'true', filer.filer.info().head]);
  });

  describe('live=sse', () => {
    /** Reads events until `enough` of the text that has come, or their end. */
    const events = async (query: string, enough: (text: string) => boolean = () => false, meanwhile = async () => {}): Promise<string> => {
      const controller = new AbortController();
      const answer = await fetch(`http://${filer.address}/.filer/v1/changes?live=sse&${query}`, { signal: controller.signal });
      expect(answer.headers.get('content-type')).to.equal('text/event-stream');
      let text = '';
      const decoder = new TextDecoder();
      void meanwhile();
      try {
        for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
          text += decoder.decode(chunk, { stream: true });
          if (enough(text)) controller.abort();
        }
      } catch (error) {
        if (!controller.signal.aborted) throw error;
      }
      return text;
    };
    /** As an EventSource gives them. */
    const parsed = (text: string): { event: string; data: string }[] =>
      text
        .split('\n\n')
        .slice(0, -1)
        .map((block) => {
          const [first = '', ...data] = block.split('\n');
          expect(data.every((line) => line.startsWith('data: '))).to.equal(true);
          return { event: first.slice('event: '.length), data: data.map((line) => line.slice('data: '.length)).join('\n') };
        });

    it('sends pages as events, each with where it leads, and what is written after them', async () => {
      const text = await events(
        'offset=-1&limit=2',
        (sofar) => /"name":"event".*"upToDate":true/s.test(sofar),
        async () => void (await put('/docs/event', 'e')),
      );
      expect(text).to.match(
        /^event: data\ndata: \[\ndata: \{.*\},\ndata: \{.*\}\ndata: \]\n\nevent: control\ndata: \{"streamNextOffset":"[0-9a-f]{24}","streamCursor":"\d+","upToDate":false\}\n\n/,
      );
      const sent = parsed(text);
      const all = (await meta.feed({ offset: '-1', waitMs: 0 })).texts;
      const pages = sent.filter(({ event }) => event === 'data').map(({ data }) => data);
      expect(pages.flatMap((page) => JSON.parse(page) as unknown[])).to.deep.equal(all.map((change) => JSON.parse(change) as unknown));
      expect(pages[0]).to.equal(encodeChangePage(all.slice(0, 2)));
      const controls = sent
        .filter(({ event }) => event === 'control')
        .map(({ data }) => JSON.parse(data) as { streamNextOffset: string; streamCursor: string });
      expect(controls.at(-1)).to.include({ streamNextOffset: filer.filer.info().head });
      expect((await meta.feed({ offset: controls[0]?.streamNextOffset, limit: 1, waitMs: 0 })).texts).to.deep.equal([all[2]]);
      for (const [index, { streamCursor }] of controls.entries()) expect(Number(streamCursor)).to.be.above(Number(controls[index - 1]?.streamCursor ?? 0));
    });

    it('ends with a bounded read, and says that nothing follows', async () => {
      const third = (JSON.parse((await meta.feed({ waitMs: 0 })).texts[2] as string) as { replication: { version: number } }).replication.version;
      const sent = parsed(await events(`offset=-1&until=${third}`));
      expect(sent.map(({ event }) => event)).to.deep.equal(['data', 'control']);
      expect(JSON.parse(sent[0]?.data ?? '')).to.have.length(3);
      expect(JSON.parse(sent[1]?.data ?? '')).to.include({ streamClosed: true, upToDate: true });
    });

    it('ends in good order when the filer stops to serve, so that the reader comes back', async () => {
      try {
        const text = await events('offset=now&timeout=60s', undefined, async () => {
          await waitFor(() => filer.filer.log.waiters.count > 0, { what: 'the poll to be held' });
          filer.filer.admission.refuse(new FilerError('ORIGIN_IN_USE', 'another process has this origin; stop it'));
        });
        expect(parsed(text).map(({ event }) => event)).to.deep.equal(['control']);
      } finally {
        filer.filer.admission.refuse(null);
      }
    });
  });
});

describe('GET changes?live=sse of a filer that holds nobody for long', () => {
  const processes = new Processes();
  after(() => processes.stopAll());

  it('ends when the reader has been held for that time', async () => {
    const filer = await processes.filer({ limits: { longPollMsMax: 50 } });
    const text = (await processes.send(filer, 'GET', '/.filer/v1/changes?offset=now&live=sse&timeout=20ms')).text();
    const controls = text.split('\n\n').filter((block) => block.startsWith('event: control\n'));
    expect(controls).to.not.deep.equal([]);
    expect(text).to.not.contain('event: data').and.to.not.contain('streamClosed');
  });
});
