import { isRefused } from './change/change.js';
import { bucketCount, chainHash } from './change/digest.js';
import { receiveChange } from './change/refused.js';
import type { Row } from './change/row.js';
import { formatDot, type Origin } from './clock/vector.js';
import { limits } from './config/limits.js';
import { ancestorsOf, parentOf, root, type FullPath } from './entry/path.js';
import { FilerError, messageOf } from './errors.js';
import { countProblem, rowProblem, sumProblem, type Finding } from './store/finding.js';
import { identityFromMeta } from './store/identity.js';
import { checkStoreFile, openStoreReadOnly } from './store/open-store.js';
import type { Counts, LogRecord, OriginState, Store, StoreContents } from './store/store.js';
import type { TimeSource } from './time.js';

export type { Finding } from './store/finding.js';

type Problems = AsyncGenerator<string, void, undefined>;

/**
 * Checks the store in a folder against itself, also while a filer runs on it; nothing is written. Findings come as they are found,
 * at most limits.findingsMax.
 * @throws FilerError STORE_FAILED if it cannot be read; TIMED_OUT if its filer writes all the time
 */
export async function* checkStore(directory: string, time: Pick<TimeSource, 'sleep'>): AsyncGenerator<Finding, void, undefined> {
  let found = 0;
  for await (const finding of allFindings(directory, time)) {
    if (++found > limits.findingsMax) {
      yield { ...finding, problem: `more than ${limits.findingsMax} findings; the rest is left out` };
      return;
    }
    yield finding;
  }
}

async function* allFindings(directory: string, time: Pick<TimeSource, 'sleep'>): AsyncGenerator<Finding, void, undefined> {
  for (const problem of await checkStoreFile(directory)) yield { part: 'file', problem };
  const store = await openStoreReadOnly(directory);
  try {
    const { contents, recounted } = await readAtOneMoment(store, time);
    for (const problem of sumProblems(contents, recounted.buckets)) yield { part: 'sums', problem };
    for (const problem of countProblems(contents, recounted.counts)) yield { part: 'counts', problem };
    for await (const problem of logProblems(store, contents)) yield { part: 'log', problem };
    for await (const problem of rowProblems(store, recounted.children, time)) yield { part: 'rows', problem };
  } finally {
    await store.close();
  }
}

interface Moment {
  readonly contents: StoreContents;
  readonly recounted: Awaited<ReturnType<Store['recount']>>;
  /** The kept counts of the directories asked for. */
  readonly children: ReadonlyMap<FullPath, number>;
}

/** Figures and rows of one moment: a filer may be at work on the store, so they count only if nothing was written meanwhile. */
async function readAtOneMoment(store: Store, time: Pick<TimeSource, 'sleep'>, directories: readonly FullPath[] = []): Promise<Moment> {
  for (let attempt = 1; attempt <= limits.checkAttempts; attempt += 1) {
    const before = await store.load();
    const recounted = await store.recount();
    const children = await store.children(directories);
    const contents = await store.load();
    if (isSame(before, contents)) return { contents, recounted, children };
    await time.sleep(limits.checkPauseMs);
  }
  throw new FilerError('TIMED_OUT', 'the filer on this store writes all the time, so its sums cannot be compared; try again, or stop the filer first');
}

function isSame(a: StoreContents, b: StoreContents): boolean {
  const text = ({ origins, buckets, head, first, meta }: StoreContents) => JSON.stringify([origins, buckets, head, first, [...meta]]);
  return text(a) === text(b);
}

function sumProblems({ buckets }: StoreContents, real: readonly number[]): string[] {
  return Array.from({ length: bucketCount }, (_, bucket) => bucket)
    .filter((bucket) => buckets[bucket] !== real[bucket])
    .map((bucket) => sumProblem(bucket, buckets[bucket], real[bucket]));
}

function countProblems({ meta }: StoreContents, real: Counts): string[] {
  const kept = JSON.parse(meta.get('counts') ?? '{}') as Partial<Counts>;
  return (Object.keys(real) as (keyof Counts)[])
    .filter((name) => (kept[name] ?? 0) !== real[name])
    .map((name) => countProblem(name, kept[name] ?? 0, real[name]));
}

