import { writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { Args, Flags } from '@oclif/core';
import { parseLocation } from '../core/tree/location.js';
import { withTree } from '../core/tree/with-tree.js';
import { BaseCommand } from '../ux/base-command.js';
import { address } from '../ux/flags.js';

export default class FilerCat extends BaseCommand<typeof FilerCat> {
  static override description = [
    'Print what is in files of a filer, one after the other, as it is.\n',
    'With -o it is written into a file, which is only touched once the first one has been read. With --json it says how much that was, and on',
    'stdout stands nothing else.',
  ].join(' ');
  static override examples = [
    '<%= config.bin %> filer.cat http://localhost:8888/docs/a.txt',
    '<%= config.bin %> filer.cat -o /tmp/a.txt --filer=localhost:8888 /docs/a.txt',
  ];
  static override args = { url: Args.string({ description: 'http://host:port/path or a path, and more of them', required: true }) };
  static override strict = false;
  static override usage = 'filer.cat [-o FILE] http://HOST:PORT/PATH…';
  static override enableJsonFlag = true;
  static override flags = {
    filer: address({ description: 'filer that paths without an address are of', default: 'localhost:8888', defaultPort: 8888 }),
    output: Flags.string({ char: 'o', description: 'write into this file instead', helpValue: '<file>' }),
  };

  async run(): Promise<{ files: { path: string; bytes: number }[] }> {
    const { filer, output } = this.flags;
    const locations = this.words.map((word) => parseLocation(word, filer, 'path'));
    const files: { path: string; bytes: number }[] = [];
    for (const { path, ...location } of locations) {
      const content = await withTree({ ...location, signer: this.signer }, (tree) => tree.content(path, { signal: this.signal }));
      if (output !== undefined) await writeFile(output, content, { flag: files.length === 0 ? 'w' : 'a' });
      else if (!this.jsonEnabled() && !process.stdout.write(content)) await once(process.stdout, 'drain');
      files.push({ path, bytes: content.length });
    }
    return { files };
  }
}
