import type { Block, Document } from './document.js';

/** Day of the manual's last change of wording, as the foot of each page shows it. */
const manualDate = '2026-11-22';

/** A document as a page for `man`, in the classic man macros, which groff and mandoc both know. */
export function manPage({ name, section, summary, parts }: Document, program: string): string {
  const lines = [
    '.\\" Written by npm run man from the commands; a change here is lost.',
    `.TH ${quoted(name.toUpperCase())} ${section} "${manualDate}" ${quoted(program)} ${quoted('kelp manual')}`,
    '.SH NAME',
    `${escaped(name)} \\- ${escaped(summary)}`,
    ...parts.flatMap(({ heading, blocks }) => [`.SH ${quoted(heading)}`, ...blocks.flatMap((block, index) => setBlock(block, index === 0))]),
  ];
  return `${lines.join('\n')}\n`;
}

function setBlock(block: Block, isFirst: boolean): string[] {
  switch (block.kind) {
    case 'paragraph':
      return [...(isFirst ? [] : ['.PP']), line(block.text)];
    case 'lines':
      return [...(isFirst ? [] : ['.PP']), '.nf', ...block.lines.map(line), '.fi'];
    case 'terms':
      return block.terms.flatMap(({ term, meaning }) => ['.TP', `\\fB${escaped(term)}\\fR`, line(meaning || '\u00a0')]);
  }
}

/** A line of text; a dot or an apostrophe at its start would make it a request. */
function line(text: string): string {
  const safe = escaped(text);
  return /^[.\\]/.test(safe) || safe.startsWith("'") ? `\\&${safe}` : safe;
}

const quoted = (text: string): string => `"${escaped(text).replaceAll('"', '\\(dq')}"`;

const glyphs: Readonly<Record<string, string>> = { '\\': '\\e', '-': '\\-', "'": '\\(aq', '`': '\\(ga', '^': '\\(ha', '~': '\\(ti', '\u00a0': '\\ ' };

/** Text as it is, for copying from the page too: typewriter quotes and dashes stay what they are. */
function escaped(text: string): string {
  return text.replace(/[\\\-'`^~]|[^ -~]/gu, (character) => glyphs[character] ?? `\\[u${hexOf(character)}]`);
}

const hexOf = (character: string): string => (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
