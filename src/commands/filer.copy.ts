import { Args, Flags } from '@oclif/core';
import { limits } from '../core/config/limits.js';
import { FilerError } from '../core/errors.js';
import { realTime } from '../core/time.js';
import { copyToFiler, type CopyResult, type CopyTotals } from '../core/tree/copy-to-filer.js';
import { formatLocation, parseUrlLocation } from '../core/tree/location.js';
import { BaseCommand } from '../ux/base-command.js';
import { noEffectFlags } from '../ux/flags.js';
import { printable } from '../ux/printable.js';
import { startSpinner } from '../ux/spinner.js';
import { isLive } from '../ux/terminal.js';

export default class FilerCopy extends BaseCommand<typeof FilerCopy> {
  static override description = [
    'Copy files and folders into a directory of a filer, with mode and time of the last change.\n',
    'The last argument is the directory, with a slash at its end; what is missing of it is made. A folder is copied under its own name, with',
    'all that is below it. What is there already is overwritten, a directory stays as it is.\n',
    'What cannot go is skipped, and named at the end: files over the limit of the filer (1 MiB unless its --saveToFilerLimit says otherwise),',
    'symlinks, devices, what cannot be read. Exits 1 then, unless --skipUnfit says that this is all right.',
  ].join(' ');
  static override examples = [
    '<%= config.bin %> filer.copy README.md docs http://localhost:8888/papers/',
    {
      description: 'Only some files, and none that is there with the same size',
      command: "<%= config.bin %> filer.copy -include='*.md' -check.size docs http://localhost:8888/papers/",
    },
    '<%= config.bin %> filer.copy -ttl=1d -c=16 --skipUnfit --json docs http://localhost:8888/tmp/',
  ];
  static override args = { src: Args.string({ description: 'file or folder, and more of them', required: true }) };
  static override strict = false;
  static override usage = 'filer.copy SRC… http://HOST:PORT/DIR/';
  static override enableJsonFlag = true;
  static override flags = {
    ...noEffectFlags(['replication', 'collection', 'disk', 'maxMB', 'concurrentChunks', 'volumeServerAccess'], ['debug']),
    include: Flags.string({ description: 'only files with names like this', helpValue: '<glob>' }),
    ttl: Flags.string({ description: 'how long the files live: a number with m, h, d, w, M or y', helpValue: '<ttl>' }),
    concurrency: Flags.integer({ char: 'c', description: 'files in flight', default: 8, min: 1, max: limits.copyInFlightMax }),
    'check.size': Flags.boolean({ description: 'leave a file alone that is there with the same size' }),
    skipUnfit: Flags.boolean({ description: 'exit 0 even if something could not be copied' }),
    verbose: Flags.boolean({ description: 'name every file that is copied; without it only elsewhere than on a terminal' }),
  };

  async run(): Promise<CopyResult> {
    const { include, ttl, concurrency, 'check.size': checkSize, skipUnfit, verbose } = this.flags;
    const [sources, target] = this.#places();
    const isJson = this.jsonEnabled();
    const isSilent = isJson || (this.live && !verbose);
    // Lines on the same terminal would run into it.
    const spinner = isLive(process.stderr) && (isSilent || !process.stdout.isTTY) ? await startSpinner('copying', { coloured: this.flags.color }) : null;
    let latest: CopyTotals | null = null;
    try {
      const result = await copyToFiler(
        {
          sources,
          target,
          include,
          ttl,
          checkSize,
          inFlight: concurrency,
          signer: this.signer,
          time: realTime,
          copied: isSilent ? undefined : ({ source, path }) => this.log(printable(`copied ${source} => ${formatLocation({ ...target, path })}`)),
          progress: (soFar) => {
            latest = soFar;
            spinner?.update(`copying: ${totalsText(soFar)}`);
          },
        },
        this.signal,
      );
      spinner?.stop();
      this.#tell(result);
      if (result.skipped > 0 && !skipUnfit) process.exitCode = 1;
      return result;
    } catch (error) {
      spinner?.stop();
      if (latest) this.say(`broken off: ${totalsText(latest)}; with -check.size the same line goes on`);
      throw error;
    }
  }

  #places(): [sources: string[], target: ReturnType<typeof parseUrlLocation>] {
    const sources = [...this.words];
    const last = sources.pop();
    if (last === undefined || sources.length === 0) throw new FilerError('USAGE', 'name what to copy, and last the directory: http://localhost:8888/dir/');
    const target = parseUrlLocation(last, 'the last argument');
    if (!target.isInto) throw new FilerError('USAGE', `the last argument must end with "/": ${last}/`);
    return [sources, target];
  }

  #tell({ seconds, reasons, ...totals }: CopyResult): void {
    this.say(`${totalsText(totals)}, in ${seconds.toFixed(2)} s`);
    for (const { reason, count, names } of reasons) {
      this.say(`skipped ${count}, ${printable(reason)}:`);
      for (const name of names) this.say(`  ${printable(name)}`);
      if (count > names.length) this.say(`  and ${count - names.length} more`);
    }
  }
}

function totalsText({ files, directories, bytes, unchanged, skipped }: CopyTotals): string {
  const rest = [unchanged > 0 && `${unchanged} left as they were`, skipped > 0 && `${skipped} skipped`].filter(Boolean);
  return [`copied files: ${files}, directories: ${directories}, bytes: ${bytes}`, ...rest].join('; ');
}
