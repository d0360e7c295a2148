import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks';
import { treeRoutes } from './api/filer/handlers.js';
import type { DirectoryOptions } from './api/filer/reads.js';
import { MasterClient } from './api/master/client.js';
import { HttpPeer } from './api/meta/client.js';
import { metaRoutes } from './api/meta/handlers.js';
import { healthRoutes } from './api/meta/health.js';
import { formatAddress } from './config/address.js';
import { limits as defaults } from './config/limits.js';
import type { FilerError } from './errors.js';
import { Filer } from './filer.js';
import type { FilerLimits } from './filer-options.js';
import { FilerMetrics } from './filer-metrics.js';
import { HttpClient } from './http/client.js';
import type { Route } from './http/router.js';
import { HttpServer } from './http/server.js';
import type { Logger } from './logger.js';
import type { Secrets } from './security/secret-file.js';
import { Signer } from './security/signer.js';
import { Verifier } from './security/verifier.js';
import { measuredStore } from './store/measured-store.js';
import { openStore } from './store/open-store.js';
import type { TimeSource } from './time.js';

export interface FilerProcessOptions {
  /** By which others reach it; also a name it answers to. */
  readonly ip: string;
  /** Where it listens. */
  readonly bind: string;
  /** 0 = any free one. */
  readonly port: number;
  /** Of a second port, that answers only reads of the tree and health; 0 = none. */
  readonly readOnlyPort?: number;
  /** Shown whole if absent. */
  readonly directories?: DirectoryOptions;
  /** host:port of each. */
  readonly masters: readonly string[];
  /** Folder of the store. */
  readonly dir: string;
  /** Filers of different groups do not see each other. */
  readonly group: string;
  /** An operator has said that this store is the first of its cluster. */
  readonly force: boolean;
  /** Program name and version. */
  readonly program: string;
  /** What the cluster signs with; absent = nothing is signed. */
  readonly secrets?: Secrets;
  /** What flags change; the rest is config/limits.ts. */
  readonly limits: Partial<FilerLimits>;
  readonly time: TimeSource;
  readonly logger: Logger;
}

/**
 * The process that runs one filer: store on disk, HTTP in front, masters and peers over HTTP.
 *
 *   start   store opened and locked ─► port taken ─► registers, joins, follows
 *   stop    masters told, port closed, held polls ended ─► loops ended, waiting writes let through ─► store closed, lock released
 */
export class FilerProcess {
  private constructor(
    readonly filer: Filer,
    /** host:port by which others reach it. */
    readonly address: string,
    private readonly server: HttpServer,
    private readonly readOnly: HttpServer | null,
    private readonly clients: readonly HttpClient[],
    private readonly loopDelay: IntervalHistogram,
  ) {}

  /**
   * Opens the store, listens, and begins to join the others; resolves once requests are answered. Until the filer has joined,
   * those that need it are answered 503 BOOTSTRAPPING.
   * @throws FilerError STORE_LOCKED, STORE_TOO_NEW, STORE_FULL, STORE_FAILED; ADDRESS_IN_USE; USAGE if the address cannot be bound
   */
  static async start(options: FilerProcessOptions): Promise<FilerProcess> {
    const { ip, bind, port, masters, dir, group, force, program, secrets, time, logger } = options;
    const limits: FilerLimits = { ...defaults, ...options.limits };
    const metrics = new FilerMetrics();
    const plain = await openStore({ directory: dir, time, ledger: { bytesMax: limits.conflictBytes, retentionMs: limits.conflictRetentionMs } });
    const store = measuredStore(plain, time, metrics.observeStore);
    let opened: Filer | null = null;
    const signer = secrets && new Signer({ secrets, time, clusterId: () => opened?.log.identity.clusterId ?? null });
    // Whoever refuses the date of a request says what time it has. Unheard, a clock far ahead would go on stamping writes.
    const failed = (address: string, { code, fields }: FilerError) => {
      if (code === 'SIGNATURE_INVALID' && typeof fields['time'] === 'number') opened?.clockWatch.hear(address, (fields['time'] - time.micros()) / 1e6);
    };
    const peers = new HttpClient({ connections: limits.peerConnections, signer, failed });
    // One connection is held by the question for the list.
    const toMasters = new HttpClient({ connections: 2, signer, failed });
    try {
      // Known only when the port is; the filer tells nobody before.
      let address = formatAddress({ host: ip, port });
      const filer = await Filer.open({
        store,
        time,
        logger,
        limits,
        get address() {
          return address;
        },
        program,
        group,
        instance: time.randomHex(8),
        masters: masters.map((master) => new MasterClient(toMasters, master)),
        connect: (peer) => new HttpPeer(peers, peer),
        force,
      });
      opened = filer;
      const loopDelay = monitorEventLoopDelay({ resolution: loopTickMs });
      const { counted, text } = metrics.watch(filer, { program, store: plain, time, process, loopDelay: () => statisticsOf(loopDelay) });
      const routes: Route[] = [
        ...healthRoutes(filer, limits, text),
        ...metaRoutes(filer, { store, time, limits }),
        ...treeRoutes(filer, { saveToFilerLimit: limits.contentBytesMax, directories: options.directories }),
      ];
      const { log } = filer;
      const verifier = secrets && new Verifier({ secrets, time, clusterId: () => log.identity.clusterId, storeId: () => log.identity.storeId });
      const http = { hosts: [ip, bind], time, logger: logger.child('http'), drainMs: limits.drainMs, limits, verifier };
      const all = counted(routes);
      const server = new HttpServer({ ...http, routes: all });
      filer.reads.hasRoom = (bytes) => server.hasRoom(bytes);
      metrics.followPort(() => server.held);
      const real = await server.listen(bind, port);
      const readOnly = options.readOnlyPort ? new HttpServer({ ...http, routes: all.filter(isReadOnly), portFlag: '--port.readonly' }) : null;
      await readOnly?.listen(bind, options.readOnlyPort as number).catch(async (error: unknown) => {
        await server.stop();
        throw error;
      });
      address = formatAddress({ host: ip, port: real.port });
      loopDelay.enable();
      filer.start();
      const { origin, storeId } = log.identity;
      logger.info(`filer http://${address} origin=${origin} store=${storeId}`);
      return new FilerProcess(filer, address, server, readOnly, [peers, toMasters], loopDelay);
    } catch (error) {
      await Promise.all([store.close(), peers.close(), toMasters.close()]);
      throw error;
    }
  }

  /** The route table. */
  get routes(): readonly Route[] {
    return this.server.routes;
  }

  /** Ends everything in order; the port and the lock of the store are free when it resolves. */
  async stop(): Promise<void> {
    // At once: what is drained meanwhile may take longer than the masters wait for a silent filer.
    await Promise.all([this.filer.leave(), this.server.stop(), this.readOnly?.stop()]);
    await this.filer.stop();
    this.loopDelay.disable();
    await Promise.all(this.clients.map((client) => client.close()));
  }
}

/** Reads of the tree, and whether the filer is well: nothing of replication, nothing that writes. */
const isReadOnly = ({ method, path }: Route): boolean => method === 'GET' && ['*', '/healthz', '/readyz'].includes(path);

/** The event loop's delay is measured by a timer of this period, which is part of what it reports. */
const loopTickMs = 10;

/** Milliseconds beyond the period since the last call. */
function statisticsOf(delay: IntervalHistogram): Record<string, number> {
  const beyond = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - loopTickMs);
  const statistics = { p50: beyond(delay.percentile(50)), p99: beyond(delay.percentile(99)), max: beyond(delay.max) };
  delay.reset();
  return statistics;
}
