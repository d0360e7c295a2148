import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { request } from 'undici';
import { silentLogger } from '../../src/core/logger.js';
import { SecretFile } from '../../src/core/security/secret-file.js';
import { Signer } from '../../src/core/security/signer.js';
import { realTime } from '../../src/core/time.js';
import { freePort, startCluster, type Cluster, type ClusterFiler, type ClusterProcess, type Reply, type StoreJson } from '../support/cluster.js';
import { commandNames, loadCommand, runCommand } from '../support/run-command.js';
import { runKelp, startKelp, type Finished } from '../support/run-kelp.js';
import { tempDir } from '../support/temp-dir.js';
import { waitFor } from '../support/wait-for.js';

const first = 'correct horse battery staple';
const second = 'another one for the next year';
const wrong = 'what somebody else has for one';
const tooShort = 'a short one';

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
    for (const name of ['operator', 'former', 'master', 'a', 'b', 'c']) await give(name, first);
    await give('stranger', wrong);
    cluster = await startCluster({ filers: 0, masterArgs: [`--secretFile=${fileOf('master')}`, '--logLevel=debug'], filerArgs: ['--logLevel=debug'] });
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

  it('answers good and bad signatures alike without a word of its secrets', async () => {
    const [route, ofMaster] = [(name: string) => `/.filer/v1/${name}`, ['/cluster/status', '/cluster/filers']];
    const ofFilers = ['store', 'peers', 'conflicts', 'quarantine', 'log', 'changes', 'snapshot', 'digest', 'checkpoints', 'links', 'kv/key'].map(route);
    const callers = { right: fileOf('operator'), former: fileOf('former'), wrong: fileOf('stranger') };
    for (const each of all()) {
      for (const path of ['/healthz', '/readyz', '/metrics', ...(each === cluster.master ? [] : ['/', '/docs/a.txt'])]) {
        heard.push(textOf(await each.expect(200, 'GET', path, { headers: { accept: 'text/html' } })));
      }
      const paths = each === cluster.master ? ofMaster : ofFilers;
      const audience =
        each === cluster.master
          ? undefined
          : (await signedRequest(each, route('store'), callers.right).then(({ text }) => JSON.parse(text) as StoreJson)).storeId;
      for (const path of paths) {
        for (const [caller, file] of Object.entries(callers)) {
          const reply = await signedRequest(each, path, file, audience);
          heard.push(textOf(reply));
          // Nobody has kept a value under that key.
          expect({ path, caller, status: reply.status }).to.deep.equal({ path, caller, status: caller !== 'right' ? 401 : path.includes('kv/') ? 404 : 200 });
        }
        for (const authorization of ['', 'Kelp-HMAC-SHA256', 'Kelp-HMAC-SHA256 00', `Bearer ${'0'.repeat(64)}`]) {
          const reply = await each.request('GET', path, { headers: { authorization } });
          heard.push(textOf(reply));
          expect({ path, authorization, status: reply.status }).to.deep.equal({ path, authorization, status: 401 });
        }
      }
    }
  });

  it('is told of by no command, whatever the file of the secret holds and whoever answers', async function () {
    const address = { filer: a.address, master: cluster.master.address };
    const nobody = { filer: `127.0.0.1:${await freePort()}`, master: `127.0.0.1:${await freePort()}` };
    await give('operator', second, first);
    await give('short', tooShort);
    await give('three', first, second, wrong);
    await give('open', second);
    await chmod(fileOf('open'), 0o644);
    const unfit = ['short', 'three', 'open'];
    const [changes, tree] = [join(folder, 'changes'), join(folder, 'tree')];
    const signed = [`--filer=${address.filer}`, `--secretFile=${fileOf('operator')}`];
    await writeFile(changes, (await run(['filer.meta.tail', ...signed, '--position=', '--no-follow', '--limit=10'])).stdout);
    await run(['fs.meta.save', ...signed, '-o', tree, '/docs']);
    /** Commands that end by themselves, run in this process, in this order; those that follow, as processes. */
    const argsOf = ({ filer, master }: typeof address): { oneShot: Record<string, string[]>; followers: Record<string, string[]> } => {
      const at = `--filer=${filer}`;
      return {
        oneShot: {
          'filer.cat': [`http://${filer}/docs/a.txt`],
          'filer.conflicts': [at],
          'filer.copy': [changes, `http://${filer}/copied/`],
          'filer.log': [at],
          'filer.meta.replay': [changes, at],
          'filer.quarantine': [at],
          'filer.store.id': [at],
          'filer.sync.checkpoints': [at],
          'filer.wait': [at, filer === nobody.filer ? '--timeout=1s' : '--timeout=20s'],
          'fs.du': [at],
          'fs.ls': [at],
          'fs.meta.cat': [at, '/docs/a.txt'],
          'fs.meta.load': [at, tree],
          'fs.meta.save': [at, '-v', '-o', `${tree}.again`, '/docs'],
          'fs.mkdir': [at, '/made'],
          'fs.mv': [at, '/made', '/moved'],
          'fs.rm': [at, '-r', '/moved', '/copied'],
          'fs.tree': [at],
        },
        followers: {
          'filer.meta.backup': [at, `--store=${join(folder, 'backup')}`, '--once'],
          'filer.meta.tail': [at, '--position=', '--no-follow'],
          'filer.peers': [`--master=${master}`],
          'filer.sync': [`--a=${filer}`, `--b=${filer}`, '--a.path=/docs', '--b.path=/copy-of-docs', '--once', '--timeout=10s'],
          'filer.sync.verify': [`--a=${filer}`, `--b=${filer}`],
        },
      };
    };
    const { oneShot, followers } = argsOf(address);
    const daemons = ['demo', 'filer', 'master', 'server'];
    expect([...Object.keys(oneShot), ...Object.keys(followers), ...daemons, 'completion', 'version'], 'all commands').to.have.members(await commandNames());

    const codes: Record<string, Set<number | null>> = {};
    const note = (how: string, { code, stdout, stderr }: Pick<Finished, 'code' | 'stdout' | 'stderr'>): void => {
      heard.push(stdout, stderr);
      (codes[how] ??= new Set()).add(code);
    };
    const ways: [how: string, to: typeof address, file: string][] = [
      ['right', address, 'operator'],
      ['wrong', address, 'stranger'],
      ['former', address, 'former'],
      ['nobody', nobody, 'operator'],
      ...unfit.map((file): [string, typeof address, string] => ['unfit', address, file]),
    ];
    for (const [how, to, file] of ways) {
      const common = [`--secretFile=${fileOf(file)}`, '--logLevel=debug'];
      for (const more of [[], ['--json']]) {
        for (const [name, args] of Object.entries(argsOf(to).oneShot)) note(how, await runCommand(await loadCommand(name), [...args, ...common, ...more]));
      }
      if (['former', 'three', 'open'].includes(file)) continue;
      const follow = async ([name, args]: [string, string[]]): Promise<void> => {
        const started = startKelp([name, ...args, ...common, ...(how === 'wrong' ? ['--json'] : [])]);
        // Some go on until somebody is there.
        if (how === 'nobody')
          await started.waitForLine(/cannot reach/, 15_000).then(
            () => started.kill(),
            () => {},
          );
        note(how === 'unfit' ? how : `${how}, following`, await started.exited);
      };
      await Promise.all(Object.entries(argsOf(to).followers).map(follow));
    }
    for (const name of daemons) note('unfit', await runKelp([name, `--secretFile=${fileOf('short')}`], { cwd: folder }));
    expect([...(codes['right'] as Set<number>)]).to.deep.equal([0]);
    expect([...(codes['wrong'] as Set<number>)].sort(), 'those that ask for a tree need no signature').to.deep.equal([0, 4]);
    expect([...(codes['former'] as Set<number>)].sort()).to.deep.equal([0, 4]);
    expect([...(codes['nobody'] as Set<number>)]).to.deep.equal([3]);
    expect([...(codes['unfit'] as Set<number>)]).to.deep.equal([2]);

    const help = (name: string) => run([name, '--help'], { env: { KELP_SECRET_FILE: fileOf('operator') } });
    for (const finished of await Promise.all(['filer', 'master', 'filer.peers', 'filer.sync', 'fs.ls'].map(help))) note('help', finished);
    expect([...(codes['help'] as Set<number>)]).to.deep.equal([0]);
  });

  it('has told its secrets to nobody', async () => {
    const commandLines = await Promise.all(all().map(async ({ pid }) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
    const environments = await Promise.all(all().map(async ({ pid }) => readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')));
    const logs: string[] = [];
    for (const each of all()) {
      const { stdout, stderr } = (await each.stop()) as Finished;
      expect(stderr, 'the log is whole').to.match(/listens at|filer http/);
      logs.push(stdout, stderr);
    }
    const files = (await readdir(cluster.directory, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
    const contents = await Promise.all(files.map((entry) => readFile(join(entry.parentPath, entry.name), 'latin1')));
    const everything = [...heard, ...logs, ...commandLines, ...environments, ...contents].join('\n');
    for (const secret of [first, second, wrong, tooShort]) {
      for (const [form, text] of formsOf(secret)) expect(everything.includes(text), `a secret, ${form}`).to.equal(false);
    }
    // That everything was heard, too.
    expect(contents.join('')).to.contain('rotation');
    for (const sign of ['SIGNATURE_INVALID', 'kelp_connections ', '"storeId"', 'has a secret of', 'holds 3 secrets', '--secretFile'])
      expect(heard.join('')).to.contain(sign);
  });
});

/** An answer as it came: its headers may tell as much as its body. */
const textOf = ({ headers, text }: Reply): string => `${JSON.stringify(headers)}\n${text}`;

/** A GET as somebody sends it who has this secret. */
async function signedRequest(to: ClusterProcess, path: string, secretFile: string, audience?: string): Promise<Reply> {
  const signer = new Signer({ secrets: SecretFile.open(secretFile, { time: realTime, logger: silentLogger }), time: realTime });
  return to.request('GET', path, { headers: signer.sign({ method: 'GET', target: path, address: to.address, headers: {}, body: undefined, audience }) });
}

/** A secret in every way in which it might be written down, also within something longer. */
function formsOf(secret: string): [form: string, text: string][] {
  const bytes = Buffer.from(secret);
  // The letters that depend on no byte before or after it, for each place in a group of three at which it may begin.
  const base64 = [0, 1, 2].map((before) => Buffer.concat([Buffer.alloc(before), bytes.subarray(0, bytes.length - ((before + bytes.length) % 3))]));
  return [
    ['as it is', secret],
    ['in hex', bytes.toString('hex')],
    ['in upper hex', bytes.toString('hex').toUpperCase()],
    ['as part of a URL', encodeURIComponent(secret)],
    ['as a part of a query', new URLSearchParams({ secret }).toString().slice('secret='.length)],
    ['as every byte of a URL', [...bytes].map((byte) => `%${byte.toString(16)}`).join('')],
    ...base64.map((padded, before): [string, string] => [`in base64, after ${before} bytes`, padded.toString('base64').slice(before === 0 ? 0 : 4)]),
    ...base64.map((padded, before): [string, string] => [`in base64url, after ${before} bytes`, padded.toString('base64url').slice(before === 0 ? 0 : 4)]),
  ];
}

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
