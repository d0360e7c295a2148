import type { TimeSource } from '../time.js';
import { SqliteStore } from './sqlite/sqlite-store.js';
import { ledgerLimits, type LedgerLimits } from './ledger.js';
import type { Store } from './store.js';

/**
 * Opens the store in a folder, or makes both. The caller closes it.
 * @throws FilerError STORE_LOCKED if another process has it; STORE_TOO_NEW, STORE_FULL, STORE_FAILED
 */
export function openStore(options: {
  directory: string;
  time: Pick<TimeSource, 'randomHex'>;
  ledger?: Partial<LedgerLimits>;
  /** Of the store's file, kept in memory by the writer; default `storeCacheBytes`. */
  cacheBytes?: number;
}): Promise<Store> {
  return SqliteStore.open(options.directory, options.time, { ...ledgerLimits, ...options.ledger }, options.cacheBytes);
}

/**
 * Opens the store in a folder to look at it, also while a filer runs on it. Nothing is written, and its verdict is `same`.
 * @throws FilerError STORE_TOO_NEW, STORE_FAILED if there is none
 */
export function openStoreReadOnly(directory: string): Promise<Store> {
  return SqliteStore.openToRead(directory);
}

/**
 * What the database finds wrong with the files of the store in a folder, also while a filer runs on it; empty = nothing.
 * @throws FilerError STORE_FAILED if there is none, or it cannot be read at all
 */
export function checkStoreFile(directory: string): Promise<string[]> {
  return SqliteStore.checkFile(directory);
}
