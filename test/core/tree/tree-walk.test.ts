import { expect } from 'chai';
import { listOrFile, usageOf, walkTop, walkTree } from '../../../src/core/tree/tree-walk.js';
import { codeOf } from '../../support/open-log.js';
import { LocalTree } from '../../support/local-tree.js';

const { signal } = new AbortController();

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

describe('a walk through a tree', () => {
  let tree: LocalTree;
  before(async () => {
    tree = await LocalTree.start({ directories: { listed: true, exposed: true, dirListLimit: 2 } });
    for (const path of ['/t/a/1', '/t/a/2', '/t/a/3', '/t/b', '/t/c/d/e', '/t/z']) await tree.put(path, path);
    await tree.client.mkdir(tree.path('/t/empty'));
  });
  after(() => tree.stop());

  it('goes through every page in order, a directory before what is in it, and knows the last name of each', async () => {
    const seen = (await all(walkTree(tree.client, tree.path('/t'), signal))).map(({ path, depth, isLast }) => `${depth}${isLast ? '.' : ' '} ${path}`);
    expect(seen).to.deep.equal(['0  /t/a', '1  /t/a/1', '1  /t/a/2', '1. /t/a/3', '0  /t/b', '0  /t/c', '1. /t/c/d', '2. /t/c/d/e', '0  /t/empty', '0. /t/z']);
  });

  it('may begin with the directory itself; a file is a walk of its own', async () => {
    const [top, first] = await all(walkTop(tree.client, tree.path('/t'), true, signal));
    expect([top?.path, top?.depth, first?.path, first?.depth]).to.deep.equal(['/t', 0, '/t/a', 1]);
    expect((await all(walkTop(tree.client, tree.path('/t/b'), false, signal))).map(({ path }) => path)).to.deep.equal(['/t/b']);
    expect(await codeOf(() => all(walkTop(tree.client, tree.path('/no'), true, signal)))).to.equal('ENTRY_NOT_FOUND');
  });

  it('lists one directory, or a file itself', async () => {
    expect((await all(listOrFile(tree.client, tree.path('/t'), signal))).map(({ name }) => name)).to.deep.equal(['a', 'b', 'c', 'empty', 'z']);
    expect((await all(listOrFile(tree.client, tree.path('/t/b'), signal))).map(({ name }) => name)).to.deep.equal(['b']);
  });

  it('adds up files, directories and bytes', async () => {
    expect(await usageOf(tree.client, tree.path('/t'), signal)).to.deep.equal({ chunks: 0, bytes: 34, files: 6, directories: 4 });
    expect(await usageOf(tree.client, tree.path('/t/b'), signal)).to.deep.equal({ chunks: 0, bytes: 4, files: 1, directories: 0 });
  });
});
