import { expect } from 'chai';
import { nap } from '../../src/core/nap.js';
import { ManualTime } from '../support/manual-time.js';

describe('nap', () => {
  const never = new AbortController().signal;

  it('is over when due', async () => {
    const time = new ManualTime();
    let withdrawn = 0;
    const napping = nap(time, 100, never, () => () => (withdrawn += 1));
    await time.advance(99);
    expect(withdrawn).to.equal(0);
    await time.advance(1);
    expect([await napping, withdrawn, time.sleeping]).to.deep.equal([false, 1, 0]);
  });

  it('is over when woken', async () => {
    const time = new ManualTime();
    let wake = () => {};
    const napping = nap(time, 100, never, (own) => {
      wake = own;
      return () => {};
    });
    wake();
    expect([await napping, time.sleeping]).to.deep.equal([true, 0]);
  });

  it('rejects with the reason of its signal, then and before', async () => {
    const time = new ManualTime();
    const controller = new AbortController();
    const reason = new Error('stop');
    const napping = nap(time, 100, controller.signal, () => () => {}).catch((error: unknown) => error);
    controller.abort(reason);
    expect([await napping, time.sleeping]).to.deep.equal([reason, 0]);
    expect(await nap(time, 100, controller.signal, () => () => {}).catch((error: unknown) => error)).to.equal(reason);
  });
});
