import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Random } from '../simulation/random.js';
import { leaveOut } from '../support/leave-out.js';
import type { SyncFilter } from './crash-disk.js';
import { problemsOfMaster } from './master-image.js';
import { powerCuts, readRun, type PowerCut } from './power-cut.js';
import { ImageFolder, problemsOf, WholeFeed } from './store-image.js';
import { straceInto, type TraceEvent } from './trace.js';
import { traceRun, type Sabotage, type TracedRun } from './traced-cluster.js';

/*
 * A master and two filers, started as a user starts them, work under strace. From the traces come the disks that a power cut would have
 * left at any place of the run; each is opened by the code that would open it. KELP_POWER_SEED repeats the choice of requests and cuts,
 * though not the run itself: it is real processes.
 */
const seed = Number(process.env['KELP_POWER_SEED'] ?? Date.now() % 1_000_000);
const imagesPerFiler = 160;
/** What the suite promises of both filers together, whatever the numbers above are set to. */
const imagesLeast = 300;
/** Of those, left with a write-ahead log: so many without its shared memory (-shm), and as many with. */
const eachShmLeast = 80;
const imagesOfMaster = 40;
const imagesOfSabotage = 40;

/** Why this cannot run here; null = it can. */
function obstacle(): string | null {
  const [command, ...args] = straceInto('/dev/null');
  const { error, status, stderr } = spawnSync(command as string, [...args, 'true'], { encoding: 'utf8' });
  if (error) return `strace cannot be started (${error.message}); install it`;
  return status === 0 ? null : `strace may not trace here: ${stderr.trim()}`;
}

/** What the images of one process came to. */
interface Tally {
  images: number;
  /** Of those with a write-ahead log: without the shared memory beside it, and with it. */
  readonly shm: { without: number; with: number };
  /** Images in which something acknowledged or told was gone. */
  lost: number;
  /** Everything that was wrong, image by image. */
  readonly bad: string[];
}

/** One traced process, to be cut as often as a test likes. */
interface Subject {
  readonly name: string;
  readonly folder: string;
  readonly events: readonly TraceEvent[];
  problems(cut: PowerCut, random: Random, number: number, tally: Tally): Promise<string[]>;
}

async function filerOf(run: TracedRun, index: number, feed: WholeFeed): Promise<Subject> {
  const { name, directory } = run.cluster.filers[index];
  const images = new ImageFolder(directory);
  const problems = async ({ files, promises }: PowerCut, random: Random, number: number, { shm }: Tally) => {
    await images.put(files, random.chance(0.5));
    if (files.has(join(directory, 'filer.db-wal'))) {
      // As it lies there: that is what is opened.
      const isThere = existsSync(join(directory, 'filer.db-shm'));
      shm[isThere ? 'with' : 'without'] += 1;
    }
    return problemsOf(directory, promises, feed, number % 5 === 0);
  };
  return { name, folder: run.cluster.directory, events: await readRun(await run.traces(name)), problems };
}

async function masterOf(run: TracedRun): Promise<Subject> {
  const { name, directory } = run.cluster.master;
  const problems = ({ files, promises }: PowerCut) => problemsOfMaster(directory, files, promises);
  return { name, folder: run.cluster.directory, events: await readRun(await run.traces(name)), problems };
}

async function cutOften(subject: Subject, count: number, counts?: SyncFilter): Promise<Tally> {
  const random = new Random(seed);
  const tally: Tally = { images: 0, shm: { without: 0, with: 0 }, lost: 0, bad: [] };
  for (const cut of powerCuts(subject.events, subject.folder, count, random, counts)) {
    tally.images += 1;
    const problems = await subject.problems(cut, random, tally.images, tally);
    if (problems.some((problem) => problem.startsWith('LOST'))) tally.lost += 1;
    if (problems.length > 0) tally.bad.push(`${subject.name} after event ${cut.at}, ${cut.survival} of what was pending: ${problems.join('; ')}`);
  }
  return tally;
}

const shmOf = (tallies: readonly Tally[]) =>
  (['without', 'with'] as const).map((kind) => `${tallies.reduce((sum, { shm }) => sum + shm[kind], 0)} ${kind} -shm`).join(', ');

const report = (text: string) => process.stderr.write(`      ${text}\n`);

