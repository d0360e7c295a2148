import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { changeFilter, parsePathPattern, tailFeed, textsOf, type TailOptions, type TailPage } from '../../../../src/core/api/meta/tail.js';
import { pathsOf, stampOf } from '../../../../src/core/change/summary.js';
import { emptyPosition, positionsEqual } from '../../../../src/core/clock/vector.js';
import { root, type FullPath } from '../../../../src/core/entry/path.js';
import { isFailure, type FailureCode } from '../../../../src/core/errors.js';
import type { FilerProcess } from '../../../../src/core/filer-process.js';
import { realTime } from '../../../../src/core/time.js';
import { freePort } from '../../../support/cluster.js';
import { p } from '../../../support/open-log.js';
import { Processes } from '../../../support/processes.js';
import { tempDir } from '../../../support/temp-dir.js';
import { waitFor } from '../../../support/wait-for.js';

const never = new AbortController().signal;

describe('tail of a feed', () => {
  const processes = new Processes();
  const said: string[] = [];

  beforeEach(() => said.splice(0));
  after(() => processes.stopAll());

  const optionsFor = (filer: { readonly address: string }, more: Partial<TailOptions> = {}): TailOptions => ({
    address: filer.address,
    start: { kind: 'position', position: emptyPosition },
    pathPrefix: root,
    follow: false,
    time: realTime,
    away: () => said.push('away'),
    back: () => said.push('back'),
    ...more,
  });

  const put = (filer: FilerProcess, path: string) => processes.send(filer, 'PUT', path, path);
  const all = async (options: TailOptions): Promise<{ paths: FullPath[]; texts: string[]; last: TailPage }> => {
    const pages: TailPage[] = [];
    for await (const page of tailFeed(options, never)) pages.push(page);
    const texts = pages.flatMap((page) => textsOf(page.lines));
    return { texts, paths: texts.flatMap(pathsOf), last: pages.at(-1) as TailPage };
  };
  const failureOf = async (options: TailOptions): Promise<FailureCode | null> => {
    try {
      await all(options);
      return null;
    } catch (error) {
      if (!isFailure(error)) throw error;
      return error.code;
    }
  };

  it('ends where the feed ended, and resumes there', async () => {
    const filer = await processes.filer();
    for (const name of ['/a', '/b', '/c']) await put(filer, name);
    const { paths, last } = await all(optionsFor(filer));
    expect(paths).to.deep.equal(['/a', '/b', '/c']);
    expect(positionsEqual(last.position, filer.filer.log.position)).to.equal(true);
    await put(filer, '/d');
    expect((await all(optionsFor(filer, { start: { kind: 'position', position: last.position } }))).paths).to.deep.equal(['/d']);
  });

  it('stops in the middle of a page without loss or repeat, wherever it started', async () => {
    const filer = await processes.filer();
    for (let n = 0; n < 20; n += 1) await put(filer, n % 2 === 0 ? `/even${n}` : `/odd${n}`);
    const whole = (await all(optionsFor(filer))).texts;
    const matches = changeFilter({ pattern: 'even*' });
    for (const start of [
      { kind: 'position', position: emptyPosition },
      { kind: 'since', since: 1 },
      { kind: 'offset', offset: '-1' },
    ] as const) {
      const first = await all(optionsFor(filer, { start, matches, limit: 3 }));
      expect(first.paths).to.deep.equal(['/even0', '/even2', '/even4']);
      const rest = await all(optionsFor(filer, { start: { kind: 'position', position: first.last.position } }));
      expect(rest.paths.slice(0, 2)).to.deep.equal(['/odd5', '/even6']);
      expect(rest.texts).to.have.length(whole.length - 5);
    }
  });

  it('gives each change once while the filer restarts, and says once that it is away and back', async () => {
    const options = { port: await freePort(), dir: await tempDir() };
    const master = await processes.master();
    const masters = [master.address];
    let followed = await processes.filer({ ...options, masters });
    const writer = await processes.filer({ masters });
    // Else the first changes may come by a snapshot, and be in no feed.
    const follows = (filer: FilerProcess) => filer.filer.aggregator.subscriptions.some(({ state }) => state === 'following');
    await waitFor(() => [followed, writer].every(follows), { what: 'the two to follow each other', timeoutMs: 15_000 });
    const seen: string[] = [];
    const ended = new AbortController();
    const tail = (async () => {
      try {
        for await (const page of tailFeed(optionsFor(followed, { follow: true }), ended.signal)) seen.push(...textsOf(page.lines));
      } catch (error) {
        if (!ended.signal.aborted) throw error;
      }
    })();
    const written: string[] = [];
    const write = async (count: number) => {
      for (let n = 0; n < count; n += 1) {
        written.push(`/f${written.length}`);
        await put(writer, written.at(-1) as string);
      }
    };
    try {
      await write(20);
      await waitFor(() => seen.length === 20, { what: 'the first changes' });
      for (let round = 1; round <= 2; round += 1) {
        await processes.stop(followed);
        await waitFor(() => said.length === 2 * round - 1, { what: 'the filer to be missed' });
        await write(20);
        followed = await processes.filer({ ...options, masters });
        await write(20);
        await waitFor(() => said.length === 2 * round, { what: 'the filer to be found again' });
      }
      await waitFor(() => seen.length >= written.length, { what: 'all changes' });
    } finally {
      ended.abort();
    }
    await tail;
    expect(seen.flatMap(pathsOf)).to.deep.equal(written);
    expect(new Set(seen.map((text) => stampOf(text).seq)).size).to.equal(written.length);
    expect(said).to.deep.equal(['away', 'back', 'away', 'back']);
  });

  it('asks for the next page while one is on its way, and reads each change once though one breaks off', async () => {
    const filer = await processes.filer({ limits: { pageBytes: 1 } });
    const paths = ['/a', '/b', '/c', '/d'];
    for (const path of paths) await put(filer, path);
    // In front of the filer: the end of a page is held back until another one is asked for, and the second page breaks off the first time.
    const held: (() => void)[] = [];
    const asked = new Map<string, number>();
    const relay = createServer((incoming, outgoing) => {
      const target = incoming.url as string;
      const isPage = target.includes('/changes');
      if (isPage) held.splice(0).forEach((release) => release());
      const times = (asked.get(target) ?? 0) + 1;
      asked.set(target, times);
      const isBroken = isPage && asked.size === 3 && times === 1;
      void processes.send(filer, 'GET', target).then(({ headers, bytes }) => {
        outgoing.writeHead(200, { ...headers, connection: 'keep-alive' });
        outgoing.write(bytes().subarray(0, 5));
        const release = () => void (isBroken ? outgoing.destroy() : outgoing.end(bytes().subarray(5)));
        if (isPage && times === 1 && headers['stream-up-to-date'] === undefined) held.push(release);
        else release();
      });
    });
    await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
    try {
      const seen = await all(optionsFor({ address: `127.0.0.1:${(relay.address() as AddressInfo).port}` }));
      expect(seen.paths).to.deep.equal(paths);
      expect(said).to.deep.equal(['away', 'back']);
    } finally {
      relay.closeAllConnections();
      relay.close();
    }
  });

  it('ends at its time on an idle filer', async () => {
    const filer = await processes.filer();
    await put(filer, '/a');
    const started = performance.now();
    const { paths } = await all(optionsFor(filer, { follow: true, until: realTime.micros() + 500_000 }));
    expect(paths).to.deep.equal(['/a']);
    expect(performance.now() - started).to.be.within(400, 5000);
  });

  it('reads one subtree alone, renames into and out of it included', async () => {
    const filer = await processes.filer();
    for (const path of ['/docs/a', '/docs2/a', '/b']) await put(filer, path);
    await processes.send(filer, 'POST', '/docs/b?mv.from=/b');
    expect((await all(optionsFor(filer, { pathPrefix: p('/docs') }))).paths).to.deep.equal(['/docs', '/docs/a', '/b', '/docs/b']);
  });

  it('ends with a cure when the place to start is gone', async () => {
    const master = await processes.master();
    const first = await processes.filer({ masters: [master.address] });
    await put(first, '/a');
    // It comes by a snapshot, so its log begins after it.
    const second = await processes.filer({ masters: [master.address] });
    expect(await failureOf(optionsFor(second))).to.equal('LOG_TRIMMED');
    const { head } = await processes.meta(first).info();
    expect(await failureOf(optionsFor(second, { start: { kind: 'offset', offset: head } }))).to.equal('OFFSET_UNKNOWN');
  });

  it('fails at once where nobody is, and where another cluster is', async () => {
    expect(await failureOf(optionsFor({ address: `127.0.0.1:${await freePort()}` }, { follow: true }))).to.equal('PEER_UNREACHABLE');
    expect(said).to.deep.equal([]);

    const port = await freePort();
    const [one, other] = [await processes.master(), await processes.master()];
    const filer = await processes.filer({ port, masters: [one.address] });
    await waitFor(() => filer.filer.log.identity.clusterId, { what: 'the filer to have a cluster' });
    await put(filer, '/a');
    const tail = tailFeed(optionsFor(filer, { follow: true }), never);
    expect(await tail.next()).to.have.nested.property('value.lines.count', 1);
    const failed = tail.next().then(
      () => null,
      (error: unknown) => (isFailure(error) ? error.code : error),
    );
    await processes.stop(filer);
    const stranger = await processes.filer({ port, masters: [other.address] });
    await waitFor(() => stranger.filer.log.identity.clusterId, { what: 'the other filer to have a cluster' });
    expect(await failed).to.equal('CLUSTER_MISMATCH');
  });
});

