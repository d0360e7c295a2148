import { expect } from 'chai';
import { Membership, type MembershipOptions } from '../../../src/core/cluster/membership.js';
import type { Announcement, Member } from '../../../src/core/cluster/member.js';
import type { Found } from '../../../src/core/cluster/registry.js';
import { limits } from '../../../src/core/config/limits.js';
import { FilerError } from '../../../src/core/errors.js';
import { createLogger } from '../../../src/core/logger.js';
import { announcementOf, hexId } from '../../support/announcements.js';
import { LocalMaster } from '../../support/local-master.js';
import { ManualTime, settle } from '../../support/manual-time.js';

/** A filer as far as the master sees it. */
class Filer {
  readonly membership: Membership;
  readonly lists: string[] = [];
  readonly refusals: (string | null)[] = [];
  readonly lines: string[] = [];
  announcement: Announcement;

  constructor(time: ManualTime, masters: LocalMaster[], fields: Partial<Announcement>, options: Partial<MembershipOptions> = {}) {
    this.announcement = announcementOf(fields);
    this.membership = new Membership({
      masters,
      time,
      logger: createLogger({ level: 'info', write: (line) => this.lines.push(line.replace(/^\S+ (\w+) .*?: /, '$1: ')), now: () => new Date(0) }),
      heartbeatMs: limits.heartbeatMs,
      group: '',
      announcement: () => this.announcement,
      saved: [],
      changed: (members) => void this.lists.push(brief(members)),
      adopted: async (clusterId) => {
        this.announcement = { ...this.announcement, clusterId };
      },
      refused: (error) => void this.refusals.push(error?.code ?? null),
      ...options,
    });
    this.membership.start();
  }

  get list(): string {
    return brief(this.membership.members);
  }
}

const brief = (members: readonly Member[]): string => members.map(({ origin, state }) => `${origin[0]} ${state}`).join(', ');
const at = (port: number): string => `127.0.0.1:${port}`;
const a = { origin: hexId('a'), address: at(1) };
const b = { origin: hexId('b'), address: at(2) };

