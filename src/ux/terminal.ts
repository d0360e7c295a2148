/** The part of a write stream that says whether somebody looks at it. */
export interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

/**
 * True if lines on `stream` may be drawn again: a terminal with a width, and no CI log. With 0 columns a redraw never ends.
 */
export function isLive(stream: Screen, env: NodeJS.ProcessEnv = process.env): boolean {
  return Boolean(stream.isTTY) && (stream.columns ?? 0) > 0 && !env.CI && env.TERM !== 'dumb';
}

/** Columns of a terminal; null if `stream` is none. */
export function widthOf(stream: Screen): number | null {
  return stream.isTTY ? stream.columns || 80 : null;
}
