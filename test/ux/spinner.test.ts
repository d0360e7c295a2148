import { execFileSync } from 'node:child_process';
import { expect } from 'chai';

const program = `
import { startSpinner } from './src/ux/spinner.ts';
const copying = await startSpinner('copying');
copying.update('copying 3 files');
copying.succeed();
const asking = await startSpinner('asking');
asking.fail('no answer');
(await startSpinner('waiting')).stop();
`;

describe('startSpinner', () => {
  it('writes a plain line at the start and at the end off a terminal, to stderr alone', () => {
    const args = ['--import', 'tsx', '--input-type=module', '--eval', program];
    const cwd = new URL('../..', import.meta.url);
    expect(execFileSync('sh', ['-c', 'exec "$0" "$@" 2>&1 >/dev/null', process.execPath, ...args], { cwd, encoding: 'utf8' })).to.equal(
      'copying …\ncopying 3 files: done\nasking …\nno answer\nwaiting …\n',
    );
  });
});
