import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MasterClient } from './api/master/client.js';
import { masterRoutes } from './api/master/handlers.js';
import { isOrigin } from './clock/vector.js';
import { parseListVersion } from './cluster/list-version.js';
import { isLoopback } from './cluster/registered-address.js';
import { Registry, type Found, type OtherMaster } from './cluster/registry.js';
import { formatAddress } from './config/address.js';
import { limits } from './config/limits.js';
import { makeDirectoryDurably, writeDurably } from './durable-file.js';
import { FilerError, isFailure, messageOf } from './errors.js';
import { HttpClient } from './http/client.js';
import { LongPoll } from './http/long-poll.js';
import { json, type Route } from './http/router.js';
import { HttpServer } from './http/server.js';
import type { Logger } from './logger.js';
import { runLoop } from './loop.js';
import { masterMetricTable } from './metrics/master-table.js';
import { Metrics } from './metrics/metrics.js';
import { tellProcess } from './metrics/process-table.js';
import type { Secrets } from './security/secret-file.js';
import { Signer } from './security/signer.js';
import { Verifier } from './security/verifier.js';
import type { TimeSource } from './time.js';

export interface MasterOptions {
  /** By which others reach it; also a name it answers to. */
  readonly ip: string;
  /** Where it listens. */
  readonly bind: string;
  /** 0 = any free one. */
  readonly port: number;
  /** Program name and version. */
  readonly program?: string;
  /** Directory of master.json. */
  readonly mdir: string;
  /** Sets the cluster id of a master that has none yet. */
  readonly clusterId?: string;
  readonly forgetAfterMs: number;
  /** What filers sign with; absent = nothing is signed. */
  readonly secrets?: Secrets;
  readonly time: TimeSource;
  readonly logger: Logger;
  /** Milliseconds; limits.drainMs if absent. */
  readonly drainMs?: number;
}

/**
 * One master process: the member list behind HTTP, and the cluster id on disk, the one thing it must not forget.
 *
 *   PUT /cluster/filers/… ─► registry ─► version rises ─► held polls look again ─► GET /cluster/filers
 *                               ▲ silence, every second
 */
export class Master {
  readonly #options: MasterOptions;
  readonly #http: HttpClient;
  readonly #stopped = new AbortController();
  #registry: Registry | null = null;
  #server: HttpServer | null = null;
  #expiring: Promise<void> = Promise.resolve();
  #address = '';

  constructor(options: MasterOptions) {
    this.#options = options;
    const { secrets, time } = options;
    const signer = secrets && new Signer({ secrets, time, clusterId: () => this.clusterId });
    this.#http = new HttpClient({ connections: 1, connectMs: limits.moveProbeMs, signer });
  }

  /** host:port, real once started. */
  get address(): string {
    return this.#address;
  }

  get clusterId(): string | null {
    return this.#registry?.clusterId ?? null;
  }

  /** The route table; empty until started. */
  get routes(): readonly Route[] {
    return this.#server?.routes ?? [];
  }

