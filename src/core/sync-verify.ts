import { MetaClient } from './api/meta/client.js';
import { TreeClient } from './api/filer/client.js';
import { limits } from './config/limits.js';
import { isWithin, root, type FullPath } from './entry/path.js';
import { FilerError, isFailure } from './errors.js';
import { HttpClient } from './http/client.js';
import type { Signer } from './security/signer.js';
import { repairPaths, type Brought, type RepairOptions } from './sync/repair.js';
import { mayDiffer, unequalDirectories } from './sync/unequal-directories.js';
import { compareTrees, type CompareOptions, type CompareSummary, type Difference } from './tree/tree-compare.js';
import { walkTree } from './tree/tree-walk.js';

/* Two trees compared over HTTP, by digests where both are whole, and made equal if that is asked for. */

export interface VerifySide {
  /** host:port */
  readonly address: string;
  readonly path: FullPath;
  readonly signer?: Signer;
}

export interface VerifyOptions extends Pick<CompareOptions, 'isActivePassive' | 'withAttributes' | 'changedBeforeMs' | 'signal'> {
  readonly a: VerifySide;
  readonly b: VerifySide;
  /** True: no digests, all names. */
  readonly byName: boolean;
  /** Brings what is missing or different, and compares again. */
  readonly repair: boolean;
  /** Something that is no result. */
  say(text: string): void;
}

export interface Repaired {
  readonly type: 'REPAIRED';
  /** In a. */
  readonly path: FullPath;
  /** Which side was written to. */
  readonly to: 'a' | 'b';
  readonly deleted: boolean;
}

/** What still differs after a repair. */
export interface NotRepaired extends Pick<Difference, 'path' | 'isDirectory'> {
  readonly type: 'NOT_REPAIRED';
  readonly difference: Difference['type'];
  readonly reason: string;
}

/** What was found; with a repair, what was written, and what still differs. */
export interface VerifySummary extends CompareSummary {
  readonly repaired?: number;
  readonly notRepaired?: number;
}

export type Verified = Difference | Repaired | NotRepaired | VerifySummary;

/**
 * Every difference; with `repair`, what was done about it and what still differs; then the summary.
 * @throws FilerError USAGE for a repair within one cluster; what the filers answer
 */
export async function* verify(options: VerifyOptions): AsyncGenerator<Verified, void, undefined> {
  const [a, b] = [connect(options.a), connect(options.b)];
  try {
    yield* options.repair ? repaired(options, a, b) : compared(options, a, b);
  } finally {
    await Promise.all([a.http.close(), b.http.close()]);
  }
}

interface Connected {
  readonly http: HttpClient;
  readonly meta: MetaClient;
  readonly tree: TreeClient;
}

function connect({ address, signer }: VerifySide): Connected {
  const http = new HttpClient({ connections: limits.peerConnections, signer });
  return { http, meta: new MetaClient(http, address), tree: new TreeClient(http, address) };
}

async function* compared(options: VerifyOptions, a: Connected, b: Connected): AsyncGenerator<Difference | CompareSummary, void, undefined> {
  const { isActivePassive, withAttributes, changedBeforeMs, signal } = options;
  const sides = { a: { tree: a.tree, path: options.a.path }, b: { tree: b.tree, path: options.b.path } };
  yield* compareTrees({ ...sides, isActivePassive, withAttributes, changedBeforeMs, digests: await digestsOf(options, a, b), signal });
}

async function digestsOf(
  { a: { path }, b: { path: inB }, byName, signal, say }: VerifyOptions,
  a: Connected,
  b: Connected,
): Promise<CompareOptions['digests']> {
  if (byName || path !== root || inB !== root) return null;
  try {
    const unequal = await unequalDirectories(a.meta, b.meta, limits.verifyDirectories, signal);
    return unequal && { equalEntries: unequal.equalEntries, mayDiffer: (directory) => mayDiffer(unequal, directory) };
  } catch (error) {
    // The tree is open to everybody, digests are not.
    if (!isFailure(error, 'SIGNATURE_INVALID')) throw error;
    say(`compared name by name, since the digests cannot be had: ${error.message}`);
    return null;
  }
}

