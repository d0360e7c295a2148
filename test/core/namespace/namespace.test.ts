import { expect } from 'chai';
import fc from 'fast-check';
import { decodeChange } from '../../../src/core/change/codec.js';
import { operationOf } from '../../../src/core/change/change.js';
import { isLive } from '../../../src/core/change/row.js';
import { FilerError, isFailure } from '../../../src/core/errors.js';
import { root, type FullPath } from '../../../src/core/entry/path.js';
import type { Entry } from '../../../src/core/entry/entry.js';
import { anyHistory, expectConsistent, run } from '../../support/history.js';
import { codeOf, failureOf, file, mode, openLog, p, pull, read, rowsIn, type OpenLog } from '../../support/open-log.js';

const put = (at: OpenLog, path: string, text = 'x') => at.tree.put(p(path), file(text), mode);
const all = { after: '', limit: 1000, bytesMax: 1e9 };
const list = async (at: OpenLog, path: string, options = {}) => (await at.tree.list(p(path), { ...all, ...options })).entries.map(({ path: found }) => found);

/** Writes a row as a peer may bring it, without the rules of the tree. */
const force = (at: OpenLog, path: string, entry: Partial<Entry> = {}) =>
  at.log.commit({
    paths: [p(path)],
    bytes: 1,
    decide: (draft) => draft.issue({ kind: 'put', path: p(path), entry: { name: '', isDirectory: false, ...entry } }),
  });

/** What was done since `from`, as `OP path`. */
async function done(at: OpenLog, from = 0): Promise<string[]> {
  const { records } = await read(at, { start: { kind: 'offset', index: from } });
  return records.map(({ text }) => {
    const change = decodeChange(text);
    return `${operationOf(change)} ${operationOf(change) === 'RENAME' ? `${change.oldPath} ${change.newPath}` : (change.newPath ?? change.oldPath)}`;
  });
}

/** Every live path. */
const live = async (at: OpenLog) =>
  (await rowsIn(at.store))
    .filter(isLive)
    .map((row) => row.path)
    .sort();

async function big(at: OpenLog): Promise<void> {
  for (const path of ['/t/a/1', '/t/a/2', '/t/b/c/3', '/t/4', '/other']) await put(at, path);
}

describe('Namespace.put', () => {
  it('makes the file and its parents in one transaction, parents first', async () => {
    const at = await openLog();
    const { origin } = at.log.identity;
    expect(await put(at, '/a/b/f')).to.deep.equal({ dot: { origin, seq: 3 }, created: true });
    expect(await done(at)).to.deep.equal(['CREATE /a', 'CREATE /a/b', 'CREATE /a/b/f']);
    expect(at.store.transactions).to.equal(1);
    expect(await put(at, '/a/b/f')).to.deep.equal({ dot: { origin, seq: 4 }, created: false });
    expect(at.tree.ownSeq).to.equal(4);
  });

  it('keeps crtime over updates and renames', async () => {
    const at = await openLog();
    await put(at, '/f');
    const before = (await at.tree.find(p('/f')))?.entry?.attributes?.crtime;
    await at.time.advance(5000);
    await put(at, '/f', 'y');
    await at.tree.move(p('/f'), p('/g'));
    const { attributes } = (await at.tree.find(p('/g')))?.entry as Entry;
    expect([attributes?.crtime, Number(attributes?.mtime) - Number(before)]).to.deep.equal([before, 5]);
  });

  it('changes nothing when it is refused', async () => {
    const at = await openLog();
    await put(at, '/f');
    const { digest } = at.log;
    expect(await codeOf(() => put(at, '/f/a/b'))).to.equal('PARENT_IS_FILE');
    expect(
      await codeOf(() =>
        at.tree.put(p('/new/f'), file(), mode, () => {
          throw new FilerError('PRECONDITION_FAILED', 'no');
        }),
      ),
    ).to.equal('PRECONDITION_FAILED');
    expect([at.log.digest, at.tree.ownSeq]).to.deep.equal([digest, 1]);
  });

  it('shows the precondition what is there, in turn', async () => {
    const at = await openLog();
    const absent = (found: unknown) => {
      if (found !== null) throw new FilerError('PRECONDITION_FAILED', 'it exists');
    };
    const results = await Promise.allSettled([1, 2, 3].map(() => at.tree.put(p('/f'), file(), mode, absent)));
    expect(results.map(({ status }) => status)).to.deep.equal(['fulfilled', 'rejected', 'rejected']);
  });
});

