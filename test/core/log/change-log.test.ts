import { expect } from 'chai';
import { decodeChange } from '../../../src/core/change/codec.js';
import { receiveChange } from '../../../src/core/change/refused.js';
import { FilerError } from '../../../src/core/errors.js';
import type { Draft } from '../../../src/core/log/draft.js';
import { parsePath, type FullPath } from '../../../src/core/entry/path.js';
import { MemoryDisk } from '../../../src/core/store/memory/memory-store.js';
import { ForgedLog } from '../../support/forged-log.js';
import { expectConsistent, expectSame } from '../../support/history.js';
import { changesFor, codeOf, file, mode, never, openLog, p, pull, read, rowsIn, type OpenLog } from '../../support/open-log.js';

const put = (at: OpenLog, path: string, text = 'x') => at.tree.put(p(path), file(text), mode);

/** A decision that notes its turn. */
const turn = (at: OpenLog, name: string, turns: string[], bytes = 1) =>
  at.log.commit({
    paths: [],
    bytes,
    decide: () => {
      turns.push(name);
    },
  });

const aloneTurn = (at: OpenLog, name: string, turns: string[]) =>
  at.log.alone(async () => {
    turns.push(name);
  });

const codes = (results: PromiseSettledResult<unknown>[]) =>
  results.map((result) => (result.status === 'fulfilled' ? 'ok' : (result.reason as FilerError).code));

describe('ChangeLog.commit', () => {
  it('writes decisions that arrive together in few transactions', async () => {
    const at = await openLog();
    await Promise.all(Array.from({ length: 64 }, (_, i) => put(at, `/d/f${i}`)));
    expect(at.store.transactions).to.be.at.most(16);
    expect(at.log.state.counts.entries).to.equal(65);
    expect(at.log.totals).to.include({ commits: at.store.transactions + 1, decisions: 64 + 1, localChanges: 65 });
    await expectConsistent(at);
  });

  it('lets each decision see what the ones before it did', async () => {
    const at = await openLog();
    const results = await Promise.allSettled([
      put(at, '/a/b'),
      put(at, '/a'),
      at.tree.mkdir(p('/a'), 0o755),
      put(at, '/a/b/c'),
      at.tree.remove(p('/a/b'), false),
      put(at, '/a/b/c'),
    ]);
    expect(codes(results)).to.deep.equal(['ok', 'IS_A_DIRECTORY', 'ENTRY_EXISTS', 'PARENT_IS_FILE', 'ok', 'ok']);
    expect(at.store.transactions).to.equal(1);
  });

  it('fails a decision alone', async () => {
    const at = await openLog();
    const bug = new Error('a bug');
    const decide = () => {
      throw bug;
    };
    const [before, failed, after] = await Promise.allSettled([put(at, '/a'), at.log.commit({ paths: [], bytes: 1, decide }), put(at, '/b')]);
    expect([before.status, after.status]).to.deep.equal(['fulfilled', 'fulfilled']);
    expect(failed).to.deep.equal({ status: 'rejected', reason: bug });
    expect(at.store.transactions).to.equal(1);
  });

  it('does not let a decision that fails half-way keep the half it made', async () => {
    const at = await openLog();
    const decide = (draft: Draft) => {
      draft.issue({ kind: 'put', path: p('/half'), entry: { name: '', isDirectory: false } });
      throw new FilerError('CLOCK_SKEWED', 'no version is left');
    };
    const results = await Promise.allSettled([put(at, '/a'), at.log.commit({ paths: [p('/half')], bytes: 1, decide }), put(at, '/b')]);
    expect(codes(results)[1]).to.equal('CLOCK_SKEWED');
    expect((await rowsIn(at.store)).map((row) => row.path)).to.not.include('/half');
    await expectConsistent(at);
  });

  it('takes at most so many decisions, and so many bytes, into one transaction', async () => {
    const few = await openLog({ limits: { groupDecisions: 10 } });
    await Promise.all(Array.from({ length: 25 }, () => turn(few, '', [])));
    expect(few.store.transactions).to.equal(3);
    const small = await openLog({ limits: { groupBytes: 100 } });
    await Promise.all([60, 40, 1, 500, 1, 1].map((bytes) => turn(small, '', [], bytes)));
    expect(small.store.transactions).to.equal(4);
  });

  it('refuses what would wait in too long a queue, and takes more when it is through', async () => {
    const at = await openLog({ limits: { queueDecisions: 2, queueBytes: 100 } });
    expect(codes(await Promise.allSettled([1, 1, 1].map((bytes) => turn(at, '', [], bytes))))).to.deep.equal(['ok', 'ok', 'OVERLOADED']);
    expect(codes(await Promise.allSettled([60, 60].map((bytes) => turn(at, '', [], bytes))))).to.deep.equal(['ok', 'OVERLOADED']);
    await turn(at, '', [], 100);
  });

  it('takes the next write whenever it comes after the last one', async () => {
    const at = await openLog();
    for (let hops = 0; hops < 12; hops++) {
      let done: Promise<unknown> = put(at, '/a');
      for (let i = 0; i < hops; i++) done = done.then(() => {});
      await done;
      await put(at, '/b');
    }
  });
});

