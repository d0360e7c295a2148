import { expect } from 'chai';
import fc from 'fast-check';
import { decodeChange } from '../../../src/core/change/codec.js';
import { chainHash, chainStart } from '../../../src/core/change/digest.js';
import type { Change } from '../../../src/core/change/change.js';
import { versionMax } from '../../../src/core/clock/version.js';
import type { Entry } from '../../../src/core/entry/entry.js';
import type { Draft } from '../../../src/core/log/draft.js';
import type { LogRecord } from '../../../src/core/store/store.js';
import { anyHistory, expectConsistent, expectSame, run } from '../../support/history.js';
import { changesFor, codeOf, failureOf, file, mode, openLog, p, pull, read, rowsIn, type OpenLog } from '../../support/open-log.js';

const entry = (text = '', isDirectory = false): Entry => ({ name: '', isDirectory, content: Buffer.from(text).toString('base64') });

/** Makes one change as it stands, without the rules of the tree. */
const issue = (at: OpenLog, mutation: Parameters<Draft['issue']>[0]) =>
  at.log.commit({ paths: mutation.kind === 'rename' ? [mutation.from, mutation.to] : [mutation.path], bytes: 1, decide: (draft) => draft.issue(mutation) });

const shown = (at: OpenLog, path: string) => at.log.commit({ paths: [p(path)], bytes: 1, decide: (draft) => draft.shown(p(path)) });

const last = async (at: OpenLog): Promise<Change & { record: LogRecord }> => {
  const record = (await read(at)).records.at(-1) as LogRecord;
  return { ...decodeChange(record.text), record };
};

describe('Draft.issue', () => {
  it('makes entry, log record, position and digest in one', async () => {
    const at = await openLog();
    const before = at.log.digest;
    const { origin } = at.log.identity;
    expect(await issue(at, { kind: 'put', path: p('/a'), entry: entry('x') })).to.deep.equal({ origin, seq: 1 });
    const [row] = await rowsIn(at.store);
    const change = await last(at);
    expect(row).to.include({ path: '/a', entry: '{"content":"eA==","isDirectory":false,"name":"a"}', version: change.version, author: origin });
    expect(change).to.deep.include({ origin, seq: 1, oldPath: null, newPath: '/a', vector: { [origin]: change.version }, hash: chainHash(chainStart, change) });
    expect(change.record.applied).to.equal('won');
    expect(at.log.position.get(origin)).to.equal(1);
    expect(at.log.digest).to.not.equal(before);
  });

  it('tells create, update, rename and delete apart, and chains their hashes', async () => {
    const at = await openLog();
    await issue(at, { kind: 'put', path: p('/a'), entry: entry('1') });
    await issue(at, { kind: 'put', path: p('/a'), entry: entry('2') });
    await issue(at, { kind: 'rename', from: p('/a'), to: p('/b'), entry: entry('2') });
    await issue(at, { kind: 'delete', path: p('/b') });
    await issue(at, { kind: 'put', path: p('/b'), entry: entry('3') });
    const changes = (await read(at)).records.map((record) => decodeChange(record.text));
    expect(changes.map(({ oldPath, newPath }) => [oldPath, newPath])).to.deep.equal([
      [null, '/a'],
      ['/a', '/a'],
      ['/a', '/b'],
      ['/b', null],
      [null, '/b'],
    ]);
    let hash = chainStart;
    for (const change of changes) {
      hash = chainHash(hash, change);
      expect(change.hash).to.equal(hash);
    }
  });

  it('carries the old entry without its content', async () => {
    const at = await openLog();
    await issue(at, { kind: 'put', path: p('/a'), entry: { ...entry('secret'), attributes: { mime: 'x/y' } } });
    await issue(at, { kind: 'delete', path: p('/a') });
    const { eventNotification } = JSON.parse((await last(at)).text) as { eventNotification: { oldEntry: unknown } };
    expect(eventNotification.oldEntry).to.deep.equal({ name: 'a', isDirectory: false, attributes: { mime: 'x/y' } });
  });

  it('beats every state it replaces, tombstones and both paths of a rename included', async () => {
    const [at, peer] = [await openLog(), await openLog()];
    const ahead = 3600e6;
    peer.time.step(ahead);
    for (const name of ['/file', '/gone', '/target']) await peer.tree.put(p(name), file('p'), mode);
    await peer.tree.remove(p('/gone'), false);
    await pull(peer, at);
    const version = async () => (await last(at)).version;
    const newest = await version();
    expect(newest).to.be.above(at.time.micros() + ahead - 1);
    await issue(at, { kind: 'put', path: p('/fresh'), entry: entry() });
    expect(await version(), 'an untouched path takes the local clock').to.be.below(newest);
    await issue(at, { kind: 'rename', from: p('/fresh'), to: p('/target'), entry: entry() });
    const renamed = await version();
    expect(renamed).to.be.above((await at.store.find('tree', [p('/file')]))[0].version);
    await issue(at, { kind: 'put', path: p('/gone'), entry: entry() });
    expect(await version()).to.be.above(newest);
  });

  it('includes what it has seen in its vectors', async () => {
    const [at, peer] = [await openLog(), await openLog()];
    await peer.tree.put(p('/a'), file('p'), mode);
    await pull(peer, at);
    await at.tree.put(p('/a'), file('own'), mode);
    const [row] = await rowsIn(at.store);
    expect(Object.keys(row.vector).sort()).to.deep.equal([at.log.identity.origin, peer.log.identity.origin].sort());
  });

  it('fails when no version is left, and nothing is written', async () => {
    const at = await openLog();
    await at.log.alone(async (draft) => {
      await draft.load([p('/a')]);
      draft.setRow(p('/a'), {
        path: p('/a'),
        entry: null,
        isDirectory: false,
        version: versionMax,
        author: at.log.identity.origin,
        vector: {},
        dot: null,
        contentHash: '',
        h: 0,
      });
      await draft.flush();
    });
    expect(await codeOf(() => at.tree.put(p('/a'), file(), mode))).to.equal('CLOCK_SKEWED');
    expect(at.log.state.head).to.equal(0);
  });
});

