import { emptyPage, pageBetween, pageEnd, pageStart } from '../../change/page.js';
import { FilerError } from '../../errors.js';
import { invalidField } from './fields.js';

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
  return (changes as unknown[]).map((change, index) => {
    if (typeof change !== 'object' || change === null) throw invalidField(`changes[${index}]`, 'must be an object');
    return JSON.stringify(change);
  });
}

/** Changes as lines of JSON, each with its line feed. */
export interface ChangeLines {
  readonly bytes: Buffer;
  readonly count: number;
}

export const noLines: ChangeLines = { bytes: Buffer.alloc(0), count: 0 };

/** The changes one by one. */
export function textsOf({ bytes, count }: ChangeLines): string[] {
  return count === 0 ? [] : bytes.toString('utf8', 0, bytes.length - 1).split('\n');
}

export function linesOf(texts: readonly string[]): ChangeLines {
  return texts.length === 0 ? noLines : { bytes: Buffer.from(`${texts.join('\n')}\n`), count: texts.length };
}

const [lineFeed, comma, open, close] = [10, 44, 123, 125];

/**
 * As `decodeChangePage`, for a reader that passes the changes on: in the common form they are moved together as bytes, where they
 * are, and never become texts.
 * @throws FilerError as decodeChangePage
 */
export function decodeChangeLines(body: Buffer, from: string): ChangeLines {
  const last = body.length - pageEnd.length;
  if (last < pageStart.length || body.toString('latin1', 0, pageStart.length) !== pageStart || body.toString('latin1', last) !== pageEnd) {
    return linesOf(decodeChangePage(body.toString('utf8'), from));
  }
  const ends: number[] = [];
  for (let at = pageStart.length; at < last;) {
    const feed = body.indexOf(lineFeed, at);
    const end = feed < last ? feed - 1 : last;
    const isWhole = body[at] === open && body[end - 1] === close && (feed === last || body[end] === comma);
    if (!isWhole) return linesOf(decodeChangePage(body.toString('utf8'), from));
    ends.push(end);
    at = feed + 1;
  }
  // Each begins after the comma and line feed of the one before it.
  let [at, written] = [pageStart.length, 0];
  for (const end of ends) {
    body.copyWithin(written, at, end);
    written += end - at;
    body[written++] = lineFeed;
    at = end + pageBetween.length;
  }
  return { bytes: body.subarray(0, written), count: ends.length };
}

function isOneObject(line: string): boolean {
  return line.startsWith('{') && line.endsWith('}') && !line.includes('\n');
}

function cut(from: string): FilerError {
  return new FilerError('PEER_UNREACHABLE', `the answer of ${from} broke off in the middle of a page`, { peer: from });
}