describe('Namespace.mkdir', () => {
  it('writes the row of a directory that was only implied, without touching what is in it', async () => {
    const at = await openLog();
    await force(at, '/d/f');
    expect((await at.tree.find(p('/d')))?.entry).to.equal(null);
    await at.tree.mkdir(p('/d'), 0o755);
    expect((await at.tree.find(p('/d')))?.entry).to.deep.include({ name: 'd', isDirectory: true });
    expect(await codeOf(() => at.tree.mkdir(p('/d'), 0o755))).to.equal('ENTRY_EXISTS');
    expect(await list(at, '/d')).to.deep.equal(['/d/f']);
  });

  it('never makes a row for the root', async () => {
    const at = await openLog();
    expect(await codeOf(() => at.tree.mkdir(root, 0o755))).to.equal('ENTRY_EXISTS');
    await put(at, '/f');
    expect(await codeOf(() => at.tree.mkdir(root, 0o755))).to.equal('ENTRY_EXISTS');
    expect(await live(at)).to.deep.equal(['/f']);
  });
});

describe('Namespace.find and list', () => {
  it('know the root of an empty tree', async () => {
    const at = await openLog();
    expect(await at.tree.find(root)).to.deep.include({ isDirectory: true, children: 0, row: null });
    expect(await list(at, '/')).to.deep.equal([]);
  });

  it('show files, directories, implied ones and hidden files for what they are', async () => {
    const at = await openLog();
    await put(at, '/file');
    await at.tree.mkdir(p('/dir'), 0o755);
    await force(at, '/implied/f');
    await force(at, '/hidden');
    await force(at, '/hidden/f');
    const shown = (await at.tree.list(root, all)).entries.map(({ path, isDirectory, entry, children }) => [path, isDirectory, entry !== null, children]);
    expect(shown).to.deep.equal([
      ['/dir', true, true, 0],
      ['/file', false, true, 0],
      ['/hidden', true, false, 1],
      ['/implied', true, false, 1],
    ]);
    for (const [path, isDirectory] of shown) expect((await at.tree.find(path as FullPath))?.isDirectory, String(path)).to.equal(isDirectory);
    expect(await at.tree.find(p('/none'))).to.equal(null);
  });

  it('list names in byte order, page by page, kelp’s own left out', async () => {
    const at = await openLog();
    const names = ['a', 'b', 'é', '\ue000', '😀'];
    for (const name of [...names].reverse()) await put(at, `/d/${name}`);
    await force(at, '/.filer/links/x');
    expect(await list(at, '/d')).to.deep.equal(names.map((name) => `/d/${name}`));
    expect(await list(at, '/')).to.deep.equal(['/d']);
    const page = await at.tree.list(p('/d'), { ...all, limit: 2 });
    expect([page.entries.length, page.hasMore]).to.deep.equal([2, true]);
    expect(await list(at, '/d', { after: 'b', limit: 2 })).to.deep.equal(['/d/é', '/d/\ue000']);
    expect(await list(at, '/d', { after: 'b', inclusive: true, limit: 1 })).to.deep.equal(['/d/b']);
    expect((await at.tree.list(p('/d'), { ...all, after: '\ue000' })).hasMore).to.equal(false);
    expect(await list(at, '/d', { prefix: 'é' })).to.deep.equal(['/d/é']);
  });

  it('count to the limit what the filter keeps', async () => {
    const at = await openLog();
    for (let i = 0; i < 20; i++) await put(at, `/d/${i}${i % 5 ? '' : '.keep'}`);
    const keep = (name: string) => name.endsWith('.keep');
    const page = await at.tree.list(p('/d'), { ...all, limit: 3 }, keep);
    expect(page.entries.map(({ path }) => path)).to.deep.equal(['/d/0.keep', '/d/10.keep', '/d/15.keep']);
    expect(page.hasMore).to.equal(true);
    const rest = await at.tree.list(p('/d'), { ...all, limit: 3, after: '15.keep' }, keep);
    expect([rest.entries.map(({ path }) => path), rest.hasMore]).to.deep.equal([['/d/5.keep'], false]);
  });

  it('end a page that leaves out too many names, and go on after the last one looked at', async () => {
    const at = await openLog({ limits: { listSkipped: 6, listEntries: 4 } });
    for (let i = 10; i < 30; i++) await put(at, `/d/${i}`);
    const keep = (name: string) => name === '12' || name === '29';
    const pages: unknown[] = [];
    for (let after = '', hasMore = true; hasMore;) {
      const page = await at.tree.list(p('/d'), { ...all, limit: 1, after }, keep);
      pages.push([page.entries.map(({ path }) => path), page.last]);
      ({ last: after, hasMore } = page);
    }
    expect(pages).to.deep.equal([
      [['/d/12'], '12'],
      [[], '18'],
      [[], '24'],
      [['/d/29'], '29'],
    ]);
    expect((await at.tree.list(p('/d'), { ...all, limit: 5 }, keep)).last, 'behind the entry it has found').to.equal('16');
  });

  it('refuse to list what is no directory', async () => {
    const at = await openLog();
    await put(at, '/f');
    for (const path of ['/none', '/f']) expect(await codeOf(() => list(at, path)), path).to.equal('ENTRY_NOT_FOUND');
    await at.tree.mkdir(p('/d'), 0o755);
    expect(await list(at, '/d')).to.deep.equal([]);
  });
});

