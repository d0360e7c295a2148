import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** What a proxy does to the bytes that pass. */
export interface ProxyOptions {
  /** Bytes a second of what the target answers; default without bound. */
  readonly bytesPerSecond?: number;
}

/** The way to one port, by TCP: it counts what passes, and can be cut and slowed. */
export class Proxy {
  /** Bytes that went to the target, and that came back from it. */
  readonly bytes = { sent: 0, received: 0 };
  bytesPerSecond: number;
  #cut = false;
  readonly #sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private targetPort: number,
    options: ProxyOptions,
  ) {
    this.bytesPerSecond = options.bytesPerSecond ?? Infinity;
    server.on('connection', (client) => this.#join(client));
  }

  /** Stands in front of a port of the loopback, whether somebody listens there or not. */
  static async before(targetPort: number, options: ProxyOptions = {}): Promise<Proxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new Proxy(server, targetPort, options);
  }

  /** host:port */
  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Breaks what is under way; whoever comes is turned away. */
  cut(): void {
    this.#cut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Sockets that are open, on both sides. */
  get open(): number {
    return this.#sockets.size;
  }

  /** From now on it leads to another port; what is under way is broken. */
  leadTo(port: number): void {
    this.targetPort = port;
    for (const socket of this.#sockets) socket.destroy();
  }

  heal(): void {
    this.#cut = false;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  #join(client: Socket): void {
    if (this.#cut) {
      client.resetAndDestroy();
      return;
    }
    const target = connect(this.targetPort, '127.0.0.1');
    this.#pass(client, target, (bytes) => {
      this.bytes.sent += bytes;
      return 0;
    });
    this.#pass(target, client, (bytes) => {
      this.bytes.received += bytes;
      return (bytes / this.bytesPerSecond) * 1000;
    });
  }

  /** `count` tells after how many milliseconds the next bytes may pass. */
  #pass(from: Socket, to: Socket, count: (bytes: number) => number): void {
    this.#sockets.add(from);
    from.setNoDelay(true);
    from.on('data', (chunk) => {
      const pauseMs = count(chunk.length);
      const isFull = !to.write(chunk);
      if (pauseMs < 1 && !isFull) return;
      from.pause();
      if (isFull) to.once('drain', () => from.resume());
      else setTimeout(() => from.resume(), pauseMs);
    });
    from.on('end', () => to.end());
    // One side broken is both sides broken, as on a real way.
    from.on('error', () => to.destroy());
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }
}
