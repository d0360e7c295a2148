import { isUtf8 } from 'node:buffer';
import { ImportReader, type ImportedChange } from '../../change/imported.js';
import { formatDot } from '../../clock/vector.js';
import { FilerError } from '../../errors.js';
import type { ImportPlan, PlanCounts } from '../../change/plan.js';
import type { ImportResult } from '../../log/importing.js';
import { Fields, invalidField } from './fields.js';

/*
 * What POST changes takes and answers: changes as a JSON array or one a line, and
 *
 *   {"applied":n,"superseded":n,"unchanged":n,"conflicting":n,"quarantined":n,"position":"origin:seq"}
 *
 * or with plan=true
 *
 *   {"creates":n,"updates":n,"deletes":n,"renames":n,"conflicts":n,"superseded":n,"unchanged":n,
 *    "bytes":{"creates":n,"updates":n,"deletes":n,"renames":n,"conflicts":n}}
 */

export interface ImportBody {
  readonly changes: readonly ImportedChange[];
  /** Events of SeaweedFS that say nothing. */
  readonly empty: number;
}

/**
 * Reads and checks all of it.
 * @throws FilerError BODY_INVALID naming the field, as `changes[17].replication.seq`; BODY_TOO_LARGE for more than `changesMax`
 */
export function decodeImport(body: Buffer, changesMax: number): ImportBody {
  if (!isUtf8(body)) throw new FilerError('BODY_INVALID', 'the body is not valid UTF-8');
  const text = body.toString('utf8').trim();
  const values = text.startsWith('[') ? arrayOf(text) : linesOf(text, changesMax);
  if (values.length > changesMax)
    throw new FilerError('BODY_TOO_LARGE', `the body holds ${values.length} changes, more than ${changesMax}; send them in several requests`, {
      limit: changesMax,
    });
  const reader = new ImportReader();
  const changes = values.map((value, index) => reader.read(value, `changes[${index}]`)).filter((change) => change !== null);
  return { changes, empty: values.length - changes.length };
}

function arrayOf(text: string): unknown[] {
  try {
    return JSON.parse(text) as unknown[];
  } catch (error) {
    throw new FilerError('BODY_INVALID', `the body is not JSON (${(error as Error).message.slice(0, 100)})`);
  }
}

function linesOf(text: string, changesMax: number): unknown[] {
  const lines = text === '' ? [] : text.split('\n').filter((line) => line.trim() !== '');
  // Not parsed when they are too many.
  if (lines.length > changesMax) return lines;
  return lines.map((line, index) => {
    try {
      return JSON.parse(line) as unknown;
    } catch (error) {
      throw invalidField(`changes[${index}]`, `is not JSON (${(error as Error).message.slice(0, 100)}); send an array, or one change a line`);
    }
  });
}

/** What became of the changes, as the answer says. */
export interface ImportAnswer extends Omit<ImportResult, 'position'> {
  /** The last change of the filer that was asked, origin:seq. */
  readonly position: string;
}

export function importToJson(result: ImportResult, empty: number): ImportAnswer {
  return { ...result, unchanged: result.unchanged + empty, position: formatDot(result.position) };
}

/** @throws FilerError BODY_INVALID naming the field */
export function importFromJson(body: unknown): ImportAnswer {
  const answer = new Fields(body);
  const [applied, superseded, unchanged] = [answer.whole('applied'), answer.whole('superseded'), answer.whole('unchanged')];
  return {
    applied,
    superseded,
    unchanged,
    conflicting: answer.whole('conflicting'),
    quarantined: answer.whole('quarantined'),
    position: answer.text('position'),
  };
}

/** @throws FilerError BODY_INVALID naming the field */
export function planFromJson(body: unknown): ImportPlan {
  const plan = new Fields(body);
  return {
    ...countsFrom(plan),
    superseded: plan.whole('superseded'),
    unchanged: plan.whole('unchanged'),
    bytes: countsFrom(plan.inner('bytes')),
  };
}

function countsFrom(fields: Fields): PlanCounts {
  const [creates, updates, deletes, renames] = [fields.whole('creates'), fields.whole('updates'), fields.whole('deletes'), fields.whole('renames')];
  return { creates, updates, deletes, renames, conflicts: fields.whole('conflicts') };
}
