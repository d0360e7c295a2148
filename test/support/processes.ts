import { MetaClient } from '../../src/core/api/meta/client.js';
import { limits } from '../../src/core/config/limits.js';
import { FilerProcess, type FilerProcessOptions } from '../../src/core/filer-process.js';
import { HttpClient } from '../../src/core/http/client.js';
import { silentLogger } from '../../src/core/logger.js';
import { Master } from '../../src/core/master.js';
import type { Secrets } from '../../src/core/security/secret-file.js';
import { realTime } from '../../src/core/time.js';
import { tempDir } from './temp-dir.js';
import { waitFor } from './wait-for.js';

/** A master and filers as their commands run them, with real stores and real HTTP, but in the process of the test. */
export class Processes {
  readonly http = new HttpClient({ connections: 16 });
  readonly #running = new Set<{ stop(): Promise<void> }>();

  async master(options: { port?: number; secrets?: Secrets } = {}): Promise<Master> {
    const master = new Master({
      ip: '127.0.0.1',
      bind: '127.0.0.1',
      port: options.port ?? 0,
      mdir: await tempDir(),
      forgetAfterMs: limits.forgetAfterMs,
      secrets: options.secrets,
      time: realTime,
      logger: silentLogger,
    });
    await master.start();
    this.#running.add(master);
    return master;
  }

  /** Starts a filer and waits until clients may write there. */
  async filer(options: Partial<FilerProcessOptions> = {}): Promise<FilerProcess> {
    const filer = await FilerProcess.start({
      ip: '127.0.0.1',
      bind: '127.0.0.1',
      port: 0,
      masters: [],
      dir: options.dir ?? (await tempDir()),
      group: '',
      force: false,
      program: 'test',
      limits: {},
      time: realTime,
      logger: silentLogger,
      ...options,
    });
    this.#running.add(filer);
    await waitFor(() => filer.filer.state === 'ready', { what: 'the filer to be ready' });
    return filer;
  }

  async stop(process: { stop(): Promise<void> }): Promise<void> {
    this.#running.delete(process);
    await process.stop();
  }

  meta(process: { readonly address: string }): MetaClient {
    return new MetaClient(this.http, process.address);
  }

  /** Any request to a process; failures come as FilerError. */
  async send(process: { readonly address: string }, method: string, path: string, body?: string | Buffer, headers?: Record<string, string>) {
    return this.http.request({ address: process.address, method, path, body, headers });
  }

  /** Stops what runs, filers before masters. */
  async stopAll(): Promise<void> {
    await this.http.close();
    for (const process of [...this.#running].reverse()) await this.stop(process);
  }
}
