import { Flags } from '@oclif/core';
import { ClusterView, type ClusterSample } from '../core/api/meta/cluster-view.js';
import { formatDuration } from '../core/config/duration.js';
import { limits } from '../core/config/limits.js';
import { realTime } from '../core/time.js';
import { BaseCommand } from '../ux/base-command.js';
import { address, addresses, duration } from '../ux/flags.js';
import { writeJsonLines } from '../ux/json-lines.js';
import { sparkline } from '../ux/sparkline.js';
import { renderTable, type Column } from '../ux/table.js';
import { widthOf } from '../ux/terminal.js';

type Pair = ClusterSample['pairs'][number];

export default class FilerPeers extends BaseCommand<typeof FilerPeers> {
  static override description = [
    'Show which filer follows which, how far behind each is, and why.\n',
    'Every filer is asked at the same moment, so one that hangs shows as unreachable with an unknown lag, never as caught up.',
    'BEHIND counts the changes the peer has and the filer lacks; LAG is the age of the oldest of them.\n',
    'Exits 1 if a filer that is up does not answer, does not follow all others, is more than --maxLag behind, differs, is damaged or has quarantined changes;',
    'filers that are down do not count.',
  ].join(' ');
  static override aliases = ['cluster.check', 'cluster.ps'];
  static override examples = [
    '<%= config.bin %> filer.peers',
    '<%= config.bin %> filer.peers --filer=localhost:8888 --watch',
    '<%= config.bin %> filer.peers --master=localhost:9333 --maxLag=1s --json',
    { description: 'For good, by the origin in the store id of one that is gone', command: '<%= config.bin %> filer.peers --forget=0123456789abcdef' },
  ];
  static override flags = {
    master: addresses({ description: 'masters to ask for the filers, with commas between', default: ['localhost:9333'], defaultPort: 9333 }),
    filer: address({ description: 'any filer to ask for its peers, instead of a master', defaultPort: 8888 }),
    filerGroup: Flags.string({ description: 'group of filers to show', default: '' }),
    watch: Flags.boolean({ description: 'look again every second, worst first; in a pipe one line of JSON each time' }),
    maxLag: duration({ description: 'greatest lag that is still healthy', default: limits.lagMs }),
    forget: Flags.string({
      description: 'take this filer off the list of the masters and close its origin: nothing waits for it any longer',
      helpValue: '<origin>',
      exclusive: ['watch', 'filer'],
    }),
  };
  protected override readonly kind = 'stream';

  async run(): Promise<void> {
    const { master, filer = null, filerGroup, watch, maxLag, forget } = this.flags;
    const view = new ClusterView({ masters: master, filer, group: filerGroup, maxLagMs: maxLag, signer: this.signer, time: realTime });
    try {
      if (forget !== undefined) await this.#forget(view, forget);
      else if (watch) await this.#watch(view);
      else await this.#show(view);
    } finally {
      await view.close();
    }
  }

  async #show(view: ClusterView): Promise<void> {
    const sample = await view.sample(this.signal);
    if (this.flags.json) process.stdout.write(`${JSON.stringify(sample, null, 2)}\n`);
    else process.stdout.write(this.#table(sample));
    for (const line of this.#remarks(sample)) this.say(line);
    if (!sample.healthy) process.exitCode = 1;
  }

  async #watch(view: ClusterView): Promise<void> {
    const isJson = this.flags.json || !process.stdout.isTTY;
    const lags: (number | null)[] = [];
    for (;;) {
      const due = realTime.monotonic() + limits.watchMs;
      const sample = await view.sample(this.signal);
      lags.push(greatestLag(sample.pairs));
      if (lags.length > samplesShown) lags.shift();
      if (isJson) await writeJsonLines(process.stdout, [sample]);
      else this.screen.draw([...this.#table(worstFirst(sample)).trimEnd().split('\n'), lagLine(lags), ...this.#remarks(sample), ...(this.live ? [] : [''])]);
      await realTime.sleep(Math.max(0, due - realTime.monotonic()), this.signal);
    }
  }

  async #forget(view: ClusterView, origin: string): Promise<void> {
    const { masters, closedBy } = await view.forget(origin, this.signal);
    if (this.flags.json) await writeJsonLines(process.stdout, [{ forgotten: origin, masters, closedBy }]);
    else process.stdout.write(`${origin} is off the list of ${masters.join(', ')}${closedBy === null ? '' : `, and closed at ${closedBy}`}\n`);
    if (closedBy === null) this.say('no filer could be asked to close it, so logs and tombstones still wait for it: try again when one is up');
    this.say('a filer that still runs rejoins under a new origin; one that was stopped for good stays forgotten');
  }

  #table({ pairs, filers }: ClusterSample): string {
    const [only] = filers;
    // A filer without peers has a row too, so that its state shows.
    const rows = pairs.length === 0 && only ? [rowAlone(only)] : pairs;
    return renderTable(columns, rows, { width: widthOf(process.stdout), style: this.styleFor(process.stdout) });
  }

