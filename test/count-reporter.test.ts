import { spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { tempDir } from './support/temp-dir.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const leaveOutModule = new URL('support/leave-out.ts', import.meta.url).href;

/** A suite with every way to end, and to be left out. */
const suite = `
import { leaveOut } from '${leaveOutModule}';
describe('a suite', () => {
  it('passes', () => {});
  it('fails', () => { throw new Error('as it must'); });
  it('is left out', function () { leaveOut(this, 'no tool'); });
  it.skip('is not run', () => {});
  describe('that needs a disk', () => {
    before(function () { leaveOut(this, 'no disk'); });
    it('writes', () => {});
    describe('twice', () => { it('reads', () => {}); });
  });
});
`;
const skipped = [
  'a suite is left out (left out: no tool)',
  'a suite is not run',
  'a suite that needs a disk (left out: no disk) writes',
  'a suite that needs a disk (left out: no disk) twice reads',
];

describe('what .ci/run tells of all runs of mocha', function () {
  this.timeout(60_000);

  const summary = async (counts: readonly object[], failedSteps = 0) => {
    const file = join(await tempDir(), 'counts');
    await writeFile(file, counts.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const { status, stdout } = spawnSync(process.execPath, [join(root, '.ci/summary.cjs'), file, String(failedSteps)], { encoding: 'utf8' });
    return { status, lines: stdout.split('\n') };
  };

  for (const parallel of [false, true]) {
    it(`counts tests that were left out, with their titles and why${parallel ? ', when files run side by side' : ''}`, async () => {
      const directory = await tempDir();
      const [file, counts] = [join(directory, 'a.test.ts'), join(directory, 'counts')];
      await writeFile(file, suite);
      const args = ['node_modules/mocha/bin/mocha.js', '--reporter=./.ci/count-reporter.cjs', ...(parallel ? ['--parallel', '--jobs=2', file] : [file])];
      // Mocha runs one file alone in its own process, whatever --parallel says.
      if (parallel) await writeFile(join(directory, 'b.test.ts'), "it('passes too', () => {});").then(() => args.push(join(directory, 'b.test.ts')));
      const { status } = spawnSync(process.execPath, args, { cwd: root, env: { ...process.env, KELP_TEST_COUNTS: counts, MOCHA_OPTIONS: '' } });
      expect(status).to.equal(1);
      expect(JSON.parse(await readFile(counts, 'utf8'))).to.deep.equal({ passed: parallel ? 2 : 1, failed: 1, skipped });
    });
  }

  it('names what was skipped, and ends with the sums', async () => {
    const { status, lines } = await summary([
      { passed: 2, failed: 0, skipped: skipped.slice(0, 1) },
      { passed: 3, failed: 0, skipped: [] },
      { passed: 0, failed: 0, skipped: skipped.slice(2, 3) },
    ]);
    expect(lines).to.deep.equal(['== 2 skipped', `   ${skipped[0]}`, `   ${skipped[2]}`, '5 passed, 0 failed', '']);
    expect(status).to.equal(0);
  });

  it('is one line if nothing was skipped', async () => {
    expect(await summary([{ passed: 2, failed: 0, skipped: [] }])).to.deep.equal({ status: 0, lines: ['2 passed, 0 failed', ''] });
  });

  it('fails with a failed test, with a failed step, and if nothing ran', async () => {
    const passed = { passed: 1, failed: 0, skipped: [] };
    expect(await summary([passed, { passed: 1, failed: 1, skipped: [] }])).to.deep.equal({ status: 1, lines: ['2 passed, 1 failed', ''] });
    expect(await summary([passed], 2)).to.deep.equal({ status: 1, lines: ['1 passed, 2 failed', ''] });
    expect(await summary([])).to.deep.equal({ status: 1, lines: ['0 passed, 0 failed', ''] });
  });
});
