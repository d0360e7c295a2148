import { expect } from 'chai';
import type { Announcement, MemberList } from '../../../src/core/cluster/member.js';
import { Registry, type OtherMaster, type RegistryOptions } from '../../../src/core/cluster/registry.js';
import { limits } from '../../../src/core/config/limits.js';
import { FilerError } from '../../../src/core/errors.js';
import { silentLogger } from '../../../src/core/logger.js';
import { announcementOf, hexId } from '../../support/announcements.js';
import { ManualTime, settle } from '../../support/manual-time.js';

const at = (port: number): string => `127.0.0.1:${port}`;
const a = hexId('a');
const b = hexId('b');

describe('Registry', () => {
  let time: ManualTime;
  let saved: string[];
  /** Who answers where. */
  let alive: Map<string, { origin: string; instance: string; refused?: boolean }>;
  let probed: string[];

  const registryOf = (options: Partial<RegistryOptions> = {}): Registry =>
    new Registry({
      time,
      logger: silentLogger,
      limits,
      clusterId: hexId('c'),
      saveClusterId: async (id) => void saved.push(id),
      probe: async (address) => {
        probed.push(address);
        const found = alive.get(address);
        return found ? { refused: false, ...found } : null;
      },
      askMaster: async () => null,
      loopbackAllowed: true,
      ...options,
    });

  beforeEach(() => {
    time = new ManualTime();
    saved = [];
    alive = new Map();
    probed = [];
  });

  const codeOf = async (answer: Promise<unknown>): Promise<string> =>
    answer.then(
      () => 'ok',
      (error: unknown) => (error instanceof FilerError ? error.code : String(error)),
    );
  const brief = (list: MemberList): string[] => list.members.map(({ origin, address, state }) => `${origin[0]} ${address.split(':')[1]} ${state}`);

  describe('an origin registers again', () => {
    const first: Announcement = announcementOf({ origin: a, address: at(1), instance: 'one' });
    const cases: {
      what: string;
      again: Partial<Announcement>;
      /** Who answers at the first address. */
      found?: { origin: string; instance: string };
      outcome: 'ok' | 'ORIGIN_IN_USE';
      asked: boolean;
    }[] = [
      { what: 'heartbeat', again: {}, outcome: 'ok', asked: false },
      { what: 'restart at its address', again: { instance: 'two' }, outcome: 'ok', asked: false },
      { what: 'the same process under another address', again: { address: at(2) }, found: { origin: a, instance: 'one' }, outcome: 'ok', asked: false },
      { what: 'moved: nobody at the old address', again: { address: at(2), instance: 'two' }, outcome: 'ok', asked: true },
      {
        what: 'moved: another filer at the old address',
        again: { address: at(2), instance: 'two' },
        found: { origin: b, instance: 'x' },
        outcome: 'ok',
        asked: true,
      },
      {
        what: 'moved: the old address leads to the newcomer',
        again: { address: at(2), instance: 'two' },
        found: { origin: a, instance: 'two' },
        outcome: 'ok',
        asked: true,
      },
      {
        what: 'copy: the original is alive',
        again: { address: at(2), instance: 'two' },
        found: { origin: a, instance: 'one' },
        outcome: 'ORIGIN_IN_USE',
        asked: true,
      },
      {
        what: 'copy: the original has restarted meanwhile',
        again: { address: at(2), instance: 'two' },
        found: { origin: a, instance: 'three' },
        outcome: 'ORIGIN_IN_USE',
        asked: true,
      },
    ];
    for (const { what, again, found, outcome, asked } of cases) {
      it(`${what}: ${outcome}`, async () => {
        const registry = registryOf();
        await registry.announce(first);
        if (found) alive.set(at(1), found);
        expect(await codeOf(registry.announce({ ...first, ...again }))).to.equal(outcome);
        expect(probed).to.deep.equal(asked ? [at(1)] : []);
        const address = outcome === 'ok' ? (again.address ?? at(1)) : at(1);
        expect(registry.list('').members).to.have.lengthOf(1).and.have.nested.property('[0].address', address);
      });
    }

    it('names the holder to the copy', async () => {
      const registry = registryOf();
      await registry.announce(first);
      alive.set(at(1), { origin: a, instance: 'one' });
      const error = await registry.announce({ ...first, address: at(2), instance: 'two' }).catch((failure: FilerError) => failure);
      expect(error)
        .to.have.property('fields')
        .that.deep.equals({ origin: a, address: at(1), instance: 'one' });
      expect(error).to.have.property('message').that.contains('filer.store.id --regenerate');
    });

    it('takes the original back from a copy that came first to a master just started, and that others refuse', async () => {
      const registry = registryOf();
      await registry.announce({ ...first, address: at(2), instance: 'copy' });
      alive.set(at(2), { origin: a, instance: 'copy', refused: true }).set(at(1), { origin: a, instance: 'one' });
      expect(brief(await registry.announce(first))).to.deep.equal(['a 1 up']);
      expect(await codeOf(registry.announce({ ...first, address: at(2), instance: 'copy' }))).to.equal('ORIGIN_IN_USE');
    });

    it('lets one of two copies in when the original is gone', async () => {
      const registry = registryOf();
      await registry.announce(first);
      alive.set(at(2), { origin: a, instance: 'two' }).set(at(3), { origin: a, instance: 'three' });
      const outcomes = await Promise.all(
        [2, 3].map((port) => codeOf(registry.announce({ ...first, address: at(port), instance: port === 2 ? 'two' : 'three' }))),
      );
      expect(outcomes).to.deep.equal(['ok', 'ORIGIN_IN_USE']);
      expect(brief(registry.list(''))).to.deep.equal(['a 2 up']);
    });

    it('decides nothing while the old address cannot say who it is', async () => {
      const registry = registryOf({ probe: async () => Promise.reject(new FilerError('OVERLOADED', 'busy')) });
      await registry.announce(first);
      expect(await codeOf(registry.announce({ ...first, address: at(2), instance: 'two' }))).to.equal('OVERLOADED');
      expect(brief(registry.list(''))).to.deep.equal(['a 1 up']);
    });
  });

  it('holds one origin per address: who was there before is down at once', async () => {
    const registry = registryOf();
    await registry.announce(announcementOf({ origin: a, address: at(1) }));
    const list = await registry.announce(announcementOf({ origin: b, address: at(1) }));
    expect(brief(list)).to.deep.equal(['a 1 down', 'b 1 up']);
  });

  describe('two origins give one address', () => {
    const cases: [what: string, found: { origin: string; instance: string } | null, outcome: string, list: string[]][] = [
      ['the one that had it answers there', { origin: a, instance: 'x' }, 'ADDRESS_IN_USE', ['a 1 up']],
      ['the newcomer answers there', { origin: b, instance: 'x' }, 'ok', ['a 1 down', 'b 1 up']],
      ['a third one answers there', { origin: hexId('e'), instance: 'x' }, 'ok', ['a 1 down', 'b 1 up']],
      ['nobody answers there', null, 'ok', ['a 1 down', 'b 1 up']],
    ];
    for (const [what, found, outcome, list] of cases) {
      it(`and ${what}: ${outcome}`, async () => {
        const registry = registryOf();
        await registry.announce(announcementOf({ origin: a, address: at(1) }));
        if (found) alive.set(at(1), found);
        expect(await codeOf(registry.announce(announcementOf({ origin: b, address: at(1) })))).to.equal(outcome);
        expect(brief(registry.list(''))).to.deep.equal(list);
      });
    }

    it('tells the one with the wrong address how to be reached', async () => {
      const registry = registryOf();
      await registry.announce(announcementOf({ origin: a, address: at(1) }));
      alive.set(at(1), { origin: a, instance: 'x' });
      const error = await registry.announce(announcementOf({ origin: b, address: at(1) })).catch((failure: FilerError) => failure);
      expect(error).to.have.property('message').that.contains(a).and.contains(b).and.contains('--ip');
    });

    it('and the one that had it is down: nobody is asked', async () => {
      const registry = registryOf();
      await registry.announce(announcementOf({ origin: a, address: at(1), instance: 'one' }));
      registry.leave(a, 'one');
      expect(await codeOf(registry.announce(announcementOf({ origin: b, address: at(1) })))).to.equal('ok');
      expect(probed).to.deep.equal([]);
    });
  });

  describe('a filer that stops', () => {
    it('is down at once, which the others hear', async () => {
      const registry = registryOf();
      await registry.announce(announcementOf({ origin: a, instance: 'one' }));
      await time.advance(3000);
      let woken = 0;
      registry.watch(() => (woken += 1));
      registry.leave(a, 'one');
      registry.leave(a, 'one');
      expect(brief(registry.list(''))).to.deep.equal(['a 8888 down']);
      expect(registry.list('').members[0]?.lastHeard, 'its last word').to.equal(Math.floor(time.micros() / 1000));
      expect(woken).to.equal(1);
    });

    it('is up again when it registers', async () => {
      const registry = registryOf();
      await registry.announce(announcementOf({ origin: a, instance: 'one' }));
      registry.leave(a, 'one');
      expect(brief(await registry.announce(announcementOf({ origin: a, instance: 'two' })))).to.deep.equal(['a 8888 up']);
    });

    it('takes nobody along: neither the process that came after it, nor one nobody knows', async () => {
      const registry = registryOf();
      await registry.announce(announcementOf({ origin: a, instance: 'two' }));
      registry.leave(a, 'one');
      registry.leave(b, 'one');
      expect(brief(registry.list(''))).to.deep.equal(['a 8888 up']);
    });
  });

  it('shows each group its own members', async () => {
    const registry = registryOf();
    await registry.announce(announcementOf({ origin: a, address: at(1), group: 'blue' }));
    await registry.announce(announcementOf({ origin: b, address: at(2) }));
    expect(brief(registry.list('blue'))).to.deep.equal(['a 1 up']);
    expect(brief(registry.list(''))).to.deep.equal(['b 2 up']);
    expect(registry.counts).to.deep.equal({ up: 2, down: 0 });
  });

  describe('version', () => {
    const cases: [what: string, change: Partial<Announcement>, rises: boolean][] = [
      ['nothing', {}, false],
      ['the position', { position: new Map([[a, 5]]) }, false],
      ['the address', { address: at(2) }, true],
      ['the store id', { storeId: b }, true],
      ['the cluster id', { clusterId: hexId('c') }, true],
      ['the instance', { instance: 'two' }, true],
      ['the group', { group: 'blue' }, true],
    ];
    for (const [what, change, rises] of cases) {
      it(`${rises ? 'rises' : 'stays'} when ${what} changes`, async () => {
        const registry = registryOf();
        const before = (await registry.announce(announcementOf({ address: at(1) }))).version;
        let woken = 0;
        registry.watch(() => (woken += 1));
        await time.advance(1000);
        await registry.announce(announcementOf({ address: at(1), ...change }));
        expect([registry.version !== before, woken > 0]).to.deep.equal([rises, rises]);
      });
    }

    it('rises when a filer joins, falls silent, comes back, is forgotten', async () => {
      const registry = registryOf();
      const versions = new Set([registry.version]);
      await registry.announce(announcementOf());
      versions.add(registry.version);
      await time.advance(limits.memberDownMs);
      registry.expire();
      registry.expire();
      versions.add(registry.version);
      await registry.announce(announcementOf());
      versions.add(registry.version);
      registry.forget(a);
      versions.add(registry.version);
      expect([...versions].map((version) => version.split('-')[1])).to.deep.equal(['0', '1', '2', '3', '4']);
    });

    it('is never the same after another start', () => {
      expect(registryOf().version).not.to.equal(registryOf().version);
    });
  });

  it('takes a silent filer for down, and for gone much later', async () => {
    const registry = registryOf();
    await registry.announce(announcementOf());
    await time.advance(limits.memberDownMs - 1);
    registry.expire();
    expect(brief(registry.list(''))).to.deep.equal(['a 8888 up']);
    await time.advance(1);
    registry.expire();
    expect(brief(registry.list(''))).to.deep.equal(['a 8888 down']);
    await time.advance(limits.forgetAfterMs - limits.memberDownMs);
    registry.expire();
    expect(registry.list('').members).to.deep.equal([]);
  });

  it('forgets only whom it knows', async () => {
    const registry = registryOf();
    await registry.announce(announcementOf());
    expect([registry.forget(b), registry.forget(a), registry.forget(a)]).to.deep.equal([false, true, false]);
  });

  describe('cluster id', () => {
    const cases: [what: string, own: string | null, theirs: string | null, outcome: string, kept: RegExp, saves: number][] = [
      ['both have it', hexId('c'), hexId('c'), 'ok', /^c{16}$/, 0],
      ['only the master has one', hexId('c'), null, 'ok', /^c{16}$/, 0],
      ['only the filer has one', null, hexId('d'), 'ok', /^d{16}$/, 1],
      ['neither has one', null, null, 'ok', /^[0-9a-f]{16}$/, 1],
      ['they differ', hexId('c'), hexId('d'), 'CLUSTER_MISMATCH', /^c{16}$/, 0],
    ];
    for (const [what, own, theirs, outcome, kept, saves] of cases) {
      it(`when ${what}: ${outcome}`, async () => {
        const registry = registryOf({ clusterId: own });
        expect(await codeOf(registry.announce(announcementOf({ clusterId: theirs })))).to.equal(outcome);
        expect(registry.clusterId).to.match(kept);
        expect(saved).to.have.lengthOf(saves);
        expect(registry.list('').members).to.have.lengthOf(outcome === 'ok' ? 1 : 0);
      });
    }

    it('is durable before anybody hears of it, and one of two that come at once', async () => {
      let finish = () => {};
      const registry = registryOf({ clusterId: null, saveClusterId: async () => new Promise((resolve) => (finish = resolve)) });
      const first = registry.announce(announcementOf({ origin: a, address: at(1), clusterId: hexId('c') }));
      const second = codeOf(registry.announce(announcementOf({ origin: b, address: at(2), clusterId: hexId('d') })));
      await settle();
      expect([registry.clusterId, registry.list('').members.length]).to.deep.equal([null, 0]);
      finish();
      expect((await first).clusterId).to.equal(hexId('c'));
      expect(await second).to.equal('CLUSTER_MISMATCH');
    });

    describe('when neither has one, and the filer names other masters', () => {
      const other = (fields: Partial<OtherMaster>): OtherMaster => ({ epoch: 'other', clusterId: null, choosing: false, ...fields });
      const chosenAfter = async (others: Record<string, OtherMaster | null>): Promise<string | null> => {
        const registry = registryOf({ clusterId: null, askMaster: async (address) => others[address] ?? null });
        await registry.announce(announcementOf(), Object.keys(others));
        return registry.clusterId;
      };

      it('takes the id of one that has it', async () => {
        expect(await chosenAfter({ [at(10)]: null, [at(11)]: other({}), [at(12)]: other({ clusterId: hexId('d') }) })).to.equal(hexId('d'));
        expect(saved).to.deep.equal([hexId('d')]);
      });

      it('makes one if none has it', async () => {
        expect(await chosenAfter({ [at(10)]: null, [at(11)]: other({}) })).to.match(/^[0-9a-f]{16}$/);
      });

      it('asks only where a master can be', async () => {
        const asked: string[] = [];
        const registry = registryOf({ clusterId: null, askMaster: async (address) => (asked.push(address), null) });
        await registry.announce(announcementOf(), [at(10), '169.254.169.254:80', 'nonsense', '224.0.0.1:9333']);
        expect(asked).to.deep.equal([at(10)]);
      });

      it('stands back for one that is choosing, and takes what it chose', async () => {
        let asked = 0;
        const registry = registryOf({ clusterId: null, askMaster: async () => other(++asked < 3 ? { choosing: true } : { clusterId: hexId('d') }) });
        const answer = registry.announce(announcementOf(), [at(10)]);
        for (let turn = 0; turn < 3; turn += 1) await time.advance(limits.standBackMs);
        expect((await answer).clusterId).to.equal(hexId('d'));
        expect(asked).to.equal(3);
      });

      it('makes none while another keeps choosing, and says so', async () => {
        const registry = registryOf({ clusterId: null, askMaster: async () => other({ choosing: true }) });
        const answer = codeOf(registry.announce(announcementOf(), [at(10)]));
        for (let turn = 0; turn < limits.standBacksMax; turn += 1) await time.advance(limits.standBackMs);
        expect(await answer).to.equal('OVERLOADED');
        expect([registry.clusterId, registry.choosing]).to.deep.equal([null, false]);
      });

      it('does not wait for itself under another name', async () => {
        const registry: Registry = registryOf({
          clusterId: null,
          askMaster: async () => other({ epoch: registry.version.split('-')[0], choosing: registry.choosing }),
        });
        expect((await registry.announce(announcementOf(), [at(10)])).clusterId).to.match(/^[0-9a-f]{16}$/);
      });

      it('two masters, each asked first by another filer, make one id, whenever one of them comes up', async () => {
        for (let seed = 1; seed <= 200; seed += 1) {
          const clock = new ManualTime({ seed });
          const masters: (Registry | null)[] = [null, null];
          const delay = () => clock.sleep(Math.floor(clock.random() * 10));
          const start = (own: 0 | 1): void => {
            masters[own] = registryOf({
              time: clock,
              clusterId: null,
              saveClusterId: delay,
              askMaster: async (address) => {
                await delay();
                const found = masters[address === at(10) ? 0 : 1];
                const answer = found ? { epoch: found.version, clusterId: found.clusterId, choosing: found.choosing } : null;
                await delay();
                return answer;
              },
            });
          };
          const life = async (own: 0 | 1): Promise<void> => {
            await clock.sleep(Math.floor(clock.random() * 20));
            start(own);
            await delay();
            const announcement = announcementOf({ origin: own === 0 ? a : b, address: at(own + 1) });
            // A filer asks again until it is taken.
            while ((await codeOf((masters[own] as Registry).announce(announcement, [at(own === 0 ? 11 : 10)]))) !== 'ok') await delay();
          };
          let isOver = false;
          const lives = Promise.all([life(0), life(1)]).then(() => (isOver = true));
          while (!isOver) await clock.advance(1);
          await lives;
          expect(masters[0]?.clusterId, `seed ${seed}`).to.equal(masters[1]?.clusterId);
        }
      });
    });

    it('is asked for again when it could not be kept', async () => {
      let full = true;
      const registry = registryOf({
        clusterId: null,
        saveClusterId: async () => {
          if (full) throw new FilerError('STORE_FAILED', 'disk full');
        },
      });
      expect(await codeOf(registry.announce(announcementOf()))).to.equal('STORE_FAILED');
      expect([registry.clusterId, registry.list('').members.length]).to.deep.equal([null, 0]);
      full = false;
      expect(await codeOf(registry.announce(announcementOf()))).to.equal('ok');
    });
  });

  describe('topology', () => {
    const shared = { kind: 'shared', engine: 'redis' } as const;
    const cases: [what: string, first: Partial<Announcement>, second: Partial<Announcement>, outcome: string][] = [
      ['stores of their own', {}, {}, 'ok'],
      ['one shared store', { ...shared, storeId: hexId('5') }, { ...shared, storeId: hexId('5') }, 'ok'],
      ['two shared stores', { ...shared, storeId: hexId('5') }, { ...shared, storeId: hexId('6') }, 'TOPOLOGY_MIXED'],
      ['a shared one beside an own one', {}, shared, 'TOPOLOGY_MIXED'],
      ['an own one beside a shared one', shared, {}, 'TOPOLOGY_MIXED'],
      ['a mix in another group', { ...shared, group: 'blue' }, {}, 'ok'],
      ['a new kind of store at the same address', { address: at(2) }, { ...shared, address: at(2) }, 'ok'],
    ];
    for (const [what, first, second, outcome] of cases) {
      it(`of ${what}: ${outcome}`, async () => {
        const registry = registryOf();
        await registry.announce(announcementOf({ origin: a, address: at(1), ...first }));
        const answer = registry.announce(announcementOf({ origin: b, address: at(2), ...second }));
        expect(await codeOf(answer)).to.equal(outcome);
        if (outcome === 'ok') return;
        const error: unknown = await answer.catch((failure: unknown) => failure);
        expect(error)
          .to.have.property('message')
          .that.contains(first.storeId ?? a)
          .and.contains(second.storeId ?? b);
      });
    }
  });

  it('takes no more members than it may, but hears the ones it has', async () => {
    const registry = registryOf({ limits: { ...limits, membersMax: 1 } });
    await registry.announce(announcementOf({ origin: a, address: at(1) }));
    expect(await codeOf(registry.announce(announcementOf({ origin: b, address: at(2) })))).to.equal('TOO_MANY_ORIGINS');
    expect(await codeOf(registry.announce(announcementOf({ origin: a, address: at(1) })))).to.equal('ok');
  });

  it('refuses loopback unless it is there itself', async () => {
    expect(await codeOf(registryOf({ loopbackAllowed: false }).announce(announcementOf()))).to.equal('PARAMETER_INVALID');
  });
});
