import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect } from 'chai';
import { limits } from '../../../src/core/config/limits.js';
import { parsePath, root } from '../../../src/core/entry/path.js';
import { ChangeLog } from '../../../src/core/log/change-log.js';
import { silentLogger } from '../../../src/core/logger.js';
import { planReplay, replay, replayLink, type Choice, type Replayed, type ReplayOptions } from '../../../src/core/replay/replay.js';
import { openInput } from '../../../src/core/replay/source.js';
import { openStoreTarget, type ReplayTarget } from '../../../src/core/replay/target.js';
import { openStore } from '../../../src/core/store/open-store.js';
import { realTime } from '../../../src/core/time.js';
import { failureOf, file, mode, never, openLog, p, read, type OpenLog } from '../../support/open-log.js';
import { tempDir } from '../../support/temp-dir.js';

/** What `kelp filer.meta.tail` prints of everything at a filer. */
const tailOf = async (at: OpenLog) => (await read(at, { limit: 100_000 })).records.map(({ text }) => `${text}\n`).join('');

/** What `weed filer.meta.tail` prints. */
const weedLine = (second: number, fields: object, directory = '/docs') => {
  const eventNotification = { oldEntry: null, newEntry: null, deleteChunks: false, newParentPath: '', signatures: [7], ...fields };
  return `${JSON.stringify({ directory, eventNotification, tsNs: `${1_763_763_267 + second}000000000` }, null, 2)}\n`;
};
const entry = (name: string, content = 'eA==') => ({ name, isDirectory: false, attributes: { fileSize: '1', mtime: '5', mime: '' }, content, chunks: [] });

const anything: Choice = { pathPrefix: root };

interface Wanted {
  readonly choice?: Choice;
  readonly link?: string | null;
  readonly skipInvalid?: boolean;
  readonly signal?: AbortSignal;
  readonly target?: (real: ReplayTarget) => ReplayTarget;
  readonly invalid?: string[];
}

async function withTarget<T>(directory: string, planOnly: boolean, work: (target: ReplayTarget) => Promise<T>): Promise<T> {
  const target = await openStoreTarget(directory, { time: realTime, planOnly });
  try {
    return await work(target);
  } finally {
    await target.close();
  }
}

const optionsOf = async (input: string, target: ReplayTarget, wanted: Wanted): Promise<ReplayOptions> => {
  const mark = wanted.link ? await target.checkpoint(wanted.link, never) : null;
  return {
    source: await openInput({ name: 'input', path: null, stream: Readable.from([Buffer.from(input)]), mark }),
    target: wanted.target?.(target) ?? target,
    choice: wanted.choice ?? anything,
    link: wanted.link ?? null,
    skipInvalid: wanted.skipInvalid ?? false,
    invalid: (where, problem) => wanted.invalid?.push(`${where}: ${problem}`),
    progress: () => {},
  };
};

const into = (directory: string, input: string, wanted: Wanted = {}): Promise<Replayed> =>
  withTarget(directory, false, async (target) => replay(await optionsOf(input, target, wanted), wanted.signal ?? never));

const plan = (directory: string, input: string, wanted: Wanted = {}) =>
  withTarget(directory, true, async (target) => planReplay(await optionsOf(input, target, wanted), never));

/** Digest, head of the log, and live paths of the store in a folder. */
async function look(directory: string): Promise<{ digest: string; head: number; paths: string[]; phase: string }> {
  const store = await openStore({ directory, time: realTime });
  const log = await ChangeLog.open({ store, time: realTime, limits, logger: silentLogger });
  const rows = await store.scan('tree', null, 1e6, 1e9);
  const { digest } = log;
  await store.close();
  const paths = rows.filter((row) => row.entry !== null && !row.path.startsWith('/.filer')).map((row) => row.path as string);
  return { digest, head: log.state.head, paths: paths.sort(), phase: log.identity.phase };
}

