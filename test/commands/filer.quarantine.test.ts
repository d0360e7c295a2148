import { expect } from 'chai';
import type { QuarantinedReport } from '../../src/core/api/meta/ask-filer.js';
import { receiveChange } from '../../src/core/change/refused.js';
import FilerQuarantine from '../../src/commands/filer.quarantine.js';
import { freePort } from '../support/cluster.js';
import { ForgedLog } from '../support/forged-log.js';
import { Processes } from '../support/processes.js';
import { runCommand } from '../support/run-command.js';

describe('kelp filer.quarantine', () => {
  const processes = new Processes();
  const log = new ForgedLog('f'.repeat(16));
  let filer: string;

  before(async () => {
    const { address, filer: core } = await processes.filer();
    filer = `--filer=${address}`;
    log.putBad('/bad');
    log.put('/bad/below');
    await core.log.apply(log.texts.map((text) => receiveChange(text)));
  });
  after(() => processes.stopAll());

  const kelp = (...args: string[]) => runCommand(FilerQuarantine, [filer, ...args]);
  const dot = (seq: number) => `${log.origin}:${seq}`;

  it('lists what waits and why, as rows and as JSON, and exits 1', async () => {
    const [text, json] = [await kelp(), await kelp('--json')];
    expect([text.code, text.stderr, json.code, json.stderr]).to.deep.equal([1, '', 1, '']);
    const [head, first, second, ...rest] = text.stdout.split('\n');
    expect(head).to.equal('DOT\tPATH\tSINCE\tATTEMPTS\tCODE\tWHY');
    expect(first).to.match(new RegExp(`^${dot(1)}\t/bad\t20\\S+Z\t0\tBODY_INVALID\tchange\\.newEntry\\.attributes: must be an object$`));
    expect(second).to.match(new RegExp(`^${dot(2)}\t/bad/below\t20\\S+Z\t0\t-\twaits for ${dot(1)}$`));
    expect(rest).to.deep.equal(['']);
    const { quarantine } = JSON.parse(json.stdout) as { quarantine: QuarantinedReport[] };
    expect(quarantine.map((one) => [one.dot, one.code, one.waitsFor])).to.deep.equal([
      [dot(1), 'BODY_INVALID', null],
      [dot(2), null, dot(1)],
    ]);
    expect(quarantine[0]?.change).to.deep.equal(JSON.parse(log.texts[0] as string));
  });

  it('prints one whole, and exits 1 for one that is not there', async () => {
    const [shown, unknown, asJson] = [await kelp(`--show=${dot(2)}`), await kelp(`--show=${dot(7)}`), await kelp(`--show=${dot(7)}`, '--json')];
    expect([shown.code, shown.stderr]).to.deep.equal([0, '']);
    expect(JSON.parse(shown.stdout)).to.deep.include({ dot: dot(2), paths: ['/bad/below'], change: JSON.parse(log.texts[1] as string) as unknown });
    expect([unknown.code, unknown.stdout]).to.deep.equal([1, '']);
    expect(unknown.stderr).to.include(`${dot(7)} is not quarantined at`);
    expect(JSON.parse(asJson.stdout)).to.include({ code: 'ENTRY_NOT_FOUND' });
  });

  it('refuses what makes no sense, and says what would', async () => {
    const [two, wrong, unreachable] = [
      await kelp('--retry=all', `--drop=${dot(1)}`),
      await kelp('--retry=x'),
      await runCommand(FilerQuarantine, [`--filer=127.0.0.1:${await freePort()}`]),
    ];
    expect([two.code, wrong.code, unreachable.code]).to.deep.equal([2, 2, 3]);
    expect(two.stderr).to.include('--drop');
    expect(wrong.stderr).to.include('x');
  });

  it('tries all again, and exits 1 while something is refused', async () => {
    expect(await kelp('--retry=all')).to.deep.include({ code: 1, stdout: `refused\t${dot(1)}\n`, stderr: '2 changes are still quarantined\n' });
    expect(JSON.parse((await kelp(`--retry=${dot(1)}`, '--json')).stdout)).to.deep.equal({ applied: [], refused: [dot(1)], dropped: [], left: 2 });
  });

  it('drops one, tells what was let go by that, and has nothing left to list', async () => {
    expect(await kelp(`--drop=${dot(1)}`)).to.deep.include({
      code: 0,
      stdout: `applied\t${dot(2)}\ndropped\t${dot(1)}\n`,
      stderr: 'nothing is quarantined any more\n',
    });
    const [text, json] = [await kelp(), await kelp('--json')];
    expect(text).to.deep.include({ code: 0, stdout: '', stderr: `nothing is quarantined at ${filer.slice('--filer='.length)}\n` });
    expect([json.code, JSON.parse(json.stdout)]).to.deep.equal([0, { quarantine: [] }]);
  });
});
