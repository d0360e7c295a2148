import type { StoreIds } from './api/meta/store-ids.js';
import { positionToJson } from './clock/vector.js';
import { limits } from './config/limits.js';
import { FilerError } from './errors.js';
import { ChangeLog, renew } from './log/change-log.js';
import { silentLogger } from './logger.js';
import { identityFromMeta } from './store/identity.js';
import { openStore, openStoreReadOnly } from './store/open-store.js';
import type { Store } from './store/store.js';
import type { TimeSource } from './time.js';

/**
 * Reads the ids of the store in a folder, also while a filer runs on it; nothing is written.
 * @throws FilerError STORE_FAILED if there is no store; STORE_TOO_NEW
 */
export async function readStoreIds(directory: string): Promise<StoreIds> {
  const store = await openStoreReadOnly(directory);
  try {
    return await idsOf(store, directory);
  } finally {
    await store.close();
  }
}

/**
 * Makes the store in a folder do what one does that was found restored or copied: it goes on under a new origin, and rejoins at its
 * next start if it has ever met another. Returns the ids before and after.
 * @throws FilerError STORE_LOCKED while a filer runs on it; STORE_FAILED if there is no store; STORE_TOO_NEW, STORE_FULL
 */
export async function regenerate(directory: string, time: TimeSource): Promise<{ before: StoreIds; after: StoreIds }> {
  // Looked at first: opening to write would make a store where none is.
  const before = await readStoreIds(directory);
  const store = await openStore({ directory, time });
  try {
    const log = await ChangeLog.open({ store, time, limits, logger: silentLogger });
    // Opening has done it already if the store was found restored.
    if (log.identity.origin === before.origin) await log.alone((draft) => renew(draft, time, true));
    await log.close();
  } finally {
    await store.close();
  }
  return { before, after: await readStoreIds(directory) };
}

async function idsOf(store: Store, directory: string): Promise<StoreIds> {
  const { meta, origins } = await store.load();
  const identity = identityFromMeta(meta);
  if (identity === null) throw new FilerError('STORE_FAILED', `the store in ${directory} has no ids yet; start a filer on it once`);
  const { floor: _floor, ...ids } = identity;
  return { ...ids, engine: store.engine, kind: store.kind, position: positionToJson(new Map(origins.map(({ origin, seq }) => [origin, seq]))) };
}
