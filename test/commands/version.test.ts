import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { kelpBin, runKelp } from '../support/run-kelp.js';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };

describe('kelp version', () => {
  it('says what runs on what', async () => {
    const { code, stdout, stderr } = await runKelp(['version']);
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
    expect(stdout).to.equal(`kelp ${version}, node ${process.versions.node}, ${process.platform} ${process.arch}\n`);
  });

  it('prints JSON under --json', async () => {
    const { stdout } = await runKelp(['version', '--json']);
    expect(JSON.parse(stdout)).to.deep.equal({ kelp: version, node: process.versions.node, platform: `${process.platform} ${process.arch}` });
  });

  it('has --version, -version and -v as short ways', async () => {
    for (const flag of ['--version', '-version', '-v']) expect((await runKelp([flag])).stdout).to.contain(`/${version} `);
  });
});

describe('kelp', () => {
  it('lists its commands without arguments and under --help, -help and -h', async () => {
    for (const args of [[], ['--help'], ['-help'], ['-h'], ['help']]) {
      const { code, stdout } = await runKelp(args);
      expect(code).to.equal(0);
      expect(stdout).to.match(/^COMMANDS$/m);
      expect(stdout).to.match(/^ {2}version +Show which version/m);
    }
  });

  it('shows the help of a command with examples', async () => {
    const { code, stdout } = await runKelp(['version', '-h']);
    expect(code).to.equal(0);
    expect(stdout).to.match(/^ {2}\$ kelp version --json$/m);
  });

  it('answers a mistyped command with the one that was meant, and exits 2', async () => {
    const { code, stdout, stderr } = await runKelp(['versoin']);
    expect({ code, stdout }).to.deep.equal({ code: 2, stdout: '' });
    expect(stderr).to.equal('kelp: there is no command versoin; did you mean kelp version?\nsee kelp --help\n');
  });

  it('says how to build it where it is not built', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'kelp-'));
    try {
      mkdirSync(join(directory, 'bin'));
      copyFileSync(kelpBin, join(directory, 'bin', 'run.mjs'));
      const { code, stderr } = await runKelp([], { bin: join(directory, 'bin', 'run.mjs') });
      expect({ code, stderr }).to.deep.equal({ code: 2, stderr: 'kelp is not built: run npm run build\n' });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
