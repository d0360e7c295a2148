import { expect } from 'chai';
import { FilerError } from '../../src/core/errors.js';
import { backoffMs, isAbort, runLoop } from '../../src/core/loop.js';
import { createLogger, silentLogger } from '../../src/core/logger.js';
import { ManualTime } from '../support/manual-time.js';

const limits = { msMin: 50, msMax: 5000 };

describe('backoffMs', () => {
  it('doubles its ceiling up to the limit', () => {
    const ceilings = Array.from({ length: 9 }, (_, i) => backoffMs(i + 1, limits, () => 1));
    expect(ceilings).to.deep.equal([50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    expect(backoffMs(1e9, limits, () => 1)).to.equal(5000);
  });

  it('spreads over everything below the ceiling, but is never nothing', () => {
    expect(backoffMs(3, limits, () => 0.5)).to.equal(100);
    expect(backoffMs(3, limits, () => 0)).to.equal(1);
  });
});

describe('isAbort', () => {
  it('is true for what an aborted signal throws, and for nothing else', () => {
    const controller = new AbortController();
    const other = new Error('other');
    expect(isAbort(other, controller.signal)).to.equal(false);
    controller.abort(new FilerError('STOPPING', 'stop'));
    expect(isAbort(controller.signal.reason, controller.signal)).to.equal(true);
    expect(isAbort(Object.assign(new Error(), { name: 'AbortError' }), controller.signal)).to.equal(true);
    expect(isAbort(other, controller.signal)).to.equal(false);
  });
});

describe('runLoop', () => {
  it('runs steps until aborted, and ends after the one in flight', async () => {
    const controller = new AbortController();
    let steps = 0;
    await runLoop({
      time: new ManualTime(),
      signal: controller.signal,
      backoff: limits,
      logger: silentLogger,
      step: async () => {
        steps += 1;
        if (steps === 3) controller.abort();
      },
    });
    expect(steps).to.equal(3);
  });

  it('waits after failures, longer after more of them, and afresh after a success', async () => {
    const time = new ManualTime();
    const controller = new AbortController();
    const seen: number[] = [];
    const outcomes = [false, false, true, false];
    const running = runLoop({
      time,
      signal: controller.signal,
      backoff: limits,
      logger: silentLogger,
      step: async () => {
        const fine = outcomes.shift();
        if (fine === undefined) controller.abort();
        if (!fine) throw new FilerError('PEER_UNREACHABLE', 'gone');
      },
      failed: (_error, inRow) => seen.push(inRow),
    });
    await time.advance(60_000);
    await running;
    expect(seen.slice(0, 3)).to.deep.equal([1, 2, 1]);
  });

  it('reports a bug with its stack, and goes on', async () => {
    const time = new ManualTime();
    const controller = new AbortController();
    const lines: string[] = [];
    let steps = 0;
    const running = runLoop({
      time,
      signal: controller.signal,
      backoff: limits,
      logger: createLogger({ level: 'debug', write: (line) => lines.push(line), now: () => new Date(0) }),
      step: async () => {
        steps += 1;
        if (steps === 1) throw new TypeError('a bug');
        controller.abort();
      },
    });
    await time.advance(1000);
    await running;
    expect(steps).to.equal(2);
    expect(lines.join('\n')).to.match(/error kelp: TypeError: a bug.*loop\.test/);
  });

  it('ends at once when aborted while it waits', async () => {
    const time = new ManualTime();
    const controller = new AbortController();
    const running = runLoop({
      time,
      signal: controller.signal,
      backoff: limits,
      logger: silentLogger,
      step: () => Promise.reject(new FilerError('OVERLOADED', 'no')),
    });
    await time.advance(0);
    controller.abort();
    await running;
    expect(time.sleeping).to.equal(0);
  });
});