describe('pattern of paths', () => {
  const matched = (pattern: string, ...paths: string[]) => paths.filter((path) => parsePathPattern(pattern)(p(path)));

  it('is for the name alone without a slash', () => {
    expect(matched('*.txt', '/a.txt', '/d/b.txt', '/d.txt/c', '/.txt')).to.deep.equal(['/a.txt', '/d/b.txt', '/.txt']);
    expect(matched('?[0-9]', '/x1', '/d/y2', '/x', '/12', '/xy1')).to.deep.equal(['/x1', '/d/y2', '/12']);
    expect(matched('\\*', '/*', '/a')).to.deep.equal(['/*']);
    expect(matched('{a,b}', '/a', '/{a,b}')).to.deep.equal(['/{a,b}']);
  });

  it('is for the whole path with one, and no wildcard crosses a slash', () => {
    expect(matched('/d/*.txt', '/d/a.txt', '/d/e/a.txt', '/a.txt')).to.deep.equal(['/d/a.txt']);
    expect(matched('/*/x', '/a/x', '/x', '/a/b/x')).to.deep.equal(['/a/x']);
  });

  it('is refused if it can match nothing, or is cut', () => {
    for (const pattern of ['docs/*', 'x[', 'x\\', '/a/[b']) expect(() => parsePathPattern(pattern), pattern).to.throw(/--pattern/);
  });
});

