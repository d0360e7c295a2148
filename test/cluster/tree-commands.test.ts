import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { startCluster, type Cluster, type ClusterFiler } from '../support/cluster.js';
import { freePort } from '../support/free-port.js';
import { runKelp, type Finished } from '../support/run-kelp.js';

describe('The commands for a tree', function () {
  this.timeout(120_000);
  let cluster: Cluster;
  let filer: ClusterFiler;

  /** Runs a command against the filer. */
  const kelp = (command: string, ...args: string[]): Promise<Finished> =>
    runKelp([command, ...args], { env: { KELP_FILER: filer.address }, timeoutMs: 60_000 });
  /** The same; it must end with 0. Returns stdout. */
  const done = async (command: string, ...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await kelp(command, ...args);
    expect(code, `${command} ${args.join(' ')}: ${stderr}`).to.equal(0);
    return stdout;
  };

  before(async () => {
    cluster = await startCluster({ filers: 1, filerArgs: ['--subtreeLimit=5'] });
    filer = cluster.filers[0] as ClusterFiler;
  });
  after(() => cluster?.close());

  it('copy files and folders, name what cannot go, and leave what is there', async () => {
    const source = join(cluster.directory, 'source');
    await mkdir(join(source, 'sub/empty'), { recursive: true });
    await writeFile(join(source, 'a.txt'), 'hello');
    await writeFile(join(source, 'sub/b.txt'), 'world');
    await symlink('/', join(source, 'link'));
    await writeFile(join(source, 'big'), Buffer.alloc(1024 * 1024 + 1));

    const first = await kelp('filer.copy', '-c=4', source, `${filer.url}/docs/`);
    expect(first.code).to.equal(1);
    expect(first.stdout.split('\n').sort()).to.deep.equal([
      '',
      `copied ${source}/a.txt => ${filer.url}/docs/source/a.txt`,
      `copied ${source}/sub/b.txt => ${filer.url}/docs/source/sub/b.txt`,
    ]);
    for (const name of ['link', 'big']) expect(first.stderr).to.contain(`\n  ${source}/${name}\n`);

    const again = await done('filer.copy', '-check.size', '--skipUnfit', '--json', source, `${filer.url}/docs/`);
    expect(JSON.parse(again)).to.deep.include({ files: 0, directories: 0, unchanged: 5, skipped: 2 });
  });

  it('list, draw and add up', async () => {
    expect(await done('fs.ls', '/docs')).to.equal('source\n');
    const long = await done('fs.ls', '-la', '/docs/source/');
    expect(long).to.match(/^-rw-r--r-- {3}0 0 0 {6}5 \/docs\/source\/a\.txt\ndrwxr-xr-x {3}0 0 0 {6}0 \/docs\/source\/sub\ntotal 2\n$/);
    expect(JSON.parse(await done('fs.ls', '--json', `${filer.url}/docs/source/a.txt`))).to.include({ FullPath: '/docs/source/a.txt', FileSize: 5 });
    expect(await done('fs.tree', '/docs')).to.equal(
      ['docs', '└──source', '    ├──a.txt', '    └──sub', '        ├──b.txt', '        └──empty', '4 directories, 2 files', ''].join('\n'),
    );
    expect(await done('fs.du', '/docs/')).to.equal('block:   0\tlogical size:        10\t/docs\n');
  });

  it('print contents and entries', async () => {
    expect(await done('filer.cat', `${filer.url}/docs/source/a.txt`, '/docs/source/sub/b.txt')).to.equal('helloworld');
    const file = join(cluster.directory, 'out');
    await done('filer.cat', '-o', file, '/docs/source/a.txt');
    expect(await readFile(file, 'utf8')).to.equal('hello');
    const entry = await done('fs.meta.cat', '/docs/source/a.txt');
    expect(entry).to.match(/^\{\n {2}"attributes": \{[^]*\n\}\nchunks 0 meta size: \d+ gzip:\d+\n$/);
    expect(JSON.parse(await done('fs.meta.cat', '--json', '/docs/source/a.txt'))).to.include({ name: 'a.txt', content: 'aGVsbG8=' });
  });

  it('escape hostile names, and give them exactly as JSON', async () => {
    const name = 'a\n\u001b[31m\u202eb';
    await filer.put(`/odd/${name}`, 'x');
    expect(await done('fs.ls', '/odd')).to.equal('a\\x0a\\x1b[31m\\u{202e}b\n');
    expect(JSON.parse(await done('fs.ls', '--json', '/odd'))).to.include({ FullPath: `/odd/${name}` });
  });

  it('save a tree, delete it in steps, and load it again, which changes nothing the second time', async () => {
    const file = join(cluster.directory, 'tree.meta.gz');
    const before = await filer.tree('/docs');
    expect(await done('fs.meta.save', '-o', file, '/docs')).to.equal(`total 4 directories, 2 files\nmeta data for ${filer.url}/docs is saved to ${file}\n`);
    expect((await kelp('fs.rm', '/docs')).code).to.equal(1);
    const removed = await kelp('fs.rm', '-rf', '/docs');
    expect([removed.code, removed.stdout]).to.deep.equal([0, '']);
    expect(removed.stderr).to.contain('in steps');
    expect(await filer.tree('/docs').catch(() => [])).to.deep.equal([]);
    expect(await done('fs.meta.load', '-v=false', file)).to.equal(`total 4 directories, 2 files\n${file} is loaded.\n`);
    expect(await filer.tree('/docs')).to.deep.equal(before);
    const position = await filer.position();
    expect(JSON.parse(await done('fs.meta.load', '--json', file))).to.include({ unchanged: 6 });
    expect(await filer.position()).to.equal(position);
  });

  it('make directories, and move into them in steps', async () => {
    await done('fs.mkdir', '/archive/2026');
    expect((await kelp('fs.mkdir', '/archive/2026')).code).to.equal(1);
    expect(await done('fs.mv', '/docs', '/archive/2026/')).to.equal('move: /docs => /archive/2026/docs\n');
    expect(await done('filer.cat', '/archive/2026/docs/source/a.txt')).to.equal('hello');
    expect((await kelp('fs.ls', '/docs')).code).to.equal(1);
  });

  it('tell by their exit code what went wrong', async () => {
    const nobody = `http://127.0.0.1:${await freePort()}`;
    const codes = await Promise.all([
      kelp('fs.ls', '/absent'),
      kelp('fs.rm', '/absent'),
      kelp('filer.cat', '/archive'),
      kelp('fs.tree', nobody),
      kelp('filer.copy', cluster.directory, `${nobody}/x/`),
      kelp('filer.copy', cluster.directory, `${filer.url}/x`),
      kelp('fs.ls', `${filer.url}/?a=b`),
      kelp('fs.mkdir'),
    ]);
    expect(codes.map(({ code }) => code)).to.deep.equal([1, 1, 1, 3, 3, 2, 2, 2]);
    for (const { stderr } of codes) expect(stderr).to.match(/^kelp f[a-z.]+: /);
  });
});
