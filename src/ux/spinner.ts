import { truncateStart } from './printable.js';
import { isLive, widthOf } from './terminal.js';
import { wrap } from './wrap.js';

/** Says on stderr that something takes a while. Exactly one of `succeed`, `fail` and `stop` ends it. */
export interface Spinner {
  update(text: string): void;
  succeed(text?: string): void;
  fail(text?: string): void;
  stop(): void;
}

/** A spinner on a terminal; elsewhere one plain line at the start and one at the end. */
export async function startSpinner(text: string, options: { coloured?: boolean } = {}): Promise<Spinner> {
  if (!isLive(process.stderr)) return plainSpinner(text);
  const { default: ora } = await import('ora');
  // Beside the sign and a blank, and the ^C that a terminal shows: on a line that is full it would begin another, and this one would stay.
  const room = (): number => Math.max(1, (widthOf(process.stderr) ?? Infinity) - 5);
  // How far it is stands at the end.
  const shown = (now: string): string => truncateStart(now, room());
  const spinner = ora({ text: shown(text), stream: process.stderr, color: options.coloured === false ? false : 'cyan', discardStdin: false }).start();
  const atEnd = (end: string | undefined): string | undefined => end && wrap(end, room()).join('\n  ');
  return {
    update: (now) => {
      spinner.text = shown(now);
    },
    succeed: (end) => void spinner.succeed(atEnd(end)),
    fail: (end) => void spinner.fail(atEnd(end)),
    stop: () => void spinner.stop(),
  };
}

function plainSpinner(text: string): Spinner {
  let latest = text;
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  say(`${text} …`);
  return {
    update: (now) => {
      latest = now;
    },
    succeed: (end) => say(end ?? `${latest}: done`),
    fail: (end) => say(end ?? `${latest}: failed`),
    stop: () => {},
  };
}
