import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Pool } from 'undici';
import { Proxy } from './proxy.js';

interface MemberJson {
  readonly origin: string;
  readonly address: string;
}

/**
 * The cluster as one filer sees it: given to it as its only master, it passes everything on to the real one, but in the member lists
 * every other filer stands at the address of a proxy. So each direction between two filers can be cut, slowed and counted alone.
 *
 *   const view = await MasterView.of(cluster.master.address);
 *   const c = await cluster.addFiler({ masters: [view.address] });
 *   (await view.to(a)).cut();                     c cannot reach a; a reaches c
 */
export class MasterView {
  readonly #proxies = new Map<string, Promise<Proxy>>();
  readonly #master: Pool;
  /** The filer's own address stays as it is, under whatever origin it comes. */
  readonly #own = new Set<string>();

  private constructor(
    private readonly server: Server,
    master: string,
  ) {
    this.#master = new Pool(`http://${master}`, { connections: 8, headersTimeout: 120_000 });
    server.on('request', (request: IncomingMessage, response: ServerResponse) => void this.#pass(request, response));
  }

  static async of(master: string): Promise<MasterView> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new MasterView(server, master);
  }

  /** host:port */
  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** The way to another filer, which need not have registered yet. */
  to({ address }: { readonly address: string }): Promise<Proxy> {
    let proxy = this.#proxies.get(address);
    if (!proxy) {
      proxy = Proxy.before(Number(address.slice(address.lastIndexOf(':') + 1)));
      this.#proxies.set(address, proxy);
    }
    return proxy;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
    await this.#master.destroy();
    for (const proxy of this.#proxies.values()) await (await proxy).close();
  }

  async #pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    try {
      const body = await textOf(request);
      const { method = 'GET', url: path = '/' } = request;
      if (method === 'PUT') this.#own.add((JSON.parse(body) as MemberJson).address);
      const answer = await this.#master.request({
        method: method as 'GET',
        path,
        headers: { 'content-type': 'application/json' },
        body: body === '' ? null : body,
        signal: gone.signal,
      });
      const text = await this.#rewrite(await answer.body.text());
      response.writeHead(answer.statusCode, { 'content-type': 'application/json' }).end(text);
    } catch {
      // The master is away, or the filer has hung up: so is the connection.
      response.destroy();
    }
  }

  async #rewrite(text: string): Promise<string> {
    if (text === '') return text;
    const list = JSON.parse(text) as { members?: MemberJson[] };
    if (!list.members) return text;
    const members = list.members.map(async (member) => (this.#own.has(member.address) ? member : { ...member, address: (await this.to(member)).address }));
    return JSON.stringify({ ...list, members: await Promise.all(members) });
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += chunk as string;
  return text;
}
