/**
 * A line that a document shows, as a pattern for what is printed: numbers, durations, times and ids stand for any of their kind, but 0
 * for 0 only; `…` for anything; blanks for blanks or a tab. Addresses stand for themselves.
 */
export function shapeOf(line: string): RegExp {
  const words = line.trim().split(/(…|\s+|\d{4}-\d\d-\d\dT[\d:.]+Z|127(?:\.\d+){3}:\d+|\b[0-9a-f]{16}\b|(?<![\w.])\d[\d.,]*(?:h|ms|m|s)?(?![\w]))/);
  return new RegExp(`^\\s*${words.map(patternOf).join('')}\\s*$`);
}

function patternOf(word: string): string {
  if (word === '…') return '.*';
  if (/^\s+$/.test(word)) return '\\s+';
  if (/^\d{4}-\d\d-/.test(word)) return '\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z';
  if (/^[0-9a-f]{16}$/.test(word)) return '[0-9a-f]{16}';
  if (/^[1-9][\d.,]*$/.test(word) || /^0[.,]\d+$/.test(word)) return '[\\d.,]*[1-9][\\d.,]*';
  if (/^[\d.,]*[1-9][\d.,]*(h|ms|m|s)$/.test(word)) return '[\\dhms.]*[1-9][\\dhms.]*';
  return word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
