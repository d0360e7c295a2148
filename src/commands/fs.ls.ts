import { Args, Flags } from '@oclif/core';
import type { EntryJson } from '../core/api/filer/protocol.js';
import { longFields, shortFields } from '../core/tree/lines.js';
import { parseLocation } from '../core/tree/location.js';
import { listOrFile, withoutContent } from '../core/tree/tree-walk.js';
import { withTree } from '../core/tree/with-tree.js';
import { BaseCommand } from '../ux/base-command.js';
import { address } from '../ux/flags.js';
import { LineWriter } from '../ux/json-lines.js';
import { printable, truncateStart } from '../ux/printable.js';
import { widthOf } from '../ux/terminal.js';

export default class FsLs extends BaseCommand<typeof FsLs> {
  static override description = [
    'List the names in a directory of a filer.\n',
    'With -l each line is mode, number of chunks, user, group, size and path, and the number of entries follows. Names that begin with a dot',
    'are left out unless -a is given. On a narrow terminal a line of -l has less, and a long path shows its end; in a pipe it is whole. --json prints each entry as a line of JSON, without its content. Of a file the file itself is listed.',
  ].join(' ');
  static override examples = [
    '<%= config.bin %> fs.ls',
    '<%= config.bin %> fs.ls -la --filer=localhost:8888 /',
    '<%= config.bin %> fs.ls --json http://localhost:8888/',
  ];
  static override args = { path: Args.string({ description: 'path, or http://host:port/path', default: '/' }) };
  static override flags = {
    filer: address({ description: 'filer to ask', default: 'localhost:8888', defaultPort: 8888 }),
    long: Flags.boolean({ char: 'l', description: 'mode, chunks, user, group, size and path' }),
    all: Flags.boolean({ char: 'a', description: 'names that begin with a dot too' }),
  };

  async run(): Promise<void> {
    const { filer, long, all, json } = this.flags;
    const { path, ...location } = parseLocation(this.args.path, filer, 'path');
    const out = new LineWriter(process.stdout);
    let total = 0;
    await withTree({ ...location, signer: this.signer }, async (tree) => {
      for await (const { entry, name, path: at } of listOrFile(tree, path, this.signal)) {
        if (!all && name.startsWith('.') && at !== path) continue;
        total += 1;
        await out.write(json ? JSON.stringify(withoutContent(entry)) : long ? longLine(entry, printable(at), widthOf(process.stdout)) : printable(name));
      }
    });
    if (long && !json) await out.write(`total ${total}`);
    await out.end();
  }
}

/** With fewer columns a line is no more than mode, size and path. */
const longWidthMin = 60;

/** One line of -l, no wider than the terminal (null = none). */
function longLine(entry: EntryJson, shown: string, width: number | null): string {
  if (width === null) return `${longFields(entry)} ${shown}`;
  const fields = width < longWidthMin ? shortFields(entry) : longFields(entry);
  return `${fields} ${truncateStart(shown, Math.max(1, width - fields.length - 1))}`;
}
