import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { limits as defaults } from '../../../src/core/config/limits.js';
import { FilerError } from '../../../src/core/errors.js';
import { createLogger, silentLogger } from '../../../src/core/logger.js';
import { openStore } from '../../../src/core/store/open-store.js';
import { Scrub, type ScrubReport } from '../../../src/core/store/scrub.js';
import type { StoreExaminer } from '../../../src/core/store/store.js';
import { realTime } from '../../../src/core/time.js';
import { rowDamage } from '../../support/damage.js';
import { ManualTime, passUntil } from '../../support/manual-time.js';
import { Processes } from '../../support/processes.js';
import { tempDir } from '../../support/temp-dir.js';

const limits = { ...defaults, scrubRows: 3 };
const signal = new AbortController().signal;

async function scrubOf(directory: string): Promise<ScrubReport> {
  const store = await openStore({ directory, time: realTime });
  try {
    return await new Scrub({ store, time: realTime, logger: silentLogger, limits }).run(signal);
  } finally {
    await store.close();
  }
}

describe('Scrub', () => {
  describe('of a SQLite store', () => {
    const processes = new Processes();
    let sound: string;

    before(async () => {
      sound = await tempDir();
      const filer = await processes.filer({ dir: sound });
      for (let n = 0; n < 12; n += 1) await processes.send(filer, 'PUT', `/d${n % 3}/f${n}`, `content ${n}`);
      await processes.send(filer, 'DELETE', '/d2?recursive=true');
      await processes.stop(filer);
    });
    after(() => processes.stopAll());

    it('looks at every row and finds nothing in a sound one, also while its filer writes', async () => {
      expect(await scrubOf(sound)).to.include({ rows: 15, found: 0 });
      const filer = await processes.filer({ dir: await copyOf(sound), limits: { ...limits, scrubIntervalMs: 1 } });
      const { scrub } = filer.filer;
      let writes = 0;
      for (const before = scrub.runs; scrub.runs < before + 2; writes += 1) await processes.send(filer, 'PUT', `/d${writes % 7}/f${writes % 40}`, `${writes}`);
      expect(writes).to.be.above(3);
      expect(scrub.report?.findings).to.deep.equal([]);
      await processes.stop(filer);
    });

    for (const [harm, { inflict, part, shows }] of Object.entries(rowDamage)) {
      it(`finds ${harm}`, async () => {
        const directory = await copyOf(sound);
        await inflict(join(directory, 'filer.db'));
        const { findings } = await scrubOf(directory);
        expect(
          findings.filter((finding) => finding.part === part && shows.test(finding.problem)),
          JSON.stringify(findings),
        ).not.to.be.empty;
      });
    }

    it('names the bucket of a lost row', async () => {
      const directory = await copyOf(sound);
      await rowDamage['a row lost']?.inflict(join(directory, 'filer.db'));
      const { buckets, findings } = await scrubOf(directory);
      expect(buckets).to.have.length(1);
      expect(findings[0]?.problem).to.contain(`bucket ${buckets[0]} `);
    });
  });

  describe('at work', () => {
    let time: ManualTime;
    let lines: string[];
    let found: number;
    let scrub: Scrub;

    const examiner = (): StoreExaminer => ({
      bucket: async (bucket) => ({ kept: bucket < found ? 1 : 0, counted: 0, rows: 0 }),
      tombstones: async () => ({ kept: 0, counted: 0 }),
      rows: async () => ({ rows: [], next: null }),
      close: async () => {},
    });

    beforeEach(() => {
      time = new ManualTime();
      lines = [];
      found = 0;
      const logger = createLogger({ level: 'info', now: () => new Date(0), write: (line) => lines.push(line) });
      scrub = new Scrub({ store: { examine: async () => examiner() }, time, logger, limits: { ...limits, scrubIntervalMs: 60_000 } });
    });
    afterEach(() => scrub.stop());

    const nextRun = async () => {
      const before = scrub.runs;
      await passUntil(time, 'the next scrub', () => scrub.runs > before);
    };

    it('tells damage once, with the cure, and that it is gone', async () => {
      scrub.start();
      await nextRun();
      expect(scrub.damage).to.equal(null);
      found = 3;
      await nextRun();
      await nextRun();
      expect(scrub.damage).to.match(/^the store is damaged \(bucket 0 of .* add up to 0 and 2 more\); .*kelp filer.store.id --check, then start with an empty/);
      expect(lines).to.have.length(1);
      found = 0;
      await nextRun();
      expect(scrub.damage).to.equal(null);
      expect(lines.map((line) => line.includes('damage'))).to.deep.equal([true, true]);
    });

    it('counts all findings and keeps the first', async () => {
      found = 200;
      const report = await scrub.run(signal);
      expect([report.found, report.findings.length, report.buckets.length]).to.deep.equal([200, limits.scrubFindings, 200]);
    });

    it('takes a store that cannot be read for damaged, and tries again when it is only locked', async () => {
      const failing = (code: 'STORE_FAILED' | 'STORE_LOCKED') =>
        new Scrub({ store: { examine: () => Promise.reject(new FilerError(code, 'malformed')) }, time, logger: silentLogger, limits }).run(signal);
      expect((await failing('STORE_FAILED')).findings).to.deep.equal([{ part: 'file', problem: 'its rows cannot be read: malformed' }]);
      const locked = await failing('STORE_LOCKED').catch((error: unknown) => error);
      expect(locked).to.include({ code: 'STORE_LOCKED' });
    });

    it('never runs with an interval of 0', async () => {
      const off = new Scrub({ store: { examine: async () => expect.fail('it runs') }, time, logger: silentLogger, limits: { ...limits, scrubIntervalMs: 0 } });
      off.start();
      await off.stop();
      expect(off.report).to.equal(null);
    });
  });
});

async function copyOf(directory: string): Promise<string> {
  const copy = await tempDir();
  await cp(directory, copy, { recursive: true });
  return copy;
}
