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
    address: string,
  ) {
    [this.tree, this.meta] = this.#clients(address);
  }

  /** host:port */
  get address(): string {
    return this.tree.address;
  }

  set address(address: string) {
    [this.tree, this.meta] = this.#clients(address);
  }

  get port(): number {
    return Number(this.address.split(':')[1]);
  }

  async position(signal: AbortSignal): Promise<Position> {
    return (await this.meta.info(signal)).position;
  }

  #clients(address: string): [TreeClient, MetaClient] {
    return [new TreeClient(this.http, address), new MetaClient(this.http, address)];
  }
}
