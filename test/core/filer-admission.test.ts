import { expect } from 'chai';
import { clockMax } from '../../src/core/clock/version.js';
import { FilerError } from '../../src/core/errors.js';
import { Admission } from '../../src/core/filer-admission.js';
import type { ChangeLog } from '../../src/core/log/change-log.js';
import type { Phase } from '../../src/core/store/identity.js';
import { codeOf, failureOf } from '../support/open-log.js';

interface Situation {
  readonly phase?: Phase;
  readonly partedFrom?: string | null;
  readonly micros?: number;
  /** Seconds by which the clock is too far ahead of the others. */
  readonly ahead?: number | null;
}

/** An admission over a log of which only phase and branch matter. */
function open({ phase = 'ready', partedFrom = null, micros = 1, ahead = null }: Situation = {}) {
  const log = { identity: { phase }, state: { partedFrom } } as unknown as ChangeLog;
  return new Admission(log, { micros: () => micros }, { tooFarAhead: () => ahead });
}

const inUse = new FilerError('ORIGIN_IN_USE', 'held by host:2');

describe('Admission', () => {
  it('lets clients and peers in when the store is ready', () => {
    const admission = open();
    admission.mustWrite();
    admission.mustServe();
    expect([admission.mayWrite(), admission.state, admission.serving.aborted]).to.deep.equal([true, 'ready', false]);
  });

  for (const [phase, state] of [
    ['fresh', 'starting'],
    ['bootstrapping', 'bootstrapping'],
    ['rejoining', 'rejoining'],
    ['restored', 'readonly'],
  ] as const) {
    it(`lets nobody in while the store is ${phase}`, async () => {
      const admission = open({ phase });
      expect(admission.state).to.equal(state);
      expect(await codeOf(() => admission.mustWrite())).to.equal('BOOTSTRAPPING');
      expect(await codeOf(() => admission.mustServe())).to.equal('BOOTSTRAPPING');
      expect(admission.mayWrite()).to.equal(false);
    });
  }

  it('names the way out of a restored store', async () => {
    expect((await failureOf(() => open({ phase: 'restored' }).mustWrite())).message).to.include('--force');
  });

  it('takes no writes while a branch is given up, and serves peers', async () => {
    const admission = open({ partedFrom: 'a000000000000000' });
    expect(await codeOf(() => admission.mustWrite())).to.equal('BOOTSTRAPPING');
    admission.mustServe();
  });

  it('takes no writes under a clock that is wrong', async () => {
    expect(await codeOf(() => open({ micros: clockMax + 1 }).mustWrite())).to.equal('CLOCK_SKEWED');
    open({ micros: clockMax }).mustWrite();
    const { code, message } = await failureOf(() => open({ ahead: 61.25 }).mustWrite());
    expect([code, message]).to.deep.equal(['CLOCK_SKEWED', 'the clock of this filer is 61.3 s ahead of the others; set it, or write to another filer']);
  });

  it('lets nobody in while a master says that its origin is in use, and everybody after that', async () => {
    const admission = open();
    const { serving } = admission;
    admission.refuse(inUse);
    expect([admission.state, admission.isRefused, serving.reason]).to.deep.equal(['refused', true, inUse]);
    expect(await codeOf(() => admission.mustWrite())).to.equal('ORIGIN_IN_USE');
    expect(await codeOf(() => admission.mustServe())).to.equal('ORIGIN_IN_USE');
    admission.refuse(null);
    admission.mustWrite();
    admission.mustServe();
    expect(admission.serving.aborted).to.equal(false);
  });

  it('says that it is not ready while it is about to join others, takes writes until then, and no master’s word makes it serve', async () => {
    const admission = open();
    admission.serveNoMore();
    expect([admission.state, admission.mayWrite()]).to.deep.equal(['starting', true]);
    admission.refuse(inUse);
    admission.refuse(null);
    expect([admission.state, await codeOf(() => admission.mustServe())]).to.deep.equal(['starting', 'BOOTSTRAPPING']);
    admission.serve();
    admission.mustServe();
    expect(admission.state).to.equal('ready');
  });

  it('works on under any other refusal', () => {
    const admission = open();
    admission.refuse(new FilerError('CLUSTER_MISMATCH', 'another cluster'));
    admission.mustWrite();
    expect([admission.state, admission.isRefused]).to.deep.equal(['ready', false]);
  });

  it('serves no peers between two rounds of following', async () => {
    const admission = open();
    const { serving } = admission;
    admission.serveNoMore();
    expect(serving.aborted).to.equal(true);
    expect(await codeOf(() => admission.mustServe())).to.equal('BOOTSTRAPPING');
    admission.mustWrite();
    admission.serve();
    admission.mustServe();
  });

  it('ends everything when it stops', async () => {
    const admission = open();
    const { running, serving } = admission;
    admission.stop();
    expect([running.aborted, serving.aborted]).to.deep.equal([true, true]);
    expect(await codeOf(() => admission.mustWrite())).to.equal('STOPPING');
    expect(await codeOf(() => admission.mustServe())).to.equal('STOPPING');
  });
});
