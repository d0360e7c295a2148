import type { Command } from '@oclif/core';
import { variableOf } from '../variables.js';
import { exitCodes } from './exit-codes.js';
import { lines, paragraph, terms, type Block, type Document, type Part } from './document.js';

/** What a page needs of a command, as oclif's manifest holds it. */
export type CommandHelp = Pick<Command.Loadable, 'id' | 'description' | 'examples' | 'flags' | 'args' | 'strict' | 'aliases'>;

type Flag = CommandHelp['flags'][string];

/** The page of one command. */
export function commandPage(command: CommandHelp): Document {
  const [summary = '', ...body] = sentencesOf(command);
  const shown = Object.entries(command.flags ?? {}).filter(([, flag]) => !flag.hidden);
  const own = shown.filter(([, flag]) => flag.helpGroup !== 'GLOBAL').sort(byName);
  const global = shown.filter(([, flag]) => flag.helpGroup === 'GLOBAL').sort(byName);
  const args = Object.values(command.args ?? {}).filter(({ hidden }) => !hidden);
  const variables = shown.flatMap(([name, flag]) => variableOf(name, flag) ?? []).sort();
  const parts: (Part | null)[] = [
    part('SYNOPSIS', [lines(`kelp ${synopsisOf(command)}`)]),
    part('DESCRIPTION', body.length === 0 ? [paragraph(`${summary}.`)] : body.map(paragraph)),
    part('EXAMPLES', examplesOf(command)),
    args.length > 0 ? part('ARGUMENTS', [terms(args.map(({ name, description = '' }) => [name.toUpperCase(), description]))]) : null,
    own.length > 0 ? part('OPTIONS', [terms(own.map(flagTerm))]) : null,
    global.length > 0 ? part('GLOBAL OPTIONS', [terms(global.map(flagTerm))]) : null,
    variables.length > 0 ? part('ENVIRONMENT', [paragraph(`${variables.join(', ')}: see kelp-environment(7).`)]) : null,
    part('EXIT STATUS', [terms(exitCodes.map(({ exit, meaning }) => [exit, meaning])), paragraph('kelp-exit-codes(7) has every failure.')]),
    part('SEE ALSO', [paragraph('kelp(1), kelp-environment(7), kelp-exit-codes(7), kelp-formats(7)')]),
  ];
  return { name: pageNameOf(command.id), section: 1, summary: summary.replace(/\.$/, ''), parts: parts.filter((each) => each !== null) };
}

/** `kelp-filer.meta.tail` for the command `filer.meta.tail`. */
export const pageNameOf = (id: string): string => `kelp-${id}`;

/** The first sentence of the description, then its paragraphs. */
export function sentencesOf({ description = '' }: Pick<CommandHelp, 'description'>): string[] {
  return filled(description)
    .split('\n')
    .map((text) => text.trim())
    .filter((text) => text !== '');
}

/** Examples as they are typed, each with what it does if that is said. */
export function examplesOf({ id, examples = [] }: Pick<CommandHelp, 'id' | 'examples'>): Block[] {
  return examples.flatMap((example) => {
    const { description, command } = typeof example === 'string' ? { description: undefined, command: example } : example;
    return [...(description ? [paragraph(`${filled(description, id)}:`)] : []), lines(...filled(command, id).split('\n'))];
  });
}

/** The two values that descriptions and examples name. */
function filled(text: string, id = ''): string {
  return text.replaceAll('<%= config.bin %>', 'kelp').replaceAll('<%= command.id %>', id);
}

/** How it is called, without the name of the program. */
export function synopsisOf({ id, args, flags, strict }: CommandHelp): string {
  const values = Object.values(args ?? {}).filter(({ hidden }) => !hidden);
  const names = values.map(({ name, required }) => (required ? name.toUpperCase() : `[${name.toUpperCase()}]`));
  const more = strict === false && names.length > 0 ? '...' : '';
  return [id, names.join(' ') + more, Object.keys(flags ?? {}).length > 0 ? '[FLAGS]' : ''].filter((word) => word !== '').join(' ');
}

function flagTerm([name, flag]: [string, Flag]): [string, string] {
  const short = flag.char ? `-${flag.char}, ` : '';
  const about = [flag.description ?? '', ...detailsOf(flag)].join('; ');
  if (flag.type === 'boolean') return [`${short}--${flag.allowNo ? '[no-]' : ''}${name}`, about];
  return [`${short}--${name}=${flag.helpValue ?? '<value>'}`, about];
}

function detailsOf(flag: Flag): string[] {
  if (flag.type !== 'option') return [];
  const { options, default: standard } = flag;
  const isShown = ['string', 'number'].includes(typeof standard) ? standard !== '' : Array.isArray(standard) && standard.length > 0;
  return [...(options ? [`one of ${options.join(', ')}`] : []), ...(isShown ? [`default ${String(standard)}`] : [])];
}

const byName = ([a]: [string, Flag], [b]: [string, Flag]): number => (a.toLowerCase() < b.toLowerCase() ? -1 : 1);
const part = (heading: string, blocks: readonly Block[]): Part | null => (blocks.length > 0 ? { heading, blocks } : null);
