import { displayWidth } from '../printable.js';
import { wrap } from '../wrap.js';
import type { Block, Document } from './document.js';

/** Blanks before what stands below a heading, and before the meaning of a term. */
const indent = '  ';
const meaningIndent = '      ';

/** A document as text for a terminal of `width` columns, in the layout of the commands' help. It ends in a newline. */
export function plainText({ summary, parts }: Document, width: number): string {
  const sections = parts.map(({ heading, blocks }) => [
    heading,
    ...blocks.flatMap((block, index) => [...(index === 0 ? [] : ['']), ...setBlock(block, width)]),
  ]);
  return `${[[`${summary}.`], ...sections].map((section) => section.join('\n')).join('\n\n')}\n`;
}

function setBlock(block: Block, width: number): string[] {
  switch (block.kind) {
    case 'paragraph':
      return wrap(block.text, width - indent.length).map((line) => indent + line);
    case 'lines':
      return block.lines.map((line) => `${indent}${indent}${line}`);
    case 'terms': {
      const longest = Math.max(...block.terms.map(({ term }) => displayWidth(term)));
      return block.terms.flatMap(({ term, meaning }) => setTerm(term, meaning, longest, width));
    }
  }
}

/** Beside each other where the terms are short, else the meaning below its term. */
function setTerm(term: string, meaning: string, longest: number, width: number): string[] {
  const left = indent.length + longest + 2;
  if (left > width / 3) return [indent + term, ...wrap(meaning, width - meaningIndent.length).map((line) => meaningIndent + line)];
  const [first = '', ...more] = wrap(meaning, width - left);
  const padding = ' '.repeat(longest - displayWidth(term) + 2);
  return [`${indent}${term}${padding}${first}`.trimEnd(), ...more.map((line) => ' '.repeat(left) + line)];
}
