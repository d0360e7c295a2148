import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { runKelp, startKelp } from '../support/run-kelp.js';

describe('kelp server', function () {
  this.timeout(60_000);
  let dir: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kelp-server-'));
  });
  after(() => rm(dir, { recursive: true, force: true }));

  it('runs a master and a filer that know each other, shown under the names of weed too, and stops both', async () => {
    const server = startKelp(['server', `--dir=${dir}`, '--master.port=0', '--filer.port=0', '-volume.max=8', '-s3']);
    const [, master] = await server.waitForLine(/listens at (\S+)/, 30_000);
    const [, filer] = await server.waitForLine(/filer http:\/\/(\S+)/, 30_000);
    const ready = await runKelp(['filer.wait', '--for=ready', `--filer=${filer}`, '--timeout=30s'], { timeoutMs: 50_000 });
    expect(ready.code, ready.stderr).to.equal(0);
    const peers = await runKelp(['cluster.ps', `--master=${master}`], { timeoutMs: 30_000 });
    expect(peers.stdout, peers.stderr).to.contain(`${filer}\t-\tready`);
    const { code, stderr } = await server.kill();
    expect(code, stderr).to.equal(0);
    expect(stderr).to.contain('--volume.max has no effect in kelp').and.contain('--s3 has no effect in kelp');
  });
});
