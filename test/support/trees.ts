import { expect } from 'chai';
import type { Cluster, ClusterFiler } from './cluster.js';

interface Listed {
  readonly FullPath: string;
  readonly Mode: number;
  readonly Md5: string | null;
  readonly FileSize: number;
}

interface Page {
  readonly Entries: readonly Listed[];
  readonly LastFileName: string;
  readonly ShouldDisplayLoadMore: boolean;
}

/** Everything below a directory as listed over HTTP from the top: path, then kind and permissions, size and MD5. */
export async function treeOf(filer: ClusterFiler, top = ''): Promise<Map<string, string>> {
  const tree = new Map<string, string>();
  const directories = [top];
  for (const directory of directories) {
    const path = directory.split('/').map(encodeURIComponent).join('/');
    for (let last = '', more = true; more;) {
      const page = await filer.json<Page>(`${path}/?limit=10000&lastFileName=${encodeURIComponent(last)}`);
      for (const { FullPath, Mode, Md5, FileSize } of page.Entries) {
        tree.set(FullPath, `${Mode.toString(8)} ${FileSize} ${Md5 ?? ''}`);
        if (Mode >= 0x80000000) directories.push(FullPath);
      }
      more = page.ShouldDisplayLoadMore;
      last = page.LastFileName;
    }
  }
  return tree;
}

interface Digest {
  readonly digest: string;
  readonly entries: number;
  readonly recomputed: { readonly digest: string; readonly entries: number };
}

/**
 * The proof that filers are the same: equal positions and digests, each digest equal to the one summed up anew from the rows, and equal
 * trees as listed over HTTP. Returns the tree.
 */
export async function expectSame(cluster: Cluster, filers: readonly ClusterFiler[], timeoutMs = 60_000): Promise<Map<string, string>> {
  const digest = await cluster.converged(filers, timeoutMs);
  const trees = await Promise.all(filers.map((filer) => treeOf(filer)));
  const [first] = trees;
  for (const [index, filer] of filers.entries()) {
    expect(trees[index], `${filer.name} lists the same as ${filers[0].name}`).to.deep.equal(first);
    const found = await filer.json<Digest>('/.filer/v1/digest?recompute=true');
    expect(found.digest, `digest of ${filer.name}`).to.equal(digest);
    expect(found.recomputed, `what the rows of ${filer.name} add up to`).to.include({ digest, entries: found.entries });
  }
  return first;
}

/** Writes many files, a few at a time, in order of their numbers: `count` files of about `bytes` bytes under `top`. */
export async function fill(filer: ClusterFiler, top: string, count: number, bytes = 100): Promise<void> {
  let next = 0;
  const write = async (): Promise<void> => {
    for (let number = next++; number < count; number = next++) {
      await filer.put(`${top}/${String(number % 20).padStart(2, '0')}/file-${number}`, `${top} ${number} `.padEnd(bytes, '.'));
    }
  };
  await Promise.all(Array.from({ length: 16 }, write));
}
