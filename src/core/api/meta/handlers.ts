import { bucketCount, digestOf } from '../../change/digest.js';
import { formatDot, isOrigin, parsePosition } from '../../clock/vector.js';
import type { FullPath } from '../../entry/path.js';
import { FilerError } from '../../errors.js';
import type { Filer } from '../../filer.js';
import type { FilerLimits } from '../../filer-options.js';
import { invalidParameter, readBoolean, readInteger, type Query } from '../../http/params.js';
import { empty, json, type Request, type Response, type Route } from '../../http/router.js';
import type { Store } from '../../store/store.js';
import type { TimeSource } from '../../time.js';
import { changesHandler } from './changes.js';
import { checkpointRoutes } from './checkpoints.js';
import { conflictRoutes } from './conflicts.js';
import { directoryDigestsToJson } from './directory-digests.js';
import { importHandler } from './import.js';
import { infoToJson } from './info.js';
import { linkRoutes } from './links.js';
import { logToJson } from './log-report.js';
import { readPath } from './query-params.js';
import { callerFromHeaders, metaPaths } from './protocol.js';
import { quarantineRoutes } from './quarantine.js';
import { digestToJson, peersToJson, type DigestReport } from './reports.js';
import { encodeSnapshotPage, parseAfter } from './snapshot-page.js';

export interface MetaRoutesOptions {
  /** The store the filer works on, for what needs no door: ledger, kv, recount. */
  readonly store: Store;
  readonly time: TimeSource;
  readonly limits: FilerLimits;
}

/** The replication API of one filer. */
export function metaRoutes(filer: Filer, options: MetaRoutesOptions): Route[] {
  const { store, limits } = options;
  return [
    {
      method: 'GET',
      path: metaPaths.store,
      role: 'peer',
      firstContact: true,
      summary: 'who this filer is and where it stands',
      handler: async () => json(200, infoToJson(filer.info())),
    },
    {
      method: 'GET',
      path: metaPaths.changes,
      role: 'peer',
      summary: 'the feed, a read-only Durable Streams JSON stream',
      handler: changesHandler(filer, options),
    },
    {
      method: 'POST',
      path: metaPaths.changes,
      role: 'admin',
      summary: 'import changes: of another cluster, out of a file, of SeaweedFS',
      handler: importHandler(filer, limits),
    },
    { method: 'GET', path: metaPaths.snapshot, role: 'peer', summary: 'all rows, page by page', handler: (request) => answerSnapshot(filer, limits, request) },
    {
      method: 'GET',
      path: metaPaths.digest,
      role: 'peer',
      summary: 'the digest and its buckets; recompute=true adds them up anew; bucket=N gives those of its directories',
      handler: (request) => answerDigest(filer, options, request),
    },
    {
      method: 'GET',
      path: metaPaths.peers,
      role: 'peer',
      summary: 'what every peer is to this filer',
      handler: async () => json(200, peersToJson({ origin: filer.log.identity.origin, peers: await filer.status.peers() })),
    },
    ...conflictRoutes(filer, store, limits),
    ...quarantineRoutes(filer),
    ...checkpointRoutes(filer, limits),
    ...linkRoutes(filer, limits),
    {
      method: 'GET',
      path: metaPaths.log,
      role: 'peer',
      summary: 'what the log holds, who keeps it from shrinking, how long each peer may stay away',
      handler: async () => json(200, logToJson(await filer.status.log())),
    },
    {
      method: 'GET',
      path: metaPaths.hashes,
      role: 'peer',
      summary: 'the chain hashes at a position, null where none is known: to find where two logs part',
      handler: async ({ query }) => json(200, { hashes: Object.fromEntries(await filer.source.hashes(parsePosition(query.get('position') ?? ''))) }),
    },
    {
      method: 'GET',
      path: metaPaths.runs,
      role: 'peer',
      summary: 'the runs of origins up to a position: to find where two logs part that no longer reach back to there',
      handler: async ({ query }) => json(200, { runs: Object.fromEntries(filer.source.runs(parsePosition(query.get('position') ?? ''))) }),
    },
    {
      method: 'PUT',
      path: `${metaPaths.closed}/:origin`,
      role: 'admin',
      summary: 'close an origin whose filer is gone for good; should it come back, it rejoins',
      handler: (request) => closeOrigin(filer, request),
    },
    {
      method: 'GET',
      path: `${metaPaths.kv}/:key`,
      role: 'admin',
      summary: 'a small value of this store',
      handler: (request) => getValue(store, limits, request),
    },
    {
      method: 'PUT',
      path: `${metaPaths.kv}/:key`,
      role: 'admin',
      summary: 'keep a small value; it is not replicated',
      handler: (request) => putValue(filer, store, limits, request),
    },
    { method: 'DELETE', path: `${metaPaths.kv}/:key`, role: 'admin', summary: 'drop a small value', handler: (request) => dropValue(filer, limits, request) },
  ];
}

