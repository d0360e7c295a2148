import { Args, Flags } from '@oclif/core';
import { limits } from '../core/config/limits.js';
import { parseLocation } from '../core/tree/location.js';
import { loadMeta, type MetaLoaded } from '../core/tree/meta-load.js';
import { withTree } from '../core/tree/with-tree.js';
import { BaseCommand } from '../ux/base-command.js';
import { address } from '../ux/flags.js';
import { printable } from '../ux/printable.js';

export default class FsMetaLoad extends BaseCommand<typeof FsMetaLoad> {
  static override description = [
    'Put entries that fs.meta.save saved back into a filer, this one or another, as they were.\n',
    'What stands at their paths is replaced, what is there just so is left alone: loading twice changes nothing. Each entry is a write of its own. What',
    'the tree cannot take (a file where a directory is, a content over the limit, a time to live that is over) is skipped and named: exit 1.',
  ].join(' ');
  static override examples = [
    '<%= config.bin %> fs.meta.save -o /tmp/tree.meta.gz /',
    '<%= config.bin %> fs.meta.load -v=false /tmp/tree.meta.gz',
    '<%= config.bin %> fs.meta.load --filer=localhost:8889 -dirPrefix=/docs /tmp/tree.meta.gz --json',
  ];
  static override args = { file: Args.string({ description: 'file, or - for stdin; one whose name ends in .gz is compressed', required: true }) };
  static override enableJsonFlag = true;
  static override flags = {
    filer: address({ description: 'filer to write to', default: 'localhost:8888', defaultPort: 8888 }),
    dirPrefix: Flags.string({ description: 'only what is at this path or below it', helpValue: '<path>' }),
    concurrency: Flags.integer({ description: 'entries in flight', default: 16, min: 1, max: limits.copyInFlightMax }),
    verbose: Flags.boolean({ char: 'v', description: 'print every path', default: true, allowNo: true }),
  };

  async run(): Promise<MetaLoaded> {
    const { filer, dirPrefix, concurrency: inFlight, verbose } = this.flags;
    const { file } = this.args;
    const prefix = dirPrefix === undefined ? null : parseLocation(dirPrefix, filer, '--dirPrefix').path;
    const result = await withTree({ address: filer, signer: this.signer, inFlight }, (tree) =>
      loadMeta(
        tree,
        { source: file === '-' ? process.stdin : file, prefix, inFlight, loaded: verbose ? (path) => this.log(`load ${printable(path)}`) : undefined },
        this.signal,
      ),
    );
    this.log(`total ${result.directories} directories, ${result.files} files`);
    if (result.unchanged > 0) this.say(`${result.unchanged} of them were there just so`);
    for (const { reason, count, names } of result.reasons) {
      this.say(`skipped ${count}, ${printable(reason)}:`);
      for (const name of names) this.say(`  ${printable(name)}`);
    }
    if (result.skipped > 0) process.exitCode = 1;
    else this.log(`${printable(file)} is loaded.`);
    return result;
  }
}
