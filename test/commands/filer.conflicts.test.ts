import { expect } from 'chai';
import type { ConflictReport } from '../../src/core/api/meta/ask-filer.js';
import { receiveChange } from '../../src/core/change/refused.js';
import type { FilerProcess } from '../../src/core/filer-process.js';
import FilerConflicts from '../../src/commands/filer.conflicts.js';
import { freePort } from '../support/cluster.js';
import { ForgedLog } from '../support/forged-log.js';
import { Processes } from '../support/processes.js';
import { runCommand } from '../support/run-command.js';

describe('kelp filer.conflicts', () => {
  const processes = new Processes();
  const peer = new ForgedLog('f'.repeat(16));
  let filer: FilerProcess;

  before(async () => {
    filer = await processes.filer();
    for (const path of ['/a', '/b']) {
      await processes.send(filer, 'PUT', path, 'of this filer');
      // Older, and concurrent: overruled.
      peer.put(path, { entry: { content: Buffer.from('of the peer').toString('base64'), attributes: { fileSize: '11' } } });
    }
  });
  after(() => processes.stopAll());

  const kelp = (...args: string[]) => runCommand(FilerConflicts, [`--filer=${filer.address}`, ...args]);
  const list = async (...args: string[]) => (JSON.parse((await kelp('--json', ...args)).stdout) as { conflicts: ConflictReport[] }).conflicts;

  it('says that there are none, and exits 0', async () => {
    expect(await kelp()).to.deep.include({ code: 0, stdout: '', stderr: `no conflicts are known to ${filer.address}\n` });
    await filer.filer.log.apply(peer.texts.map((text) => receiveChange(text)));
  });

  it('lists them newest first, as rows and as JSON, and exits 1', async () => {
    const [text, json] = [await kelp(), await kelp('--json')];
    expect([text.code, text.stderr, json.code, json.stderr]).to.deep.equal([1, '', 1, '']);
    const { conflicts } = JSON.parse(json.stdout) as { conflicts: ConflictReport[] };
    expect(conflicts.map(({ path, type, loser }) => [path, type, loser.dot])).to.deep.equal([
      ['/b', 'update/update', `${peer.origin}:2`],
      ['/a', 'update/update', `${peer.origin}:1`],
    ]);
    const [head, ...rows] = text.stdout.trimEnd().split('\n');
    expect(head).to.equal('ID\tSEEN\tTYPE\tPATH\tSTANDS\tOVERRULED');
    expect(rows).to.have.length(2);
    const own = filer.filer.log.identity.origin;
    expect(rows[0]).to.match(new RegExp(`^${conflicts[0]?.id}\t20\\S+Z\tupdate/update\t/b\tentry of ${own} at 20\\S+Z\tentry of ${peer.origin} at 20\\S+Z$`));
  });

  it('narrows by path and number', async () => {
    const [byPath, byNumber] = [await list('--path=/a'), await list('--limit=1')];
    expect([byPath, byNumber].map((found) => found.map(({ path }) => path))).to.deep.equal([['/a'], ['/b']]);
  });

  it('prints one whole, and exits 1 for one that is not there', async () => {
    const [conflict] = (await list()) as [ConflictReport];
    const [shown, unknown] = [await kelp(`--show=${conflict.id}`), await kelp('--show=0000000000000000')];
    expect([shown.code, JSON.parse(shown.stdout)]).to.deep.equal([0, conflict]);
    expect([unknown.code, unknown.stdout]).to.deep.equal([1, '']);
    expect(unknown.stderr).to.include('has no row 0000000000000000');
  });

  it('refuses what makes no sense', async () => {
    const [both, id, path, unreachable] = [
      await kelp('--show=0000000000000000', '--restore=0000000000000000'),
      await kelp('--restore=x'),
      await kelp('--path=/../x'),
      await runCommand(FilerConflicts, [`--filer=127.0.0.1:${await freePort()}`]),
    ];
    expect([both.code, id.code, path.code, unreachable.code]).to.deep.equal([2, 2, 2, 3]);
    expect([id.stderr, path.stderr].join()).to.include('id').and.include('path');
  });

  it('brings back what was overruled, and prints the change', async () => {
    const own = filer.filer.log.identity.origin;
    const [[a], [b]] = [await list('--path=/a'), await list('--path=/b')] as [[ConflictReport], [ConflictReport]];
    const text = await kelp(`--restore=${a.id}`);
    expect([text.code, text.stdout]).to.deep.equal([0, `${own}:${filer.filer.log.position.get(own)}\n`]);
    const json = await kelp(`--restore=${b.id}`, '--json');
    expect([json.code, JSON.parse(json.stdout)]).to.deep.equal([0, { dot: `${own}:${filer.filer.log.position.get(own)}` }]);
    for (const path of ['/a', '/b']) expect((await processes.send(filer, 'GET', path)).text()).to.equal('of the peer');
    expect((await kelp('--restore=0000000000000000')).code).to.equal(1);
  });
});
