import { Flags } from '@oclif/core';
import { formatDuration } from '../core/config/duration.js';
import { limits } from '../core/config/limits.js';
import { FilerError } from '../core/errors.js';
import {
  parseMaxDelete,
  parseScope,
  withSync,
  type Direction,
  type DirectionStatus,
  type Forecast,
  type Sync,
  type SyncSideOptions,
} from '../core/sync-process.js';
import { realTime } from '../core/time.js';
import { BaseCommand } from '../ux/base-command.js';
import { addresses, duration, noEffectFlags } from '../ux/flags.js';
import { writeJsonLines } from '../ux/json-lines.js';
import { renderTable, type Column } from '../ux/table.js';
import { widthOf } from '../ux/terminal.js';

const changesPerStep = 32;

/** Flags of `weed` that say where chunks are stored: kelp keeps none, so it could only pretend. */
const storage = (side: string) => ({
  [`${side}.replication`]: Flags.string({ hidden: true }),
  [`${side}.collection`]: Flags.string({ hidden: true }),
  [`${side}.disk`]: Flags.string({ hidden: true }),
  [`${side}.filerProxy`]: Flags.boolean({ hidden: true }),
});
const storageNames = ['replication', 'collection', 'disk', 'filerProxy'] as const;

export default class FilerSync extends BaseCommand<typeof FilerSync> {
  static override description = [
    'Keep the trees of two clusters the same, or one directory of each.\n',
    'Each side may be any number of filers: name one or more, the others are learned, and if the one that is followed goes away it goes on at another.',
    'The first run copies, then follows the changes; where it stopped is kept in the cluster that is written to, so it can be ended and started at any',
    'time, from anywhere. Of two changes to one path the newer wins on both sides; what it overruled is in kelp filer.conflicts.\n',
    'What a cluster refuses is put aside by path, shown by kelp filer.sync.checkpoints, and tried again; the rest goes on.\n',
    'With --once it exits 0 when both sides are equal, 1 when the time is over, or when nothing but what was refused is missing; of a link that another',
    'process runs it imports nothing, and waits. --plan tells what would be done. A run that would delete much ends before it does: see --maxDelete.',
  ].join(' ');
  static override examples = [
    '<%= config.bin %> filer.sync --a=localhost:8888 --b=localhost:9888',
    '<%= config.bin %> filer.sync --a=localhost:8888 --b=localhost:9888 --a.path=/docs --b.path=/mirror/docs --isActivePassive',
    '<%= config.bin %> filer.sync --a=localhost:8888 --b=localhost:9888 --plan',
    '<%= config.bin %> filer.sync --a=localhost:8888,localhost:8889 --b=localhost:9888 --once --timeout=10m',
  ];
  static override flags = {
    ...noEffectFlags(['chunkConcurrency', 'debug.port', 'cpuprofile', 'memprofile'], ['debug']),
    ...storage('a'),
    ...storage('b'),
    a: addresses({ description: 'filers of cluster A, with commas between; one is enough', required: true, defaultPort: 8888 }),
    b: addresses({ description: 'filers of cluster B', required: true, defaultPort: 8888 }),
    isActivePassive: Flags.boolean({ description: 'only from A to B' }),
    'a.path': Flags.string({ description: 'directory of A to keep the same as that of B', default: '/', helpValue: '<path>' }),
    'b.path': Flags.string({ description: 'directory of B', default: '/', helpValue: '<path>' }),
    'a.excludePaths': Flags.string({ description: 'directories of A that are not sent, with commas between', default: '', helpValue: '<path,…>' }),
    'b.excludePaths': Flags.string({ description: 'directories of B that are not sent', default: '', helpValue: '<path,…>' }),
    'a.fromTsMs': Flags.integer({ description: 'send the changes of A from this time on, milliseconds since 1970; at each start', default: 0, min: 0 }),
    'b.fromTsMs': Flags.integer({ description: 'the same for B', default: 0, min: 0 }),
    'a.doDeleteFiles': Flags.boolean({ description: 'delete in A what was deleted in B', default: true, allowNo: true }),
    'b.doDeleteFiles': Flags.boolean({ description: 'delete in B what was deleted in A', default: true, allowNo: true }),
    'a.ttlSec': Flags.integer({ description: 'seconds that files live which are written to A; 0 = as in B', default: 0, min: 0, max: 2 ** 31 - 1 }),
    'b.ttlSec': Flags.integer({ description: 'seconds that files live which are written to B; 0 = as in A', default: 0, min: 0, max: 2 ** 31 - 1 }),
    'a.debug': Flags.boolean({ description: 'print the changes received from A, on stderr' }),
    'b.debug': Flags.boolean({ description: 'print the changes received from B' }),
    initial: Flags.option({ options: ['copy', 'none'] as const })({
      description: 'what the first run begins with: a copy of all that is there, or only the changes that are in the log',
      default: 'copy' as const,
    }),
    plan: Flags.boolean({ description: 'tell what would be created, changed, deleted and moved in each direction, and do nothing', exclusive: ['once'] }),
    maxDelete: Flags.string({
      description: 'end before a run that would delete more: a number of entries, or a part of those in scope, which counts only above 100 entries',
      default: '50%',
      helpValue: '<number|part%>',
    }),
    force: Flags.boolean({ description: 'delete however much it is' }),
    once: Flags.boolean({ description: 'end when both sides are equal' }),
    timeout: duration({ description: 'how long --once may take', default: 10 * 60_000 }),
    concurrency: Flags.integer({ description: `changes in flight, in steps of ${changesPerStep}`, default: 32, min: 1, max: 1024 }),
    bwLimit: Flags.integer({ description: 'bytes a second that each direction may send; 0 = as fast as it goes', default: 0, min: 0 }),
    'a.secretFile': Flags.string({ description: 'file with the secret of cluster A, if it is not that of --secretFile', helpValue: '<file>' }),
    'b.secretFile': Flags.string({ description: 'the same for B', helpValue: '<file>' }),
    metricsIp: Flags.string({ description: 'address to serve metrics and status at', default: '127.0.0.1' }),
    metricsPort: Flags.integer({ description: 'port of /metrics and /status; 0 = none', default: 0, min: 0, max: 65_535 }),
  };
  protected override readonly kind = 'stream';

