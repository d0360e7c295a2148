import { isUtf8 } from 'node:buffer';

/*
 * Cuts an input into records: JSON objects one after the other, on one line each or on many, with white space, commas or the brackets of
 * an array between them. A record ends where its braces do, outside of strings. Most stand on a line of their own: what begins a line, ends
 * with a brace and is JSON as a whole is one record, and no brace of it need be counted.
 *
 * What is broken must not take the rest with it. A raw line feed is no part of a string, and no writer puts an inner brace into the first
 * column: so at a "{" there a new record begins, whatever came before.
 */

/** One record, or what should have been one. */
export interface InputRecord {
  /** On which line it begins, from 1. */
  readonly line: number;
  /** Where it begins and ends, bytes from the start of the input. */
  readonly start: number;
  readonly end: number;
  /** Null if there is no telling where it ends. */
  readonly text: string | null;
  /** What it says; undefined if it is malformed. */
  readonly value: unknown;
  /** Why; '' if it is not. */
  readonly problem: string;
}

/** Where to begin in an input that was read before. */
export interface InputPlace {
  /** Bytes before it. */
  readonly bytes: number;
  readonly line: number;
}

const [lineFeed, carriageReturn, quote, comma, backslash, open, close] = [10, 13, 34, 44, 92, 123, 125];
/** White space, and what stands between the changes of an array. */
const between = new Set([9, 13, 32, 44, 91, 93]);

export class RecordSplitter {
  #state: 'between' | 'record' | 'string' | 'lost' = 'between';
  #depth = 0;
  #isEscaped = false;
  #isFirstColumn = true;
  /** Of the byte that comes next. */
  #offset: number;
  #line: number;
  #recordStart = 0;
  #recordLine = 0;
  /** The beginning of a record, from earlier chunks. */
  #kept: Buffer[] = [];
  #found: InputRecord[] = [];

  constructor(
    /** A record with more bytes is malformed. */
    private readonly bytesMax: number,
    from: InputPlace = { bytes: 0, line: 1 },
  ) {
    this.#offset = from.bytes;
    this.#line = from.line;
  }

  /** The records that end in this chunk. */
  push(chunk: Buffer): InputRecord[] {
    const base = this.#offset;
    // Where what is kept of this chunk begins, if a record is under way.
    let from = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i] as number;
      const isFirstColumn = this.#isFirstColumn;
      this.#isFirstColumn = byte === lineFeed;
      if (this.#state === 'string') {
        if (this.#isEscaped) this.#isEscaped = false;
        else if (byte === backslash) this.#isEscaped = true;
        else if (byte === quote) this.#state = 'record';
        else if (byte === lineFeed) this.#lose(base + i, 'a text in it does not end on its line');
      } else if (byte === open && isFirstColumn && this.#state !== 'between') {
        if (this.#state === 'record') this.#lose(base + i, 'it breaks off before the next one begins');
        this.#begin(base + i);
        from = i;
      } else if (this.#state === 'record') {
        if (byte === quote) this.#state = 'string';
        else if (byte === open) this.#depth += 1;
        else if (byte === close) {
          this.#depth -= 1;
          if (this.#depth === 0) this.#finish(chunk, from, i + 1, base);
        }
      } else if (this.#state === 'between') {
        if (byte === open) {
          const end = isFirstColumn ? this.#takeLine(chunk, i, base) : null;
          if (end !== null) i = end - 1;
          else {
            this.#begin(base + i);
            from = i;
          }
        } else if (byte !== lineFeed && !between.has(byte) && !this.#isMark(base + i, byte)) {
          this.#recordStart = base + i;
          this.#recordLine = this.#line;
          this.#lose(base + i + 1, 'it is not a JSON object');
        }
      }
      if (byte === lineFeed) this.#line += 1;
    }
    this.#offset = base + chunk.length;
    if (this.#isUnderWay) {
      if (this.#offset - this.#recordStart > this.bytesMax) this.#lose(this.#offset, this.#tooLong);
      else this.#kept.push(Buffer.from(chunk.subarray(from)));
    }
    return this.#take();
  }

  /** The input has ended: what is under way is malformed. */
  end(): InputRecord[] {
    if (this.#isUnderWay) this.#lose(this.#offset, 'it breaks off at the end of the input');
    return this.#take();
  }

  get #tooLong(): string {
    return `it has more than ${this.bytesMax} bytes`;
  }

  get #isUnderWay(): boolean {
    return this.#state === 'record' || this.#state === 'string';
  }

  /** The byte order mark that some editors write first. */
  #isMark(at: number, byte: number): boolean {
    return at < 3 && byte === [0xef, 0xbb, 0xbf][at];
  }

  #begin(at: number): void {
    this.#state = 'record';
    this.#depth = 1;
    this.#recordStart = at;
    this.#recordLine = this.#line;
    this.#kept = [];
  }

  /** Takes the record that is all of the line which begins at `from`, but for a comma after it. Tells where it ends; null: there is none, or not all of it yet. */
  #takeLine(chunk: Buffer, from: number, base: number): number | null {
    let end = chunk.indexOf(lineFeed, from);
    if (chunk[end - 1] === carriageReturn) end -= 1;
    if (chunk[end - 1] === comma) end -= 1;
    if (end <= from || chunk[end - 1] !== close || end - from > this.bytesMax) return null;
    const bytes = chunk.subarray(from, end);
    if (!isUtf8(bytes)) return null;
    const text = bytes.toString('utf8');
    try {
      this.#found.push({ line: this.#line, start: base + from, end: base + end, text, value: JSON.parse(text), problem: '' });
      return end;
    } catch {
      // Several records, or a broken one: counting braces tells.
      return null;
    }
  }

  #finish(chunk: Buffer, from: number, to: number, base: number): void {
    const part = chunk.subarray(from, to);
    const bytes = this.#kept.length === 0 ? part : Buffer.concat([...this.#kept, part]);
    const end = base + to;
    if (bytes.length > this.bytesMax) return this.#lose(end, this.#tooLong);
    if (!isUtf8(bytes)) return this.#lose(end, 'it is not valid UTF-8');
    const text = bytes.toString('utf8');
    this.#found.push({ line: this.#recordLine, start: this.#recordStart, end, text, ...parseRecord(text) });
    this.#state = 'between';
    this.#kept = [];
  }

  #lose(end: number, problem: string): void {
    this.#found.push({ line: this.#recordLine, start: this.#recordStart, end, text: null, value: undefined, problem });
    this.#state = 'lost';
    this.#isEscaped = false;
    this.#kept = [];
  }

  #take(): InputRecord[] {
    const found = this.#found;
    this.#found = [];
    return found;
  }
}

/** What a record says, or why it says nothing. */
export function parseRecord(text: string): Pick<InputRecord, 'value' | 'problem'> {
  try {
    return { value: JSON.parse(text), problem: '' };
  } catch (error) {
    return { value: undefined, problem: `it is not JSON (${(error as Error).message})` };
  }
}
