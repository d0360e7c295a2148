import { isLive, type Row } from '../change/row.js';
import { childPath, type FullPath } from '../entry/path.js';
import { FilerError } from '../errors.js';
import type { Draft } from '../log/draft.js';
import type { Listed } from '../store/store.js';

export interface SubtreeLimits {
  /** Entries one recursive delete, move or copy may touch. */
  readonly subtreeEntries: number;
  /** Rows, and bytes of entries, a long transaction holds in memory. */
  readonly draftRows: number;
  readonly draftBytes: number;
}

export type LiveRow = Row & { readonly entry: string };

/**
 * Every live row at and below `top`, handed over in batches; what `visit` changes is written before the next batch.
 * Walks names as the transaction sees them, so what has been deleted or moved away is not met again.
 * @throws FilerError SUBTREE_TOO_LARGE
 */
export async function walkSubtree(
  draft: Draft,
  top: FullPath,
  order: 'children-first' | 'parents-first',
  limits: SubtreeLimits,
  visit: (rows: readonly LiveRow[]) => Promise<void>,
): Promise<void> {
  const { draftRows: limit, draftBytes: bytesMax, subtreeEntries } = limits;
  let batch: LiveRow[] = [];
  let bytes = 0;
  let total = 0;
  const refuseBeyond = (entries: number) => {
    if (entries <= subtreeEntries) return;
    throw new FilerError('SUBTREE_TOO_LARGE', `more than ${subtreeEntries} entries lie below ${top}; go in steps (fs.rm -r, fs.mv), or raise --subtreeLimit`, {
      path: top,
      limit: subtreeEntries,
    });
  };
  const take = async (row: Row | null) => {
    if (!isLive(row)) return;
    total += 1;
    refuseBeyond(total);
    batch.push(row);
    bytes += row.entry.length;
    if (batch.length >= limit || bytes >= bytesMax) await visitBatch();
  };
  const visitBatch = async () => {
    await visit(batch);
    batch = [];
    bytes = 0;
    await draft.flush({ evict: true });
  };
  await draft.flush({ evict: false });
  await draft.load([top]);
  /** Directories being walked, outermost first, each with the page it is in. */
  const stack: { directory: FullPath; row: Row | null; page: readonly Listed[]; at: number; more: boolean }[] = [];
  const enter = async (directory: FullPath, row: Row | null) => {
    if (order === 'parents-first') await take(row);
    stack.push({ directory, row, page: [], at: 0, more: true });
  };
  const [own] = await draft.tx.find('tree', [top]);
  // Below each name is a row at least: what is too great already here need not be walked to find out.
  refuseBeyond(draft.children(top) + Number(isLive(own ?? null)));
  await enter(top, own ?? null);
  for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
    if (frame.at >= frame.page.length) {
      if (frame.more) {
        const after = frame.page.at(-1)?.name ?? '';
        ({ names: frame.page, more: frame.more } = await draft.list(frame.directory, { after, limit, bytesMax }));
        frame.at = 0;
        continue;
      }
      stack.pop();
      if (order === 'children-first') await take(frame.row);
      continue;
    }
    const listed = frame.page[frame.at++] as Listed;
    if (listed.children > 0) await enter(childPath(frame.directory, listed.name), listed.row);
    else await take(listed.row);
  }
  if (batch.length > 0) await visitBatch();
}
