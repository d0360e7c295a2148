import { askLog, logToJson, type Holder, type LogReport, type PeerBudget } from '../core/api/meta/log-report.js';
import { formatDuration } from '../core/config/duration.js';
import { BaseCommand } from '../ux/base-command.js';
import { address } from '../ux/flags.js';
import { renderTable, type Column } from '../ux/table.js';
import { widthOf } from '../ux/terminal.js';

export default class FilerLog extends BaseCommand<typeof FilerLog> {
  static override description = [
    'Show what a filer keeps of its log: size and span, who holds it back, and how long each peer may stay away.\n',
    'AWAY is the outage budget: a peer that stays away longer finds its place in the log gone and takes a snapshot, by itself.',
    'MISSING is what the peer has not acknowledged; HOLDS says whether it keeps the log or tombstones from being dropped.',
  ].join(' ');
  static override examples = ['<%= config.bin %> filer.log', '<%= config.bin %> filer.log --filer=localhost:8889 --json'];
  static override enableJsonFlag = true;
  static override flags = {
    filer: address({ description: 'filer to ask', default: 'localhost:8888', defaultPort: 8888 }),
  };

  async run(): Promise<Record<string, unknown>> {
    const report = await askLog(this.flags.filer, this.signal, this.signer);
    if (this.flags.json) return logToJson(report);
    const options = { width: widthOf(process.stdout), style: this.styleFor(process.stdout) };
    process.stdout.write(renderTable(summaryColumns, summaryOf(report), options));
    if (report.peers.length > 0) process.stdout.write(`\n${renderTable(peerColumns, rowsOf(report), options)}`);
    return logToJson(report);
  }
}

const summaryColumns: readonly Column<readonly [what: string, value: string]>[] = [
  { header: 'WHAT', value: ([what]) => what },
  { header: 'VALUE', value: ([, value]) => value },
];

function summaryOf(report: LogReport): (readonly [string, string])[] {
  const { changes, bytes, bytesMax, oldest, retentionSeconds, retentionMaxSeconds, heldBy, tombstones, closed } = report;
  return [
    ['changes', String(changes)],
    ['bytes', `${bytes} of at most ${bytesMax}`],
    ['oldest change', oldest ?? '-'],
    ['kept', `${spanOf(retentionSeconds)}, at most ${spanOf(retentionMaxSeconds)}`],
    ['held back by', holders(heldBy)],
    ['tombstones', `${tombstones.count}${tombstones.oldest === null ? '' : `, since ${tombstones.oldest}`}`],
    ['tombstones held by', holders(tombstones.heldBy)],
    ['closed origins', closed.length === 0 ? '-' : closed.join(', ')],
  ];
}

interface PeerRow extends PeerBudget {
  readonly holds: string;
}

/** Peers, and below them whoever holds something back without being one, such as a sync link. */
function rowsOf({ peers, heldBy, tombstones }: LogReport): PeerRow[] {
  return peers.map((peer) => {
    const holds = [
      heldBy.some(({ origin }) => origin === peer.origin) ? 'log' : null,
      tombstones.heldBy.some(({ origin }) => origin === peer.origin) ? 'tombstones' : null,
    ];
    return { ...peer, holds: holds.filter((one) => one !== null).join(', ') || '-' };
  });
}

const peerColumns: readonly Column<PeerRow>[] = [
  { header: 'PEER', value: ({ address }) => address },
  { header: 'REPORT', value: ({ reportAge }) => (reportAge === null ? 'none' : `${spanOf(reportAge)} ago`), align: 'right' },
  { header: 'MISSING', value: ({ missing }) => missing.events, align: 'right' },
  { header: 'BYTES', value: ({ missing }) => missing.bytes, align: 'right', dropOrder: 2 },
  {
    header: 'AWAY',
    value: ({ budgetSeconds }) => (budgetSeconds === null ? 'unknown' : spanOf(budgetSeconds)),
    align: 'right',
    paint: ({ budgetSeconds }, style) => (budgetSeconds === null || budgetSeconds < hourSeconds ? style.warning : style.good),
  },
  { header: 'HOLDS', value: ({ holds }) => holds, dropOrder: 1 },
];

const hourSeconds = 3600;
const spanOf = (seconds: number): string => (seconds <= 0 ? '0s' : formatDuration(Math.round(seconds) * 1000));

function holders(all: readonly Holder[]): string {
  return all.length === 0 ? 'nobody' : all.map(({ address, origin, reason }) => `${address ?? origin} (${reason})`).join(', ');
}