/** Each origin's records must follow each other without a gap, hash by hash, from where the log begins to where the store is. */
async function* logProblems(store: Store, { origins, head, first, meta }: StoreContents): Problems {
  const identity = identityFromMeta(meta);
  const at = new Map<Origin, { seq: number; hash: string }>(origins.map(({ origin, first, firstHash }) => [origin, { seq: first - 1, hash: firstHash }]));
  if (identity !== null && !at.has(identity.origin)) yield `the store's own origin ${identity.origin} is not in its position`;
  let after = first - 1;
  for (;;) {
    const page = await store.readLog({ after, upto: head, limit: limits.pageChanges, bytesMax: limits.pageBytes });
    for (const record of page) {
      const last = at.get(record.origin);
      if (!last) yield `${formatDot(record)}: its origin is not in the position`;
      else yield* recordProblems(record, last);
      at.set(record.origin, { seq: record.seq, hash: record.hash });
      after = record.index;
    }
    if (page.length === 0) break;
  }
  for (const { origin, seq, hash } of origins) yield* endProblems(origin, { seq, hash }, at.get(origin));
}

function* recordProblems(record: LogRecord, last: { seq: number; hash: string }): Generator<string> {
  const dot = formatDot(record);
  if (record.seq !== last.seq + 1) {
    yield `${dot}: stands after seq ${last.seq} of its origin`;
    return;
  }
  try {
    const change = receiveChange(record.text);
    const link = isRefused(change) ? change.link : change;
    const same = change.origin === record.origin && change.seq === record.seq && change.version === record.version && change.hash === record.hash;
    if (!same) yield `${dot}: its text is another change's, ${formatDot(change)}`;
    else if (link !== null && chainHash(last.hash, link) !== record.hash) yield `${dot}: its hash does not follow from its content and the change before it`;
  } catch (error) {
    yield `${dot}: ${messageOf(error)}`;
  }
}

function* endProblems(origin: Origin, kept: Pick<OriginState, 'seq' | 'hash'>, last: { seq: number; hash: string } | undefined): Generator<string> {
  if (last?.seq !== kept.seq) yield `the log of ${origin} ends at seq ${last?.seq}, its position is ${kept.seq}`;
  else if (last.hash !== kept.hash) yield `the hash of ${origin} at seq ${kept.seq} is kept as ${kept.hash}, the log has ${last.hash}`;
}

/** Each row against its own hashes and the position, and the counts of what directories show. */
async function* rowProblems(store: Store, children: ReadonlyMap<FullPath, number>, time: Pick<TimeSource, 'sleep'>): Problems {
  const directories = new Set(children.keys());
  const newest = new Map<Origin, number>();
  for (let after: FullPath | null = null; ;) {
    const rows: Row[] = await store.scan('tree', after, limits.snapshotRows, limits.snapshotBytes);
    for (const row of rows) {
      const problem = rowProblem(row);
      if (problem !== null) yield problem;
      if (row.dot) newest.set(row.dot.origin, Math.max(row.dot.seq, newest.get(row.dot.origin) ?? 0));
      if (row.path !== root) for (const path of [parentOf(row.path), ...ancestorsOf(parentOf(row.path))]) directories.add(path);
    }
    after = rows.at(-1)?.path ?? null;
    if (after === null) break;
  }
  // Read after the rows: a filer at work may have added to both.
  const { origins, meta } = await store.load();
  const position = new Map(origins.map(({ origin, seq }) => [origin, seq]));
  const phase = identityFromMeta(meta)?.phase;
  // A snapshot that is written straight into place is ahead of the position.
  const isFilling = phase === 'bootstrapping' || phase === 'rejoining';
  for (const [origin, seq] of newest) {
    if (!isFilling && seq > (position.get(origin) ?? 0)) yield `a row stems from ${origin}:${seq}, which the position does not cover`;
  }
  yield* childrenProblems(store, [...directories], children, time);
}

async function* childrenProblems(
  store: Store,
  directories: readonly FullPath[],
  real: ReadonlyMap<FullPath, number>,
  time: Pick<TimeSource, 'sleep'>,
): Problems {
  const suspects: FullPath[] = [];
  for (let from = 0; from < directories.length; from += limits.snapshotRows) {
    const some = directories.slice(from, from + limits.snapshotRows);
    const kept = await store.children(some);
    suspects.push(...some.filter((path) => (kept.get(path) ?? 0) !== (real.get(path) ?? 0)));
  }
  if (suspects.length === 0) return;
  // What was counted is from another moment than what was read here: only what differs at one moment is wrong.
  const { recounted, children } = await readAtOneMoment(store, time, suspects);
  for (const path of suspects) {
    const [has, shows] = [children.get(path) ?? 0, recounted.children.get(path) ?? 0];
    if (has !== shows) yield `${path}: is kept as showing ${has} names, counted it is ${shows}`;
  }
}
