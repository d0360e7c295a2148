import { formatDot } from '../../clock/vector.js';
import type { Version } from '../../clock/version.js';
import type { QuarantineRecord } from '../../store/store.js';
import { Fields } from './fields.js';

/* What is quarantined, and what an action has done to it, as JSON. */

/** One quarantined change as it travels. */
export interface QuarantinedReport {
  readonly dot: string;
  readonly origin: string;
  readonly seq: number;
  /** 0 if it names none that is valid. */
  readonly version: Version;
  readonly paths: readonly string[];
  /** Why it was refused; null if it only waits. */
  readonly code: string | null;
  readonly error: string | null;
  /** Microseconds since 1970. */
  readonly since: Version;
  readonly attempts: number;
  /** Dot of the refused change it waits for. */
  readonly waitsFor: string | null;
  /** The change, whole. */
  readonly change: unknown;
}

/** What an action has done. */
export interface QuarantineOutcome {
  /** Dots that are in the tree now. */
  readonly applied: readonly string[];
  /** Dots that were tried and refused again. */
  readonly refused: readonly string[];
  /** Dots that were taken out without effect. */
  readonly dropped: readonly string[];
  /** How many are left. */
  readonly left: number;
}

/** The changes go out as they stand, one line of JSON each. */
export function quarantineToJson(records: readonly QuarantineRecord[]): string {
  const lines = records.map(({ dot, version, paths, refusal, since, attempts, waitsFor, text }) => {
    const fields: Omit<QuarantinedReport, 'change'> = {
      dot: formatDot(dot),
      origin: dot.origin,
      seq: dot.seq,
      version,
      paths,
      code: refusal?.code ?? null,
      error: refusal?.error ?? null,
      since,
      attempts,
      waitsFor: waitsFor && formatDot(waitsFor),
    };
    return `${JSON.stringify(fields).slice(0, -1)},"change":${text}}`;
  });
  return `{"quarantine":[${lines.length === 0 ? '' : `\n${lines.join(',\n')}\n`}]}`;
}

/** @throws FilerError BODY_INVALID naming the field */
export function quarantineFromJson(body: unknown): QuarantinedReport[] {
  return new Fields(body).list('quarantine').map((one) => {
    const text = (name: string) => one.text(name, Infinity);
    return {
      dot: one.text('dot'),
      origin: one.hex('origin', 16),
      seq: one.whole('seq'),
      version: one.whole('version'),
      paths: one.texts('paths'),
      code: one.nullable('code', text),
      error: one.nullable('error', text),
      since: one.whole('since'),
      attempts: one.whole('attempts'),
      waitsFor: one.nullable('waitsFor', text),
      change: one.get('change'),
    };
  });
}

/** @throws FilerError BODY_INVALID naming the field */
export function outcomeFromJson(body: unknown): QuarantineOutcome {
  const outcome = new Fields(body);
  return { applied: outcome.texts('applied'), refused: outcome.texts('refused'), dropped: outcome.texts('dropped'), left: outcome.whole('left') };
}
