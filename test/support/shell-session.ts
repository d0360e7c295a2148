import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { waitFor } from './wait-for.js';

/** How a command of a session ended. */
export interface ShellResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface SessionOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * A bash that is given one command after the other, as by somebody who types them: variables, jobs and the folder stay. Every job has
 * a process group of its own, so that Ctrl-C reaches what a terminal would send it to.
 */
export class ShellSession {
  #commands = 0;
  readonly #marks = new Map<string, number>();

  private constructor(
    private readonly shell: ChildProcess,
    /** What each command prints is kept here, in two files. */
    private readonly outputs: string,
  ) {
    if (!shell.stdout) throw new TypeError('stdout is a pipe');
    createInterface({ input: shell.stdout }).on('line', (line) => {
      const [mark = '', number] = line.split(' ');
      this.#marks.set(mark, Number(number));
    });
  }

  static async start({ cwd, env = {} }: SessionOptions): Promise<ShellSession> {
    // A session of its own too: what is left over is found by it.
    const shell = spawn('bash', ['--norc', '-o', 'pipefail'], {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'ignore'],
      detached: true,
    });
    shell.stdin?.on('error', () => {}); // A command may have ended the shell; whoever waits for it hears so.
    const session = new ShellSession(shell, await mkdtemp(join(tmpdir(), 'kelp-shell-')));
    // As an option of bash itself it would need a terminal.
    session.#feed('set -m');
    return session;
  }

  /** Runs a command, which may have several lines, to its end. */
  async run(text: string, { timeoutMs = 60_000 } = {}): Promise<ShellResult> {
    const name = this.#begin(text, '');
    const code = await this.#marked(name, text, timeoutMs);
    return { code, ...(await this.#outputOf(name)) };
  }

  /** Runs a command that goes on by itself until `seen` in what it has printed, presses Ctrl-C, and waits for its end. */
  async interrupt(text: string, seen: (output: string) => boolean | Promise<boolean>, { timeoutMs = 60_000 } = {}): Promise<ShellResult> {
    const name = this.#begin(text, '&');
    const group = await this.#marked(name, text, timeoutMs);
    const done = `${name}-end`;
    this.#feed(`wait ${group}; printf '%s %s\\n' ${done} "$?"`);
    const look = async (): Promise<boolean> => {
      const { stdout, stderr } = await this.#outputOf(name);
      return this.#marks.has(done) || (await seen(`${stdout}${stderr}`));
    };
    await waitFor(look, { what: `what ${text} prints`, timeoutMs, everyMs: 50 }).catch(async (error: Error) => {
      error.message += `\n${JSON.stringify(await this.#outputOf(name))}`;
      throw error;
    });
    send(-group, 'SIGINT');
    const code = await this.#marked(done, text, timeoutMs);
    return { code, ...(await this.#outputOf(name)) };
  }

  /** Ctrl-C for everything that was put into the background; how each ended. */
  async interruptJobs({ timeoutMs = 60_000 } = {}): Promise<number[]> {
    const { stdout } = await this.run('jobs -p');
    const groups = stdout.split('\n').filter(Boolean).map(Number);
    for (const group of groups) send(-group, 'SIGINT');
    const codes: number[] = [];
    for (const group of groups) codes.push((await this.run(`wait ${group}`, { timeoutMs })).code);
    return codes;
  }

  /** Kills the shell and all that it started, and removes what was kept. */
  async close(): Promise<void> {
    const { pid } = this.shell;
    if (pid !== undefined) for (const process of processesOf(pid)) send(process, 'SIGKILL');
    await rm(this.outputs, { recursive: true, force: true });
  }

  /** The mark that says how it ended, or, after "&", its process group. */
  #begin(text: string, after: '' | '&'): string {
    const name = `c${(this.#commands += 1)}`;
    const output = join(this.outputs, name);
    const quoted = `'${text.replaceAll("'", "'\\''")}'`;
    this.#feed(`eval ${quoted} </dev/null >${output}.out 2>${output}.err ${after}\nprintf '%s %s\\n' ${name} "$${after === '' ? '?' : '!'}"`);
    return name;
  }

  #feed(lines: string): void {
    this.shell.stdin?.write(`${lines}\n`);
  }

  async #marked(mark: string, text: string, timeoutMs: number): Promise<number> {
    const look = (): boolean => this.#marks.has(mark) || this.shell.exitCode !== null || this.shell.signalCode !== null;
    await waitFor(look, { what: `the end of ${text}`, timeoutMs }).catch(async (error: Error) => {
      error.message += `\n${JSON.stringify(await this.#outputOf(mark.replace(/-end$/, '')))}`;
      throw error;
    });
    const number = this.#marks.get(mark);
    if (number === undefined) throw new Error(`the shell has ended with ${text}`);
    return number;
  }

  async #outputOf(name: string): Promise<{ stdout: string; stderr: string }> {
    const [stdout, stderr] = await Promise.all(['out', 'err'].map((end) => readFile(join(this.outputs, `${name}.${end}`), 'utf8').catch(() => '')));
    return { stdout: stdout as string, stderr: stderr as string };
  }
}

/** All processes of a session, by what the kernel says of them. */
function processesOf(session: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => sessionOf(pid) === session);
}

/** Null if the process is gone. The name, which may hold anything, ends at the last parenthesis. */
function sessionOf(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3]);
  } catch {
    return null;
  }
}

function send(target: number, signal: NodeJS.Signals): void {
  try {
    process.kill(target, signal);
  } catch {
    // It has ended by itself.
  }
}
