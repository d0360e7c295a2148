import type { Filer } from '../../filer.js';
import type { FilerLimits } from '../../filer-options.js';
import { readDuration } from '../../http/params.js';
import { json, type Request, type Response, type Route } from '../../http/router.js';

/** Whether a filer is alive, whether it is fit for traffic, and what it has counted. */
export function healthRoutes(filer: Filer, limits: FilerLimits, metricsText: () => Promise<string>): Route[] {
  return [
    { method: 'GET', path: '/healthz', role: 'open', summary: 'alive', handler: async () => json(200, { status: 'ok' }) },
    {
      method: 'GET',
      path: '/readyz',
      role: 'open',
      summary: 'fit for traffic: joined, and close behind every peer',
      handler: (request) => answerReady(filer, limits, request),
    },
    {
      method: 'GET',
      path: '/metrics',
      role: 'open',
      summary: 'counters and gauges for Prometheus',
      handler: async () => ({ status: 200, headers: { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' }, body: await metricsText() }),
    },
  ];
}

/** A 503 here is an answer, not a failure: it lists every reason. */
async function answerReady(filer: Filer, limits: FilerLimits, { query }: Request): Promise<Response> {
  const lagMs = readDuration(query, 'maxLag', { msMax: limits.lagMsMax, fallback: limits.lagMs });
  const { state } = filer;
  const { ready, reasons, warnings } = await filer.readiness(lagMs / 1000);
  const [first] = reasons;
  if (ready || !first) return json(200, { ready: true, state, reasons: [], warnings });
  return json(503, { error: first.error, code: first.code, ready: false, state, reasons, warnings }, { 'Retry-After': String(limits.retryAfterSeconds) });
}
