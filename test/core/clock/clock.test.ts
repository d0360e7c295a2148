import { expect } from 'chai';
import fc from 'fast-check';
import { Clock } from '../../../src/core/clock/clock.js';
import { clockMax, versionMax } from '../../../src/core/clock/version.js';
import { ManualTime } from '../../support/manual-time.js';
import { codeOf } from '../../support/open-log.js';

const skew = 60_000_000;
const now = 1_763_763_267_000_000;

describe('Clock', () => {
  it('issues the wall clock, then something greater, whatever the wall clock does', () => {
    const time = new ManualTime({ micros: now });
    const clock = new Clock(time, skew);
    expect([clock.issue(0), clock.issue(0)]).to.deep.equal([now, now + 1]);
    time.step(-3600e6);
    expect(clock.issue(0)).to.equal(now + 2);
    time.step(3600e6 + 1000);
    expect([clock.issue(0), clock.last]).to.deep.equal([now + 1000, now + 1000]);
  });

  it('beats what a write replaces, however far ahead', () => {
    const clock = new Clock(new ManualTime({ micros: now }), skew);
    expect(clock.issue(now + 3600e6)).to.equal(now + 3600e6 + 1);
    expect(clock.issue(0)).to.equal(now + 3600e6 + 2);
  });

  it('moves past what it receives, up to the bound', () => {
    const clock = new Clock(new ManualTime({ micros: now }), skew);
    expect(clock.observe(now + skew)).to.equal(true);
    expect(clock.issue(0)).to.equal(now + skew + 1);
  });

  it('does not follow a peer beyond the bound', () => {
    const clock = new Clock(new ManualTime({ micros: now }), skew);
    expect(clock.observe(now + skew + 1)).to.equal(false);
    expect(clock.issue(0)).to.equal(now);
  });

  it('moves past floor and own changes without a bound', () => {
    const clock = new Clock(new ManualTime({ micros: now }), skew);
    clock.advance(now + 3600e6);
    clock.advance(5);
    expect(clock.issue(0)).to.equal(now + 3600e6 + 1);
  });

  it('promises with now() that nothing lower will be issued', () => {
    const time = new ManualTime({ micros: now });
    const clock = new Clock(time, skew);
    const promised = clock.now();
    time.step(-10e6);
    expect(clock.issue(0)).to.be.at.least(promised - 10e6);
    clock.advance(now + 7);
    expect([clock.now(), clock.issue(0)]).to.deep.equal([now + 8, now + 8]);
  });

  it('counts a wall clock beyond the end of time only up to where there is room to overwrite', async () => {
    const clock = new Clock(new ManualTime({ micros: 2 ** 53 - 1 }), skew);
    expect([clock.issue(0), clock.issue(0)]).to.deep.equal([clockMax, clockMax + 1]);
    expect(clock.observe(versionMax)).to.equal(false);
    expect(clock.issue(versionMax - 1)).to.equal(versionMax);
    expect(await codeOf(() => clock.issue(0))).to.equal('CLOCK_SKEWED');
  });

  it('leaves itself alone when no version is left above what is replaced', async () => {
    const clock = new Clock(new ManualTime({ micros: now }), skew);
    expect(await codeOf(() => clock.issue(versionMax))).to.equal('CLOCK_SKEWED');
    expect(clock.issue(0)).to.equal(now);
  });

  it('issues rising versions, each above what it replaces, over any history', () => {
    const step = fc.record({ kind: fc.constantFrom('issue', 'observe', 'advance', 'set'), by: fc.integer({ min: -120_000_000, max: 120_000_000 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const time = new ManualTime({ micros: now });
        const clock = new Clock(time, skew);
        let before = 0;
        let floor = 0;
        for (const { kind, by } of steps) {
          if (kind === 'set') time.step(by);
          else if (kind === 'observe') {
            const version = Math.max(1, time.micros() + by);
            if (clock.observe(version)) floor = Math.max(floor, version);
          } else if (kind === 'advance') {
            clock.advance(now + by);
            floor = Math.max(floor, now + by);
          } else {
            const version = clock.issue(now + by);
            expect(version).to.be.above(Math.max(before, floor, now + by));
            before = version;
          }
        }
      }),
    );
  });
});