async function closeOrigin(filer: Filer, { parameter }: Request): Promise<Response> {
  if (!isOrigin(parameter)) throw invalidParameter('origin', parameter, '16 lower-case hex digits');
  filer.admission.mustWrite();
  const dot = await filer.upkeep.closing.close(parameter);
  return json(200, { origin: parameter, dot: dot && formatDot(dot) });
}

async function answerSnapshot(filer: Filer, limits: FilerLimits, { query, headers }: Request): Promise<Response> {
  const caller = callerFromHeaders(headers);
  const only = readPath(query, 'path');
  if (only !== undefined) {
    const row = await filer.reads.run(false, limits.pageBytesMax, () => filer.source.row(only));
    return { status: 200, headers: { 'Content-Type': 'application/json' }, body: encodeSnapshotPage(row) };
  }
  const limit = readInteger(query, 'limit', { min: 1, max: limits.snapshotRowsMax, fallback: limits.snapshotRows });
  const after = readAfter(query);
  const page = await filer.reads.run(caller !== null, limits.snapshotBytes, () => filer.source.snapshot(after, limit, caller));
  return { status: 200, headers: { 'Content-Type': 'application/json' }, body: encodeSnapshotPage(page), forPeer: caller !== null };
}

/** Where the page before ended. @throws FilerError PARAMETER_INVALID */
function readAfter(query: Query): FullPath | null {
  const text = query.get('after');
  const after = text === null ? null : parseAfter(text);
  if (text !== null && after === null) throw invalidParameter('after', text, 'what "next" of a page said');
  return after;
}

async function answerDigest(filer: Filer, { store, limits }: MetaRoutesOptions, { query }: Request): Promise<Response> {
  const bucket = readInteger(query, 'bucket', { min: 0, max: bucketCount - 1, fallback: undefined });
  if (bucket === undefined) return json(200, digestToJson(await digestReport(filer, store, readBoolean(query, 'recompute'))));
  const limit = readInteger(query, 'limit', { min: 1, max: limits.digestDirectoriesMax, fallback: limits.digestDirectoriesMax });
  const after = readAfter(query);
  // Everything up to here is in what is added up after it.
  const { position } = filer.log;
  const sums = await filer.reads.run(false, limits.pageBytesMax, () => store.directorySums(bucket, after, limit));
  return json(200, directoryDigestsToJson({ position, bucket, sums, next: sums.length < limit ? null : (sums.at(-1)?.directory ?? null) }));
}

/** Read at one moment; adding up anew holds the door, since sums and rows must be of one commit. */
async function digestReport(filer: Filer, store: Store, recompute: boolean): Promise<DigestReport> {
  const { log } = filer;
  const kept = () => ({
    position: log.position,
    digest: log.digest,
    quarantined: [...log.state.quarantine.keys()],
    entries: log.state.counts.entries,
    buckets: log.state.buckets,
    scrub: filer.scrub.report,
  });
  if (!recompute) return kept();
  return log.aloneForClient(async () => {
    const { buckets, counts } = await store.recount();
    return { ...kept(), recomputed: { digest: digestOf(buckets), entries: counts.entries, buckets } };
  });
}

// ---- values. Any bytes; kept as base64, because a store keeps text

function keyOf({ parameter }: Request, limits: FilerLimits): string {
  if (parameter.length > limits.kvKeyCharsMax || !/^[\x20-\x7e]+$/.test(parameter)) {
    throw invalidParameter('key', parameter, `1 to ${limits.kvKeyCharsMax} printable ASCII characters`);
  }
  return parameter;
}

async function getValue(store: Store, limits: FilerLimits, request: Request): Promise<Response> {
  const key = keyOf(request, limits);
  const value = await store.getKv(key);
  if (value === null) throw new FilerError('ENTRY_NOT_FOUND', `nothing is kept under "${key}"`);
  return { status: 200, headers: { 'Content-Type': 'application/octet-stream' }, body: Buffer.from(value, 'base64') };
}

async function putValue(filer: Filer, store: Store, limits: FilerLimits, request: Request): Promise<Response> {
  const key = keyOf(request, limits);
  const value = await request.body(limits.kvValueBytesMax);
  return keep(filer, key, value.toString('base64'), async () => {
    if ((await store.getKv(key)) === null && (await store.countKv()) >= limits.kvKeysMax)
      throw new FilerError('STORE_FULL', `this store keeps ${limits.kvKeysMax} values already; delete one that nobody needs`, { limit: limits.kvKeysMax });
  });
}

async function dropValue(filer: Filer, limits: FilerLimits, request: Request): Promise<Response> {
  return keep(filer, keyOf(request, limits), null);
}

async function keep(filer: Filer, key: string, value: string | null, check = async (): Promise<void> => {}): Promise<Response> {
  await filer.log.aloneForClient(async (draft) => {
    await check();
    await draft.tx.write({ kv: new Map([[key, value]]) });
  });
  return empty(204);
}
