import { expect } from 'chai';
import { receiveChange } from '../../../src/core/change/refused.js';
import { silentLogger } from '../../../src/core/logger.js';
import { QuarantineRetry } from '../../../src/core/replication/quarantine-retry.js';
import { ForgedLog } from '../../support/forged-log.js';
import { codeOf, failureOf, openLog, rowsIn, type OpenLog } from '../../support/open-log.js';
import { settle } from '../../support/manual-time.js';

const [origin, other] = ['1'.repeat(16), '2'.repeat(16)];
const minute = 60_000;
const timing = { quarantineRetryMs: minute, quarantineRetryMsMax: 4 * minute };

/** A filer with one refused change and two that wait for it. */
async function quarantined(): Promise<OpenLog> {
  const at = await openLog();
  const log = new ForgedLog(origin);
  log.putBad('/bad');
  log.put('/bad/below');
  log.put('/free');
  log.put('/bad');
  await at.log.apply(log.texts.map((text) => receiveChange(text)));
  return at;
}

const retryOf = ({ log, time }: OpenLog, logger = silentLogger) => new QuarantineRetry({ log, time, logger, limits: timing });
const attempts = (at: OpenLog) => [...at.log.state.quarantine.values()].map((record) => record.attempts);
const paths = async (at: OpenLog) => (await rowsIn(at.store)).map((row) => row.path).sort();

describe('QuarantineRetry', () => {
  it('tries again when it starts, then ever more seldom, up to a bound', async () => {
    const at = await quarantined();
    const retry = retryOf(at);
    retry.start();
    await settle();
    expect(attempts(at)[0], 'at the start').to.equal(1);
    // Each pause is twice the one before: 2, 4, and no longer than 4 minutes.
    for (const [pause, count] of [
      [2, 2],
      [4, 3],
      [4, 4],
      [4, 5],
    ] as const) {
      await at.time.advance(pause * minute - 1);
      expect(attempts(at)[0], `just before ${pause} minutes`).to.equal(count - 1);
      await at.time.advance(1);
      expect(attempts(at)[0], `after ${pause} minutes`).to.equal(count);
    }
    await retry.stop();
    await at.time.advance(60 * minute);
    expect(attempts(at)[0], 'after it has stopped').to.equal(5);
  });

  it('writes nothing while nothing is quarantined, and tries soon what comes then', async () => {
    const at = await openLog();
    const retry = retryOf(at);
    const { transactions } = at.store;
    retry.start();
    await at.time.advance(100 * minute);
    expect(at.store.transactions).to.equal(transactions);
    const log = new ForgedLog(other);
    log.putBad('/bad');
    await at.log.apply(log.texts.map((text) => receiveChange(text)));
    await at.time.advance(minute);
    expect([attempts(at), retry.retries]).to.deep.equal([[1], 1]);
    await retry.stop();
  });

  it('goes on when the store fails', async () => {
    const at = await quarantined();
    const retry = retryOf(at);
    const { transaction } = at.store;
    at.store.transaction = () => Promise.reject(new Error('no disk'));
    retry.start();
    await settle();
    expect(attempts(at)[0]).to.equal(0);
    at.store.transaction = transaction.bind(at.store);
    await at.time.advance(2 * minute);
    expect(attempts(at)[0]).to.equal(1);
    await retry.stop();
  });

  it('lists in the order of coming what waits, and what for', async () => {
    const listed = retryOf(await quarantined()).list();
    expect(listed.map(({ dot, paths: at, waitsFor }) => [dot.seq, at, waitsFor?.seq ?? null])).to.deep.equal([
      [1, ['/bad'], null],
      [2, ['/bad/below'], 1],
      [4, ['/bad'], 1],
    ]);
  });

  it('tries one change, and no other', async () => {
    const at = await quarantined();
    const more = new ForgedLog(other);
    more.putBad('/too');
    await at.log.apply(more.texts.map((text) => receiveChange(text)));
    const retry = retryOf(at);
    expect(await retry.retry({ origin: other, seq: 1 })).to.deep.equal({ applied: [], refused: [{ origin: other, seq: 1 }] });
    expect(attempts(at)).to.deep.equal([0, 0, 0, 1]);
  });

  it('drops one without effect, and lets go what waited for it', async () => {
    const at = await quarantined();
    const before = at.log.position;
    const { applied, refused } = await retryOf(at).drop({ origin, seq: 1 });
    expect([applied.map(({ seq }) => seq), refused, at.log.state.quarantine.size]).to.deep.equal([[2, 4], [], 0]);
    expect(await paths(at)).to.deep.equal(['/bad', '/bad/below', '/free']);
    expect(at.log.position).to.deep.equal(before);
  });

  it('knows nothing of a change that is not quarantined', async () => {
    const at = await quarantined();
    const retry = retryOf(at);
    for (const act of [retry.retry.bind(retry), retry.drop.bind(retry)]) {
      expect((await failureOf(() => act({ origin, seq: 3 }))).message).to.equal(`${origin}:3 is not quarantined here; GET quarantine lists what is`);
      expect(await codeOf(() => act({ origin: other, seq: 1 }))).to.equal('ENTRY_NOT_FOUND');
    }
    expect(at.log.state.quarantine.size).to.equal(3);
  });
});
