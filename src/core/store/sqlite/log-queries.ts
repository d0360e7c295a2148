import type { Dot, Origin, Position, Seq } from '../../clock/vector.js';
import type { Version } from '../../clock/version.js';
import { pageBetween } from '../../change/page.js';
import type { FeedIndex, LogPage, LogQuery, LogRecord, LogSpan, TrimmedLog } from '../store.js';
import type { Connection } from './connection.js';
import { fields, TextBlob } from './row-codec.js';

const columns = 'l.idx AS "index", l.origin, l.seq, l.version, l.hash, l.applied';

const asked = 'FROM log WHERE idx > ?1 AND idx <= ?2 ORDER BY idx LIMIT ?3';

// As with rows: what fits is found from the sizes, then only that is read. A sum tells soon whether all of it does.
const fitting = `
  iif((SELECT sum(bytes) FROM (SELECT bytes ${asked})) <= ?4, ?3, max(1, (
    SELECT count(*) FROM (SELECT sum(bytes) OVER (ORDER BY idx ROWS UNBOUNDED PRECEDING) AS total FROM (SELECT idx, bytes ${asked})) WHERE total <= ?4)))`;

const readInOrder = `SELECT ${columns}, l.text FROM log AS l WHERE idx > ?1 AND idx <= ?2 ORDER BY idx LIMIT ${fitting}`;

/** A text of this file as SQL writes it. */
const literal = (text: string): string => `'${text.replaceAll('\n', "'||char(10)||'")}'`;

/*
 * Records as one page, made by SQLite: a record that becomes an object here costs more than reading it. Cut as bytes, since a text is
 * cut by counting its characters; withApplied (codec.ts) does the same to one text. Nothing is put around it: that would copy all of it again.
 */
const pageText = `
  count(*) AS count, max(idx) AS last,
  CAST(group_concat(CAST(substr(CAST(text AS BLOB), 1, bytes - 2) || ',"applied":"' || applied || '"}}' AS TEXT), ${literal(pageBetween)}) AS BLOB) AS bytes`;

const pageSeqs = (records: string): string =>
  `(SELECT json_group_object(origin, seq) FROM (SELECT origin, max(seq) AS seq FROM ${records} GROUP BY origin)) AS seqs`;

const inPage = 'log WHERE idx > ?1 AND idx <= (SELECT last FROM page)';

const readPageInOrder = `
  WITH page(last) AS MATERIALIZED (SELECT max(idx) FROM (SELECT idx FROM log WHERE idx > ?1 AND idx <= ?2 ORDER BY idx LIMIT ${fitting}))
  SELECT ${pageText}, ${pageSeqs(inPage)} FROM ${inPage}`;

/*
 * Some origins, or what a position lacks: one range (origin, seq) for each origin. An origin's seqs stand in the log without a gap and
 * in the order of the feed, so its first record after ?2 is found by halving, and no more than ?4 seqs from there can be in the page.
 * `wanted` gives asked(origin, first seq wanted); `chosen` are the records that fit, in order.
 */
const readByOrigin = (wanted: string, select: string) => `
  WITH RECURSIVE ${wanted}, span(origin, low, high) AS (
    SELECT origin, max(low, (SELECT min(seq) FROM log WHERE log.origin = asked.origin)), (SELECT max(seq) + 1 FROM log WHERE log.origin = asked.origin) FROM asked
    UNION ALL
    SELECT s.origin, iif(l.idx > ?2, s.low, l.seq + 1), iif(l.idx > ?2, l.seq, s.high)
    FROM span AS s CROSS JOIN log AS l ON l.origin = s.origin AND l.seq = (s.low + s.high) / 2 WHERE s.low < s.high
  ), candidates(idx) AS (
    SELECT l.idx FROM span AS s CROSS JOIN log AS l ON l.origin = s.origin AND l.seq >= s.low AND l.seq < s.low + ?4
    WHERE s.low >= s.high AND l.idx <= ?3 ORDER BY l.idx LIMIT ?4
  ), sized(idx, place, total) AS MATERIALIZED (
    SELECT c.idx, row_number() OVER w, sum(l.bytes) OVER w FROM candidates AS c CROSS JOIN log AS l ON l.idx = c.idx WINDOW w AS (ORDER BY c.idx ROWS UNBOUNDED PRECEDING)
  ), chosen AS NOT MATERIALIZED (
    SELECT l.* FROM sized AS s CROSS JOIN log AS l ON l.idx = s.idx WHERE s.place = 1 OR s.total <= ?5 ORDER BY s.idx
  )
  SELECT ${select}`;

