import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { decodeChange } from '../../src/core/change/codec.js';
import { operationOf, rowsOf, type Operation } from '../../src/core/change/change.js';
import type { Row } from '../../src/core/change/row.js';
import { formatDot, type Origin, type Position } from '../../src/core/clock/vector.js';
import { parsePath } from '../../src/core/entry/path.js';
import { limits } from '../../src/core/config/limits.js';
import { messageOf } from '../../src/core/errors.js';
import { ChangeLog } from '../../src/core/log/change-log.js';
import { silentLogger } from '../../src/core/logger.js';
import { Namespace } from '../../src/core/namespace/namespace.js';
import { checkStore } from '../../src/core/offline-store-check.js';
import { identityFromMeta } from '../../src/core/store/identity.js';
import { openStore, openStoreReadOnly } from '../../src/core/store/open-store.js';
import type { LogRecord, Store } from '../../src/core/store/store.js';
import { realTime } from '../../src/core/time.js';
import { fingerprint, Model } from '../simulation/model.js';
import type { Promises } from './promises.js';

/** The whole feed of a store, as its filer left it. No crash may leave anything but a beginning of it. */
export class WholeFeed {
  private constructor(
    readonly records: readonly LogRecord[],
    private readonly rows: readonly (readonly Row[])[],
  ) {}

  static async of(directory: string): Promise<WholeFeed> {
    const store = await openStoreReadOnly(directory);
    try {
      const records = await recordsOf(store);
      return new WholeFeed(
        records,
        records.map(({ text }) => rowsOf(decodeChange(text))),
      );
    } finally {
      await store.close();
    }
  }

  /** Whether the log has a write as a client made it: `content` put at `path`, under the dot it was answered. */
  holds(dot: string, path: string, content: string): boolean {
    const record = this.records.find((record) => formatDot(record) === dot);
    if (record === undefined) return false;
    const { newPath, newEntry } = decodeChange(record.text);
    return newPath === path && (JSON.parse(newEntry ?? '{}') as { content?: string }).content === Buffer.from(content).toString('base64');
  }

  /** How often each operation was made, by origin. */
  operations(): Map<Origin, Map<Operation, number>> {
    const made = new Map<Origin, Map<Operation, number>>();
    for (const { origin, text } of this.records) {
      const ofOrigin = made.get(origin) ?? new Map<Operation, number>();
      const operation = operationOf(decodeChange(text));
      made.set(origin, ofOrigin.set(operation, (ofOrigin.get(operation) ?? 0) + 1));
    }
    return made;
  }

  /** The rows that the first `count` changes make, as fingerprints in order. */
  rowsAfter(count: number): string[] {
    const model = new Model();
    for (const rows of this.rows.slice(0, count)) for (const row of rows) model.add(row);
    return [...model.rows.values()].map(fingerprint).sort();
  }
}

async function recordsOf(store: Store): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  for (;;) {
    const page = await store.readLog({ after: records.at(-1)?.index ?? 0, limit: 10_000, bytesMax: 1e9 });
    if (page.length === 0) return records;
    records.push(...page);
  }
}

/**
 * The folder of a store, filled with one crash image after another. The database file stays the same one, since a store knows its
 * file by inode and birth time: only so does an image look to it like its own folder after a power cut.
 */
export class ImageFolder {
  readonly #database: string;
  readonly #aside: string;

  constructor(private readonly folder: string) {
    this.#database = join(folder, 'filer.db');
    this.#aside = `${folder}.filer.db`;
  }

