import { Args } from '@oclif/core';
import { usageLine } from '../core/tree/lines.js';
import { parseLocation } from '../core/tree/location.js';
import { usageOf, type Usage } from '../core/tree/tree-walk.js';
import { withTree } from '../core/tree/with-tree.js';
import { BaseCommand } from '../ux/base-command.js';
import { address } from '../ux/flags.js';
import { printable } from '../ux/printable.js';

export default class FsDu extends BaseCommand<typeof FsDu> {
  static override description = 'Add up the chunks and bytes of a file, or of all that is below a directory of a filer.';
  static override examples = [
    '<%= config.bin %> fs.du',
    '<%= config.bin %> fs.du --filer=localhost:8888 / --json',
    '<%= config.bin %> fs.du http://localhost:8888/',
  ];
  static override args = { path: Args.string({ description: 'path, or http://host:port/path', default: '/' }) };
  static override enableJsonFlag = true;
  static override flags = {
    filer: address({ description: 'filer to ask', default: 'localhost:8888', defaultPort: 8888 }),
  };

  async run(): Promise<Usage & { path: string }> {
    const { path, ...location } = parseLocation(this.args.path, this.flags.filer, 'path');
    const usage = await withTree({ ...location, signer: this.signer }, (tree) => usageOf(tree, path, this.signal));
    this.log(usageLine(usage, printable(path)));
    return { path, ...usage };
  }
}
