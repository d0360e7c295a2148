import type { FullPath } from '../entry/path.js';
import { compareBytes, isReserved, parentOf, root } from '../entry/path.js';

/*
 * Where two whole trees may differ, found by digests: buckets with equal sums hold equal rows, and of the others the directories with equal sums do.
 * So two clusters with a million entries and ten differences are compared by a few thousand short lines.
 */

interface DirectorySum {
  readonly directory: FullPath;
  readonly entries: number;
  readonly sum: number;
}

/** What is asked of a filer; provided over HTTP by api/meta/client.ts. */
export interface DigestedFiler {
  /** 256 sums, and the number of live rows behind them. */
  digest(recompute: false, signal: AbortSignal): Promise<{ readonly buckets: readonly number[]; readonly entries: number }>;
  /** The directories of one bucket in byte order; `next` null = nothing follows. */
  directoryDigests(
    bucket: number,
    after: FullPath | null,
    signal: AbortSignal,
  ): Promise<{ readonly sums: readonly DirectorySum[]; readonly next: FullPath | null }>;
}

export interface Unequal {
  /** Directories in which something differs, and all above them. kelp's own are left out. */
  readonly directories: ReadonlySet<FullPath>;
  /** Live rows of `a` in all others, kelp's own included. */
  readonly equalEntries: number;
}

/**
 * The directories in which two trees may differ; null if they are more than `max`. What is written meanwhile may be in it.
 * @throws FilerError what the filers answer
 */
export async function unequalDirectories(a: DigestedFiler, b: DigestedFiler, max: number, signal: AbortSignal): Promise<Unequal | null> {
  const [inA, inB] = await Promise.all([a.digest(false, signal), b.digest(false, signal)]);
  const directories = new Set<FullPath>();
  let equalEntries = inA.entries;
  for (const [bucket, sum] of inA.buckets.entries()) {
    if (sum === inB.buckets[bucket]) continue;
    for await (const [one, other] of joined(sumsOf(a, bucket, signal), sumsOf(b, bucket, signal))) {
      if (one?.sum === other?.sum && one?.entries === other?.entries) continue;
      equalEntries -= one?.entries ?? 0;
      const { directory } = (one ?? other) as DirectorySum;
      if (isReserved(directory)) continue;
      for (let up = directory; !directories.has(up); up = parentOf(up)) directories.add(up);
      if (directories.size > max) return null;
    }
  }
  return { directories, equalEntries: Math.max(0, equalEntries) };
}

async function* sumsOf(filer: DigestedFiler, bucket: number, signal: AbortSignal): AsyncGenerator<DirectorySum, void, undefined> {
  for (let after: FullPath | null = null; ;) {
    const page: Awaited<ReturnType<DigestedFiler['directoryDigests']>> = await filer.directoryDigests(bucket, after, signal);
    yield* page.sums;
    if (page.next === null) return;
    after = page.next;
  }
}

type Sums = AsyncGenerator<DirectorySum, void, undefined>;

/** Pairs of one directory, null where a side has nothing in it. */
async function* joined(a: Sums, b: Sums): AsyncGenerator<[DirectorySum | null, DirectorySum | null], void, undefined> {
  const next = async (from: Sums): Promise<DirectorySum | null> => (await from.next()).value ?? null;
  let [one, other] = await Promise.all([next(a), next(b)]);
  while (one !== null || other !== null) {
    const order = one === null ? 1 : other === null ? -1 : compareBytes(one.directory, other.directory);
    yield [order <= 0 ? one : null, order >= 0 ? other : null];
    [one, other] = await Promise.all([order <= 0 ? next(a) : one, order >= 0 ? next(b) : other]);
  }
}

/** True if something in `directory` or below it may differ. */
export function mayDiffer({ directories }: Unequal, directory: FullPath): boolean {
  return directories.has(directory) || (directory === root && directories.size > 0);
}
