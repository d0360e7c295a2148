import { Flags } from '@oclif/core';
import { waitForCluster, type Waiting, type WaitResult } from '../core/api/meta/cluster-wait.js';
import { realTime } from '../core/time.js';
import { BaseCommand } from '../ux/base-command.js';
import { addresses, duration } from '../ux/flags.js';
import { printable } from '../ux/printable.js';
import { startSpinner } from '../ux/spinner.js';
import { isLive } from '../ux/terminal.js';

export default class FilerWait extends BaseCommand<typeof FilerWait> {
  static override description = [
    'Wait until filers have reached a condition, and say so by the exit code.\n',
    'synced: all filers that are up were seen at one position with one digest; while writes never end, all have what any of them had at',
    'the start. ready: each is fit for traffic, as /readyz says. --position: each has everything up to there.\n',
    'Exits 0 when it is so, 1 when the time is over, naming the filers waited for, 3 when nobody can be reached.',
  ].join(' ');
  static override examples = [
    '<%= config.bin %> filer.wait',
    '<%= config.bin %> filer.wait --master=localhost:9333 --for=ready --timeout=1m',
    '<%= config.bin %> filer.wait --filer=localhost:8888,localhost:8889 --position=0123456789abcdef:42',
  ];
  static override enableJsonFlag = true;
  static override flags = {
    master: addresses({ description: 'masters to ask for the filers, with commas between', default: ['localhost:9333'], defaultPort: 9333 }),
    filer: addresses({ description: 'the filers to wait for, instead of all that the masters know as up', defaultPort: 8888 }),
    filerGroup: Flags.string({ description: 'group of filers to wait for', default: '' }),
    for: Flags.option({ options: ['synced', 'ready'] as const })({ description: 'what to wait for', default: 'synced' as const }),
    position: Flags.string({ description: 'wait until each has everything up to this position', helpValue: '<origin:seq~…>' }),
    timeout: duration({ description: 'how long to wait at most', default: 30_000 }),
  };

  async run(): Promise<WaitResult> {
    const { master, filer, filerGroup, position, timeout } = this.flags;
    // Elsewhere than on a terminal it is silent until it ends.
    const spinner = isLive(process.stderr) ? await startSpinner('looking', { coloured: this.flags.color }) : null;
    try {
      const result = await waitForCluster(
        {
          masters: master,
          filers: filer && filer.length > 0 ? filer : null,
          group: filerGroup,
          condition: this.flags.for,
          position: position ?? null,
          timeoutMs: timeout,
          signer: this.signer,
          time: realTime,
          progress: (waiting) => spinner?.update(`waiting for ${waiting.map(line).join(', ')}`),
        },
        this.signal,
      );
      spinner?.stop();
      if (result.done) this.log(`${result.filers.length} filers, ${result.seconds} s`);
      else this.#sayOver(result);
      return result;
    } catch (error) {
      spinner?.stop();
      throw error;
    }
  }

  #sayOver({ seconds, waiting }: WaitResult): void {
    this.say(`kelp ${this.id}: not so after ${seconds} s; waiting for`);
    for (const one of waiting) this.say(`  ${line(one)}`);
    process.exitCode = 1;
  }
}

const line = ({ filer, why }: Waiting): string => printable(`${filer}: ${why}`);
