import { expect } from 'chai';
import {
  announcementFromJson,
  announcementToJson,
  memberListFromJson,
  memberListToJson,
  registrationFromJson,
  registrationToJson,
  statusFromJson,
} from '../../../../src/core/api/master/protocol.js';
import type { MemberList } from '../../../../src/core/cluster/member.js';
import { FilerError } from '../../../../src/core/errors.js';
import { announcementOf, hexId } from '../../../support/announcements.js';

const a = hexId('a');
const announcement = announcementOf({
  origin: a,
  clusterId: hexId('c'),
  position: new Map([
    [hexId('b'), 2],
    [a, 1],
  ]),
  group: 'blue',
});
const overTheWire = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe('master protocol', () => {
  it('carries announcements and lists whole', () => {
    expect(announcementFromJson(a, overTheWire(announcementToJson(announcement)))).to.deep.equal(announcement);
    const list: MemberList = { clusterId: null, version: '1f-2', time: 5, members: [{ ...announcement, state: 'down', lastHeard: 4 }] };
    expect(memberListFromJson(overTheWire(memberListToJson(list)))).to.deep.equal(list);
  });

  it('does without what has a default, and ignores what it does not know', () => {
    const { storeId, address, engine, kind, instance } = announcement;
    const read = announcementFromJson(a, { storeId, address, engine, kind, instance, colour: 'red' });
    expect(read).to.deep.equal({ ...announcement, clusterId: null, position: new Map(), program: '', group: '' });
  });

  const wrong: [field: string, value: unknown][] = [
    ['address', undefined],
    ['address', 8888],
    ['address', 'x'.repeat(300)],
    ['storeId', 'AAAAAAAAAAAAAAAA'],
    ['clusterId', ''],
    ['kind', 'other'],
    ['engine', ''],
    ['instance', null],
    ['group', 'x'.repeat(200)],
    ['position', []],
    ['position', { x: 1 }],
    ['position', { [a]: -1 }],
    ['position', { [a]: '1' }],
  ];
  for (const [field, value] of wrong) {
    it(`refuses ${field} = ${JSON.stringify(value)?.slice(0, 40) ?? 'absent'}, naming it`, () => {
      const body = { ...announcementToJson(announcement), [field]: value };
      expect(() => announcementFromJson(a, body))
        .to.throw(FilerError, new RegExp(`^${field}`))
        .with.property('code', 'BODY_INVALID');
    });
  }

  it('carries a registration whole, and takes one without more for a heartbeat', () => {
    for (const state of ['up', 'down'] as const) {
      const registration = { announcement, state, masters: ['127.0.0.1:9333', 'other:9333'] };
      expect(registrationFromJson(a, overTheWire(registrationToJson(registration)))).to.deep.equal(registration);
    }
    expect(registrationFromJson(a, announcementToJson(announcement))).to.deep.equal({ announcement, state: 'up', masters: [] });
  });

  for (const [field, value] of [
    ['state', 'asleep'],
    ['masters', 'one'],
    ['masters', Array.from({ length: 17 }, (_, port) => `127.0.0.1:${port + 1}`)],
    ['masters', [7]],
  ] as const) {
    it(`refuses ${field} = ${JSON.stringify(value).slice(0, 40)}, naming it`, () => {
      expect(() => registrationFromJson(a, { ...announcementToJson(announcement), [field]: value }))
        .to.throw(FilerError, new RegExp(`^${field}`))
        .with.property('code', 'BODY_INVALID');
    });
  }

  it('refuses what is no object, and names the member that is wrong', () => {
    for (const body of [null, 1, 'x', []]) expect(() => announcementFromJson(a, body)).to.throw(FilerError);
    const member = { origin: a, ...announcementToJson(announcement), state: 'up', lastHeard: 1 };
    const list = { clusterId: null, version: 'v', time: 1, members: [member, { ...member, state: 'asleep' }] };
    expect(() => memberListFromJson(list)).to.throw(FilerError, /^members\[1\].state/);
    expect(() => statusFromJson({})).to.throw(FilerError, /^leader/);
  });
});
