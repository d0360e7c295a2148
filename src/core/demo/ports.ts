import { createServer } from 'node:net';

/** Loopback ports for the processes of one demo: the well-known one where it is free, else any free one; none is given out twice. */
export class Ports {
  readonly #given = new Set<number>();

  /** @throws an error of the system if there is no free port at all */
  async take(preferred?: number): Promise<number> {
    for (let wanted = preferred ?? 0; ; wanted = 0) {
      const port = this.#given.has(wanted) ? null : await tryPort(wanted);
      if (port === null && wanted === 0) throw new Error('there is no free port');
      if (port === null || this.#given.has(port)) continue;
      this.#given.add(port);
      return port;
    }
  }
}

/** True if nobody listens there. */
export async function isFree(port: number): Promise<boolean> {
  return (await tryPort(port)) !== null;
}

/** The port if it can be had, 0 meaning any; else null. */
function tryPort(port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(null));
    server.listen(port, '127.0.0.1', () => {
      const { port: taken } = server.address() as { port: number };
      server.close(() => resolve(taken));
    });
  });
}
