import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

/** CPU time of a process and of its threads, seconds. */
export interface Cpu {
  readonly user: number;
  readonly system: number;
}

/** Fields 14 and 15 of /proc/PID/stat count hundredths of a second on every Linux. */
const ticksPerSecond = 100;

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A program that is measured: what it costs is read from /proc. */
export class Program {
  /** The last lines of stdout and stderr. */
  output = '';
  #ended = false;

  private constructor(
    readonly name: string,
    readonly child: ChildProcess,
  ) {}

  static start(name: string, file: string, args: readonly string[], options: { cwd?: string; input?: 'pipe' } = {}): Program {
    const child = spawn(file, args, { cwd: options.cwd, stdio: [options.input ?? 'ignore', 'pipe', 'pipe'] });
    const program = new Program(name, child);
    running.add(child);
    const keep = (text: string) => (program.output = (program.output + text).slice(-20_000));
    child.stdout?.setEncoding('utf8').on('data', keep);
    child.stderr?.setEncoding('utf8').on('data', keep);
    child.once('error', (error) => keep(error.message));
    child.once('close', () => {
      running.delete(child);
      program.#ended = true;
    });
    return program;
  }

  /** Throws with what the program said last, if it has ended. */
  mustRun(): void {
    if (this.#ended) throw new Error(`${this.name} has ended\n${this.output}`);
  }

  /** The most memory it has had so far, bytes. */
  get peakBytes(): number {
    return peakBytesOf(this.#pid);
  }

  /** CPU time so far. */
  get cpu(): Cpu {
    return cpuOf(this.#pid);
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.#ended) return;
    const closed = once(this.child, 'close');
    this.child.kill(signal);
    await closed;
  }

  /** Resolves when it ends by itself. @throws Error if it does not end well */
  async ended(): Promise<void> {
    if (!this.#ended) await once(this.child, 'close');
    if (this.child.exitCode !== 0) throw new Error(`${this.name} ended with ${this.child.exitCode ?? this.child.signalCode}\n${this.output}`);
  }

  get #pid(): number {
    this.mustRun();
    return this.child.pid as number;
  }
}

export function peakBytesOf(pid: number): number {
  const [, kib] = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) * 1024;
}

export function cpuOf(pid: number): Cpu {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name stands in parentheses and may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { user: Number(fields[11]) / ticksPerSecond, system: Number(fields[12]) / ticksPerSecond };
}

export const cpuSince = (from: Cpu, to: Cpu): Cpu => ({ user: to.user - from.user, system: to.system - from.system });
