import { versionMax } from '../../clock/version.js';
import { FilerError } from '../../errors.js';
import type { Filer } from '../../filer.js';
import type { FilerLimits } from '../../filer-options.js';
import { invalidParameter, readBoolean, readInteger, type Query } from '../../http/params.js';
import { json, type Request, type Response } from '../../http/router.js';
import { importChanges, planImport, type ImportOptions } from '../../log/importing.js';
import { decodeImport, importToJson } from './import-body.js';
import { readOrigin } from './query-params.js';
import { filerHeaders } from './protocol.js';

/*
 * POST changes: imports changes (log/importing.ts). All of them are checked before any is written, and all are one transaction.
 *
 *   checkpoint=LINK&value=…   where that link goes on, written with them
 *   plan=true                 tells what would be done, and does nothing
 *   after=VERSION             the clock moves past this version, whatever the skew
 *   origin=ORIGIN             only if this filer writes under it: 412 otherwise
 */

/** The handler of POST changes for one filer. */
export function importHandler(filer: Filer, limits: FilerLimits): (request: Request) => Promise<Response> {
  return async (request) => {
    const options = readOptions(request.query, limits);
    const isPlan = readBoolean(request.query, 'plan');
    filer.admission.mustWrite();
    const { changes, empty } = decodeImport(await request.body(limits.jsonBodyBytesMax), limits.importChanges);
    if (isPlan) {
      const plan = await planImport(filer.log, [changes]);
      return json(200, { ...plan, unchanged: plan.unchanged + empty });
    }
    const answer = importToJson(await importChanges(filer.log, changes, options), empty);
    return json(200, answer, { [filerHeaders.position]: answer.position });
  };
}

function readOptions(query: Query, limits: FilerLimits): ImportOptions {
  const link = query.get('checkpoint');
  const value = query.get('value');
  const after = readInteger(query, 'after', { min: 1, max: versionMax, fallback: undefined });
  if ((link === null) !== (value === null)) throw new FilerError('PARAMETER_INVALID', 'checkpoint, value: go together; give both or none');
  const origin = readOrigin(query);
  if (link === null || value === null) return { after, origin };
  if (value === '' || Buffer.byteLength(value) > limits.checkpointBytesMax) throw invalidParameter('value', value, `1 to ${limits.checkpointBytesMax} bytes`);
  return { checkpoint: { link, value }, after, origin };
}
