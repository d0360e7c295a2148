/** A text of the manual, before it is laid out for a terminal (plain-text.ts) or for `man` (man-page.ts). */
export interface Document {
  /** As `man` is asked for it: `kelp-filer.wait`. */
  readonly name: string;
  /** 1 = a command, 7 = a subject. */
  readonly section: 1 | 7;
  /** What it is about, in a line without a full stop. */
  readonly summary: string;
  readonly parts: readonly Part[];
}

export interface Part {
  readonly heading: string;
  readonly blocks: readonly Block[];
}

/** A paragraph; lines to type; or words with what each means. */
export type Block =
  | { readonly kind: 'paragraph'; readonly text: string }
  | { readonly kind: 'lines'; readonly lines: readonly string[] }
  | { readonly kind: 'terms'; readonly terms: readonly Term[] };

export interface Term {
  readonly term: string;
  readonly meaning: string;
}

export const paragraph = (text: string): Block => ({ kind: 'paragraph', text });
export const lines = (...typed: string[]): Block => ({ kind: 'lines', lines: typed });
export const terms = (table: readonly (readonly [term: string, meaning: string])[]): Block => ({
  kind: 'terms',
  terms: table.map(([term, meaning]) => ({ term, meaning })),
});