const ofOrigins = 'asked(origin, low) AS (SELECT value ->> 0, value ->> 1 FROM json_each(?1))';

// Every origin in the log, found by jumping from one to the next in the index.
const beyondPosition = `
  known(origin) AS (
    SELECT min(origin) FROM log
    UNION ALL SELECT (SELECT min(origin) FROM log WHERE log.origin > known.origin) FROM known WHERE known.origin IS NOT NULL
  ), asked(origin, low) AS (
    SELECT k.origin, coalesce(p.value ->> 1, 1) FROM known AS k LEFT JOIN json_each(?1) AS p ON p.value ->> 0 = k.origin WHERE k.origin IS NOT NULL
  )`;

const asRecords = `${columns}, l.text FROM chosen AS l`;
const asPage = `${pageText}, ${pageSeqs('chosen')} FROM chosen`;

/** Statements by what is asked for and how it is given. */
const statements = {
  records: { inOrder: readInOrder, ofOrigins: readByOrigin(ofOrigins, asRecords), beyond: readByOrigin(beyondPosition, asRecords) },
  page: { inOrder: readPageInOrder, ofOrigins: readByOrigin(ofOrigins, asPage), beyond: readByOrigin(beyondPosition, asPage) },
};

/** Appends records as encodeRecords gives them; one whose index is there already replaces it. */
export const appendRecords = (json: string, blob: string): string => `
  INSERT INTO log SELECT ${fields(6)}, value ->> 7, CAST(substr(${blob}, value ->> 6, value ->> 7) AS TEXT) FROM jsonb_each(${json}) WHERE true
  ON CONFLICT (idx) DO UPDATE SET origin = excluded.origin, seq = excluded.seq, version = excluded.version, hash = excluded.hash, applied = excluded.applied,
    bytes = excluded.bytes, text = excluded.text`;

/** The greatest index ever used: in the log, or noted when a part of it was cleared. */
const head = "max(coalesce((SELECT max(idx) FROM log), 0), coalesce((SELECT CAST(value AS INTEGER) FROM notes WHERE name = 'head'), 0))";

export const readHead = `SELECT ${head} AS head, coalesce((SELECT min(idx) FROM log), ${head} + 1) AS first`;

export const readLog = (connection: Connection, query: LogQuery): Promise<LogRecord[]> => ask<LogRecord>(connection, query, statements.records);

export async function readLogPage(connection: Connection, query: LogQuery): Promise<LogPage> {
  interface Page {
    count: number;
    last: FeedIndex | null;
    bytes: Buffer | null;
    seqs: string;
  }
  const [page] = await ask<Page>(connection, query, statements.page);
  const { count, last, bytes, seqs } = page as Page;
  return { bytes: bytes ?? Buffer.alloc(0), count, last: last ?? 0, seqs: new Map(Object.entries(JSON.parse(seqs) as Record<Origin, Seq>)) };
}

function ask<T>(connection: Connection, query: LogQuery, { inOrder, ofOrigins, beyond: ofPosition }: (typeof statements)['page']): Promise<T[]> {
  const { after, upto = Number.MAX_SAFE_INTEGER, origins, beyond, limit, bytesMax } = query;
  if (!origins && !beyond) return connection.all<T>(inOrder, after, upto, limit, bytesMax);
  const wanted = origins
    ? [...origins].map((origin) => [origin, (beyond?.get(origin) ?? 0) + 1])
    : [...(beyond ?? [])].map(([origin, seq]) => [origin, seq + 1]);
  return connection.all<T>(origins ? ofOrigins : ofPosition, JSON.stringify(wanted), after, upto, limit, bytesMax);
}

