import { expect } from 'chai';
import { realTime } from '../../src/core/time.js';

describe('realTime', () => {
  it('tells whole microseconds of this century', () => {
    expect(Number.isSafeInteger(realTime.micros())).to.equal(true);
    expect(realTime.micros()).to.be.within(1.6e15, 4e15);
  });

  it('never goes back on its monotonic clock', () => {
    let before = realTime.monotonic();
    for (let i = 0; i < 1000; i++) {
      const now = realTime.monotonic();
      expect(now).to.be.at.least(before);
      before = now;
    }
  });

  it('sleeps, and ends a sleep with the reason of its signal', async () => {
    await realTime.sleep(1);
    const controller = new AbortController();
    const reason = new Error('enough');
    const slept = realTime.sleep(60_000, controller.signal).catch((error: unknown) => error);
    controller.abort(reason);
    expect(await slept).to.equal(reason);
    expect(await realTime.sleep(60_000, controller.signal).catch((error: unknown) => error)).to.equal(reason);
  });

  it('draws numbers in [0, 1) and hex of the asked length, never the same twice', () => {
    for (let i = 0; i < 100; i++) expect(realTime.random()).to.be.within(0, 1 - Number.EPSILON / 2);
    expect(realTime.randomHex(8)).to.match(/^[0-9a-f]{16}$/);
    expect(new Set(Array.from({ length: 1000 }, () => realTime.randomHex(8))).size).to.equal(1000);
  });
});