describe('Draft.apply', () => {
  it('drops what it has already, and its own changes', async () => {
    const [at, peer] = [await openLog(), await openLog()];
    await peer.tree.put(p('/a'), file('1'), mode);
    const changes = await changesFor(peer, at);
    await at.log.apply(changes);
    const { digest, position } = at.log;
    expect((await at.log.apply(changes)).outcomes).to.deep.equal(['duplicate']);
    expect((await peer.log.apply(changes)).outcomes).to.deep.equal(['duplicate']);
    expect([at.log.digest, at.log.position, at.log.state.head]).to.deep.equal([digest, position, 1]);
  });

  it('refuses a gap, and takes nothing of the page', async () => {
    const [at, peer] = [await openLog(), await openLog()];
    for (const text of ['1', '2', '3']) await peer.tree.put(p('/a'), file(text), mode);
    const changes = await changesFor(peer, at);
    const failure = await failureOf(() => at.log.apply([changes[0], changes[2]]));
    expect(failure.code).to.equal('PARAMETER_INVALID');
    expect(failure.fields).to.deep.equal({ origin: peer.log.identity.origin, seq: 1 });
    expect([at.log.state.head, (await rowsIn(at.store)).length]).to.deep.equal([0, 0]);
  });

  it('refuses a change that does not follow from what is here', async () => {
    const [at, peer] = [await openLog(), await openLog()];
    await peer.tree.put(p('/a'), file('1'), mode);
    const [change] = await changesFor(peer, at);
    for (const edit of [{ hash: '000000000000' }, { version: change.version + 1 }, { newPath: p('/b') }, { contentHash: 'x' }]) {
      expect(await codeOf(() => at.log.apply([{ ...change, ...edit }]))).to.equal('ORIGIN_DIVERGED');
    }
    expect(at.log.state.head).to.equal(0);
  });

  it('tells won, lost and partly', async () => {
    const [at, peer] = [await openLog(), await openLog()];
    await peer.tree.put(p('/from'), file('1'), mode);
    await pull(peer, at);
    peer.time.step(-1000);
    await peer.tree.put(p('/win'), file('1'), mode);
    await peer.tree.put(p('/lose'), file('1'), mode);
    await peer.tree.move(p('/from'), p('/to'));
    at.time.step(1e6);
    await at.tree.put(p('/lose'), file('2'), mode);
    await at.tree.put(p('/to'), file('2'), mode);
    const { outcomes } = await at.log.apply(await changesFor(peer, at));
    expect(outcomes).to.deep.equal(['won', 'lost', 'partly']);
    expect((await read(at)).records.slice(-3).map(({ applied }) => applied)).to.deep.equal(outcomes);
    expect(await shown(at, '/from')).to.equal('absent');
    const types = (await at.store.readConflicts({ limit: 10, bytesMax: 1e9 })).map(({ path, type }) => [path, type]);
    expect(types).to.have.deep.members([
      ['/lose', 'update/update'],
      ['/to', 'update/update'],
    ]);
  });

  it('follows the clock of a peer up to the bound', async () => {
    const [at, peer] = [await openLog(), await openLog()];
    peer.time.step(50e6);
    await peer.tree.put(p('/a'), file('1'), mode);
    await pull(peer, at);
    await at.tree.put(p('/b'), file('1'), mode);
    expect((await last(at)).version).to.be.above(at.time.micros() + 49e6);
  });
});

describe('Draft over random histories', () => {
  it('keeps counts, sums and children as a recount finds them', () =>
    fc.assert(
      fc.asyncProperty(anyHistory(2), async (history) => {
        const filers = [await openLog(), await openLog()];
        await run(history, filers);
        for (const filer of filers) await expectConsistent(filer);
      }),
      { numRuns: 60 },
    ));

  it('gives filers that have seen the same changes the same rows and digests', () =>
    fc.assert(
      fc.asyncProperty(anyHistory(3), async (history) => {
        const filers = [await openLog(), await openLog(), await openLog()];
        await run(history, filers);
        const [a, b, c] = filers;
        for (const [from, to] of [
          [a, b],
          [b, c],
          [c, b],
          [b, a],
          [c, a],
          [a, b],
          [a, c],
        ])
          await pull(from, to);
        await expectSame(a, b);
        await expectSame(a, c);
        for (const filer of filers) await expectConsistent(filer);
      }),
      { numRuns: 60 },
    ));
});
