import { expect } from 'chai';
import { FilerError } from '../../../src/core/errors.js';
import { LongPoll } from '../../../src/core/http/long-poll.js';
import { ManualTime } from '../../support/manual-time.js';

describe('LongPoll', () => {
  let time: ManualTime;
  let polls: LongPoll;
  const forever = new AbortController().signal;
  beforeEach(() => {
    time = new ManualTime();
    polls = new LongPoll(time, 2);
  });

  it('does not wait for what is there already', async () => {
    expect(await polls.until(() => true, 1000, forever)).to.equal(true);
    expect(time.sleeping).to.equal(0);
  });

  it('goes on waiting when woken by news that is not for it', async () => {
    let news = false;
    const held = polls.until(() => news, 1000, forever);
    polls.wake();
    await time.advance(500);
    expect(polls.count).to.equal(1);
    news = true;
    polls.wake();
    expect(await held).to.equal(true);
    expect([polls.count, time.sleeping]).to.deep.equal([0, 0]);
  });

  it('gives up when its time is over', async () => {
    const held = polls.until(() => false, 1000, forever);
    await time.advance(1000);
    expect(await held).to.equal(false);
    expect(polls.count).to.equal(0);
  });

  it('ends with the reason of the signal', async () => {
    const reader = new AbortController();
    const held = polls.until(() => false, 1000, reader.signal);
    reader.abort(new FilerError('STOPPING', 'enough'));
    expect(await held.catch((error: FilerError) => error.code)).to.equal('STOPPING');
    expect([polls.count, time.sleeping]).to.deep.equal([0, 0]);
  });

  it('refuses more readers than it may hold', async () => {
    void polls.until(() => false, 1000, forever);
    void polls.until(() => false, 1000, forever);
    expect(await polls.until(() => false, 1000, forever).catch((error: FilerError) => error.code)).to.equal('OVERLOADED');
  });
});
