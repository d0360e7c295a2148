import { TreeClient } from '../api/filer/client.js';
import { MetaClient } from '../api/meta/client.js';
import type { Origin, Position } from '../clock/vector.js';
import type { HttpClient } from '../http/client.js';
import type { KelpProcess } from './kelp-process.js';

/** One filer of the demo: its store stays, its process and address may change. */
export class DemoFiler {
  status: 'starting' | 'running' | 'killed' = 'starting';
  process: KelpProcess | null = null;
  origin: Origin | null = null;
  tree: TreeClient;
  meta: MetaClient;

  constructor(
    /** `filer 2` */
    readonly name: string,
    /** Folder of its store. */
    readonly directory: string,
    private readonly http: HttpClient,
    port: number,
  ) {
    [this.tree, this.meta] = this.#clients(port);
  }

  /** host:port */
  get address(): string {
    return this.tree.address;
  }

  get port(): number {
    return Number(this.address.split(':')[1]);
  }

  set port(port: number) {
    [this.tree, this.meta] = this.#clients(port);
  }

  async position(signal: AbortSignal): Promise<Position> {
    return (await this.meta.info(signal)).position;
  }

  #clients(port: number): [TreeClient, MetaClient] {
    const address = `127.0.0.1:${port}`;
    return [new TreeClient(this.http, address), new MetaClient(this.http, address)];
  }
}
