import { emptyPage, pageBetween, pageEnd, pageStart } from '../../change/page.js';
import { FilerError } from '../../errors.js';
import { objectOf } from './fields.js';

/* Reading a page of changes (change/page.ts). */

/**
 * The text of each change. One in another form, as a proxy or another program may write it, is parsed and written again.
 * @throws FilerError PEER_UNREACHABLE if the page is not whole: HTTP takes a cut body for a whole one; BODY_INVALID
 */
export function decodeChangePage(body: string, from: string): string[] {
  const text = body.trim();
  if (text === emptyPage) return [];
  if (!text.startsWith('[') || !text.endsWith(']')) throw cut(from);
  if (text.startsWith(pageStart) && text.endsWith(pageEnd)) {
    const lines = text.slice(pageStart.length, -pageEnd.length).split(pageBetween);
    if (lines.every(isOneObject)) return lines;
  }
  let changes: unknown;
  try {
    changes = JSON.parse(text);
  } catch {
    throw cut(from);
  }
  return (changes as unknown[]).map((change, index) => JSON.stringify(objectOf(change, `changes[${index}]`)));
}

/** Changes as lines of JSON, each with its line feed; in pieces, as they came. */
export interface ChangeLines {
  readonly pieces: readonly Buffer[];
  readonly count: number;
}

export const noLines: ChangeLines = { pieces: [], count: 0 };

/** The changes one by one. */
export function textsOf({ pieces, count }: ChangeLines): string[] {
  return count === 0 ? [] : Buffer.concat(pieces).toString('utf8').slice(0, -1).split('\n');
}

export function linesOf(texts: readonly string[]): ChangeLines {
  return texts.length === 0 ? noLines : { pieces: [Buffer.from(`${texts.join('\n')}\n`)], count: texts.length };
}

const [lineFeed, comma, open, close] = [10, 44, 123, 125];

/**
 * As `decodeChangePage`, for a reader that passes the changes on: in the common form they are moved together as bytes, where they
 * are, and never become texts. The body is taken over.
 * @throws FilerError as decodeChangePage
 */
export function decodeChangeLines(body: readonly Buffer[], from: string): ChangeLines {
  const { whole, rest } = atLineFeeds(body);
  const lines = rest === pageEnd.slice(1) ? withoutFrame(whole) : null;
  const ends = lines?.map((piece, index) => endsIn(piece, index === lines.length - 1));
  if (!lines || !ends?.every((found) => found !== null)) return linesOf(decodeChangePage(Buffer.concat(body).toString('utf8'), from));
  return {
    pieces: lines.map((piece, index) => moveTogether(piece, ends[index] as number[])),
    count: ends.reduce((count, found) => count + found.length, 0),
  };
}

/** The same bytes in pieces that end with a line feed each, and what comes after the last one. */
function atLineFeeds(body: readonly Buffer[]): { readonly whole: Buffer[]; readonly rest: string } {
  const whole: Buffer[] = [];
  let begun: Buffer[] = [];
  for (const piece of body) {
    const first = piece.indexOf(lineFeed) + 1;
    const last = piece.lastIndexOf(lineFeed) + 1;
    if (first > 0) {
      // A line that goes over from one piece to the next: it is all that is copied.
      if (begun.length > 0) whole.push(Buffer.concat([...begun, piece.subarray(0, first)]));
      const from = begun.length > 0 ? first : 0;
      if (last > from) whole.push(piece.subarray(from, last));
      begun = [];
    }
    if (last < piece.length) begun.push(piece.subarray(last));
  }
  return { whole, rest: Buffer.concat(begun).toString('latin1') };
}

/** What comes after the start of a page; null if these lines are none. */
function withoutFrame([first, ...others]: readonly Buffer[]): readonly Buffer[] | null {
  if (first?.toString('latin1', 0, pageStart.length) !== pageStart) return null;
  return first.length === pageStart.length ? others : [first.subarray(pageStart.length), ...others];
}

/** Where each change of a piece ends, before the comma after it; null if it holds anything else. After the last change of a page there is none. */
function endsIn(piece: Buffer, isLast: boolean): number[] | null {
  const ends: number[] = [];
  for (let at = 0; at < piece.length;) {
    const feed = piece.indexOf(lineFeed, at);
    const end = isLast && feed === piece.length - 1 ? feed : feed - 1;
    if (piece[at] !== open || piece[end - 1] !== close || (end < feed && piece[end] !== comma)) return null;
    ends.push(end);
    at = feed + 1;
  }
  return ends;
}

function moveTogether(piece: Buffer, ends: readonly number[]): Buffer {
  let [at, written] = [0, 0];
  for (const end of ends) {
    if (written < at) piece.copyWithin(written, at, end);
    written += end - at;
    piece[written++] = lineFeed;
    at = end + pageBetween.length;
  }
  return piece.subarray(0, written);
}

function isOneObject(line: string): boolean {
  return line.startsWith('{') && line.endsWith('}') && !line.includes('\n');
}

function cut(from: string): FilerError {
  return new FilerError('PEER_UNREACHABLE', `the answer of ${from} broke off in the middle of a page`, { peer: from });
}
