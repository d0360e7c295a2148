import { formatDot } from '../../clock/vector.js';
import { FilerError } from '../../errors.js';
import type { Filer } from '../../filer.js';
import type { FilerLimits } from '../../filer-options.js';
import { json, type Request, type Response, type Route } from '../../http/router.js';
import type { Checkpoint } from '../../log/checkpoints.js';
import { Fields } from './fields.js';
import { readOrigin } from './query-params.js';
import { metaPaths } from './protocol.js';

/*
 * GET    checkpoints        where every sync link that writes to this cluster goes on
 * PUT    checkpoints/LINK   sets one; the body is the value; with origin=ORIGIN only if this filer writes under that, else 412
 * DELETE checkpoints/LINK   forgets one: the link starts from the beginning
 */

export function checkpointRoutes(filer: Filer, limits: FilerLimits): Route[] {
  return [
    {
      method: 'GET',
      path: metaPaths.checkpoints,
      role: 'peer',
      summary: 'where every sync link that writes to this cluster goes on',
      handler: async () => json(200, { checkpoints: await filer.reads.run(false, limits.pageBytesMax, () => filer.checkpoints.list()) }),
    },
    {
      method: 'PUT',
      path: `${metaPaths.checkpoints}/:link`,
      role: 'admin',
      summary: 'set where a sync link goes on',
      handler: (request) => set(filer, limits, request),
    },
    {
      method: 'DELETE',
      path: `${metaPaths.checkpoints}/:link`,
      role: 'admin',
      summary: 'forget where a sync link goes on: it starts from the beginning',
      handler: async ({ parameter }) => {
        filer.admission.mustWrite();
        return json(200, { link: parameter, dot: formatDot(await filer.checkpoints.reset(parameter)) });
      },
    },
  ];
}

async function set(filer: Filer, limits: FilerLimits, request: Request): Promise<Response> {
  const value = (await request.body(limits.checkpointBytesMax)).toString('utf8');
  if (value === '') throw new FilerError('BODY_INVALID', 'the body is empty; send the value, or DELETE to forget the link');
  const origin = readOrigin(request.query);
  filer.admission.mustWrite();
  const dot = await filer.checkpoints.set(request.parameter, value, origin);
  return json(200, { link: request.parameter, dot: dot && formatDot(dot) });
}

/** @throws FilerError BODY_INVALID naming the field */
export function checkpointsFromJson(body: unknown): Checkpoint[] {
  return new Fields(body).list('checkpoints').map((one) => ({ link: one.hex('link', 16), value: one.text('value', Infinity), version: one.whole('version') }));
}
