import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { freePort } from '../support/free-port.js';
import { commandNames, loadCommand, runCommand } from '../support/run-command.js';
import { tempDir } from '../support/temp-dir.js';

describe('every command', () => {
  it('ends with 2 where it is given a flag that it does not know, and names its help', async () => {
    const names = await commandNames();
    expect(names).to.include.members(['fs.ls', 'filer', 'master', 'completion']);
    for (const name of names) {
      const { code, stdout, stderr } = await runCommand(await loadCommand(name), ['--nosuchflag']);
      expect({ code, stdout }, name).to.deep.equal({ code: 2, stdout: '' });
      expect(stderr).to.contain(`kelp ${name}: `).and.contain('--nosuchflag').and.contain(`see kelp ${name} --help`);
    }
  });

  it('that needs a filer ends with 3 where nobody listens, and names the address', async () => {
    const address = `127.0.0.1:${await freePort()}`;
    const file = join(await tempDir(), 'file');
    await writeFile(file, '{"name":"a"}\n');
    const lines: [name: string, ...args: string[]][] = [
      ['filer.cat', '/a'],
      ['filer.conflicts'],
      ['filer.log'],
      ['filer.quarantine'],
      ['fs.du'],
      ['fs.ls'],
      ['fs.meta.cat', '/a'],
      ['fs.meta.save', '-o', '-'],
      ['fs.mkdir', '/a'],
      ['fs.mv', '/a', '/b'],
      ['fs.rm', '/a'],
      ['fs.tree'],
    ];
    for (const [name, ...args] of lines) {
      const { code, stdout, stderr } = await runCommand(await loadCommand(name), [`--filer=${address}`, ...args]);
      expect({ code, stdout }, `${name}: ${stderr}`).to.deep.equal({ code: 3, stdout: '' });
      expect(stderr, name).to.contain(address).and.contain('connection refused');
    }
    const { code, stderr } = await runCommand(await loadCommand('filer.copy'), [file, `http://${address}/`]);
    expect(code, stderr).to.equal(3);
  });
});