describe('the turns at the door', () => {
  it('give a page of a peer its turn while writes and jobs of clients keep coming', async () => {
    const at = await openLog({ limits: { groupDecisions: 2, queueDecisions: 6, queueJobs: 3 } });
    const turns: string[] = [];
    let going = true;
    let refused = 0;
    const flood = async (come: () => Promise<unknown>) => {
      while (going) await come().catch((error: FilerError) => (refused += Number(error.code === 'OVERLOADED')));
    };
    const clientTurn = () =>
      at.log.aloneForClient(async () => {
        turns.push('client');
      });
    const floods = [...Array.from({ length: 20 }, () => flood(() => turn(at, 'local', turns))), ...Array.from({ length: 8 }, () => flood(clientTurn))];
    for (let page = 0; page < 20; page++) {
      const before = turns.length;
      await aloneTurn(at, 'peer', turns);
      // One transaction is under way, and each of the others has one turn of up to two decisions.
      expect(turns.slice(before).indexOf('peer'), turns.slice(before).join(' ')).to.be.at.most(5);
    }
    going = false;
    await Promise.all(floods);
    expect(refused).to.be.above(0);
    expect(new Set(turns)).to.deep.equal(new Set(['local', 'client', 'peer']));
  });

  it('let only so many jobs of clients wait', async () => {
    const at = await openLog({ limits: { queueJobs: 2 } });
    const jobs = () => Promise.allSettled([1, 2, 3].map(() => at.log.aloneForClient(async () => {})));
    expect(codes(await jobs())).to.deep.equal(['ok', 'ok', 'OVERLOADED']);
    expect(codes(await jobs()), 'when they are through').to.deep.equal(['ok', 'ok', 'OVERLOADED']);
  });

  it('alternate between local groups and everything else', async () => {
    const at = await openLog({ limits: { groupDecisions: 2 } });
    const turns: string[] = [];
    await Promise.all([...[1, 2, 3, 4, 5, 6].map((i) => turn(at, `local${i}`, turns)), ...[1, 2, 3].map((i) => aloneTurn(at, `alone${i}`, turns))]);
    const kinds = turns.map((name) => name.slice(0, 5));
    expect(kinds.join(' ')).to.match(/^(alone )?local local alone local local alone local local( alone)?$/);
    expect(turns.filter((name) => name.startsWith('local'))).to.deep.equal([1, 2, 3, 4, 5, 6].map((i) => `local${i}`));
  });

  it('give a job of its own nothing that it did not flush', async () => {
    const at = await openLog();
    const forgot = at.log.alone(async (draft) => {
      await draft.load([p('/a')]);
      draft.issue({ kind: 'put', path: p('/a'), entry: { name: '', isDirectory: false } });
    });
    expect(await forgot.catch((error: unknown) => error)).to.be.instanceOf(TypeError);
    expect([at.log.state.head, (await rowsIn(at.store)).length]).to.deep.equal([0, 0]);
  });
});

