import { synopsisOf, sentencesOf, type CommandHelp } from '../manual/command-page.js';

/** What may stand where the cursor is. */
export type Completion =
  /** One of these words. */
  | { readonly kind: 'words'; readonly words: readonly Candidate[] }
  /** A file or a folder of this machine. */
  | { readonly kind: 'files' }
  /** The address of a filer that the masters know; `before` is what stands in front of it in the same word. */
  | { readonly kind: 'filers'; readonly before: string; readonly typed: string }
  /** A path in the tree of a filer; null = the one that is asked by default. */
  | { readonly kind: 'paths'; readonly before: string; readonly typed: string; readonly filer: string | null };

export interface Candidate {
  /** The whole word; ends in `=` or `/` if it goes on. */
  readonly word: string;
  readonly about: string;
}

type Flag = CommandHelp['flags'][string];

/**
 * What may stand where the last of `words` is being typed; the name of the program is not among them. Pure: what a filer or a master
 * must be asked for is left to the caller.
 */
export function complete(words: readonly string[], commands: readonly CommandHelp[], topics: readonly string[]): Completion {
  const typed = words.at(-1) ?? '';
  const [id] = words;
  if (words.length <= 1)
    return starting(typed, [...commands.map(candidateOf), ...(commands.some(({ id }) => id === 'help') ? [] : [{ word: 'help', about: 'show help' }])]);
  if (id === 'help') return starting(typed, words.length === 2 ? [...commands.map(candidateOf), ...topics.map((word) => ({ word, about: 'topic' }))] : []);
  const command = commands.find((each) => each.id === id || each.aliases?.includes(id as string));
  if (!command) return nothing;
  const before = words.slice(1, -1);
  const [, name = '', assigned] = /^--?([^=]+)=([^]*)$/.exec(typed) ?? [];
  if (assigned !== undefined) return valueOf(name, command.flags[name], typed.slice(0, typed.length - assigned.length), assigned, before);
  if (typed.startsWith('-')) return starting(typed.replace(/^-(?=[^-])/, '--'), flagsOf(command, before));
  const pending = /^--?([^=]+)$/.exec(words.at(-2) ?? '')?.[1];
  const flag = pending === undefined || words.length < 3 ? undefined : command.flags[pending];
  if (pending !== undefined && flag?.type === 'option') return valueOf(pending, flag, '', typed, before);
  return argumentOf(command, typed, before);
}

const nothing: Completion = { kind: 'words', words: [] };

function starting(typed: string, candidates: readonly Candidate[]): Completion {
  return { kind: 'words', words: candidates.filter(({ word }) => word.startsWith(typed)) };
}

const candidateOf = (command: CommandHelp): Candidate => ({ word: command.id, about: sentencesOf(command)[0] ?? synopsisOf(command) });

/** Those that are not there yet. */
function flagsOf({ flags }: CommandHelp, before: readonly string[]): Candidate[] {
  const there = new Set(before.map((word) => word.replace(/^--?(no-)?|=.*$/g, '')));
  const open = Object.entries(flags).filter(([name, { hidden }]) => !hidden && !there.has(name));
  return open.flatMap(([name, flag]) => {
    const about = flag.description ?? '';
    if (flag.type === 'option') return [{ word: `--${name}=`, about }];
    return [{ word: `--${name}`, about }, ...(flag.allowNo ? [{ word: `--no-${name}`, about }] : [])];
  });
}

/** What may stand for the value of a flag, after `lead` in the same word. */
function valueOf(name: string, flag: Flag | undefined, lead: string, typed: string, before: readonly string[]): Completion {
  if (flag?.type !== 'option') return nothing;
  if (flag.options)
    return starting(
      lead + typed,
      [...flag.options].map((option) => ({ word: lead + option, about: flag.description ?? '' })),
    );
  const value = flag.helpValue ?? '';
  if (name !== 'master' && /^<host:port/.test(String(value))) {
    // Of a list, what follows the last comma.
    const start = typed.lastIndexOf(',') + 1;
    return { kind: 'filers', before: lead + typed.slice(0, start), typed: typed.slice(start) };
  }
  if (/<(dir|file)>/i.test(String(value))) return { kind: 'files' };
  if (value === '<path>' || name === 'path') return { kind: 'paths', before: lead, typed, filer: filerIn(before) };
  return nothing;
}

/** Arguments of fs.* and filer.cat are paths of a filer, by themselves or in a URL; those of others are files. */
function argumentOf({ id, args }: CommandHelp, typed: string, before: readonly string[]): Completion {
  const [, server, address, path] = /^(https?:\/\/([^/]+))(\/[^]*)$/.exec(typed) ?? [];
  if (server !== undefined) return { kind: 'paths', before: server, typed: path as string, filer: address as string };
  if (id.startsWith('fs.') || id === 'filer.cat') return { kind: 'paths', before: '', typed, filer: filerIn(before) };
  const [first] = Object.values(args ?? {});
  if (first?.options)
    return starting(typed, before.some((word) => !word.startsWith('-')) ? [] : [...first.options].map((word) => ({ word, about: first.description ?? '' })));
  return first ? { kind: 'files' } : nothing;
}

/** The filer that the words before name. */
function filerIn(before: readonly string[]): string | null {
  for (const [index, word] of before.entries()) {
    const [, assigned] = /^--?filer=([^]+)$/.exec(word) ?? [];
    if (assigned !== undefined) return assigned;
    if (/^--?filer$/.test(word)) return before[index + 1] ?? null;
  }
  return null;
}
