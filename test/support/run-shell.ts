import { spawn } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { kelpBin } from './run-kelp.js';
import { waitFor } from './wait-for.js';

export interface ShellResult {
  /** Null if a signal ended it, or had to. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ShellOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

/** A folder for PATH in which `kelp` is the last build. */
export async function kelpOnPath(directory: string): Promise<string> {
  const folder = join(directory, 'bin');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'kelp'), `#!/bin/sh\nexec '${process.execPath}' '${kelpBin}' "$@"\n`);
  await chmod(join(folder, 'kelp'), 0o755);
  return folder;
}

/** Runs one line as bash does, to its end; all that it started is ended with it. */
export async function runShell(line: string, { cwd, env = {}, timeoutMs = 60_000 }: ShellOptions): Promise<ShellResult> {
  // A group of its own: a signal must reach what bash has started.
  const child = spawn('bash', ['-o', 'pipefail', '-c', line], { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  let end: { code: number | null } | null = null;
  const exited = new Promise<void>((resolve) => child.on('close', (code) => ((end = { code }), resolve())));
  const killAll = (): void => {
    try {
      process.kill(-(child.pid as number), 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  };
  try {
    await waitFor(() => end !== null, { what: `the end of ${line}`, timeoutMs });
    await exited;
    return { code: (end as { code: number | null } | null)?.code ?? null, ...output };
  } catch (error) {
    if (error instanceof Error) error.message += `\n--- stdout\n${output.stdout}--- stderr\n${output.stderr}`;
    throw error;
  } finally {
    killAll();
  }
}
