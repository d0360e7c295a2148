import { Flags } from '@oclif/core';
import {
  changeFilter,
  formatPosition,
  parsePathPrefix,
  parsePosition,
  summarize,
  tailFeed,
  textsOf,
  type TailOptions,
  type TailStart,
} from '../core/api/meta/tail.js';
import { anySignal } from '../core/abort.js';
import { parseTimestamp, timestampForm } from '../core/config/timestamp.js';
import { FilerError, isFailure } from '../core/errors.js';
import { realTime } from '../core/time.js';
import { BaseCommand } from '../ux/base-command.js';
import { addresses, duration, noEffectFlags } from '../ux/flags.js';
import { writeLines, writePieces } from '../ux/json-lines.js';
import { printable } from '../ux/printable.js';
import { tintOf, wantsColour } from '../ux/style.js';

const operations = ['CREATE', 'UPDATE', 'DELETE', 'RENAME', 'REFUSED'] as const;
const starts = ['timeAgo', 'since', 'position', 'offset'] as const;
const others = (name: (typeof starts)[number]): string[] => starts.filter((start) => start !== name);

export default class FilerMetaTail extends BaseCommand<typeof FilerMetaTail> {
  static override description = [
    'Follow the changes of a whole cluster through any one of its filers.\n',
    'Prints each change once, as a line of JSON, from now on unless told otherwise. Goes on when the filer restarts, and says at the end',
    'where to resume: a position is good at every filer of the cluster.\n',
    'Of several filers each is followed by itself and every line names its filer, so that one sees what arrives where and when; --limit',
    'then counts for each.',
  ].join(' ');
  static override examples = [
    '<%= config.bin %> filer.meta.tail',
    '<%= config.bin %> filer.meta.tail --filer=localhost:8888 --pathPrefix=/docs --format=short',
    "<%= config.bin %> filer.meta.tail --pattern='*.txt' --timeAgo=1h --no-follow",
    '<%= config.bin %> filer.meta.tail --position= --limit=100',
    '<%= config.bin %> filer.meta.tail --filer=localhost:8888,localhost:8889 --format=short --op=DELETE,RENAME',
  ];
  static override flags = {
    ...noEffectFlags(['es', 'es.index']),
    filer: addresses({ description: 'filer to follow, or several with commas between', default: ['localhost:8888'], defaultPort: 8888 }),
    pathPrefix: Flags.string({ description: 'only changes to this path or below it', default: '/', helpValue: '<path>' }),
    pattern: Flags.string({ description: 'only changes to names like this; to whole paths if it holds a "/"', helpValue: '<glob>' }),
    name: Flags.string({ description: 'only changes to names that hold this text, in any case', helpValue: '<text>' }),
    op: Flags.string({ description: `only these operations, with commas between: ${operations.join(', ')}`, helpValue: '<op,…>' }),
    timeAgo: duration({ description: 'start with the changes of this long ago', exclusive: others('timeAgo') }),
    since: Flags.string({ description: 'start with the changes from this time on, RFC 3339', helpValue: '<time>', exclusive: others('since') }),
    position: Flags.string({
      description: 'start after this position; empty = from the beginning',
      helpValue: '<origin:seq~…>',
      exclusive: others('position'),
    }),
    offset: Flags.string({
      description: 'start after this offset of the same filer; -1 = from the beginning',
      helpValue: '<offset>',
      exclusive: others('offset'),
    }),
    follow: Flags.boolean({ description: 'wait for more at the end', default: true, allowNo: true }),
    untilTimeAgo: duration({ description: 'end with the changes of this long ago; 0 = never', exclusive: ['until'] }),
    until: Flags.string({ description: 'end with the changes up to this time, RFC 3339', helpValue: '<time>' }),
    limit: Flags.integer({ description: 'end after so many changes', min: 1 }),
    format: Flags.option({ options: ['json', 'short'] as const })({
      description: 'JSON lines, or time, operation, path and details with tabs between',
      default: 'json',
    }),
  };
  protected override readonly kind = 'stream';

