import { hash } from 'node:crypto';
import type { TreeClient } from '../api/filer/client.js';
import { limits } from '../config/limits.js';
import { directoryBit } from '../entry/entry.js';
import { root, type FullPath } from '../entry/path.js';
import type { DemoFiler } from './demo-filer.js';
import { inParallel } from '../tree/in-parallel.js';

/** What one filer says and shows of itself. */
export interface Witness {
  readonly filer: string;
  readonly address: string;
  /** Rows, by its own count. */
  readonly entries: number;
  /** As it keeps it, and added up anew from its rows. */
  readonly digest: string;
  readonly recomputed: string;
  /** Names listed over HTTP, and the hash of the whole listing: paths, attributes, contents. */
  readonly listed: number;
  readonly tree: string;
}

export interface Proof {
  readonly witnesses: readonly Witness[];
  /** What is not equal, a line each; empty = proven. */
  readonly differences: readonly string[];
}

/** Path to hash of its entry. */
type Listing = ReadonlyMap<FullPath, string>;

const differencesMax = 10;

/** Lists every tree over HTTP, has every digest added up anew from the rows, and compares all with the first filer's. */
export async function prove(filers: readonly DemoFiler[], signal: AbortSignal): Promise<Proof> {
  const found = await Promise.all(
    filers.map(async (filer) => {
      const listing = await listTree(filer.tree, signal);
      const { digest, recomputed, entries } = await filer.meta.digest(true, signal);
      const tree = hash('sha256', [...listing].map(([path, entry]) => `${path}\0${entry}`).join('\n'), 'hex').slice(0, 16);
      const witness = { filer: filer.name, address: filer.address, entries, digest, recomputed: recomputed?.digest ?? '', listed: listing.size, tree };
      return { witness, listing };
    }),
  );
  return { witnesses: found.map(({ witness }) => witness), differences: compare(found) };
}

/** Lines that say what differs, the first few paths of each filer by name. */
export function compare(found: readonly { readonly witness: Witness; readonly listing: Listing }[]): string[] {
  const [first, ...others] = found;
  if (!first) return [];
  const own = found.filter(({ witness }) => witness.recomputed !== witness.digest);
  const lines = own.map(({ witness }) => `${witness.filer} keeps the digest ${witness.digest}, but its rows add up to ${witness.recomputed}`);
  for (const { witness, listing } of others) {
    const paths = differing(first.listing, listing);
    const names = [first.witness.filer, witness.filer] as const;
    for (const path of paths.slice(0, differencesMax)) lines.push(describe(path, first.listing.has(path), listing.has(path), names));
    if (paths.length > differencesMax) lines.push(`${names[1]} differs from ${names[0]} at ${paths.length - differencesMax} paths more`);
    if (paths.length === 0 && witness.digest !== first.witness.digest)
      lines.push(`${names[1]} shows the tree of ${names[0]}, but its digest is ${witness.digest}`);
  }
  return lines;
}

function describe(path: FullPath, inFirst: boolean, inOther: boolean, [first, other]: readonly [string, string]): string {
  if (inFirst && inOther) return `${other} differs from ${first} at ${path}: another entry`;
  return `${other} differs from ${first} at ${path}: it is on ${inFirst ? first : other} only`;
}

function differing(a: Listing, b: Listing): FullPath[] {
  const paths = [...a.keys(), ...[...b.keys()].filter((path) => !a.has(path))];
  return paths.filter((path) => a.get(path) !== b.get(path));
}

/** Directory by directory from the root, sorted by path. */
async function listTree(tree: TreeClient, signal: AbortSignal): Promise<Listing> {
  const found: [FullPath, string][] = [];
  for (let level: FullPath[] = [root]; level.length > 0;) {
    const below: FullPath[] = [];
    await inParallel(level, limits.demoInFlight / 4, async (directory) => {
      for await (const entry of tree.listAll(directory, { limit: limits.listEntriesMax, signal })) {
        const path = entry.FullPath as FullPath;
        found.push([path, hash('sha256', JSON.stringify(entry), 'hex')]);
        if (entry.Mode >= directoryBit) below.push(path);
      }
    });
    level = below;
  }
  return new Map(found.sort(([a], [b]) => (a < b ? -1 : 1)));
}
