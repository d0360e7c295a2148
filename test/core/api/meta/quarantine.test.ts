import { expect } from 'chai';
import { receiveChange } from '../../../../src/core/change/refused.js';
import type { QuarantinedReport, QuarantineOutcome } from '../../../../src/core/api/meta/quarantine-report.js';
import type { FilerProcess } from '../../../../src/core/filer-process.js';
import { ForgedLog } from '../../../support/forged-log.js';
import { failureOf } from '../../../support/open-log.js';
import { Processes } from '../../../support/processes.js';

describe('GET and POST quarantine', () => {
  const processes = new Processes();
  const log = new ForgedLog('f'.repeat(16));
  const path = '/.filer/v1/quarantine';
  let filer: FilerProcess;

  before(async () => {
    filer = await processes.filer();
    log.putBad('/bad');
    log.put('/bad/below');
    log.putBad('/worse');
    await filer.filer.log.apply(log.texts.map((text) => receiveChange(text)));
  });
  after(() => processes.stopAll());

  const dot = (seq: number) => `${log.origin}:${seq}`;
  const send = async (method: string, target: string) => (await processes.send(filer, method, target)).json();
  const list = async () => ((await send('GET', path)) as { quarantine: QuarantinedReport[] }).quarantine;
  const act = async (target: string) => (await send('POST', `${path}${target}`)) as QuarantineOutcome;
  const failure = (target: string) => failureOf(() => act(target));

  it('lists every change whole, with why it was refused or what it waits for', async () => {
    const listed = await list();
    expect(listed.map(({ dot: one, paths, code, waitsFor }) => [one, paths, code, waitsFor])).to.deep.equal([
      [dot(1), ['/bad'], 'BODY_INVALID', null],
      [dot(2), ['/bad/below'], null, dot(1)],
      [dot(3), ['/worse'], 'BODY_INVALID', null],
    ]);
    expect(listed.map(({ change }) => change)).to.deep.equal(log.texts.map((text) => JSON.parse(text) as unknown));
    expect(listed[0]).to.deep.include({ origin: log.origin, seq: 1, attempts: 0, error: 'change.newEntry.attributes: must be an object' });
    expect(listed[1]?.error).to.equal(null);
  });

  it('tries one again, or all of them, and says what became of them', async () => {
    expect(await act(`/${dot(1)}?action=retry`)).to.deep.equal({ applied: [], refused: [dot(1)], dropped: [], left: 3 });
    expect(await act('?action=retry')).to.deep.equal({ applied: [], refused: [dot(1), dot(3)], dropped: [], left: 3 });
    expect((await list()).map(({ attempts }) => attempts)).to.deep.equal([2, 1, 1]);
  });

  it('names what is wrong with a request, and changes nothing', async () => {
    const before = await list();
    for (const [target, code, message] of [
      ['', 'PARAMETER_INVALID', 'action: is missing; it must be retry'],
      [`/${dot(1)}`, 'PARAMETER_INVALID', 'action: is missing; it must be retry or drop'],
      ['?action=drop', 'PARAMETER_INVALID', 'action: '],
      [`/${dot(1)}?action=forget`, 'PARAMETER_INVALID', 'action: '],
      ['/x?action=retry', 'PARAMETER_INVALID', 'x'],
      [`/${dot(9)}?action=drop`, 'ENTRY_NOT_FOUND', `${dot(9)} is not quarantined here`],
      [`/${dot(9)}?action=retry`, 'ENTRY_NOT_FOUND', `${dot(9)} is not quarantined here`],
    ] as const) {
      const failed = await failure(target);
      expect(failed.code, target).to.equal(code);
      expect(failed.message, target).to.include(message);
    }
    expect(await list()).to.deep.equal(before);
  });

  it('drops one without effect, and what waited for it alone is applied', async () => {
    expect(await act(`/${dot(1)}?action=drop`)).to.deep.equal({ applied: [dot(2)], refused: [], dropped: [dot(1)], left: 1 });
    expect((await list()).map((one) => one.dot)).to.deep.equal([dot(3)]);
    expect((await failure(`/${dot(1)}?action=drop`)).code).to.equal('ENTRY_NOT_FOUND');
  });
});
