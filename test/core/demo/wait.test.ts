import { expect } from 'chai';
import { waitFor, type Look } from '../../../src/core/demo/wait.js';
import { FilerError, isFailure } from '../../../src/core/errors.js';

/** A clock that stands still but for sleeps. */
function options(deadlineMs: number) {
  let now = 0;
  const time = {
    micros: () => now * 1000,
    monotonic: () => now,
    sleep: async (ms: number) => void (now += ms),
    random: () => 0,
    randomHex: () => '',
  };
  return { what: 'it', time, signal: new AbortController().signal, deadlineMs, everyMs: 10 };
}

const from = (looks: (() => Look<string>)[]) => async () => (looks.length > 1 ? looks.shift() : looks[0])?.() ?? { standing: '' };

describe('a wait of the demo', () => {
  it('ends with what it waits for, through filers that do not answer', async () => {
    const unreachable = () => {
      throw new FilerError('PEER_UNREACHABLE', 'gone');
    };
    expect(await waitFor(from([() => ({ standing: 'not yet' }), unreachable, () => ({ found: 'here' })]), options(100))).to.equal('here');
  });

  it('goes on beyond its deadline as long as something moves', async () => {
    let left = 50;
    const look = async (): Promise<Look<number>> => ((left -= 1) === 0 ? { found: 0 } : { standing: `${left} left` });
    expect(await waitFor(look, options(100))).to.equal(0);
  });

  it('fails with how it stands when nothing moves any longer', async () => {
    const error: unknown = await waitFor(from([() => ({ standing: '3 left' })]), options(100)).catch((failure: unknown) => failure);
    expect(isFailure(error, 'TIMED_OUT') && error.message).to.equal('waited 0.1 s in vain for it; last: 3 left');
  });

  it('passes on what no waiting can cure', async () => {
    const broken = () => {
      throw new FilerError('PATH_INVALID', 'wrong');
    };
    expect(isFailure(await waitFor(from([broken]), options(100)).catch((failure: unknown) => failure), 'PATH_INVALID')).to.equal(true);
  });
});
