import { Args } from '@oclif/core';
import { parseLocation } from '../core/tree/location.js';
import { withTree } from '../core/tree/with-tree.js';
import { BaseCommand } from '../ux/base-command.js';
import { address } from '../ux/flags.js';

export default class FsMkdir extends BaseCommand<typeof FsMkdir> {
  static override description = 'Make a directory on a filer; what is missing above it is made too. One that is there already is refused: exit 1.';
  static override examples = ['<%= config.bin %> fs.mkdir /reports/2026', '<%= config.bin %> fs.mkdir http://localhost:8888/reports/2027'];
  static override args = { path: Args.string({ description: 'path, or http://host:port/path', required: true }) };
  static override enableJsonFlag = true;
  static override flags = {
    filer: address({ description: 'filer to ask', default: 'localhost:8888', defaultPort: 8888 }),
  };

  async run(): Promise<{ path: string }> {
    const { path, ...location } = parseLocation(this.args.path, this.flags.filer, 'path');
    await withTree({ ...location, signer: this.signer }, (tree) => tree.mkdir(path, { signal: this.signal }));
    return { path };
  }
}
