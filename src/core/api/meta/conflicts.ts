import { formatDot } from '../../clock/vector.js';
import { FilerError } from '../../errors.js';
import type { Filer } from '../../filer.js';
import type { FilerLimits } from '../../filer-options.js';
import { invalidParameter, readHex, readInteger, readWord, type Query } from '../../http/params.js';
import { json, type Request, type Response, type Route } from '../../http/router.js';
import type { Store } from '../../store/store.js';
import { readPath } from './query-params.js';
import { metaPaths } from './protocol.js';
import { conflictReport, type ConflictReport } from './reports.js';

/*
 * GET  conflicts?path=&id=&limit=  states that were overruled by concurrent ones, newest first
 * POST conflicts/ID?action=restore writes what was overruled again, as a new change
 */

const conflictIdDigits = 16;

export function conflictRoutes(filer: Filer, store: Store, limits: FilerLimits): Route[] {
  return [
    {
      method: 'GET',
      path: metaPaths.conflicts,
      role: 'peer',
      summary: 'states that were overruled by concurrent ones, newest first',
      handler: async ({ query }) => json(200, { conflicts: await filer.reads.run(false, limits.pageBytesMax, () => readConflicts(store, limits, query)) }),
    },
    {
      method: 'POST',
      path: `${metaPaths.conflicts}/:id`,
      role: 'admin',
      summary: 'write what was overruled again, as a new change (action=restore)',
      handler: (request) => restore(filer, store, limits, request),
    },
  ];
}

/** As many as fit into one answer, at least one. */
async function readConflicts(store: Store, limits: FilerLimits, query: Query): Promise<ConflictReport[]> {
  const limit = readInteger(query, 'limit', { min: 1, max: limits.conflictsListedMax, fallback: limits.conflictsListed });
  const id = readHex(query, 'id', conflictIdDigits) ?? undefined;
  return (await store.readConflicts({ path: readPath(query, 'path'), id, limit, bytesMax: limits.pageBytesMax })).map(conflictReport);
}

/** What one row of the ledger overruled comes back as a new change of this filer, with a new version. */
async function restore(filer: Filer, store: Store, limits: FilerLimits, { parameter: id, query }: Request): Promise<Response> {
  if (readWord(query, 'action', ['restore']) === null) throw new FilerError('PARAMETER_INVALID', 'action: is missing; it must be restore');
  if (id.length !== conflictIdDigits || !/^[0-9a-f]*$/.test(id)) throw invalidParameter('id', id, 'the 16 hex digits that GET conflicts gives');
  // Nothing of the row goes out: it needs no room for an answer.
  const [record] = await filer.reads.run(false, 0, () => store.readConflicts({ id, limit: 1, bytesMax: limits.pageBytesMax }));
  if (record === undefined) throw new FilerError('ENTRY_NOT_FOUND', `the ledger has no row ${id}; GET conflicts lists those it has`);
  filer.admission.mustWrite();
  const { dot } = await filer.namespace.restore(record.loser);
  return json(200, { path: record.path, dot: dot && formatDot(dot) });
}