  /** Makes the folder hold exactly these files. `shm`: beside a write-ahead log also the shared memory, its content of no use. */
  async put(files: ReadonlyMap<string, Buffer>, shm: boolean): Promise<void> {
    for (const name of await readdir(this.folder)) {
      // The one of the first image; one that a store made in an image without it goes.
      if (name === basename(this.#database) && !(await exists(this.#aside))) await rename(this.#database, this.#aside);
      else await rm(join(this.folder, name), { recursive: true });
    }
    for (const [path, content] of files) {
      if (!path.startsWith(`${this.folder}/`)) throw new Error(`${path} is not in ${this.folder}`);
      if (path !== this.#database) await writeFile(path, content, { mode: 0o600 });
    }
    const database = files.get(this.#database);
    if (database !== undefined) {
      await rename(this.#aside, this.#database);
      const file = await open(this.#database, 'r+');
      await file.truncate(0);
      await file.write(database, 0, database.length, 0);
      await file.close();
    }
    if (shm && files.has(`${this.#database}-wal`)) await writeFile(`${this.#database}-shm`, randomBytes(32_768), { mode: 0o600 });
  }
}

async function exists(path: string): Promise<boolean> {
  return open(path).then(
    (file) => file.close().then(() => true),
    () => false,
  );
}

/**
 * Opens what a power cut left of a store and says what is wrong with it; nothing = every promise is kept. With `goesOn` it also makes one
 * more change.
 */
export async function problemsOf(directory: string, promises: Promises, feed: WholeFeed, goesOn: boolean): Promise<string[]> {
  const problems: string[] = [];
  try {
    await mkdir(directory, { recursive: true });
    const store = await openStore({ directory, time: realTime });
    try {
      for await (const problem of storeProblems(store, promises, feed)) problems.push(problem);
      // Beside the open store: its own file as it was recovered, before a close tidies it up.
      for await (const { part, problem } of checkStore(directory, realTime)) problems.push(`${part}: ${problem}`);
    } finally {
      await store.close();
    }
    if (goesOn && problems.length === 0) for await (const problem of problemsOfGoingOn(directory)) problems.push(problem);
  } catch (error) {
    problems.push(`it cannot be used: ${messageOf(error)}`);
  }
  return problems;
}

async function* storeProblems(store: Store, promises: Promises, feed: WholeFeed): AsyncGenerator<string, void, undefined> {
  const { origins, head, meta } = await store.load();
  const identity = identityFromMeta(meta);
  const position: Position = new Map(origins.map(({ origin, seq }) => [origin, seq]));
  const isNew = promises.origin === null && promises.clusterId === null && promises.position.size === 0;
  if (store.verdict !== 'same' && !(isNew && store.verdict === 'created')) yield `the store finds itself ${store.verdict}`;
  if (promises.origin !== null && identity?.origin !== promises.origin) yield `its origin is ${identity?.origin}, ${promises.origin} was told`;
  if (promises.clusterId !== null && identity?.clusterId !== promises.clusterId)
    yield `it belongs to cluster ${identity?.clusterId}, ${promises.clusterId} was told`;
  for (const [origin, seq] of promises.position) {
    const has = position.get(origin);
    if (has === undefined || has < seq) yield `LOST: it is at ${origin}:${has}, ${seq} was told`;
  }

  const records = await recordsOf(store);
  if (records.length !== head) yield `its log has ${records.length} records, its head is ${head}`;
  const strange = records.find((record, i) => JSON.stringify(record) !== JSON.stringify(feed.records[i]));
  if (strange) yield `record ${strange.index}, ${strange.origin}:${strange.seq}, is not the one that was written there`;
  const rows = (await store.scan('tree', null, 1e6, 1e9)).map(fingerprint).sort();
  const expected = feed.rowsAfter(records.length);
  const other = rows.findIndex((row, i) => row !== expected[i]);
  if (rows.length !== expected.length || other >= 0)
    yield `its rows are not what its log makes: ${rows.length} instead of ${expected.length}, ${rows[other]} instead of ${expected[other]}`;
}

/** Makes one change as a filer on this store would, and looks at the store again. */
async function* problemsOfGoingOn(directory: string): AsyncGenerator<string, void, undefined> {
  const store = await openStore({ directory, time: realTime });
  try {
    const log = await ChangeLog.open({ store, time: realTime, limits, logger: silentLogger });
    const before = log.position.get(log.identity.origin) ?? 0;
    const { dot } = await new Namespace(log, store, realTime, limits).put(parsePath('/after/the-crash'), { content: 'eA==', size: 1, md5: '' }, 0o660);
    // The directory, unless an earlier image's change is in this one, and the file.
    if (dot?.origin !== log.identity.origin || dot.seq !== before + 2) yield `going on from ${before} it issued ${dot?.seq}`;
    await log.close();
  } finally {
    await store.close();
  }
  for await (const { part, problem } of checkStore(directory, realTime)) yield `after going on: ${part}: ${problem}`;
  const again = await openStore({ directory, time: realTime });
  if (again.verdict !== 'same') yield `after going on the store finds itself ${again.verdict}`;
  await again.close();
}
