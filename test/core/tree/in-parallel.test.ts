import { expect } from 'chai';
import { inParallel } from '../../../src/core/tree/in-parallel.js';

describe('inParallel', () => {
  it('works on all items, never on more than allowed at a time', async () => {
    let [running, most] = [0, 0];
    const done: number[] = [];
    await inParallel([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
      most = Math.max(most, (running += 1));
      await Promise.resolve();
      running -= 1;
      done.push(item);
    });
    expect(done.sort()).to.deep.equal([1, 2, 3, 4, 5, 6, 7]);
    expect(most).to.equal(3);
  });

  it('takes no further item after a failure, and throws it when the others have ended', async () => {
    const begun: number[] = [];
    let ended = 0;
    const work = inParallel([1, 2, 3, 4, 5, 6], 2, async (item) => {
      begun.push(item);
      await Promise.resolve();
      if (item === 1) throw new Error('one');
      await Promise.resolve();
      ended += 1;
    });
    expect(await work.catch((error: Error) => error.message)).to.equal('one');
    expect(begun).to.deep.equal([1, 2]);
    expect(ended).to.equal(1);
  });
});
