import { expect } from 'chai';
import { silentLogger } from '../../../src/core/logger.js';
import { closingPath } from '../../../src/core/log/closed.js';
import { Closing, heardMeta } from '../../../src/core/replication/closing.js';
import { failureOf, openLog, p, pull, type OpenLog } from '../../support/open-log.js';
import { alpha, beta } from '../../support/store-values.js';

const hour = 3600_000;
const limits = { forgetAfterMs: 10 * hour };

/** Whom the filer under test hears, and who could close. */
interface Around {
  live: string[];
  able: string[];
}

const closing = (at: OpenLog, around: Around = { live: [], able: [] }) =>
  new Closing(
    at.log,
    at.time,
    silentLogger,
    limits,
    () => [at.log.identity.origin, ...around.live],
    () => around.able,
  );

async function knowing(...origins: string[]): Promise<OpenLog> {
  const at = await openLog();
  await at.log.alone(async (draft) => {
    for (const origin of origins) draft.know(origin);
    await draft.flush();
  });
  return at;
}

describe('Closing of silent origins', () => {
  it('closes who was silent for too long, and nobody who was heard; the peers learn it, and a restart keeps it', async () => {
    const at = await knowing(alpha, beta);
    const around = { live: [beta], able: [] };
    const closer = closing(at, around);
    expect(await closer.closeSilent(), 'met for the first time').to.deep.equal([]);
    await at.time.advance(10 * hour);
    expect(await closer.closeSilent()).to.deep.equal([]);
    await at.time.advance(1);
    expect(await closer.closeSilent()).to.deep.equal([alpha]);
    const dot = { origin: at.log.identity.origin, seq: 1 };
    expect(at.log.state.closed).to.deep.equal(new Map([[alpha, dot]]));
    expect((await at.tree.find(closingPath(alpha)))?.entry).to.include({ name: alpha, isDirectory: false });
    const peer = await openLog();
    await pull(at, peer);
    expect(peer.log.state.closed).to.deep.equal(new Map([[alpha, dot]]));
    await at.time.advance(hour);
    expect([await closer.closeSilent(), closer.lastHeard(alpha), at.log.state.head], 'once').to.deep.equal([[], null, 1]);
    expect((await openLog({ disk: at.disk })).log.state.closed).to.deep.equal(new Map([[alpha, dot]]));
  });

  it('begins the silence again whenever it hears of the origin', async () => {
    const at = await knowing(alpha);
    const around: Around = { live: [], able: [] };
    const closer = closing(at, around);
    await closer.closeSilent();
    await at.time.advance(9 * hour);
    around.live = [alpha];
    await closer.closeSilent();
    around.live = [];
    const heard = at.time.micros();
    await at.time.advance(9 * hour);
    expect([await closer.closeSilent(), closer.lastHeard(alpha)]).to.deep.equal([[], heard]);
    await at.time.advance(hour + 1);
    expect(await closer.closeSilent()).to.deep.equal([alpha]);
  });

  it('does not count the time in which this filer was stopped', async () => {
    const at = await knowing(alpha);
    await closing(at).closeSilent();
    await at.time.advance(6 * hour);
    const around: Around = { live: [], able: [] };
    await closing(at, around).closeSilent();
    await at.time.advance(100 * hour);
    const again = await openLog({ disk: at.disk, time: at.time });
    const closer = closing(again, around);
    expect(await closer.closeSilent()).to.deep.equal([]);
    await again.time.advance(10 * hour + 1);
    expect(await closer.closeSilent()).to.deep.equal([alpha]);
  });

  it('counts silence over a restart', async () => {
    const at = await knowing(alpha, beta);
    const closer = closing(at, { live: [beta], able: [] });
    for (let passed = 0; passed < 6; passed++) {
      await closer.closeSilent();
      await at.time.advance(hour);
    }
    await closer.closeSilent();
    const again = closing(await openLog({ disk: at.disk, time: at.time }), { live: [beta], able: [] });
    expect(await again.closeSilent()).to.deep.equal([]);
    await at.time.advance(4 * hour + 1);
    expect(await again.closeSilent()).to.deep.equal([alpha]);
  });

  it('leaves it to a live filer with a lower origin', async () => {
    const at = await knowing(alpha);
    const around: Around = { live: [], able: ['0'.repeat(16)] };
    const closer = closing(at, around);
    await closer.closeSilent();
    await at.time.advance(10 * hour + 1);
    expect([await closer.closeSilent(), at.log.state.closed.size]).to.deep.equal([[], 0]);
    around.able = ['f'.repeat(16)];
    expect(await closer.closeSilent(), 'the lower one is gone').to.deep.equal([alpha]);
  });

  it('does not write to the store at every look', async () => {
    const at = await knowing(alpha);
    const closer = closing(at, { live: [alpha], able: [] });
    await closer.closeSilent();
    const { transactions } = at.store;
    for (let look = 0; look < 50; look++) {
      await at.time.advance(60_000);
      await closer.closeSilent();
    }
    // 50 minutes, in steps of a hundredth of ten hours.
    expect(at.store.transactions - transactions).to.be.within(5, 9);
    expect((await at.store.load()).meta.get(heardMeta)).to.contain(alpha);
  });
});

describe('Closing by command', () => {
  it('writes the entry at once, and again changes nothing', async () => {
    const at = await knowing(alpha);
    const dot = await closing(at, { live: [alpha], able: ['0'.repeat(16)] }).close(alpha);
    expect(at.log.state.closed).to.deep.equal(new Map([[alpha, dot]]));
    expect([await closing(at).close(alpha), at.log.state.head]).to.deep.equal([dot, 1]);
  });

  it('refuses an origin that is not known, and its own', async () => {
    const at = await knowing(alpha);
    const own = at.log.identity.origin;
    const unknown = await failureOf(() => closing(at).close(beta));
    expect([unknown.code, unknown.message]).to.deep.equal(['ENTRY_NOT_FOUND', `origin ${beta} is not known here`]);
    const mine = await failureOf(() => closing(at).close(own));
    expect(mine.code).to.equal('PARAMETER_INVALID');
    expect(mine.message).to.contain('ask another filer to close it');
    expect([at.log.state.head, await at.tree.find(p('/.filer/closed'))]).to.deep.equal([0, null]);
  });
});
