import { expect } from 'chai';
import { ClockWatch } from '../../../src/core/replication/clock-watch.js';
import { ManualTime } from '../../support/manual-time.js';

const open = (membersMax = 1000) => {
  const time = new ManualTime();
  return { time, watch: new ClockWatch(time, { clockSkewMs: 60_000, clockHeardMs: 30_000, membersMax }) };
};

describe('ClockWatch', () => {
  it('finds nothing wrong while nobody was heard', () => {
    expect(open().watch.tooFarAhead()).to.equal(null);
  });

  it('tells how far the local clock is ahead of the others beyond the bound', () => {
    const { watch } = open();
    watch.hear('master', -60);
    expect(watch.tooFarAhead()).to.equal(null);
    watch.hear('master', -61);
    expect(watch.tooFarAhead()).to.equal(61);
  });

  it('does not mind to be behind', () => {
    const { watch } = open();
    watch.hear('a', 3600);
    expect(watch.tooFarAhead()).to.equal(null);
  });

  it('goes by the median: one bad clock does not stop a filer, and one good one does not help a bad filer', () => {
    const { watch } = open();
    watch.hear('a', -3600);
    watch.hear('b', 0);
    watch.hear('c', 1);
    expect(watch.tooFarAhead()).to.equal(null);
    watch.hear('b', -100);
    expect(watch.tooFarAhead()).to.equal(100);
  });

  it('forgets what it heard too long ago, and takes the last word of each', async () => {
    const { time, watch } = open();
    watch.hear('a', -3600);
    await time.advance(30_000);
    expect(watch.tooFarAhead()).to.equal(3600);
    await time.advance(1);
    expect(watch.tooFarAhead()).to.equal(null);
    watch.hear('a', -3600);
    watch.hear('a', 0);
    expect(watch.tooFarAhead()).to.equal(null);
  });

  it('remembers a limited number, the latest', () => {
    const { watch } = open(2);
    watch.hear('a', -3600);
    watch.hear('b', 0);
    watch.hear('c', 0);
    expect(watch.tooFarAhead()).to.equal(null);
    for (const who of ['d', 'e']) watch.hear(who, -3600);
    expect(watch.tooFarAhead()).to.equal(3600);
  });
});