describe('Namespace.remove', () => {
  it('deletes one path, and does nothing where nothing is', async () => {
    const at = await openLog();
    await put(at, '/f');
    expect(await at.tree.remove(p('/f'), false)).to.deep.equal({ dot: { origin: at.log.identity.origin, seq: 2 }, created: false });
    for (const recursive of [false, true]) expect(await at.tree.remove(p('/f'), recursive)).to.deep.equal({ dot: null, created: false });
    expect(at.tree.ownSeq).to.equal(2);
  });

  it('refuses a directory that shows something, implied names at any depth included', async () => {
    const at = await openLog();
    await force(at, '/d/e/f');
    for (const path of ['/d', '/d/e']) expect(await codeOf(() => at.tree.remove(p(path), false))).to.equal('DIRECTORY_NOT_EMPTY');
  });

  it('refuses the root', async () => {
    const at = await openLog();
    for (const recursive of [false, true]) expect(await codeOf(() => at.tree.remove(root, recursive))).to.equal('PATH_INVALID');
  });

  it('takes everything below, children before parents, one change a row, in one transaction', async () => {
    const at = await openLog({ limits: { draftRows: 2 } });
    await big(at);
    const from = at.log.state.head;
    at.store.transactions = 0;
    await at.tree.remove(p('/t'), true);
    expect(at.store.transactions).to.equal(1);
    const changes = await done(at, from);
    expect([...changes].sort()).to.deep.equal(['/t', '/t/4', '/t/a', '/t/a/1', '/t/a/2', '/t/b', '/t/b/c', '/t/b/c/3'].map((path) => `DELETE ${path}`));
    for (const [child, parent] of [
      ['/t/a/1', '/t/a'],
      ['/t/b/c/3', '/t/b/c'],
      ['/t/b/c', '/t/b'],
      ['/t/b', '/t'],
      ['/t/4', '/t'],
    ]) {
      expect(changes.indexOf(`DELETE ${child}`), child).to.be.below(changes.indexOf(`DELETE ${parent}`));
    }
    expect(await live(at)).to.deep.equal(['/other']);
    await expectConsistent(at);
  });

  it('takes files that are deleted together in few transactions, recursive or not', async () => {
    const at = await openLog();
    const names = Array.from({ length: 20 }, (_, i) => p(`/d/${i}`));
    for (const name of names) await put(at, name);
    at.store.transactions = 0;
    await Promise.all(names.map((name) => at.tree.remove(name, true)));
    expect(at.store.transactions).to.be.at.most(2);
    expect(await live(at)).to.deep.equal(['/d']);
  });

  it('takes what has come below a file since it was looked at', async () => {
    const at = await openLog();
    await put(at, '/f');
    // A write of another filer, which is before it in the queue.
    const below = force(at, '/f/below');
    await at.tree.remove(p('/f'), true);
    await below;
    expect(await live(at)).to.deep.equal([]);
    await expectConsistent(at);
  });

  it('takes hidden files and rows below directories that have none', async () => {
    const at = await openLog();
    for (const path of ['/d/hidden', '/d/hidden/f', '/d/a/b/c']) await force(at, path);
    const from = at.log.state.head;
    await at.tree.remove(p('/d'), true);
    expect(await done(at, from)).to.deep.equal(['DELETE /d/a/b/c', 'DELETE /d/hidden/f', 'DELETE /d/hidden']);
    expect(await live(at)).to.deep.equal([]);
    await expectConsistent(at);
  });

  it('of too much leaves everything as it was', async () => {
    const at = await openLog({ limits: { subtreeEntries: 7, draftRows: 2 } });
    await big(at);
    const [digest, head] = [at.log.digest, at.log.state.head];
    const failure = await failureOf(() => at.tree.remove(p('/t'), true));
    expect([failure.code, failure.status, failure.fields]).to.deep.equal(['SUBTREE_TOO_LARGE', 413, { path: '/t', limit: 7 }]);
    expect(await codeOf(() => at.tree.move(p('/t'), p('/u')))).to.equal('SUBTREE_TOO_LARGE');
    expect([at.log.digest, at.log.state.head]).to.deep.equal([digest, head]);
    await expectConsistent(at);
    await at.tree.remove(p('/t/a'), true);
    await at.tree.remove(p('/t'), true);
    expect(await live(at)).to.deep.equal(['/other']);
  });

  it('asks the precondition before it deletes', async () => {
    const at = await openLog();
    await big(at);
    for (const recursive of [true, false]) {
      const precondition = () => {
        throw new FilerError('PRECONDITION_FAILED', 'no');
      };
      expect(await codeOf(() => at.tree.remove(p('/t'), recursive, precondition))).to.equal('PRECONDITION_FAILED');
    }
    expect((await live(at)).length).to.equal(9);
  });
});