  async run(): Promise<void> {
    const { filer, offset } = this.flags;
    if (filer.length === 0) throw new FilerError('USAGE', '--filer names no filer; give it one, or leave it out');
    if (filer.length > 1 && offset !== undefined) throw new FilerError('USAGE', 'an offset is good at one filer; start several with --position');
    const filter = changeFilter({ pattern: this.flags.pattern, name: this.flags.name, operations: this.#operations() });
    const coloured = wantsColour(process.stdout, this.flags.color);
    const failed = new AbortController();
    const either = anySignal(this.signal, failed.signal);
    const ended = await Promise.allSettled(
      filer.map(async (address, index) => {
        const mark = filer.length > 1 ? tintOf(index, coloured)(address) : null;
        try {
          await this.#follow(this.#options(address, filter), address, mark, either.signal);
        } catch (error) {
          // What is shown of the others would look like all there is.
          failed.abort(error);
          throw error;
        }
      }),
    );
    either.release();
    const [first] = ended.filter((one) => one.status === 'rejected');
    if (first) throw failed.signal.reason ?? first.reason;
  }

  /** Follows one filer to its end; `mark` names it where there are several. */
  async #follow(options: TailOptions, address: string, mark: string | null, signal: AbortSignal): Promise<void> {
    const isShort = this.flags.format === 'short' && !this.flags.json;
    const lineOf = isShort
      ? (text: string) => (mark === null ? shortLine(text) : `${mark}\t${shortLine(text)}`)
      : (text: string) => (mark === null ? text : `{"filer":${JSON.stringify(address)},${text.slice(1)}`);
    let position = options.start.kind === 'position' ? options.start.position : null;
    try {
      for await (const page of tailFeed(options, signal)) {
        if (isShort || mark !== null) await writeLines(process.stdout, textsOf(page.lines).map(lineOf));
        else await writePieces(process.stdout, page.lines.pieces);
        position = page.position;
      }
    } catch (error) {
      // Where it is gone, there is nothing to resume.
      if (isFailure(error, 'LOG_TRIMMED', 'OFFSET_UNKNOWN')) position = null;
      throw error;
    } finally {
      if (position !== null) this.say(`resume with ${mark === null ? '' : `--filer=${address} `}--position=${formatPosition(position)}`);
    }
  }

  #operations(): string[] | undefined {
    const { op } = this.flags;
    if (op === undefined) return undefined;
    const named = op.split(',').map((one) => one.trim().toUpperCase());
    const unknown = named.find((one) => !operations.some((known) => known === one));
    if (unknown !== undefined) throw new FilerError('PARAMETER_INVALID', `--op: '${unknown}' is none of ${operations.join(', ')}`);
    return named;
  }

  #options(address: string, matches: TailOptions['matches']): TailOptions {
    const { pathPrefix, follow, untilTimeAgo, until, limit } = this.flags;
    return {
      address,
      start: this.#start(),
      pathPrefix: parsePathPrefix(pathPrefix),
      matches,
      until: until !== undefined ? timeOf('until', until) : untilTimeAgo ? ago(untilTimeAgo) : undefined,
      follow,
      limit,
      signer: this.signer,
      time: realTime,
      away: (error) => this.say(`${address} is away (${error.message}); waiting for it`),
      back: () => this.say(`${address} is back`),
    };
  }

  #start(): TailStart {
    const { timeAgo, since, position, offset } = this.flags;
    if (since !== undefined) return { kind: 'since', since: timeOf('since', since) };
    if (timeAgo) return { kind: 'since', since: ago(timeAgo) };
    if (position !== undefined) return { kind: 'position', position: parsePosition(position, '--position') };
    return offset === undefined ? { kind: 'now' } : { kind: 'offset', offset };
  }
}

function timeOf(flag: string, text: string): number {
  const micros = parseTimestamp(text);
  if (micros === null) throw new FilerError('PARAMETER_INVALID', `--${flag}: '${text}' is not ${timestampForm}`);
  return micros;
}

const ago = (ms: number): number => Math.max(0, Math.round(realTime.micros() - ms * 1000));

/** One change as `weed filer.meta.scan` prints it. */
function shortLine(text: string): string {
  const { version, operation, oldPath, newPath, isDirectory, size, chunks } = summarize(text);
  const time = new Date(Math.floor(version / 1000)).toISOString().replace(/\.\d+Z$/, 'Z');
  const details = [
    ...(isDirectory ? ['dir'] : size === null ? [] : [`size=${size} chunks=${chunks}`]),
    ...(operation === 'RENAME' ? [`from=${printable(oldPath ?? '')}`] : []),
  ];
  return [time, operation, printable(newPath ?? oldPath ?? ''), details.join(' ') || '-'].join('\t');
}