describe(`After a power cut at any moment (seed ${seed})`, function () {
  this.timeout(300_000);
  let traces: string;
  let run: TracedRun;
  let feeds: WholeFeed[];
  let filers: Subject[];

  async function trace(writes: number, sabotage?: Sabotage): Promise<void> {
    traces = await mkdtemp(join(tmpdir(), 'kelp-power-'));
    run = await traceRun(traces, new Random(seed), writes, sabotage);
    feeds = await Promise.all(run.cluster.filers.map(({ directory }) => WholeFeed.of(directory)));
    filers = await Promise.all(feeds.map((feed, index) => filerOf(run, index, feed)));
  }

  async function removeAll(): Promise<void> {
    await run?.cluster.close();
    await rm(traces, { recursive: true, force: true });
  }

  before(function () {
    const reason = obstacle();
    if (reason !== null) leaveOut(this, reason);
  });

  describe('of filers and a master as they are', () => {
    let keep = false;

    before(() => trace(500));
    afterEach(function () {
      keep ||= this.currentTest?.state === 'failed';
    });
    after(async () => {
      if (keep) report(`kept: traces in ${traces}, folders in ${run.cluster.directory}`);
      else await removeAll();
    });

    it('they have shared commits, applied pages, deleted, moved, filled and emptied their write-ahead log', () => {
      const ofFirst = filers[0].events.filter(({ phase }) => phase === 'end').map(({ call }) => call);
      const count = (name: string, file: RegExp) =>
        ofFirst.filter((call) => call.name === name && file.test(call.files[0] ?? call.strings[0]?.toString() ?? '')).length;
      const made = feeds[0].operations();
      expect(made.size, 'origins in one log').to.equal(2);
      for (const operations of made.values()) expect([...operations.keys()].sort()).to.deep.equal(['CREATE', 'DELETE', 'RENAME', 'UPDATE']);
      const changes = feeds[0].records.length;
      expect(count('fsync', /-wal$/), `syncs of the log for ${changes} changes`).to.be.below(changes);
      expect(count('fsync', /filer\.db$/), 'checkpoints').to.be.above(5);
      expect(count('unlink', /-wal$/), 'orderly ends').to.equal(2);
      expect(count('rename', /filer\.word\.new$/), 'words').to.be.above(3);
    });

    it('a store is whole, has every acknowledged change and what peers were told, and knows itself', async () => {
      // What the log says of each write is what its client was answered for; images are compared with the log.
      for (const { dot, path, content } of run.acknowledged) {
        if (content === null) continue;
        expect(feeds[0].holds(dot, path, content), `${path} as ${dot} in the log`).to.be.true;
      }
      const tallies = await Promise.all(filers.map((filer) => cutOften(filer, imagesPerFiler)));
      report(`${run.acknowledged.length} acknowledged writes, ${tallies.map(({ images }) => images).join(' + ')} images, ${shmOf(tallies)}`);
      expect(tallies.flatMap(({ bad }) => bad)).to.deep.equal([]);
      expect(tallies.map(({ images }) => images)).to.deep.equal([imagesPerFiler, imagesPerFiler]);
      expect(tallies[0].images + tallies[1].images).to.be.at.least(imagesLeast);
      for (const kind of ['without', 'with'] as const)
        expect(tallies[0].shm[kind] + tallies[1].shm[kind], `images of a write-ahead log ${kind} -shm`).to.be.at.least(eachShmLeast);
    });

    it('a master knows the cluster it has named', async () => {
      const { bad, images } = await cutOften(await masterOf(run), imagesOfMaster);
      expect(bad).to.deep.equal([]);
      expect(images).to.equal(imagesOfMaster);
    });

    // That the tests above can fail: each kind of sync, left out of the trace, shows.
    const uses: [sync: string, counts: SyncFilter, shows: RegExp][] = [
      ['the write-ahead log', (path) => !path.endsWith('-wal'), /LOST/],
      ['the folder', (path) => path.includes('/filer-1/') || path.includes('/filer-2/'), /LOST/],
      ['the word beside the store', (path) => !path.endsWith('filer.word.new'), /finds itself restored/],
    ];
    for (const [sync, counts, shows] of uses) {
      it(`it shows if ${sync} is not synced`, async () => {
        const { bad, images } = await cutOften(filers[0], imagesOfSabotage, counts);
        report(`${bad.length} of ${images} images bad`);
        expect(bad.filter((problem) => shows.test(problem))).not.to.be.empty;
      });
    }
  });

  describe('of filers whose SQLite does not wait for the disk (synchronous=NORMAL)', () => {
    before(() => trace(150, 'normal'));
    after(removeAll);

    it('acknowledged changes are lost, and it shows', async () => {
      const { lost, images } = await cutOften(filers[0], imagesOfSabotage);
      report(`${lost} of ${images} images have lost something`);
      expect(lost).to.be.above(0);
    });
  });
});
