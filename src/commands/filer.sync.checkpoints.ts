import { Flags } from '@oclif/core';
import { askFiler } from '../core/api/meta/ask-filer.js';
import { findLink, listLinks, resetLink, setLink, type LinkReport } from '../core/api/meta/sync-checkpoints.js';
import { BaseCommand } from '../ux/base-command.js';
import { address } from '../ux/flags.js';
import { renderTable, type Column } from '../ux/table.js';
import { widthOf } from '../ux/terminal.js';

export default class FilerSyncCheckpoints extends BaseCommand<typeof FilerSyncCheckpoints> {
  static override description = [
    'Show where the links that write to a cluster go on; set one back or forward, or forget it.\n',
    'A link is one direction of kelp filer.sync. Its name follows from both clusters, both paths and the filters. One that is forgotten begins with a copy.',
    'QUARANTINED counts the paths that were put aside because the target refused what was changed there; --link shows them, and why.\n',
    'Stop the sync first: one that runs writes its own checkpoint again.',
  ].join(' ');
  static override examples = [
    '<%= config.bin %> filer.sync.checkpoints --filer=localhost:9888',
    '<%= config.bin %> filer.sync.checkpoints --filer=localhost:9888 --link=0123456789abcdef --json',
    '<%= config.bin %> filer.sync.checkpoints --filer=localhost:9888 --reset=0123456789abcdef',
  ];
  static override enableJsonFlag = true;
  static override flags = {
    filer: address({ description: 'any filer of the cluster that is written to', default: 'localhost:8888', defaultPort: 8888 }),
    link: Flags.string({ description: 'only this link, whole', helpValue: '<link>' }),
    set: Flags.string({ description: 'let this link go on after --position', helpValue: '<link>', dependsOn: ['position'], exclusive: ['link', 'reset'] }),
    position: Flags.string({ description: 'position of the source; empty = from the beginning of its log', helpValue: '<origin:seq~…>', dependsOn: ['set'] }),
    reset: Flags.string({ description: 'forget this link: it begins with a copy', helpValue: '<link>', exclusive: ['link', 'set'] }),
    forget: Flags.string({
      description: 'of a link that reads from the cluster of --filer and is gone for good: log and tombstones wait for it no more',
      helpValue: '<link>',
      exclusive: ['link', 'set', 'reset'],
    }),
  };

  async run(): Promise<LinkReport[]> {
    const { filer, link, set, position = '', reset, forget } = this.flags;
    return askFiler(filer, this.signer, async (client) => {
      if (set !== undefined) {
        const { again, left } = await setLink(client, set, position, this.signal);
        this.say(`${set} takes ${again} changes again, and leaves out ${left}`);
      } else if (reset !== undefined) {
        await resetLink(client, reset, this.signal);
        this.say(`${reset} is forgotten; it begins with a copy`);
      }
      if (forget !== undefined) {
        await client.forgetLink(forget, this.signal);
        this.say(`${forget} is forgotten; nothing here waits for it`);
      }
      if (reset !== undefined || forget !== undefined) return [];
      const only = link ?? set;
      const links = only === undefined ? await listLinks(client, this.signal) : [await findLink(client, only, this.signal)];
      this.log(
        only === undefined ? renderTable(columns, links, { width: widthOf(process.stdout), style: this.styleFor(process.stdout) }).trimEnd() : details(links),
      );
      return links;
    });
  }
}

const columns: Column<LinkReport>[] = [
  { header: 'LINK', value: ({ link }) => link },
  { header: 'FROM', value: ({ from }) => from },
  { header: 'TO', value: ({ to }) => to },
  { header: 'PHASE', value: ({ phase }) => phase },
  { header: 'QUARANTINED', value: ({ quarantined }) => quarantined.length, align: 'right' },
  { header: 'WRITTEN', value: ({ written }) => written },
  { header: 'SOURCE', value: ({ source }) => source, dropOrder: 2 },
  { header: 'EXCLUDED', value: ({ excludes }) => excludes.join(',') || null, dropOrder: 1 },
];

const details = (links: readonly LinkReport[]): string =>
  links
    .flatMap(({ quarantined, ...link }) => [
      ...Object.entries(link).map(([name, value]) => `${name}\t${Array.isArray(value) ? value.join(',') || '-' : (value ?? '-')}`),
      ...quarantined.map(({ path, error, dots }) => `quarantined\t${path}\t${error ?? 'waits for another path'}\t${dots}`),
    ])
    .join('\n');
