import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { request } from 'undici';
import { startCluster, type Cluster, type ClusterFiler, type ClusterProcess } from '../support/cluster.js';
import { runKelp, startKelp, type Finished } from '../support/run-kelp.js';
import { tempDir } from '../support/temp-dir.js';
import { waitFor } from '../support/wait-for.js';

const first = 'correct horse battery staple';
const second = 'another one for the next year';
const wrong = 'what somebody else has for one';

/* A master and three filers, each with a secret file of its own, as on machines of their own. */
describe('A cluster with a secret', function () {
  this.timeout(180_000);
  let folder: string;
  let cluster: Cluster;
  let [a, b, c]: ClusterFiler[] = [];
  /** Of all that was asked and run. */
  const heard: string[] = [];

  const fileOf = (name: string): string => join(folder, `${name}.secret`);
  const give = async (name: string, ...secrets: string[]): Promise<void> => {
    await writeFile(`${fileOf(name)}.new`, `# ${name}\n${secrets.join('\n')}\n`, { mode: 0o600 });
    await rename(`${fileOf(name)}.new`, fileOf(name));
  };
  const run = async (args: readonly string[], options: { env?: Record<string, string> } = {}): Promise<Finished> => {
    const finished = await runKelp(args, options);
    heard.push(finished.stdout, finished.stderr);
    return finished;
  };
  const linesOf = (each: ClusterProcess, pattern: RegExp): number => `${each.started.output.stdout}${each.started.output.stderr}`.match(pattern)?.length ?? 0;
  const all = (): ClusterProcess[] => [cluster.master, ...cluster.filers];
  const inStep = () =>
    waitFor(async () => (await run(['filer.peers', `--master=${cluster.master.address}`, `--secretFile=${fileOf('operator')}`])).code === 0, {
      what: 'all filers to be in step',
      timeoutMs: 40_000,
      everyMs: 200,
    });

  before(async () => {
    folder = await tempDir();
    for (const name of ['operator', 'master', 'a', 'b', 'c']) await give(name, first);
    cluster = await startCluster({ filers: 0, masterArgs: [`--secretFile=${fileOf('master')}`] });
    for (const name of ['a', 'b', 'c']) await cluster.addFiler({ args: [`--secretFile=${fileOf(name)}`], ready: false });
    [a, b, c] = cluster.filers;
    for (const filer of cluster.filers) await filer.ready(40_000);
  });
  after(() => cluster?.close());

  it('replicates, and shows it to whoever has the secret', async () => {
    await a.put('/docs/a.txt', 'signed');
    await inStep();
    expect([await b.get('/docs/a.txt'), await c.get('/docs/a.txt')]).to.deep.equal(['signed', 'signed']);
    const env = { KELP_SECRET_FILE: fileOf('operator') };
    for (const args of [['filer.store.id'], ['filer.meta.tail', '--position=', '--no-follow']]) {
      expect(await run([...args, `--filer=${b.address}`], { env })).to.include({ code: 0 });
    }
  });

  it('refuses commands that have none, or another one, with exit code 4', async () => {
    await give('stranger', wrong);
    const master = `--master=${cluster.master.address}`;
    const filer = `--filer=${a.address}`;
    for (const args of [
      ['filer.peers', master],
      ['filer.peers', filer],
      ['filer.store.id', filer],
      ['filer.meta.tail', filer],
      ['filer.wait', filer],
      ['filer.wait', master],
    ]) {
      const without = await run(args);
      expect({ args, code: without.code }).to.deep.equal({ args, code: 4 });
      expect(without.stderr).to.contain('this must be signed; start the caller with --secretFile');
    }
    const other = await run(['filer.peers', master, `--secretFile=${fileOf('stranger')}`]);
    expect(other.code).to.equal(4);
    expect(other.stderr).to.contain('the signature does not fit');
  });

  it('refuses unsigned requests to replication and membership, but not to the tree', async () => {
    for (const [to, path] of [
      [a, '/.filer/v1/store'],
      [a, '/.filer/v1/changes'],
      [a, '/.filer/v1/snapshot'],
      [cluster.master, '/cluster/filers'],
      [cluster.master, '/cluster/status'],
    ] as const) {
      const reply = await to.request('GET', path);
      heard.push(reply.text);
      expect({ path, status: reply.status, code: (JSON.parse(reply.text) as { code: string }).code }).to.deep.equal({
        path,
        status: 401,
        code: 'SIGNATURE_INVALID',
      });
    }
    expect((await a.request('GET', '/docs/a.txt')).status).to.equal(200);
    for (const each of all()) for (const path of ['/healthz', '/readyz', '/metrics']) heard.push((await each.expect(200, 'GET', path)).text);
  });

  it('lets in a client that docs/protocol.md writes with openssl', async () => {
    const page = await readFile(fileURLToPath(new URL('../../docs/protocol.md', import.meta.url)), 'utf8');
    const [, script = ''] = /In a shell:\n\n```sh\n([^]*?)```/.exec(page) ?? [];
    await writeFile(join(folder, 'secret'), `${first}\n`, { mode: 0o600 });
    const { stdout } = await promisify(execFile)('sh', ['-ec', script.replace('127.0.0.1:8888', a.address)], { cwd: folder });
    heard.push(stdout);
    expect(JSON.parse(stdout)).to.include({ address: a.address, state: 'ready' });
  });

  it('shows a filer with another secret as refused, and goes on with it once it has the right one', async () => {
    await give('c', wrong);
    await waitFor(() => linesOf(c, /refused: the signature does not fit/g) > 0 && linesOf(c, /refuses this filer/g) > 0, {
      what: 'c to be refused',
      timeoutMs: 40_000,
    });
    const { stdout } = await run(['filer.peers', `--filer=${a.address}`, `--secretFile=${fileOf('operator')}`]);
    expect(stdout).to.match(/refused|unreachable/);
    await a.put('/docs/while-c-is-out.txt', 'x');
    await c.put('/docs/c-works-on.txt', 'y');
    await give('c', first);
    await waitFor(() => linesOf(c, /accepts this filer again/g) > 0, { what: 'c to be accepted', timeoutMs: 40_000 });
    await inStep();
    expect([await c.get('/docs/while-c-is-out.txt'), await a.get('/docs/c-works-on.txt')]).to.deep.equal(['x', 'y']);
    // Said once, though it was tried again and again.
    expect(linesOf(c, /refuses this filer/g)).to.equal(1);
  });

  it('changes its secret while it runs, without a refusal', async () => {
    const refusals = (): number[] => all().map((each) => linesOf(each, /refuse|must be signed|does not fit/g));
    const before = refusals();
    let writing = true;
    let written = 0;
    const writer = (async () => {
      for (; writing; written += 1) await a.put(`/rotation/${written}`, String(written));
    })();
    for (const secrets of [[first, second], [second, first], [second]]) {
      for (const each of all()) {
        const read = linesOf(each, /has changed; requests are signed/g);
        await give(each === cluster.master ? 'master' : (['a', 'b', 'c'][cluster.filers.indexOf(each as ClusterFiler)] as string), ...secrets);
        await waitFor(() => linesOf(each, /has changed; requests are signed/g) > read, { what: `${each.name} to read its secrets`, timeoutMs: 20_000 });
      }
    }
    await give('operator', second);
    writing = false;
    await writer;
    await inStep();
    expect(await c.list('/rotation')).to.have.length(written);
    expect(refusals()).to.deep.equal(before);
    expect(written).to.be.above(20);
  });

  it('has told its secrets to nobody', async () => {
    const commandLines = await Promise.all(all().map(async ({ pid }) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
    const environments = await Promise.all(all().map(async ({ pid }) => readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')));
    for (const each of all()) {
      const { stdout, stderr } = (await each.stop()) as Finished;
      heard.push(stdout, stderr);
    }
    const files = (await readdir(cluster.directory, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
    const contents = await Promise.all(files.map((entry) => readFile(join(entry.parentPath, entry.name), 'latin1')));
    expect(contents.join('')).to.contain('rotation');
    expect(heard.join('')).to.contain('SIGNATURE_INVALID');
    const everything = [...heard, ...commandLines, ...environments, ...contents].join('\n');
    for (const secret of [first, second, wrong]) {
      const bytes = Buffer.from(secret);
      for (const form of [secret, bytes.toString('hex'), bytes.toString('base64').replace(/=*$/, ''), encodeURIComponent(secret)]) {
        expect(everything.includes(form), 'a secret').to.equal(false);
      }
    }
  });
});

/** Where only a process is reached that listens beyond 127.0.0.1: at an address of this machine, else at another one of its loopback. */
const outside =
  Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '127.0.0.2';

/** A request by way of `outside`. */
async function fromOutside(port: number | string, method: 'GET' | 'PUT', path: string, body?: string): Promise<{ status: number; text: string }> {
  const answer = await request(`http://${outside}:${port}${path}`, { method, body, headers: { host: 'localhost' } });
  return { status: answer.statusCode, text: await answer.body.text() };
}

describe('A process that listens beyond loopback', function () {
  this.timeout(60_000);
  const everywhere = '--ip.bind=0.0.0.0';
  let folder: string;
  let cluster: Cluster | null = null;

  beforeEach(async () => {
    folder = await tempDir();
  });
  afterEach(async () => {
    await cluster?.close();
    cluster = null;
  });

  for (const [name, flags, listens, path] of [
    ['filer', ['--port=0', '--master=', '--defaultStoreDir=DIR'], /filer http:\/\/\S+:(\d+) /, '/.filer/v1/store'],
    ['master', ['--port=0', '--mdir=DIR'], /listens at \S+:(\d+)/, '/cluster/status'],
    ['server', ['--master.port=0', '--filer.port=0', '--dir=DIR'], /filer http:\/\/\S+:(\d+) /, '/.filer/v1/store'],
  ] as const) {
    it(`is refused without a secret; with the flag that was named, --insecure, it warns and serves whoever comes: ${name}`, async () => {
      const directory = join(folder, 'made');
      const args = [name, everywhere, ...flags.map((flag) => flag.replace('DIR', directory))];
      const { code, stdout, stderr } = await runKelp(args);
      expect([code, stdout], stderr).to.deep.equal([2, '']);
      expect(stderr).to.include(`type: kelp ${args.join(' ')} --secretFile=FILE, or --insecure`);
      expect(existsSync(directory), 'nothing was made').to.equal(false);

      const started = startKelp([...args, '--insecure']);
      try {
        const [, port] = await started.waitForLine(listens, 20_000);
        expect(started.output.stderr).to.include('listening at 0.0.0.0 with --insecure: everybody who reaches it can read and change everything');
        expect((await fromOutside(port, 'GET', '/healthz')).status).to.equal(200);
        expect((await fromOutside(port, 'GET', path)).status, 'unsigned').to.equal(200);
        if (name === 'master') return;
        await waitFor(async () => (await fromOutside(port, 'PUT', '/docs/a.txt', 'from outside')).status === 201, { what: 'a write' });
        expect(await fromOutside(port, 'GET', '/docs/a.txt')).to.deep.equal({ status: 200, text: 'from outside' });
      } finally {
        await started.kill();
      }
    });
  }

  it('joins others that do, with --insecure', async () => {
    cluster = await startCluster({ filers: 0 });
    const open = { args: [everywhere, '--insecure'], ready: false };
    const [a, b] = [await cluster.addFiler(open), await cluster.addFiler(open)];
    await Promise.all([a.ready(), b.ready()]);
    await a.put('/docs/a.txt', 'unsigned');
    await cluster.converged([a, b]);
    expect(await b.get('/docs/a.txt')).to.equal('unsigned');
  });

  it('with a secret refuses what is not signed; who signs joins, who does not stays out', async () => {
    const file = join(folder, 'secret');
    await writeFile(file, `${first}\n`, { mode: 0o600 });
    const signed = `--secretFile=${file}`;
    cluster = await startCluster({ filers: 0, masterArgs: [signed] });
    const a = await cluster.addFiler({ args: [everywhere, signed] });
    expect(a.log()).to.include('listening at 0.0.0.0: replication is signed, but the tree API has neither tokens nor TLS yet').and.not.include('--insecure');
    await a.put('/docs/a.txt', 'signed');
    for (const path of ['/.filer/v1/store', '/.filer/v1/changes', '/.filer/v1/snapshot', '/.filer/v1/peers']) {
      const { status, text } = await fromOutside(a.port, 'GET', path);
      expect({ path, status, code: (JSON.parse(text) as { code: string }).code }).to.deep.equal({ path, status: 401, code: 'SIGNATURE_INVALID' });
    }
    expect((await fromOutside(a.port, 'GET', '/healthz')).status).to.equal(200);

    const b = await cluster.addFiler({ args: [everywhere, signed] });
    expect(await b.get('/docs/a.txt')).to.equal('signed');
    await b.put('/docs/b.txt', 'signed too');
    await waitFor(() => a.get('/docs/b.txt'), { what: 'the write of the peer that signs' });

    const stranger = await cluster.addFiler({ args: [everywhere, '--insecure'], ready: false });
    await stranger.started.waitForLine(/refuses this filer: this must be signed/, 20_000);
    const listed = await runKelp(['filer.peers', `--master=${cluster.master.address}`, signed, '--json']);
    expect((JSON.parse(listed.stdout) as { filers: { address: string }[] }).filers.map(({ address }) => address)).to.have.members([a.address, b.address]);
    expect(await stranger.get('/docs/a.txt')).to.equal(null);
  });
});
