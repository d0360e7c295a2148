import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { limits } from '../config/limits.js';
import type { TimeSource } from '../time.js';

/** How to start kelp once more: the program, and what stands before the command's own arguments. */
export interface Launch {
  readonly program: string;
  readonly args: readonly string[];
}

/** One running `kelp ARGS`. It writes into a log file; its end, however it comes, resolves `ended`. */
export class KelpProcess {
  /** In words: `exit code 5`, `SIGKILL`. */
  readonly ended: Promise<string>;
  #running = true;

  private constructor(
    private readonly child: ChildProcess,
    private readonly logFile: string,
    /** Where this process's own lines begin: the file may hold those of one before it. */
    private readonly logStart: number,
  ) {
    this.ended = new Promise((resolve) => {
      const end = (how: string): void => {
        this.#running = false;
        resolve(how);
      };
      child.once('error', (error) => end(error.message));
      child.once('exit', (code, signal) => end(signal ?? `exit code ${code}`));
    });
  }

  /** In a process group of its own: a Ctrl-C on the terminal reaches the demo alone, which then stops its processes in order. */
  static start({ program, args: before }: Launch, args: readonly string[], logFile: string): KelpProcess {
    const log = openSync(logFile, 'a', 0o600);
    try {
      const { size } = fstatSync(log);
      const child = spawn(program, [...before, ...args], { env: ownEnvironment(), stdio: ['ignore', log, log], detached: true });
      return new KelpProcess(child, logFile, size);
    } finally {
      closeSync(log);
    }
  }

  get running(): boolean {
    return this.#running;
  }

  /**
   * host:port where it listens, as it says itself; null if it does not yet. Not asked over HTTP: at a port that it could not get
   * somebody else would answer.
   */
  async address(): Promise<string | null> {
    const lines = await this.#read(this.logStart);
    return /(?:filer http:\/\/|listens at )(\S+:\d+)/.exec(lines)?.[1] ?? null;
  }

  /** kill -9; resolves when it is gone. */
  async kill(): Promise<void> {
    this.killNow();
    await this.ended;
  }

  /** kill -9 without waiting. */
  killNow(): void {
    if (this.#running) this.child.kill('SIGKILL');
  }

  /** SIGTERM, and kill -9 if that is not enough. Resolves when it is gone. */
  async stop(time: Pick<TimeSource, 'sleep'>): Promise<void> {
    if (!this.#running) return;
    this.child.kill('SIGTERM');
    const timer = new AbortController();
    const late = time.sleep(limits.demoStopMs, timer.signal).then(
      () => this.killNow(),
      () => {}, // It ended in time.
    );
    await this.ended;
    timer.abort();
    await late;
  }

  /** The last lines it has written. */
  async lastLines(): Promise<string[]> {
    const { size } = await stat(this.logFile);
    const lines = await this.#read(Math.max(0, size - limits.demoLogBytes));
    return lines.trimEnd().split('\n').slice(-limits.demoLogLines);
  }

  async #read(start: number): Promise<string> {
    const file = await open(this.logFile, 'r');
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(limits.demoLogBytes), 0, limits.demoLogBytes, start);
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await file.close();
    }
  }
}

/** Without KELP_ variables: they are meant for the demo's own command line, or for another filer. */
function ownEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('KELP_')));
}
