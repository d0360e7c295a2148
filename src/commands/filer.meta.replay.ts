import { Args, Flags } from '@oclif/core';
import { parsePathPattern, parsePathPrefix, parsePosition } from '../core/api/meta/tail.js';
import { parseTimestamp, timestampForm } from '../core/config/timestamp.js';
import { FilerError } from '../core/errors.js';
import { planReplay, replay, replayLink, type Replayed, type ReplayCounts } from '../core/replay/replay.js';
import { keepHeapSmall } from '../core/replay/small-heap.js';
import { openFeed, openInput, type ReplaySource } from '../core/replay/source.js';
import { filerTarget, openStoreTarget } from '../core/replay/target.js';
import { realTime } from '../core/time.js';
import { BaseCommand } from '../ux/base-command.js';
import { address } from '../ux/flags.js';
import { progressText } from '../ux/progress.js';
import { startSpinner } from '../ux/spinner.js';

type Plan = Awaited<ReturnType<typeof planReplay>>;

export default class FilerMetaReplay extends BaseCommand<typeof FilerMetaReplay> {
  static override description = [
    'Apply recorded changes to a filer or to the folder of a store.\n',
    'Takes what kelp filer.meta.tail and weed filer.meta.tail print, from a file or a pipe (-), or the feed of a filer (--from), and writes it to',
    'a running filer or straight into a folder, which is made if it is missing and opens as a filer afterwards. Each change keeps its time and',
    'author: what is there already is not written again, and an older change never beats a newer one. So a replay may be repeated, and --until',
    'gives the tree as it was at that time.',
  ].join(' ');
  static override examples = [
    '<%= config.bin %> filer.meta.tail --position= --no-follow > changes.jsonl',
    '<%= config.bin %> filer.meta.replay changes.jsonl --filer=localhost:8888',
    '<%= config.bin %> filer.meta.replay --from=localhost:8888 --store=./copy',
    '<%= config.bin %> filer.meta.replay changes.jsonl --store=./then --until=2026-11-01T00:00:00Z',
    '<%= config.bin %> filer.meta.replay changes.jsonl --plan',
    'weed filer.meta.tail -timeAgo=24h | <%= config.bin %> filer.meta.replay - --checkpoint=weed',
  ];
  static override enableJsonFlag = true;
  static override args = { file: Args.string({ description: 'file with the changes; - = standard input', ignoreStdin: true }) };
  static override flags = {
    from: address({ description: 'take the feed of this filer instead of a file, up to its present end', defaultPort: 8888 }),
    position: Flags.string({ description: 'with --from: begin after this position', helpValue: '<origin:seq~…>', dependsOn: ['from'] }),
    filer: address({ description: 'filer to write to; default: localhost:8888 unless --store is given', defaultPort: 8888, exclusive: ['store'] }),
    store: Flags.string({ description: 'folder of a store to write to; its filer must be stopped', helpValue: '<dir>' }),
    plan: Flags.boolean({ description: 'count what would be done, and do nothing' }),
    since: Flags.string({ description: 'only changes from this time on, RFC 3339', helpValue: '<time>' }),
    until: Flags.string({ description: 'only changes up to this time, RFC 3339', helpValue: '<time>' }),
    pathPrefix: Flags.string({ description: 'only this path and what is below it', default: '/', helpValue: '<path>' }),
    pattern: Flags.string({ description: 'only names like this; whole paths if it holds a "/"', helpValue: '<glob>' }),
    skipInvalid: Flags.boolean({ description: 'leave malformed records out instead of ending at the first' }),
    checkpoint: Flags.string({
      description: 'remember under this name how far it is, with the data, and go on there next time',
      helpValue: '<name>',
      exclusive: ['plan'],
    }),
  };

