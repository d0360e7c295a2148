import { resolve } from 'node:path';
import { hostname } from 'node:os';
import { decodeImport } from '../api/meta/import-body.js';
import { MetaClient } from '../api/meta/client.js';
import { limits } from '../config/limits.js';
import { root, type FullPath } from '../entry/path.js';
import { FilerError, isFailure } from '../errors.js';
import { HttpClient } from '../http/client.js';
import { Checkpoints } from '../log/checkpoints.js';
import { importChanges, planImport } from '../log/importing.js';
import { Retention } from '../log/retention.js';
import type { Logger } from '../logger.js';
import { isAbort } from '../loop.js';
import type { Signer } from '../security/signer.js';
import { ClusterSide } from '../sync/cluster-side.js';
import { formatLinkState, linkName, parseLinkState } from '../sync/link.js';
import { parseScopePath, type Scope } from '../sync/scope.js';
import type { SyncFiler } from '../sync/sync-filer.js';
import { Sync } from '../sync/sync.js';
import type { TimeSource } from '../time.js';
import { openFolder, type Folder } from './folder.js';

/*
 * A continuous copy of a cluster in the folder of a store: a sync whose target is that folder. So it copies first, then follows, its checkpoint is in
 * the transaction of what it stands for, any filer of the source will do, and the source's log waits for it up to the hard limits. Beyond them it
 * copies again, and since the folder holds nothing else, what the source no longer has goes.
 */

export interface BackupOptions {
  /** host:port of one filer or more; the rest is learned. */
  readonly addresses: readonly string[];
  readonly signer?: Signer;
  /** Folder of the copy; made if it is missing. */
  readonly directory: string;
  readonly scope: Scope;
  /** True: takes all rows again, instead of going on. */
  readonly restart: boolean;
  readonly time: TimeSource;
  readonly logger: Logger;
}

export interface BackupFlags {
  readonly filerDir: string;
  /** With commas between. */
  readonly includePrefixes: string;
  readonly excludePrefixes: string;
}

/** What a backup takes. @throws FilerError PARAMETER_INVALID naming the flag */
export function parseBackupScope({ filerDir, includePrefixes, excludePrefixes }: BackupFlags): Scope {
  const from = parseScopePath('--filerDir', filerDir);
  const list = (flag: string, text: string) =>
    text
      .split(',')
      .filter((one) => one.trim() !== '')
      .map((one) => parseScopePath(flag, one.trim()));
  const includes = list('--includePrefixes', includePrefixes);
  return { from, to: from, excludes: list('--excludePrefixes', excludePrefixes), ...(includes.length > 0 && { includes }), deletes: true, ttlSec: 0 };
}

// What goes with it at a command line.
export type { DirectionStatus as BackupStatus } from '../sync/progress.js';
export type { Sync };

/** Opens a backup, and closes its folder and its connections when `work` has ended. @throws FilerError as openFolder; USAGE if the folder holds something else */
export async function withBackup<T>(options: BackupOptions, signal: AbortSignal, work: (sync: Sync) => Promise<T>): Promise<T> {
  const { addresses, signer, directory, scope, time, logger } = options;
  const http = new HttpClient({ connections: limits.peerConnections + 2, signer });
  const source = new ClusterSide({ name: 'filer', addresses, connect: (address) => new MetaClient(http, address), addressesMax: limits.membersMax });
  const ended = new AbortController();
  let folder: Folder | null = null;
  let trimming: Promise<void> = Promise.resolve();
  try {
    await source.meetAny(signal);
    const { log, store } = (folder = await openFolder(directory, time));
    const to = folderAsFiler(resolve(directory), folder, time);
    await prepare(options, source, to, folder, http);
    const target = new ClusterSide({ name: 'store', addresses: [to.address], connect: () => to, addressesMax: 1 });
    const mirror = (after: FullPath | null, limit: number) => store.scan('tree', after, limit, limits.snapshotBytes);
    const sync = await Sync.open(
      {
        a: source,
        b: target,
        aToB: { scope, start: { initial: 'copy', since: null }, mirror },
        bToA: null,
        me: { runner: time.randomHex(8), who: `${hostname()}, process ${process.pid}` },
        bytesPerSecond: null,
        maxDelete: null,
        time,
        logger,
        limits: { ...limits, pageChanges: limits.importChanges, msMin: limits.backoffMsMin, msMax: limits.backoffMsMax },
      },
      signal,
    );
    trimming = trim(new Retention(log, store, time, limits, () => log.position), time, logger, ended.signal);
    return await work(sync);
  } finally {
    ended.abort(new FilerError('STOPPING', 'the backup has ended'));
    await trimming;
    await folder?.close();
    await http.close();
  }
}

