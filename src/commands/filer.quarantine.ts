import { Flags } from '@oclif/core';
import { askFiler, type QuarantinedReport, type QuarantineOutcome } from '../core/api/meta/ask-filer.js';
import { FilerError } from '../core/errors.js';
import { BaseCommand } from '../ux/base-command.js';
import { address } from '../ux/flags.js';
import { renderTable, type Column } from '../ux/table.js';
import { widthOf } from '../ux/terminal.js';

export default class FilerQuarantine extends BaseCommand<typeof FilerQuarantine> {
  static override description = [
    'Show what a filer could not apply, try it again, or drop it.\n',
    'A change that breaks a rule waits in the quarantine, and with it later changes of its paths and below them; all others flow.',
    'It is tried again at every start of the filer and from time to time. Dropping takes it out without effect: where others could apply it,',
    'this filer then differs from them until the path is written again.\n',
    'Exits 1 if anything is quarantined.',
  ].join(' ');
  static override examples = [
    '<%= config.bin %> filer.quarantine --filer=localhost:8888',
    { description: 'By a dot of the list', command: '<%= config.bin %> filer.quarantine --show=0123456789abcdef:42' },
    '<%= config.bin %> filer.quarantine --retry=all',
    '<%= config.bin %> filer.quarantine --drop=0123456789abcdef:42',
  ];
  static override enableJsonFlag = true;
  static override flags = {
    filer: address({ description: 'filer to ask', default: 'localhost:8888', defaultPort: 8888 }),
    show: Flags.string({ description: 'print one change whole', helpValue: '<dot>', exclusive: ['retry', 'drop'] }),
    retry: Flags.string({ description: 'try one change again, or all of them', helpValue: '<dot|all>', exclusive: ['drop'] }),
    drop: Flags.string({ description: 'take one change out without effect', helpValue: '<dot>' }),
  };

  async run(): Promise<{ quarantine: QuarantinedReport[] } | QuarantinedReport | QuarantineOutcome> {
    const { filer, show, retry, drop } = this.flags;
    if (retry !== undefined)
      return this.#tell(await askFiler(filer, this.signer, (client) => client.retryQuarantined(retry === 'all' ? null : retry, this.signal)));
    if (drop !== undefined) return this.#tell(await askFiler(filer, this.signer, (client) => client.dropQuarantined(drop, this.signal)));
    const quarantine = await askFiler(filer, this.signer, (client) => client.quarantine(this.signal));
    return show === undefined ? this.#list(quarantine) : this.#show(quarantine, show);
  }

  #list(quarantine: QuarantinedReport[]): { quarantine: QuarantinedReport[] } {
    if (quarantine.length > 0) process.exitCode = 1;
    if (this.flags.json) return { quarantine };
    if (quarantine.length === 0) this.say(`nothing is quarantined at ${this.flags.filer}`);
    else process.stdout.write(renderTable(columns, quarantine, { width: widthOf(process.stdout), style: this.styleFor(process.stdout) }));
    return { quarantine };
  }

  #show(quarantine: readonly QuarantinedReport[], dot: string): QuarantinedReport {
    const found = quarantine.find((one) => one.dot === dot);
    if (!found) throw new FilerError('ENTRY_NOT_FOUND', `${dot} is not quarantined at ${this.flags.filer}; without --show all that is are listed`);
    this.log(JSON.stringify(found, null, 2));
    return found;
  }

  #tell(outcome: QuarantineOutcome): QuarantineOutcome {
    const { applied, refused, dropped, left } = outcome;
    for (const dot of applied) this.log(`applied\t${dot}`);
    for (const dot of dropped) this.log(`dropped\t${dot}`);
    for (const dot of refused) this.log(`refused\t${dot}`);
    this.say(left === 0 ? 'nothing is quarantined any more' : `${left} ${left === 1 ? 'change is' : 'changes are'} still quarantined`);
    if (refused.length > 0) process.exitCode = 1;
    return outcome;
  }
}

const columns: readonly Column<QuarantinedReport>[] = [
  { header: 'DOT', value: ({ dot }) => dot },
  { header: 'PATH', value: ({ paths }) => (paths.length === 0 ? null : paths.join(' → ')) },
  { header: 'SINCE', value: ({ since }) => new Date(since / 1000).toISOString(), dropOrder: 2 },
  { header: 'ATTEMPTS', value: ({ attempts }) => attempts, align: 'right', dropOrder: 3 },
  { header: 'CODE', value: ({ code }) => code, dropOrder: 1 },
  {
    header: 'WHY',
    value: ({ error, waitsFor }) => error ?? `waits for ${waitsFor}`,
    paint: ({ error }, style) => (error === null ? style.faint : style.bad),
  },
];
