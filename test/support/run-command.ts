import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Config, type Command } from '@oclif/core';
import type { Finished } from './run-kelp.js';

let config: Promise<Config> | undefined;

type Write = typeof process.stdout.write;
type CommandClass = typeof Command & (new (argv: string[], config: Config) => Command);

const folder = new URL('../../src/commands/', import.meta.url);

/** The names of all commands, as they are typed. */
export async function commandNames(): Promise<string[]> {
  return (await readdir(folder)).map((file) => file.replace(/\.ts$/, ''));
}

export async function loadCommand(name: string): Promise<CommandClass> {
  const { default: command } = (await import(new URL(`${name}.ts`, folder).href)) as { default: CommandClass };
  // As oclif does it when it finds a command by its file.
  command.id ??= name;
  return command;
}

/**
 * Runs a one-shot command in this process, which takes a fraction of the time that a process of its own does. What it prints is caught,
 * so only one may run at a time.
 */
export async function runCommand(command: CommandClass, args: readonly string[]): Promise<Pick<Finished, 'code' | 'stdout' | 'stderr'>> {
  config ??= Config.load({ root: fileURLToPath(new URL('../..', import.meta.url)) });
  const loaded = await config;
  const output = { stdout: '', stderr: '' };
  const before = process.exitCode;
  const heard = process.stdout.listeners('error');
  const released = (['stdout', 'stderr'] as const).map((name) => {
    const stream = process[name];
    const write = stream.write.bind(stream);
    stream.write = ((text: string) => {
      output[name] += text;
      return true;
    }) as Write;
    return () => {
      stream.write = write as Write;
    };
  });
  try {
    process.exitCode = undefined;
    await command.run([...args], loaded);
    return { code: Number(process.exitCode ?? 0), ...output };
  } finally {
    process.exitCode = before;
    for (const release of released) release();
    // A command listens until its process ends.
    for (const listener of process.stdout.listeners('error')) if (!heard.includes(listener)) process.stdout.off('error', listener as () => void);
  }
}
