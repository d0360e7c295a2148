import { run } from '@oclif/core';
import { endingOf } from './ending.js';

/**
 * Runs the command line to its end and exits. Commands set `process.exitCode`; what reaches this function failed before a command
 * ran (no such command) or outside of any await.
 */
export async function runCli(argv: string[], options: Parameters<typeof run>[1]): Promise<never> {
  process.on('uncaughtException', (error) => process.exit(tell(error)));
  try {
    await run(argv, options);
  } catch (error) {
    process.exitCode = tell(error);
  }
  // process.exit drops what a pipe has not taken yet; a pool or a timer left behind must not keep a finished command alive.
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  process.exit();
}

/** Says on stderr how it ended; returns the exit code. */
function tell(error: unknown): number {
  const { exit, message, hint } = endingOf(error, '');
  if (message !== '') process.stderr.write([`kelp: ${message}`, ...hint, ''].join('\n'));
  return exit;
}

async function flushed(stream: NodeJS.WriteStream): Promise<void> {
  await new Promise<void>((resolve) => stream.write('', () => resolve()));
}
