import { expect } from 'chai';
import type { TreeClient } from '../../../src/core/api/filer/client.js';
import { parsePath } from '../../../src/core/entry/path.js';
import { FilerError } from '../../../src/core/errors.js';
import { moveAll, moveTarget, removeAt } from '../../../src/core/tree/step-by-step.js';
import { walkTree } from '../../../src/core/tree/tree-walk.js';
import { codeOf } from '../../support/open-log.js';
import { LocalTree } from '../../support/local-tree.js';

const { signal } = new AbortController();

/** Notes how often it was told what. */
function noted() {
  const counts = { begun: 0, done: 0 };
  return { counts, begun: () => (counts.begun += 1), done: () => (counts.done += 1) };
}

describe('what is too large for one transaction', () => {
  let tree: LocalTree;
  const names = Array.from({ length: 7 }, (_, index) => `/a${index}/b${index}/c${index}`);
  const fill = (top: string) => Promise.all(names.map((name) => tree.put(top + name, name)));
  const filesBelow = async (top: string): Promise<string[]> => {
    const paths: string[] = [];
    for await (const { path, isDirectory } of walkTree(tree.client, tree.path(top), signal)) if (!isDirectory) paths.push(path.slice(top.length));
    return paths;
  };
  beforeEach(async () => {
    tree = await LocalTree.start({ subtreeEntries: 3 });
  });
  afterEach(() => tree.stop());

  it('is deleted in steps, which are told of', async () => {
    await fill('/t');
    const steps = noted();
    expect(await removeAt(tree.client, { path: tree.path('/t'), recursive: true, force: false }, steps, signal)).to.equal(true);
    expect((await tree.get('/t')).status).to.equal(404);
    expect(steps.counts.begun).to.equal(1);
    expect(steps.counts.done).to.equal(names.length + 1);
  });

  it('is moved in steps, attributes and all', async () => {
    await fill('/t');
    await tree.send('PUT', '/t?tagging', { headers: { 'Seaweed-Colour': 'red' } });
    const before = await tree.client.metadata(tree.path('/t'));
    const steps = noted();
    await moveAll(tree.client, { from: tree.path('/t'), to: tree.path('/new/u'), merge: false }, steps, signal);
    expect(await filesBelow('/new/u')).to.deep.equal(names);
    expect((await tree.get('/t')).status).to.equal(404);
    expect(await tree.client.metadata(tree.path('/new/u'))).to.deep.equal({ ...before, FullPath: '/new/u' });
    expect(steps.counts.begun).to.equal(1);
  });

  it('goes on being moved where it was broken off', async () => {
    await fill('/t');
    const move = { from: tree.path('/t'), to: tree.path('/u'), merge: false };
    const broken = new AbortController();
    const breaking = { begun: () => {}, done: (count: number) => count === 3 && broken.abort(new Error('broken off')) };
    const error: unknown = await moveAll(tree.client, move, breaking, broken.signal).catch((failure: unknown) => failure);
    expect((error as Error).message).to.equal('broken off');
    const moved = (await filesBelow('/u')).length;
    expect(moved).to.be.within(1, names.length - 1);
    expect(moved + (await filesBelow('/t')).length).to.equal(names.length);
    await moveAll(tree.client, { ...move, merge: true }, noted(), signal);
    expect(await filesBelow('/u')).to.deep.equal(names);
    expect((await tree.get('/t')).status).to.equal(404);
  });
});

describe('a file hidden by what is below it', () => {
  it('stays where it is when the rest has been moved away in steps, and is named', async () => {
    const [file, directory] = [0o644, 0x80000000 + 0o755];
    const tree = new Map([
      ['/t', directory],
      ['/t/a', file],
    ]);
    const entry = (path: string) => ({ FullPath: path, Mode: tree.get(path) });
    const removed: string[] = [];
    const client = {
      metadata: async (path: string) => {
        if (!tree.has(path)) throw new FilerError('ENTRY_NOT_FOUND', path);
        return entry(path);
      },
      list: async () => ({ Entries: [entry('/t/a')], ShouldDisplayLoadMore: false, LastFileName: 'a' }),
      move: async (from: string, to: string) => {
        if (from === '/t') throw new FilerError('SUBTREE_TOO_LARGE', from);
        tree.set(to, file).delete(from);
        // Nothing hides it any more.
        tree.set('/t', file);
      },
      putEntry: async (path: string) => void tree.set(path, directory),
      remove: async (path: string) => void removed.push(path),
    } as unknown as TreeClient;
    const move = { from: parsePath('/t'), to: parsePath('/u'), merge: false };
    expect(await codeOf(() => moveAll(client, move, noted(), signal))).to.equal('ENTRY_EXISTS');
    expect(removed).to.deep.equal([]);
    expect([...tree.keys()].sort()).to.deep.equal(['/t', '/u', '/u/a']);
  });
});

describe('a move and a delete', () => {
  let tree: LocalTree;
  before(async () => {
    tree = await LocalTree.start();
  });
  after(() => tree.stop());

  it('that fit into one transaction are one, and tell nothing', async () => {
    await tree.put('/t/a/b', 'x');
    const steps = noted();
    await moveAll(tree.client, { from: tree.path('/t'), to: tree.path('/u'), merge: false }, steps, signal);
    await removeAt(tree.client, { path: tree.path('/u'), recursive: true, force: false }, steps, signal);
    expect(steps.counts).to.deep.equal({ begun: 0, done: 0 });
    expect((await tree.client.list(tree.path('/'))).Entries).to.deep.equal([]);
  });

  it('go into a directory that is there, else to the very path', async () => {
    await tree.put('/d/x', 'x');
    expect(await moveTarget(tree.client, tree.path('/a/b'), tree.path('/d'), signal)).to.equal('/d/b');
    expect(await moveTarget(tree.client, tree.path('/a/b'), tree.path('/d/x'), signal)).to.equal('/d/x');
    expect(await moveTarget(tree.client, tree.path('/a/b'), tree.path('/'), signal)).to.equal('/b');
    expect(await moveTarget(tree.client, tree.path('/a/b'), tree.path('/no/where'), signal)).to.equal('/no/where');
  });

  it('name what is in the way', async () => {
    await tree.put('/e/x', 'x');
    const remove = (path: string, force = false) => removeAt(tree.client, { path: tree.path(path), recursive: false, force }, noted(), signal);
    expect(await codeOf(() => remove('/absent'))).to.equal('ENTRY_NOT_FOUND');
    expect(await remove('/absent', true)).to.equal(false);
    expect(await codeOf(() => remove('/e'))).to.equal('DIRECTORY_NOT_EMPTY');
    const move = (from: string, to: string) => codeOf(() => moveAll(tree.client, { from: tree.path(from), to: tree.path(to), merge: false }, noted(), signal));
    expect(await move('/e', '/e/below')).to.equal('PARAMETER_INVALID');
    expect(await move('/absent', '/new')).to.equal('ENTRY_NOT_FOUND');
  });
});
