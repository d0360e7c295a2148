/*
 * A page of changes as it goes over the wire is a JSON array with each change on a line of its own. Changes hold no line feed, so a
 * reader may split at them and keep the text of each change as it came:
 *
 *   [
 *   {…},
 *   {…}
 *   ]
 */

/** What stands before, between and after the changes. */
export const pageStart = '[\n';
export const pageBetween = ',\n';
export const pageEnd = '\n]';
export const emptyPage = '[]';

/** A page of changes that stand in one text already, with what belongs between them; in pieces, since such a text is long. */
export function framedPage(changes: Buffer): Buffer[] {
  return changes.length === 0 ? [Buffer.from(emptyPage)] : [Buffer.from(pageStart), changes, Buffer.from(pageEnd)];
}

export function encodeChangePage(texts: readonly string[]): string {
  return texts.length === 0 ? emptyPage : pageStart + texts.join(pageBetween) + pageEnd;
}
