import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { waitFor } from '../../support/wait-for.js';
import { freePort } from '../../support/free-port.js';
import { Program } from './program.js';

/** As much of npm's etcd3 as is used here; it is installed by `--setup` only, so its types are not there for everybody. */
interface Etcd3 {
  put(key: string): { value(value: string | Buffer): { exec(): Promise<unknown> } };
  get(key: string): { string(): Promise<string | null> };
  watch(): { prefix(prefix: string): { create(): Promise<Watcher> } };
  close(): void;
}

export interface Watcher {
  on(event: 'put', listener: (change: { key: Buffer }) => void): void;
  cancel(): Promise<void>;
}

export const etcdBin = '/usr/bin/etcd';

/** One etcd alone, durable as it comes, with npm's etcd3 as its client. */
export class EtcdProgram {
  private constructor(
    readonly program: Program,
    readonly client: Etcd3,
  ) {}

  static async start(dir: string): Promise<EtcdProgram> {
    if (!existsSync(etcdBin)) throw new Error('etcd is not installed; run npm run bench -- --setup');
    const [client, peer] = [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${await freePort()}`];
    const urls = { 'listen-client-urls': client, 'advertise-client-urls': client, 'listen-peer-urls': peer, 'initial-advertise-peer-urls': peer };
    const args = Object.entries({ 'data-dir': join(dir, 'etcd'), 'initial-cluster': `default=${peer}`, logger: 'zap', 'log-level': 'error', ...urls });
    const program = Program.start(
      'etcd',
      etcdBin,
      args.map(([name, value]) => `--${name}=${value}`),
    );
    const { Etcd3 } = createRequire(import.meta.url)('etcd3') as { Etcd3: new (options: { hosts: string }) => Etcd3 };
    const etcd = new EtcdProgram(program, new Etcd3({ hosts: client }));
    await waitFor(
      async () => {
        program.mustRun();
        await etcd.client.put('/ready').value('').exec();
        return true;
      },
      { what: 'etcd to take a put', timeoutMs: 20_000 },
    );
    return etcd;
  }

  async stop(): Promise<void> {
    this.client.close();
    await this.program.stop();
  }
}