describe('a store that fails', () => {
  it('rejects the whole group and changes nothing, in the store or in memory', async () => {
    const at = await openLog();
    await put(at, '/a');
    const before = at.log.state;
    at.store.faults.beforeCommit = () => {
      throw new FilerError('STORE_FULL', 'the disk is full');
    };
    expect(codes(await Promise.allSettled([put(at, '/b'), put(at, '/c'), at.tree.remove(p('/a'), true)]))).to.deep.equal([
      'STORE_FULL',
      'STORE_FULL',
      'STORE_FULL',
    ]);
    const { origin } = at.log.identity;
    const { opened } = at.log.state;
    expect(at.log.state, 'read anew, as at a start').to.deep.equal({ ...before, opened: { origin, seq: 1, run: opened.run } });
    expect(opened.run).to.not.equal(before.opened.run);
    at.store.faults.beforeCommit = undefined;
    await put(at, '/b');
    expect((await rowsIn(at.store)).map((row) => row.path).sort()).to.deep.equal(['/a', '/b']);
    expect(at.log.position.get(at.log.identity.origin)).to.equal(2);
    await expectConsistent(at);
  });

  it('becomes a failure with a code for local writes, whatever it throws', async () => {
    const at = await openLog();
    at.store.faults.beforeCommit = () => {
      throw new Error('EIO');
    };
    expect(codes(await Promise.allSettled([put(at, '/b')]))).to.deep.equal(['STORE_FAILED']);
  });

  it('wakes nobody', async () => {
    const at = await openLog();
    at.store.faults.beforeCommit = () => {
      throw new FilerError('STORE_FULL', 'the disk is full');
    };
    const wait = at.log.waiters.wait(1000, never, false);
    await put(at, '/b').catch(() => {});
    await at.time.advance(1000);
    expect(await wait).to.equal(false);
  });

  it('that wrote all and could not say so does not lead to one dot with two changes', async () => {
    const [at, peer] = [await openLog(), await openLog()];
    await put(at, '/a');
    at.store.faults.afterCommit = () => {
      throw new FilerError('STORE_FAILED', 'the answer was lost');
    };
    expect(codes(await Promise.allSettled([put(at, '/b')]))).to.deep.equal(['STORE_FAILED']);
    at.store.faults.afterCommit = undefined;
    await put(at, '/c');
    await pull(at, peer);
    await expectConsistent(at);
    await expectSame(at, peer);
  });
});

describe('the changes of a store', () => {
  const flags = async (at: OpenLog) => (await read(at)).records.map(({ text }) => decodeChange(text).run !== '');
  const own = (at: OpenLog) => at.log.state.origins.get(at.log.identity.origin);
  const reopen = (at: OpenLog) => openLog({ disk: at.disk, time: at.time });

  it('begin a run with each start of its process that writes anything', async () => {
    let at = await openLog();
    expect(own(at)?.runs).to.deep.equal([]);
    await Promise.all([put(at, '/a'), put(at, '/b')]);
    await put(at, '/a', 'y');
    at = await reopen(await reopen(at));
    await put(at, '/c');
    await put(at, '/d');
    expect(await flags(at)).to.deep.equal([true, false, false, true, false]);
    const { records } = await read(at);
    expect(own(at)?.runs).to.deep.equal([records[0], records[3]].map(({ seq, hash }) => ({ seq, hash })));
    expect(records.map(({ text }) => /,"clusters":\[\],"run":"[0-9a-f]{16}"\}\}$/.test(text))).to.deep.equal([true, false, false, true, false]);
    expect(own(await reopen(at))?.runs).to.deep.equal(own(at)?.runs);
  });

  it('are others in every process, though two write the same at the same moment on copies of one store', async () => {
    const at = await openLog();
    const { disk } = at;
    for (const written of [0, 1]) {
      if (written > 0) await put(at, '/before');
      const copies = [disk.clone(), disk.clone()].map((copy) => ((copy.restored = false), copy));
      const [one, other] = await Promise.all(copies.map((copy) => openLog({ disk: copy })));
      for (const copy of [one, other]) await put(copy, '/same');
      const [mine, theirs] = [own(one), own(other)];
      expect([mine?.version, mine?.seq]).to.deep.equal([theirs?.version, theirs?.seq]);
      expect(mine?.hash).to.not.equal(theirs?.hash);
    }
  });

  it('begin a run with the first one under a new origin too', async () => {
    const at = await openLog();
    await put(at, '/a');
    await at.log.alone(async (draft) => {
      draft.setIdentity({ origin: '3'.repeat(16) });
      await draft.flush();
    });
    await put(at, '/b');
    await put(at, '/c');
    expect(await flags(at)).to.deep.equal([true, true, false]);
    const again = await reopen(at);
    await put(again, '/d');
    expect(await flags(again)).to.deep.equal([true, true, false, true]);
    expect(own(again)?.runs.map(({ seq }) => seq)).to.deep.equal([1, 3]);
  });

  it('begin a run though the first one failed, and once more where the store had to be read anew', async () => {
    const at = await openLog();
    for (const [fault, path] of [
      ['beforeCommit', '/a'],
      ['afterCommit', '/b'],
    ] as const) {
      at.store.faults[fault] = () => {
        throw new FilerError('STORE_FAILED', 'no answer');
      };
      await put(at, path).catch(() => {});
      at.store.faults[fault] = undefined;
    }
    expect((await rowsIn(at.store)).map(({ path }) => path)).to.deep.equal(['/b']);
    await put(at, '/c');
    await put(at, '/d');
    expect(await flags(at)).to.deep.equal([true, true, false]);
    await expectConsistent(at);
  });

  it('carry their runs to whoever follows, refused ones too', async () => {
    const [at, peer] = [await openLog(), await openLog()];
    await put(peer, '/a');
    await put(peer, '/b');
    await pull(peer, at);
    const again = await reopen(peer);
    await put(again, '/c');
    await pull(again, at);
    const forged = new ForgedLog('c000000000000000');
    forged.putBad('/bad');
    const hashes = [forged.hash];
    await at.log.apply([receiveChange(forged.texts[0]), receiveChange(forged.put('/good'))]);
    const { origins } = at.log.state;
    expect(origins.get(peer.log.identity.origin)?.runs).to.deep.equal(own(again)?.runs).and.have.length(2);
    expect(origins.get(forged.origin)?.runs).to.deep.equal([{ seq: 1, hash: hashes[0] }]);
  });
});

