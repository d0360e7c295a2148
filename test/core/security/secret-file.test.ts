import { chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { expect } from 'chai';
import { limits } from '../../../src/core/config/limits.js';
import { FilerError } from '../../../src/core/errors.js';
import { createLogger } from '../../../src/core/logger.js';
import { SecretFile } from '../../../src/core/security/secret-file.js';
import { ManualTime } from '../../support/manual-time.js';
import { tempDir } from '../../support/temp-dir.js';

const one = 'the first secret of this test';
const two = 'another secret of this test';

describe('SecretFile', () => {
  let path: string;
  let time: ManualTime;
  let lines: string[];

  beforeEach(async () => {
    path = join(await tempDir(), 'secret');
    time = new ManualTime();
    lines = [];
  });

  const write = async (text: string, mode = 0o600): Promise<void> => {
    // Another file in its place, as an operator should do it: a reader never meets half of one.
    await writeFile(`${path}.new`, text, { mode });
    await chmod(`${path}.new`, mode);
    await rename(`${path}.new`, path);
  };
  const open = (given = path) =>
    SecretFile.open(given, { time, logger: createLogger({ level: 'debug', write: (line) => lines.push(line), now: () => new Date() }) });
  const secretsOf = (file: SecretFile): string[] => file.all.map((key) => key.export().toString());
  const refusal = (given = path): FilerError => {
    try {
      open(given);
    } catch (error) {
      expect(error).to.be.instanceOf(FilerError).with.property('code', 'USAGE');
      return error as FilerError;
    }
    throw new Error('it was accepted');
  };

  it('takes one secret or two, and leaves out comments, blank lines and the ends of lines', async () => {
    await write(`${one}`);
    expect(secretsOf(open())).to.deep.equal([one]);
    await write(`# of the cluster\n\n  ${one}\r\n#${two}\n${two}\n\n`);
    expect(secretsOf(open())).to.deep.equal([one, two]);
  });

  const bad: [what: string, text: string, message: RegExp][] = [
    ['none', '# nothing\n\n', /holds no secret; put one/],
    ['a short one', `${one}\n\nfifteen letters\n`, /a secret of 15 bytes in line 3; take at least 16/],
    ['three', `${one}\n${two}\n${one}x\n`, /holds 3 secrets; it may hold two/],
    ['too much', 'x'.repeat(limits.secretFileBytesMax + 1), /has more than 4096 bytes/],
  ];
  for (const [what, text, message] of bad) {
    it(`refuses a file that holds ${what}, without a word of it`, async () => {
      await write(text);
      expect(refusal().message)
        .to.match(message)
        .and.not.match(/fifteen|first secret|another secret/);
    });
  }

  it('refuses a file that others can read, and one that they can write', async () => {
    for (const mode of [0o640, 0o604, 0o620]) {
      await write(one, mode);
      expect(refusal().message).to.equal(`--secretFile: ${path} can be read or written by others than its owner; type: chmod 600 ${path}`);
    }
  });

  it('refuses a missing file and what is no file', async () => {
    expect(refusal().message).to.contain('does not exist; type: (umask 077; openssl rand -hex 32 > ');
    await mkdir(path, { mode: 0o700 });
    expect(refusal().message).to.contain('is not a regular file');
  });

  it('does not repeat what was given in place of a file, since that may be the secret itself', () => {
    for (const given of ['8c0f5e7d2b1a4938', 'correct horse battery staple']) {
      const error = refusal(given);
      expect(inspect(error, { depth: 10 }))
        .to.contain('a file that holds the secret, not the secret')
        .and.not.contain(given);
    }
  });

  it('follows the file when it changes, looking at most once a second', async () => {
    await write(`${one}\n`);
    const file = open();
    await write(`${one}\n${two}\n`);
    expect(secretsOf(file)).to.deep.equal([one]);
    await time.advance(limits.secretLookMs);
    expect(secretsOf(file)).to.deep.equal([one, two]);
    await write(`${two}\n`);
    await time.advance(limits.secretLookMs);
    expect(secretsOf(file)).to.deep.equal([two]);
    expect(lines.length).to.equal(2);
  });

  it('goes on with what it had when the file goes bad, and says so once', async () => {
    await write(`${one}\n`);
    const file = open();
    const changes = [() => chmod(path, 0o644), () => write('short'), () => rm(path)];
    for (const change of changes) {
      lines = [];
      await change();
      for (let second = 0; second < 3; second += 1) {
        await time.advance(limits.secretLookMs);
        expect(secretsOf(file)).to.deep.equal([one]);
      }
      expect(lines.length).to.equal(1);
      expect(lines[0]).to.contain('going on with the secrets read before').and.not.contain('short');
    }
    await write(two);
    await time.advance(limits.secretLookMs);
    expect(secretsOf(file)).to.deep.equal([two]);
  });

  it('shows no secret when it is printed', async () => {
    await write(one);
    const file = open();
    expect(`${inspect(file, { depth: 9, showHidden: true })}${JSON.stringify(file)}`).not.to.contain('first secret');
  });
});
