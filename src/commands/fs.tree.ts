import { Args } from '@oclif/core';
import { Branches } from '../core/tree/lines.js';
import { parseLocation } from '../core/tree/location.js';
import { walkTop, withoutContent } from '../core/tree/tree-walk.js';
import { withTree } from '../core/tree/with-tree.js';
import { BaseCommand } from '../ux/base-command.js';
import { address } from '../ux/flags.js';
import { LineWriter } from '../ux/json-lines.js';
import { printable, truncate } from '../ux/printable.js';
import { widthOf } from '../ux/terminal.js';

export default class FsTree extends BaseCommand<typeof FsTree> {
  static override description = [
    'Draw all that is below a directory of a filer as a tree, and count it.\n',
    'The directory itself comes first and is counted, unless the path ends in a slash. --json prints each entry as a line of JSON, without its',
    'content.',
  ].join(' ');
  static override examples = [
    '<%= config.bin %> fs.tree',
    '<%= config.bin %> fs.tree --filer=localhost:8888 /',
    '<%= config.bin %> fs.tree --json http://localhost:8888/',
  ];
  static override args = { path: Args.string({ description: 'path, or http://host:port/path', default: '/' }) };
  static override flags = {
    filer: address({ description: 'filer to ask', default: 'localhost:8888', defaultPort: 8888 }),
  };

  async run(): Promise<void> {
    const { filer, json } = this.flags;
    const { path, isInto, ...location } = parseLocation(this.args.path, filer, 'path');
    const out = new LineWriter(process.stdout);
    const branches = new Branches();
    // Where a name wraps, nobody sees which branch it hangs on.
    const width = widthOf(process.stdout) ?? Infinity;
    let [directories, files] = [0, 0];
    await withTree({ ...location, signer: this.signer }, async (tree) => {
      for await (const { entry, name, isDirectory, depth, isLast } of walkTop(tree, path, !isInto, this.signal)) {
        if (isDirectory) directories += 1;
        else files += 1;
        await out.write(json ? JSON.stringify(withoutContent(entry)) : truncate(branches.before(depth - 1, isLast) + printable(name), width));
      }
    });
    if (!json) await out.write(`${directories} directories, ${files} files`);
    await out.end();
  }
}
