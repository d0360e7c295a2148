import type { Socket } from 'node:net';

/**
 * The open connections of one port. When there are more than there should be, the one that has been idle for longest is closed, so that
 * a new one gets in as long as any is idle. If all are busy the newcomer takes one of a few kept places and is `late`: only what must work
 * even then is answered there.
 */
export class Connections {
  /** On each, what the requests under way want to hear when it is gone. */
  readonly #open = new Map<Socket, Set<() => void>>();
  /** Without a request, longest idle first; those that have sent nothing whole so far too. */
  readonly #idle = new Set<Socket>();
  readonly #late = new Set<Socket>();

  constructor(
    /** Beyond these, idle ones have to go. */
    private readonly connectionsMax: number,
    /** Places beyond those, for late ones. */
    private readonly kept: number,
  ) {}

  get count(): number {
    return this.#open.size;
  }

  add(socket: Socket): void {
    if (this.count >= this.connectionsMax && !this.#closeLongestIdle((idle) => !this.#late.has(idle))) this.#late.add(socket);
    if (this.count >= this.connectionsMax + this.kept && !this.#closeLongestIdle(() => true)) {
      socket.destroy();
      return;
    }
    this.#open.set(socket, new Set());
    this.#idle.add(socket);
    socket.once('close', () => this.#remove(socket));
  }

  /**
   * A request begins; `gone` is called if its connection is closed before it ends. Node tells only the first of pipelined requests.
   * Returns how many are under way on the connection with it.
   */
  begin(socket: Socket, gone: () => void): number {
    const active = this.#open.get(socket);
    if (active === undefined) {
      gone();
      return 1;
    }
    this.#idle.delete(socket);
    return active.add(gone).size;
  }

  /** A request has been answered. */
  end(socket: Socket, gone: () => void): void {
    const active = this.#open.get(socket);
    if (!active?.delete(gone) || active.size > 0) return;
    this.#idle.add(socket);
    if (this.count > this.connectionsMax) this.#closeLongestIdle((idle) => !this.#late.has(idle));
  }

  /** True if it came when all others were busy, and that has not changed. */
  isLate(socket: Socket): boolean {
    return this.#late.has(socket);
  }

  closeIdle(): void {
    for (const socket of this.#idle) socket.destroy();
  }

  #closeLongestIdle(may: (socket: Socket) => boolean): boolean {
    for (const socket of this.#idle) {
      if (!may(socket)) continue;
      this.#remove(socket);
      socket.destroy();
      return true;
    }
    return false;
  }

  #remove(socket: Socket): void {
    const active = this.#open.get(socket);
    this.#open.delete(socket);
    this.#idle.delete(socket);
    this.#late.delete(socket);
    if (this.count <= this.connectionsMax) this.#late.clear();
    for (const gone of active ?? []) gone();
  }
}
