import type { TreeClient } from '../api/filer/client.js';
import type { EntryJson } from '../api/filer/protocol.js';
import { directoryBit } from '../entry/entry.js';
import { childPath, compareBytes, nameOf, type FullPath } from '../entry/path.js';
import { isFailure } from '../errors.js';

/*
 * Two trees compared name by name, in the shape of `weed filer.sync.verify`: directories by presence, files by size, then by ETag. Both are read a
 * page at a time in the order of names; what changes meanwhile may show as a difference.
 */

export const differenceTypes = ['MISSING', 'ONLY_IN_B', 'SIZE_MISMATCH', 'ETAG_MISMATCH', 'ATTRIBUTE_MISMATCH'] as const;

export interface ComparedFile {
  readonly size: number;
  /** RFC 3339. */
  readonly mtime: string;
  /** MD5 of the content, base64; null if the entry has none. */
  readonly etag: string | null;
}

export interface Difference {
  readonly type: (typeof differenceTypes)[number];
  /** In a, or where it would be there. */
  readonly path: FullPath;
  readonly isDirectory: boolean;
  readonly a?: ComparedFile;
  readonly b?: ComparedFile;
  readonly mtimeRelation?: 'EQUAL' | 'A_NEWER' | 'B_NEWER';
  /** Seconds b is newer. */
  readonly mtimeDelta?: number;
  /** Names of what differs, of ATTRIBUTE_MISMATCH. */
  readonly attributes?: readonly string[];
}

/** The last line. */
export interface CompareSummary {
  readonly type: 'SUMMARY';
  readonly directories: number;
  readonly files: number;
  readonly skippedRecent: number;
  readonly missing: number;
  readonly sizeMismatch: number;
  readonly etagMismatch: number;
  readonly attributeMismatch: number;
  /** Of `weed`; kelp does not look into chunks. */
  readonly chunkReorder: 0;
  readonly onlyInB: number;
  readonly totalErrors: number;
  /** Entries of `a` that were not looked at, because digests say that they are equal; only if digests were compared. */
  readonly equalByDigest?: number;
}

export interface CompareOptions {
  readonly a: { readonly tree: TreeClient; readonly path: FullPath };
  readonly b: { readonly tree: TreeClient; readonly path: FullPath };
  /** True: what only b has is no difference. */
  readonly isActivePassive: boolean;
  /** Compares mode, owner, type, time to live, tags and mtime too. */
  readonly withAttributes: boolean;
  /** Files changed after this are left out, milliseconds since 1970; Infinity = none is. */
  readonly changedBeforeMs: number;
  /** What digests say of the two trees; null = all names are compared. */
  readonly digests: { readonly equalEntries: number; mayDiffer(inA: FullPath): boolean } | null;
  readonly signal: AbortSignal;
}

const counted = {
  MISSING: 'missing',
  ONLY_IN_B: 'onlyInB',
  SIZE_MISMATCH: 'sizeMismatch',
  ETAG_MISMATCH: 'etagMismatch',
  ATTRIBUTE_MISMATCH: 'attributeMismatch',
} as const satisfies Record<Difference['type'], keyof CompareSummary>;

const isDirectory = ({ Mode }: EntryJson): boolean => Mode >= directoryBit;

/** Every difference, then the summary. Of a directory that one side lacks only the directory is told. @throws FilerError what the filers answer */
export async function* compareTrees(options: CompareOptions): AsyncGenerator<Difference | CompareSummary, void, undefined> {
  const { a, b, isActivePassive, changedBeforeMs, digests } = options;
  const counts = { directories: 0, files: 0, skippedRecent: 0, missing: 0, sizeMismatch: 0, etagMismatch: 0, attributeMismatch: 0, onlyInB: 0 };
  const isRecent = (entry: EntryJson): boolean => !isDirectory(entry) && Date.parse(entry.Mtime) > changedBeforeMs;
  const left: [FullPath, FullPath][] = [];
  const look = (inA: FullPath, inB: FullPath): void => {
    if (digests?.mayDiffer(inA) ?? true) left.push([inA, inB]);
  };
  look(a.path, b.path);
  for (let pair = left.pop(); pair !== undefined; pair = left.pop()) {
    const [inA, inB] = pair;
    counts.directories += 1;
    for await (const [one, other] of joined(namesOf(a.tree, inA, options.signal), namesOf(b.tree, inB, options.signal))) {
      const either = (one ?? other) as EntryJson;
      if (!isDirectory(either)) counts.files += 1;
      if ([one, other].some((entry) => entry !== null && isRecent(entry))) {
        counts.skippedRecent += 1;
        continue;
      }
      const name = nameOf(either.FullPath as FullPath);
      if (one !== null && other !== null && isDirectory(one) && isDirectory(other)) look(childPath(inA, name), childPath(inB, name));
      for (const found of differencesOf(one, other, childPath(inA, name), options)) {
        if (found.type === 'ONLY_IN_B' && isActivePassive) continue;
        counts[counted[found.type]] += 1;
        yield found;
      }
    }
  }
  const { missing, sizeMismatch, etagMismatch, attributeMismatch, onlyInB } = counts;
  const totalErrors = missing + sizeMismatch + etagMismatch + attributeMismatch + onlyInB;
  yield { type: 'SUMMARY', ...counts, chunkReorder: 0, totalErrors, ...(digests && { equalByDigest: digests.equalEntries }) };
}

