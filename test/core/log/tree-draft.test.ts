import { expect } from 'chai';
import type { Entry } from '../../../src/core/entry/entry.js';
import type { Draft } from '../../../src/core/log/draft.js';
import { expectConsistent } from '../../support/history.js';
import { openLog, p, type OpenLog } from '../../support/open-log.js';

const entry = (text = '', isDirectory = false): Entry => ({ name: '', isDirectory, content: Buffer.from(text).toString('base64') });

/** Makes one change as it stands, without the rules of the tree. */
const issue = (at: OpenLog, mutation: Parameters<Draft['issue']>[0]) =>
  at.log.commit({ paths: mutation.kind === 'rename' ? [mutation.from, mutation.to] : [mutation.path], bytes: 1, decide: (draft) => draft.issue(mutation) });

const shown = (at: OpenLog, path: string) => at.log.commit({ paths: [p(path)], bytes: 1, decide: (draft) => draft.shown(p(path)) });

describe('the tree as a view', () => {
  it('shows a directory that only lies above something, and hides it when that is gone', async () => {
    const at = await openLog();
    await issue(at, { kind: 'put', path: p('/d/e/f'), entry: entry() });
    expect([await shown(at, '/d'), await shown(at, '/d/e'), await shown(at, '/d/e/f'), await shown(at, '/x')]).to.deep.equal([
      'directory',
      'directory',
      'file',
      'absent',
    ]);
    expect(await at.store.children([p('/'), p('/d'), p('/d/e')])).to.deep.equal(
      new Map([
        ['/', 1],
        ['/d', 1],
        ['/d/e', 1],
      ]),
    );
    await issue(at, { kind: 'delete', path: p('/d/e/f') });
    expect([await shown(at, '/d'), await shown(at, '/d/e')]).to.deep.equal(['absent', 'absent']);
    expect((await at.store.children([p('/'), p('/d'), p('/d/e')])).size).to.equal(0);
    await expectConsistent(at);
  });

  it('hides a file that has something live below it, keeps it in the digest, and shows it again', async () => {
    const at = await openLog();
    await issue(at, { kind: 'put', path: p('/f'), entry: entry('x') });
    const alone = at.log.digest;
    await issue(at, { kind: 'put', path: p('/f/below'), entry: entry() });
    expect([await shown(at, '/f'), await shown(at, '/f/below')]).to.deep.equal(['directory', 'file']);
    expect(at.log.state.counts).to.include({ entries: 2, directories: 0 });
    await issue(at, { kind: 'delete', path: p('/f/below') });
    expect([await shown(at, '/f'), at.log.digest]).to.deep.equal(['file', alone]);
    await expectConsistent(at);
  });

  it('keeps a directory of its own when its last name goes', async () => {
    const at = await openLog();
    await issue(at, { kind: 'put', path: p('/d'), entry: entry('', true) });
    await issue(at, { kind: 'put', path: p('/d/f'), entry: entry() });
    await issue(at, { kind: 'delete', path: p('/d/f') });
    expect(await shown(at, '/d')).to.equal('directory');
    await issue(at, { kind: 'delete', path: p('/d') });
    expect(await shown(at, '/d')).to.equal('absent');
    await expectConsistent(at);
  });

  it('always shows the root, whatever was loaded', async () => {
    expect(await shown(await openLog(), '/')).to.equal('directory');
  });

  it('tells nothing of a path that was not loaded', async () => {
    const at = await openLog();
    const look = (what: (draft: Draft) => unknown) => at.log.commit({ paths: [p('/a/b')], bytes: 1, decide: what }).catch((error: unknown) => error);
    expect(await look((draft) => draft.row(p('/a')))).to.equal(null);
    expect(await look((draft) => draft.row(p('/c')))).to.be.instanceOf(TypeError);
    expect(await look((draft) => draft.children(p('/c')))).to.be.instanceOf(TypeError);
  });
});
