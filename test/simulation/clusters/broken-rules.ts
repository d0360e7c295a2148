import type { BrokenRule } from '../broken-rules.js';

const direction = 'src/core/sync/direction.ts';
const importing = 'src/core/log/importing.ts';
const linkWriter = 'src/core/sync/link-writer.ts';
const posting = 'src/core/sync/posting.ts';

const rule = (name: string, why: string, file: string, find: string, replace: string): BrokenRule => ({
  name,
  why,
  patches: [{ file, find, replace }],
  subject: 'clusters',
});

/** Rules of importing and of filer.sync, broken on purpose. */
export const brokenSyncRules: readonly BrokenRule[] = [
  rule(
    'covered-imported',
    'Importing: what the local vector covers is left out, which ends every loop',
    importing,
    "  return vectorIncludes(local.vector, incoming.author, incoming.version) ? 'covered' : 'loses';",
    "  return vectorIncludes(local.vector, incoming.author, incoming.version) ? 'wins' : 'loses';",
  ),
  rule(
    'loser-imported',
    'Importing: a path where the change loses gets no dot',
    importing,
    "  return vectorIncludes(local.vector, incoming.author, incoming.version) ? 'covered' : 'loses';",
    "  return vectorIncludes(local.vector, incoming.author, incoming.version) ? 'covered' : 'wins';",
  ),
  rule(
    'kept-below-floor',
    'Importing: a live state below the floor is a new write',
    importing,
    "  if (local === null) return incoming.version > floor ? 'wins' : 'forgotten';",
    "  if (local === null) return 'wins';",
  ),
  rule('tombstone-not-copied', 'filer.sync: a copy takes tombstones too', direction, 'isAgain && !mirror ? page', '!mirror ? page'),
  rule(
    'own-clusters-skipped',
    'filer.sync: nothing is skipped because of the clusters it came through',
    linkWriter,
    'if (!paths.some((path) => isInScope(scope, path))) return [];',
    'if (!paths.some((path) => isInScope(scope, path)) || change.clusters.length > 0) return [];',
  ),
  rule(
    'checkpoint-too-early',
    'filer.sync: a checkpoint goes with the last of its changes',
    posting,
    '...(isLast && { checkpoint: checkpoint ?? undefined, after })',
    'checkpoint: checkpoint ?? undefined, ...(isLast && { after })',
  ),
  rule('store-not-asked', 'filer.sync: a checkpoint is good for one store', importing, '    if (asked !== undefined) mustBe(draft, asked);\n', ''),
  rule(
    'log-not-held',
    'Retention: the log waits for links',
    'src/core/upkeep.ts',
    '...this.links.waitedFor(log.state).map(({ report }) => report?.position ?? null)]',
    ']',
  ),
];
