import { Flags } from '@oclif/core';
import { parsePathPrefix } from '../core/api/meta/tail.js';
import { realTime } from '../core/time.js';
import { compareTrees, differenceLine } from '../core/tree/tree-compare.js';
import { withTree } from '../core/tree/with-tree.js';
import { BaseCommand } from '../ux/base-command.js';
import { address, duration } from '../ux/flags.js';
import { writeJsonLines, writeLines } from '../ux/json-lines.js';
import { printable } from '../ux/printable.js';

export default class FilerSyncVerify extends BaseCommand<typeof FilerSyncVerify> {
  static override description = [
    'Compare the trees of two filers, or one directory of each, name by name.\n',
    'Directories are compared by presence, files by size and then by ETag, with --attributes by mode, owner, times, type and tags too. Reports only.',
    'While a sync is under way, what it has not brought yet shows as a difference; --modifiedTimeAgo leaves out what is that young.\n',
    'Exits 0 if they are equal, 1 if not.',
  ].join(' ');
  static override examples = [
    '<%= config.bin %> filer.sync.verify --a=localhost:8888 --b=localhost:9888',
    '<%= config.bin %> filer.sync.verify --a=localhost:8888 --b=localhost:9888 --a.path=/docs --b.path=/mirror/docs --isActivePassive --jsonOutput',
  ];
  static override flags = {
    a: address({ description: 'filer of cluster A', required: true, defaultPort: 8888 }),
    b: address({ description: 'filer of cluster B', required: true, defaultPort: 8888 }),
    'a.path': Flags.string({ description: 'directory of A', default: '/', helpValue: '<path>' }),
    'b.path': Flags.string({ description: 'directory of B', default: '/', helpValue: '<path>' }),
    isActivePassive: Flags.boolean({ description: 'what only B has is no difference' }),
    modifiedTimeAgo: duration({ description: 'leave out files that were changed this long ago or later; 0 = none', default: 0 }),
    attributes: Flags.boolean({ description: 'compare attributes and tags too' }),
    jsonOutput: Flags.boolean({ description: 'print JSON lines, the last one a summary' }),
    exitCode: Flags.option({ options: ['kelp', 'weed'] as const })({ description: 'exit 1 if they differ, or 2 as weed does', default: 'kelp' as const }),
  };
  protected override readonly kind = 'stream';

  async run(): Promise<void> {
    const { a, b, isActivePassive, modifiedTimeAgo, attributes, jsonOutput, json, exitCode } = this.flags;
    const { signer, signal } = this;
    const [inA, inB] = [parsePathPrefix(this.flags['a.path']), parsePathPrefix(this.flags['b.path'])];
    const changedBeforeMs = modifiedTimeAgo === 0 ? Infinity : realTime.micros() / 1000 - modifiedTimeAgo;
    await withTree({ address: a, signer }, (treeA) =>
      withTree({ address: b, signer }, async (treeB) => {
        const found = compareTrees({
          a: { tree: treeA, path: inA },
          b: { tree: treeB, path: inB },
          isActivePassive,
          withAttributes: attributes,
          changedBeforeMs,
          signal,
        });
        for await (const one of found) {
          if (json || jsonOutput) await writeJsonLines(process.stdout, [one]);
          else if (one.type !== 'SUMMARY') await writeLines(process.stdout, [printable(differenceLine(one))]);
          if (one.type !== 'SUMMARY') continue;
          if (!json && !jsonOutput) this.say(`${one.directories} directories, ${one.files} files, ${one.totalErrors} differences`);
          if (one.totalErrors > 0) process.exitCode = exitCode === 'weed' ? 2 : 1;
        }
      }),
    );
  }
}
