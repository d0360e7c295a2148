import { bucketOf } from '../../src/core/change/digest.js';
import type { Row } from '../../src/core/change/row.js';
import { compareBytes, nameOf, parentOf, type FullPath } from '../../src/core/entry/path.js';
import type { LedgerLimits } from '../../src/core/store/ledger.js';
import type { Store, WriteBatch } from '../../src/core/store/store.js';

/** How the suite gets its stores. */
export interface StoreUnderTest {
  /** A new, empty store. */
  open(ledger?: LedgerLimits): Promise<Store>;
  /** Ends this store, as a crash would, and opens what it has left. */
  reopen(store: Store): Promise<Store>;
}

export const everything = { limit: 10_000, bytesMax: 1e9 };

export const write = (store: Store, batch: WriteBatch): Promise<void> => store.transaction((tx) => tx.write(batch));
export const keyOf = (at: FullPath): [number, FullPath, string] => [bucketOf(parentOf(at)), parentOf(at), nameOf(at)];

export function inKeyOrder(paths: readonly FullPath[]): FullPath[] {
  return [...paths].sort((a, b) => {
    const [x, y] = [keyOf(a), keyOf(b)];
    return x[0] - y[0] || compareBytes(x[1], y[1]) || compareBytes(x[2], y[2]);
  });
}

export const pathsOf = (rows: readonly Row[]): string[] => rows.map((row) => row.path);
export const sorted = (rows: readonly Row[]): Row[] => [...rows].sort((a, b) => compareBytes(a.path, b.path));
