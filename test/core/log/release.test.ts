import { expect } from 'chai';
import { decodeChange } from '../../../src/core/change/codec.js';
import { receiveChange } from '../../../src/core/change/refused.js';
import { formatDot, type Dot } from '../../../src/core/clock/vector.js';
import { appliedPosition } from '../../../src/core/log/quarantine.js';
import { releaseQuarantined } from '../../../src/core/log/release.js';
import type { QuarantineRecord } from '../../../src/core/store/store.js';
import { ForgedLog } from '../../support/forged-log.js';
import { expectConsistent } from '../../support/history.js';
import { codeOf, file, mode, openLog, p, read, rowsIn, type OpenLog } from '../../support/open-log.js';

const [one, two] = ['1'.repeat(16), '2'.repeat(16)];

const apply = (at: OpenLog, texts: readonly string[]) => at.log.apply(texts.map((text) => receiveChange(text)));
const waiting = (at: OpenLog) => [...at.log.state.quarantine.values()];
const dots = (at: OpenLog) => waiting(at).map(({ dot, waitsFor }) => [formatDot(dot), waitsFor && formatDot(waitsFor)]);
const paths = async (at: OpenLog) => (await rowsIn(at.store)).map((row) => row.path).sort();

const release = (at: OpenLog, chosen: (record: QuarantineRecord) => boolean) =>
  at.log.alone(async (draft) => {
    const released = await releaseQuarantined(draft, receiveChange, chosen);
    await draft.flush();
    return { applied: released.applied.map(formatDot), refused: released.refused.map(formatDot) };
  });

/** What makes a refused change good, as a newer kelp would that knows its form: its text in the store is replaced. */
const mend = (at: OpenLog, dot: Dot, text: string) =>
  at.log.alone(async (draft) => {
    draft.quarantine.set({ ...(draft.quarantine.records.get(formatDot(dot)) as QuarantineRecord), text });
    await draft.flush();
  });

describe('a change that is refused', () => {
  it('goes into the log and under the position, and not into the tree; the others go on', async () => {
    const at = await openLog();
    const log = new ForgedLog(one);
    log.put('/a');
    log.putBad('/bad');
    log.put('/c');
    const { outcomes } = await apply(at, log.texts);
    expect(outcomes).to.deep.equal(['won', 'quarantined', 'won']);
    expect(at.log.position.get(one)).to.equal(3);
    expect((await read(at)).records.map(({ text, applied }) => [text, applied])).to.deep.equal(log.texts.map((text, i) => [text, outcomes[i]]));
    expect(await paths(at)).to.deep.equal(['/a', '/c']);
    expect(waiting(at)).to.have.length(1);
    expect(waiting(at)[0]).to.deep.include({ dot: { origin: one, seq: 2 }, paths: ['/bad'], waitsFor: null, attempts: 0, text: log.texts[1] });
    expect(at.log.totals).to.include({ appliedChanges: 2, quarantinedChanges: 1 });
    expect(appliedPosition(at.log.position, at.log.state.quarantine).get(one)).to.equal(1);
    await expectConsistent(at);
  });

  it('is a duplicate when it comes again, and may not leave a gap', async () => {
    const at = await openLog();
    const log = new ForgedLog(one);
    log.putBad('/bad');
    log.putBad('/worse');
    expect(await codeOf(() => apply(at, log.texts.slice(1)))).to.equal('PARAMETER_INVALID');
    await apply(at, log.texts.slice(0, 1));
    expect((await apply(at, log.texts)).outcomes).to.deep.equal(['duplicate', 'quarantined']);
    expect(waiting(at)).to.have.length(2);
  });

  it('is another log if its hash does not follow, or if the next one shows that it did not', async () => {
    const at = await openLog();
    const log = new ForgedLog(one);
    log.put('/a');
    await apply(at, log.texts);
    const parted = new ForgedLog(one);
    parted.put('/z');
    const provable = parted.putBad('/bad');
    expect(await codeOf(() => apply(at, [provable]))).to.equal('ORIGIN_DIVERGED');
    const unreadable = parted.put('/bad', { edit: (change) => Object.assign(change.replication, { seq: 2, version: 'now' }) });
    await apply(at, [unreadable]);
    expect(await codeOf(() => apply(at, [log.put('/next'), log.put('/third')].slice(1)))).to.equal('ORIGIN_DIVERGED');
  });

  it('takes none of its page with it that cannot be put aside: a quarantine that is full stalls', async () => {
    const at = await openLog({ limits: { quarantineChanges: 2 } });
    const log = new ForgedLog(one);
    log.put('/a');
    for (const name of ['x', 'y', 'z']) log.putBad(`/${name}`);
    expect(await codeOf(() => apply(at, log.texts))).to.equal('QUARANTINE_FULL');
    expect(at.log.position.get(one) ?? 0).to.equal(0);
    await apply(at, log.texts.slice(0, 3));
    const small = await openLog({ limits: { quarantineBytes: (log.texts[1] as string).length } });
    expect(await codeOf(() => apply(small, log.texts))).to.equal('QUARANTINE_FULL');
    await apply(small, log.texts.slice(0, 2));
    expect(waiting(small)).to.have.length(1);
  });
});