async function* repaired(options: VerifyOptions, a: Connected, b: Connected): AsyncGenerator<Verified, void, undefined> {
  const { signal } = options;
  const [inA, inB] = await Promise.all([a.meta.info(signal), b.meta.info(signal)]);
  const clusters = [inA.clusterId ?? inA.storeId, inB.clusterId ?? inB.storeId] as const;
  const work = new Work(options, a, b, clusters);
  let summary: CompareSummary | null = null;
  for await (const one of compared(options, a, b)) {
    if (one.type === 'SUMMARY') summary = one;
    else {
      yield one;
      yield* work.take(one);
    }
  }
  yield* work.flush();
  let notRepaired = 0;
  for await (const one of compared(options, a, b)) {
    if (one.type === 'SUMMARY') continue;
    notRepaired += 1;
    yield { type: 'NOT_REPAIRED', path: one.path, isDirectory: one.isDirectory, difference: one.type, reason: work.reasonOf(one.path) };
  }
  yield { ...(summary as CompareSummary), repaired: work.repaired, notRepaired };
}

/** What a repair has yet to look at, and what became of the rest. */
class Work {
  repaired = 0;
  #paths: FullPath[] = [];
  readonly #reasons = new Map<FullPath, string>();
  readonly #repair: RepairOptions;

  /** @param clusters ids of both */
  constructor(
    private readonly options: VerifyOptions,
    private readonly a: Connected,
    private readonly b: Connected,
    clusters: readonly [string, string],
  ) {
    const { a: inA, b: inB, isActivePassive } = options;
    if (clusters[0] === clusters[1] && (isWithin(inA.path, inB.path) || isWithin(inB.path, inA.path)))
      throw new FilerError('USAGE', '--repair: both filers are of one cluster, which repairs itself; see kelp filer.peers, or name filers of two clusters');
    const scope = (from: FullPath, to: FullPath) => ({ from, to, excludes: [], deletes: true, ttlSec: 0 });
    this.#repair = {
      a: { filer: a.meta, cluster: clusters[0] },
      b: { filer: b.meta, cluster: clusters[1] },
      there: scope(inA.path, inB.path),
      back: scope(inB.path, inA.path),
      isActivePassive,
      limits,
    };
  }

  /** Of a directory that one side lacks, all below it too. */
  async *take({ type, path, isDirectory }: Difference): AsyncGenerator<Repaired, void, undefined> {
    yield* this.#add(path);
    if (!isDirectory || (type !== 'MISSING' && type !== 'ONLY_IN_B')) return;
    const { a, b, signal } = this.options;
    const [tree, top] = type === 'MISSING' ? [this.a.tree, path] : [this.b.tree, rebased(path, a.path, b.path)];
    try {
      for await (const below of walkTree(tree, top, signal)) yield* this.#add(type === 'MISSING' ? below.path : rebased(below.path, b.path, a.path));
    } catch (error) {
      // Its deletion came over while it was walked; what was below it shows when all is compared again.
      if (!isFailure(error, 'ENTRY_NOT_FOUND', 'PARAMETER_INVALID')) throw error;
    }
  }

  async *flush(): AsyncGenerator<Repaired, void, undefined> {
    const paths = this.#paths;
    this.#paths = [];
    if (paths.length === 0) return;
    for (const one of await repairPaths(this.#repair, paths, this.options.signal)) {
      if (one.to === null) this.#blame(one);
      else {
        this.repaired += 1;
        yield { type: 'REPAIRED', path: one.path, to: one.to, deleted: one.deleted };
      }
    }
  }

  reasonOf(path: FullPath): string {
    return this.#reasons.get(path) ?? 'it was changed meanwhile, or the other side holds something newer; run it again';
  }

  async *#add(path: FullPath): AsyncGenerator<Repaired, void, undefined> {
    this.#paths.push(path);
    if (this.#paths.length >= limits.repairRows) yield* this.flush();
  }

  #blame({ path, reason }: Brought): void {
    if (reason !== null && this.#reasons.size < limits.repairReasons) this.#reasons.set(path, reason);
  }
}

const rebased = (path: FullPath, from: FullPath, to: FullPath): FullPath => {
  const below = from === root ? path : path.slice(from.length);
  return (to === root ? below || root : `${to}${below}`) as FullPath;
};
