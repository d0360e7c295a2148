import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { waitFor } from './wait-for.js';

/** The built command line, as a user starts it. */
export const kelpBin = fileURLToPath(new URL('../../bin/run.js', import.meta.url));

export interface Finished {
  /** Null if a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Added to a clean environment; undefined takes a variable out. */
  env?: Record<string, string | undefined>;
  cwd?: string;
  /** Another command line built from the same parts. */
  bin?: string;
  /** A command and its arguments that node is started by; it must leave it the process that was started. */
  under?: readonly string[];
  input?: string;
  /** After this it is killed and the promise rejects. */
  timeoutMs?: number;
}

export interface Started {
  readonly process: ChildProcess;
  /** Lines of stdout as they come; one reader. */
  readonly lines: AsyncIterable<string>;
  /** All of stdout and stderr so far. */
  readonly output: { stdout: string; stderr: string };
  /** The first line, past or to come, of stdout or stderr that matches. */
  waitForLine(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
  /** Sends a signal and waits for the end. */
  kill(signal?: NodeJS.Signals): Promise<Finished>;
  readonly exited: Promise<Finished>;
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Starts `kelp ARGS` and leaves it running. A test kills what it starts; what it forgets dies with the test run. */
export function startKelp(args: readonly string[], options: RunOptions = {}): Started {
  const [command, ...before] = [...(options.under ?? []), process.execPath];
  const child = spawn(command, [...before, options.bin ?? kelpBin, ...args], {
    env: cleanEnvironment(options.env),
    cwd: options.cwd,
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  running.add(child);
  const { stdin, stdout, stderr } = child;
  if (!stdout || !stderr) throw new TypeError('stdout and stderr are pipes');
  const output = { stdout: '', stderr: '' };
  stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  stdin?.on('error', () => {}); // It may end without having read all.
  stdin?.end(options.input);

  const exited = new Promise<Finished>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      running.delete(child);
      resolve({ code, signal, ...output });
    });
  });
  exited.catch(() => {}); // Not every test looks at it.

  return {
    process: child,
    lines: createInterface({ input: stdout, crlfDelay: Number.POSITIVE_INFINITY }),
    output,
    waitForLine: async (pattern, timeoutMs = 10_000) => {
      const what = `a line like ${pattern} from kelp ${args.join(' ')}`;
      const find = (): RegExpExecArray | 'ended' | null => {
        // Of one that has ended everything has been read.
        const hasEnded = !running.has(child);
        const lines = `${output.stdout}\n${output.stderr}`.split('\n');
        const found = lines.map((line) => pattern.exec(line)).find((match) => match !== null);
        return found ?? (hasEnded ? 'ended' : null);
      };
      const told = (message: string) => new Error(`${message}\n--- stdout\n${output.stdout}--- stderr\n${output.stderr}`);
      const found = await waitFor(find, { what, timeoutMs }).catch((error: Error) => {
        throw told(error.message);
      });
      // It says nothing more, however long it is waited for.
      if (found === 'ended') throw told(`waited in vain for ${what}: it has ended`);
      return found;
    },
    kill: async (signal = 'SIGTERM') => {
      child.kill(signal);
      return exited;
    },
    exited,
  };
}

/** Runs `kelp ARGS` to its end. */
export async function runKelp(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const { timeoutMs = 15_000 } = options;
  const started = startKelp(args, options);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    started.process.kill('SIGKILL');
  }, timeoutMs);
  const finished = await started.exited.finally(() => clearTimeout(timer));
  if (late) throw new Error(`kelp ${args.join(' ')} ran longer than ${timeoutMs} ms\n--- stdout\n${finished.stdout}--- stderr\n${finished.stderr}`);
  return finished;
}

/** The environment of the test run without what would change the answers. */
function cleanEnvironment(added: Record<string, string | undefined> = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(KELP_|NO_COLOR$|FORCE_COLOR$|NODE_OPTIONS$|NODE_ENV$)/.test(name));
  return Object.fromEntries([...kept, ...Object.entries(added)].filter(([, value]) => value !== undefined));
}
