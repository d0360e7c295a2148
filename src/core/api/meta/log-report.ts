import { positionToJson } from '../../clock/vector.js';
import type { Holder, LogReport } from '../../replication/log-report.js';
import { HttpClient } from '../../http/client.js';
import type { Signer } from '../../security/signer.js';
import { MetaClient } from './client.js';
import { Fields } from './fields.js';

export type { Holder, LogReport, PeerBudget } from '../../replication/log-report.js';

/* GET log: what the log holds, who holds it, how long peers may stay away. */

export function logToJson(report: LogReport): Record<string, unknown> {
  const holders = (list: readonly Holder[]) => list.map((holder) => ({ ...holder, position: holder.position && positionToJson(holder.position) }));
  return { ...report, heldBy: holders(report.heldBy), tombstones: { ...report.tombstones, heldBy: holders(report.tombstones.heldBy) } };
}

/** @throws FilerError BODY_INVALID naming the field */
export function logFromJson(body: unknown): LogReport {
  const report = new Fields(body);
  const tombstones = report.inner('tombstones');
  return {
    origin: report.hex('origin', 16),
    changes: report.whole('changes'),
    bytes: report.whole('bytes'),
    bytesMax: report.whole('bytesMax'),
    oldest: report.nullable('oldest', (name) => report.text(name)),
    retentionSeconds: report.number('retentionSeconds'),
    retentionMaxSeconds: report.number('retentionMaxSeconds'),
    first: report.text('first'),
    head: report.text('head'),
    heldBy: report.list('heldBy').map(holderFrom),
    peers: report.list('peers').map((peer) => {
      const missing = peer.inner('missing');
      return {
        origin: peer.hex('origin', 16),
        address: peer.text('address', 262),
        reportAge: peer.nullable('reportAge', (name) => peer.number(name)),
        missing: { events: missing.whole('events'), bytes: missing.whole('bytes') },
        budgetSeconds: peer.nullable('budgetSeconds', (name) => peer.number(name)),
      };
    }),
    tombstones: {
      count: tombstones.whole('count'),
      oldest: tombstones.nullable('oldest', (name) => tombstones.text(name)),
      heldBy: tombstones.list('heldBy').map(holderFrom),
    },
    floor: report.whole('floor'),
    closed: report.origins('closed'),
  };
}

function holderFrom(holder: Fields): Holder {
  return {
    origin: holder.hex('origin', 16),
    address: holder.nullable('address', (name) => holder.text(name, 262)),
    reason: holder.word('reason', ['report', 'silent', 'link']),
    position: holder.nullable('position', (name) => holder.position(name)),
  };
}

/** What one filer keeps of its log. @throws FilerError PEER_UNREACHABLE, and what the filer answers */
export async function askLog(address: string, signal: AbortSignal, signer?: Signer): Promise<LogReport> {
  const http = new HttpClient({ connections: 1, signer });
  try {
    return await new MetaClient(http, address).log(signal);
  } finally {
    await http.close();
  }
}
