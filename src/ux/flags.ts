import { Flags, type Interfaces } from '@oclif/core';
import { formatAddress, parseAddress } from '../core/config/address.js';
import { durationForm, formatDuration, parseDuration } from '../core/config/duration.js';
import { FilerError } from '../core/errors.js';
import { logLevels, type LogLevel } from '../core/logger.js';

/** Flags of every command. `--json` is here too, for commands that print JSON lines themselves. */
export const commonFlags = {
  json: Flags.boolean({ description: 'print JSON instead of text', helpGroup: 'GLOBAL' }),
  color: Flags.boolean({ description: 'colour the output; default: on a terminal, unless NO_COLOR is set', allowNo: true, helpGroup: 'GLOBAL' }),
  logLevel: Flags.option({ options: logLevels })({
    description: 'least important line to log on stderr',
    default: 'info' as LogLevel,
    helpGroup: 'GLOBAL',
  }),
  secretFile: Flags.string({
    description: 'file with the secret that the filers and masters of a cluster sign their requests with',
    helpValue: '<file>',
    helpGroup: 'GLOBAL',
  }),
};

/** A duration such as `1.5h` or plain seconds; the value is whole milliseconds. `default` is in milliseconds too. */
export const duration = Flags.custom<number>({
  helpValue: '<duration>',
  parse: async (text, _context, flag) => {
    const ms = parseDuration(text);
    if (ms === null) throw new FilerError('PARAMETER_INVALID', `--${flag.name}: '${text}' is not ${durationForm}`);
    return ms;
  },
  defaultHelp: async ({ options }) => (typeof options.default === 'number' ? formatDuration(options.default) : undefined),
});

/** One `host:port`, with the port added where it is left out. */
export const address = Flags.custom<string, { defaultPort: number }>({
  helpValue: '<host:port>',
  parse: async (text, _context, flag) => formatAddress(parseAddress(text, `--${flag.name}`, flag.defaultPort)),
});

/** `host:port,host:port,…`; the value is the list without repeats. An empty text is an empty list. */
export const addresses = Flags.custom<string[], { defaultPort: number }>({
  helpValue: '<host:port,…>',
  parse: async (text, _context, flag) => {
    const parts = text.split(',').filter((part) => part.trim() !== '');
    return [...new Set(parts.map((part) => formatAddress(parseAddress(part, `--${flag.name}`, flag.defaultPort))))];
  },
});

/**
 * Flags of `weed` that mean nothing here, so that scripts carry over: accepted, not shown in the help, answered with one line.
 * `switches` are those that Go lets stand without a value.
 */
export function noEffectFlags<const Valued extends string, const Switch extends string = never>(
  withValue: readonly Valued[],
  switches: readonly Switch[] = [],
): Record<Valued, Interfaces.OptionFlag<string | undefined>> & Record<Switch, Interfaces.BooleanFlag<boolean>> {
  const say = (name: string): void => void process.stderr.write(`--${name} has no effect in kelp\n`);
  const described = (name: string) => ({ name, hidden: true, description: 'has no effect in kelp' });
  const valued = withValue.map((name) => [name, Flags.string({ ...described(name), parse: async (text) => (say(name), text) })]);
  // `-s3=false` is a flag that was typed too.
  const plain = switches.map((name) => [name, Flags.boolean({ ...described(name), allowNo: true, parse: async (on) => (say(name), on) })]);
  return { ...Object.fromEntries(valued), ...Object.fromEntries(plain) };
}