describe('Namespace.move', () => {
  it('moves a file in one change, over a file too, and makes parents', async () => {
    const at = await openLog();
    await put(at, '/a', 'a');
    await put(at, '/b', 'b');
    const from = at.log.state.head;
    expect((await at.tree.move(p('/a'), p('/b'))).created).to.equal(false);
    expect((await at.tree.move(p('/b'), p('/new/c'))).created).to.equal(true);
    expect(await done(at, from)).to.deep.equal(['RENAME /a /b', 'CREATE /new', 'RENAME /b /new/c']);
    expect((await at.tree.find(p('/new/c')))?.entry).to.deep.include({ name: 'c', content: Buffer.from('a').toString('base64') });
    expect(await live(at)).to.deep.equal(['/new', '/new/c']);
  });

  it('moves a directory with everything below it, parents before children, in one transaction', async () => {
    const at = await openLog({ limits: { draftRows: 2 } });
    await big(at);
    const from = at.log.state.head;
    at.store.transactions = 0;
    await at.tree.move(p('/t'), p('/x/u'));
    expect(at.store.transactions).to.equal(1);
    const changes = await done(at, from);
    expect([...changes].sort()).to.deep.equal([
      'CREATE /x',
      ...['', '/4', '/a', '/a/1', '/a/2', '/b', '/b/c', '/b/c/3'].map((path) => `RENAME /t${path} /x/u${path}`),
    ]);
    for (const [parent, child] of [
      ['', '/a'],
      ['/a', '/a/1'],
      ['', '/b'],
      ['/b', '/b/c'],
      ['/b/c', '/b/c/3'],
    ]) {
      expect(changes.indexOf(`RENAME /t${parent} /x/u${parent}`), child).to.be.below(changes.indexOf(`RENAME /t${child} /x/u${child}`));
    }
    expect(await live(at)).to.deep.equal(['/other', '/x', '/x/u', '/x/u/4', '/x/u/a', '/x/u/a/1', '/x/u/a/2', '/x/u/b', '/x/u/b/c', '/x/u/b/c/3']);
    expect(await at.tree.find(p('/t'))).to.equal(null);
    await expectConsistent(at);
  });

  it('replaces an empty directory, takes hidden files, and directories without a row', async () => {
    const at = await openLog();
    for (const path of ['/d/hidden', '/d/hidden/f', '/d/a/b']) await force(at, path);
    await at.tree.mkdir(p('/empty'), 0o755);
    await at.tree.move(p('/d'), p('/empty'));
    expect(await live(at)).to.deep.equal(['/empty', '/empty/a/b', '/empty/hidden', '/empty/hidden/f']);
    await expectConsistent(at);
  });

  it('takes entries as peers and imports may write them', async () => {
    const at = await openLog();
    await force(at, '/f', { attributes: null, chunks: null, extended: null } as never);
    await at.tree.move(p('/f'), p('/g'));
    expect(await live(at)).to.deep.equal(['/g']);
  });

  it('refuses what would make a path too long, and leaves everything as it was', async () => {
    const at = await openLog();
    const deep = `/d${`/${'x'.repeat(250)}`.repeat(16)}`;
    await put(at, deep);
    const { digest } = at.log;
    expect(await codeOf(() => at.tree.move(p('/d'), p(`/${'y'.repeat(200)}`)))).to.equal('NAME_TOO_LONG');
    expect(at.log.digest).to.equal(digest);
  });

  for (const [from, to, code] of [
    ['/none', '/x', 'PARAMETER_INVALID'],
    ['/t', '/t/a/x', 'PARAMETER_INVALID'],
    ['/t', '/', 'PATH_INVALID'],
    ['/', '/x', 'PATH_INVALID'],
    ['/other', '/t', 'IS_A_DIRECTORY'],
    ['/t/a', '/t/b', 'DIRECTORY_NOT_EMPTY'],
    ['/t', '/other/x', 'PARENT_IS_FILE'],
  ]) {
    it(`refuses ${from} to ${to} with ${code}`, async () => {
      const at = await openLog();
      await big(at);
      const { digest } = at.log;
      expect(await codeOf(() => at.tree.move(p(from), p(to)))).to.equal(code);
      expect(at.log.digest).to.equal(digest);
    });
  }

  it('of a file that has become a directory meanwhile moves the directory', async () => {
    const at = await openLog();
    await put(at, '/f');
    const [, moved] = await Promise.all([
      at.tree.remove(p('/f'), false).then(() => at.tree.put(p('/f/g'), file(), mode)),
      at.tree.move(p('/f'), p('/h')).catch((error: unknown) => error),
    ]);
    expect(isFailure(moved) ? moved.code : (await live(at)).includes(p('/h'))).to.be.oneOf(['PARAMETER_INVALID', true]);
    await expectConsistent(at);
  });
});

