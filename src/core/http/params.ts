import { durationForm, parseDuration } from '../config/duration.js';
import { parseTimestamp, timestampForm } from '../config/timestamp.js';
import { FilerError } from '../errors.js';

/**
 * The query of a request. Names nobody asks for are ignored; a name that is asked for must stand once and be valid
 * percent-encoded UTF-8, because two readers of a repeated one (a proxy and we) would choose differently.
 */
export class Query {
  readonly #values = new Map<string, string[]>();

  /** @param text what stands behind the "?", undecoded */
  constructor(text: string) {
    for (const pair of text.split('&')) {
      if (pair === '') continue;
      const equals = pair.indexOf('=');
      const name = decode(equals < 0 ? pair : pair.slice(0, equals));
      if (name === null) continue;
      const values = this.#values.get(name);
      if (values) values.push(pair);
      else this.#values.set(name, [pair]);
    }
  }

  get isEmpty(): boolean {
    return this.#values.size === 0;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  /**
   * The value; '' for a name without one; null if the name is absent.
   * @throws FilerError PARAMETER_INVALID
   */
  get(name: string): string | null {
    const [pair, second] = this.#values.get(name) ?? [];
    if (pair === undefined) return null;
    if (second !== undefined) throw new FilerError('PARAMETER_INVALID', `${name}: stands more than once; give one value`);
    const equals = pair.indexOf('=');
    const value = equals < 0 ? '' : decode(pair.slice(equals + 1));
    if (value === null) throw new FilerError('PARAMETER_INVALID', `${name}: is not valid percent-encoded UTF-8`);
    return value;
  }
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return null;
  }
}

/** What the parsers read from: a Query, or anything like it. */
type Source = Pick<Query, 'get'>;

/** The failure of a value that has another form than `form`. */
export function invalidParameter(name: string, value: string, form: string): FilerError {
  const shown = value.length > 60 ? `${value.slice(0, 60)}…` : value;
  return new FilerError('PARAMETER_INVALID', `${name}: "${shown}" is not ${form}`, { parameter: name });
}

function read<T>(source: Source, name: string, form: string, fallback: T, parse: (text: string) => T | null): T {
  const text = source.get(name);
  if (text === null) return fallback;
  const value = parse(text);
  if (value === null) throw invalidParameter(name, text, form);
  return value;
}

/** @throws FilerError PARAMETER_INVALID */
export function readInteger<T>(source: Source, name: string, options: { min: number; max: number; fallback: T }): number | T {
  const { min, max, fallback } = options;
  return read<number | T>(source, name, `a whole number from ${min} to ${max}`, fallback, (text) => {
    const value = Number(text);
    return /^-?\d{1,16}$/.test(text) && Number.isSafeInteger(value) && value >= min && value <= max ? value : null;
  });
}

/** Milliseconds. @throws FilerError PARAMETER_INVALID */
export function readDuration<T>(source: Source, name: string, options: { msMax: number; fallback: T }): number | T {
  const { msMax, fallback } = options;
  return read<number | T>(source, name, `${durationForm}, at most ${msMax / 1000}s`, fallback, (text) => {
    const ms = parseDuration(text);
    return ms !== null && ms <= msMax ? ms : null;
  });
}

/** Microseconds since 1970, to compare with versions. @throws FilerError PARAMETER_INVALID */
export function readTimestamp(source: Source, name: string): number | null {
  return read(source, name, timestampForm, null, parseTimestamp);
}

/** True for `name`, `name=true`, `name=1` and `name=y`. @throws FilerError PARAMETER_INVALID */
export function readBoolean(source: Source, name: string, fallback = false): boolean {
  return read(source, name, 'true or false', fallback, (text) => {
    if (/^(|1|t|true|y|yes)$/i.test(text)) return true;
    return /^(0|f|false|n|no)$/i.test(text) ? false : null;
  });
}

/** @throws FilerError PARAMETER_INVALID */
export function readHex(source: Source, name: string, digits: number): string | null {
  return read(source, name, `${digits} lower-case hex digits`, null, (text) => (text.length === digits && /^[0-9a-f]*$/.test(text) ? text : null));
}

/** One of a few words. @throws FilerError PARAMETER_INVALID */
export function readWord<W extends string>(source: Source, name: string, words: readonly W[]): W | null {
  return read<W | null>(source, name, words.join(' or '), null, (text) => words.find((word) => word === text) ?? null);
}
