import type { Origin } from '../../clock/vector.js';
import { HttpClient } from '../../http/client.js';
import type { Signer } from '../../security/signer.js';
import { MetaClient } from './client.js';
import { Fields } from './fields.js';

/* GET log: what a filer keeps of its log, for whom, and how long each peer may stay away. */

/** Who keeps a log or tombstones from being dropped. */
export interface Holder {
  readonly origin: Origin;
  /** Null if it is not known. */
  readonly address: string | null;
  /** report: it has not acknowledged what comes next; silent: it has not been heard since this filer started; link: a sync link. */
  readonly reason: string;
  /** How far it has acknowledged, as text; null = nothing. */
  readonly position: string | null;
}

/** What a peer lacks, and how long it may stay away before it needs a snapshot. */
export interface LogPeer {
  readonly origin: Origin;
  readonly address: string | null;
  /** Seconds since its last report; null = none yet. */
  readonly reportAge: number | null;
  readonly missing: { readonly events: number; readonly bytes: number };
  /** Seconds; null if it cannot be told. */
  readonly budgetSeconds: number | null;
}

export interface LogReport {
  readonly origin: Origin;
  readonly changes: number;
  readonly bytes: number;
  readonly bytesMax: number;
  /** When the oldest change left was made, RFC 3339; null if there is none. */
  readonly oldest: string | null;
  readonly retentionSeconds: number;
  readonly retentionMaxSeconds: number;
  /** Offsets of the first change left and of the end. */
  readonly first: string;
  readonly head: string;
  readonly heldBy: readonly Holder[];
  readonly peers: readonly LogPeer[];
  readonly tombstones: { readonly count: number; readonly oldest: string | null; readonly heldBy: readonly Holder[] };
  readonly floor: number;
  readonly closed: readonly Origin[];
}

/** @throws FilerError BODY_INVALID naming the field */
export function logReportFromJson(body: unknown): LogReport {
  const log = new Fields(body);
  const tombstones = log.inner('tombstones');
  return {
    origin: log.hex('origin', 16),
    changes: log.whole('changes'),
    bytes: log.whole('bytes'),
    bytesMax: log.whole('bytesMax'),
    oldest: log.nullable('oldest', (name) => log.text(name)),
    retentionSeconds: log.number('retentionSeconds'),
    retentionMaxSeconds: log.number('retentionMaxSeconds'),
    first: log.text('first'),
    head: log.text('head'),
    heldBy: log.list('heldBy').map(holderFrom),
    peers: log.list('peers').map(peerFrom),
    tombstones: {
      count: tombstones.whole('count'),
      oldest: tombstones.nullable('oldest', (name) => tombstones.text(name)),
      heldBy: tombstones.list('heldBy').map(holderFrom),
    },
    floor: log.whole('floor'),
    closed: log.origins('closed'),
  };
}

function holderFrom(holder: Fields): Holder {
  return {
    origin: holder.hex('origin', 16),
    address: holder.nullable('address', (name) => holder.text(name, 262)),
    reason: holder.text('reason'),
    position: holder.nullable('position', (name) => holder.text(name, Infinity)),
  };
}

function peerFrom(peer: Fields): LogPeer {
  const missing = peer.inner('missing');
  return {
    origin: peer.hex('origin', 16),
    address: peer.nullable('address', (name) => peer.text(name, 262)),
    reportAge: peer.nullable('reportAge', (name) => peer.number(name)),
    missing: { events: missing.whole('events'), bytes: missing.whole('bytes') },
    budgetSeconds: peer.nullable('budgetSeconds', (name) => peer.number(name)),
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
