import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { encodeChangePage } from '../../src/core/change/page.js';
import { infoToJson } from '../../src/core/api/meta/info.js';
import { feedToHeaders, metaPaths } from '../../src/core/api/meta/protocol.js';
import { MasterClient } from '../../src/core/api/master/client.js';
import { chainStart } from '../../src/core/change/digest.js';
import { parsePosition, type Origin } from '../../src/core/clock/vector.js';
import { HttpClient } from '../../src/core/http/client.js';
import { announcementOf } from './announcements.js';
import { ForgedLog } from './forged-log.js';

/** A program that says it is a filer: it registers, and serves its forged log to whoever follows it. It follows nobody. */
export class ForgedPeer {
  readonly log: ForgedLog;
  readonly #http = new HttpClient({ connections: 1 });
  #announcing: NodeJS.Timeout | undefined;

  private constructor(
    readonly address: string,
    readonly origin: Origin,
    private readonly clusterId: string,
    private readonly server: Server,
    /** Origins it claims to have heard of. */
    private readonly known: readonly Origin[],
  ) {
    this.log = new ForgedLog(origin);
    server.on('request', (request, response) => this.#answer(request, response));
  }

  static async start(master: string, clusterId: string, known: readonly Origin[]): Promise<ForgedPeer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const peer = new ForgedPeer(`127.0.0.1:${(server.address() as AddressInfo).port}`, 'f'.repeat(16), clusterId, server, known);
    const announce = () =>
      new MasterClient(peer.#http, master).announce(announcementOf({ origin: peer.origin, clusterId, address: peer.address, instance: 'forged' }));
    await announce();
    peer.#announcing = setInterval(() => void announce().catch(() => {}), 3000);
    return peer;
  }

  async close(): Promise<void> {
    clearInterval(this.#announcing);
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
    await this.#http.close();
  }

  #position() {
    return new Map([...this.known.map((origin) => [origin, 0] as const), [this.origin, this.log.seq] as const]);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(request.url ?? '/', `http://${this.address}`);
    if (pathname === metaPaths.store) this.#info(response);
    else if (pathname === metaPaths.changes) void this.#changes(searchParams, response);
    else if (pathname === metaPaths.peers) sendJson(response, { origin: this.origin, peers: [] });
    else response.writeHead(404).end();
  }

  #info(response: ServerResponse): void {
    const { origin, clusterId, address } = this;
    const position = this.#position();
    const body = infoToJson({
      storeId: origin,
      origin,
      clusterId,
      instance: 'forged',
      engine: 'sqlite',
      kind: 'embedded',
      address,
      state: 'ready',
      program: 'forged',
      protocol: 1,
      position,
      hashes: new Map([...position.keys()].map((known) => [known, known === origin ? this.log.hash : chainStart])),
      floor: 0,
      head: `00000001${String(this.log.seq).padStart(16, '0')}`,
      first: `00000001${'0'.repeat(16)}`,
      digest: '0'.repeat(16),
      damage: null,
      quarantined: [],
      counts: { entries: this.log.seq, directories: 0, tombstones: 0, changes: this.log.seq, bytes: 1 },
      time: Date.now() * 1000,
      former: [],
      lineage: null,
    });
    sendJson(response, body);
  }

  /** Everything beyond the position; a poll is held for a moment only. */
  async #changes(query: URLSearchParams, response: ServerResponse): Promise<void> {
    const has = parsePosition(query.get('position') ?? '').get(this.origin) ?? 0;
    const asks = query.get('origins')?.split(',').includes(this.origin) ?? false;
    if (has >= this.log.seq || !asks) await new Promise((resolve) => setTimeout(resolve, 100));
    const texts = asks ? this.log.texts.slice(has) : [];
    const position = this.#position();
    const headers = feedToHeaders({
      next: `00000001${String(this.log.seq).padStart(16, '0')}`,
      position,
      head: position,
      digest: '',
      time: Date.now() * 1000,
      report: null,
      upToDate: true,
      ended: false,
    });
    response.writeHead(200, { 'Content-Type': 'application/json', ...headers }).end(encodeChangePage(texts));
  }
}

function sendJson(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
}
