import { Args, Flags } from '@oclif/core';
import { FilerError } from '../core/errors.js';
import { parseLocation } from '../core/tree/location.js';
import { moveAll, moveTarget } from '../core/tree/step-by-step.js';
import { withTree } from '../core/tree/with-tree.js';
import { limits } from '../core/config/limits.js';
import { BaseCommand } from '../ux/base-command.js';
import { address } from '../ux/flags.js';
import { printable } from '../ux/printable.js';
import { stepProgress } from '../ux/step-progress.js';

export default class FsMv extends BaseCommand<typeof FsMv> {
  static override description = [
    'Move or rename a file or a directory of a filer.\n',
    'Into the target if that is a directory, else to the very path; a file there is replaced. One move is one transaction. What is too large for',
    'that (--subtreeLimit of the filer) goes in steps, and says so; should that be broken off, --merge goes on with it: the source becomes the',
    'target, and what is in it is moved into what is there already.',
  ].join(' ');
  static override examples = [
    '<%= config.bin %> fs.mv /docs/a.txt /docs/b.txt',
    '<%= config.bin %> fs.mv --filer=localhost:8888 /docs /archive',
    { description: 'Go on with a move that was broken off', command: '<%= config.bin %> fs.mv --merge /docs /archive/docs' },
  ];
  static override args = {
    from: Args.string({ description: 'what to move: path, or http://host:port/path', required: true }),
    to: Args.string({ description: 'where to', required: true }),
  };
  static override enableJsonFlag = true;
  static override flags = {
    filer: address({ description: 'filer to ask', default: 'localhost:8888', defaultPort: 8888 }),
    merge: Flags.boolean({ description: 'the target is the directory itself, and may hold something already' }),
  };

  async run(): Promise<{ from: string; to: string; steps: number }> {
    const { filer, merge } = this.flags;
    const from = parseLocation(this.args.from, filer, 'from');
    const to = parseLocation(this.args.to, from.address, 'to');
    if (to.address !== from.address)
      throw new FilerError('USAGE', `${from.address} and ${to.address} are two filers; move within one, the others follow if they are of one cluster`);
    let steps = 0;
    return withTree({ address: from.address, signer: this.signer, inFlight: limits.stepsInFlight }, async (tree) => {
      const target = merge ? to.path : await moveTarget(tree, from.path, to.path, this.signal);
      const again = `kelp ${this.id} --filer=${from.address} --merge ${quoted(from.path)} ${quoted(target)}`;
      const begun = () => this.say(`${printable(from.path)} is too large for one transaction: it goes in steps; should it be broken off, go on with ${again}`);
      const progress = stepProgress(`moving ${printable(from.path)}`, begun, { coloured: this.flags.color });
      const done = (count: number) => {
        steps = count;
        progress.done(count);
      };
      await moveAll(tree, { from: from.path, to: target, merge }, { begun: progress.begun, done }, this.signal).finally(progress.stop);
      this.log(`move: ${printable(from.path)} => ${printable(target)}`);
      return { from: from.path, to: target, steps };
    });
  }
}

/** For a shell. */
const quoted = (path: string): string => (/^[\w./-]+$/.test(path) ? path : `$'${printable(path.replace(/['\\]/g, '\\$&'))}'`);
