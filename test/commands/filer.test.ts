import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import FilerCommand from '../../src/commands/filer.js';
import MasterCommand from '../../src/commands/master.js';
import { freePort } from '../support/free-port.js';
import { runCommand } from '../support/run-command.js';
import { runKelp, startKelp } from '../support/run-kelp.js';
import { tempDir } from '../support/temp-dir.js';

describe('kelp filer and kelp master', () => {
  for (const [name, command, folder] of [
    ['filer', FilerCommand, '--defaultStoreDir'],
    ['master', MasterCommand, '--mdir'],
  ] as const) {
    it(`refuses any bind but loopback without a secret: ${name}`, async () => {
      const directory = join(await tempDir(), 'store');
      const args = ['--ip.bind=0.0.0.0', '--port=0', `${folder}=${directory}`];
      const { code, stdout, stderr } = await runCommand(command, args);
      expect([code, stdout]).to.deep.equal([2, '']);
      expect(stderr).to.include(`type: kelp ${name} ${args.join(' ')} --secretFile=FILE, or --insecure`);
      expect(existsSync(directory), 'nothing was made').to.equal(false);
    });
  }

  it('names the flag whose value makes no sense', async () => {
    for (const flag of ['--maxClockSkew=soon', '--log.maxBytes=-1', '--master=a b', '--port=70000']) {
      const { code, stderr } = await runCommand(FilerCommand, [flag]);
      expect(code, flag).to.equal(2);
      expect(stderr).to.include(flag.split('=')[0]);
    }
  });

  /** Lines of weed(1) as scripts have them: what means nothing here, with values, bare, and switched off. */
  const ignoredOfWeed = {
    master: [
      ...['-port.grpc=19333', '-peers=none', '-defaultReplication=001', '-volumeSizeLimitMB=1024', '-garbageThreshold=0.3', '-whiteList=10.0.0.1'],
      ...['-disableHttp=false', '-metrics.address=localhost:9091', '-metrics.intervalSeconds=15', '-metricsPort=9324', '-heartbeatInterval=300ms'],
      ...['-electionTimeout=10s', '-resumeState', '--raftHashicorp', '-telemetry=false'],
    ],
    filer: [
      ...['-port.grpc=18888', '-collection=docs', '-defaultReplicaPlacement=001', '-dataCenter=dc1', '-rack=r1', '-disk=ssd', '-maxMB=4'],
      ...['-disableHttp', '-encryptVolumeData=true', '-concurrentUploadLimitMB=64', '-concurrentFileUploadLimit=8', '-downloadMaxMBps=10'],
      ...['-ui.deleteDir=false', '-localSocket=/tmp/filer.sock', '-metricsPort=9325', '-metricsIp=127.0.0.1', '-debug', '-debug.port', '6060'],
      ...['-tusBasePath=/.tus', '-tusMaxSizeMB=5120', '-tusSessionExpiry=24h', '-allowedOrigins=*', '-s3', '-webdav', '--iam', '-sftp'],
    ],
  } as const;

  it('take flags of weed that mean nothing here: one line for each, no error, and both serve', async function () {
    this.timeout(60_000);
    const [directory, port] = [await tempDir(), await freePort()];
    const master = startKelp(['master', `-port=${port}`, `-mdir=${join(directory, 'master')}`, ...ignoredOfWeed.master]);
    const filer = startKelp(['filer', '-port=0', `-master=localhost:${port}`, `-defaultStoreDir=${join(directory, 'filer')}`, ...ignoredOfWeed.filer]);
    try {
      const [, address] = await filer.waitForLine(/filer http:\/\/(\S+)/, 30_000);
      const synced = await runKelp(['filer.wait', `--master=localhost:${port}`, '--timeout=30s'], { timeoutMs: 50_000 });
      expect(synced.code, `${synced.stderr}${master.output.stderr}${filer.output.stderr}`).to.equal(0);
      const url = `http://${address}/docs/file`;
      expect((await fetch(url, { method: 'PUT', body: 'served' })).status).to.equal(201);
      expect(await (await fetch(url)).text()).to.equal('served');
    } finally {
      for (const [name, started] of Object.entries({ filer, master })) {
        const { code, stderr } = await started.kill();
        expect(code, stderr).to.equal(0);
        const named = ignoredOfWeed[name as 'filer' | 'master'].filter((word) => word.startsWith('-')).map((word) => word.replace(/^--?|=.*/g, ''));
        const lines = stderr.split('\n').filter((line) => line.includes('has no effect'));
        expect(lines.sort(), name).to.deep.equal(named.map((flag) => `--${flag} has no effect in kelp`).sort());
      }
    }
  });
});
