import { expect } from 'chai';
import { Waiters } from '../../../src/core/log/waiters.js';
import { ManualTime } from '../../support/manual-time.js';
import { codeOf, never } from '../../support/open-log.js';

const open = (waitersMax = 10, waitersForPeers = 0) => {
  const time = new ManualTime();
  return { time, waiters: new Waiters(time, { waitersMax, waitersForPeers }) };
};

describe('Waiters', () => {
  it('wakes everybody who waits, once', async () => {
    const { time, waiters } = open();
    const waits = [waiters.wait(1000, never, false), waiters.wait(1000, never, true)];
    expect(waiters.count).to.equal(2);
    waiters.wake();
    expect(await Promise.all(waits)).to.deep.equal([true, true]);
    expect([waiters.count, time.sleeping]).to.deep.equal([0, 0]);
  });

  it('tells those who waited in vain', async () => {
    const { time, waiters } = open();
    const wait = waiters.wait(1000, never, false);
    await time.advance(999);
    expect(waiters.count).to.equal(1);
    await time.advance(1);
    expect([await wait, waiters.count]).to.deep.equal([false, 0]);
  });

  it('lets one wait that begins while others are woken wait on', async () => {
    const { time, waiters } = open();
    const second = waiters.wait(1000, never, false).then(() => waiters.wait(1000, never, false));
    waiters.wake();
    await time.advance(500);
    expect(waiters.count).to.equal(1);
    waiters.wake();
    expect(await second).to.equal(true);
  });

  it('rejects with the reason of the signal, and forgets the waiter', async () => {
    const { time, waiters } = open();
    const controller = new AbortController();
    const reason = new Error('gone');
    const wait = waiters.wait(1000, controller.signal, false).catch((error: unknown) => error);
    controller.abort(reason);
    expect([await wait, waiters.count, time.sleeping]).to.deep.equal([reason, 0, 0]);
    expect(await waiters.wait(1000, controller.signal, false).catch((error: unknown) => error)).to.equal(reason);
  });

  it('refuses more than its places, and keeps some for peers', async () => {
    const { waiters } = open(3, 1);
    const waits = [waiters.wait(1000, never, false), waiters.wait(1000, never, false)];
    expect(await codeOf(() => waiters.wait(1000, never, false))).to.equal('OVERLOADED');
    waits.push(waiters.wait(1000, never, true));
    expect(await codeOf(() => waiters.wait(1000, never, true))).to.equal('OVERLOADED');
    waiters.wake();
    await Promise.all(waits);
    expect(waiters.count).to.equal(0);
  });
});
