import { expect } from 'chai';
import { closedBy, closingPath, readClosed } from '../../../src/core/log/closed.js';
import { alpha, beta } from '../../support/store-values.js';
import { file, mode, openLog, p, pull, type OpenLog } from '../../support/open-log.js';

describe('closedBy', () => {
  it('reads back the path that closes an origin', () => {
    expect(closingPath(alpha)).to.equal(`/.filer/closed/${alpha}`);
    expect(closedBy(closingPath(alpha))).to.equal(alpha);
  });

  for (const path of ['/', '/.filer/closed', '/.filer/closed/readme', `/.filer/closed/${alpha}/x`, `/.filer/closed2/${alpha}`, `/d/.filer/closed/${alpha}`])
    it(`takes ${path} for no closing`, () => {
      expect(closedBy(p(path))).to.equal(null);
    });
});

describe('closed origins', () => {
  const close = (at: OpenLog, origin: string) =>
    at.log.commit({
      paths: [closingPath(origin)],
      bytes: 1,
      decide: (draft) => draft.issue({ kind: 'put', path: closingPath(origin), entry: { name: '', isDirectory: false } }),
    });

  it('are in the state with the dot that closes them, from the commit on, at a peer, and after the store is opened again', async () => {
    const [at, peer] = [await openLog(), await openLog()];
    await at.tree.put(p('/.filer/closed/readme'), file('x'), mode);
    const dot = await close(at, alpha);
    await close(at, beta);
    await pull(at, peer);
    const expected = new Map([
      [alpha, dot],
      [beta, { ...dot, seq: dot.seq + 1 }],
    ]);
    for (const opened of [at, peer, await openLog({ disk: peer.disk })]) expect(opened.log.state.closed).to.deep.equal(expected);
    expect(await readClosed(at.store)).to.deep.equal(expected);
  });

  it('are open again when the entry is gone', async () => {
    const at = await openLog();
    await close(at, alpha);
    await at.log.commit({ paths: [closingPath(alpha)], bytes: 1, decide: (draft) => draft.issue({ kind: 'delete', path: closingPath(alpha) }) });
    expect([at.log.state.closed.size, (await readClosed(at.store)).size]).to.deep.equal([0, 0]);
  });

  it('are read page by page', async () => {
    const at = await openLog();
    const origins = Array.from({ length: 1203 }, (_, i) => i.toString(16).padStart(16, '0'));
    await Promise.all(origins.map((origin) => close(at, origin)));
    expect([...(await readClosed(at.store)).keys()]).to.deep.equal(origins);
  });
});
