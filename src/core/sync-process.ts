import { hostname } from 'node:os';
import { MetaClient } from './api/meta/client.js';
import { limits } from './config/limits.js';
import { FilerError } from './errors.js';
import { HttpClient } from './http/client.js';
import { HttpServer } from './http/server.js';
import { json, type Route } from './http/router.js';
import type { Logger } from './logger.js';
import { Metrics } from './metrics/metrics.js';
import { tellProcess } from './metrics/process-table.js';
import { syncMetricTable, tellSync } from './metrics/sync-table.js';
import type { Signer } from './security/signer.js';
import { ClusterSide } from './sync/cluster-side.js';
import type { DirectionPlan as Direction } from './sync/sync.js';
import { parseScopePath, type Scope } from './sync/scope.js';
import { Sync, type SyncStatus } from './sync/sync.js';
import type { MaxDelete } from './sync/survey.js';
import type { TimeSource } from './time.js';

/* A sync between two clusters on real HTTP, with the port that tells of it. */

export interface SyncSideOptions {
  /** host:port of one filer or more; the rest is learned. */
  readonly addresses: readonly string[];
  readonly signer?: Signer;
}

export interface SyncProcessOptions {
  readonly a: SyncSideOptions;
  readonly b: SyncSideOptions;
  readonly aToB: Direction;
  /** Null: b is passive. */
  readonly bToA: Direction | null;
  /** Changes of one request. */
  readonly changesMax: number;
  readonly bytesPerSecond: number | null;
  /** How much one run may delete of what is there when it starts; null = anything. */
  readonly maxDelete: MaxDelete | null;
  /** Where /metrics and /status are; null = nowhere. */
  readonly port: { readonly host: string; readonly port: number } | null;
  readonly program: string;
  readonly time: TimeSource;
  readonly logger: Logger;
}

/** The flags that make a scope, each with its name for messages. */
export interface ScopeFlags {
  readonly from: readonly [flag: string, text: string];
  readonly to: readonly [flag: string, text: string];
  /** With commas between. */
  readonly excludes: readonly [flag: string, text: string];
  readonly deletes: boolean;
  readonly ttlSec: number;
}

/** @throws FilerError PARAMETER_INVALID naming the flag */
export function parseScope({ from, to, excludes, deletes, ttlSec }: ScopeFlags): Scope {
  const [flag, list] = excludes;
  const texts = list.split(',').filter((text) => text.trim() !== '');
  return { from: parseScopePath(...from), to: parseScopePath(...to), excludes: texts.map((text) => parseScopePath(flag, text.trim())), deletes, ttlSec };
}

/** Reads what --maxDelete says: `50%`, or a number. @throws FilerError PARAMETER_INVALID */
export function parseMaxDelete(text: string): MaxDelete {
  const [, digits, percent] = /^(\d{1,12})(%?)$/.exec(text) ?? [];
  const value = Number(digits);
  if (digits === undefined || (percent === '%' && value > 100))
    throw new FilerError('PARAMETER_INVALID', `--maxDelete: "${text.slice(0, 40)}" is not a whole number or a part such as 50%`);
  return percent === '%' ? { count: limits.syncDeletesFree, part: value / 100 } : { count: value, part: null };
}

// What goes with it at a command line.
export type { DirectionStatus } from './sync/progress.js';
export type { Forecast } from './sync/survey.js';
export type { Direction, Sync };

/** Runs a sync, and closes its connections and its port when `work` has ended. */
export async function withSync<T>(options: SyncProcessOptions, signal: AbortSignal, work: (sync: Sync) => Promise<T>): Promise<T> {
  const { time, logger, program, port } = options;
  const clients = [options.a, options.b].map(({ signer }) => new HttpClient({ connections: limits.peerConnections + 2, signer }));
  const side = (name: 'a' | 'b', index: number) =>
    new ClusterSide({
      name,
      addresses: options[name].addresses,
      connect: (address) => new MetaClient(clients[index] as HttpClient, address),
      addressesMax: limits.membersMax,
    });
  let server: HttpServer | null = null;
  try {
    const sync = await Sync.open(
      {
        a: side('a', 0),
        b: side('b', 1),
        aToB: options.aToB,
        bToA: options.bToA,
        me: { runner: time.randomHex(8), who: `${hostname()}, process ${process.pid}` },
        bytesPerSecond: options.bytesPerSecond,
        maxDelete: options.maxDelete,
        time,
        logger,
        limits: { ...limits, pageChanges: options.changesMax, importChanges: options.changesMax, msMin: limits.backoffMsMin, msMax: limits.backoffMsMax },
      },
      signal,
    );
    if (port !== null) {
      server = new HttpServer({ routes: routesOf(() => sync.status(), program), portFlag: '--metricsPort', hosts: [port.host], time, logger });
      const { host, port: taken } = await server.listen(port.host, port.port);
      logger.info(`metrics at http://${host}:${taken}/metrics, status at /status`);
    }
    return await work(sync);
  } finally {
    await server?.stop();
    await Promise.all(clients.map((client) => client.close()));
  }
}

function routesOf(status: () => SyncStatus, program: string): Route[] {
  const metrics = new Metrics(syncMetricTable);
  tellProcess(metrics, program, process);
  tellSync(metrics, () => status().directions);
  return [
    { method: 'GET', path: '/healthz', role: 'open', summary: 'this process lives', handler: async () => json(200, { ok: true }) },
    {
      method: 'GET',
      path: '/metrics',
      role: 'open',
      summary: 'figures for Prometheus',
      handler: async () => ({ status: 200, headers: { 'Content-Type': 'text/plain; version=0.0.4' }, body: metrics.text() }),
    },
    { method: 'GET', path: '/status', role: 'open', summary: 'how far each direction is', handler: async () => json(200, status()) },
  ];
}