describe('ChangeLog wakes readers', () => {
  it('after the commit, when they find what woke them', async () => {
    const at = await openLog();
    const found = at.log.waiters.wait(1000, never, false).then(async (woken) => [woken, at.log.state.head, (await rowsIn(at.store)).length]);
    await put(at, '/a');
    expect(await found).to.deep.equal([true, 1, 1]);
  });

  it('once a group', async () => {
    const at = await openLog();
    let wakes = 0;
    const wake = at.log.waiters.wake.bind(at.log.waiters);
    at.log.waiters.wake = () => {
      wakes += 1;
      wake();
    };
    await Promise.all([put(at, '/a'), put(at, '/b'), put(at, '/c')]);
    expect(wakes).to.equal(1);
  });
});

describe('ChangeLog.waitFor', () => {
  it('resolves when the position is reached, or says that it was not', async () => {
    const at = await openLog();
    const { origin } = at.log.identity;
    expect(await at.log.waitFor(new Map([[origin, 0]]), 0, never)).to.equal(true);
    const reached = at.log.waitFor(new Map([[origin, 2]]), 1000, never);
    await put(at, '/a');
    await put(at, '/b');
    expect(await reached).to.equal(true);
    const missed = at.log.waitFor(new Map([['2222222222222222', 1]]), 1000, never);
    await at.time.advance(1000);
    expect(await missed).to.equal(false);
  });
});

