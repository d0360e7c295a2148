import { decodeImport } from '../../src/core/api/meta/import-body.js';
import { limits } from '../../src/core/config/limits.js';
import { withApplied } from '../../src/core/change/codec.js';
import { isFailure } from '../../src/core/errors.js';
import { silentLogger } from '../../src/core/logger.js';
import { Checkpoints } from '../../src/core/log/checkpoints.js';
import { positionOf } from '../../src/core/log/log-state.js';
import { importChanges, planImport } from '../../src/core/log/importing.js';
import { ClusterSide } from '../../src/core/sync/cluster-side.js';
import type { DirectionLimits } from '../../src/core/sync/direction.js';
import type { Scope } from '../../src/core/sync/scope.js';
import { Links } from '../../src/core/replication/links.js';
import { Sync, type SyncOptions } from '../../src/core/sync/sync.js';
import type { SyncFiler } from '../../src/core/sync/sync-filer.js';
import { openFiler, type MemoryFiler } from './memory-peer.js';
import type { ManualTime } from './manual-time.js';
import { mode, file, p } from './open-log.js';

/** What a sync asked of a filer. */
export type SyncCall =
  | { readonly kind: 'info' | 'feed' | 'snapshot' | 'row' | 'checkpoints' | 'kv' | 'link' }
  | { readonly kind: 'import' | 'plan'; readonly lines: readonly string[]; readonly after?: number }
  | { readonly kind: 'checkpoint'; readonly value: string | null };

/** One filer of a cluster as a sync sees it, its core real and in memory. */
export class MemorySyncFiler {
  readonly calls: SyncCall[] = [];
  /** Called before a call is answered; what it throws is the answer. */
  before: (call: SyncCall) => void | Promise<void> = () => {};
  /** What the feed says in place of a change's text. */
  rewrite: (text: string) => string = (text) => text;
  readonly links: Links;

  constructor(
    readonly filer: MemoryFiler,
    readonly others: () => readonly string[] = () => [],
    /** Values of its store: leases. Another view of one filer may have its own, as if nobody asked for a lease. */
    readonly kv = new Map<string, string>(),
  ) {
    const { log, store, time } = filer.core;
    this.links = new Links(log, store, time);
  }

  get core() {
    return this.filer.core;
  }

  get address(): string {
    return this.filer.address;
  }

  put(path: string, text = path) {
    return this.core.tree.put(p(path), file(text), mode);
  }

  remove(path: string) {
    return this.core.tree.remove(p(path), true);
  }

  move(from: string, to: string) {
    return this.core.tree.move(p(from), p(to));
  }

  /** The content of a file; null if there is none. */
  async read(path: string): Promise<string | null> {
    const found = await this.core.tree.find(p(path));
    return found?.row?.entry ? Buffer.from((JSON.parse(found.row.entry) as { content?: string }).content ?? '', 'base64').toString('utf8') : null;
  }

  posts(): readonly string[] {
    return this.calls.flatMap((call) => (call.kind === 'import' ? call.lines : []));
  }

  /** What a sync is given. */
  get asked(): SyncFiler {
    const { filer } = this;
    const { log, feed, store, time } = filer.core;
    const checkpoints = new Checkpoints(log, store, time, limits);
    const answer = async <T>(call: SyncCall, work: () => Promise<T>): Promise<T> => {
      this.calls.push(call);
      await this.before(call);
      return work();
    };
    return {
      address: filer.address,
      info: () => answer({ kind: 'info' }, async () => filer.info()),
      peers: async () => ({ peers: this.others().map((address) => ({ address })) }),
      feed: ({ offset, position, since, origins, limit, bytesMax, waitMs }, signal) =>
        answer({ kind: 'feed' }, async () => {
          const start =
            offset !== undefined
              ? ({ kind: 'offset', index: feed.parseOffset(offset) } as const)
              : position !== undefined
                ? ({ kind: 'position', position } as const)
                : ({ kind: 'since', since: since ?? 0 } as const);
          const query = { start, since, origins, limit, bytesMax, waitMs };
          const page = await filer.source.read(query, null, signal ?? new AbortController().signal);
          const texts = page.records.map((record) => this.rewrite(withApplied(record.text, record.applied)));
          const bytes = texts.reduce((sum, text) => sum + text.length, 0);
          return { texts, position: page.position, head: positionOf(page.state.origins), time: log.clock.now(), bytes, upToDate: page.upToDate };
        }),
      snapshot: (after, limit) => answer({ kind: 'snapshot' }, () => filer.source.snapshot(after, limit, null)),
      row: (path) => answer({ kind: 'row' }, () => filer.source.row(path)),
      importChanges: (lines, options) =>
        answer({ kind: 'import', lines, after: options.after }, async () =>
          importChanges(log, decodeImport(Buffer.from(lines.join('\n')), limits.importChanges).changes, options),
        ),
      planImport: (lines) =>
        answer({ kind: 'plan', lines }, async () => planImport(log, [decodeImport(Buffer.from(lines.join('\n')), limits.importChanges).changes])),
      announceLink: (link, about) =>
        answer({ kind: 'link' }, async () => {
          await this.links.announce(link, about);
        }),
      reportLink: (link, report) => answer({ kind: 'link' }, async () => this.links.report(link, report)),
      checkpoints: () => answer({ kind: 'checkpoints' }, () => checkpoints.list()),
      setCheckpoint: (link, value, { origin }) =>
        answer({ kind: 'checkpoint', value }, async () => {
          await (value === null ? checkpoints.reset(link) : checkpoints.set(link, value, origin));
        }),
      value: (key) =>
        answer({ kind: 'kv' }, async () => {
          const value = this.kv.get(key);
          return value === undefined ? null : Buffer.from(value);
        }),
      setValue: (key, value) =>
        answer({ kind: 'kv' }, async () => {
          if (value === null) this.kv.delete(key);
          else this.kv.set(key, value);
        }),
    };
  }
}

