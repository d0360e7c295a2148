import type { Command } from '@oclif/core';
import { commandPage, pageNameOf, sentencesOf, type CommandHelp } from './command-page.js';
import { lines, paragraph, terms, type Document } from './document.js';
import { environmentTopic } from './environment.js';
import { exitCodesTopic } from './exit-codes.js';
import { formatsTopic } from './formats.js';
import { manPage } from './man-page.js';

/** What the manual is made of; oclif's `Config` is one. */
export interface Program {
  readonly bin: string;
  readonly version: string;
  readonly commands: readonly Command.Loadable[];
}

/** Subjects that `kelp help` knows besides the commands; each is a page `kelp-NAME` of section 7 too. */
export const topics: Readonly<Record<string, (commands: readonly CommandHelp[]) => Document>> = {
  environment: environmentTopic,
  'exit-codes': exitCodesTopic,
  formats: formatsTopic,
};

/** Every page, by the name of its file. */
export function manPages(program: Program): Map<string, string> {
  return new Map(documents(program).map((document) => [`${document.name}.${document.section}`, manPage(document, `kelp ${program.version}`)]));
}

/** The whole manual: what it is about, the commands, the topics. */
export function documents(program: Program): Document[] {
  const commands = visibleCommands(program);
  return [overview(program, commands), ...commands.map(commandPage), ...Object.values(topics).map((topic) => topic(commands))];
}

/** The commands that are shown, in the order of their names. An alias is no command of its own here. */
export function visibleCommands({ commands }: Pick<Program, 'commands'>): CommandHelp[] {
  return commands.filter(({ hidden, id, aliases }) => !hidden && !aliases?.includes(id)).sort((a, b) => (a.id < b.id ? -1 : 1));
}

function overview({ bin }: Program, commands: readonly CommandHelp[]): Document {
  const rows = commands.map((command): [string, string] => [command.id, sentencesOf(command)[0] ?? '']);
  return {
    name: bin,
    section: 1,
    summary: 'keep the metadata of several filers the same',
    parts: [
      { heading: 'SYNOPSIS', blocks: [lines('kelp COMMAND [FLAGS]', 'kelp help COMMAND|TOPIC')] },
      {
        heading: 'DESCRIPTION',
        blocks: [
          paragraph(
            'A filer is a small HTTP file server with a store of its own. A master tells the filers of each other; every filer keeps a log of its changes, every other one follows it. A change that was acknowledged is not lost, and filers that have seen the same changes hold the same tree.',
          ),
        ],
      },
      {
        heading: 'EXAMPLES',
        blocks: [lines('kelp master --mdir=/tmp/kelp &', 'kelp filer --defaultStoreDir=/tmp/kelp/1 &', 'kelp filer.wait --for=ready', 'kelp filer.peers')],
      },
      { heading: 'COMMANDS', blocks: [terms(rows), paragraph(`Each has a page: ${commands.map(({ id }) => `${pageNameOf(id)}(1)`).join(', ')}.`)] },
      {
        heading: 'SEE ALSO',
        blocks: [
          paragraph(
            `${Object.keys(topics)
              .map((name) => `kelp-${name}(7)`)
              .join(', ')}`,
          ),
        ],
      },
    ],
  };
}