  async run(): Promise<Replayed | Plan> {
    const { store, filer = 'localhost:8888', plan, checkpoint, skipInvalid, since, until, pathPrefix, pattern } = this.flags;
    this.#mustNameSource();
    const choice = {
      since: timeOf('since', since),
      until: timeOf('until', until),
      pathPrefix: parsePathPrefix(pathPrefix),
      matches: pattern === undefined ? undefined : parsePathPattern(pattern),
    };
    keepHeapSmall();
    const target =
      store === undefined
        ? filerTarget({ address: filer, signer: this.signer, time: realTime, ...this.#patience(filer) })
        : await openStoreTarget(store, { time: realTime, planOnly: plan });
    try {
      const link = checkpoint === undefined ? null : replayLink(checkpoint);
      const source = await this.#source(link === null ? null : await target.checkpoint(link, this.signal));
      const options = {
        source,
        target,
        choice,
        skipInvalid,
        invalid: (where: string, problem: string) => this.say(`left out: ${where} is malformed: ${problem}`),
      };
      return await (plan ? this.#plan(options) : this.#replay({ ...options, link }));
    } finally {
      await target.close();
    }
  }

  async #replay(options: Omit<Parameters<typeof replay>[0], 'progress'>): Promise<Replayed> {
    const { source, target } = options;
    const started = performance.now();
    const spinner = await startSpinner(`replaying ${source.name} into ${target.name}`, { coloured: this.flags.color });
    try {
      const result = await replay(
        {
          ...options,
          progress: (counts, done) => {
            const seconds = (performance.now() - started) / 1000;
            spinner.update(`replaying ${source.name} into ${target.name}: ${progressText(counts.read, { done, total: source.total, seconds })}`);
          },
        },
        this.signal,
      );
      const summary = countsText(result);
      if (result.interrupted) spinner.fail(`stopped: ${summary}; ${this.#howToResume(source)}`);
      else spinner.stop();
      if (!result.interrupted) this.log(summary);
      return result;
    } catch (error) {
      spinner.fail();
      throw error;
    }
  }

  async #plan(options: Parameters<typeof planReplay>[0]): Promise<Plan> {
    const plan = await planReplay(options, this.signal);
    const { creates, updates, deletes, renames, conflicts, unchanged, superseded, skipped, malformed } = plan;
    const rest = [`${unchanged} there already`, `${superseded} overruled`, ...leftOut({ skipped, malformed })];
    this.log(`${creates} creates, ${updates} updates, ${deletes} deletes, ${renames} renames, ${conflicts} conflicts; ${rest.join(', ')}`);
    return plan;
  }

  #source(mark: string | null): Promise<ReplaySource> {
    const { from, position = '' } = this.flags;
    const { file = '-' } = this.args;
    if (from !== undefined) {
      const start = parsePosition(position, '--position');
      return openFeed({ address: from, position: start, mark, signer: this.signer, time: realTime, ...this.#patience(from) }, this.signal);
    }
    const isPipe = file === '-';
    return openInput({ name: isPipe ? 'standard input' : file, path: isPipe ? null : file, stream: process.stdin, mark });
  }

  #mustNameSource(): void {
    const { from } = this.flags;
    const { file } = this.args;
    if (file === undefined && from === undefined) throw new FilerError('USAGE', 'name what to replay: a file, - for standard input, or --from=FILER');
    if (file !== undefined && from !== undefined) throw new FilerError('USAGE', 'a file and --from exclude each other; name one of them');
  }

  #howToResume({ resume }: ReplaySource): string {
    if (this.flags.checkpoint !== undefined) return 'the same command goes on here';
    if (resume !== null) return `the same command with ${resume} goes on here`;
    return 'the same command begins again and leaves what is there; with --checkpoint=NAME it would go on here';
  }

  #patience(filer: string): { away(error: FilerError): void; back(): void } {
    return {
      away: (error) => this.say(`${filer} is away (${error.message}); waiting for it`),
      back: () => this.say(`${filer} is back`),
    };
  }
}

function timeOf(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const micros = parseTimestamp(text);
  if (micros === null) throw new FilerError('PARAMETER_INVALID', `--${flag}: '${text}' is not ${timestampForm}`);
  return micros;
}

function countsText(counts: ReplayCounts): string {
  const { applied, superseded, unchanged, conflicting, quarantined } = counts;
  const parts = [`${applied} applied`, `${superseded} superseded`, `${unchanged} unchanged`, `${conflicting} conflicting`, `${quarantined} quarantined`];
  return [...parts, ...leftOut(counts)].join(', ');
}

const leftOut = ({ skipped, malformed }: Pick<ReplayCounts, 'skipped' | 'malformed'>): string[] => [
  ...(skipped > 0 ? [`${skipped} not asked for`] : []),
  ...(malformed > 0 ? [`${malformed} malformed`] : []),
];
