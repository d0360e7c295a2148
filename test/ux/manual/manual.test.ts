import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Config } from '@oclif/core';
import { expect } from 'chai';
import { failures } from '../../../src/core/errors.js';
import { manPages } from '../../../src/ux/manual/manual.js';
import { leaveOut } from '../../support/leave-out.js';
import { runKelp } from '../../support/run-kelp.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const folder = `${root}/man`;

/** True if `program` can be started; else says why what needs it is skipped. */
function has(program: string): boolean {
  const found = spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
  if (!found) process.stderr.write(`    skipped: ${program} is not installed\n`);
  return found;
}

describe('the manual', () => {
  let pages: Map<string, string>;
  before(async () => {
    pages = manPages(await Config.load({ root }));
  });

  it('is in step with the commands', () => {
    const kept = new Map(readdirSync(folder).map((file) => [file, readFileSync(`${folder}/${file}`, 'utf8')]));
    const stale = [...new Set([...pages.keys(), ...kept.keys()])].filter((file) => pages.get(file) !== kept.get(file));
    expect(stale, 'these pages of man/ are not what the commands say; run npm run man and commit the result').to.deep.equal([]);
  });

  it('has a page for each command and each topic', () => {
    expect([...pages.keys()]).to.include.members([
      'kelp.1',
      'kelp-filer.1',
      'kelp-filer.meta.tail.1',
      'kelp-exit-codes.7',
      'kelp-environment.7',
      'kelp-formats.7',
    ]);
  });

  it('is faultless for mandoc', function () {
    if (!has('mandoc')) leaveOut(this, 'mandoc is not installed');
    const { stdout, status } = spawnSync('mandoc', ['-Tlint', '-Wwarning', ...[...pages.keys()].map((file) => `${folder}/${file}`)], { encoding: 'utf8' });
    expect(stdout).to.equal('');
    expect(status).to.equal(0);
  });

  it('is faultless for groff', function () {
    if (!has('groff')) leaveOut(this, 'groff is not installed');
    for (const file of pages.keys()) {
      const { stderr, status } = spawnSync('groff', ['-ww', '-man', '-Tutf8', '-z', `${folder}/${file}`], { encoding: 'utf8' });
      expect({ file, stderr, status }).to.deep.equal({ file, stderr: '', status: 0 });
    }
  });

  it('shows flags, quotes and dashes as they are typed', function () {
    if (!has('mandoc')) leaveOut(this, 'mandoc is not installed');
    const struck = execFileSync('mandoc', ['-Tutf8', `${folder}/kelp-filer.meta.tail.1`], { encoding: 'utf8' }).split('\b');
    // Bold is a letter, a step back and the letter again.
    const text = [...struck.slice(0, -1).map((piece) => piece.slice(0, -1)), struck.at(-1)].join('');
    expect(text).to.contain("kelp filer.meta.tail --pattern='*.txt' --timeAgo=1h --no-follow");
    expect(text).to.contain('--[no-]follow');
    expect(text).to.contain('KELP_PATH_PREFIX');
  });
});

describe('kelp help', function () {
  this.timeout(60_000);
  const help = async (...words: string[]): Promise<string> => {
    const { stdout, code } = await runKelp(['help', ...words]);
    expect(code).to.equal(0);
    return stdout;
  };

  it('leads with the examples of a command', async () => {
    const text = await help('filer.wait');
    expect(text.indexOf('EXAMPLES')).to.be.greaterThan(0).and.lessThan(text.indexOf('USAGE'));
    expect((await runKelp(['filer.wait', '--help'])).stdout).to.equal(text);
  });

  it('has topics: exit codes with every failure, variables, formats', async () => {
    expect(await help()).to.match(/TOPICS[^]*environment[^]*exit-codes[^]*formats/);
    const codes = await help('exit-codes');
    for (const code of Object.keys(failures)) expect(codes).to.contain(code);
    expect(codes).to.match(/^ {2}130, 143 {2}interrupted/m);
    expect(await help('environment')).to.match(/^ {2}KELP_IP_BIND +filer, master/m);
    expect(await help('formats')).to.contain('--format=short');
  });

  it('takes blanks for dots, and answers a near miss with the right name', async () => {
    expect(await help('filer', 'wait')).to.equal(await help('filer.wait'));
    for (const [typed, meant] of [
      ['filer.peesr', 'filer.peers'],
      ['exit-code', 'exit-codes'],
    ] as const) {
      const { code, stderr } = await runKelp(['help', typed]);
      expect(code).to.equal(2);
      expect(stderr).to.contain(`did you mean kelp help ${meant}?`);
    }
  });
});
