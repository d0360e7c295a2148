import { Flags } from '@oclif/core';
import { askFiler, type ConflictReport } from '../core/api/meta/ask-filer.js';
import { limits } from '../core/config/limits.js';
import { FilerError } from '../core/errors.js';
import { BaseCommand } from '../ux/base-command.js';
import { address } from '../ux/flags.js';
import { renderTable, type Column } from '../ux/table.js';
import { widthOf } from '../ux/terminal.js';

export default class FilerConflicts extends BaseCommand<typeof FilerConflicts> {
  static override description = [
    'Show what concurrent writes have overruled, newest first, and bring it back.\n',
    'Of two writes that had not seen each other the greater version stands everywhere; the other is kept whole in the ledger of the filers',
    'that saw both. --restore writes it again as a new change, which all filers take over; what stands now is overwritten by that.\n',
    'Exits 1 if there are any.',
  ].join(' ');
  static override examples = [
    '<%= config.bin %> filer.conflicts --filer=localhost:8888',
    '<%= config.bin %> filer.conflicts --path=/docs/a.txt --limit=5',
    { description: 'By an id of the list', command: '<%= config.bin %> filer.conflicts --show=0123456789abcdef' },
    '<%= config.bin %> filer.conflicts --restore=0123456789abcdef',
  ];
  static override enableJsonFlag = true;
  static override flags = {
    filer: address({ description: 'filer to ask', default: 'localhost:8888', defaultPort: 8888 }),
    path: Flags.string({ description: 'only conflicts at this path' }),
    limit: Flags.integer({ description: 'at most so many', default: limits.conflictsListed, min: 1, max: limits.conflictsListedMax }),
    show: Flags.string({ description: 'print one conflict whole', helpValue: '<id>', exclusive: ['restore'] }),
    restore: Flags.string({ description: 'write again what one conflict overruled', helpValue: '<id>' }),
  };

  async run(): Promise<{ conflicts: ConflictReport[] } | ConflictReport | { dot: string | null }> {
    const { filer, path, limit, show, restore } = this.flags;
    if (restore !== undefined) return this.#restore(restore);
    if (show !== undefined) return this.#show(show);
    const conflicts = await askFiler(filer, this.signer, (client) => client.conflicts({ path, limit }, this.signal));
    if (conflicts.length > 0) process.exitCode = 1;
    if (this.flags.json) return { conflicts };
    if (conflicts.length === 0) this.say(`no conflicts are known to ${filer}`);
    else process.stdout.write(renderTable(columns, conflicts, { width: widthOf(process.stdout), style: this.styleFor(process.stdout) }));
    return { conflicts };
  }

  async #show(id: string): Promise<ConflictReport> {
    const [found] = await askFiler(this.flags.filer, this.signer, (client) => client.conflicts({ id, limit: 1 }, this.signal));
    if (!found) throw new FilerError('ENTRY_NOT_FOUND', `the ledger of ${this.flags.filer} has no row ${id}; without --show its rows are listed`);
    this.log(JSON.stringify(found, null, 2));
    return found;
  }

  async #restore(id: string): Promise<{ dot: string | null }> {
    const dot = await askFiler(this.flags.filer, this.signer, (client) => client.restore(id, this.signal));
    if (dot === null) this.say('there was nothing to change: what was overruled is a deletion, and nothing stands there');
    else this.log(dot);
    return { dot };
  }
}

const stateOf = ({ deleted, version, author }: { deleted: boolean; version: number; author: string }): string =>
  `${deleted ? 'deletion' : 'entry'} of ${author} at ${new Date(version / 1000).toISOString()}`;

const columns: readonly Column<ConflictReport>[] = [
  { header: 'ID', value: ({ id }) => id },
  { header: 'SEEN', value: ({ seenAt }) => new Date(seenAt / 1000).toISOString(), dropOrder: 3 },
  { header: 'TYPE', value: ({ type }) => type },
  { header: 'PATH', value: ({ path }) => path },
  { header: 'STANDS', value: ({ winner }) => stateOf(winner), dropOrder: 1 },
  { header: 'OVERRULED', value: ({ loser }) => stateOf(loser), dropOrder: 2 },
];
