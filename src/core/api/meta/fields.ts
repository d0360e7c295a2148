import { isChainHash } from '../../change/codec.js';
import { isOrigin, isSeq, positionFromJson, type Origin, type Position } from '../../clock/vector.js';
import { limits } from '../../config/limits.js';
import { FilerError } from '../../errors.js';
import type { Run } from '../../store/store.js';

/** The failure of a body that another process sent: which field, and what it must be. */
export function invalidField(field: string, rule: string): FilerError {
  return new FilerError('BODY_INVALID', `${field}: ${rule}`, { field });
}

export function objectOf(value: unknown, field: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalidField(field, 'must be a JSON object');
  return value as Record<string, unknown>;
}

export function listOf(value: unknown, field: string): unknown[] {
  if (!Array.isArray(value)) throw invalidField(field, 'must be a list');
  return value;
}

function isRuns(value: unknown): value is readonly Run[] {
  if (!Array.isArray(value) || value.length > limits.runsMax) return false;
  let before = 0;
  return value.every((one: Partial<Run> | null) => {
    if (typeof one !== 'object' || one === null || !isSeq(one.seq) || one.seq <= before || !isChainHash(one.hash)) return false;
    before = one.seq;
    return true;
  });
}

/** Reads the fields of one JSON object, each checked. Every reader throws FilerError BODY_INVALID naming the field. */
export class Fields {
  readonly #values: Record<string, unknown>;

  /** @param at stands before the names in messages: '' or `peers[3].` */
  constructor(
    value: unknown,
    private readonly at = '',
  ) {
    this.#values = objectOf(value, at.replace(/\.$/, '') || 'the body');
  }

  get(name: string): unknown {
    return this.#values[name];
  }

  text(name: string, charsMax: number = limits.nameCharsMax): string {
    const value = this.#values[name];
    if (typeof value !== 'string' || value.length > charsMax)
      throw invalidField(this.at + name, charsMax === Infinity ? 'must be a text' : `must be a text of at most ${charsMax} characters`);
    return value;
  }

  hex(name: string, digits: number): string {
    const value = this.#values[name];
    if (typeof value !== 'string' || value.length !== digits || !/^[0-9a-f]*$/.test(value))
      throw invalidField(this.at + name, `must be ${digits} lower-case hex digits`);
    return value;
  }

  word<W extends string>(name: string, words: readonly W[]): W {
    const word = words.find((one) => one === this.#values[name]);
    if (word === undefined) throw invalidField(this.at + name, `must be ${words.join(' or ')}`);
    return word;
  }

  boolean(name: string): boolean {
    const value = this.#values[name];
    if (typeof value !== 'boolean') throw invalidField(this.at + name, 'must be true or false');
    return value;
  }

  number(name: string): number {
    const value = this.#values[name];
    if (typeof value !== 'number' || !Number.isFinite(value)) throw invalidField(this.at + name, 'must be a number');
    return value;
  }

  whole(name: string): number {
    const value = this.#values[name];
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw invalidField(this.at + name, 'must be a whole number');
    return value;
  }

  /** What `read` makes of the field, or null if it is null or absent. */
  nullable<T>(name: string, read: (name: string) => T): T | null {
    return (this.#values[name] ?? null) === null ? null : read(name);
  }

  position(name: string): Position {
    return positionFromJson(this.#values[name], this.at + name);
  }

  origins(name: string): Origin[] {
    const list = listOf(this.#values[name], this.at + name);
    if (!list.every(isOrigin)) throw invalidField(this.at + name, 'must be a list of 16 hex digits each');
    return list;
  }

  texts(name: string): string[] {
    const list = listOf(this.#values[name], this.at + name);
    if (!list.every((one) => typeof one === 'string')) throw invalidField(this.at + name, 'must be a list of texts');
    return list;
  }

  /** Origin to whatever `isGood` accepts. */
  byOrigin<T>(name: string, rule: string, isGood: (value: unknown) => value is T): Map<Origin, T> {
    const entries = Object.entries(objectOf(this.#values[name], this.at + name));
    for (const [origin, value] of entries) if (!isOrigin(origin) || !isGood(value)) throw invalidField(`${this.at}${name}.${origin.slice(0, 20)}`, rule);
    return new Map(entries as [Origin, T][]);
  }

  /** Runs by origin, each with what a store keeps of one: `{"seq":…,"hash":"…"}`. */
  runs(name: string): Map<Origin, readonly Run[]> {
    return this.byOrigin(name, `must be at most ${limits.runsMax} runs, each with seq and hash, in the order of seq`, isRuns);
  }

  /** An object inside. */
  inner(name: string): Fields {
    return new Fields(this.#values[name], `${this.at}${name}.`);
  }

  /** A list of objects. */
  list(name: string): Fields[] {
    return listOf(this.#values[name], this.at + name).map((value, index) => new Fields(value, `${this.at}${name}[${index}].`));
  }
}