  #remarks({ filers, silentMasters }: ClusterSample): string[] {
    const none = filers.length === 0 ? ['no filer has registered; start one with kelp filer'] : [];
    const quarantined = filers.flatMap(({ address: filer, quarantined: { length } }) =>
      length === 0 ? [] : [`${length} ${length === 1 ? 'change is' : 'changes are'} quarantined at ${filer}; see kelp filer.quarantine --filer=${filer}`],
    );
    return [...silentMasters.map(({ address: master, error }) => `master ${master} is left out: ${error}`), ...quarantined, ...none];
  }
}

/** As many as go on a line of 80 columns. */
const samplesShown = 60;

/** Of the pairs that count; null if one of them is not known. */
function greatestLag(pairs: readonly Pair[]): number | null {
  const lags = pairs.filter(({ state }) => state !== 'down').map(({ lagSeconds }) => lagSeconds);
  return lags.includes(null) ? null : Math.max(0, ...lags.map((lag) => lag ?? 0));
}

function lagLine(lags: readonly (number | null)[]): string {
  const now = lags.at(-1) ?? null;
  return `lag ${sparkline(lags)} ${now === null ? 'unknown' : seconds(now)}`;
}

/** The pairs that are not healthy, then by lag, an unknown one before any other. */
function worstFirst(sample: ClusterSample): ClusterSample {
  const rank = ({ healthy, lagSeconds }: Pair): number => (healthy ? 0 : 1e12) + (lagSeconds ?? 1e9);
  return { ...sample, pairs: [...sample.pairs].sort((a, b) => rank(b) - rank(a)) };
}

const alone: Pair = {
  filer: '',
  filerOrigin: '',
  peer: '-',
  peerOrigin: '',
  state: 'unknown',
  behind: null,
  lagSeconds: null,
  rate: 0,
  etaSeconds: null,
  digest: 'unknown',
  lastContact: null,
  contactSeconds: null,
  skewSeconds: null,
  error: null,
  healthy: true,
};

function rowAlone({ address: filer, state, damage, error }: ClusterSample['filers'][number]): Pair {
  const found = damage === null ? null : { code: 'DIGEST_MISMATCH', error: damage };
  return { ...alone, filer, state: state as Pair['state'], digest: found ? 'damaged' : 'unknown', error: error ?? found };
}

const seconds = (value: number): string => (value === 0 ? '0s' : formatDuration(value * 1000));
const isAlone = ({ peer }: Pair): boolean => peer === alone.peer;

const columns: readonly Column<Pair>[] = [
  { header: 'FILER', value: ({ filer }) => filer, keepsEnd: true },
  { header: 'PEER', value: ({ peer }) => peer, keepsEnd: true },
  {
    header: 'STATE',
    value: ({ state }) => state,
    paint: ({ state, healthy }, style) => (state === 'following' || state === 'ready' ? style.good : healthy ? style.faint : style.bad),
  },
  { header: 'BEHIND', value: ({ behind }) => behind, align: 'right' },
  {
    header: 'LAG',
    value: (pair) => (isAlone(pair) ? null : pair.lagSeconds === null ? 'unknown' : seconds(pair.lagSeconds)),
    align: 'right',
    paint: ({ lagSeconds, healthy }, style) => (lagSeconds === null || !healthy ? style.warning : style.good),
  },
  { header: 'RATE', value: ({ rate }) => (rate > 0 ? `${rate}/s` : null), align: 'right', dropOrder: 3 },
  { header: 'ETA', value: ({ etaSeconds }) => (etaSeconds ? seconds(etaSeconds) : null), align: 'right', dropOrder: 4 },
  {
    header: 'DIGEST',
    value: (pair) => (isAlone(pair) && pair.digest === 'unknown' ? null : pair.digest),
    paint: ({ digest }, style) => (digest === 'equal' ? style.good : digest === 'unknown' ? style.faint : style.bad),
    dropOrder: 1,
  },
  { header: 'CONTACT', value: ({ contactSeconds }) => (contactSeconds === null ? null : `${seconds(contactSeconds)} ago`), align: 'right', dropOrder: 5 },
  {
    header: 'SKEW',
    value: ({ skewSeconds }) => (skewSeconds === null ? null : `${skewSeconds < 0 ? '-' : ''}${seconds(Math.abs(skewSeconds))}`),
    align: 'right',
    dropOrder: 6,
  },
  { header: 'ERROR', value: ({ error }) => error?.error ?? null, dropOrder: 2 },
];
