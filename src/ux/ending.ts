import { stripVTControlCharacters } from 'node:util';
import { Errors } from '@oclif/core';
import { FilerError, messageOf } from '../core/errors.js';

/** What a command says and exits with when it ends by an error. */
export interface Ending {
  /** Exit code as DESIGN and the man pages list them. */
  readonly exit: number;
  readonly code: string;
  /** One line; empty = nothing to say. */
  readonly message: string;
  /** Further lines for a human: where the help is, or the stack of a bug. */
  readonly hint: readonly string[];
}

export const exitUsage = 2;
export const exitBug = 70;

/** The ending that `error`, thrown by the command `id`, comes to. */
export function endingOf(error: unknown, id: string): Ending {
  const help = [`see kelp ${id} --help`.replace('  ', ' ')];
  if (error instanceof FilerError) {
    return { exit: error.exit, code: error.code, message: usageText(error), hint: error.code === 'USAGE' ? help : [] };
  }
  if (error instanceof Errors.ExitError) return { exit: error.oclif.exit ?? 0, code: 'EXIT', message: '', hint: [] };
  if (error instanceof Errors.CLIError) return { exit: exitUsage, code: 'USAGE', message: usageText(error), hint: help };
  if (isFileError(error)) return { exit: exitUsage, code: error.code, message: error.message, hint: [] };
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const report = 'this is a bug in kelp: please report it with the lines above and the command you ran';
  return { exit: exitBug, code: 'INTERNAL', message: messageOf(error), hint: [...stack.split('\n').slice(1), report] };
}

/** A file the user named that cannot be used, or an output that takes no more (`> /dev/full`). */
function isFileError(error: unknown): error is NodeJS.ErrnoException & { code: string } {
  if (!(error instanceof Error)) return false;
  const { code, path, syscall } = error as NodeJS.ErrnoException;
  return typeof code === 'string' && syscall !== undefined && (path !== undefined || syscall === 'write');
}

/** The parser's several lines as one, in the words of our other messages. */
function usageText(error: Error): string {
  const { args } = error as { args?: { name?: string }[] };
  if (error.constructor.name === 'RequiredArgsError' && Array.isArray(args)) {
    return `missing argument: ${args.map((arg) => arg.name?.toUpperCase()).join(', ')}`;
  }
  const text = stripVTControlCharacters(error.message)
    .replace(/\nSee more help with --help$/, '')
    // Our own parsers name the flag; those of oclif do not.
    .replace(/^Parsing (--\S+) \n\t(.)/, (_, flag: string, first: string) => (first === '-' ? first : `${flag}: ${first.toLowerCase()}`))
    .replace(/^The following errors? occurred:\s*/, '')
    .replace(/\s*\n\s*/g, '; ')
    .trim();
  return text.charAt(0).toLowerCase() + text.slice(1);
}
