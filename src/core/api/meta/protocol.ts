import { formatPosition, isOrigin, isSeq, parsePosition, type Origin, type Position } from '../../clock/vector.js';
import type { Version } from '../../clock/version.js';
import { checkAddress } from '../../cluster/registered-address.js';
import { FilerError, messageOf } from '../../errors.js';
import type { Caller, Had } from '../../replication/peer.js';

/*
 * The replication API: where it is and which headers it has. Bodies: info.ts, change-page.ts, snapshot-page.ts, reports.ts.
 *
 * GET /.filer/v1/store       who this filer is and where it stands
 * GET /.filer/v1/changes     the feed, a read-only Durable Streams JSON stream
 * POST /.filer/v1/changes    imports changes: of another cluster, out of a file, of SeaweedFS
 * GET /.filer/v1/snapshot    all rows, page by page
 * GET /.filer/v1/digest      the digest, its 256 buckets; recompute=true adds them up anew from the rows;
 *                            bucket=N: those of the directories in a bucket
 * GET /.filer/v1/peers       what every peer is to this filer
 * GET /.filer/v1/conflicts   the ledger, newest first; POST conflicts/ID?action=restore
 * GET /.filer/v1/quarantine  what could not be applied; POST quarantine?action=retry, quarantine/DOT?action=retry|drop
 * GET /.filer/v1/log         what the log holds, who holds it, how long each peer may stay away
 * GET /.filer/v1/hashes      the chain hashes at position=ORIGIN:SEQ~…, null where none is known
 * GET /.filer/v1/runs        the runs of those origins up to there
 * PUT /.filer/v1/closed/ORIGIN   close an origin whose filer is gone for good
 * GET /.filer/v1/checkpoints   where sync links go on; PUT, DELETE checkpoints/LINK
 * GET, PUT, DELETE /.filer/v1/kv/KEY   small values of this store; not replicated
 *
 * A peer says who it is on changes and snapshot:
 *   Filer-Origin: ORIGIN           Filer-Address: host:port         Filer-Have: ORIGIN:SEQ:HASH~…  (zeros included)
 *   Filer-Cluster: id, if any      Filer-Report: position, if any   Filer-Former: ORIGIN,…, if any
 *   Filer-Lineage: id; none while the caller takes a snapshot
 *   Filer-Digest: its digest at Filer-Have, if it has one to compare
 * Whoever sends no Filer-Origin is a reader and is not made known.
 */

const base = '/.filer/v1';
export const metaPaths = {
  store: `${base}/store`,
  changes: `${base}/changes`,
  snapshot: `${base}/snapshot`,
  digest: `${base}/digest`,
  peers: `${base}/peers`,
  /** GET without more, POST with an id. */
  conflicts: `${base}/conflicts`,
  /** GET and POST without more, POST with a dot. */
  quarantine: `${base}/quarantine`,
  log: `${base}/log`,
  hashes: `${base}/hashes`,
  runs: `${base}/runs`,
  /** One origin follows. */
  closed: `${base}/closed`,
  /** GET without more, PUT and DELETE with a link. */
  checkpoints: `${base}/checkpoints`,
  /** GET without more; PUT, POST and DELETE with a link. */
  links: `${base}/links`,
  /** One key follows. */
  kv: `${base}/kv`,
} as const;

export const filerHeaders = {
  origin: 'Filer-Origin',
  address: 'Filer-Address',
  cluster: 'Filer-Cluster',
  former: 'Filer-Former',
  lineage: 'Filer-Lineage',
  have: 'Filer-Have',
  report: 'Filer-Report',
  position: 'Filer-Position',
  head: 'Filer-Head',
  time: 'Filer-Time',
  digest: 'Filer-Digest',
} as const;

/** Names of the Durable Streams protocol. */
export const streamHeaders = {
  next: 'Stream-Next-Offset',
  upToDate: 'Stream-Up-To-Date',
  cursor: 'Stream-Cursor',
  closed: 'Stream-Closed',
} as const;

/** Headers as node:http and undici give them: names in lower case. */
export type ReceivedHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/** A header that stands once; null if it is absent. */
function headerOf(headers: ReceivedHeaders, name: string): string | null {
  const value = headers[name.toLowerCase()];
  return typeof value === 'string' ? value : value === undefined ? null : value.join(', ');
}

// ---- the caller

export function callerToHeaders(caller: Caller): Record<string, string> {
  const headers: Record<string, string> = {
    [filerHeaders.origin]: caller.origin,
    [filerHeaders.address]: caller.address,
    [filerHeaders.have]: formatHave(caller.have),
  };
  if (caller.clusterId !== null) headers[filerHeaders.cluster] = caller.clusterId;
  if (caller.former.length > 0) headers[filerHeaders.former] = caller.former.join(',');
  if (caller.lineage !== null) headers[filerHeaders.lineage] = caller.lineage;
  if (caller.digest !== '') headers[filerHeaders.digest] = caller.digest;
  if (caller.report !== null) headers[filerHeaders.report] = formatPosition(caller.report);
  return headers;
}

/**
 * Who asks; null for a reader that is no peer.
 * @throws FilerError PARAMETER_INVALID naming the header
 */
