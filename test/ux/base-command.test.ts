import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { leaveOut } from '../support/leave-out.js';
import { runKelp, startKelp, type Finished, type RunOptions } from '../support/run-kelp.js';

const bin = fileURLToPath(new URL('fixture/run.js', import.meta.url));
const run = (args: string[], options: RunOptions = {}): Promise<Finished> => runKelp(args, { bin, ...options });

/** A pipe as a shell makes it: the follower's own exit code, and what the reader printed. */
async function shell(script: string): Promise<{ stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, NODE: process.execPath, BIN: bin };
    execFile('bash', ['-c', script], { env, timeout: 15_000 }, (error, stdout, stderr) => (error ? reject(error) : resolve({ stdout, stderr })));
  });
}

describe('a failure', () => {
  const exits: [string, number][] = [
    ['ENTRY_NOT_FOUND', 1],
    ['PARAMETER_INVALID', 2],
    ['PEER_UNREACHABLE', 3],
    ['CLUSTER_MISMATCH', 4],
    ['STORE_LOCKED', 5],
  ];
  for (const [code, exit] of exits) {
    it(`of code ${code} exits ${exit}, with and without --json`, async () => {
      const text = await run(['fail', code]);
      expect(text).to.deep.include({ code: exit, stdout: '', stderr: 'kelp fail: the fact; the cure\n' });
      const json = await run(['fail', code, '--json']);
      expect(json).to.deep.include({ code: exit, stderr: '' });
      expect(JSON.parse(json.stdout)).to.deep.equal({ error: 'the fact; the cure', code });
    });
  }

  it('that is a bug exits 70 with its stack and asks for a report', async () => {
    const { code, stderr } = await run(['fail', 'bug']);
    expect(code).to.equal(70);
    expect(stderr).to.match(/^kelp fail: undefined is not a function\n {4}at Fail\.run/);
    expect(stderr).to.match(/this is a bug in kelp: please report it .*\n$/);
  });

  it('that nobody waits for exits 70 too', async () => {
    const { code, stderr } = await run(['fail', 'late-bug']);
    expect(code).to.equal(70);
    expect(stderr).to.match(/^kelp: too late\n/);
  });

  it('to read a file that was named exits 2 without a stack', async () => {
    const { code, stderr } = await run(['fail', 'file']);
    expect(code).to.equal(2);
    expect(stderr).to.equal("kelp fail: ENOENT: no such file or directory, open '/nowhere/at/all'\n");
  });

  it('that a command chose by exit() is silent', async () => {
    expect(await run(['fail', 'exit'])).to.deep.include({ code: 1, stdout: '', stderr: '' });
    expect(await run(['fail', 'exit', '--json'])).to.deep.include({ code: 1, stdout: '', stderr: '' });
  });
});

describe('a mistake on the command line', () => {
  const mistakes: [string, string[], string][] = [
    ['an unknown flag', ['flags', '--nope'], 'kelp flags: nonexistent flag: --nope'],
    ['a misspelled flag', ['flags', '-mastre=x'], 'kelp flags: nonexistent flag: -mastre=x; did you mean --master?'],
    ['an argument too many', ['flags', 'x'], 'kelp flags: unexpected argument: x'],
    ['an argument too few', ['fail'], 'kelp fail: missing argument: CODE'],
    ['a flag without its value', ['flags', '--filer'], 'kelp flags: flag --filer expects a value'],
    ['a value that is none', ['flags', '--filer=a:b'], "kelp flags: --filer: 'a:b' is not an address; write host:port, such as localhost:8888"],
    ['a duration that is none', ['flags', '--timeAgo=x'], "kelp flags: --timeAgo: 'x' is not a duration such as 300ms, 25s, 1.5h or 2h45m, or plain seconds"],
    ['a value outside the list', ['flags', '--logLevel=loud'], 'kelp flags: expected --logLevel=loud to be one of: debug, info, warn, error, silent'],
  ];
  for (const [what, args, message] of mistakes) {
    it(`such as ${what} exits 2 with one line`, async () => {
      const { code, stdout, stderr } = await run(args);
      expect({ code, stdout }).to.deep.equal({ code: 2, stdout: '' });
      expect(stderr.split('\n')[0]).to.equal(message);
      expect(stderr.split('\n').length).to.be.at.most(3);
    });
  }

  it('is JSON under --json, and exits 2', async () => {
    const { code, stdout } = await run(['flags', '--nope', '--json']);
    expect(code).to.equal(2);
    expect(JSON.parse(stdout)).to.deep.equal({ error: 'nonexistent flag: --nope', code: 'USAGE' });
  });
});