describe('changeFilter', () => {
  const change = (operation: 'CREATE' | 'RENAME', oldPath: string | null, newPath: string): Parameters<NonNullable<TailOptions['matches']>>[0] =>
    ({ version: 1, operation, oldPath, newPath, isDirectory: false, size: 0, chunks: 0 }) as Parameters<NonNullable<TailOptions['matches']>>[0];

  it('looks into nothing where nothing is asked for', () => {
    expect(changeFilter({})).to.equal(undefined);
  });

  it('chooses by operation, by part of a name in any case, and by both', () => {
    const renames = changeFilter({ operations: ['RENAME'] });
    expect([change('CREATE', null, '/a'), change('RENAME', '/a', '/b')].map((each) => renames?.(each))).to.deep.equal([false, true]);
    const named = changeFilter({ name: 'Report' });
    expect([change('CREATE', null, '/d/my-REPORT.txt'), change('CREATE', null, '/report/x')].map((each) => named?.(each))).to.deep.equal([true, false]);
    const both = changeFilter({ name: 'a', operations: ['RENAME'] });
    expect([change('CREATE', null, '/a'), change('RENAME', '/a', '/b'), change('RENAME', '/c', '/b')].map((each) => both?.(each))).to.deep.equal([
      false,
      true,
      false,
    ]);
  });
});