  async run(): Promise<void> {
    const { metricsIp, metricsPort, concurrency, bwLimit, once, timeout, isActivePassive, plan, force, maxDelete } = this.flags;
    this.#refuseStorage();
    if (!isActivePassive && (this.flags['a.ttlSec'] > 0 || this.flags['b.ttlSec'] > 0))
      throw new FilerError('USAGE', '--a.ttlSec, --b.ttlSec: go with --isActivePassive only, because the time to live would come back to the other side');
    const options = {
      a: this.#side('a'),
      b: this.#side('b'),
      aToB: this.#direction('a', 'b'),
      bToA: isActivePassive ? null : this.#direction('b', 'a'),
      changesMax: Math.min(limits.importChanges, concurrency * changesPerStep),
      bytesPerSecond: bwLimit === 0 ? null : bwLimit,
      maxDelete: force ? null : parseMaxDelete(maxDelete),
      port: metricsPort === 0 ? null : { host: metricsIp, port: metricsPort },
      program: `kelp ${this.config.version}`,
      time: realTime,
      logger: this.logger,
    };
    await withSync(options, this.signal, async (sync) => {
      if (plan) await this.#plan(sync);
      else if (once) await this.#once(sync, timeout);
      else await this.#follow(sync, (signal) => sync.run(signal));
    });
  }

  async #once(sync: Sync, timeoutMs: number): Promise<void> {
    const isEqual = await this.#follow(sync, (signal) => sync.runUntilEqual(timeoutMs, limits.waitLookMs, signal));
    if (isEqual) return this.say('both sides are equal');
    const quarantined = sync.status().directions.reduce((sum, one) => sum + one.quarantined, 0);
    this.say(
      quarantined > 0
        ? `kelp ${this.id}: not equal: ${quarantined} paths are quarantined; kelp filer.sync.checkpoints says why`
        : `kelp ${this.id}: not equal after ${formatDuration(timeoutMs)}`,
    );
    process.exitCode = 1;
  }

  async #plan(sync: Sync): Promise<void> {
    const forecasts = await sync.plan(this.signal);
    if (this.flags.json) return writeJsonLines(process.stdout, forecasts);
    process.stdout.write(renderTable(planColumns, forecasts, { width: widthOf(process.stdout), style: this.styleFor(process.stdout) }));
  }

  /** Shows how far it is until `work` has ended: live on a terminal, as JSON lines, else at the end. */
  async #follow<T>(sync: Sync, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const shown = new AbortController();
    const showing = this.#show(sync, shown.signal);
    try {
      return await work(this.signal);
    } finally {
      shown.abort();
      await showing;
    }
  }

  async #show(sync: Sync, signal: AbortSignal): Promise<void> {
    const { json } = this.flags;
    const draw = async (): Promise<void> => {
      const status = sync.status();
      if (json) await writeJsonLines(process.stdout, [{ time: new Date(realTime.micros() / 1000).toISOString(), ...status }]);
      else
        this.screen.draw(
          renderTable(columns, status.directions, { width: widthOf(process.stdout), style: this.styleFor(process.stdout) })
            .trimEnd()
            .split('\n'),
        );
    };
    while (!signal.aborted) {
      if (json || this.live) await draw();
      await realTime.sleep(limits.watchMs, signal).catch(() => {});
    }
    await draw();
  }

  #side(side: 'a' | 'b'): SyncSideOptions {
    return { addresses: this.flags[side], signer: this.signerOf(this.flags[`${side}.secretFile`]) };
  }

  #direction(from: 'a' | 'b', to: 'a' | 'b'): Direction {
    const since = this.flags[`${from}.fromTsMs`];
    const name = `${from} to ${to}`;
    return {
      scope: parseScope({
        from: [`--${from}.path`, this.flags[`${from}.path`]],
        to: [`--${to}.path`, this.flags[`${to}.path`]],
        excludes: [`--${from}.excludePaths`, this.flags[`${from}.excludePaths`]],
        deletes: this.flags[`${to}.doDeleteFiles`],
        ttlSec: this.flags[`${to}.ttlSec`],
      }),
      start: { initial: this.flags.initial, since: since === 0 ? null : since * 1000 },
      received: this.flags[`${from}.debug`] ? (text) => this.say(`${name}: ${text}`) : undefined,
    };
  }

  #refuseStorage(): void {
    const given = this.flags as Record<string, unknown>;
    for (const side of ['a', 'b'])
      for (const name of storageNames)
        if (given[`${side}.${name}`])
          throw new FilerError(
            'USAGE',
            `--${side}.${name}: says how chunks are stored, and kelp keeps none: entries come with their chunk references as they are; leave it out`,
          );
  }
}

