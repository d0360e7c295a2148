import { expect } from 'chai';
import type { Origin, Position } from '../../../src/core/clock/vector.js';
import { assignRelays, type RelaySituation } from '../../../src/core/replication/relay.js';

const [own, b, c, d, gone] = ['0', '1', '2', '3', '4'].map((digit) => digit.repeat(16));

const at = (position: Record<Origin, number>): Position => new Map(Object.entries(position));
const relays = (more: Partial<RelaySituation>) =>
  Object.fromEntries(assignRelays({ own, position: new Map(), members: new Set([b, c, d]), following: [], current: new Map(), branches: new Map(), ...more }));

describe('assignRelays', () => {
  it('asks nobody for filers that are followed themselves, nor for its own changes', () => {
    const following = [b, c, d].map((origin) => ({ origin, head: at({ [own]: 9, [b]: 5, [c]: 5, [d]: 5 }) }));
    expect(relays({ following })).to.deep.equal({});
  });

  it('asks one that is ahead for the changes of one that is cut off', () => {
    const following = [
      { origin: b, head: at({ [d]: 3 }) },
      { origin: c, head: at({ [d]: 5 }) },
    ];
    expect(relays({ following, position: at({ [d]: 3 }) })).to.deep.equal({ [d]: c });
  });

  it('asks one alone, the same as before while it is ahead', () => {
    const following = [
      { origin: b, head: at({ [d]: 5 }) },
      { origin: c, head: at({ [d]: 5 }) },
    ];
    expect(relays({ following })).to.deep.equal({ [d]: b });
    expect(relays({ following, current: new Map([[d, c]]) })).to.deep.equal({ [d]: c });
    expect(relays({ following: [following[0], { origin: c, head: at({}) }], current: new Map([[d, c]]) })).to.deep.equal({ [d]: b });
  });

  it('watches a silent member through one peer though nobody is ahead', () => {
    const following = [
      { origin: b, head: at({}) },
      { origin: c, head: at({}) },
    ];
    expect(relays({ following })).to.deep.equal({ [d]: b });
    expect(relays({ following, current: new Map([[d, c]]) })).to.deep.equal({ [d]: c });
  });

  it('asks for the changes of filers that are no members any more, as long as somebody is ahead', () => {
    const following = [
      { origin: b, head: at({ [gone]: 7 }) },
      { origin: c, head: at({ [gone]: 2 }) },
    ];
    expect(relays({ following, members: new Set([b, c]), position: at({ [gone]: 2 }) })).to.deep.equal({ [gone]: b });
    expect(relays({ following, members: new Set([b, c]), position: at({ [gone]: 7 }), current: new Map([[gone, b]]) })).to.deep.equal({});
  });

  it('asks only the one that has the other branch of a log that was given up, and waits for it', () => {
    const head = at({ [gone]: 7 });
    const situation = { members: new Set([b, c]), position: at({ [gone]: 2 }), current: new Map([[gone, b]]) };
    const following = [
      { origin: b, head },
      { origin: c, head: at({ [gone]: 3 }) },
    ];
    expect(relays({ ...situation, following, branches: new Map([[gone, c]]) })).to.deep.equal({ [gone]: c });
    expect(relays({ ...situation, following: [{ origin: b, head }], branches: new Map([[gone, c]]) }), 'it does not answer yet').to.deep.equal({ [c]: b });
    expect(relays({ ...situation, following, branches: new Map([[gone, d]]) }), 'it is no member any more').to.deep.equal({ [gone]: b });
  });

  it('asks nobody when nobody answers', () => {
    expect(relays({})).to.deep.equal({});
  });
});
