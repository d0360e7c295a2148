import { FilerError } from '../../errors.js';
import { invalidField } from './fields.js';

/*
 * A page of changes is a JSON array with each change on a line of its own. Changes hold no line feed, so a reader may
 * split at them and keep the text of each change as it came:
 *
 *   [
 *   {…},
 *   {…}
 *   ]
 */

const start = '[\n';
const between = ',\n';
const end = '\n]';

export function encodeChangePage(texts: readonly string[]): string {
  return texts.length === 0 ? '[]' : start + texts.join(between) + end;
}

/**
 * The text of each change. One in another form, as a proxy or another program may write it, is parsed and written again.
 * @throws FilerError PEER_UNREACHABLE if the page is not whole: HTTP takes a cut body for a whole one; BODY_INVALID
 */
export function decodeChangePage(body: string, from: string): string[] {
  const text = body.trim();
  if (text === '[]') return [];
  if (!text.startsWith('[') || !text.endsWith(']')) throw cut(from);
  if (text.startsWith(start) && text.endsWith(end)) {
    const lines = text.slice(start.length, -end.length).split(between);
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

function isOneObject(line: string): boolean {
  return line.startsWith('{') && line.endsWith('}') && !line.includes('\n');
}

function cut(from: string): FilerError {
  return new FilerError('PEER_UNREACHABLE', `the answer of ${from} broke off in the middle of a page`, { peer: from });
}