  /** @throws FilerError ADDRESS_IN_USE; USAGE for a wrong cluster id or address; STORE_FAILED if master.json cannot be read or written */
  async start(): Promise<void> {
    const { ip, bind, port, forgetAfterMs, secrets, time, logger, drainMs } = this.#options;
    const polls = new LongPoll(time, limits.waitersMax);
    const registry = new Registry({
      time,
      logger,
      limits: { ...limits, forgetAfterMs },
      clusterId: await this.#loadClusterId(),
      saveClusterId: (clusterId) => this.#saveClusterId(clusterId),
      probe: (address) => this.#probe(address),
      askMaster: (address) => this.#askMaster(address),
      loopbackAllowed: isLoopback(bind),
    });
    registry.watch(() => polls.wake());

    const metrics = new Metrics(masterMetricTable);
    tellProcess(metrics, this.#options.program ?? 'kelp', process);
    metrics.read('kelp_master_members', () => Object.entries(registry.counts).map(([state, count]) => [{ state }, count] as const));
    metrics.read('kelp_master_long_polls', () => [[{}, polls.count]]);
    const announced = (outcome: string) => metrics.count('kelp_master_announcements_total', { outcome });

    const routes = [...masterRoutes({ registry, polls, address: () => this.#address, announced }), ...healthRoutes(metrics)];
    const verifier = secrets && new Verifier({ secrets, time, clusterId: () => registry.clusterId, storeId: null });
    const server = new HttpServer({ routes, hosts: [ip, bind], time, logger: logger.child('http'), drainMs, verifier });
    const real = await server.listen(bind, port);
    this.#address = formatAddress({ host: ip, port: real.port });
    this.#registry = registry;
    this.#server = server;

    const { signal } = this.#stopped;
    const backoff = { msMin: limits.backoffMsMin, msMax: limits.backoffMsMax };
    const step = async () => {
      await time.sleep(limits.expireCheckMs, signal);
      registry.expire();
    };
    this.#expiring = runLoop({ time, signal, backoff, logger, step });
    logger.info(`master of cluster ${registry.clusterId ?? '(none yet)'} listens at ${this.#address}`);
  }

  /** Ends held polls, lets requests in flight end, closes the port. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#server?.stop();
    await this.#expiring;
    await this.#http.close();
  }

  get #file(): string {
    return join(this.#options.mdir, 'master.json');
  }

  async #loadClusterId(): Promise<string | null> {
    const { clusterId: wanted = null } = this.#options;
    if (wanted !== null && !isOrigin(wanted)) throw new FilerError('USAGE', `"${String(wanted).slice(0, 60)}" is not a cluster id (16 lower-case hex digits)`);
    const kept = await this.#readClusterId();
    if (kept === null && wanted !== null) await this.#saveClusterId(wanted);
    if (kept !== null && wanted !== null && kept !== wanted) {
      throw new FilerError(
        'USAGE',
        `this master belongs to cluster ${kept} by ${this.#file}, not to ${wanted}; leave out --clusterId or choose another --mdir`,
      );
    }
    return kept ?? wanted;
  }

  async #readClusterId(): Promise<string | null> {
    try {
      const { clusterId } = JSON.parse(await readFile(this.#file, 'utf8')) as { clusterId?: unknown };
      if (isOrigin(clusterId)) return clusterId;
      throw new Error('it holds no cluster id');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      // Not taken for a fresh start: a new id would shut every filer out.
      throw new FilerError(
        'STORE_FAILED',
        `cannot read ${this.#file} (${messageOf(error)}); restore it, or delete it and give the id with --clusterId`,
        {},
        { cause: error },
      );
    }
  }

  async #saveClusterId(clusterId: string): Promise<void> {
    try {
      await makeDirectoryDurably(this.#options.mdir);
      await writeDurably(this.#file, `${JSON.stringify({ clusterId })}\n`);
    } catch (error) {
      throw new FilerError(
        'STORE_FAILED',
        `cannot write ${this.#file} (${messageOf(error)}); choose a directory this user may write with --mdir`,
        {},
        { cause: error },
      );
    }
  }

  /** Null if no filer is there, or nobody at all. */
  async #probe(address: string): Promise<Found | null> {
    try {
      const answer = await this.#http.request({ address, method: 'GET', path: '/.filer/v1/store', timeoutMs: limits.moveProbeMs, bodyMs: limits.moveProbeMs });
      const { origin, instance, state } = (answer.json() ?? {}) as { origin?: unknown; instance?: unknown; state?: unknown };
      return isOrigin(origin) && typeof instance === 'string' ? { origin, instance, refused: state === 'refused' } : null;
    } catch (error) {
      // Something alive that cannot say who it is just now must not be taken for gone.
      if (isFailure(error) && (error.code === 'PEER_UNREACHABLE' || !error.retriable)) return null;
      throw error;
    }
  }

  /** Null if no master is there. */
  async #askMaster(address: string): Promise<OtherMaster | null> {
    try {
      const { clusterId, version, choosing } = await new MasterClient(this.#http, address).status(undefined, limits.moveProbeMs);
      return { epoch: parseListVersion(version)?.epoch ?? '', clusterId, choosing };
    } catch (error) {
      if (isFailure(error)) return null;
      throw error;
    }
  }
}

function healthRoutes(metrics: { text(): string }): Route[] {
  const ok = async () => json(200, { status: 'ok' });
  return [
    { method: 'GET', path: '/healthz', role: 'open', summary: 'alive', handler: ok },
    { method: 'GET', path: '/readyz', role: 'open', summary: 'takes registrations', handler: ok },
    {
      method: 'GET',
      path: '/metrics',
      role: 'open',
      summary: 'counters and gauges for Prometheus',
      handler: async () => ({ status: 200, headers: { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' }, body: metrics.text() }),
    },
  ];
}
