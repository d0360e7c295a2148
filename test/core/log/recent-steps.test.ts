import { expect } from 'chai';
import fc from 'fast-check';
import { positionCovers, type Position } from '../../../src/core/clock/vector.js';
import { isFailure } from '../../../src/core/errors.js';
import { changesFor, file, mode, openLog, p, pull, type OpenLog } from '../../support/open-log.js';

const act = (max: number) => ({ at: fc.nat(max), from: fc.nat(max), n: fc.nat(2), what: fc.constantFrom('put', 'put', 'delete', 'rename', 'pull', 'pull') });

async function perform(filers: readonly OpenLog[], { at, from, n, what }: { at: number; from: number; n: number; what: string }): Promise<void> {
  const [filer, other] = [filers[at] as OpenLog, filers[from] as OpenLog];
  const path = p(`/d/f${n}`);
  try {
    if (what === 'put') await filer.tree.put(path, file(`${at}`), mode);
    else if (what === 'delete') await filer.tree.remove(path, false);
    else if (what === 'rename') await filer.tree.move(path, p(`/d/g${n}`));
    else if (at !== from) {
      // Part of what there is, so that the filers pass different positions.
      const changes = await changesFor(other, filer);
      if (changes.length > 0) await filer.log.apply(changes.slice(0, 1 + n));
    }
  } catch (error) {
    // Nothing there to delete or to move.
    if (!isFailure(error)) throw error;
  }
}

describe('RecentSteps', () => {
  it('tells the digest at every position another filer was seen at, though it was never there itself', () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.record(act(2)), { minLength: 5, maxLength: 40 }), async (acts) => {
        const filers = [await openLog(), await openLog(), await openLog()];
        const seen: { position: Position; digest: string }[] = [];
        for (const one of acts) {
          await perform(filers, one);
          const { position, digest } = (filers[one.at] as OpenLog).log;
          seen.push({ position, digest });
          for (const { log } of filers)
            for (const { position: there, digest: told } of seen) expect(log.digestAt(there)).to.equal(positionCovers(log.position, there) ? told : null);
        }
      }),
      { numRuns: 40 },
    ));

  it('tells nothing of what is longer ago than it keeps', async () => {
    const at = await openLog({ limits: { recentSteps: 5 } });
    const passed: { position: Position; digest: string }[] = [];
    for (let i = 0; i < 30; i++) {
      await at.tree.put(p(`/f${i}`), file(`${i}`), mode);
      passed.push({ position: at.log.position, digest: at.log.digest });
      const [before] = passed.slice(-2);
      expect(at.log.digestAt(before!.position)).to.equal(before!.digest);
    }
    const told = passed.map(({ position }) => at.log.digestAt(position));
    const first = told.findIndex((digest) => digest !== null);
    expect(passed.length - first).to.be.within(6, 11);
    expect(told.slice(first)).to.deep.equal(passed.slice(first).map(({ digest }) => digest));
  });

  it('keeps nothing while nobody asks, and goes on from where somebody does', async () => {
    const at = await openLog({ limits: { recentSteps: 5 } });
    const passed: { position: Position; digest: string }[] = [];
    const put = async (name: string) => {
      await at.tree.put(p(`/${name}`), file(name), mode);
      passed.push({ position: at.log.position, digest: at.log.digest });
    };
    for (let i = 0; i < 8; i++) await put(`f${i}`);
    expect(passed.slice(0, -1).map(({ position }) => at.log.digestAt(position))).to.deep.equal(new Array(7).fill(null));
    await put('asked');
    expect(passed.slice(-3).map(({ position, digest }) => at.log.digestAt(position) === digest)).to.deep.equal([false, true, true]);
  });

  it('tells nothing of what was before rows moved by anything but a change', async () => {
    const [from, at] = [await openLog(), await openLog()];
    await from.tree.put(p('/f'), file('f'), mode);
    await pull(from, at);
    const { position } = at.log;
    await at.tree.put(p('/g'), file('g'), mode);
    expect(at.log.digestAt(position)).to.equal(from.log.digest);
    await at.log.alone(async (draft) => {
      await draft.load([p('/g')]);
      draft.setRow(p('/g'), draft.row(p('/g')));
      await draft.flush();
    });
    expect(at.log.digestAt(position)).to.equal(null);
    expect(at.log.digestAt(at.log.position)).to.equal(at.log.digest);
  });

  it('sees damage in a row that a later change replaced', async () => {
    const [a, b] = [await openLog(), await openLog()];
    await a.tree.put(p('/f'), file('one'), mode);
    await pull(a, b);
    const row = (await b.store.find('tree', [p('/f')]))[0];
    await b.store.transaction((tx) => tx.write({ removed: { tree: [p('/f')] } }));
    await a.tree.put(p('/f'), file('two'), mode);
    await pull(a, b);
    const { position, digest } = a.log;
    expect(row?.h).to.be.above(0);
    expect(b.log.digestAt(position)).to.be.a('string').and.not.equal(digest);
    await b.tree.put(p('/g'), file('more'), mode);
    expect(b.log.digestAt(position)).to.be.a('string').and.not.equal(digest);
  });
});
