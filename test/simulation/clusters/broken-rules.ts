import type { BrokenRule } from '../broken-rules.js';

const direction = 'src/core/sync/direction.ts';
const importing = 'src/core/log/importing.ts';
const linkReports = 'src/core/sync/link-reports.ts';
const links = 'src/core/replication/links.ts';
const linkWriter = 'src/core/sync/link-writer.ts';
const posting = 'src/core/sync/posting.ts';
const sourceReader = 'src/core/sync/source-reader.ts';

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
    'own-entries-checkpointed',
    'filer.sync: a checkpoint is not written for entries under /.filer/',
    linkWriter,
    'isOutside: changes.some((change) => !pathsOf(change).every(isReserved))',
    'isOutside: changes.length > 0',
  ),
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
    'log-not-held-by-all',
    'Retention: the log waits until whatever filer of the target a link goes on at has the checkpoint',
    linkReports,
    'this.#everywhere.step(had, at, isEverywhere);',
    'this.#everywhere.step(had, at, () => true);',
  ),
  rule(
    'log-not-held',
    'Retention: the log waits for links',
    'src/core/upkeep.ts',
    '...this.links.waitedFor(log.state).map(({ report }) => report?.position ?? null)]',
    ']',
  ),
  rule(
    'tombstones-not-held',
    'Tombstones: links count like members',
    'src/core/upkeep.ts',
    'this.links.waitedFor(log.state).map(({ report }) => report?.seen ?? null)',
    '[]',
  ),
  rule(
    'link-without-report-passed',
    'Tombstones: a link with an entry and no report is waited for',
    links,
    'return this.list().filter(({ report }) => report === null || !isBehindLog(report.position, state));',
    'return this.list().filter(({ report }) => report !== null && !isBehindLog(report.position, state));',
  ),
  rule(
    'away-not-waited-for',
    'filer.sync: a link waits for filers of its source that may have the log it needs',
    sourceReader,
    'time.monotonic() - trimmedAt >= awayMs',
    'awayMs >= 0',
  ),
];
