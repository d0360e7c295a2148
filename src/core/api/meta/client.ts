import { formatPosition, type Origin, type Position } from '../../clock/vector.js';
import type { FullPath } from '../../entry/path.js';
import { limits } from '../../config/limits.js';
import { isFailure } from '../../errors.js';
import type { HttpAnswer, HttpClient, HttpRequest } from '../../http/client.js';
import type { Checkpoint } from '../../log/checkpoints.js';
import type { ImportPlan } from '../../change/plan.js';
import type { ImportOptions } from '../../log/importing.js';
import type { LinkReport } from '../../replication/links.js';
import type { LogReport } from '../../replication/log-report.js';
import type { Caller, ChangesPage, ChangesRequest, FilerInfo, Peer, SnapshotPage } from '../../replication/peer.js';
import type { Run } from '../../store/store.js';
import { decodeChangeLines, decodeChangePage, noLines, type ChangeLines } from './change-page.js';
import { checkpointsFromJson } from './checkpoints.js';
import { directoryDigestsFromJson, type DirectoryDigests } from './directory-digests.js';
import { Fields } from './fields.js';
import { importFromJson, planFromJson, type ImportAnswer } from './import-body.js';
import { infoFromJson } from './info.js';
import { reportToJson } from './links.js';
import { logFromJson } from './log-report.js';
import { callerToHeaders, feedFromHeaders, metaPaths, type FeedHeaders } from './protocol.js';
import { conflictsFromJson, digestFromJson, peersFromJson, type ConflictReport, type DigestReport, type PeerReports } from './reports.js';
import { outcomeFromJson, quarantineFromJson, type QuarantinedReport, type QuarantineOutcome } from './quarantine-report.js';
import { decodeSnapshotPage, formatAfter } from './snapshot-page.js';

const isHashOrNull = (value: unknown): value is string | null => value === null || (typeof value === 'string' && /^[0-9a-f]{12}$/.test(value));

/** Which part of the feed to read. The start is the first of offset, position and since that is there, else the beginning. */
export interface FeedRequest {
  /** As an earlier answer of the same filer gave it, or `now`. */
  readonly offset?: string;
  readonly position?: Position;
  /** Microseconds since 1970; compared with versions. */
  readonly since?: number;
  readonly until?: number;
  /** `local` = only what was changed at that filer. */
  readonly scope?: 'all' | 'local';
  readonly origins?: readonly Origin[];
  readonly pathPrefix?: string;
  readonly limit?: number;
  readonly bytesMax?: number;
  /** How long to wait for news, milliseconds; 0 = answer at once. */
  readonly waitMs: number;
}

/** One page of a feed. */
export interface FeedLines extends FeedHeaders {
  readonly lines: ChangeLines;
}

/** One page of a feed, for whoever looks into each change. */
export interface FeedAnswer extends FeedHeaders {
  /** Each change as one line of JSON, in feed order. */
  readonly texts: readonly string[];
  /** Bytes received. */
  readonly bytes: number;
}

/** Whether a filer is fit for traffic, as it says itself. */
export interface ReadinessAnswer {
  readonly ready: boolean;
  readonly reasons: readonly { readonly code: string; readonly error: string }[];
}

type Rest = Omit<HttpRequest, 'address' | 'method' | 'path' | 'audience'>;

/** The replication API of one filer over HTTP. Every call throws FilerError PEER_UNREACHABLE, BODY_INVALID, and what the filer answers. */
export class MetaClient {
  /** Whom signatures name as their audience; null until the filer has said it. */
  #storeId: string | null = null;

  constructor(
    private readonly http: HttpClient,
    /** host:port */
    readonly address: string,
  ) {}

  async info(signal?: AbortSignal): Promise<FilerInfo> {
    const answer = await this.http.request({ address: this.address, method: 'GET', path: metaPaths.store, timeoutMs: limits.peerInfoMs, signal });
    const info = infoFromJson(answer.json());
    this.#storeId = info.storeId;
    return info;
  }