export function callerFromHeaders(headers: ReceivedHeaders): Caller | null {
  const origin = headerOf(headers, filerHeaders.origin);
  if (origin === null) return null;
  const clusterId = headerOf(headers, filerHeaders.cluster);
  const former = headerOf(headers, filerHeaders.former);
  const lineage = headerOf(headers, filerHeaders.lineage);
  const report = headerOf(headers, filerHeaders.report);
  const digest = headerOf(headers, filerHeaders.digest) ?? '';
  return {
    origin: originFrom(origin, filerHeaders.origin),
    address: addressFrom(headers),
    clusterId: clusterId === null ? null : originFrom(clusterId, filerHeaders.cluster),
    have: parseHave(headerOf(headers, filerHeaders.have) ?? ''),
    report: report === null ? null : parsePosition(report, filerHeaders.report),
    digest: digest === '' ? '' : originFrom(digest, filerHeaders.digest),
    former: former === null || former === '' ? [] : former.split(',').map((one) => originFrom(one, filerHeaders.former)),
    lineage: lineage === null ? null : originFrom(lineage, filerHeaders.lineage),
  };
}

function addressFrom(headers: ReceivedHeaders): string {
  const address = headerOf(headers, filerHeaders.address) ?? '';
  try {
    // It may be asked back there. Whether loopback makes sense is the master's to say; a peer spoke to us already.
    checkAddress(address, true);
  } catch (error) {
    throw new FilerError('PARAMETER_INVALID', `${filerHeaders.address}: ${messageOf(error)}`);
  }
  return address;
}

function originFrom(text: string, header: string): Origin {
  if (!isOrigin(text)) throw new FilerError('PARAMETER_INVALID', `${header}: "${(text as string).slice(0, 40)}" is not 16 lower-case hex digits`);
  return text;
}

export function formatHave(have: Caller['have']): string {
  return [...have]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([origin, { seq, hash, run }]) => `${origin}:${seq}:${hash}${run === '' ? '' : `:${run}`}`)
    .join('~');
}

const havePattern = /^([0-9a-f]{16}):(\d{1,16}):([0-9a-f]{12})(?::([0-9a-f]{12}))?$/;

/** @throws FilerError PARAMETER_INVALID */
export function parseHave(text: string): Map<Origin, Had> {
  const have = new Map<Origin, Had>();
  for (const part of text === '' ? [] : text.split('~')) {
    const [, origin = '', digits, hash = '', run = ''] = havePattern.exec(part) ?? [];
    const seq = Number(digits);
    if (!isSeq(seq)) throw new FilerError('PARAMETER_INVALID', `${filerHeaders.have}: "${part.slice(0, 60)}" is not origin:seq:hash or origin:seq:hash:run`);
    if (have.has(origin)) throw new FilerError('PARAMETER_INVALID', `${filerHeaders.have}: origin ${origin} stands twice`);
    have.set(origin, { seq, hash, run });
  }
  return have;
}

// ---- the answer of the feed

/** What every answer of the feed carries, a 204 too. */
export interface FeedHeaders {
  /** Where the next read starts, at this filer only. */
  readonly next: string;
  /** Everything up to here is complete for the asked origins. */
  readonly position: Position;
  /** The answerer's whole position, and its digest there. */
  readonly head: Position;
  readonly digest: string;
  /** Its version clock: its own origin issues nothing lower any more. */
  readonly time: Version;
  readonly report: Position | null;
  /** True if nothing more was there. */
  readonly upToDate: boolean;
  /** True if a bounded read has come to its end: nothing will ever follow. */
  readonly ended: boolean;
}

export function feedToHeaders(feed: FeedHeaders): Record<string, string> {
  const headers: Record<string, string> = {
    [streamHeaders.next]: feed.next,
    [filerHeaders.position]: formatPosition(feed.position),
    [filerHeaders.head]: formatPosition(feed.head),
    [filerHeaders.digest]: feed.digest,
    [filerHeaders.time]: String(feed.time),
  };
  if (feed.report !== null) headers[filerHeaders.report] = formatPosition(feed.report);
  if (feed.upToDate) headers[streamHeaders.upToDate] = 'true';
  if (feed.ended) headers[streamHeaders.closed] = 'true';
  return headers;
}

/** @throws FilerError BODY_INVALID naming the header */
export function feedFromHeaders(headers: ReceivedHeaders): FeedHeaders {
  const position = (name: string): Position => {
    const text = headerOf(headers, name);
    if (text === null) throw new FilerError('BODY_INVALID', `${name}: is missing; is it kelp?`, { field: name });
    try {
      return parsePosition(text, name);
    } catch (error) {
      throw new FilerError('BODY_INVALID', messageOf(error), { field: name });
    }
  };
  const time = Number(headerOf(headers, filerHeaders.time) ?? NaN);
  if (!Number.isSafeInteger(time) || time < 0)
    throw new FilerError('BODY_INVALID', `${filerHeaders.time}: must be whole microseconds`, { field: filerHeaders.time });
  const digest = headerOf(headers, filerHeaders.digest) ?? '';
  if (digest !== '' && !isOrigin(digest))
    throw new FilerError('BODY_INVALID', `${filerHeaders.digest}: must be 16 lower-case hex digits`, { field: filerHeaders.digest });
  return {
    next: headerOf(headers, streamHeaders.next) ?? '',
    position: position(filerHeaders.position),
    head: position(filerHeaders.head),
    digest,
    time,
    report: headerOf(headers, filerHeaders.report) === null ? null : position(filerHeaders.report),
    upToDate: headerOf(headers, streamHeaders.upToDate) !== null,
    ended: headerOf(headers, streamHeaders.closed) === 'true',
  };
}
