import { gzipSync } from 'node:zlib';
import { Args } from '@oclif/core';
import { parseLocation } from '../core/tree/location.js';
import { entryOfJson } from '../core/tree/meta-record.js';
import { withTree } from '../core/tree/with-tree.js';
import { BaseCommand } from '../ux/base-command.js';
import { address } from '../ux/flags.js';

export default class FsMetaCat extends BaseCommand<typeof FsMetaCat> {
  static override description = [
    'Print the entry of a path: attributes, extended attributes, chunks, content, in the words of changes.\n',
    'Fields without a value are left out. Below stands how many chunks it has and how large its JSON is, as it is and compressed; --json prints the',
    'entry alone.',
  ].join(' ');
  static override examples = ['<%= config.bin %> fs.meta.cat /docs/a.txt', '<%= config.bin %> fs.meta.cat --json http://localhost:8888/docs'];
  static override args = { path: Args.string({ description: 'path, or http://host:port/path', required: true }) };
  static override enableJsonFlag = true;
  static override flags = {
    filer: address({ description: 'filer to ask', default: 'localhost:8888', defaultPort: 8888 }),
  };

  async run(): Promise<ReturnType<typeof entryOfJson>> {
    const { path, ...location } = parseLocation(this.args.path, this.flags.filer, 'path');
    const entry = entryOfJson(await withTree({ ...location, signer: this.signer }, (tree) => tree.metadata(path, { signal: this.signal })));
    const text = JSON.stringify(entry);
    this.log(JSON.stringify(entry, null, 2));
    this.log(`chunks ${entry.chunks?.length ?? 0} meta size: ${Buffer.byteLength(text)} gzip:${gzipSync(text).length}`);
    return entry;
  }
}
