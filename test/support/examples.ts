import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { documents, type Program } from '../../src/ux/manual/manual.js';

/* What the texts tell a reader to type: the examples of the manual, which are those of the help, and the shell blocks of the documents. */

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** Commands that belong together, in their order. */
export interface Page {
  readonly name: string;
  readonly commands: readonly string[];
}

/** Every line to type of every page of the manual, as of the last build. */
export function manualExamples(): Page[] {
  const { commands } = JSON.parse(readFileSync(`${root}/oclif.manifest.json`, 'utf8')) as { commands: Record<string, Program['commands'][number]> };
  const pages = documents({ bin: 'kelp', version: '', commands: Object.values(commands) }).map(({ name, parts }) => ({
    name,
    commands: parts
      .filter(({ heading }) => heading !== 'SYNOPSIS')
      .flatMap(({ heading, blocks }) =>
        blocks.flatMap((block) => (block.kind === 'lines' ? block.lines.filter((line) => heading === 'EXAMPLES' || /\bkelp [a-z]/.test(line)) : [])),
      ),
  }));
  return pages.filter(({ commands }) => commands.length > 0);
}

/** README and every document of docs/ that has a shell block, but for `elsewhere`. */
export function documentPages(elsewhere: readonly string[]): Page[] {
  const files = [
    'README.md',
    ...readdirSync(`${root}/docs`)
      .filter((name) => name.endsWith('.md'))
      .map((name) => `docs/${name}`),
  ];
  return files
    .filter((file) => !elsewhere.includes(file))
    .map(documentCommands)
    .filter(({ commands }) => commands.length > 0);
}

/** The commands of the shell blocks of a document, each as long as bash takes it to be. */
function documentCommands(file: string): Page {
  const text = readFileSync(`${root}/${file}`, 'utf8');
  const blocks = [...text.matchAll(/^```(\w*)\n([^]*?)^```$/gm)].filter(([, language = '']) => ['sh', 'bash', 'shell', 'console'].includes(language));
  return { name: file, commands: blocks.flatMap(([, , block = '']) => commandsOf(block)) };
}

export function commandsOf(block: string): string[] {
  const commands: string[] = [];
  let command = '';
  for (const line of block.split('\n')) {
    command += command === '' ? line : `\n${line}`;
    if (!isWhole(command)) continue;
    if (!/^\s*(#|$)/.test(command)) commands.push(command);
    command = '';
  }
  if (command !== '') throw new Error(`no whole command: ${command}`);
  return commands;
}

function isWhole(command: string): boolean {
  return !command.endsWith('\\') && spawnSync('bash', ['-n', '-c', command]).status === 0;
}
