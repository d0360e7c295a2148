import { request } from 'undici';
import { expect } from 'chai';
import { freePort, startCluster, type Cluster, type ClusterFiler } from '../support/cluster.js';
import { expectSame } from '../support/trees.js';
import { waitFor } from '../support/wait-for.js';

interface Change {
  readonly directory: string;
  readonly eventNotification: { readonly oldEntry?: { readonly name: string }; readonly newEntry?: { readonly name: string } };
  readonly replication: { readonly origin: string };
}

describe('Two filers, one with a second port for readers', function () {
  this.timeout(180_000);
  let cluster: Cluster;
  let [a, b]: ClusterFiler[] = [];
  let readers: string;

  before(async () => {
    const port = await freePort();
    readers = `http://127.0.0.1:${port}`;
    // So that the version clock may be set minutes ahead without waiting for them.
    cluster = await startCluster({ filers: 1, filerArgs: ['--maxClockSkew=1h'] });
    b = await cluster.addFiler({ args: [`--port.readonly=${port}`] });
    [a] = cluster.filers;
  });

  after(() => cluster?.close());

  const ask = async (method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE', path: string, body?: string) => {
    const answer = await request(`${readers}${path}`, { method, body });
    return { status: answer.statusCode, headers: answer.headers, text: await answer.body.text() };
  };

  it('serve what is replicated at that port, and refuse writes there', async () => {
    await a.put('/docs/of-a', 'written at a');
    await cluster.converged();
    expect(await ask('GET', '/docs/of-a')).to.include({ status: 200, text: 'written at a' });
    expect((await ask('HEAD', '/docs/of-a')).status).to.equal(200);
    expect((await ask('GET', '/docs/?limit=10')).text).to.include('/docs/of-a');
    expect((await ask('GET', '/readyz')).status).to.equal(200);
    for (const method of ['PUT', 'POST', 'DELETE'] as const)
      expect((await ask(method, '/docs/of-a', method === 'DELETE' ? undefined : 'x')).status, method).to.equal(405);
    for (const path of ['/.filer/v1/store', '/.filer/v1/changes', '/metrics']) expect((await ask('GET', path)).status, path).to.equal(400);
    expect(await a.get('/docs/of-a')).to.equal('written at a');
    await b.put('/docs/of-b', 'written at the first port of b');
    expect((await ask('GET', '/docs/of-b')).text).to.equal('written at the first port of b');
    await cluster.converged();
    expect(await a.get('/docs/of-b')).to.equal('written at the first port of b');
  });

  it('delete a file when the version clock has passed its time, by one change of its author, everywhere', async () => {
    const { origin } = await a.store();
    for (const [name, ttl] of [
      ['brief', '?ttl=1m'],
      ['lasting', '?ttl=1d'],
      ['forever', ''],
    ]) {
      await a.expect(201, 'PUT', `/ttl/${name}${ttl}`, { body: name });
    }
    await cluster.converged();
    for (const filer of [a, b]) expect(await filer.list('/ttl')).to.deep.equal(['brief', 'forever', 'lasting']);
    const { time } = await a.json<{ time: number }>('/.filer/v1/store');
    await a.expect(200, 'POST', `/.filer/v1/changes?after=${time + 120_000_000}`, { body: '[]' });
    expect(await a.get('/ttl/brief'), 'hidden at once where the clock has moved').to.equal(null);
    await waitFor(async () => (await Promise.all([a, b].map(async (filer) => (await filer.store()).counts.tombstones))).every((count) => count === 1), {
      what: 'one deletion at both filers',
      timeoutMs: 60_000,
    });
    const tree = await expectSame(cluster, [a, b]);
    expect([...tree.keys()].filter((path) => path.startsWith('/ttl/'))).to.have.members(['/ttl/forever', '/ttl/lasting']);
    expect((await ask('GET', '/ttl/brief')).status).to.equal(404);
    const feed = await b.json<Change[]>('/.filer/v1/changes?pathPrefix=/ttl/brief');
    expect(feed.map(({ eventNotification: { oldEntry, newEntry }, replication }) => [oldEntry?.name, newEntry?.name, replication.origin])).to.deep.equal([
      [undefined, 'brief', origin],
      ['brief', undefined, origin],
    ]);
  });
});

describe('Filers that show less of their directories than others', function () {
  this.timeout(120_000);
  let cluster: Cluster;
  let [few, none, nothing]: ClusterFiler[] = [];

  before(async () => {
    cluster = await startCluster({ filers: 0 });
    [few, none, nothing] = await Promise.all(
      // As scripts for weed write them.
      ['-dirListLimit=2', '-disableDirListing', '-exposeDirectoryData=false'].map((flag) => cluster.addFiler({ args: [flag], ready: false })),
    );
    await Promise.all(cluster.filers.map((filer) => filer.ready()));
    for (const name of ['one', 'three', 'two']) await few.put(`/dir/${name}`, name);
    await cluster.converged();
  });

  after(() => cluster?.close());

  const statuses = (filer: ClusterFiler) =>
    Promise.all(['/dir/', '/dir?metadata=true', '/dir/one', '/dir/one?metadata=true'].map(async (path) => (await filer.request('GET', path)).status));
  const codeOf = ({ text }: { text: string }) => (JSON.parse(text) as { code: string }).code;

  it('keep pages within --dirListLimit, which is also what a request gets that asks for no number', async () => {
    const { Entries, ...page } = await few.json<{ Entries: { FullPath: string }[] }>('/dir/');
    expect(Entries.map(({ FullPath }) => FullPath)).to.deep.equal(['/dir/one', '/dir/three']);
    expect(page).to.include({ Limit: 2, LastFileName: 'three', ShouldDisplayLoadMore: true });
    const rest = await few.json<{ Entries: { FullPath: string }[] }>('/dir/?limit=2&lastFileName=three');
    expect(rest.Entries.map(({ FullPath }) => FullPath)).to.deep.equal(['/dir/two']);
    expect(codeOf(await few.expect(400, 'GET', '/dir/?limit=3'))).to.equal('PARAMETER_INVALID');
    expect(await statuses(few)).to.deep.equal([200, 200, 200, 200]);
  });

  it('list nothing with --disableDirListing, but say what a directory is', async () => {
    expect(await statuses(none)).to.deep.equal([403, 200, 200, 200]);
    const refused = await none.expect(403, 'GET', '/dir/');
    expect(codeOf(refused)).to.equal('LISTING_DISABLED');
    expect(refused.text).to.include('--disableDirListing');
    expect((await none.json<{ FullPath: string }>('/dir?metadata=true')).FullPath).to.equal('/dir');
  });

  it('show nothing of directories with --exposeDirectoryData=false', async () => {
    expect(await statuses(nothing)).to.deep.equal([403, 403, 200, 200]);
    expect((await nothing.expect(403, 'GET', '/dir/')).text).to.include('--exposeDirectoryData=false');
  });
});