describe('Namespace.append', () => {
  it('loses nothing of what many append at once, nor anything before it', async () => {
    const at = await openLog();
    const parts = Array.from({ length: 40 }, (_, i) => `<${i}>`);
    const results = await Promise.all(parts.map((part) => at.tree.append(p('/log/f'), file(part), mode, 1000)));
    const content = Buffer.from((await at.tree.find(p('/log/f')))?.entry?.content ?? '', 'base64').toString();
    expect(content).to.equal(parts.join(''));
    expect([results.filter(({ created }) => created).length, results.at(-1)?.size]).to.deep.equal([1, content.length]);
    expect(await codeOf(() => at.tree.append(p('/log/f'), file('x'.repeat(1000)), mode, 1000))).to.equal('BODY_TOO_LARGE');
  });
});

describe('Namespace.copy', () => {
  it('copies a file as one change, and only over another if it may', async () => {
    const at = await openLog();
    await put(at, '/f', 'one');
    await put(at, '/g', 'two');
    expect(await codeOf(() => at.tree.copy(p('/f'), p('/g'), false))).to.equal('ENTRY_EXISTS');
    const from = at.log.state.head;
    expect((await at.tree.copy(p('/f'), p('/g'), true)).created).to.equal(false);
    expect((await at.tree.copy(p('/f'), p('/new/h'), false)).created).to.equal(true);
    expect(await done(at, from)).to.deep.equal(['UPDATE /g', 'CREATE /new', 'CREATE /new/h']);
    for (const path of ['/f', '/g', '/new/h']) expect((await at.tree.find(p(path)))?.entry?.content, path).to.equal(file('one').content);
  });

  it('copies a directory with everything it shows, parents first, in one transaction', async () => {
    const at = await openLog({ limits: { draftRows: 2 } });
    await big(at);
    await force(at, '/t/hidden');
    await force(at, '/t/hidden/f');
    await at.tree.mkdir(p('/empty'), 0o700);
    const from = at.log.state.head;
    at.store.transactions = 0;
    await at.tree.copy(p('/t'), p('/empty'), true);
    expect(at.store.transactions).to.equal(1);
    const changes = await done(at, from);
    const made = changes.map((change) => change.split(' ')[1] as string);
    for (const [i, path] of made.entries()) expect(made.slice(i + 1), path).to.not.include(path.slice(0, path.lastIndexOf('/')));
    const shown = ['/4', '/a', '/a/1', '/a/2', '/b', '/b/c', '/b/c/3', '/hidden/f'];
    expect([...made].sort()).to.deep.equal(['/empty', ...shown.map((path) => `/empty${path}`)]);
    expect((await live(at)).filter((path) => path.startsWith('/t/'))).to.deep.equal([...shown, '/hidden'].map((path) => `/t${path}`).sort());
    expect(await codeOf(() => at.tree.copy(p('/t'), p('/empty'), true))).to.equal('DIRECTORY_NOT_EMPTY');
  });

  it('changes nothing if it is too much, or if something in it cannot be copied', async () => {
    const at = await openLog({ limits: { subtreeEntries: 5, draftRows: 2 } });
    await big(at);
    const { digest } = at.log;
    expect(await codeOf(() => at.tree.copy(p('/t'), p('/copy'), false))).to.equal('SUBTREE_TOO_LARGE');
    await force(at, '/c/chunked', { chunks: [{ fileId: '1,2' }] });
    const after = at.log.digest;
    expect(await codeOf(() => at.tree.copy(p('/c'), p('/copy'), false))).to.equal('CONTENT_NOT_HERE');
    expect([at.log.digest, digest === after]).to.deep.equal([after, false]);
  });
});