export async function findRecord(connection: Connection, dot: Dot): Promise<Omit<LogRecord, 'text'> | null> {
  const [record] = await connection.all<Omit<LogRecord, 'text'>>(`SELECT ${columns} FROM log AS l WHERE origin = ?1 AND seq = ?2`, dot.origin, dot.seq);
  return record ?? null;
}

export function cutAt(connection: Connection, position: Position): Promise<{ last: FeedIndex; next: FeedIndex | null }> {
  return connection.one(
    `SELECT coalesce(max(l.idx), 0) AS last, min(n.idx) AS next
     FROM json_each(?1) AS p LEFT JOIN log AS l ON l.origin = p.key AND l.seq = p.value LEFT JOIN log AS n ON n.origin = p.key AND n.seq = p.value + 1`,
    JSON.stringify(Object.fromEntries(position)),
  );
}

export async function indexBefore(connection: Connection, since: Version): Promise<FeedIndex> {
  const { before } = await connection.one<{ before: number }>(
    `SELECT coalesce((SELECT min(idx) - 1 FROM log INDEXED BY log_version WHERE version >= ?1), ${head}) AS before`,
    since,
  );
  return before;
}

/** A set of records as parameters. */
export function encodeRecords(records: readonly LogRecord[]): [json: string, blob: Buffer] {
  const blob = new TextBlob();
  const values = records.map(({ index, origin, seq, version, hash, applied, text }) => [index, origin, seq, version, hash, applied, ...blob.add(text)]);
  return [JSON.stringify(values), blob.toBuffer()];
}

export async function indexAfterBytes(connection: Connection, bytes: number, limit: number): Promise<FeedIndex> {
  const { index } = await connection.one<{ index: number }>(
    `WITH front(idx, total) AS MATERIALIZED (
       SELECT idx, sum(bytes) OVER (ORDER BY idx ROWS UNBOUNDED PRECEDING) FROM (SELECT idx, bytes FROM log ORDER BY idx LIMIT ?2))
     SELECT coalesce((SELECT min(idx) FROM front WHERE total >= ?1), (SELECT max(idx) FROM front), 0) AS "index"`,
    bytes,
    limit,
  );
  return index;
}

const keepHead = `INSERT OR REPLACE INTO notes VALUES ('head', ${head})`;
const whatIsLeft = `SELECT coalesce(min(idx), ${head} + 1) AS first, count(*) AS changes, coalesce(sum(bytes), 0) AS bytes FROM log`;

/** Drops the records of these origins, null = all, and tells what is left. The head stays. */
export async function clearLog(connection: Connection, origins: readonly string[] | null): Promise<LogSpan> {
  await connection.run(keepHead);
  if (origins === null) await connection.run('DELETE FROM log');
  else await connection.run('DELETE FROM log WHERE origin IN (SELECT value FROM json_each(?1))', JSON.stringify(origins));
  return connection.one<LogSpan>(whatIsLeft);
}

/** Drops the records of one origin beyond a seq, and tells what is left. The head stays. */
export async function cutLog(connection: Connection, origin: string, seq: number): Promise<LogSpan> {
  await connection.run(keepHead);
  await connection.run('DELETE FROM log WHERE origin = ?1 AND seq > ?2', origin, seq);
  return connection.one<LogSpan>(whatIsLeft);
}

/** Drops the records up to an index. Only what goes is looked at: what stays may be millions. The head stays. */
export async function trimLog(connection: Connection, through: FeedIndex): Promise<TrimmedLog> {
  // Beside max(), SQLite takes the other columns from the same row.
  const last = await connection.all<TrimmedLog['last'][number]>(
    'SELECT origin, max(seq) AS seq, hash, version FROM log WHERE idx <= ?1 GROUP BY origin',
    through,
  );
  const gone = await connection.one<{ changes: number; bytes: number }>(
    'SELECT count(*) AS changes, coalesce(sum(bytes), 0) AS bytes FROM log WHERE idx <= ?1',
    through,
  );
  await connection.run(keepHead);
  await connection.run('DELETE FROM log WHERE idx <= ?1', through);
  const { first } = await connection.one<{ first: number }>(`SELECT coalesce(min(idx), ${head} + 1) AS first FROM log`);
  return { last, ...gone, first };
}
