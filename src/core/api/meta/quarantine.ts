import { formatDot, parseDot, type Dot } from '../../clock/vector.js';
import { FilerError } from '../../errors.js';
import type { Filer } from '../../filer.js';
import { readWord } from '../../http/params.js';
import { json, type Request, type Response, type Route } from '../../http/router.js';
import type { Released } from '../../log/release.js';
import { metaPaths } from './protocol.js';
import { quarantineToJson, type QuarantineOutcome } from './quarantine-report.js';

/*
 * GET  quarantine                       changes that could not be applied, and those that wait for them, in the order of coming
 * POST quarantine?action=retry          tries all of them again
 * POST quarantine/DOT?action=retry|drop tries one again; or takes it out without effect
 */

export function quarantineRoutes(filer: Filer): Route[] {
  const act = async ({ query }: Request, actions: readonly ('retry' | 'drop')[], dot: Dot | null): Promise<Response> => {
    const action = readWord(query, 'action', actions);
    if (action === null) throw new FilerError('PARAMETER_INVALID', `action: is missing; it must be ${actions.join(' or ')}`);
    if (action === 'drop' && dot !== null) return outcome(await filer.quarantine.drop(dot), [dot]);
    return outcome(await filer.quarantine.retry(dot), []);
  };
  const outcome = ({ applied, refused }: Released, dropped: readonly Dot[]): Response => {
    const body: QuarantineOutcome = {
      applied: applied.map(formatDot),
      refused: refused.map(formatDot),
      dropped: dropped.map(formatDot),
      left: filer.log.state.quarantine.size,
    };
    return json(200, body);
  };
  return [
    {
      method: 'GET',
      path: metaPaths.quarantine,
      role: 'peer',
      summary: 'changes that could not be applied, and those that wait for them',
      handler: async () => ({ status: 200, headers: { 'Content-Type': 'application/json' }, body: quarantineToJson(filer.quarantine.list()) }),
    },
    {
      method: 'POST',
      path: metaPaths.quarantine,
      role: 'admin',
      summary: 'try all of them again (action=retry)',
      handler: (request) => act(request, ['retry'], null),
    },
    {
      method: 'POST',
      path: `${metaPaths.quarantine}/:dot`,
      role: 'admin',
      summary: 'try one again (action=retry), or take it out without effect (action=drop)',
      handler: (request) => act(request, ['retry', 'drop'], parseDot(request.parameter)),
    },
  ];
}
