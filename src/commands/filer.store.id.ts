import { Flags } from '@oclif/core';
import type { StoreIds } from '../core/api/meta/store-ids.js';
import { FilerError } from '../core/errors.js';
import type { Finding } from '../core/offline-store-check.js';
import type { Signer } from '../core/security/signer.js';
import { realTime } from '../core/time.js';
import { BaseCommand } from '../ux/base-command.js';
import { address } from '../ux/flags.js';
import { printable } from '../ux/printable.js';
import { startSpinner } from '../ux/spinner.js';

export default class FilerStoreId extends BaseCommand<typeof FilerStoreId> {
  static override description = [
    'Show, renew or check the ids of a store.\n',
    'Prints the store id alone; --json prints all ids. --regenerate makes a store do what it does by itself when it finds that it was',
    'restored or copied: it goes on under a new origin and rejoins the others at its next start. --check compares all that is kept in a store',
    'with each other, and exits 1 if something does not fit; beside a running filer too.',
  ].join(' ');
  static override examples = [
    '<%= config.bin %> filer.store.id --filer=localhost:8888',
    { description: 'Of the folder of a filer that is stopped', command: '<%= config.bin %> filer.store.id --store=/var/lib/kelp --json' },
    '<%= config.bin %> filer.store.id --store=/var/lib/kelp --regenerate',
    '<%= config.bin %> filer.store.id --store=/var/lib/kelp --check',
  ];
  static override enableJsonFlag = true;
  static override flags = {
    filer: address({ description: 'filer to ask; default: localhost:8888 unless --store is given', defaultPort: 8888, exclusive: ['store'] }),
    store: Flags.string({ description: 'folder of a store, whether its filer runs or not', helpValue: '<dir>' }),
    regenerate: Flags.boolean({ description: 'go on under a new origin; needs --store, and its filer stopped', exclusive: ['check', 'filer'] }),
    check: Flags.boolean({ description: 'compare rows, sums, counts and log with each other; through --filer only rows and digest' }),
  };

  async run(): Promise<StoreIds | { before: StoreIds; after: StoreIds } | { findings: Finding[] }> {
    const { filer = 'localhost:8888', store, check } = this.flags;
    if (this.flags.regenerate) return this.#regenerate(store);
    if (check) return this.#check(store === undefined ? checkFiler(filer, this.signal, this.signer) : checkFolder(store));
    const ids = store === undefined ? await this.#ask(filer) : await (await import('../core/offline-store.js')).readStoreIds(store);
    this.log(ids.storeId);
    return ids;
  }

  // Loaded when it is wanted: HTTP alone takes as long to load as all the rest, and scripts ask for ids often.
  async #ask(filer: string): Promise<StoreIds> {
    const { askStoreIds } = await import('../core/api/meta/store-ids.js');
    return askStoreIds(filer, this.signal, this.signer);
  }

  async #regenerate(directory: string | undefined): Promise<{ before: StoreIds; after: StoreIds }> {
    if (directory === undefined) throw new FilerError('USAGE', '--regenerate works on the folder of a filer that is stopped; name it with --store');
    const { regenerate } = await import('../core/offline-store.js');
    const { before, after } = await regenerate(directory, realTime);
    this.log(`${before.origin} → ${after.origin}`);
    this.say(after.phase === 'restored' ? 'it rejoins the others when its filer starts' : 'it goes on as it is when its filer starts');
    return { before, after };
  }

  async #check(found: AsyncIterable<Finding>): Promise<{ findings: Finding[] }> {
    const findings: Finding[] = [];
    const spinner = await startSpinner('checking', { coloured: this.flags.color });
    try {
      for await (const finding of found) {
        findings.push(finding);
        spinner.update(`checking: ${findings.length} so far`);
        this.log(`${finding.part}\t${printable(finding.problem)}`);
      }
    } catch (error) {
      spinner.fail();
      throw error;
    }
    if (findings.length === 0) spinner.succeed('all of it fits together');
    else spinner.fail(findings.length === 1 ? '1 thing does not fit' : `${findings.length} things do not fit`);
    if (findings.length > 0) process.exitCode = 1;
    return { findings };
  }
}

async function* checkFolder(directory: string): AsyncGenerator<Finding, void, undefined> {
  const { checkStore } = await import('../core/offline-store-check.js');
  yield* checkStore(directory, realTime);
}

async function* checkFiler(filer: string, signal: AbortSignal, signer: Signer | undefined): AsyncGenerator<Finding, void, undefined> {
  const { findDigestProblem } = await import('../core/api/meta/store-ids.js');
  const problem = await findDigestProblem(filer, signal, signer);
  if (problem !== null) yield { part: 'sums', problem };
}
