export type Paint = (text: string) => string;

/** Colours by meaning, not by name of the colour; plain text where colour is not wanted. */
export interface Style {
  readonly heading: Paint;
  readonly good: Paint;
  readonly warning: Paint;
  readonly bad: Paint;
  readonly faint: Paint;
}

const plain: Paint = (text) => text;

export const plainStyle: Style = { heading: plain, good: plain, warning: plain, bad: plain, faint: plain };

/** Between the escapes that set and reset; not `util.styleText`, which looks at NO_COLOR and stdout for itself. */
const paint =
  (on: number, off: number): Paint =>
  (text) =>
    `\u001b[${on}m${text}\u001b[${off}m`;

const colours: Style = { heading: paint(1, 22), good: paint(32, 39), warning: paint(33, 39), bad: paint(31, 39), faint: paint(2, 22) };

/** Codes of colours that can be told apart on light and dark grounds. */
const tints = [36, 35, 33, 32, 34, 31];

/** A colour for each of several things shown side by side; they repeat after six. */
export function tintOf(index: number, coloured: boolean): Paint {
  return coloured ? paint(tints[index % tints.length] as number, 39) : plain;
}

/**
 * True if colour belongs on `stream`: `--color` and `--no-color` decide, then NO_COLOR (any value but the empty one), then whether it is
 * a terminal that can.
 */
export function wantsColour(stream: { isTTY?: boolean }, flag?: boolean, env: NodeJS.ProcessEnv = process.env): boolean {
  if (flag !== undefined) return flag;
  if (env.NO_COLOR) return false;
  return Boolean(stream.isTTY) && env.TERM !== 'dumb';
}

export function createStyle(coloured: boolean): Style {
  return coloured ? colours : plainStyle;
}