  async peers(signal?: AbortSignal): Promise<PeerReports> {
    return peersFromJson((await this.#get(metaPaths.peers, { signal })).json());
  }

  /** With `recompute` the filer adds its rows up anew, which takes as long as reading them all. */
  async digest(recompute = false, signal?: AbortSignal): Promise<DigestReport> {
    const query = { recompute: recompute || null };
    return digestFromJson((await this.#get(metaPaths.digest, { query, timeoutMs: recompute ? limits.requestTimeoutMs : undefined, signal })).json());
  }

  /** The digests of directories, each of what is directly in it: one page of those of one bucket. */
  async directoryDigests(bucket: number, after: FullPath | null, signal?: AbortSignal): Promise<DirectoryDigests> {
    const query = { bucket, after: after && formatAfter(after) };
    return directoryDigestsFromJson((await this.#get(metaPaths.digest, { query, timeoutMs: limits.requestTimeoutMs, signal })).json());
  }

  /** Newest first. */
  async conflicts(options: { path?: string; id?: string; limit?: number } = {}, signal?: AbortSignal): Promise<ConflictReport[]> {
    return conflictsFromJson((await this.#get(metaPaths.conflicts, { query: options, signal })).json());
  }

  /** Writes what one row of the ledger overruled again; the dot of the new change, null if there was nothing to change. */
  async restore(conflictId: string, signal?: AbortSignal): Promise<string | null> {
    const answer = new Fields((await this.#post(`${metaPaths.conflicts}/${encodeURIComponent(conflictId)}`, 'restore', signal)).json());
    return answer.nullable('dot', (name) => answer.text(name));
  }

  /** What is quarantined, in the order of coming. */
  async quarantine(signal?: AbortSignal): Promise<QuarantinedReport[]> {
    return quarantineFromJson((await this.#get(metaPaths.quarantine, { signal })).json());
  }

  /** Tries one quarantined change again, or all of them (null). */
  async retryQuarantined(dot: string | null, signal?: AbortSignal): Promise<QuarantineOutcome> {
    return outcomeFromJson((await this.#post(quarantinePath(dot), 'retry', signal)).json());
  }

  /** Takes a quarantined change out without effect. */
  async dropQuarantined(dot: string, signal?: AbortSignal): Promise<QuarantineOutcome> {
    return outcomeFromJson((await this.#post(quarantinePath(dot), 'drop', signal)).json());
  }

  /** Where every sync link that writes to the filer's cluster goes on. */
  async checkpoints(signal?: AbortSignal): Promise<Checkpoint[]> {
    return checkpointsFromJson((await this.#get(metaPaths.checkpoints, { signal })).json());
  }

  /** Sets where a sync link goes on; null forgets it. @throws FilerError ENTRY_NOT_FOUND, PARAMETER_INVALID, PRECONDITION_FAILED besides */
  async setCheckpoint(link: string, value: string | null, { origin }: { origin?: Origin } = {}, signal?: AbortSignal): Promise<void> {
    const path = `${metaPaths.checkpoints}/${encodeURIComponent(link)}`;
    await this.#send(value === null ? 'DELETE' : 'PUT', path, { query: { origin }, body: value ?? undefined, signal });
  }

  /** Lets log and tombstones of the filer's cluster wait for a link, which says of itself `about`. */
  async announceLink(link: string, about: string, signal?: AbortSignal): Promise<void> {
    await this.#send('PUT', `${metaPaths.links}/${encodeURIComponent(link)}`, { body: about, signal });
  }

  /** Tells the filer how far a link that reads from its cluster is; false if it knows of no such link. */
  async reportLink(link: string, report: LinkReport, signal?: AbortSignal): Promise<boolean> {
    const answer = await this.#send('POST', `${metaPaths.links}/${encodeURIComponent(link)}`, {
      body: JSON.stringify(reportToJson(report)),
      timeoutMs: limits.peerInfoMs,
      signal,
    });
    return new Fields(answer.json()).boolean('known');
  }

  /** Lets nothing wait for a link any more. @throws FilerError ENTRY_NOT_FOUND besides */
  async forgetLink(link: string, signal?: AbortSignal): Promise<void> {
    await this.#send('DELETE', `${metaPaths.links}/${encodeURIComponent(link)}`, { signal });
  }

  /** A small value of the filer's store; null if there is none. */
  async value(key: string, signal?: AbortSignal): Promise<Buffer | null> {
    try {
      return (await this.#get(`${metaPaths.kv}/${encodeURIComponent(key)}`, { signal })).bytes();
    } catch (error) {
      if (isFailure(error, 'ENTRY_NOT_FOUND')) return null;
      throw error;
    }
  }

  /** Keeps a small value in the filer's store, or drops it (null). */
  async setValue(key: string, value: string | null, signal?: AbortSignal): Promise<void> {
    await this.#send(value === null ? 'DELETE' : 'PUT', `${metaPaths.kv}/${encodeURIComponent(key)}`, { body: value ?? undefined, signal });
  }

  /** What the filer keeps of its log, and for whom. */
  async log(signal?: AbortSignal): Promise<LogReport> {
    return logFromJson((await this.#get(metaPaths.log, { signal })).json());
  }

  /**
   * Imports changes, each one line of JSON, in one transaction.
   * @throws FilerError BODY_INVALID, VERSION_AHEAD naming the change, BODY_TOO_LARGE, PRECONDITION_FAILED besides
   */
  async importChanges(lines: readonly string[], options: ImportOptions = {}, signal?: AbortSignal): Promise<ImportAnswer> {
    const { checkpoint, after, origin } = options;
    const query = { checkpoint: checkpoint?.link, value: checkpoint?.value, after, origin };
    const headers = { 'Content-Type': 'application/x-ndjson' };
    const answer = await this.#send('POST', metaPaths.changes, { query, headers, body: lines.join('\n'), timeoutMs: limits.importMs, signal });
    return importFromJson(answer.json());
  }

  /** Tells what importing changes would do, and writes nothing. @throws FilerError as importChanges */
  async planImport(lines: readonly string[], signal?: AbortSignal): Promise<ImportPlan> {
    const headers = { 'Content-Type': 'application/x-ndjson' };
    const answer = await this.#send('POST', metaPaths.changes, {
      query: { plan: true },
      headers,
      body: lines.join('\n'),
      timeoutMs: limits.importMs,
      signal,
    });
    return planFromJson(answer.json());
  }

  /** The runs the filer knows of the origins of a position, up to there. */
  async runs(position: Position, signal?: AbortSignal): Promise<Map<Origin, readonly Run[]>> {
    const answer = await this.#get(metaPaths.runs, { query: { position: formatPosition(position) }, timeoutMs: limits.peerInfoMs, signal });
    return new Fields(answer.json()).runs('runs');
  }

  /** The chain hashes the filer knows at a position; null where it knows none. */
  async hashes(position: Position, signal?: AbortSignal): Promise<Map<Origin, string | null>> {
    const answer = await this.#get(metaPaths.hashes, { query: { position: formatPosition(position) }, timeoutMs: limits.peerInfoMs, signal });
    return new Fields(answer.json()).byOrigin('hashes', 'must be 12 hex digits or null', isHashOrNull);
  }

  /** Closes an origin whose filer is gone for good. @throws FilerError ENTRY_NOT_FOUND, PARAMETER_INVALID besides */
  async close(origin: Origin, signal?: AbortSignal): Promise<void> {
    await this.http.request({ address: this.address, method: 'PUT', path: `${metaPaths.closed}/${origin}`, signal });
  }

  async readiness(lagMsMax?: number, signal?: AbortSignal): Promise<ReadinessAnswer> {
    try {
      await this.#get('/readyz', { query: { maxLag: lagMsMax === undefined ? null : `${lagMsMax}ms` }, signal });
      return { ready: true, reasons: [] };
    } catch (error) {
      if (!isFailure(error) || !Array.isArray(error.fields.reasons)) throw error;
      return { ready: false, reasons: error.fields.reasons as ReadinessAnswer['reasons'] };
    }
  }

  /** One page of the feed. @throws FilerError LOG_TRIMMED, OFFSET_UNKNOWN besides */
  async feed(request: FeedRequest, signal?: AbortSignal, caller: Caller | null = null): Promise<FeedAnswer> {
    const { headers, body, bytes } = await this.#feed(request, signal, caller);
    return { ...headers, texts: body === null ? [] : decodeChangePage(body.text(), this.address), bytes };
  }

  /**
   * As `feed`, for a reader that passes the changes on as they came. `begun` hears where the page leads before its changes have come; a page
   * that breaks off after that is an error all the same.
   * @throws FilerError as feed
   */
  async feedLines(request: FeedRequest, signal?: AbortSignal, begun?: (told: FeedHeaders) => void): Promise<FeedLines> {
    const { headers, body } = await this.#feed(request, signal, null, begun);
    return { ...headers, lines: body === null ? noLines : decodeChangeLines(body.pieces(), this.address) };
  }

  async #feed(request: FeedRequest, signal: AbortSignal | undefined, caller: Caller | null, begun?: (told: FeedHeaders) => void) {
    const { offset, position, origins, since, until, scope, pathPrefix, limit, bytesMax, waitMs } = request;
    const answer = await this.#get(metaPaths.changes, {
      query: {
        offset,
        position: position && formatPosition(position),
        since,
        until,
        scope,
        origins: origins?.join(','),
        pathPrefix,
        limit,
        maxBytes: bytesMax,
        ...(waitMs > 0 && { live: 'long-poll', timeout: `${waitMs}ms` }),
      },
      headers: caller ? callerToHeaders(caller) : undefined,
      // A peer must be missed soon; a reader's filter may make the filer look through much of its log.
      timeoutMs: waitMs + (caller ? limits.peerGraceMs : limits.answerMs),
      begun: begun && ((answered) => begun(feedFromHeaders(answered))),
      signal,
    });
    return { headers: feedFromHeaders(answer.headers), body: answer.status === 204 ? null : answer, bytes: answer.length };
  }

  /** One page of the snapshot. */
  async snapshot(after: FullPath | null, limit: number, caller: Caller | null, signal?: AbortSignal): Promise<SnapshotPage> {
    const answer = await this.#get(metaPaths.snapshot, {
      query: { after: after && formatAfter(after), limit },
      headers: caller ? callerToHeaders(caller) : undefined,
      timeoutMs: limits.peerSnapshotMs,
      signal,
    });
    return decodeSnapshotPage(answer.text(), this.address);
  }

  /** What the filer has at one path, as a snapshot would say it: no row or one, and only those quarantined changes that concern it. */
  async row(path: FullPath, signal?: AbortSignal): Promise<SnapshotPage> {
    const answer = await this.#get(metaPaths.snapshot, { query: { path }, timeoutMs: limits.peerSnapshotMs, signal });
    return decodeSnapshotPage(answer.text(), this.address);
  }

  #get(path: string, request: Rest): Promise<HttpAnswer> {
    return this.#send('GET', path, request);
  }

  #post(path: string, action: string, signal: AbortSignal | undefined): Promise<HttpAnswer> {
    return this.#send('POST', path, { query: { action }, signal });
  }

  /** Signed for the store of this filer, which is asked for first if it is unknown. */
  async #send(method: string, path: string, request: Rest): Promise<HttpAnswer> {
    const audience = this.http.signs(path) ? (this.#storeId ?? (await this.info(request.signal)).storeId) : undefined;
    try {
      return await this.http.request({ address: this.address, method, path, audience, ...request });
    } catch (error) {
      // Another store may be there by now: whoever tries again must ask anew.
      if (isFailure(error, 'SIGNATURE_INVALID')) this.#storeId = null;
      throw error;
    }
  }
}

const quarantinePath = (dot: string | null) => (dot === null ? metaPaths.quarantine : `${metaPaths.quarantine}/${encodeURIComponent(dot)}`);

/** Another filer of the cluster over HTTP. Its client must have connections for a held poll and for what is asked besides. */
export class HttpPeer implements Peer {
  readonly #client: MetaClient;

  constructor(
    http: HttpClient,
    readonly address: string,
  ) {
    this.#client = new MetaClient(http, address);
  }

  info(signal: AbortSignal): Promise<FilerInfo> {
    return this.#client.info(signal);
  }

  changes(request: ChangesRequest, caller: Caller, signal: AbortSignal): Promise<ChangesPage> {
    return this.#client.feed(request, signal, caller);
  }

  hashes(position: Position, signal: AbortSignal): Promise<Map<Origin, string | null>> {
    return this.#client.hashes(position, signal);
  }

  runs(position: Position, signal: AbortSignal): Promise<Map<Origin, readonly Run[]>> {
    return this.#client.runs(position, signal);
  }

  snapshot(after: FullPath | null, limit: number, caller: Caller, signal: AbortSignal): Promise<SnapshotPage> {
    return this.#client.snapshot(after, limit, caller, signal);
  }
}
