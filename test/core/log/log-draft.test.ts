import { expect } from 'chai';
import { decodeChange } from '../../../src/core/change/codec.js';
import { chainHash } from '../../../src/core/change/digest.js';
import { receiveChange } from '../../../src/core/change/refused.js';
import { closingPath } from '../../../src/core/log/closed.js';
import type { Draft } from '../../../src/core/log/draft.js';
import { originStart } from '../../../src/core/log/log-state.js';
import { ForgedLog } from '../../support/forged-log.js';
import { expectConsistent } from '../../support/history.js';
import { file, mode, openLog, p, pull, read, rowsIn, type OpenLog } from '../../support/open-log.js';

/* What a draft does to the log beside appending. */

const alone = <T>(at: OpenLog, work: (draft: Draft) => Promise<T> | T) =>
  at.log.alone(async (draft) => {
    const result = await work(draft);
    await draft.flush();
    return result;
  });

describe('Draft.trim', () => {
  it('drops the front of the log, and keeps what each origin needs to go on', async () => {
    const [at, peer] = [await openLog(), await openLog()];
    await at.tree.put(p('/a'), file('1'), mode);
    for (const text of ['1', '2']) await peer.tree.put(p('/b'), file(text), mode);
    await pull(peer, at);
    await at.tree.put(p('/a'), file('2'), mode);
    const [first, second] = (await read(at)).records;
    const [own, theirs] = [at.log.identity.origin, peer.log.identity.origin];
    await alone(at, (draft) => draft.trim(2));
    const { origins } = at.log.state;
    expect(origins.get(own)).to.include({ seq: 2, first: 2, firstHash: first.hash, firstVersion: first.version });
    expect(origins.get(theirs)).to.include({ seq: 2, first: 2, firstHash: second.hash, firstVersion: second.version });
    expect([at.log.state.first, at.log.state.head, at.log.state.counts.changes]).to.deep.equal([3, 4, 2]);
    await at.tree.put(p('/a'), file('3'), mode);
    await expectConsistent(at);
    await pull(peer, at);
    await expectConsistent(await openLog({ disk: at.disk, time: at.time }));
  });

  it('can drop the whole log, and the next change follows', async () => {
    const at = await openLog();
    await at.tree.put(p('/a'), file('1'), mode);
    const [{ hash }] = (await read(at)).records;
    await alone(at, (draft) => draft.trim(1));
    expect([at.log.state.first, at.log.state.head]).to.deep.equal([2, 1]);
    await at.tree.put(p('/a'), file('2'), mode);
    const [record] = (await read(at, { start: { kind: 'position', position: new Map([[at.log.identity.origin, 1]]) } })).records;
    const change = decodeChange(record.text);
    expect([record.index, change.hash]).to.deep.equal([2, chainHash(hash, change)]);
    await expectConsistent(at);
  });
});

describe('Draft.giveUp', () => {
  it('takes from the log what one origin wrote after a place, the dots of its rows, and what waits in the quarantine of it', async () => {
    const [at, peer] = [await openLog(), await openLog()];
    const bad = new ForgedLog('c000000000000000');
    bad.put('/kept');
    const { seq, hash } = bad;
    bad.putBad('/bad');
    await at.log.apply(bad.texts.map((text) => receiveChange(text)));
    await peer.tree.put(p('/p'), file('1'), mode);
    await pull(peer, at);
    expect([at.log.state.quarantine.size, at.log.state.head]).to.deep.equal([1, 3]);
    const rows = await alone(at, (draft) => draft.giveUp({ ...originStart(bad.origin), seq, hash }));
    expect([rows, at.log.state.quarantine.size, at.log.position.get(bad.origin)]).to.deep.equal([0, 0, 1]);
    expect((await read(at)).records.map(({ origin, seq }) => [origin, seq])).to.deep.equal([
      [bad.origin, 1],
      [peer.log.identity.origin, 1],
    ]);
    const { origin } = peer.log.identity;
    expect(await alone(at, (draft) => draft.giveUp(originStart(origin)))).to.equal(1);
    expect((await rowsIn(at.store)).map(({ path, dot }) => [path, dot])).to.deep.equal([
      ['/kept', { origin: bad.origin, seq: 1 }],
      ['/p', null],
    ]);
    await expectConsistent(at);
    await pull(peer, at);
    await expectConsistent(at);
    expect((await rowsIn(at.store)).find(({ path }) => path === '/p')?.dot, 'the same change again').to.deep.equal({ origin, seq: 1 });
  });

  it('keeps an origin closed whose closing it gave up, without a dot', async () => {
    const [at, peer] = [await openLog(), await openLog()];
    const closed = 'c000000000000000';
    const path = closingPath(closed);
    await peer.log.commit({ paths: [path], bytes: 1, decide: (draft) => draft.issue({ kind: 'put', path, entry: { name: '', isDirectory: false } }) });
    await pull(peer, at);
    await alone(at, (draft) => draft.giveUp(originStart(peer.log.identity.origin)));
    expect(at.log.state.closed).to.deep.equal(new Map([[closed, null]]));
    expect((await openLog({ disk: at.disk })).log.state.closed).to.deep.equal(new Map([[closed, null]]));
  });
});