describe('what a refused change holds', () => {
  it('waits: later changes of its path and below it, whoever made them; not what clients write here', async () => {
    const at = await openLog();
    const [log, other] = [new ForgedLog(one), new ForgedLog(two)];
    log.putBad('/d');
    await apply(at, log.texts);
    other.put('/d/e/f');
    other.put('/dd');
    other.put('/d');
    expect((await apply(at, other.texts)).outcomes).to.deep.equal(['quarantined', 'won', 'quarantined']);
    expect(dots(at)).to.deep.equal([
      [`${one}:1`, null],
      [`${two}:1`, `${one}:1`],
      [`${two}:3`, `${one}:1`],
    ]);
    await at.tree.put(p('/d/own'), file('x'), mode);
    expect(await paths(at))
      .to.include.members(['/dd', '/d/own'])
      .and.not.include('/d/e/f');
    await expectConsistent(at);
  });

  it('goes with it when it is applied after all, in the order of coming', async () => {
    const at = await openLog();
    const [log, other] = [new ForgedLog(one), new ForgedLog(two, 1_763_763_268_000_000)];
    log.putBad('/d');
    await apply(at, log.texts);
    other.put('/d/e');
    other.put('/d');
    await apply(at, other.texts);
    expect(await release(at, () => true)).to.deep.equal({ applied: [], refused: [`${one}:1`] });
    expect(waiting(at).map(({ attempts }) => attempts)).to.deep.equal([1, 1, 1]);
    await mend(at, { origin: one, seq: 1 }, new ForgedLog(one).put('/d'));
    expect(await release(at, () => false)).to.deep.equal({ applied: [], refused: [] });
    expect(await release(at, ({ refusal }) => refusal !== null)).to.deep.equal({ applied: [`${one}:1`, `${two}:1`, `${two}:2`], refused: [] });
    expect(waiting(at)).to.deep.equal([]);
    const plain = await openLog();
    const mended = new ForgedLog(one);
    mended.put('/d');
    await apply(plain, [...mended.texts, ...other.texts]);
    expect(at.log.digest).to.equal(plain.log.digest);
    await expectConsistent(at);
  });

  it('goes when the refused one is dropped, but not while another one holds it', async () => {
    const at = await openLog();
    const log = new ForgedLog(one);
    log.putBad('/d');
    log.putBad('/d/e');
    log.put('/d/e/f');
    log.put('/d/g');
    await apply(at, log.texts);
    const drop = (seq: number) =>
      at.log.alone(async (draft) => {
        draft.quarantine.drop({ origin: one, seq });
        await releaseQuarantined(draft, receiveChange, () => false);
        await draft.flush();
      });
    await drop(1);
    expect(dots(at)).to.deep.equal([
      [`${one}:2`, null],
      [`${one}:3`, `${one}:2`],
    ]);
    await drop(2);
    expect(await paths(at)).to.deep.equal(['/d/e/f', '/d/g']);
    await expectConsistent(at);
  });

  it('is there again after a restart', async () => {
    const at = await openLog();
    const log = new ForgedLog(one);
    log.putBad('/d');
    log.put('/d/e');
    await apply(at, log.texts);
    const again = await openLog({ disk: at.disk });
    expect(waiting(again)).to.deep.equal(waiting(at));
    const later = log.put('/d/f');
    expect((await again.log.apply([decodeChange(later)])).outcomes).to.deep.equal(['quarantined']);
    expect(waiting(again).map(({ place }) => place)).to.deep.equal([1, 2, 3]);
  });

  it('is gone with the tree when that is emptied', async () => {
    const at = await openLog();
    await apply(at, [new ForgedLog(one).putBad('/d')]);
    await at.log.alone((draft) => draft.empty('00000001').then(() => draft.flush()));
    expect([waiting(at), (await at.store.load()).quarantine]).to.deep.equal([[], []]);
  });
});
