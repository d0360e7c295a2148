import { expect } from 'chai';
import { MemberLists } from '../../../src/core/cluster/member-lists.js';
import type { Member, MemberList } from '../../../src/core/cluster/member.js';
import { limits } from '../../../src/core/config/limits.js';
import { announcementOf, hexId } from '../../support/announcements.js';

const a = hexId('a');
const b = hexId('b');

describe('MemberLists', () => {
  /** Wall clock of a master, milliseconds; each has its own. */
  const wall = 1_000_000_000;
  const member = (origin: string, state: 'up' | 'down', agoMs: number, clock = wall): Member => ({
    ...announcementOf({ origin }),
    state,
    lastHeard: clock - agoMs,
  });
  const list = (version: string, members: Member[], clock = wall): MemberList => ({ clusterId: hexId('c'), version, time: clock * 1000, members });
  const brief = (lists: MemberLists): string => lists.members.map(({ origin, state }) => `${origin[0]} ${state}`).join(', ');
  const saved = [member(a, 'up', 0), member(b, 'up', 0)];

  it('keeps what was saved until a master has said something', () => {
    expect(brief(new MemberLists(saved, limits))).to.equal('a up, b up');
  });

  it('is the union of all masters, newest word first, whatever their clocks say', () => {
    const lists = new MemberLists([], limits);
    const early = wall - 3_600_000;
    lists.take('m1', list('11-1', [member(a, 'down', 60_000), member(b, 'up', 1000)]), 0);
    lists.take('m2', list('22-1', [member(a, 'up', 2000, early)], early), 0);
    expect(brief(lists)).to.equal('a up, b up');
  });

  it('takes the word of a master in reach over that of one that is not', () => {
    const lists = new MemberLists([], limits);
    lists.take('m1', list('11-1', [member(a, 'up', 0)]), 0);
    lists.take('m2', list('22-1', [member(a, 'down', 20_000)]), 0);
    expect(brief(lists)).to.equal('a up');
    lists.lose('m1');
    expect(brief(lists), 'nothing new was said').to.equal('a up');
    lists.take('m2', list('22-1', [member(a, 'down', 25_000)]), 5000);
    expect(brief(lists)).to.equal('a down');
  });

  it('drops who has left, but not whom a master that has just started does not know yet', () => {
    const lists = new MemberLists([], limits);
    lists.take('m1', list('11-2', [member(a, 'up', 0), member(b, 'up', 0)]), 0);
    lists.take('m1', list('22-1', [member(a, 'up', 0)]), 1000);
    expect(brief(lists), 'another start').to.equal('a up, b up');
    lists.take('m1', list('22-2', [member(a, 'up', 0), member(b, 'up', 0)]), 2000);
    lists.take('m1', list('22-3', [member(a, 'up', 0)]), 3000);
    expect(brief(lists), 'the same start').to.equal('a up');
  });

  it('keeps who has left one master while another in reach still has it', () => {
    const lists = new MemberLists([], limits);
    lists.take('m1', list('11-1', [member(a, 'up', 0)]), 0);
    lists.take('m2', list('22-1', [member(a, 'up', 0)]), 0);
    lists.take('m1', list('11-2', []), 0);
    expect(brief(lists)).to.equal('a up');
    lists.take('m2', list('22-2', []), 0);
    expect(brief(lists)).to.equal('');
  });

  it('calls whom nobody knows any more down after a while, and drops it at last', () => {
    const lists = new MemberLists(saved, limits);
    const only = (now: number) => lists.take('m1', list('11-1', [member(a, 'up', 0)]), now);
    only(0);
    expect(brief(lists)).to.equal('a up, b up');
    only(limits.memberDownMs);
    expect(brief(lists)).to.equal('a up, b down');
    only(limits.forgetAfterMs);
    expect(brief(lists)).to.equal('a up');
  });

  it('drops a list that was overtaken', () => {
    const lists = new MemberLists([], limits);
    lists.take('m1', list('11-2', [member(a, 'up', 0), member(b, 'up', 0)]), 0);
    lists.take('m1', list('11-1', [member(a, 'up', 0)]), 0);
    expect(brief(lists)).to.equal('a up, b up');
  });
});