describe('Draft.setPartedFrom', () => {
  it('is kept until it is taken back, over restarts', async () => {
    let at = await openLog();
    const doubt = (origin: string) => ({ origin: origin.repeat(16), before: 7 });
    const expectAlways = async (parted: object) => {
      expect(at.log.state).to.deep.include(parted);
      at = await openLog({ disk: at.disk, time: at.time });
      expect(at.log.state).to.deep.include(parted);
    };
    await alone(at, (draft) => draft.setPartedFrom('a'.repeat(16), doubt('1')));
    await expectAlways({ partedFrom: 'a'.repeat(16), doubts: [doubt('1')] });
    await alone(at, (draft) => draft.setPartedFrom('b'.repeat(16), null));
    await alone(at, (draft) => draft.setPartedFrom('b'.repeat(16), doubt('2')));
    await expectAlways({ partedFrom: 'b'.repeat(16), doubts: [doubt('1'), doubt('2')] });
    await alone(at, (draft) => draft.clearParted());
    await expectAlways({ partedFrom: null, doubts: [] });
  });
});

describe('Draft.empty', () => {
  it('leaves no tree, no log and no position, before and after the store is opened again', async () => {
    const at = await openLog();
    await at.tree.put(p('/d/f'), file('x'), mode);
    const { epoch } = at.log.identity;
    await alone(at, (draft) => draft.setPartedFrom('a'.repeat(16), null));
    await at.log.alone(async (draft) => {
      await draft.empty('00000001');
      draft.setOrigin(originStart(draft.identity.origin));
      await draft.flush();
    });
    expect([at.log.state.counts.entries, (await rowsIn(at.store)).length, (await read(at)).records.length]).to.deep.equal([0, 0, 0]);
    expect([...at.log.position.values()]).to.deep.equal([0]);
    expect(at.log.identity.epoch).to.equal('00000001').and.not.equal(epoch);
    expect(at.log.state.partedFrom, 'rows of a branch that wait').to.equal(null);
    await expectConsistent(at);
    const again = await openLog({ disk: at.disk });
    await expectConsistent(again);
    await again.tree.put(p('/e'), file('x'), mode);
    await expectConsistent(again);
  });
});

describe('Draft.jump', () => {
  it('drops the log of the origins that have moved ahead, and no other', async () => {
    const [at, peer] = [await openLog(), await openLog()];
    await peer.tree.put(p('/a'), file('1'), mode);
    await at.tree.put(p('/b'), file('1'), mode);
    await pull(peer, at);
    const { origin } = peer.log.identity;
    const runs = [{ seq: 7, hash: '777777777777' }];
    await at.log.alone(async (draft) => {
      await draft.jump([{ ...originStart(origin), seq: 9, hash: '999999999999', version: 77, runs }]);
      await draft.flush();
    });
    expect(at.log.state.origins.get(origin)).to.deep.equal({
      origin,
      seq: 9,
      hash: '999999999999',
      version: 77,
      first: 10,
      firstHash: '999999999999',
      firstVersion: 77,
      runs,
    });
    expect((await read(at, { start: { kind: 'position', position: new Map([[origin, 9]]) } })).records.map((record) => record.origin)).to.deep.equal([
      at.log.identity.origin,
    ]);
    await expectConsistent(at);
  });
});
