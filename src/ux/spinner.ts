import { isLive } from './terminal.js';

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
  const spinner = ora({ text, stream: process.stderr, color: options.coloured === false ? false : 'cyan', discardStdin: false }).start();
  return {
    update: (now) => {
      spinner.text = now;
    },
    succeed: (end) => void spinner.succeed(end),
    fail: (end) => void spinner.fail(end),
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
