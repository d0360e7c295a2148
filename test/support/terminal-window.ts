import { execFile, spawnSync } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { waitFor } from './wait-for.js';

const execute = promisify(execFile);

export interface WindowOptions {
  readonly columns: number;
  /** Where commands run, and where the socket of its server is; the path must be short. */
  readonly directory: string;
  readonly env: NodeJS.ProcessEnv;
}

/** What a window shows, from its first line on: also what has scrolled away, without blanks at the ends of lines. */
export interface Shown {
  readonly lines: readonly string[];
  /** The same with the escapes of colours. */
  readonly coloured: readonly string[];
  /** Lines that were wider than the window, whole. */
  readonly wrapped: readonly string[];
}

/** True if there is a terminal to test with; else says why what needs it is skipped. */
export function hasTerminal(): boolean {
  return spawnSync('tmux', ['-V']).status === 0;
}

const settings = ['remain-on-exit on', 'remain-on-exit-format ""', 'history-limit 10000', 'status off', 'default-terminal screen-256color'];

/** A real terminal: the window of a tmux server of its own. Shows one command at a time. */
export class TerminalWindow {
  private constructor(
    readonly columns: number,
    private readonly socket: string,
    private readonly options: WindowOptions,
  ) {}

  static async open(options: WindowOptions): Promise<TerminalWindow> {
    const { columns, directory } = options;
    const window = new TerminalWindow(columns, join(directory, `tmux-${columns}`), options);
    const config = `${window.socket}.conf`;
    await writeFile(config, settings.map((setting) => `set-option -g ${setting}\n`).join(''));
    await window.#tmux('-f', config, 'new-session', '-d', '-x', String(columns), '-y', '40', 'true');
    return window;
  }

  /** Shows a command of a shell until it has ended. */
  async run(command: string): Promise<Shown & { readonly code: number }> {
    await this.start(command);
    return this.ended();
  }

  /** Shows a command of a shell and leaves it running. What was shown before is gone. */
  async start(command: string): Promise<void> {
    await rm(this.#exit, { force: true });
    await this.#tmux('send-keys', '-R', ';', 'clear-history');
    // The shell outlives Ctrl-C, to tell how the command has ended.
    await this.#tmux('respawn-pane', '-k', '-c', this.options.directory, `trap : INT; ${command}\necho $? > '${this.#exit}'`);
  }

  /** Waits until the command has ended. */
  async ended(): Promise<Shown & { readonly code: number }> {
    const look = () =>
      readFile(this.#exit, 'utf8').then(
        (text) => text.trim(),
        () => '',
      );
    const code = await waitFor(look, { what: 'the end of a command in a terminal', timeoutMs: 60_000, everyMs: 50 });
    return { ...(await this.shown()), code: Number(code) };
  }

  async shown(): Promise<Shown> {
    // In one command, so that all three are of one moment.
    const captures = [[], ['-e'], ['-J']].map((options) => ['capture-pane', '-p', ...options, '-S', '-']);
    const text = await this.#tmux(...captures.flatMap((capture, i) => (i === 0 ? capture : [';', 'display-message', '-p', between, ';', ...capture])));
    const [lines = [], coloured = [], whole = []] = text.split(`${between}\n`).map(linesOf);
    return { lines, coloured, wrapped: whole.filter((line) => !lines.includes(line)) };
  }

  /** Waits until one of its lines is like `pattern`. */
  async waitForLine(pattern: RegExp): Promise<Shown> {
    let shown = await this.shown();
    const look = async (): Promise<boolean> => {
      shown = await this.shown();
      return shown.lines.some((line) => pattern.test(line));
    };
    try {
      await waitFor(look, { what: `a line like ${pattern} in a terminal`, timeoutMs: 60_000, everyMs: 50 });
    } catch (error) {
      if (error instanceof Error) error.message += `\n${shown.lines.join('\n')}`;
      throw error;
    }
    return shown;
  }

  /** Types Ctrl-C. */
  async interrupt(): Promise<void> {
    await this.#tmux('send-keys', 'C-c');
  }

  async close(): Promise<void> {
    await this.#tmux('kill-server').catch(() => {});
  }

  /** The file that holds the exit code of the command once it has ended. */
  get #exit(): string {
    return `${this.socket}.exit`;
  }

  /** -u: the locale of the machine may know no characters beyond ASCII. */
  async #tmux(...args: readonly string[]): Promise<string> {
    return (await execute('tmux', ['-u', '-S', this.socket, ...args], { env: this.options.env })).stdout.trimEnd();
  }
}

const between = '== and in another way ==';

const linesOf = (text: string): string[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => line.trimEnd());