describe('the identity of a store', () => {
  it('is made once, and found again', async () => {
    const at = await openLog();
    expect(at.log.identity).to.include({ phase: 'fresh', clusterId: null, floor: 0 });
    expect(at.log.identity.storeId).to.match(/^[0-9a-f]{16}$/);
    expect(at.log.identity.origin)
      .to.match(/^[0-9a-f]{16}$/)
      .and.not.equal(at.log.identity.storeId);
    expect(at.log.identity.epoch).to.match(/^[0-9a-f]{8}$/);
    expect([...at.log.position]).to.deep.equal([[at.log.identity.origin, 0]]);
    const again = await openLog({ disk: at.disk });
    expect(again.log.identity).to.deep.equal(at.log.identity);
  });

  it('comes with everything the store held', async () => {
    const at = await openLog();
    await put(at, '/d/a');
    await at.tree.remove(p('/d'), true);
    await put(at, '/b');
    const again = await openLog({ disk: at.disk });
    const { origin } = at.log.identity;
    const { run } = again.log.state.opened;
    expect(again.log.state).to.deep.equal({ ...at.log.state, opened: { origin, seq: at.log.position.get(origin), run } });
    expect(run)
      .to.match(/^[0-9a-f]{16}$/)
      .and.not.equal(at.log.state.opened.run);
    expect(again.log.digest).to.equal(at.log.digest);
    await expectConsistent(again);
  });

  it('goes on with versions above those issued before, however far the clock was set back', async () => {
    const at = await openLog();
    await put(at, '/a');
    const [{ version }] = await rowsIn(at.store);
    const again = await openLog({ disk: at.disk });
    again.time.step(-3600e6);
    await put(again, '/b');
    expect((await again.store.find('tree', [p('/b')]))[0].version).to.be.above(version);
  });

  it('takes a new origin and feed where the store was restored, and goes on at once if it never met another', async () => {
    const at = await openLog();
    await put(at, '/a');
    await at.log.alone(async (draft) => {
      draft.setIdentity({ phase: 'ready' });
      await draft.flush();
    });
    const copy = await openLog({ disk: at.disk.clone() });
    expect(copy.log.identity).to.include({ storeId: at.log.identity.storeId, phase: 'ready' });
    expect(copy.log.identity.origin).to.not.equal(at.log.identity.origin);
    expect(copy.log.identity.epoch).to.not.equal(at.log.identity.epoch);
    expect(copy.log.identity.former).to.deep.equal([at.log.identity.origin]);
    expect(copy.log.position).to.deep.equal(
      new Map([
        [at.log.identity.origin, 1],
        [copy.log.identity.origin, 0],
      ]),
    );
    const again = await openLog({ disk: copy.disk });
    expect(again.log.identity).to.deep.equal(copy.log.identity);
  });

  it('is read-only where it was restored and has met another, even one that had nothing', async () => {
    const at = await openLog();
    await at.log.alone(async (draft) => {
      draft.setIdentity({ phase: 'ready' });
      draft.know('2222222222222222');
      await draft.flush();
    });
    const backup = at.disk.clone();
    at.disk.restore(backup);
    const restored = await openLog({ disk: at.disk });
    expect(restored.log.identity.phase).to.equal('restored');
    expect((await openLog({ disk: at.disk })).log.identity).to.deep.equal(restored.log.identity);
  });

  for (const [phase, next, kept] of [
    ['fresh', 'fresh', true],
    ['bootstrapping', 'fresh', false],
    ['restored', 'restored', true],
    ['rejoining', 'rejoining', false],
  ] as const) {
    it(`goes from ${phase} to ${next} where a store was copied, ${kept ? 'with' : 'without'} its tree`, async () => {
      const at = await openLog();
      await put(at, '/a');
      await at.log.alone(async (draft) => {
        draft.setIdentity({ phase });
        draft.setMeta('bootstrap', 'x');
        await draft.flush();
      });
      const copy = await openLog({ disk: at.disk.clone() });
      expect(copy.log.identity.phase).to.equal(next);
      expect((await rowsIn(copy.store)).length).to.equal(kept ? 1 : 0);
      expect((await copy.store.load()).meta.has('bootstrap')).to.equal(false);
      expect(copy.log.position.get(copy.log.identity.origin)).to.equal(0);
      await expectConsistent(copy);
      await expectConsistent(await openLog({ disk: copy.disk }));
    });
  }

  it('is not half made by a crash', async () => {
    const disk = new MemoryDisk();
    const at = await openLog({ disk });
    expect(disk.content.meta.get('origin')).to.equal(at.log.identity.origin);
    expect(disk.content.origins.has(at.log.identity.origin)).to.equal(true);
  });
});

describe('ChangeLog.apply', () => {
  it('takes a page in one transaction and counts what it brought', async () => {
    const [at, peer] = [await openLog(), await openLog()];
    for (let i = 0; i < 20; i++) await put(peer, `/f${i}`);
    const page = await changesFor(peer, at);
    await at.log.apply(page);
    await at.log.apply(page);
    expect(at.log.totals).to.include({ appliedChanges: 20, duplicateChanges: 20, localChanges: 0 });
    await expectSame(at, peer);
  });
});

describe('ChangeLog.close', () => {
  it('lets what waits through, and refuses what comes after', async () => {
    const at = await openLog();
    const writes = Promise.allSettled([put(at, '/a'), at.log.alone(async () => 'done')]);
    await at.log.close();
    expect((await writes).map(({ status }) => status)).to.deep.equal(['fulfilled', 'fulfilled']);
    expect(await codeOf(() => put(at, '/b'))).to.equal('STOPPING');
    expect(await codeOf(() => at.log.alone(async () => {}))).to.equal('STOPPING');
  });

  it('ends held reads, which find that nothing came', async () => {
    const at = await openLog();
    const wait = at.log.waiters.wait(60_000, never, false);
    await at.log.close();
    expect(await wait).to.equal(true);
  });
});

describe('positions and digests', () => {
  it('are those of the last commit', async () => {
    const at = await openLog();
    const seen = new Set<string>();
    for (const path of ['/a', '/b/c'] as FullPath[]) {
      await put(at, parsePath(path));
      seen.add(at.log.digest);
    }
    expect(seen.size).to.equal(2);
    expect(at.log.position.get(at.log.identity.origin)).to.equal(3);
    expect((await read(at)).position).to.deep.equal(at.log.position);
  });
});