describe('replay into a folder', () => {
  it('makes the store, gives it the tree that was told of, and writes nothing the second time', async () => {
    const at = await openLog();
    for (const name of ['a', 'b', 'c']) await at.tree.put(p(`/docs/${name}`), file(name), mode);
    await at.tree.move(p('/docs/a'), p('/docs/d'));
    await at.tree.remove(p('/docs/b'), false);
    const dir = join(await tempDir(), 'new');
    const input = await tailOf(at);
    expect(await into(dir, input)).to.include({ read: 6, applied: 6, unchanged: 0, malformed: 0, interrupted: false });
    const first = await look(dir);
    expect(first).to.include({ digest: at.log.digest, head: 6, phase: 'ready' });
    expect(await into(dir, input)).to.include({ read: 6, applied: 0, unchanged: 6 });
    expect(await look(dir)).to.deep.equal(first);
  });

  it('never lets an older change beat a newer one, in whatever order they come', async () => {
    const at = await openLog();
    for (const text of ['one', 'two', 'three']) await at.tree.put(p('/f'), file(text), mode);
    const lines = (await tailOf(at)).trim().split('\n');
    const dir = await tempDir();
    await into(dir, [...lines].reverse().join('\n'));
    expect((await look(dir)).digest).to.equal(at.log.digest);
  });

  it('takes what weed prints, with events that say nothing', async () => {
    const input = [
      weedLine(1, { newEntry: entry('a') }),
      weedLine(2, {}),
      weedLine(3, { oldEntry: entry('a'), newEntry: entry('b'), newParentPath: '/other' }),
      weedLine(4, { newEntry: entry('gone') }),
      weedLine(5, { oldEntry: entry('gone') }),
    ].join('');
    const dir = await tempDir();
    expect(await into(dir, input)).to.include({ read: 4, applied: 4 });
    expect((await look(dir)).paths).to.deep.equal(['/other/b']);
    expect(await into(dir, input)).to.include({ read: 4, applied: 0, unchanged: 4 });
  });

  it('takes only the times, paths and names that were asked for', async () => {
    const input =
      [1, 2, 3].map((second) => weedLine(second, { newEntry: entry(`${second}.txt`) })).join('') + weedLine(4, { newEntry: entry('x.md') }, '/other');
    const at = (second: number) => (1_763_763_267 + second) * 1e6;
    const pathsFor = async (choice: Partial<Choice>) => {
      const dir = await tempDir();
      await into(dir, input, { choice: { ...anything, ...choice } });
      return (await look(dir)).paths;
    };
    expect(await pathsFor({ until: at(2) })).to.deep.equal(['/docs/1.txt', '/docs/2.txt']);
    expect(await pathsFor({ since: at(3) })).to.deep.equal(['/docs/3.txt', '/other/x.md']);
    expect(await pathsFor({ pathPrefix: parsePath('/other') })).to.deep.equal(['/other/x.md']);
    expect(await pathsFor({ matches: (path) => path.endsWith('2.txt') })).to.deep.equal(['/docs/2.txt']);
  });

  it('ends at a malformed record, names its line, and has written what came before', async () => {
    const input = `${weedLine(1, { newEntry: entry('a') })}{"directory":7}\n${weedLine(2, { newEntry: entry('b') })}`;
    const line = weedLine(1, { newEntry: entry('a') }).split('\n').length;
    const dir = await tempDir();
    const failure = await failureOf(() => into(dir, input));
    expect(failure.code).to.equal('BODY_INVALID');
    expect(failure.message).to.match(new RegExp(`^line ${line} is malformed: change.eventNotification: must be an object`));
    expect((await look(dir)).paths).to.deep.equal(['/docs/a']);
    const invalid: string[] = [];
    expect(await into(dir, input, { skipInvalid: true, invalid })).to.include({ malformed: 1, applied: 1, unchanged: 1 });
    expect(invalid).to.have.length(1);
    expect((await look(dir)).paths).to.deep.equal(['/docs/a', '/docs/b']);
  });

  it('plans what it would do, and makes nothing', async () => {
    const dir = join(await tempDir(), 'none');
    const input = [
      weedLine(1, { newEntry: entry('a') }),
      weedLine(2, { newEntry: entry('a', 'eQ==') }),
      weedLine(3, { oldEntry: entry('a'), newEntry: entry('b') }),
      weedLine(4, { oldEntry: entry('b') }),
    ].join('');
    const bytes = { creates: 1, updates: 1, deletes: 1, renames: 1, conflicts: 0 };
    const expected = { read: 4, skipped: 0, malformed: 0, creates: 1, updates: 1, deletes: 1, renames: 1, conflicts: 0, superseded: 0, unchanged: 0, bytes };
    expect(await plan(dir, input)).to.deep.equal(expected);
    expect(await stat(dir).catch(() => null)).to.equal(null);
    await into(dir, input);
    const before = await look(dir);
    expect(await plan(dir, input + weedLine(5, { newEntry: entry('c') }))).to.deep.include({ creates: 1, updates: 0, unchanged: 4 });
    expect(await look(dir)).to.deep.equal(before);
  });

  it('goes on at a checkpoint, which is written with the data, and refuses one of another input', async () => {
    const events = Array.from({ length: 30 }, (_, i) => weedLine(i, { newEntry: entry(`f${i}`) }));
    const input = events.join('');
    const dir = await tempDir();
    const link = replayLink('mine');
    const stop = new AbortController();
    const halfway = (real: ReplayTarget): ReplayTarget => ({
      ...real,
      changesMax: 10,
      write: async (changes, rest, signal) => {
        const result = await real.write(changes, { ...rest, take: () => null, next: () => Promise.resolve(null) }, signal);
        stop.abort();
        return result;
      },
    });
    const first = await into(dir, events.slice(0, 12).join(''), { link });
    expect(first).to.include({ applied: 12 });
    const second = await into(dir, input, { link, signal: stop.signal, target: halfway });
    expect(second).to.include({ interrupted: true, read: 18, applied: 10 });
    // The page was cut before its end, so its checkpoint was not written: what is there already comes again, and changes nothing.
    expect(await into(dir, input, { link })).to.include({ read: 18, applied: 8, unchanged: 10 });
    expect(await into(dir, input, { link })).to.include({ read: 0 });
    expect((await look(dir)).paths).to.have.length(30);
    expect((await failureOf(() => into(dir, `${weedLine(1, { newEntry: entry('other') })}${input}`, { link }))).code).to.equal('USAGE');
    expect((await failureOf(() => into(dir, '', { link }))).code).to.equal('USAGE');
  });

  it('reads a file from the place of its checkpoint', async () => {
    const dir = await tempDir();
    const path = join(dir, 'changes.json');
    const link = replayLink('file');
    const run = () =>
      withTarget(join(dir, 'store'), false, async (target) => {
        const source = await openInput({ name: path, path, stream: Readable.from([]), mark: await target.checkpoint(link, never) });
        return replay({ ...(await optionsOf('', target, {})), source, link }, never);
      });
    await writeFile(path, weedLine(1, { newEntry: entry('a') }));
    expect(await run()).to.include({ read: 1, applied: 1 });
    await writeFile(path, (await readFile(path, 'utf8')) + weedLine(2, { newEntry: entry('b') }));
    expect(await run()).to.include({ read: 1, applied: 1 });
    expect((await look(join(dir, 'store'))).paths).to.deep.equal(['/docs/a', '/docs/b']);
  });
});
