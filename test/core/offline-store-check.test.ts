import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { checkStore, type Finding } from '../../src/core/offline-store-check.js';
import { realTime } from '../../src/core/time.js';
import { damage } from '../support/damage.js';
import { Processes } from '../support/processes.js';
import { tempDir } from '../support/temp-dir.js';

async function findingsIn(directory: string): Promise<Finding[]> {
  const findings: Finding[] = [];
  for await (const finding of checkStore(directory, realTime)) findings.push(finding);
  return findings;
}

describe('check of a store', () => {
  const processes = new Processes();
  let sound: string;

  before(async () => {
    sound = await tempDir();
    const filer = await processes.filer({ dir: sound });
    for (let n = 0; n < 12; n += 1) await processes.send(filer, 'PUT', `/d${n % 3}/f${n}`, `content ${n}`);
    await processes.send(filer, 'POST', '/moved?mv.from=/d0');
    await processes.send(filer, 'DELETE', '/d2?recursive=true');
    await processes.stop(filer);
  });
  after(() => processes.stopAll());

  it('finds nothing in a sound store, empty or not, and in one whose filer runs', async () => {
    expect(await findingsIn(sound)).to.deep.equal([]);
    for (const dir of [await tempDir(), await copyOf(sound)]) {
      const filer = await processes.filer({ dir });
      expect(await findingsIn(dir)).to.deep.equal([]);
      await processes.stop(filer);
    }
  });

  for (const [harm, { inflict, part, shows }] of Object.entries(damage)) {
    it(`finds ${harm}`, async () => {
      const directory = await copyOf(sound);
      await inflict(join(directory, 'filer.db'));
      const findings = await findingsIn(directory);
      expect(
        findings.filter((finding) => finding.part === part && shows.test(finding.problem)),
        JSON.stringify(findings),
      ).not.to.be.empty;
    });
  }
});

async function copyOf(directory: string): Promise<string> {
  const copy = await tempDir();
  await cp(directory, copy, { recursive: true });
  return copy;
}
