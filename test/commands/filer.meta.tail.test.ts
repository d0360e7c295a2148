import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect } from 'chai';
import { freePort, startCluster, type Cluster, type ClusterFiler } from '../support/cluster.js';
import { kelpBin, runKelp, startKelp } from '../support/run-kelp.js';
import { waitFor } from '../support/wait-for.js';

interface ChangeJson {
  directory: string;
  eventNotification: { newEntry?: { name: string } };
  replication: { origin: string; seq: number };
}

const resume = /^resume with --position=(\S*)$/m;

describe('kelp filer.meta.tail', function () {
  this.timeout(60_000);
  let cluster: Cluster;
  let [a, b]: ClusterFiler[] = [];

  before(async () => {
    cluster = await startCluster({ filers: 2 });
    [a, b] = cluster.filers;
    await a.put('/docs/a.txt', 'hello');
    await b.put('/docs/b.bin', 'hi');
    await cluster.converged();
    await b.move('/docs/b.bin', '/docs/c\tc');
    await a.put('/docs/a.txt', 'hello again');
    await cluster.converged();
    await b.remove('/docs', { recursive: true });
    await cluster.converged();
  });
  after(() => cluster?.close());

  const tail = (...args: string[]) => ['filer.meta.tail', `--filer=${a.address}`, ...args];
  const linesOf = (text: string): string[] => text.split('\n').slice(0, -1);
  const namesIn = (text: string) => linesOf(text).map((line) => (JSON.parse(line) as ChangeJson).eventNotification.newEntry?.name);

  it('prints what the feed has, line by line as it is, and where to resume', async () => {
    const { code, stdout, stderr } = await runKelp(tail('--position=', '--no-follow'));
    const { text } = await a.request('GET', '/.filer/v1/changes?offset=-1');
    expect(linesOf(stdout)).to.deep.equal(
      text
        .split('\n')
        .slice(1, -1)
        .map((line) => line.replace(/,$/, '')),
    );
    expect(code).to.equal(0);
    expect(resume.exec(stderr)?.[1]).to.equal(await a.position());
  });

  it('prints one line of time, operation, path and details under --format=short', async () => {
    const { stdout } = await runKelp(tail('--timeAgo=1h', '--no-follow', '--format=short'));
    const rows = linesOf(stdout).map((line) => line.split('\t'));
    for (const [time] of rows) expect(time).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(rows.map(([, ...rest]) => rest.join(' | '))).to.include.members([
      'CREATE | /docs | dir',
      'CREATE | /docs/a.txt | size=5 chunks=0',
      'RENAME | /docs/c\\x09c | size=2 chunks=0 from=/docs/b.bin',
      'UPDATE | /docs/a.txt | size=11 chunks=0',
      'DELETE | /docs/a.txt | size=11 chunks=0',
      'DELETE | /docs | dir',
    ]);
  });

  it("takes Go's way of writing flags, and those of weed that mean nothing here", async () => {
    const { code, stdout, stderr } = await runKelp([
      'filer.meta.tail',
      '-filer',
      a.address,
      '-timeAgo=1h',
      '-pattern',
      '*.txt',
      '-es=x',
      '-follow=false',
      '-format=short',
    ]);
    expect(code).to.equal(0);
    expect(stderr).to.match(/^--es has no effect in kelp$/m);
    expect(linesOf(stdout).every((line) => line.includes('.txt'))).to.equal(true);
    expect(linesOf(stdout)).to.have.length(3);
  });

  it('goes on at a position where it was cut off, also at another filer', async () => {
    const first = await runKelp(tail('--position=', '--limit=2'));
    expect(first.code).to.equal(0);
    const rest = await runKelp(['filer.meta.tail', `--filer=${b.address}`, `--position=${resume.exec(first.stderr)?.[1]}`, '--no-follow']);
    const whole = await runKelp(tail('--position=', '--no-follow'));
    const dots = (text: string) =>
      linesOf(text)
        .map((line) => (JSON.parse(line) as ChangeJson).replication)
        .map(({ origin, seq }) => `${origin}:${seq}`);
    expect([...dots(first.stdout), ...dots(rest.stdout)].sort()).to.deep.equal(dots(whole.stdout).sort());
  });

  it('follows from now on, through a restart of the filer, until Ctrl-C', async () => {
    const started = startKelp(tail());
    // It prints nothing by which to see that it has begun.
    await waitFor(async () => (await b.put('/begin', 'x'), started.output.stdout !== ''), { what: 'a first line', everyMs: 200 });
    const names = Array.from({ length: 30 }, (_, n) => `n${n}`);
    for (const name of names.slice(0, 10)) await b.put(`/${name}`, name);
    await a.kill();
    await started.waitForLine(new RegExp(`^${a.address} is away \\(.*\\); waiting for it$`));
    for (const name of names.slice(10, 20)) await b.put(`/${name}`, name);
    await a.start();
    await started.waitForLine(new RegExp(`^${a.address} is back$`), 20_000);
    for (const name of names.slice(20)) await b.put(`/${name}`, name);
    await waitFor(() => started.output.stdout.includes('"n29"'), { what: 'the last change' });
    const { code, stdout, stderr } = await started.kill('SIGINT');
    expect(namesIn(stdout).filter((name) => name !== 'begin')).to.deep.equal(names);
    expect(code).to.equal(130);
    expect(resume.exec(stderr)?.[1]).to.equal(await a.position());
    expect(linesOf(stderr)).to.have.length(3);
  });

  it('ends at its time on an idle filer, and at once if that has passed', async () => {
    const until = new Date(Date.now() + 2500).toISOString();
    const { code } = await runKelp(tail(`--until=${until}`), { timeoutMs: 12_000 });
    expect(code).to.equal(0);
    const { stdout } = await runKelp(tail('--position=', '--untilTimeAgo=1ms', '--format=short'), { timeoutMs: 8000 });
    expect(stdout).to.contain('\tCREATE\t/docs\tdir\n');
  });

  it('ends with 0 when nobody reads any more, and with 143 at SIGTERM', async () => {
    const command = `node ${kelpBin} ${tail('--position=').join(' ')} | head -1 >/dev/null; exit "\${PIPESTATUS[0]}"`;
    const [code] = (await once(spawn('bash', ['-c', command]), 'exit')) as [number];
    expect(code).to.equal(0);
    const started = startKelp(tail('--position='));
    await started.waitForLine(/./);
    expect((await started.kill('SIGTERM')).code).to.equal(143);
  });

  it('exits 1 with a cure where the place to start is gone', async () => {
    const fresh = await cluster.addFiler();
    const { code, stderr } = await runKelp(['filer.meta.tail', `--filer=${fresh.address}`, '--position=']);
    expect(code).to.equal(1);
    expect(stderr).to.match(/no longer has the changes after this place; try the same with another filer, which may have kept more/);
    expect(stderr).not.to.match(resume);
    const elsewhere = await runKelp(['filer.meta.tail', `--filer=${fresh.address}`, `--offset=${(await a.store()).head}`]);
    expect(elsewhere.code).to.equal(1);
    expect(elsewhere.stderr).to.match(/use --position, which is good at all/);
  });

  it('exits 3 where nobody is, and 2 for flags that make no sense', async () => {
    expect((await runKelp(['filer.meta.tail', `--filer=127.0.0.1:${await freePort()}`])).code).to.equal(3);
    for (const flags of [
      ['--since=yesterday'],
      ['--offset=x'],
      ['--pattern=docs/*'],
      ['--limit=0'],
      ['--timeAgo=1h', '--position='],
      ['--until=2026-01-01T00:00:00Z', '--untilTimeAgo=1h'],
    ]) {
      const { code, stdout } = await runKelp(tail(...flags));
      expect({ flags, code, stdout }).to.deep.equal({ flags, code: 2, stdout: '' });
    }
  });
});
