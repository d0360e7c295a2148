import { expect } from 'chai';
import { limits } from '../../../../src/core/config/limits.js';
import { LocalTree, type Answer } from '../../../support/local-tree.js';

describe('the listing of a directory', () => {
  let tree: LocalTree;
  before(async () => {
    tree = await LocalTree.start();
    for (const name of ['a.txt', 'b.txt', 'b.md', 'B.txt', 'ü', '(1).txt']) await tree.put(`/l/${encodeURIComponent(name)}`, name);
    await tree.send('POST', '/l/dir/');
  });
  after(() => tree.stop());

  const names = (answer: Answer) => (answer.json['Entries'] as { FullPath: string }[]).map(({ FullPath }) => FullPath.slice(3));

  it('has names in byte order, files and directories mixed', async () => {
    const answer = await tree.get('/l');
    expect(names(answer)).to.deep.equal(['(1).txt', 'B.txt', 'a.txt', 'b.md', 'b.txt', 'dir', 'ü']);
    const { Entries: _, ...rest } = answer.json;
    expect(rest).to.deep.equal({ Path: '/l', Limit: 1000, LastFileName: 'ü', ShouldDisplayLoadMore: false, EmptyFolder: false });
    expect(answer.headers['content-type']).to.equal('application/json');
  });

  it('goes page by page', async () => {
    const first = await tree.get('/l?limit=3');
    expect([names(first), first.json['LastFileName'], first.json['ShouldDisplayLoadMore']]).to.deep.equal([['(1).txt', 'B.txt', 'a.txt'], 'a.txt', true]);
    const second = await tree.get('/l?limit=4&lastFileName=a.txt');
    expect([names(second), second.json['ShouldDisplayLoadMore']]).to.deep.equal([['b.md', 'b.txt', 'dir', 'ü'], false]);
    const third = await tree.get('/l?lastFileName=%C3%BC');
    expect(third.json).to.deep.equal({ Path: '/l', Entries: [], Limit: 1000, LastFileName: '', ShouldDisplayLoadMore: false, EmptyFolder: false });
  });

  for (const [query, found] of [
    ['namePattern=*.txt', ['(1).txt', 'B.txt', 'a.txt', 'b.txt']],
    ['namePattern=b*', ['b.md', 'b.txt']],
    ['namePattern=b.txt', ['b.txt']],
    ['namePattern=(1)*', ['(1).txt']],
    ['namePattern=%5Ba-b%5D.*', ['a.txt', 'b.md', 'b.txt']],
    ['namePatternExclude=*.txt', ['b.md', 'dir', 'ü']],
    ['namePattern=b*&namePatternExclude=*.md', ['b.txt']],
    ['namePattern=*.txt&limit=2', ['(1).txt', 'B.txt']],
    ['namePattern=*.txt&limit=2&lastFileName=B.txt', ['a.txt', 'b.txt']],
    ['namePattern=zzz', []],
  ] as const) {
    it(`?${query} has ${found.join(', ') || 'nothing'}`, async () => expect(names(await tree.get(`/l?${query}`))).to.deep.equal(found));
  }

  it('is indented on demand', async () => {
    expect((await tree.get('/l?pretty=y')).text).to.match(/^\{\n {2}"Path"/);
  });

  it('calls the root "" and an empty directory empty', async () => {
    expect((await tree.get('/')).json).to.include({ Path: '', EmptyFolder: false });
    expect((await tree.get('/l/dir')).json).to.deep.equal({
      Path: '/l/dir',
      Entries: [],
      Limit: 1000,
      LastFileName: '',
      ShouldDisplayLoadMore: false,
      EmptyFolder: true,
    });
  });

  it('ends a page before its content grows without bound', async () => {
    const big = Buffer.alloc(limits.contentBytesMax, 'x');
    for (let index = 0; index < 8; index++) await tree.put(`/big/${index}`, big);
    const page = await tree.get('/big');
    expect(page.json['ShouldDisplayLoadMore']).to.equal(true);
    expect(page.text.length).to.be.below(limits.listBytes * 1.1);
    const seen: string[] = [];
    for await (const entry of tree.client.listAll(tree.path('/big'))) seen.push(entry.FullPath);
    expect(seen).to.have.length(8);
  });
});
