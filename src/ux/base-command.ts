import { Command, type Interfaces } from '@oclif/core';
import { createLogger, type Logger } from '../core/logger.js';
import { SecretFile } from '../core/security/secret-file.js';
import { Signer } from '../core/security/signer.js';
import { realTime } from '../core/time.js';
import { watchClosedPipe } from './closed-pipe.js';
import { endingOf, exitBug, type Ending } from './ending.js';
import { commonFlags } from './flags.js';
import { interrupt } from './interrupt.js';
import { LiveView } from './live-view.js';
import { createStyle, wantsColour, type Style } from './style.js';
import { dotted, nearest } from './suggest.js';
import { isLive } from './terminal.js';
import { replacedBy, variableOf } from './variables.js';

export type FlagsOf<T extends typeof Command> = Interfaces.InferredFlags<(typeof BaseCommand)['baseFlags'] & T['flags']>;
export type ArgsOf<T extends typeof Command> = Interfaces.InferredArgs<T['args']>;

/**
 * What all commands share: flags and KELP_* variables, failures to exit codes, Ctrl-C, closed pipes.
 *
 * A one-shot command sets `static enableJsonFlag = true` and returns a typed value from `run()`; under `--json` that value is printed.
 * A streaming or long-running command sets `kind`, prints for itself, and ends when `this.signal` aborts.
 */
export abstract class BaseCommand<T extends typeof Command> extends Command {
  static override baseFlags = commonFlags;

  /**
   * `one-shot`: prints a result and ends. `stream`: runs until interrupted (130, 143) or until nobody reads its output (0).
   * `daemon`: runs until told to stop, which is its good end (0); goes on when its output is closed.
   */
  protected readonly kind: 'one-shot' | 'stream' | 'daemon' = 'one-shot';
  protected flags!: FlagsOf<T>;
  protected args!: ArgsOf<T>;
  /** All arguments, of a command that takes any number of them (`static strict = false`). */
  protected words: readonly string[] = [];

  override async init(): Promise<void> {
    await super.init();
    this.#watchOutput();
    const { args, argv, flags } = await this.parse({
      args: this.ctor.args,
      baseFlags: withVariables((this.ctor as typeof BaseCommand).baseFlags, this.argv),
      enableJsonFlag: this.ctor.enableJsonFlag,
      flags: withVariables(this.ctor.flags, this.argv),
      strict: this.ctor.strict,
    });
    this.flags = flags as FlagsOf<T>;
    this.args = args as ArgsOf<T>;
    this.words = argv as string[];
  }

  /** Aborts at the first SIGINT or SIGTERM; a second one ends the process at once. A command that never asks for it just dies. */
  protected get signal(): AbortSignal {
    return interrupt.signal;
  }

  /** Lines on stderr, at `--logLevel` and above. */
  protected get logger(): Logger {
    return createLogger({ level: this.flags.logLevel, now: () => new Date(), write: (line) => this.say(line) });
  }

  /** What `--secretFile` holds; undefined without it. Ask once: each is read anew when the file changes. @throws FilerError USAGE */
  protected get secrets(): SecretFile | undefined {
    return this.#openSecrets(this.flags.secretFile);
  }

  /** Signs what a command asks of filers and masters; undefined without `--secretFile`. @throws FilerError USAGE */
  protected get signer(): Signer | undefined {
    return this.signerOf(undefined);
  }

  /** As `signer`, with another file if one is named: for a command that talks to two clusters. @throws FilerError USAGE */
  protected signerOf(secretFile: string | undefined): Signer | undefined {
    const secrets = this.#openSecrets(secretFile ?? this.flags.secretFile);
    return secrets && new Signer({ secrets, time: realTime });
  }

  #openSecrets(path: string | undefined): SecretFile | undefined {
    return path === undefined ? undefined : SecretFile.open(path, { time: realTime, logger: this.logger });
  }

  /** Colours for `stream`, or none. */
  protected styleFor(stream: NodeJS.WriteStream): Style {
    return createStyle(wantsColour(stream, this.flags.color));
  }

  /** True if a block of lines on stdout may be drawn again and again. */
  protected get live(): boolean {
    return isLive(process.stdout);
  }

  /** What a command draws again and again; its talk stands above it. */
  protected readonly screen = new LiveView();

  /** A line of talk on stderr, under `--json` too. */
  protected say(line: string): void {
    this.screen.above(() => process.stderr.write(`${line}\n`));
  }

  override async catch(error: Error): Promise<void> {
    // The command was told to stop and did: its AbortError is no news.
    if (interrupt.received && (error === this.signal.reason || error.name === 'AbortError')) return;
    const ending = this.#endingOf(error);
    process.exitCode = ending.exit;
    if (ending.message === '') return;
    if (this.jsonEnabled()) this.logJson(this.toErrorJson(error));
    else if (this.argv.includes('--json')) this.say(JSON.stringify(this.toErrorJson(error)));
    else this.say(`kelp ${this.id}: ${ending.message}`);
    // Under --json the hint of a bug still shows: its stack is for whoever reports it.
    if (ending.exit === exitBug || !this.argv.includes('--json')) for (const line of ending.hint) this.say(line);
  }

  override async finally(): Promise<void> {
    if (interrupt.exitCode !== null && this.kind !== 'daemon') process.exitCode = interrupt.exitCode;
  }

  override toErrorJson(error: unknown): { error: string; code: string } {
    const { message, code } = this.#endingOf(error);
    return { error: message, code };
  }

  #endingOf(error: unknown): Ending {
    const ending = endingOf(error, this.id ?? '');
    const name = error instanceof Error ? error.constructor.name : '';
    const visible = this.config.commands.filter((command) => !command.hidden).map((command) => command.id);
    // `filer peers` starts the command `filer`, which takes no arguments.
    const meant = name === 'UnexpectedArgsError' ? dotted([this.id ?? '', ...this.argv], visible) : null;
    if (meant) return { ...ending, message: `${ending.message}; did you mean kelp ${meant}?` };
    const typed = name === 'NonExistentFlagsError' ? (error as { flags?: string[] }).flags?.[0]?.replace(/^-+|=.*$/g, '') : undefined;
    // Whatever the types say, a command without flags of its own has none.
    const own = (this.ctor.flags as Interfaces.FlagInput | undefined) ?? {};
    const flag = typed ? nearest(typed, Object.keys({ ...own, ...commonFlags })) : null;
    return flag ? { ...ending, message: `${ending.message}; did you mean --${flag}?` } : ending;
  }

  /** oclif swallows a closed pipe, and a follower would go on for ever. */
  #watchOutput(): void {
    if (this.kind === 'daemon') {
      process.stderr.on('error', () => {}); // Nobody reads the log any more: that is no reason to stop serving.
      return;
    }
    const end = (): never => process.exit(0);
    process.stdout.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') end();
    });
    if (this.kind === 'stream') watchClosedPipe(end);
  }
}

/** Gives every visible flag its variable, unless a flag that was typed takes its place. */
function withVariables<F extends Interfaces.FlagInput>(flags: F | undefined, argv: readonly string[]): F {
  const all = flags ?? ({} as F);
  const replaced = replacedBy(argv, all);
  const named = Object.entries(all).map(([name, flag]) => [name, { ...flag, env: replaced.has(name) ? undefined : (variableOf(name, flag) ?? undefined) }]);
  return Object.fromEntries(named) as F;
}