/** A cluster of one filer. */
export async function openSyncFiler(name: string, time: ManualTime): Promise<MemorySyncFiler> {
  const filer = await openFiler(`${name}:8888`, 'ready', { time });
  await filer.core.log.alone(async (draft) => {
    draft.setIdentity({ clusterId: name.repeat(16).slice(0, 16) });
    await draft.flush();
  });
  return new MemorySyncFiler(filer);
}

export interface Asked {
  readonly aToB?: Partial<Scope>;
  readonly bToA?: Partial<Scope>;
  readonly passive?: boolean;
  readonly initial?: 'copy' | 'none';
  /** Microseconds since 1970. */
  readonly since?: number;
  readonly bytesPerSecond?: number;
  readonly maxDelete?: SyncOptions['maxDelete'];
  readonly limits?: Partial<DirectionLimits>;
  /** Other filers of the target's cluster. */
  readonly beside?: readonly MemorySyncFiler[];
  /** And of the source's. */
  readonly besideSource?: readonly MemorySyncFiler[];
}

let runners = 0;

/** A sync between two filers in memory, not yet running. */
export function openSync(a: MemorySyncFiler, b: MemorySyncFiler, time: ManualTime, asked: Asked = {}): Promise<Sync> {
  const side = (name: string, filers: readonly MemorySyncFiler[]) => {
    const connect = (address: string) => (filers.find((filer) => filer.address === address) ?? (filers[0] as MemorySyncFiler)).asked;
    return new ClusterSide({ name, addresses: filers.map(({ address }) => address), connect, addressesMax: limits.membersMax });
  };
  const whole: Scope = { from: p('/'), to: p('/'), excludes: [], deletes: true, ttlSec: 0 };
  const start = { initial: asked.initial ?? 'copy', since: asked.since ?? null } as const;
  return Sync.open(
    {
      a: side('a', [...(asked.besideSource ?? []), a]),
      b: side('b', [b, ...(asked.beside ?? [])]),
      aToB: { scope: { ...whole, ...asked.aToB }, start },
      bToA: asked.passive ? null : { scope: { ...whole, ...asked.bToA }, start },
      me: { runner: `runner ${(runners += 1)}`, who: 'a test' },
      bytesPerSecond: asked.bytesPerSecond ?? null,
      maxDelete: asked.maxDelete ?? null,
      time,
      logger: silentLogger,
      limits: { ...limits, msMin: limits.backoffMsMin, msMax: limits.backoffMsMax, ...asked.limits },
    },
    new AbortController().signal,
  );
}

/** A sync that runs; `end` stops it in good order, and tells what it failed with. */
export interface Running {
  readonly sync: Sync;
  /** What it has ended with by itself; null while it runs. */
  failure(): unknown;
  end(): Promise<unknown>;
}

export async function startSync(...args: Parameters<typeof openSync>): Promise<Running> {
  const [, , time] = args;
  const sync = await openSync(...args);
  const stop = new AbortController();
  let failure: unknown = null;
  const running = sync.run(stop.signal).catch((error: unknown) => (failure = error));
  return {
    sync,
    failure: () => failure,
    end: async () => {
      stop.abort(new Error('the test ends it'));
      await time.advance(1);
      await running;
      if (failure !== null && !isFailure(failure)) throw failure;
      return failure;
    },
  };
}
