import { Args, Flags } from '@oclif/core';
import { limits } from '../core/config/limits.js';
import { FilerError } from '../core/errors.js';
import { parseLocation } from '../core/tree/location.js';
import { removeAt } from '../core/tree/step-by-step.js';
import { withTree } from '../core/tree/with-tree.js';
import { BaseCommand } from '../ux/base-command.js';
import { address } from '../ux/flags.js';
import { printable } from '../ux/printable.js';
import { stepProgress } from '../ux/step-progress.js';

export default class FsRm extends BaseCommand<typeof FsRm> {
  static override description = [
    'Delete files and directories of a filer.\n',
    'A directory that is not empty needs -r. It goes in one transaction; what is too large for that (--subtreeLimit of the filer) goes in steps,',
    'and says so; should that be broken off, the same line goes on with it. A path that is not there is an error unless -f is given. What',
    'fails does not keep the others from being deleted.',
  ].join(' ');
  static override examples = [
    '<%= config.bin %> fs.rm -f /docs/a.txt /docs/b.txt',
    '<%= config.bin %> fs.rm -rf --filer=localhost:8888 /docs',
    '<%= config.bin %> fs.rm -r -f http://localhost:8888/papers',
  ];
  static override args = { path: Args.string({ description: 'path, or http://host:port/path, and more of them', required: true }) };
  static override strict = false;
  static override usage = 'fs.rm [-r] [-f] PATH…';
  static override enableJsonFlag = true;
  static override flags = {
    filer: address({ description: 'filer to ask', default: 'localhost:8888', defaultPort: 8888 }),
    recursive: Flags.boolean({ char: 'r', description: 'directories with all that is in them' }),
    force: Flags.boolean({ char: 'f', description: 'no word about what is not there' }),
  };

  async run(): Promise<{ removed: string[]; failed: { path: string; code: string; error: string }[] }> {
    const { filer, recursive, force } = this.flags;
    const locations = this.words.map((word) => parseLocation(word, filer, 'path'));
    const removed: string[] = [];
    const failed: { path: string; code: string; error: string }[] = [];
    for (const { path, address: at } of locations) {
      const begun = () => this.say(`${printable(path)} is too large for one transaction: it goes in steps`);
      const steps = stepProgress(`deleting ${printable(path)}`, begun, { coloured: this.flags.color });
      try {
        const remove = { path, recursive, force };
        if (await withTree({ address: at, signer: this.signer, inFlight: limits.stepsInFlight }, (tree) => removeAt(tree, remove, steps, this.signal)))
          removed.push(path);
      } catch (error) {
        // Whoever does not answer would not answer the next time either.
        if (!(error instanceof FilerError) || error.retriable) throw error;
        // Before anything is said, which would stand in its line.
        steps.stop();
        failed.push({ path, code: error.code, error: error.message });
        this.say(`kelp ${this.id}: ${printable(error.message)}`);
        process.exitCode = error.exit;
      } finally {
        steps.stop();
      }
    }
    return { removed, failed };
  }
}