function differencesOf(one: EntryJson | null, other: EntryJson | null, path: FullPath, { withAttributes }: CompareOptions): Difference[] {
  const here = one && isDirectory(one);
  const there = other && isDirectory(other);
  if (one === null || other === null || here !== there) {
    return [
      ...(one === null ? [] : [{ type: 'MISSING' as const, path, isDirectory: here === true, a: fileOf(one) }]),
      ...(other === null ? [] : [{ type: 'ONLY_IN_B' as const, path, isDirectory: there === true, b: fileOf(other) }]),
    ];
  }
  const attributes = withAttributes ? comparedAttributes.filter((name) => JSON.stringify(one[name]) !== JSON.stringify(other[name])) : [];
  const content = here === true ? null : one.FileSize !== other.FileSize ? 'SIZE_MISMATCH' : one.Md5 !== other.Md5 ? 'ETAG_MISMATCH' : null;
  const type = content ?? (attributes.length > 0 ? 'ATTRIBUTE_MISMATCH' : null);
  if (type === null) return [];
  const mtimeDelta = (Date.parse(other.Mtime) - Date.parse(one.Mtime)) / 1000;
  const mtimeRelation = one.Mtime === other.Mtime ? 'EQUAL' : mtimeDelta > 0 ? 'B_NEWER' : 'A_NEWER';
  const found = { type, path, isDirectory: here === true, a: fileOf(one), b: fileOf(other), mtimeRelation, mtimeDelta } as const;
  return [attributes.length > 0 ? { ...found, attributes } : found];
}

const comparedAttributes = ['Mtime', 'Crtime', 'Mode', 'Uid', 'Gid', 'Mime', 'TtlSec', 'UserName', 'GroupNames', 'SymlinkTarget', 'Extended'] as const;

const fileOf = ({ FileSize, Mtime, Md5 }: EntryJson): ComparedFile => ({ size: FileSize, mtime: Mtime, etag: Md5 });

/** The names of a directory in byte order; none if it is not there. */
async function* namesOf(tree: TreeClient, directory: FullPath, signal: AbortSignal): AsyncGenerator<EntryJson, void, undefined> {
  try {
    yield* tree.listAll(directory, { signal });
  } catch (error) {
    if (!isFailure(error, 'ENTRY_NOT_FOUND')) throw error;
  }
}

/** Pairs of one name, null where a side lacks it. */
async function* joined(
  a: AsyncGenerator<EntryJson, void, undefined>,
  b: AsyncGenerator<EntryJson, void, undefined>,
): AsyncGenerator<[EntryJson | null, EntryJson | null], void, undefined> {
  const next = async (from: typeof a): Promise<EntryJson | null> => (await from.next()).value ?? null;
  let [one, other] = await Promise.all([next(a), next(b)]);
  while (one !== null || other !== null) {
    const order = one === null ? 1 : other === null ? -1 : compareBytes(nameOf(one.FullPath as FullPath), nameOf(other.FullPath as FullPath));
    yield [order <= 0 ? one : null, order >= 0 ? other : null];
    if (order <= 0) one = await next(a);
    if (order >= 0) other = await next(b);
  }
}

/** As `weed` prints it: the type in brackets, and the path. */
export function differenceLine({ type, path, isDirectory: isFolder, a, b, mtimeRelation, attributes }: Difference): string {
  const sizes = type === 'SIZE_MISMATCH' ? [`a=${a?.size} b=${b?.size}`] : [];
  return [`[${type}]`, isFolder ? `${path}/` : path, ...sizes, ...(attributes ?? []), ...(mtimeRelation ? [mtimeRelation] : [])].join(' ');
}
