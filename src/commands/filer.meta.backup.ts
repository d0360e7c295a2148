import { Flags } from '@oclif/core';
import { formatDuration } from '../core/config/duration.js';
import { limits } from '../core/config/limits.js';
import { parseBackupScope, withBackup, type BackupStatus, type Sync } from '../core/replay/backup.js';
import { realTime } from '../core/time.js';
import { BaseCommand } from '../ux/base-command.js';
import { addresses, duration, noEffectFlags } from '../ux/flags.js';
import { writeJsonLines } from '../ux/json-lines.js';
import { LiveView } from '../ux/live-view.js';
import { renderTable, type Column } from '../ux/table.js';
import { widthOf } from '../ux/terminal.js';

export default class FilerMetaBackup extends BaseCommand<typeof FilerMetaBackup> {
  static override description = [
    'Keep a copy of the metadata of a cluster in the folder of a store.\n',
    'The first run takes all entries, then follows the changes. Where it is stands in the folder with the data, so it may be stopped, or killed, at any time and',
    'goes on with the same command, also at another filer of the cluster: name one or more, the others are learned. The cluster keeps its log for the copy up to',
    'the hard limits; if the copy was away for longer, all entries are taken again, and what is gone meanwhile goes.\n',
    'The folder opens as a filer afterwards (kelp filer --defaultStoreDir=DIR), with a new origin: the copy is one of its own, and not a member that was away.',
    'Let no filer run on it while it is kept. A copy that is given up is forgotten with kelp filer.sync.checkpoints --forget=LINK.\n',
    'With --once it exits 0 when the copy has all that the cluster had, 1 when the time is over.',
  ].join(' ');
  static override examples = [
    '<%= config.bin %> filer.meta.backup --filer=localhost:8888 --store=./backup',
    '<%= config.bin %> filer.meta.backup --filer=localhost:8888,localhost:8889 --store=./backup --once --timeout=10m',
    '<%= config.bin %> filer.meta.backup --filer=localhost:8888 --store=./docs-only --includePrefixes=/docs,/tmp/kept --excludePrefixes=/tmp --once',
  ];
  static override flags = {
    ...noEffectFlags(['config']),
    filer: addresses({ description: 'filers of the cluster, with commas between; one is enough', default: ['localhost:8888'], defaultPort: 8888 }),
    store: Flags.string({ description: 'folder of the copy; made if it is missing', required: true, helpValue: '<dir>' }),
    filerDir: Flags.string({ description: 'only this directory', default: '/', helpValue: '<path>' }),
    includePrefixes: Flags.string({ description: 'only what is in these directories, with commas between', default: '', helpValue: '<path,…>' }),
    excludePrefixes: Flags.string({
      description: 'nothing of what is in these directories; of several that hold an entry, included ones too, the deepest says',
      default: '',
      helpValue: '<path,…>',
    }),
    restart: Flags.boolean({ description: 'take all entries again, also with another choice of directories; what is not taken goes' }),
    once: Flags.boolean({ description: 'end when the copy has all that the cluster has' }),
    timeout: duration({ description: 'how long --once may take', default: 10 * 60_000 }),
  };
  protected override readonly kind = 'stream';

  async run(): Promise<void> {
    const { filer, store, restart, once, timeout } = this.flags;
    const scope = parseBackupScope(this.flags);
    const options = { addresses: filer, signer: this.signer, directory: store, scope, restart, time: realTime, logger: this.logger };
    await withBackup(options, this.signal, async (backup) => {
      if (!once) return this.#follow(backup, (signal) => backup.run(signal));
      const isWhole = await this.#follow(backup, (signal) => backup.runUntilEqual(timeout, limits.waitLookMs, signal));
      if (isWhole) return this.say(`${store} holds all of it`);
      const quarantined = backup.status().directions.reduce((sum, one) => sum + one.quarantined, 0);
      const why = quarantined > 0 ? `${quarantined} paths are quarantined` : `the time of ${formatDuration(timeout)} is over`;
      this.say(`kelp ${this.id}: ${store} does not hold all of it: ${why}`);
      process.exitCode = 1;
    });
  }

  /** Shows how far it is until `work` has ended: live on a terminal, or as JSON lines. */
  async #follow<T>(backup: Sync, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const shown = new AbortController();
    const showing = this.#show(backup, shown.signal);
    try {
      return await work(this.signal);
    } finally {
      shown.abort();
      await showing;
    }
  }

  async #show(backup: Sync, signal: AbortSignal): Promise<void> {
    const { json } = this.flags;
    const screen = new LiveView();
    const draw = async (): Promise<void> => {
      const { directions } = backup.status();
      if (json)
        await writeJsonLines(
          process.stdout,
          directions.map((one) => ({ time: new Date(realTime.micros() / 1000).toISOString(), ...one })),
        );
      else {
        const table = renderTable(columns, directions, { width: widthOf(process.stdout), style: this.styleFor(process.stdout) });
        screen.draw(table.trimEnd().split('\n'));
      }
    };
    while (!signal.aborted) {
      if (json || this.live) await draw();
      await realTime.sleep(limits.watchMs, signal).catch(() => {});
    }
    await draw();
  }
}

const columns: Column<BackupStatus>[] = [
  {
    header: 'STATE',
    value: ({ state }) => state,
    paint: ({ state }, style) => (state === 'following' ? style.good : state === 'copying' ? style.warning : style.bad),
  },
  { header: 'BEHIND', value: ({ behind }) => behind, align: 'right' },
  { header: 'LAG', value: ({ lagSeconds }) => (lagSeconds === null ? null : formatDuration(Math.round(lagSeconds * 1000))), align: 'right' },
  { header: 'RATE', value: ({ rate }) => `${rate}/s`, align: 'right', dropOrder: 2 },
  { header: 'ETA', value: ({ etaSeconds }) => (etaSeconds === null ? null : formatDuration(etaSeconds * 1000)), align: 'right', dropOrder: 3 },
  { header: 'READ', value: ({ received }) => received, align: 'right' },
  { header: 'WRITTEN', value: ({ applied }) => applied, align: 'right' },
  { header: 'QUARANTINED', value: ({ quarantined }) => quarantined, align: 'right', dropOrder: 1 },
  { header: 'FROM', value: ({ source }) => source, dropOrder: 4 },
  { header: 'ERROR', value: ({ lastError }) => lastError?.error ?? null, dropOrder: 5 },
];
