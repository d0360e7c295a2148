import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { DemoCluster } from '../../../src/core/demo/demo-cluster.js';
import { realTime } from '../../../src/core/time.js';
import { failureOf, never } from '../../support/open-log.js';
import { kelpBin } from '../../support/run-kelp.js';
import { tempDir } from '../../support/temp-dir.js';

describe('DemoCluster', function () {
  this.timeout(60_000);
  let cluster: DemoCluster;
  afterEach(() => cluster.close());

  /** A cluster of kelp processes that end before they listen at the ports of `refused`, as where another program has just taken them. */
  async function open(refused: RegExp): Promise<DemoCluster> {
    const program = join(await tempDir(), 'kelp.mjs');
    const lines = [
      `const port = process.argv.find((argument) => ${String(refused)}.test(argument));`,
      'if (port) { console.error(port + " is in use"); process.exit(2); }',
      `process.argv[1] = ${JSON.stringify(kelpBin)};`,
      `await import(${JSON.stringify(kelpBin)});`,
    ];
    await writeFile(program, lines.join('\n'));
    return DemoCluster.open({ program: process.execPath, args: [program] }, realTime);
  }

  it('goes to any other port where the one it likes best is taken at the last moment', async () => {
    cluster = await open(/^--port=9333$/);
    await cluster.startMaster(never);
    expect(cluster.masterAddress)
      .to.match(/^127\.0\.0\.1:\d+$/)
      .and.not.match(/:9333$/);
  });

  it('gives up when that does not help, with the last words of the process', async () => {
    cluster = await open(/^--port=/);
    const { message, fields } = await failureOf(() => cluster.startMaster(never));
    expect(message).to.equal('master has ended by itself (exit code 2)');
    expect((fields.log as string[]).at(-1)).to.equal('--port=0 is in use');
  });
});
