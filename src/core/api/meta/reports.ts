import type { Entry } from '../../entry/entry.js';
import { formatDot, positionToJson, type Origin, type Position } from '../../clock/vector.js';
import type { Version } from '../../clock/version.js';
import type { PeerReport } from '../../replication/peer-report.js';
import { subscriptionStates, type Lag } from '../../replication/subscription.js';
import type { Finding } from '../../store/finding.js';
import type { ScrubReport } from '../../store/scrub.js';
import { conflictId } from '../../store/ledger.js';
import type { ConflictRecord, ConflictType } from '../../store/store.js';
import { Fields, listOf } from './fields.js';

/* GET peers, digest, conflicts: what a filer tells of its peers and of its own content. */

// ---- peers

export interface PeerReports {
  /** Who tells. */
  readonly origin: Origin;
  readonly peers: readonly PeerReport[];
}

export function peersToJson({ origin, peers }: PeerReports): Record<string, unknown> {
  return { origin, peers: peers.map((peer) => ({ ...peer, position: positionToJson(peer.position) })) };
}

/** @throws FilerError BODY_INVALID naming the field */
export function peersFromJson(body: unknown): PeerReports {
  const answer = new Fields(body);
  return { origin: answer.hex('origin', 16), peers: answer.list('peers').map(peerFrom) };
}

function peerFrom(peer: Fields): PeerReport {
  const error = peer.nullable('error', (name) => peer.inner(name));
  return {
    origin: peer.hex('origin', 16),
    storeId: peer.hex('storeId', 16),
    address: peer.text('address', 262),
    state: peer.word('state', subscriptionStates),
    position: peer.position('position'),
    behind: lagFrom(peer.inner('behind')),
    ahead: lagFrom(peer.inner('ahead')),
    rate: peer.number('rate'),
    etaSeconds: peer.nullable('etaSeconds', (name) => peer.number(name)),
    lastContact: peer.nullable('lastContact', (name) => peer.text(name)),
    error: error && { code: error.text('code'), error: error.text('error', Infinity) },
    skewSeconds: peer.number('skewSeconds'),
    digest: peer.word('digest', ['equal', 'different', 'unknown']),
  };
}

function lagFrom(lag: Fields): Lag {
  return { events: lag.whole('events'), seconds: lag.nullable('seconds', (name) => lag.number(name)), bytes: lag.whole('bytes') };
}

// ---- digest

export interface DigestReport {
  readonly position: Position;
  readonly digest: string;
  /** Dots. */
  readonly quarantined: readonly string[];
  /** Live rows. */
  readonly entries: number;
  /** 256 sums. */
  readonly buckets: readonly number[];
  /** The last scrub; null before the first. */
  readonly scrub: ScrubReport | null;
  /** The same sums, added up anew from the rows at that position; only if asked for. */
  readonly recomputed?: { readonly digest: string; readonly entries: number; readonly buckets: readonly number[] };
}

export function digestToJson(report: DigestReport): Record<string, unknown> {
  return { ...report, position: positionToJson(report.position) };
}

/** @throws FilerError BODY_INVALID naming the field */
export function digestFromJson(body: unknown): DigestReport {
  const report = new Fields(body);
  const sums = (fields: Fields) => ({
    digest: fields.hex('digest', 16),
    entries: fields.whole('entries'),
    buckets: listOf(fields.get('buckets'), 'buckets').map(Number),
  });
  const recomputed = report.nullable('recomputed', (name) => report.inner(name));
  return {
    position: report.position('position'),
    quarantined: report.texts('quarantined'),
    ...sums(report),
    scrub: report.nullable('scrub', (name) => scrubFrom(report.inner(name))),
    ...(recomputed && { recomputed: sums(recomputed) }),
  };
}

function scrubFrom(scrub: Fields): ScrubReport {
  return {
    endedAt: scrub.whole('endedAt'),
    seconds: scrub.number('seconds'),
    rows: scrub.whole('rows'),
    findings: scrub.list('findings').map((finding) => ({ part: finding.text('part') as Finding['part'], problem: finding.text('problem', Infinity) })),
    found: scrub.whole('found'),
    buckets: listOf(scrub.get('buckets'), 'scrub.buckets').map(Number),
  };
}

// ---- conflicts

/** One row of the ledger as it travels. */
export interface ConflictReport {
  /** 16 hex digits; stays the same as long as the row is kept. */
  readonly id: string;
  readonly path: string;
  readonly type: ConflictType;
  readonly winner: { readonly dot: string | null; readonly version: Version; readonly author: Origin; readonly deleted: boolean };
  /** What was overruled, with its whole entry; a deletion has none. */
  readonly loser: { readonly dot: string | null; readonly version: Version; readonly author: Origin; readonly deleted: boolean; readonly entry: Entry | null };
  /** Microseconds since 1970, and the origin of the filer that saw it. */
  readonly seenAt: Version;
  readonly seenBy: Origin;
}

export function conflictReport(record: ConflictRecord): ConflictReport {
  const { path, type, winner, loser, seenAt, seenBy } = record;
  const { dot, version, author, entry } = loser;
  const overruled = { dot: dot && formatDot(dot), version, author, deleted: entry === null, entry: entry === null ? null : (JSON.parse(entry) as Entry) };
  return { id: conflictId(record), path, type, winner: { ...winner, dot: winner.dot && formatDot(winner.dot) }, loser: overruled, seenAt, seenBy };
}

/** @throws FilerError BODY_INVALID naming the field */
export function conflictsFromJson(body: unknown): ConflictReport[] {
  return new Fields(body).list('conflicts').map((conflict) => {
    const side = (fields: Fields) => ({
      dot: fields.nullable('dot', (name) => fields.text(name)),
      version: fields.whole('version'),
      author: fields.hex('author', 16),
      deleted: fields.boolean('deleted'),
    });
    const loser = conflict.inner('loser');
    return {
      id: conflict.hex('id', 16),
      path: conflict.text('path', Infinity),
      type: conflict.text('type') as ConflictType,
      winner: side(conflict.inner('winner')),
      loser: { ...side(loser), entry: loser.nullable('entry', (name) => loser.get(name) as Entry) },
      seenAt: conflict.whole('seenAt'),
      seenBy: conflict.hex('seenBy', 16),
    };
  });
}
