import { formatDot, formatPosition, parsePosition } from '../../clock/vector.js';
import { FilerError, messageOf } from '../../errors.js';
import type { Filer } from '../../filer.js';
import type { FilerLimits } from '../../filer-options.js';
import { json, type Request, type Response, type Route } from '../../http/router.js';
import type { LinkReport } from '../../replication/links.js';
import { Fields } from './fields.js';
import { metaPaths } from './protocol.js';

/*
 * GET    links        the sync links that read from this cluster, and how far each said it is
 * PUT    links/LINK   a link begins: the body is what it says of itself; log and tombstones wait for it from now on
 * POST   links/LINK   how far it is: {"position":"origin:seq~…","seen":"…"|null}; {"known":false} if no entry of it is here
 * DELETE links/LINK   nothing waits for it any more
 */

export function linkRoutes(filer: Filer, limits: FilerLimits): Route[] {
  const { links } = filer.upkeep;
  return [
    {
      method: 'GET',
      path: metaPaths.links,
      role: 'peer',
      summary: 'the sync links that read from this cluster',
      handler: async () => {
        await links.refresh();
        return json(200, { links: links.list().map(({ link, about, report }) => ({ link, about, report: report && reportToJson(report) })) });
      },
    },
    {
      method: 'PUT',
      path: `${metaPaths.links}/:link`,
      role: 'admin',
      summary: 'let log and tombstones wait for a sync link',
      handler: (request) => announce(filer, limits, request),
    },
    {
      method: 'POST',
      path: `${metaPaths.links}/:link`,
      role: 'peer',
      summary: 'how far a sync link is',
      handler: async (request) => {
        const report = reportFromJson(await request.body(limits.linkReportBytesMax));
        filer.admission.mustServe();
        return json(200, { known: links.report(request.parameter, report) });
      },
    },
    {
      method: 'DELETE',
      path: `${metaPaths.links}/:link`,
      role: 'admin',
      summary: 'let nothing wait for a sync link any more',
      handler: async ({ parameter }) => {
        filer.admission.mustWrite();
        return json(200, { link: parameter, dot: formatDot(await links.forget(parameter)) });
      },
    },
  ];
}

async function announce(filer: Filer, limits: FilerLimits, request: Request): Promise<Response> {
  const about = (await request.body(limits.checkpointBytesMax)).toString('utf8');
  if (about === '') throw new FilerError('BODY_INVALID', 'the body is empty; send what the link is, or DELETE to forget it');
  filer.admission.mustWrite();
  const dot = await filer.upkeep.links.announce(request.parameter, about);
  return json(200, { link: request.parameter, dot: dot && formatDot(dot) });
}

export function reportToJson({ position, seen }: LinkReport): Record<string, string | null> {
  return { position: formatPosition(position), seen: seen && formatPosition(seen) };
}

/** @throws FilerError BODY_INVALID, PARAMETER_INVALID naming the field */
function reportFromJson(body: Buffer): LinkReport {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new FilerError('BODY_INVALID', `the body is not JSON (${messageOf(error).slice(0, 100)})`);
  }
  const report = new Fields(parsed);
  return {
    position: parsePosition(report.text('position', Infinity)),
    seen: report.nullable('seen', (name) => parsePosition(report.text(name, Infinity), name)),
  };
}
