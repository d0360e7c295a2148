import { variableOf } from '../variables.js';
import type { CommandHelp } from './command-page.js';
import { lines, paragraph, terms, type Document } from './document.js';

export function environmentTopic(commands: readonly CommandHelp[]): Document {
  return {
    name: 'kelp-environment',
    section: 7,
    summary: 'Variables of the environment that commands read',
    parts: [
      {
        heading: 'FLAGS',
        blocks: [
          paragraph(
            'A variable stands for each flag of each command but --json: KELP_ and the name of the flag in upper case, with _ for a dot and between words. The flag wins over its variable, and over the variables of flags that exclude it.',
          ),
          lines('KELP_FILER=localhost:8888 kelp filer.store.id'),
          terms(variablesOf(commands)),
        ],
      },
      {
        heading: 'TERMINAL',
        blocks: [
          terms([
            ['NO_COLOR', 'no colours, unless --color is given; an empty value does not count'],
            ['TERM', 'dumb: neither colours nor lines that are drawn again'],
            ['CI', 'any value: no lines that are drawn again'],
          ]),
        ],
      },
    ],
  };
}

/** Each variable with the commands that read it. */
function variablesOf(commands: readonly CommandHelp[]): [variable: string, readers: string][] {
  const readers = new Map<string, string[]>();
  for (const { id, flags } of commands) {
    for (const [name, flag] of Object.entries(flags ?? {})) {
      const variable = variableOf(name, flag);
      if (variable !== null && id !== 'help') readers.set(variable, [...(readers.get(variable) ?? []), id]);
    }
  }
  const count = commands.filter(({ id }) => id !== 'help').length;
  const told = (ids: readonly string[]): string => (ids.length === count ? 'all commands' : ids.join(', '));
  return [...readers].sort(([a], [b]) => (a < b ? -1 : 1)).map(([variable, ids]) => [variable, told(ids)]);
}
