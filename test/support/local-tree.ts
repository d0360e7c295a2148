import { request, type IncomingHttpHeaders } from 'node:http';
import { treeRoutes, type TreeHandlersOptions } from '../../src/core/api/filer/handlers.js';
import { TreeClient } from '../../src/core/api/filer/client.js';
import { limits } from '../../src/core/config/limits.js';
import { parsePath, type FullPath } from '../../src/core/entry/path.js';
import { Filer } from '../../src/core/filer.js';
import type { FilerLimits } from '../../src/core/filer-options.js';
import { HttpClient } from '../../src/core/http/client.js';
import { HttpServer } from '../../src/core/http/server.js';
import { silentLogger } from '../../src/core/logger.js';
import { MemoryStore } from '../../src/core/store/memory/memory-store.js';
import type { Store } from '../../src/core/store/store.js';
import { realTime } from '../../src/core/time.js';
import { waitFor } from './wait-for.js';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body as JSON. */
  readonly json: Record<string, unknown>;
}

export interface Sent {
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string | Buffer;
}

/** One real filer without masters behind a real server on a loopback port, with the tree as its only routes. */
export class LocalTree {
  private constructor(
    readonly filer: Filer,
    readonly client: TreeClient,
    readonly port: number,
    private readonly server: HttpServer,
    private readonly http: HttpClient,
  ) {}

  static async start(
    options: TreeHandlersOptions & { store?: Store; start?: boolean } & Partial<Pick<FilerLimits, 'subtreeEntries' | 'listSkipped'>> = {},
  ): Promise<LocalTree> {
    const { store = new MemoryStore(), start = true, subtreeEntries = limits.subtreeEntries, listSkipped = limits.listSkipped, ...handlers } = options;
    const filer = await Filer.open({
      store,
      time: realTime,
      logger: silentLogger,
      limits: { ...limits, subtreeEntries, listSkipped },
      address: '127.0.0.1:1',
      program: 'test',
      group: '',
      instance: 'test',
      masters: [],
      connect: () => {
        throw new Error('nobody is there');
      },
      force: false,
    });
    const server = new HttpServer({ routes: treeRoutes(filer, handlers), hosts: [], time: realTime, logger: silentLogger });
    const { port } = await server.listen('127.0.0.1', 0);
    const http = new HttpClient({ connections: 64 });
    const tree = new LocalTree(filer, new TreeClient(http, `127.0.0.1:${port}`), port, server, http);
    if (start) {
      filer.start();
      await waitFor(() => filer.state === 'ready', { what: 'the filer to be ready' });
    }
    return tree;
  }

  async stop(): Promise<void> {
    await this.http.close();
    await this.server.stop();
    await this.filer.stop();
  }

  /** Sends a request with its target as it is, `/../x` too. */
  async send(method: string, target: string, { headers = {}, body }: Sent = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const sent = request({ host: '127.0.0.1', port: this.port, method, path: target, headers }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', reject);
        answer.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          resolve({
            status: answer.statusCode ?? 0,
            headers: answer.headers,
            text,
            get json() {
              return JSON.parse(text) as Record<string, unknown>;
            },
          });
        });
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }

  get(target: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send('GET', target, { headers });
  }

  put(target: string, body: string | Buffer = 'x', headers: Record<string, string> = {}): Promise<Answer> {
    return this.send('PUT', target, { headers, body });
  }

  /** What `curl -F` sends. */
  form(target: string, parts: { name?: string; filename?: string; type?: string; content: string }[]): Promise<Answer> {
    const boundary = '----kelp';
    const body = parts.map(({ name = 'file', filename, type, content }) => {
      const named = filename === undefined ? '' : `; filename="${filename}"`;
      const typed = type === undefined ? '' : `Content-Type: ${type}\r\n`;
      return `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${named}\r\n${typed}\r\n${content}\r\n`;
    });
    return this.send('POST', target, { headers: { 'Content-Type': `multipart/form-data; boundary=${boundary}` }, body: `${body.join('')}--${boundary}--\r\n` });
  }

  path(text: string): FullPath {
    return parsePath(text);
  }
}