describe('Membership', () => {
  let time: ManualTime;
  let masters: LocalMaster[];
  let filers: Filer[];

  const master = (options: ConstructorParameters<typeof LocalMaster>[2] = {}): LocalMaster => {
    const one = new LocalMaster(time, at(9333 + masters.length), options);
    void one.run();
    masters.push(one);
    return one;
  };
  const filer = (use: LocalMaster[], fields: Partial<Announcement>, options: Partial<MembershipOptions> = {}): Filer => {
    const one = new Filer(time, use, fields, options);
    filers.push(one);
    return one;
  };

  beforeEach(() => {
    time = new ManualTime();
    masters = [];
    filers = [];
  });
  afterEach(async () => {
    for (const one of masters) one.stop();
    for (const one of filers) await one.membership.stop();
    await settle();
    expect(time.sleeping, 'timers left').to.equal(0);
  });

  it('registers and hears of others as they come, without waiting for its heartbeat', async () => {
    const m1 = master();
    const first = filer([m1], { ...a, clusterId: hexId('c') });
    await settle();
    expect(first.list).to.equal('a up');
    filer([m1], { ...b, clusterId: hexId('c') });
    await settle();
    expect(first.list).to.equal('a up, b up');
    expect(first.lists).to.deep.equal(['a up', 'a up, b up']);
  });

  it('hands on a list only when more than positions and times changed', async () => {
    const m1 = master();
    const first = filer([m1], { ...a, clusterId: hexId('c') });
    await time.advance(60_000);
    const heard = first.membership.members[0]?.lastHeard ?? 0;
    expect(time.micros() / 1000 - heard, 'yet it is fresh').to.be.below(limits.heartbeatMs + 1);
    expect(first.lists).to.deep.equal(['a up']);
  });

  it('sees a silent filer go down and come back', async () => {
    const m1 = master();
    const first = filer([m1], a);
    const second = filer([m1], b);
    await settle();
    m1.hangs = true;
    const stopped = second.membership.stop();
    await time.advance(limits.memberDownMs + limits.expireCheckMs);
    await stopped;
    m1.hangs = false;
    expect(first.list).to.equal('a up, b down');
    filer([m1], b);
    await settle();
    expect(first.list).to.equal('a up, b up');
  });

  it('goes on with the last list without any master, and says so once', async () => {
    const m1 = master();
    const first = filer([m1], a);
    filer([m1], b);
    await settle();
    m1.reachable = false;
    await time.advance(600_000);
    expect(first.list).to.equal('a up, b up');
    m1.reachable = true;
    await time.advance(limits.backoffMsMax);
    const said = first.lines.filter((line) => /absent|back/.test(line));
    expect(said).to.have.lengthOf(2);
    expect(said[0]).to.match(/^warn: master 127.0.0.1:9333 is absent: cannot reach .*; going on with the last list$/);
    expect(said[1]).to.equal('info: master 127.0.0.1:9333 is back');
  });

  it('starts with the saved list when its master is absent', async () => {
    const m1 = master();
    m1.reachable = false;
    const first = filer([m1], a, { saved: [{ ...announcementOf(b), state: 'up', lastHeard: 0 }] });
    await first.membership.firstRound(new AbortController().signal);
    expect(first.list).to.equal('b up');
    m1.reachable = true;
    await time.advance(limits.backoffMsMax);
    expect(first.list).to.equal('a up, b up');
  });

  it('says that it stops, so that the others do not wait until it has fallen silent', async () => {
    const m1 = master();
    const first = filer([m1], a);
    const second = filer([m1], b);
    await settle();
    await second.membership.stop();
    await settle();
    expect(first.list).to.equal('a up, b down');
  });

  it('says so to every master in reach, and waits for none that is absent or hangs', async () => {
    const [hanging, absent, third] = [master(), master(), master()];
    const both = [filer([hanging, absent, third], a), filer([hanging, absent, third], b)];
    await settle();
    absent.reachable = false;
    hanging.hangs = true;
    await time.advance(limits.heartbeatMs);
    const [first, second] = both as [Filer, Filer];
    const stopped = second.membership.stop();
    await settle();
    expect(first.list, 'by the newest word').to.equal('a up, b down');
    await time.advance(limits.leaveMs);
    await stopped;
    hanging.hangs = false;
  });

  it('is silent at the end if it was refused: its origin is another process', async () => {
    const m1 = master({ probe: async () => ({ origin: a.origin, instance: 'original', refused: false }) });
    await m1.announce(announcementOf({ ...a, instance: 'original' }));
    const copy = filer([m1], { ...a, address: at(3), instance: 'copy' });
    await settle();
    await copy.membership.stop();
    expect(brief(m1.registry.list('').members)).to.equal('a up');
  });

  it('knows since when no master is in reach', async () => {
    const m1 = master();
    const first = filer([m1], a);
    await settle();
    expect(first.membership.silentMs).to.equal(0);
    m1.reachable = false;
    await time.advance(limits.memberDownMs + limits.heartbeatMs);
    expect(first.membership.silentMs).to.be.at.least(limits.memberDownMs);
    m1.reachable = true;
    await time.advance(limits.backoffMsMax);
    expect(first.membership.silentMs).to.equal(0);
  });

  it('keeps peers through the restart of a master', async () => {
    const old = master();
    const first = filer([old], a);
    await settle();
    const fresh = master({ clusterId: first.announcement.clusterId });
    const again = filer([fresh], a, { saved: [...first.membership.members, { ...announcementOf(b), state: 'up', lastHeard: 0 }] });
    await first.membership.stop();
    await settle();
    expect(again.list).to.equal('a up, b up');
    expect(again.lists.every((list) => list.includes('b'))).to.equal(true);
  });

  it('carries the cluster id from one master to the next, so that two fresh ones do not make two', async () => {
    const [m1, m2] = [master(), master()];
    const both = [filer([m1, m2], a), filer([m1, m2], b)];
    await settle();
    expect(m1.registry.clusterId)
      .to.match(/^[0-9a-f]{16}$/)
      .and.to.equal(m2.registry.clusterId);
    expect(both.map(({ announcement }) => announcement.clusterId)).to.deep.equal([m1.registry.clusterId, m1.registry.clusterId]);
    expect(both.map(({ list }) => list)).to.deep.equal(['a up, b up', 'a up, b up']);
  });

  it('two filers that name two fresh masters in another order, one of which comes late, get one cluster id', async () => {
    const found: Record<string, LocalMaster> = {};
    const askMaster = async (address: string) => {
      const { registry, isReachable } = found[address] as LocalMaster;
      return isReachable ? { epoch: registry.version, clusterId: registry.clusterId, choosing: registry.choosing } : null;
    };
    const [m1, m2] = [master({ askMaster }), master({ askMaster })];
    for (const one of [m1, m2]) found[one.address] = one;
    m1.reachable = false;
    const first = filer([m1, m2], a);
    await settle();
    m1.reachable = true;
    const second = filer([m1, m2], b);
    await time.advance(limits.backoffMsMax);
    expect(m1.registry.clusterId).to.equal(m2.registry.clusterId);
    expect([first.list, second.list]).to.deep.equal(['a up, b up', 'a up, b up']);
    expect([first.refusals, second.refusals]).to.deep.equal([[], []]);
  });

  it('takes the union of what two masters know', async () => {
    const [m1, m2] = [master({ clusterId: hexId('c') }), master({ clusterId: hexId('c') })];
    const first = filer([m1, m2], a);
    filer([m2], b);
    await settle();
    expect(first.list).to.equal('a up, b up');
    m2.reachable = false;
    await time.advance(limits.memberDownMs - limits.heartbeatMs);
    expect(first.list, 'for now').to.equal('a up, b up');
    // Until the loss is noticed, until the other master's next word, and until that is old enough.
    await time.advance(4 * limits.heartbeatMs);
    expect(first.list, 'nobody in reach has heard of it').to.equal('a up, b down');
  });

  it('forgets who was taken off the list', async () => {
    const m1 = master();
    const first = filer([m1], a);
    const second = filer([m1], b);
    await settle();
    await second.membership.stop();
    m1.registry.forget(b.origin);
    await settle();
    expect(first.list).to.equal('a up');
  });

  it('tells every master at once when asked to', async () => {
    const m1 = master();
    const first = filer([m1], a);
    await settle();
    first.announcement = { ...first.announcement, origin: hexId('d') };
    first.membership.announceSoon();
    await settle();
    expect(first.list).to.equal('a down, d up');
  });

  it('says that it is refused, keeps trying, and says when it no longer is', async () => {
    let original: Found | null = { origin: a.origin, instance: 'original', refused: false };
    const m1 = master({ probe: async () => original });
    await m1.announce(announcementOf({ ...a, instance: 'original' }));
    const copy = filer([m1], { ...a, address: at(3), instance: 'copy' });
    await time.advance(20_000);
    expect(copy.refusals).to.deep.equal(['ORIGIN_IN_USE']);
    expect(copy.membership.refusal?.fields).to.include({ address: at(1) });
    m1.reachable = false;
    await time.advance(20_000);
    expect(copy.refusals, 'a dead master makes no original').to.deep.equal(['ORIGIN_IN_USE']);
    m1.reachable = true;
    original = null;
    await time.advance(limits.backoffMsMax);
    expect(copy.refusals).to.deep.equal(['ORIGIN_IN_USE', null]);
    expect(copy.lines.filter((line) => line.startsWith('error'))).to.have.lengthOf(1);
  });

  it('at the address of another filer that answers there is an outcast with the cure, and no longer once it has one of its own', async () => {
    const m1 = master({ probe: async () => ({ origin: a.origin, instance: announcementOf(a).instance, refused: false }) });
    const holder = filer([m1], a);
    await settle();
    const mistaken = filer([m1], { ...b, address: a.address });
    await time.advance(20_000);
    expect(mistaken.refusals).to.deep.equal(['ADDRESS_IN_USE']);
    expect(mistaken.membership.outcast?.message).to.include(`filer ${a.origin} answers at ${a.address}`).and.include('--ip and --port');
    expect(mistaken.lines.filter((line) => line.startsWith('error'))).to.have.lengthOf(1);
    expect([mistaken.list, holder.list, brief(m1.registry.list('').members)], 'the one that has it stays').to.deep.equal(['', 'a up', 'a up']);
    mistaken.announcement = { ...mistaken.announcement, address: b.address };
    await time.advance(limits.heartbeatMs);
    expect(mistaken.refusals).to.deep.equal(['ADDRESS_IN_USE', null]);
    expect(mistaken.membership.outcast).to.equal(null);
    expect([mistaken.list, holder.list]).to.deep.equal(['a up, b up', 'a up, b up']);
  });

  it('takes no members from a master of another cluster', async () => {
    const [own, foreign] = [master({ clusterId: hexId('c') }), master({ clusterId: hexId('d') })];
    const first = filer([own, foreign], { ...a, clusterId: hexId('c') });
    filer([foreign], b);
    await time.advance(20_000);
    expect(first.list).to.equal('a up');
    expect(first.refusals).to.deep.equal(['CLUSTER_MISMATCH']);
  });

  it('drops what a master said that now serves another cluster', async () => {
    const own = master({ clusterId: hexId('c') });
    const turned = master({ clusterId: hexId('c') });
    const first = filer([own, turned], { ...a, clusterId: hexId('c') });
    await turned.announce(announcementOf({ ...b, clusterId: hexId('c') }));
    await settle();
    expect(first.list).to.equal('a up, b up');
    turned.clusterId = hexId('d');
    await time.advance(3 * limits.heartbeatMs + limits.memberDownMs);
    expect(first.list, 'known to nobody in reach').to.equal('a up, b down');
    expect(first.membership.outcast, 'its own master takes it').to.equal(null);
  });

  it('is an outcast only if every master in reach refuses it', async () => {
    const [own, foreign] = [master({ clusterId: hexId('c') }), master({ clusterId: hexId('d') })];
    const first = filer([own, foreign], { ...a, clusterId: hexId('c') });
    await settle();
    expect(first.membership.refusal?.code).to.equal('CLUSTER_MISMATCH');
    expect(first.membership.outcast).to.equal(null);
    own.reachable = false;
    await time.advance(2 * limits.heartbeatMs);
    expect(first.membership.outcast?.code).to.equal('CLUSTER_MISMATCH');
    expect(first.membership.outcast?.message).to.contain('--master');
  });

  it('is a copy for whoever calls it one, whatever another master has against it', async () => {
    const foreign = master({ clusterId: hexId('d') });
    const own = master({ clusterId: hexId('c'), probe: async () => ({ origin: a.origin, instance: 'original', refused: false }) });
    await own.announce(announcementOf({ ...a, clusterId: hexId('c'), instance: 'original' }));
    const copy = filer([foreign, own], { ...a, clusterId: hexId('c'), address: at(3), instance: 'copy' });
    await settle();
    expect(copy.membership.refusal?.code).to.equal('ORIGIN_IN_USE');
  });

  it('hands the list on again when the filer could not take it', async () => {
    const m1 = master();
    let tries = 0;
    const first = filer([m1], a, {
      changed: async () => {
        tries += 1;
        if (tries < 3) throw new FilerError('STORE_FAILED', 'disk full');
      },
    });
    await time.advance(30_000);
    expect(tries).to.be.at.least(3);
    expect(first.lines.some((line) => line.includes('disk full'))).to.equal(true);
  });

  it('is content without any master', async () => {
    const alone = filer([], a, { saved: [{ ...announcementOf(b), state: 'up', lastHeard: 0 }] });
    await alone.membership.firstRound(new AbortController().signal);
    expect(alone.list).to.equal('b up');
  });

  it('asks a master that does not hold its questions only once a second', async () => {
    const m1 = master();
    let asked = 0;
    const members = m1.members.bind(m1);
    m1.members = async (_version, group, signal) => {
      asked += 1;
      return members(null, group, signal);
    };
    filer([m1], a);
    await time.advance(10_000);
    expect(asked).to.be.within(9, 13);
  });
});