/** Lets the folder's own log grow no further than that of a filer nobody follows. */
async function trim(retention: Retention, time: TimeSource, logger: Logger, signal: AbortSignal): Promise<void> {
  try {
    for (;;) {
      await time.sleep(limits.backupTrimMs, signal);
      await retention.trim(signal).catch((error: unknown) => {
        if (!isFailure(error) || signal.aborted) throw error;
        logger.warn(`the log of the copy was not trimmed: ${error.message}`);
      });
    }
  } catch (error) {
    if (!isAbort(error, signal)) throw error;
  }
}

/** Looks what the folder holds, and lets its link begin again if that is asked for. @throws FilerError USAGE if it is no backup of this */
async function prepare(
  { scope, restart, directory, addresses }: BackupOptions,
  source: ClusterSide,
  to: SyncFiler,
  { log }: Folder,
  http: HttpClient,
): Promise<void> {
  const spec = { source: source.id, target: log.identity.storeId, scope };
  const link = linkName(spec);
  const found = (await to.checkpoints()).map((one) => ({ link: one.link, state: parseLinkState(one.value) }));
  const known = found.find((one) => one.link === link) ?? found[0];
  if (known === undefined) {
    if (log.state.counts.entries + log.state.counts.tombstones === 0) return;
    throw new FilerError('USAGE', `${directory} holds a store that is no backup; name another folder`);
  }
  if (known.state.spec.source !== source.id)
    throw new FilerError(
      'USAGE',
      `${directory} holds a backup of cluster ${known.state.spec.source}, and ${addresses[0]} belongs to ${source.id}; name another folder`,
    );
  if (known.link !== link && !restart)
    throw new FilerError('USAGE', `${directory} holds a backup of ${tell(known.state.spec.scope)}; name another folder, or take it anew with --restart`);
  if (!restart) return;
  await to.setCheckpoint(link, formatLinkState({ spec, phase: 'again', position: known.state.position, after: null, refused: [] }), {});
  if (known.link === link) return;
  await to.setCheckpoint(known.link, null, {});
  // Nobody goes on with the old one: its source need not wait for it.
  for (const { address } of source.filers) {
    try {
      await new MetaClient(http, address).forgetLink(known.link);
      break;
    } catch (error) {
      if (!isFailure(error)) throw error;
    }
  }
}

function tell({ from, excludes, includes = [] }: Scope): string {
  const lists = [
    ['--includePrefixes', includes],
    ['--excludePrefixes', excludes],
  ] as const;
  const flags = lists.flatMap(([flag, paths]) => (paths.length === 0 ? [] : [`${flag}=${paths.join(',')}`]));
  return [from === root ? 'the whole tree' : from, ...(flags.length === 0 ? [] : ['with', ...flags])].join(' ');
}

/** A folder as a sync sees a filer. What is only asked of a source fails. */
function folderAsFiler(address: string, { log, store, begin }: Folder, time: TimeSource): SyncFiler {
  const checkpoints = new Checkpoints(log, store, time, limits);
  const changesOf = (lines: readonly string[]) => decodeImport(Buffer.from(lines.join('\n')), limits.importChanges).changes;
  // The folder is locked by this process: a lease asks nobody.
  const values = new Map<string, string>();
  const noSource = async (): Promise<never> => {
    throw new FilerError('USAGE', `${address} is a folder: nothing is read from it`);
  };
  return {
    address,
    info: async () => {
      const { identity, counts } = log.state;
      return {
        clusterId: null,
        storeId: identity.storeId,
        origin: identity.origin,
        address,
        state: 'ready',
        position: log.position,
        counts,
        first: '',
        time: time.micros(),
      };
    },
    peers: async () => ({ peers: [] }),
    feed: noSource,
    snapshot: noSource,
    row: noSource,
    importChanges: async (lines, importing) => {
      await begin();
      return importChanges(log, changesOf(lines), importing);
    },
    planImport: async (lines) => planImport(log, [changesOf(lines)]),
    announceLink: noSource,
    reportLink: noSource,
    checkpoints: () => checkpoints.list(),
    setCheckpoint: async (link, value, { origin }) => {
      await begin();
      await (value === null ? checkpoints.reset(link) : checkpoints.set(link, value, origin));
    },
    value: async (key) => {
      const value = values.get(key);
      return value === undefined ? null : Buffer.from(value);
    },
    setValue: async (key, value) => {
      if (value === null) values.delete(key);
      else values.set(key, value);
    },
  };
}