describe('flags', () => {
  const read = async (args: string[], env: Record<string, string> = {}): Promise<unknown> =>
    JSON.parse((await run(['flags', '--json', ...args], { env })).stdout);

  it('are read in the way of Go too', async () => {
    const expected = { filer: 'a:8888', master: ['b:9333', 'c:1'], timeAgo: 5_400_000, watch: true };
    expect(await read(['-filer=a', '-master', 'b,c:1,b', '-timeAgo=1.5h', '-watch=true'])).to.deep.equal(expected);
  });

  it('come from variables where they are not given', async () => {
    const env = { KELP_FILER: 'a', KELP_MASTER: 'b', KELP_TIME_AGO: '2', KELP_WATCH: '1', KELP_IP_BIND: '::' };
    expect(await read(['--filer=x:1'], env)).to.deep.equal({ filer: 'x:1', master: ['b:9333'], timeAgo: 2000, watch: true, bind: '::' });
  });

  it('of weed that mean nothing here are accepted with a line each', async () => {
    for (const written of ['-s3', '-s3=true', '-s3=false']) {
      const { code, stderr } = await run(['flags', '-replication=001', written, '--json']);
      expect(code, written).to.equal(0);
      expect(stderr.split('\n').sort(), written).to.deep.equal(['', '--replication has no effect in kelp', '--s3 has no effect in kelp']);
    }
  });
});

describe('output', () => {
  it('is whole, however large', async () => {
    const { code, stdout } = await run(['fail', 'big', '--json']);
    expect(code).to.equal(0);
    expect(JSON.parse(stdout).text).to.have.length(1_000_000);
  });

  it('that cannot be written exits 2 with the reason', async function () {
    if (!existsSync('/dev/full')) leaveOut(this, 'there is no /dev/full');
    const { stdout, stderr } = await shell('"$NODE" "$BIN" flags --json > /dev/full; echo $? >&2');
    expect({ stdout, stderr }).to.deep.equal({ stdout: '', stderr: 'kelp: ENOSPC: no space left on device, write\n2\n' });
  });

  it('to a pipe that is closed ends a busy follower with 0', async () => {
    const { stdout } = await shell('"$NODE" "$BIN" stream | head -n 1; echo "${PIPESTATUS[0]}"');
    expect(stdout).to.equal('{"line":1}\n0\n');
  });

  it('to a pipe that is closed ends a quiet follower with 0', async function () {
    // Only GNU tail can watch a pipe for us.
    const { stdout: tail } = await shell('tail --version 2>/dev/null || true');
    if (!tail.includes('GNU')) leaveOut(this, 'this tail is not that of GNU');
    const { stdout } = await shell('"$NODE" "$BIN" stream --quiet | { read -r a; read -r b; read -r c; echo "$c"; }; echo "${PIPESTATUS[0]}"');
    expect(stdout).to.equal('{"line":3}\n0\n');
  });
});

describe('a signal', () => {
  const signals: ['SIGINT' | 'SIGTERM', number][] = [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ];
  for (const [signal, exit] of signals) {
    it(`${signal} ends a follower cleanly with ${exit}`, async () => {
      const follower = startKelp(['stream'], { bin });
      await follower.waitForLine(/"line":2/);
      const { code, stderr } = await follower.kill(signal);
      expect({ code, stderr }).to.deep.equal({ code: exit, stderr: 'resume with --position=here\n' });
    });

    it(`${signal} ends a daemon with 0`, async () => {
      const daemon = startKelp(['daemon'], { bin });
      await daemon.waitForLine(/info +kelp: ready/);
      expect((await daemon.kill(signal)).code).to.equal(0);
    });
  }

  it('ends a daemon whose log nobody reads any more with 0 too', async () => {
    const daemon = startKelp(['daemon', '--chatty'], { bin });
    await daemon.waitForLine(/turn 1/);
    daemon.process.stderr?.destroy();
    daemon.process.stdout?.once('data', () => daemon.process.kill('SIGTERM'));
    expect((await daemon.exited).code).to.equal(0);
  });

  it('that comes a second time ends at once', async () => {
    const follower = startKelp(['stream', '--stubborn'], { bin });
    await follower.waitForLine(/"line":2/);
    follower.process.kill('SIGTERM');
    await follower.waitForLine(/resume/);
    expect((await follower.kill('SIGINT')).code).to.equal(130);
  });
});
