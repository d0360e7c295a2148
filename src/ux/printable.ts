/**
 * Characters that make a terminal do something, or show text in another order than it is stored in: C0 and C1 controls, line and
 * paragraph separators, bidirectional marks and overrides, invisible spaces, lone surrogates.
 */
// eslint-disable-next-line no-control-regex
const hostile = /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]/gu;

/** `text` made safe for a terminal and for one cell of a table: hostile characters are written as `\xNN` or `\u{NNNN}`. */
export function printable(text: string): string {
  return text.replace(hostile, (character) => {
    const code = (character.codePointAt(0) ?? 0).toString(16);
    return code.length <= 2 ? `\\x${code.padStart(2, '0')}` : `\\u{${code}}`;
  });
}

const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;
const zeroWidth = /[\p{Mn}\p{Me}\u200c\u200d]/u;

/** Terminal columns that `text`, without escapes, takes. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) width += zeroWidth.test(character) ? 0 : wide.test(character) ? 2 : 1;
  return width;
}

/** `text` cut to its last `width` columns, as an address or a path whose end tells more. */
export function truncateStart(text: string, width: number): string {
  const reversed = (one: string): string => [...one].reverse().join('');
  return reversed(truncate(reversed(text), width));
}

/** `text` cut to `width` columns; what was cut shows as `…`. */
export function truncate(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let kept = '';
  let used = 0;
  for (const character of text) {
    used += displayWidth(character);
    if (used > width - 1) break;
    kept += character;
  }
  return width > 0 ? `${kept}…` : '';
}