describe('preconditions', () => {
  it('are asked of what is written to, in the transaction that writes it', async () => {
    const at = await openLog();
    await put(at, '/f');
    await at.tree.mkdir(p('/d'), 0o755);
    await put(at, '/t/x');
    const { head } = at.log.state;
    const asked: (string | null)[] = [];
    const never = (found: { path: string } | null) => {
      asked.push(found?.path ?? null);
      throw new FilerError('PRECONDITION_FAILED', 'no');
    };
    const requests = [
      () => at.tree.mkdir(p('/d'), 0o755, never),
      () => at.tree.mkdir(p('/new'), 0o755, never),
      () => at.tree.move(p('/f'), p('/new'), never),
      () => at.tree.move(p('/t'), p('/d'), never),
      () => at.tree.copy(p('/f'), p('/t/x'), true, never),
      () => at.tree.copy(p('/t'), p('/d'), true, never),
      () => at.tree.append(p('/f'), file('y'), mode, 100, never),
      () => at.tree.tag(p('/d'), () => ({ a: 'YQ==' }), never),
      () => at.tree.remove(p('/f'), false, never),
      () => at.tree.remove(p('/t'), true, never),
    ];
    for (const request of requests) expect(await codeOf(request)).to.equal('PRECONDITION_FAILED');
    expect(asked).to.deep.equal(['/d', null, null, '/d', '/t/x', '/d', '/f', '/d', '/f', '/t']);
    expect(at.log.state.head).to.equal(head);
  });
});

