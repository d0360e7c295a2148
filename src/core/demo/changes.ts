import { limits } from '../config/limits.js';
import { rebase, type FullPath } from '../entry/path.js';
import type { DemoFiler } from './demo-filer.js';
import { inParallel } from '../tree/in-parallel.js';
import type { Plan } from './plan.js';

/** What has been changed. */
export interface Changed {
  readonly overwritten: number;
  /** With everything below it, itself included. */
  readonly removed: { readonly path: FullPath; readonly entries: number } | null;
  readonly renamed: { readonly path: FullPath; readonly to: FullPath; readonly entries: number } | null;
  readonly deleted: number;
}

/** Carries the plan out, on both filers at once. @throws FilerError what they answer; the signal's reason */
export async function changeTree(plan: Plan, second: DemoFiler, third: DemoFiler, signal: AbortSignal): Promise<Changed> {
  const { overwritten, removed, renamed, deleted } = plan;
  const to = renamed && rebase(renamed.path, renamed.path, `${renamed.path}-renamed` as FullPath);
  await Promise.all([
    (async () => {
      await inParallel(
        overwritten,
        limits.demoInFlight,
        async (path) => void (await second.tree.put(path, `${path}, overwritten on ${second.name}\n`, { signal })),
      );
      if (removed) await second.tree.remove(removed.path, { recursive: true, signal });
    })(),
    (async () => {
      if (renamed && to) await third.tree.move(renamed.path, to, signal);
      await inParallel(deleted, limits.demoInFlight, async (path) => void (await third.tree.remove(path, { signal })));
    })(),
  ]);
  return { overwritten: overwritten.length, removed, renamed: renamed && to && { ...renamed, to }, deleted: deleted.length };
}
