import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { DemoResult } from '../../src/core/demo/demo.js';
import { limits } from '../../src/core/config/limits.js';
import { runKelp, startKelp, type Started } from '../support/run-kelp.js';
import { tempDir } from '../support/temp-dir.js';
import { waitFor } from '../support/wait-for.js';

const timeoutMs = 60_000;

/** A folder with everything that needs care: empty directories, modes, odd names, a symlink, a file over the limit. */
async function smallFolder(): Promise<string> {
  const folder = join(await tempDir(), 'small');
  for (const directory of ['docs/deep/er', 'empty', 'more']) await mkdir(join(folder, directory), { recursive: true });
  for (const name of ['docs/a', 'docs/deep/b', 'docs/deep/er/c', 'more/d', 'one', 'two', 'thr ee', '100%', 'vier\u001b[31m', 'fünf?#'])
    await writeFile(join(folder, name), `${name}\n`);
  await writeFile(join(folder, 'zero'), '');
  await chmod(join(folder, 'one'), 0o640);
  await writeFile(join(folder, 'big'), Buffer.alloc(limits.contentBytesMax + 1));
  await symlink('one', join(folder, 'link'));
  return folder;
}

/** Every demo of a test has a temporary folder of its own to make its own in, so that what is left over can be told. */
async function place(): Promise<{ TMPDIR: string }> {
  return { TMPDIR: await tempDir() };
}

/** Processes whose command line names `directory`. */
function processesIn(directory: string): string[] {
  return execFileSync('ps', ['-eo', 'pid,args'], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes(directory));
}

async function expectNothingLeft({ TMPDIR }: { TMPDIR: string }): Promise<void> {
  expect(processesIn(TMPDIR)).to.deep.equal([]);
  expect((await readdir(TMPDIR)).filter((name) => name.startsWith('kelp-'))).to.deep.equal([]);
}

/** The process of a filer of the demo in `TMPDIR`. */
function processOf(name: string, { TMPDIR }: { TMPDIR: string }): number {
  const line = processesIn(TMPDIR).find((text) => text.includes(`/${name}`));
  return Number(line?.trim().split(' ')[0]);
}

describe('kelp demo', function () {
  // Longer than any wait in it: a wait that fails shows what the demo said.
  this.timeout(timeoutMs + 30_000);
  const started: Started[] = [];

  async function start(args: string[], env: { TMPDIR: string }): Promise<Started> {
    const demo = startKelp(['demo', ...args], { env });
    started.push(demo);
    return demo;
  }

  after(async () => {
    for (const demo of started) await demo.kill();
  });

  it('ends with 0 under --once when all filers are equal, prints the result as JSON and the story on stderr, and leaves nothing', async () => {
    const [folder, env] = [await smallFolder(), await place()];
    const { code, stdout, stderr } = await runKelp(['demo', folder, '--once', '--json'], { env, timeoutMs });
    const { equal, copied, skipped, changed, conflict, joined, proof } = JSON.parse(stdout) as DemoResult;
    expect({ code, equal }).to.deep.equal({ code: 0, equal: true });
    for (const step of ['start', 'copy', 'crash', 'change', 'conflict', 'join', 'proof']) expect(stderr).to.match(new RegExp(`^${step} +\\S`, 'm'));
    expect(stderr).to.match(/killed filer 2 with -9 after [\d,]+ of [\d,]+ changes/);
    expect(stderr).to.match(/filer 2 is back with its store on port \d+; caught up [\d.]+ s after the kill/);
    expect(stderr).to.contain('skipped 1, symlink: link\n').and.to.contain('skipped 1, over the content limit of 1 MiB: big\n');
    expect(stderr).to.match(/^equal +4 filers, one tree of \d+ entries, one digest$/m);
    expect(stderr, 'an escape in a file name').to.not.contain('\u001b');
    expect(copied).to.include({ to: '/small', directories: 6, files: 11 });
    expect(skipped.map(({ count, names }) => [count, names.length])).to.deep.equal([
      [1, 1],
      [1, 1],
    ]);
    expect(changed.overwritten).to.be.greaterThan(0);
    expect(changed.deleted).to.be.greaterThan(0);
    expect(changed.renamed).to.include({ path: '/small/docs', to: '/small/docs-renamed', entries: 6 });
    expect(conflict.written.map(({ content }) => content)).to.include.members([conflict.stands, conflict.ledger.overruled]);
    expect(proof.witnesses).to.have.lengthOf(4);
    expect(new Set(proof.witnesses.flatMap(({ digest, recomputed }) => [digest, recomputed])).size).to.equal(1);
    expect(new Set(proof.witnesses.map(({ tree }) => tree)).size).to.equal(1);
    expect(joined.entries).to.equal(proof.witnesses[0]?.entries);
    await expectNothingLeft(env);
  });

  it('stays up after the proof, beside another demo: 0 at a signal, 1 and the last lines of its log when a filer dies', async () => {
    const [folder, env, other] = [await smallFolder(), await place(), await place()];
    const demos = await Promise.all([start([folder], env), start([folder], other)]);
    for (const demo of demos) {
      await demo.waitForLine(/^equal +4 filers/, timeoutMs);
      const [, url = ''] = await demo.waitForLine(/^try +curl '(http:\S+)\?pretty=y'/);
      expect(await (await fetch(url)).json()).to.have.property('Entries');
    }
    const [interrupted, bereft] = demos;
    expect(await interrupted.kill('SIGINT')).to.include({ code: 0, stderr: '' });
    await expectNothingLeft(env);

    process.kill(processOf('filer-3', other), 'SIGKILL');
    const { code, stderr } = await bereft.exited;
    expect(code).to.equal(1);
    expect(stderr).to.match(/^ {2}\S+ (info|warn) +kelp/m);
    expect(stderr).to.match(/^kelp demo: filer 3 has ended by itself \(SIGKILL\)/m);
    await expectNothingLeft(other);
  });

  for (const [signal, exit] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    it(`cleans up when ${signal} comes in the middle: ${exit}`, async () => {
      const [folder, env] = [await smallFolder(), await place()];
      const demo = await start([folder], env);
      await demo.waitForLine(/^copy /, timeoutMs);
      const { code, stderr } = await demo.kill(signal);
      expect({ code, stderr }).to.deep.equal({ code: exit, stderr: '' });
      await expectNothingLeft(env);
    });
  }

  it('cleans up at once at a second signal', async () => {
    const [folder, env] = [await smallFolder(), await place()];
    const demo = await start([folder], env);
    await demo.waitForLine(/^start .*\n?/, timeoutMs);
    await waitFor(() => processOf('filer-1', env), { what: 'the process of filer 1' });
    demo.process.kill('SIGINT');
    expect(await demo.kill('SIGINT')).to.include({ code: 130 });
    await waitFor(() => processesIn(env.TMPDIR).length === 0, { what: 'all processes to be gone' });
    await expectNothingLeft(env);
  });

  it('refuses what cannot be copied, and JSON without an end, before it starts anything', async () => {
    const env = await place();
    const file = join(await tempDir(), 'file');
    await writeFile(file, '');
    for (const [args, message] of [
      [[join(file, 'nowhere')], /cannot read .*nowhere/],
      [[file], /is not a directory/],
      [[tmpdir(), '--json'], /add --once/],
    ] as const) {
      const { code, stdout, stderr } = await runKelp(['demo', ...args], { env });
      expect(code).to.equal(2);
      expect(`${stdout}${stderr}`).to.match(message);
      await expectNothingLeft(env);
    }
  });
});