describe('the tree over random histories', () => {
  it('shows every live entry by listing from the root, hidden files excepted', () =>
    fc.assert(
      fc.asyncProperty(anyHistory(2), async (history) => {
        const filers = [await openLog(), await openLog()];
        await run(history, filers);
        await pull(filers[0], filers[1]);
        const at = filers[1];
        const walked: FullPath[] = [];
        const walk = async (directory: FullPath): Promise<void> => {
          for (const found of (await at.tree.list(directory, all)).entries) {
            expect(await at.tree.find(found.path)).to.deep.equal(found);
            if (found.entry) walked.push(found.path);
            if (found.isDirectory) await walk(found.path);
          }
        };
        await walk(root);
        const rows = (await rowsIn(at.store)).filter(isLive);
        const hidden = (path: FullPath) => rows.some((row) => row.path.startsWith(`${path}/`));
        expect(walked.sort()).to.deep.equal(
          rows
            .filter((row) => row.isDirectory || !hidden(row.path))
            .map((row) => row.path)
            .sort(),
        );
      }),
      { numRuns: 40 },
    ));

  it('finds a directory that is implied below its own tombstone as a listing shows it', async () => {
    const filers = [await openLog(), await openLog()];
    const put = (at: number, path: string) => ({ at, from: 0, kind: 'put' as const, path: p(path), to: p('/a'), text: 'x' });
    await run([put(1, '/b'), put(0, '/b/b'), { ...put(1, '/b'), kind: 'removeAll' as const }], filers);
    await pull(filers[0], filers[1]);
    const at = filers[1];
    const [listed] = (await at.tree.list(root, all)).entries;
    expect(listed).to.include({ path: '/b', isDirectory: true, row: null });
    expect(await at.tree.find(p('/b'))).to.deep.equal(listed);
  });

  it('is empty of a directory that was removed with everything in it, and of nothing else', () =>
    fc.assert(
      fc.asyncProperty(anyHistory(2), fc.constantFrom(p('/a'), p('/a/b')), fc.integer({ min: 1, max: 4 }), async (history, top, draftRows) => {
        const filers = [await openLog({ limits: { draftRows } }), await openLog()];
        await run(history, filers);
        const [at] = filers;
        const before = await live(at);
        await at.tree.remove(top, true);
        expect(await live(at)).to.deep.equal(before.filter((path) => path !== top && !path.startsWith(`${top}/`)));
        await expectConsistent(at);
      }),
      { numRuns: 40 },
    ));
});
