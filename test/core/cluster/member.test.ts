import { expect } from 'chai';
import { withoutReplaced, type Member } from '../../../src/core/cluster/member.js';
import { announcementOf } from '../../support/announcements.js';

const member = (digit: string, address: string, state: Member['state']): Member => ({
  ...announcementOf({ origin: digit.repeat(16), address }),
  state,
  lastHeard: 0,
});

describe('withoutReplaced', () => {
  it('leaves out who is down where another one is up, and nobody else', () => {
    const [a, b] = [member('a', 'host:1', 'up'), member('b', 'host:2', 'up')];
    const before = [member('c', 'host:1', 'down'), member('d', 'host:1', 'down')];
    const away = [member('e', 'host:3', 'down'), member('f', 'host:3', 'down')];
    expect(withoutReplaced([...before, a, ...away, b])).to.deep.equal([a, ...away, b]);
    expect(withoutReplaced([])).to.deep.equal([]);
  });
});
