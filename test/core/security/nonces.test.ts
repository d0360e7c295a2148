import { expect } from 'chai';
import { Nonces } from '../../../src/core/security/nonces.js';

const second = 1000;
const minute = 60 * second;
const noon = 1_763_800_000_000;

describe('Nonces', () => {
  it('take each nonce once', () => {
    const nonces = new Nonces(minute, 10);
    expect([nonces.take('a', noon, noon), nonces.take('b', noon, noon), nonces.take('a', noon, noon)]).to.deep.equal(['new', 'new', 'repeated']);
  });

  it('remember a nonce for as long as its date would pass, be it from the future', () => {
    for (const ahead of [-minute, 0, minute]) {
      const nonces = new Nonces(minute, 10);
      nonces.take('a', noon + ahead, noon);
      for (let now = noon; now <= noon + ahead + minute; now += second) expect(nonces.take('a', noon + ahead, now)).to.equal('repeated');
    }
  });

  it('forget those whose time is over, so that there is room again', () => {
    const nonces = new Nonces(minute, 3);
    for (const nonce of ['a', 'b', 'c']) nonces.take(nonce, noon, noon);
    expect(nonces.take('d', noon, noon)).to.equal('full');
    expect(nonces.take('a', noon, noon)).to.equal('repeated');
    const later = noon + minute + 20 * second;
    expect(nonces.take('d', later, later)).to.equal('new');
    expect(nonces.count).to.equal(1);
  });
});
