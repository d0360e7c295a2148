import { limits } from '../config/limits.js';
import { FilerError } from '../errors.js';
import { ChangeLog } from '../log/change-log.js';
import { silentLogger } from '../logger.js';
import { openStore } from '../store/open-store.js';
import type { Store } from '../store/store.js';
import type { TimeSource } from '../time.js';

/** The store in a folder, without a filer that runs on it. */
export interface Folder {
  readonly log: ChangeLog;
  readonly store: Store;
  /** Before the first write: it holds something of its own from now on, and its filer must not take it for one that waits to be filled. */
  begin(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens the store in a folder to write to it; makes both if they are missing.
 * @throws FilerError STORE_LOCKED while a filer runs on it; BOOTSTRAPPING if its filer must first finish joining; STORE_TOO_NEW, STORE_FULL, STORE_FAILED
 */
export async function openFolder(directory: string, time: TimeSource): Promise<Folder> {
  const store = await openStore({ directory, time, cacheBytes: limits.replayCacheBytes });
  try {
    // Nobody reads the end of the log here or compares digests: what is kept for them would fill most of the heap and never be used.
    const log = await ChangeLog.open({ store, time, limits: { ...limits, recentBytes: 0, recentSteps: 0 }, logger: silentLogger });
    mustTake(log, directory);
    const begin = async (): Promise<void> => {
      if (log.identity.phase !== 'fresh') return;
      await log.alone(async (draft) => {
        draft.setIdentity({ phase: 'ready' });
        await draft.flush();
      });
    };
    const close = async (): Promise<void> => {
      await log.close();
      await store.close();
    };
    return { log, store, begin, close };
  } catch (error) {
    await store.close();
    throw error;
  }
}

function mustTake(log: ChangeLog, directory: string): void {
  const { phase } = log.identity;
  if ((phase === 'ready' || phase === 'fresh') && log.state.partedFrom === null) return;
  throw new FilerError('BOOTSTRAPPING', `the filer of ${directory} was stopped before it had joined its cluster; start it, let it finish, and try again`);
}
