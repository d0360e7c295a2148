import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import FilerCommand from '../../src/commands/filer.js';
import MasterCommand from '../../src/commands/master.js';
import { runCommand } from '../support/run-command.js';
import { tempDir } from '../support/temp-dir.js';

describe('kelp filer and kelp master', () => {
  for (const [name, command, folder] of [
    ['filer', FilerCommand, '--defaultStoreDir'],
    ['master', MasterCommand, '--mdir'],
  ] as const) {
    it(`refuses any bind but loopback without a secret: ${name}`, async () => {
      const directory = join(await tempDir(), 'store');
      const args = ['--ip.bind=0.0.0.0', '--port=0', `${folder}=${directory}`];
      const { code, stdout, stderr } = await runCommand(command, args);
      expect([code, stdout]).to.deep.equal([2, '']);
      expect(stderr).to.include(`type: kelp ${name} ${args.join(' ')} --secretFile=FILE, or --insecure`);
      expect(existsSync(directory), 'nothing was made').to.equal(false);
    });
  }

  it('names the flag whose value makes no sense', async () => {
    for (const flag of ['--maxClockSkew=soon', '--log.maxBytes=-1', '--master=a b', '--port=70000']) {
      const { code, stderr } = await runCommand(FilerCommand, [flag]);
      expect(code, flag).to.equal(2);
      expect(stderr).to.include(flag.split('=')[0]);
    }
  });
});
