import { nameOf, parentOf } from '../../entry/path.js';
import type { Area, WriteBatch } from '../store.js';
import type { Parameter } from './connection.js';
import { appendRecords, encodeRecords } from './log-queries.js';
import { dropRows, encodeRows, fields, keyOf, putRows } from './row-codec.js';
import { areaTables } from './schema.js';

/*
 * A whole batch in one statement: a row put into the view `batch`, whose trigger writes the tables. Each statement costs a way to
 * another thread and back, which is more than most of them take; and one that stands alone is a transaction by itself.
 */

const areas = Object.keys(areaTables) as Area[];

/** Columns of the view in the order in which they are written. Each is a JSON array of what is written, or NULL; `…_text` is a blob. */
const columns = [
  ...areas.flatMap((area) => [`${area}_dropped`, area, `${area}_text`]),
  'counts_dropped',
  'counts',
  'log',
  'log_text',
  'origins',
  'buckets',
].concat(['meta', 'kv'].flatMap((table) => [`${table}_dropped`, table]));

const put = (table: string, count: number, column = table) => `INSERT OR REPLACE INTO ${table} SELECT ${fields(count)} FROM json_each(NEW.${column})`;

const steps = [
  ...areas.flatMap((area) => [dropRows(areaTables[area], `NEW.${area}_dropped`), putRows(areaTables[area], `NEW.${area}`, `NEW.${area}_text`)]),
  'DELETE FROM directories WHERE (parent, name) IN (SELECT value ->> 0, value ->> 1 FROM json_each(NEW.counts_dropped))',
  put('directories', 3, 'counts'),
  appendRecords('NEW.log', 'NEW.log_text'),
  put('positions', 8, 'origins'),
  put('buckets', 2),
  ...['meta', 'kv'].flatMap((table) => [`DELETE FROM ${table} WHERE name IN (SELECT value FROM json_each(NEW.${table}_dropped))`, put(table, 2)]),
];

/** Makes the view, for one connection and as long as that is open. */
export const createBatchView = `
  CREATE TEMP VIEW batch (${columns.join(', ')}) AS SELECT ${columns.map(() => 'NULL').join(', ')};
  CREATE TEMP TRIGGER write_batch INSTEAD OF INSERT ON batch BEGIN ${steps.join(';\n')}; END;`;

/** Writes what encodeBatch gives. */
export const putBatch = `INSERT INTO batch VALUES (${columns.map((_, i) => `?${i + 1}`).join(', ')})`;

/** A batch as the parameters of putBatch; ledger and quarantine are not in it. */
export function encodeBatch(batch: WriteBatch): Parameter[] {
  const counts = [...(batch.children ?? [])].map(([path, count]) => [parentOf(path), nameOf(path), count] as const);
  const pairsOf = (pairs: ReadonlyMap<string, string | null> = new Map()) => [
    listed([...pairs].filter(([, value]) => value === null).map(([name]) => name)),
    listed([...pairs].filter(([, value]) => value !== null)),
  ];
  return [
    ...areas.flatMap((area) => [listed((batch.removed?.[area] ?? []).map(keyOf)), ...orNulls(batch.rows?.[area], encodeRows)]),
    listed(counts.filter(([, , count]) => count === 0)),
    listed(counts.filter(([, , count]) => count > 0)),
    ...orNulls(batch.log, encodeRecords),
    listed((batch.origins ?? []).map((o) => [o.origin, o.seq, o.hash, o.version, o.first, o.firstHash, o.firstVersion, JSON.stringify(o.runs)])),
    listed([...(batch.buckets ?? [])]),
    ...pairsOf(batch.meta),
    ...pairsOf(batch.kv),
  ];
}

function listed(values: readonly unknown[]): string | null {
  return values.length === 0 ? null : JSON.stringify(values);
}

function orNulls<T>(values: readonly T[] | undefined, encode: (values: readonly T[]) => [string, Buffer]): [string, Buffer] | [null, null] {
  return values === undefined || values.length === 0 ? [null, null] : encode(values);
}
