import { Errors, type Hook } from '@oclif/core';
import { dotted, nearest } from '../suggest.js';

/** Answers `kelp filer peers` and `kelp filer.peesr` with the name that was meant. */
const commandNotFound: Hook.CommandNotFound = async ({ argv, config, id }) => {
  const words = [...id.split(':'), ...(argv ?? [])];
  const names = config.commands.filter((command) => !command.hidden).map((command) => command.id);
  const meant = dotted(words, names) ?? nearest(words[0] ?? '', names);
  throw new Errors.CLIError(`there is no command ${words[0]}${meant ? `; did you mean kelp ${meant}?` : ''}`, { exit: 2 });
};

export default commandNotFound;
