import { Args, Flags } from '@oclif/core';
import { formatLocation, parseLocation } from '../core/tree/location.js';
import { saveMeta, type MetaTotals } from '../core/tree/meta-save.js';
import { withTree } from '../core/tree/with-tree.js';
import { BaseCommand } from '../ux/base-command.js';
import { address, noEffectFlags } from '../ux/flags.js';
import { printable } from '../ux/printable.js';

export default class FsMetaSave extends BaseCommand<typeof FsMetaSave> {
  static override description = [
    'Save the entries of a path and of all that is below it to a file, one a line of JSON: attributes, extended attributes, chunks, contents.\n',
    'A file whose name ends in .gz is compressed. fs.meta.load puts them back, into any filer. What changes meanwhile may be saved or not.',
  ].join(' ');
  static override examples = [
    '<%= config.bin %> fs.meta.save -o /tmp/tree.meta.gz /',
    '<%= config.bin %> fs.meta.save --filer=localhost:8888 -o - / > /tmp/tree.jsonl',
  ];
  static override args = { path: Args.string({ description: 'path, or http://host:port/path', default: '/' }) };
  static override enableJsonFlag = true;
  static override flags = {
    ...noEffectFlags([], ['obfuscate']),
    filer: address({ description: 'filer to ask', default: 'localhost:8888', defaultPort: 8888 }),
    output: Flags.string({ char: 'o', description: 'file, or - for stdout; default: <host>:<port>-<date>-<time>.meta.gz', helpValue: '<file>' }),
    verbose: Flags.boolean({ char: 'v', description: 'print every path' }),
  };

  async run(): Promise<MetaTotals & { file: string }> {
    const { filer, output, verbose } = this.flags;
    const { path, ...location } = parseLocation(this.args.path, filer, 'path');
    const file = output ?? `${location.address}-${stamp(new Date())}.meta.gz`;
    const isStdout = file === '-';
    // What is saved to stdout stands there alone.
    const tell = (line: string): void => (isStdout ? this.say(line) : this.log(line));
    const totals = await withTree({ ...location, signer: this.signer }, (tree) =>
      saveMeta(tree, { path, target: isStdout ? process.stdout : file, saved: verbose ? (at) => tell(printable(at)) : undefined }, this.signal),
    );
    tell(`total ${totals.directories} directories, ${totals.files} files`);
    if (!isStdout) tell(`meta data for ${printable(formatLocation({ ...location, path }))} is saved to ${printable(file)}`);
    return { ...totals, file };
  }

  /** On stdout stand the entries, which are JSON lines themselves. */
  override jsonEnabled(): boolean {
    return super.jsonEnabled() && this.flags?.output !== '-';
  }
}

/** 20261122-153000, local time. */
function stamp(date: Date): string {
  const [year, month, day, hour, minute, second] = [
    date.getFullYear(),
    date.getMonth() + 1,
    date.getDate(),
    date.getHours(),
    date.getMinutes(),
    date.getSeconds(),
  ].map((part) => String(part).padStart(2, '0'));
  return `${year}${month}${day}-${hour}${minute}${second}`;
}