const columns: Column<DirectionStatus>[] = [
  { header: 'DIRECTION', value: ({ name }) => name },
  {
    header: 'STATE',
    value: ({ state }) => state,
    paint: ({ state }, style) => (state === 'following' ? style.good : state === 'copying' ? style.warning : style.bad),
  },
  { header: 'BEHIND', value: ({ behind }) => behind, align: 'right' },
  { header: 'LAG', value: ({ lagSeconds }) => (lagSeconds === null ? null : formatDuration(Math.round(lagSeconds * 1000))), align: 'right' },
  { header: 'RATE', value: ({ rate }) => `${rate}/s`, align: 'right', dropOrder: 4 },
  { header: 'ETA', value: ({ etaSeconds }) => (etaSeconds === null ? null : formatDuration(etaSeconds * 1000)), align: 'right', dropOrder: 5 },
  { header: 'IN FLIGHT', value: ({ inFlight }) => inFlight, align: 'right', dropOrder: 6 },
  { header: 'POSTED', value: ({ posted }) => posted, align: 'right', dropOrder: 2 },
  { header: 'CONFLICTS', value: ({ conflicting }) => conflicting, align: 'right', dropOrder: 3 },
  { header: 'FAILED', value: ({ failed }) => failed, align: 'right', dropOrder: 1 },
  { header: 'QUARANTINED', value: ({ quarantined }) => quarantined, align: 'right', dropOrder: 1 },
  { header: 'FROM', value: ({ source }) => source, dropOrder: 8 },
  { header: 'TO', value: ({ target }) => target, dropOrder: 7 },
  { header: 'ERROR', value: ({ lastError }) => lastError?.error ?? null, dropOrder: 9 },
];

const counted = (kind: keyof Forecast['bytes']): ((one: Forecast) => string) => {
  return ({ [kind]: count, bytes }) => (bytes[kind] === 0 ? String(count) : `${count} (${bytes[kind]} B)`);
};

const planColumns: Column<Forecast>[] = [
  { header: 'DIRECTION', value: ({ name }) => name },
  { header: 'CREATES', value: counted('creates'), align: 'right' },
  { header: 'UPDATES', value: counted('updates'), align: 'right' },
  { header: 'DELETES', value: counted('deletes'), align: 'right' },
  { header: 'RENAMES', value: counted('renames'), align: 'right' },
  { header: 'CONFLICTS', value: counted('conflicts'), align: 'right' },
  { header: 'SUPERSEDED', value: ({ superseded }) => superseded, align: 'right', dropOrder: 2 },
  { header: 'UNCHANGED', value: ({ unchanged }) => unchanged, align: 'right', dropOrder: 3 },
  { header: 'WITHHELD', value: ({ withheld }) => withheld, align: 'right', dropOrder: 4 },
  { header: 'REFUSED', value: ({ refused }) => refused, align: 'right', dropOrder: 5 },
  { header: 'READ', value: ({ read }) => read, align: 'right', dropOrder: 6 },
];
