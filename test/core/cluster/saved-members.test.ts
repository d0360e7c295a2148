import { expect } from 'chai';
import type { Member } from '../../../src/core/cluster/member.js';
import { membersFromText, membersToText } from '../../../src/core/cluster/saved-members.js';

const member = (origin: string, lastHeard: number, seq: number): Member => ({
  origin,
  storeId: 'aaaaaaaaaaaaaaaa',
  clusterId: 'cccccccccccccccc',
  address: `127.0.0.1:${lastHeard}`,
  engine: 'sqlite',
  kind: 'embedded',
  instance: 'i',
  position: new Map([[origin, seq]]),
  program: 'kelp',
  group: '',
  state: 'down',
  lastHeard,
});

describe('the saved member list', () => {
  it('comes back with everything that lasts, and everybody counts as up', () => {
    const [kept] = membersFromText(membersToText([member('0000000000000001', 5, 3)]));
    expect(kept).to.deep.equal({ ...member('0000000000000001', 5, 3), state: 'up', lastHeard: 0, position: new Map() });
  });

  it('does not change with positions, times and the order of the list', () => {
    const [a, b] = [member('0000000000000001', 5, 3), member('0000000000000002', 6, 4)];
    expect(membersToText([a, b])).to.equal(
      membersToText([
        { ...b, state: 'up', position: new Map() },
        { ...a, position: new Map([['0000000000000001', 9]]) },
      ]),
    );
  });
});
