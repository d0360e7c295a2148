import { expect } from 'chai';
import type { Position } from '../../../../src/core/clock/vector.js';
import { codeOf } from '../../../support/open-log.js';
import { LocalTree } from '../../../support/local-tree.js';

describe('TreeClient', () => {
  let tree: LocalTree;
  const path = (text: string) => tree.path(text);
  const own = (): Position => new Map([[tree.filer.log.identity.origin, tree.filer.namespace.ownSeq]]);
  before(async () => {
    tree = await LocalTree.start({ listSkipped: 3 });
  });
  after(() => tree.stop());

  it('writes, reads and deletes a file whatever its name', async () => {
    const odd = path('/ü/100% #1?&+=.txt');
    const position = await tree.client.put(odd, 'hello', { mode: 0o600, ttl: '1h', headers: { 'Content-Type': 'text/css' } });
    expect(position).to.deep.equal(own());
    expect((await tree.client.get(odd, { minPosition: position })).toString()).to.equal('hello');
    expect(await tree.client.metadata(odd)).to.include({ FullPath: odd, Mode: 0o600, TtlSec: 3600, Mime: 'text/css', FileSize: 5 });
    expect(await tree.client.head(odd)).to.include({ size: 5, contentType: 'text/css', etag: '"5d41402abc4b2a76b9719d911017c592"' });
    expect(await tree.client.remove(odd)).to.deep.equal(own());
    expect(await codeOf(() => tree.client.get(odd))).to.equal('ENTRY_NOT_FOUND');
    expect(await tree.client.remove(odd), 'nothing to delete is done at once').to.deep.equal(own());
  });

  it('makes, moves and deletes directories', async () => {
    await tree.client.mkdir(path('/d'), { mode: 0o750 });
    expect(await codeOf(() => tree.client.mkdir(path('/d')))).to.equal('ENTRY_EXISTS');
    await tree.client.put(path('/d/x y'), Buffer.from([0, 255]));
    expect(await codeOf(() => tree.client.remove(path('/d')))).to.equal('DIRECTORY_NOT_EMPTY');
    expect(await tree.client.move(path('/d'), path('/e & f'))).to.deep.equal(own());
    expect(await tree.client.get(path('/e & f/x y'))).to.deep.equal(Buffer.from([0, 255]));
    await tree.client.remove(path('/e & f'), { recursive: true });
    expect(await codeOf(() => tree.client.list(path('/e & f')))).to.equal('ENTRY_NOT_FOUND');
  });

  it('lists page by page, and everything', async () => {
    for (let index = 0; index < 7; index++) await tree.client.put(path(`/l/${index}`), 'x');
    const page = await tree.client.list(path('/l'), { limit: 3, lastFileName: '1', namePatternExclude: '3' });
    expect([page.Entries.map((entry) => entry.FullPath), page.ShouldDisplayLoadMore]).to.deep.equal([['/l/2', '/l/4', '/l/5'], true]);
    const all: string[] = [];
    for await (const entry of tree.client.listAll(path('/l'), { limit: 2 })) all.push(entry.FullPath);
    expect(all).to.deep.equal([0, 1, 2, 3, 4, 5, 6].map((index) => `/l/${index}`));
  });

  it('goes on over pages in which nothing was found', async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) await tree.client.put(path(`/sparse/${name}`), 'x');
    const page = await tree.client.list(path('/sparse'), { namePattern: '*g' });
    expect(page).to.include({ LastFileName: 'c', ShouldDisplayLoadMore: true, EmptyFolder: false }).and.to.have.property('Entries').that.is.empty;
    const found: string[] = [];
    for await (const entry of tree.client.listAll(path('/sparse'), { namePattern: '*g' })) found.push(entry.FullPath);
    expect(found).to.deep.equal(['/sparse/g']);
    const html = await tree.send('GET', '/sparse?namePattern=*g', { headers: { Accept: 'text/html' } });
    expect(html.text).to.include('nothing is here so far').and.include('lastFileName=c');
  });

  it('tells a file from a directory even if it looks like a listing', async () => {
    await tree.client.put(path('/fake'), '{"Entries":[]}', { headers: { 'Content-Type': 'application/json' } });
    expect(await codeOf(() => tree.client.list(path('/fake')))).to.equal('PARAMETER_INVALID');
  });

  it('passes failures on as they are', async () => {
    await tree.client.put(path('/f'), 'x');
    expect(await codeOf(() => tree.client.put(path('/f/below'), 'x'))).to.equal('PARENT_IS_FILE');
    expect(await codeOf(() => tree.client.put(path('/f'), 'x', { headers: { 'If-None-Match': '*' } }))).to.equal('PRECONDITION_FAILED');
    expect(await codeOf(() => tree.client.head(path('/missing')))).to.equal('ENTRY_NOT_FOUND');
    expect(await codeOf(() => tree.client.get(path('/f'), { minPosition: new Map([['ffffffffffffffff', 1]]), waitMs: 1 }))).to.equal('POSITION_BEHIND');
  });

  it('stops when it is told to', async () => {
    const reason = new Error('enough');
    const error = await tree.client.get(path('/f'), { signal: AbortSignal.abort(reason) }).catch((thrown: unknown) => thrown);
    expect(error).to.equal(reason);
  });
});
