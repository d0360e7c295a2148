import { bucketOf, entryDigest } from '../change/digest.js';
import type { FullPath } from '../entry/path.js';
import { childOfDeleted, deletedAboveLive, overruled } from './conflicts.js';

/**
 * What a transaction works out besides the tree itself, so that filers can be compared and nothing that was overruled is lost: digest and
 * ledger. It comes in as a parameter so that its cost can be measured; a store that was written without it is of no other use.
 */
export interface Accounting {
  /** What a live row adds to its bucket. */
  readonly entryDigest: typeof entryDigest;
  /** The bucket of what stands directly in a directory; null = its sum is not kept. */
  bucketOf(directory: FullPath): number | null;
  readonly overruled: typeof overruled;
  readonly childOfDeleted: typeof childOfDeleted;
  readonly deletedAboveLive: typeof deletedAboveLive;
}

export const fullAccounting: Accounting = { entryDigest, bucketOf, overruled, childOfDeleted, deletedAboveLive };
